/*
 * End of data. The message's own header and line ends are judged, the record is finished and sent,
 * then the owners commit: the first that has all of it is the lead and also queues the others'
 * recipients; when it is durable the message is taken, whatever the others say. They are told at
 * once all the same, all at a time, and what they took leaves the lead's queue again.
 */
#include <stdio.h>

#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "frontend/smtp/smtp.h"
#include "frontend/smtp/smtp_intake.h"
#include "frontend/smtp/smtp_prefix.h"
#include "frontend/smtp/smtp_sender.h"
#include "frontend/smtp/smtp_sign.h"

/* The other owners have so long until the client hears its 250; the queue delivers to slower
 * ones. */
#define OTHERS_MS 10000

METRIC_COUNTER(m_taken, "smtp_messages_total", "Messages by result", {"result", "accepted"});
METRIC_COUNTER(m_refused, "smtp_messages_total", "Messages by result", {"result", "refused"});
METRIC_COUNTER(m_later, "smtp_messages_total", "Messages by result", {"result", "later"});
METRIC_COUNTER(m_bytes, "smtp_message_bytes_total", "Bytes of accepted messages");

/* What the message itself says; errors are the session's. */
static WAITS enum err judge(struct smtp *s, enum smtp_say *why_out)
{
	struct smtp_intake *in = s->tx.in;

	smtp_intake_last(s);
	*why_out = in->failed;
	if (*why_out != SAY_NOTHING)
		return E_OK;
	if (in->eol.bare || in->eol.nul) {
		*why_out = in->eol.bare ? SAY_BARE : SAY_NUL;
		return E_OK;
	}
	if (in->header.stray) {
		*why_out = SAY_STRAY;
		return E_OK;
	}
	if (!smtp_submits(s))
		return smtp_from_check(s, &in->header, why_out);
	*why_out = in->from_said;
	return in->from_err;
}

/* What servers on the way must offer. 8-bit header fields without SMTPUTF8 are an old habit that
 * servers with 8BITMIME let through. */
static uint32_t content_of(const struct smtp_tx *tx)
{
	uint32_t content = tx->in->eight ? DELIVER_8BIT : 0;

	if (tx->binary)
		content |= DELIVER_BINARY;
	if (tx->utf8 && (tx->utf8_addr || tx->in->header.eight))
		content |= DELIVER_UTF8;
	/* RFC 8689 section 3: the field does not count beside the parameter. */
	if (tx->requiretls)
		content |= DELIVER_REQUIRETLS;
	else if (smtp_header_tls_optional(&tx->in->header))
		content |= DELIVER_TLS_OPTIONAL;
	return content;
}

/* The prefix and the summary, for all owners alike. */
static enum smtp_say describe(struct smtp *s)
{
	struct smtp_tx *tx = &s->tx;
	struct mime_summary summary;
	struct buf b;

	if (mime_parser_end(tx->in->mime, &summary) != E_OK)
		return SAY_NO_ROOM;
	deliver_meta_pack(&tx->meta, &summary, &tx->arena);
	tx->meta.content = content_of(tx);
	tx->meta.server = server_name(s->base.server);
	buf_init(&b, DELIVER_PREFIX_MAX, NULL);
	smtp_prefix(s, &b);
	invariant(!buf_failed(&b)); /* all of its parts are bounded */
	tx->meta.prefix = arena_dup(&tx->arena, buf_slice(&b));
	buf_fini(&b);
	return SAY_NOTHING;
}

/* One result for a whole owner: taken if any recipient was; a passing failure before a lasting
 * one, since the client can then try again. */
static enum err worst(const enum err *results, size_t n)
{
	enum err e = results[0];

	for (size_t i = 0; i < n; i++) {
		if (results[i] == E_OK)
			return E_OK;
		if (smtp_say_code(smtp_say_for(AT_MESSAGE, results[i])) < 500)
			e = results[i];
	}
	return e;
}

static void log_results(const struct smtp *s, const struct deliver_group *g,
			const enum err *results)
{
	for (size_t i = 0; i < g->n; i++) {
		if (results[i] != E_OK)
			LOG(LOG_INFO, &s->base.log, "smtp.not_delivered",
			    LF_STR("trace", s->tx.trace_hex), LF_SLICE("backend", g->backend),
			    LF_UINT("recipient", i), LF_ERR("reason", results[i]));
	}
}

struct other {
	struct smtp *s;
	struct deliver *deliver;
	bool taken;
};

static WAITS void other_commit(void *arg)
{
	struct other *o = arg;
	struct deliver_group *g = &o->deliver->group;
	enum err *results = xcalloc(g->n, sizeof *results);
	enum err e = deliver_commit(o->deliver, &o->s->tx.meta, NULL, 0, results);

	/* A recipient that was refused stays in the lead's queue, which tells its sender. */
	o->taken = e == E_OK;
	for (size_t i = 0; i < g->n && o->taken; i++)
		o->taken = results[i] == E_OK;
	if (e == E_OK)
		log_results(o->s, g, results);
	xfree(&results);
}

/* All other owners that have the bytes, at the same time. */
static WAITS void commit_others(struct smtp *s, const struct deliver *lead, struct other *others,
				size_t *n_out)
{
	struct scope scope;
	size_t n = 0;

	scope_init(&scope);
	for (size_t i = 0; i < s->tx.nowners; i++) {
		struct deliver *d = &s->tx.owners[i].deliver;

		if (d == lead || d->err != E_OK)
			continue;
		others[n] = (struct other){.s = s, .deliver = d};
		if (scope_start(&scope, "smtp.other_owner", other_commit, &others[n]) != E_OK)
			continue; /* the queue will do it */
		n++;
	}
	if (scope_join(&scope, deadline_in(OTHERS_MS)) != E_OK)
		LOG(LOG_INFO, &s->base.log, "smtp.owners_late", LF_STR("trace", s->tx.trace_hex));
	*n_out = n;
}

/* The lead's commit. E_OK: taken, and every recipient of an owner is either delivered or queued. */
static WAITS enum err commit_lead(struct smtp *s, struct deliver *lead)
{
	struct deliver_group others[SMTP_OWNERS_MAX];
	enum err *results = xcalloc(lead->group.n, sizeof *results);
	size_t n = 0;
	enum err e;

	for (size_t i = 0; i < s->tx.nowners; i++) {
		if (&s->tx.owners[i].deliver != lead)
			others[n++] = s->tx.owners[i].deliver.group;
	}
	e = deliver_commit(lead, &s->tx.meta, others, n, results);
	if (e == E_RATE)
		s->limit = lead->words;
	if (e == E_OK) {
		log_results(s, &lead->group, results);
		if (n == 0)
			e = worst(results, lead->group.n);
	}
	xfree(&results);
	return e;
}

/* The first that has all of it. A user's own owner, when it is one of them, must be it: what goes
 * outside lies in its queue alone. */
static struct deliver *find_lead(struct smtp *s)
{
	const struct ticket *t = s->base.ticket;

	for (size_t i = 0; t != NULL && i < s->tx.nowners; i++) {
		struct deliver *d = &s->tx.owners[i].deliver;

		if (d->group.partition == t->partition)
			return d->err == E_OK ? d : NULL;
	}
	for (size_t i = 0; i < s->tx.nowners; i++) {
		if (s->tx.owners[i].deliver.err == E_OK)
			return &s->tx.owners[i].deliver;
	}
	return NULL;
}

static void log_taken(const struct smtp *s)
{
	metric_add(&m_taken, 1);
	metric_add(&m_bytes, (int64_t)s->tx.in->bytes);
	LOG(LOG_INFO, &s->base.log, "smtp.message", LF_STR("trace", s->tx.trace_hex),
	    LF_SLICE("from", s->tx.meta.sender), LF_UINT("recipients", s->tx.nrcpts),
	    LF_UINT("owners", s->tx.nowners), LF_UINT("bytes", s->tx.in->bytes),
	    LF_STR("helo", s->helo), LF_UINT("code", smtp_say_code(SAY_TAKEN)));
}

static void log_refused(const struct smtp *s, enum smtp_say why)
{
	metric_add(smtp_say_code(why) < 500 ? &m_later : &m_refused, 1);
	LOG(LOG_INFO, &s->base.log, "smtp.message_refused", LF_STR("trace", s->tx.trace_hex),
	    LF_SLICE("from", s->tx.meta.sender), LF_UINT("recipients", s->tx.nrcpts),
	    LF_UINT("owners", s->tx.nowners), LF_UINT("bytes", s->tx.in->bytes),
	    LF_STR("helo", s->helo), LF_UINT("code", smtp_say_code(why)),
	    LF_STR("reason", smtp_say_words(why)));
}

static WAITS enum err refuse(struct smtp *s, enum smtp_say why)
{
	enum err e;

	log_refused(s, why);
	e = smtp_say(s, why); /* the client need not wait for the owners to forget it */
	smtp_reset(s);
	return e;
}

/* RFC 6710 section 3: who asked for more hears how urgent it is now, in front of the words. */
static WAITS enum err say_taken(struct smtp *s)
{
	char priority[8];

	if (!s->tx.lowered)
		return smtp_say_with(s, SAY_TAKEN, s->tx.trace_hex);
	snprintf(priority, sizeof priority, "%d", s->tx.meta.priority);
	return smtp_say_with(s, SAY_TAKEN_LOWERED, priority);
}

/* Says 250, then settles with the lead what the others took. */
static WAITS enum err accept(struct smtp *s, const struct deliver *lead, const struct other *others,
			     size_t n)
{
	enum err e;

	log_taken(s);
	e = say_taken(s);
	for (size_t i = 0; i < n; i++) {
		if (others[i].taken)
			deliver_settle(lead, &s->tx.meta, &others[i].deliver->group);
	}
	smtp_reset(s);
	return e;
}

WAITS enum err smtp_eom(struct smtp *s)
{
	struct other others[SMTP_OWNERS_MAX];
	struct deliver *lead;
	enum smtp_say why;
	size_t n = 0;
	enum err e = judge(s, &why);

	if (e != E_OK)
		return e;
	if (why == SAY_NOTHING)
		why = describe(s);
	if (why == SAY_NOTHING)
		e = smtp_sign(s, &why);
	if (e != E_OK)
		return e;
	if (why == SAY_NOTHING) {
		smtp_intake_end(s);
		why = s->tx.in->failed;
	}
	if (why != SAY_NOTHING)
		return refuse(s, why);
	lead = find_lead(s);
	if (lead == NULL)
		return refuse(s, SAY_LATER);
	e = commit_lead(s, lead);
	if (e != E_OK) {
		why = smtp_say_for(AT_MESSAGE, e);
		return why == SAY_NOTHING ? e : refuse(s, why);
	}
	commit_others(s, lead, others, &n);
	return accept(s, lead, others, n);
}

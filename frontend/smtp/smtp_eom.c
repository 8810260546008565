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
#include "frontend/smtp/smtp_lmtp.h"
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

/* 8-bit header fields without SMTPUTF8 are an old habit that servers with 8BITMIME let through. */
static uint32_t content_of(const struct smtp_tx *tx)
{
	const struct deliver_wants w = {
		.eight = tx->in->eight,
		.binary = tx->binary,
		.utf8 = tx->utf8 && (tx->utf8_addr || tx->in->header.eight),
		.requiretls = tx->requiretls,
		.tls_optional = smtp_header_tls_optional(&tx->in->header),
	};

	return deliver_content(&w);
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
	struct smtp_owner *owner;
};

static WAITS void other_commit(void *arg)
{
	struct other *o = arg;
	struct deliver_group *g = &o->owner->deliver.group;
	enum err *results = arena_alloc(&o->s->tx.arena, g->n * sizeof *results);

	o->owner->deliver.follows = true;
	if (deliver_commit(&o->owner->deliver, &o->s->tx.meta, NULL, 0, results) != E_OK)
		return;
	log_results(o->s, g, results);
	o->owner->results = results;
}

/* All other owners that have the bytes, at the same time. */
static WAITS void commit_others(struct smtp *s, const struct smtp_owner *lead)
{
	struct other others[SMTP_OWNERS_MAX];
	struct scope scope;
	size_t n = 0;

	scope_init(&scope);
	for (size_t i = 0; i < s->tx.nowners; i++) {
		struct smtp_owner *o = &s->tx.owners[i];

		if (o == lead || o->deliver.err != E_OK)
			continue;
		others[n] = (struct other){.s = s, .owner = o};
		if (scope_start(&scope, "smtp.other_owner", other_commit, &others[n]) != E_OK)
			continue; /* the queue will do it */
		n++;
	}
	if (scope_join(&scope, deadline_in(OTHERS_MS)) != E_OK)
		LOG(LOG_INFO, &s->base.log, "smtp.owners_late", LF_STR("trace", s->tx.trace_hex));
}

/* What the lead's queue need not hold any more: whom another owner took, and of whose refusal the
 * client hears. One that was refused otherwise stays there, and its sender is told. */
static WAITS void settle(struct smtp *s, const struct smtp_owner *lead)
{
	for (size_t i = 0; i < s->tx.nowners; i++) {
		const struct smtp_owner *o = &s->tx.owners[i];
		struct deliver_rcpt *rcpts;
		struct deliver_group g = o->deliver.group;

		if (o == lead || o->results == NULL)
			continue;
		rcpts = arena_alloc(&s->tx.arena, o->n * sizeof *rcpts);
		g.rcpts = rcpts;
		g.n = 0;
		for (size_t k = 0; k < o->n; k++) {
			if (o->results[k] == E_OK || o->rcpts[k].told)
				rcpts[g.n++] = o->rcpts[k];
		}
		if (g.n != 0)
			deliver_settle(&lead->deliver, &s->tx.meta, &g);
	}
}

/* The lead's commit. E_OK: taken, and every recipient of an owner is delivered, queued, or one that
 * has an answer of its own. */
static WAITS enum err commit_lead(struct smtp *s, struct smtp_owner *lead)
{
	struct deliver_group others[SMTP_OWNERS_MAX];
	struct deliver *d = &lead->deliver;
	enum err *results = arena_alloc(&s->tx.arena, d->group.n * sizeof *results);
	size_t n = 0;
	enum err e;

	for (size_t i = 0; i < s->tx.nowners; i++) {
		if (&s->tx.owners[i] != lead)
			others[n++] = s->tx.owners[i].deliver.group;
	}
	e = deliver_commit(d, &s->tx.meta, others, n, results);
	if (e == E_RATE)
		s->limit = d->words;
	if (e != E_OK)
		return e;
	log_results(s, &d->group, results);
	lead->results = results;
	return n == 0 && !s->profile->lmtp ? worst(results, d->group.n) : E_OK;
}

/* The first that has all of it. A user's own owner, when it is one of them, must be it: what goes
 * outside lies in its queue alone. */
static struct smtp_owner *find_lead(struct smtp *s)
{
	const struct ticket *t = s->base.ticket;

	for (size_t i = 0; t != NULL && i < s->tx.nowners; i++) {
		struct smtp_owner *o = &s->tx.owners[i];

		if (o->deliver.group.partition == t->partition)
			return o->deliver.err == E_OK ? o : NULL;
	}
	for (size_t i = 0; i < s->tx.nowners; i++) {
		if (s->tx.owners[i].deliver.err == E_OK)
			return &s->tx.owners[i];
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
	/* The client need not wait for the owners to forget it. */
	e = s->profile->lmtp ? smtp_lmtp_refuse(s, why) : smtp_say(s, why);
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
static WAITS enum err accept(struct smtp *s, const struct smtp_owner *lead)
{
	enum smtp_say why = s->profile->lmtp ? smtp_lmtp_verdict(s) : SAY_NOTHING;
	enum err e;

	if (why == SAY_NOTHING)
		log_taken(s);
	else
		log_refused(s, why);
	e = s->profile->lmtp ? smtp_lmtp_answer(s) : say_taken(s);
	settle(s, lead);
	smtp_reset(s);
	return e;
}

WAITS enum err smtp_eom(struct smtp *s)
{
	struct smtp_owner *lead;
	enum smtp_say why;
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
	commit_others(s, lead);
	return accept(s, lead);
}

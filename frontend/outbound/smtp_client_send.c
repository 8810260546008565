/*
 * One transaction. Its commands stand in a row: MAIL is place 0, the recipients are 1 to n, DATA
 * (or a BDAT that brings the whole message) is n + 1. Places are *said*, then *heard*, both in
 * order; with PIPELINING as many as fit into GROUP_BYTES are said before the first is heard, else
 * one. Everything else is the same: a refused MAIL or a list without a taken recipient ends the
 * saying, not the hearing.
 *
 * Which way the bytes go. DATA, in general. BDAT where it must be (BINARYMIME), and where it pays:
 * a small message to a server with PIPELINING goes out behind its envelope in one write and is
 * answered in one round trip instead of two. For a large one that is a bad bet: if all recipients
 * are refused it was sent for nothing; and the round trip that it saves matters less. Not for LMTP,
 * which is near.
 *
 * After DATA nothing can be taken back but by closing: a source that fails, and bytes that may not
 * leave, end the connection without the final dot.
 */
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "frontend/outbound/smtp_body.h"
#include "frontend/outbound/smtp_client_priv.h"

METRIC_COUNTER(m_taken, "smtp_client_recipients_total", "Recipients at other hosts by result",
	       {"result", "taken"});
METRIC_COUNTER(m_later, "smtp_client_recipients_total", "Recipients at other hosts by result",
	       {"result", "later"});
METRIC_COUNTER(m_refused, "smtp_client_recipients_total", "Recipients at other hosts by result",
	       {"result", "refused"});
METRIC_COUNTER(m_bytes, "smtp_client_bytes_total", "Bytes of messages sent to other hosts");

#define GROUP_BYTES    (32 * 1024) /* half a stream's high water: we read before we block */
#define BDAT_ONE_MAX   (32 * 1024)
#define BDAT_CHUNK_MAX (64 * 1024)
#define CUT_OFF_MS     1000 /* for words that came with, or before, the end of the connection */

enum way { BY_DATA, BY_BDAT_ONE, BY_BDAT_CHUNKS };

struct tx {
	struct smtp_client *c;
	struct smtp_msg *m;
	enum way way;
	enum smtp_utf8 utf8;
	size_t taken;        /* recipients, so far */
	bool mail_heard;     /* the connection still stood when we began */
	bool mail_ok;        /* MAIL was taken */
	bool stop;           /* say no more */
	bool go;             /* 354 came */
	bool last_said;      /* DATA, or the one BDAT */
	int64_t deadline_ms; /* of all answers before the body */
	struct buf out;      /* a group of commands */
	struct buf held;     /* bytes of the message that were read ahead */
	slice_t pending;     /* the chunk behind them, of the source */
	bool ended;          /* the source has no more */
	struct smtp_body body;
};

/* ---- results ---- */

/* Recipients are answered alike mostly: one copy for all in a row. */
static const struct smtp_result *keep(struct tx *t, const struct smtp_result *r, size_t i)
{
	const struct smtp_result *last = i > 0 ? t->m->rcpts[i - 1].result : NULL;
	struct smtp_result *copy;

	if (last != NULL && memcmp(last, r, sizeof *r) == 0)
		return last;
	copy = arena_new(t->m->arena, struct smtp_result);
	*copy = *r;
	return copy;
}

static void count(const struct smtp_result *r)
{
	switch (r->verdict) {
	case SMTP_TAKEN:
		metric_add(&m_taken, 1);
		return;
	case SMTP_LATER:
		metric_add(&m_later, 1);
		return;
	case SMTP_REFUSED:
		metric_add(&m_refused, 1);
		return;
	}
}

static void set_result(struct tx *t, size_t i, const struct smtp_result *r)
{
	t->m->rcpts[i].result = keep(t, r, i);
	count(r);
}

static void all_result(struct tx *t, const struct smtp_result *r)
{
	for (size_t i = 0; i < t->m->n; i++)
		if (t->m->rcpts[i].result == NULL)
			set_result(t, i, r);
}

/* ---- before anything is said ---- */

static void sort_addresses(struct tx *t)
{
	struct smtp_msg *m = t->m;
	bool offered = smtp_offers(&t->c->offer, SMTP_EXT_SMTPUTF8);
	struct smtp_result r;
	bool utf8;

	if ((m->needs & SMTP_NEED_UTF8) || (smtp_msg_address_ok(m->sender, &utf8) && utf8))
		t->utf8 = SMTP_UTF8;
	for (size_t i = 0; i < m->n; i++) {
		struct smtp_msg_rcpt *rcpt = &m->rcpts[i];

		rcpt->state = SMTP_RCPT_IDLE;
		if (rcpt->result != NULL)
			continue;
		if (rcpt->address.n == 0 || !smtp_msg_address_ok(rcpt->address, &utf8)) {
			smtp_result_own(&r, SMTP_AT_RCPT, SMTP_REFUSED, "5.1.3",
					"the recipient's address cannot be used");
			set_result(t, i, &r);
		} else if (utf8 && !offered) {
			smtp_result_own(&r, SMTP_AT_RCPT, SMTP_REFUSED, "5.6.7",
					"the host does not take internationalized addresses");
			set_result(t, i, &r);
		} else if (utf8) {
			t->utf8 = SMTP_UTF8;
		}
	}
}

/* RFC 9422 section 5: a server that names its limit is spared the rest. */
static size_t within_limit(struct tx *t)
{
	unsigned max = t->c->offer.rcpt_max;
	struct smtp_result r;
	size_t live = 0;

	smtp_result_own(&r, SMTP_AT_RCPT, SMTP_LATER, "4.5.3",
			"the host takes only %u recipients in a transaction", max);
	r.again_now = true;
	for (size_t i = 0; i < t->m->n; i++) {
		if (t->m->rcpts[i].result != NULL)
			continue;
		if (max != 0 && live == max)
			set_result(t, i, &r);
		else
			live++;
	}
	return live;
}

static enum way choose_way(const struct tx *t)
{
	const struct smtp_offer *o = &t->c->offer;

	if (t->m->needs & SMTP_NEED_BINARY)
		return BY_BDAT_CHUNKS;
	if (smtp_offers(o, SMTP_EXT_CHUNKING) && smtp_offers(o, SMTP_EXT_PIPELINING) &&
	    t->c->opts->kind == SMTP_KIND_SMTP && t->m->size > 0 && t->m->size <= BDAT_ONE_MAX)
		return BY_BDAT_ONE;
	return BY_DATA;
}

/* ---- the source ---- */

static void source_failed(struct smtp_result *why)
{
	smtp_result_own(why, SMTP_AT_BODY, SMTP_LATER, "4.3.0", "the message cannot be read now");
}

static void unclean(struct smtp_result *why)
{
	smtp_result_own(why, SMTP_AT_BODY, SMTP_REFUSED, "5.6.11",
			"bare CR, bare LF or NUL in the message");
}

/* The next chunk, those that were read ahead first. */
WAITS static enum err next_chunk(struct tx *t, slice_t *out)
{
	if (t->held.n > 0) {
		*out = buf_slice(&t->held);
		t->held.n = 0; /* its bytes stay until the next put */
		return E_OK;
	}
	if (t->pending.n > 0) {
		*out = t->pending;
		t->pending = SLICE_NONE;
		return E_OK;
	}
	*out = SLICE_NONE;
	return t->ended ? E_CLOSED : t->m->read(t->m->arg, out);
}

/* Fills `held` up to max bytes; E_OK: it is full, or the source has ended. */
WAITS static enum err read_ahead(struct tx *t, size_t max)
{
	if (t->held.n == 0 && t->pending.n <= max) {
		buf_put(&t->held, t->pending);
		t->pending = SLICE_NONE;
	}
	while (!t->ended && t->pending.n == 0) {
		slice_t chunk;
		enum err e = t->m->read(t->m->arg, &chunk);

		if (e == E_CLOSED)
			t->ended = true;
		else if (e != E_OK)
			return e;
		else if (chunk.n <= max - t->held.n)
			buf_put(&t->held, chunk);
		else
			t->pending = chunk;
	}
	return E_OK;
}

/* For BY_BDAT_ONE. Longer than was said: by DATA, then. Returns false with *why: nothing can be
 * sent, and nothing was said. */
WAITS static bool prepare(struct tx *t, struct smtp_result *why)
{
	if (t->way != BY_BDAT_ONE)
		return true;
	if (read_ahead(t, BDAT_ONE_MAX) != E_OK) {
		source_failed(why);
		return false;
	}
	if (!t->ended) {
		t->way = BY_DATA;
		return true;
	}
	if (!smtp_body_clean(&t->body, buf_slice(&t->held)) || !smtp_body_clean_end(&t->body)) {
		unclean(why);
		return false;
	}
	if (!slice_ends(buf_slice(&t->held), SL("\r\n")))
		buf_puts(&t->held, "\r\n");
	return true;
}

/* ---- saying ---- */

static void put_last(struct tx *t)
{
	t->last_said = true;
	if (t->way == BY_DATA) {
		buf_puts(&t->out, "DATA\r\n");
		return;
	}
	buf_printf(&t->out, "BDAT %zu LAST\r\n", t->held.n);
	buf_put(&t->out, buf_slice(&t->held));
	metric_add(&m_bytes, (int64_t)t->held.n);
}

/* Whether DATA may be said behind place `heard`: when all are heard, only if somebody is there for
 * the message. */
static bool may_say_last(const struct tx *t, size_t heard)
{
	return t->way != BY_BDAT_CHUNKS && (heard <= t->m->n || t->taken > 0);
}

/* Appends one place; false: none may be said now. */
static bool put_place(struct tx *t, size_t place, size_t heard)
{
	struct smtp_msg_rcpt *rcpt;

	if (place == 0) {
		smtp_msg_put_mail(&t->out, t->m, &t->c->offer, t->utf8);
		return true;
	}
	if (place > t->m->n) {
		if (!may_say_last(t, heard))
			return false;
		put_last(t);
		return true;
	}
	rcpt = &t->m->rcpts[place - 1];
	if (rcpt->result == NULL) {
		rcpt->state = SMTP_RCPT_SAID;
		smtp_msg_put_rcpt(&t->out, rcpt, &t->c->offer);
	}
	return true;
}

/* Composes the next group; returns the place behind it. */
static size_t compose(struct tx *t, size_t said, size_t heard)
{
	bool pipelining = smtp_offers(&t->c->offer, SMTP_EXT_PIPELINING);

	buf_reset(&t->out);
	while (!t->stop && said <= t->m->n + 1 && t->out.n < GROUP_BYTES &&
	       put_place(t, said, heard)) {
		said++;
		if (!pipelining && t->out.n > 0)
			break;
	}
	return said;
}

/* ---- hearing ---- */

WAITS static enum err hear(struct tx *t, enum smtp_phase at, int64_t ms, struct smtp_answer *a,
			   struct smtp_result *why)
{
	return smtp_client_answer(t->c, at, MIN(deadline_in(ms), t->deadline_ms), NULL, NULL, a,
				  why);
}

WAITS static enum err hear_mail(struct tx *t, struct smtp_result *why)
{
	struct smtp_answer a;
	enum err e = hear(t, SMTP_AT_MAIL, t->c->wait->mail_ms, &a, why);

	if (e != E_OK)
		return e;
	t->mail_heard = true;
	if (smtp_answer_is(&a, 3))
		return smtp_client_broken(t->c, SMTP_AT_MAIL, why, "a reply that does not fit");
	smtp_result_of(why, SMTP_AT_MAIL, &a);
	if (why->verdict == SMTP_TAKEN) {
		t->mail_ok = true;
		return E_OK;
	}
	t->stop = true;
	/* Those that are said have answers to come, which say nothing new. */
	all_result(t, why);
	return E_OK;
}

/* RFC 5321 section 4.5.3.1.10: "too many recipients" is 452, or of old servers 552; the rest may
 * come in another transaction, if there was one. A mailbox that is full says 552 with a status. */
static void too_many(const struct tx *t, const struct smtp_answer *a, struct smtp_result *r)
{
	slice_t status = slice_str(a->status);
	bool says_so = slice_ends(status, SL(".5.3"));

	if (t->taken == 0 || !(a->code == 452 || a->code == 552) ||
	    !(says_so || (a->code == 552 && status.n == 0)))
		return;
	smtp_result_soften(r);
	r->again_now = true;
}

WAITS static enum err hear_rcpt(struct tx *t, size_t i, struct smtp_result *why)
{
	struct smtp_msg_rcpt *rcpt = &t->m->rcpts[i];
	struct smtp_answer a;
	enum err e = hear(t, SMTP_AT_RCPT, t->c->wait->rcpt_ms, &a, why);

	if (e != E_OK)
		return e;
	if (smtp_answer_is(&a, 3))
		return smtp_client_broken(t->c, SMTP_AT_RCPT, why, "a reply that does not fit");
	if (!t->mail_ok)
		return E_OK;
	smtp_result_of(why, SMTP_AT_RCPT, &a);
	if (why->verdict == SMTP_TAKEN) {
		rcpt->state = SMTP_RCPT_TAKEN;
		t->taken++;
		return E_OK;
	}
	too_many(t, &a, why);
	set_result(t, i, why);
	return E_OK;
}

WAITS static enum err hear_data(struct tx *t, struct smtp_result *why)
{
	struct smtp_answer a;
	enum err e = hear(t, SMTP_AT_DATA, t->c->wait->data_ms, &a, why);

	if (e != E_OK)
		return e;
	if (a.code == 354) {
		t->go = true;
		return E_OK;
	}
	if (!smtp_answer_is(&a, 4) && !smtp_answer_is(&a, 5))
		return smtp_client_broken(t->c, SMTP_AT_DATA, why, "a reply that does not fit");
	t->c->reset_due = t->mail_ok;
	smtp_result_of(why, SMTP_AT_DATA, &a);
	all_result(t, why);
	return E_OK;
}

/* The verdict on the message: one for all who were taken, of LMTP one for each, in their order (RFC
 * 2033 section 4.2). */
WAITS static enum err hear_verdict(struct tx *t, struct smtp_result *why)
{
	bool lmtp = t->c->opts->kind == SMTP_KIND_LMTP;
	int64_t deadline_ms = deadline_in(t->c->wait->dot_ms);
	struct smtp_answer a;

	for (size_t i = 0; i < t->m->n; i++) {
		enum err e;

		if (t->m->rcpts[i].state != SMTP_RCPT_TAKEN)
			continue;
		e = smtp_client_answer(t->c, SMTP_AT_DOT, deadline_ms, NULL, NULL, &a, why);
		if (e != E_OK)
			return e;
		if (smtp_answer_is(&a, 3))
			return smtp_client_broken(t->c, SMTP_AT_DOT, why,
						  "a reply that does not fit");
		smtp_result_of(why, SMTP_AT_DOT, &a);
		if (!lmtp) {
			all_result(t, why);
			break;
		}
		set_result(t, i, why);
	}
	return E_OK;
}

/* BDAT that was said for nobody: its answer is a refusal of no interest (RFC 3030 section 2). */
WAITS static enum err hear_one(struct tx *t, struct smtp_result *why)
{
	struct smtp_answer a;
	enum err e;

	if (t->taken > 0) {
		e = hear_verdict(t, why);
		t->c->reset_due = e == E_OK && why->verdict != SMTP_TAKEN;
		return e;
	}
	t->c->reset_due = true;
	return smtp_client_answer(t->c, SMTP_AT_DOT, deadline_in(t->c->wait->dot_ms), NULL, NULL,
				  &a, why);
}

WAITS static enum err hear_place(struct tx *t, size_t place, struct smtp_result *why)
{
	if (place == 0)
		return hear_mail(t, why);
	if (place > t->m->n)
		return t->way == BY_DATA ? hear_data(t, why) : hear_one(t, why);
	/* State, not result: a refused MAIL gave it one, and its answer still comes. */
	return t->m->rcpts[place - 1].state == SMTP_RCPT_IDLE ? E_OK : hear_rcpt(t, place - 1, why);
}

WAITS static enum err envelope(struct tx *t, struct smtp_result *why)
{
	size_t said = 0, heard = 0;

	for (;;) {
		size_t before = said;
		enum err e = E_OK;

		said = compose(t, said, heard);
		if (said == before)
			return E_OK;
		if (t->out.n > 0)
			e = stream_write(t->c->s, buf_slice(&t->out),
					 deadline_in(t->c->wait->block_ms));
		if (e != E_OK)
			return smtp_client_lost(t->c, SMTP_AT_MAIL, e, why);
		for (; heard < said && e == E_OK; heard++)
			e = hear_place(t, heard, why);
		if (e != E_OK)
			return e;
	}
}

/* ---- the message ---- */

/* The bytes cannot go on, and the peer must not take those that went for all. */
static enum err abandon(struct tx *t)
{
	stream_close(&t->c->s, CLOSE_IO);
	return E_CLOSED;
}

/* The peer answers in the middle, or closes: it will not have the message. */
WAITS static enum err cut_off(struct tx *t, struct smtp_result *why)
{
	struct smtp_answer a;
	enum err e = smtp_client_answer(t->c, SMTP_AT_BODY, deadline_in(CUT_OFF_MS), NULL, NULL, &a,
					why);

	if (e != E_OK)
		return e;
	if (!smtp_answer_is(&a, 4) && !smtp_answer_is(&a, 5))
		return smtp_client_broken(t->c, SMTP_AT_BODY, why, "a reply that does not fit");
	smtp_result_of(why, SMTP_AT_BODY, &a);
	return abandon(t);
}

WAITS static enum err write_body(struct tx *t, slice_t bytes, struct smtp_result *why)
{
	enum err e = stream_write(t->c->s, bytes, deadline_in(t->c->wait->block_ms));

	if (e == E_OK)
		return E_OK;
	/* Its last words may have come before the end. */
	return e == E_IO || e == E_CLOSED ? cut_off(t, why)
					  : smtp_client_lost(t->c, SMTP_AT_BODY, e, why);
}

WAITS static enum err write_stuffed(struct tx *t, slice_t chunk, struct smtp_result *why)
{
	enum err e = E_OK;
	slice_t piece;

	if (!smtp_body_clean(&t->body, chunk)) {
		unclean(why);
		return abandon(t);
	}
	metric_add(&m_bytes, (int64_t)chunk.n);
	while (e == E_OK && smtp_body_next(&t->body, &chunk, &piece))
		e = write_body(t, piece, why);
	if (e == E_OK && stream_readable(t->c->s, 0))
		e = cut_off(t, why);
	return e;
}

/* RFC 2920 section 3.1: 354 for nobody is answered with an empty message, which is refused. */
WAITS static enum err end_for_nobody(struct tx *t, struct smtp_result *why)
{
	struct smtp_answer a;

	return smtp_client_ask(t->c, SMTP_AT_DOT, SL(".\r\n"), t->c->wait->dot_ms, &a, why);
}

WAITS static enum err send_by_data(struct tx *t, struct smtp_result *why)
{
	slice_t chunk;
	enum err e, sent = E_OK;

	if (t->taken == 0)
		return end_for_nobody(t, why);
	while ((e = next_chunk(t, &chunk)) == E_OK && sent == E_OK)
		sent = write_stuffed(t, chunk, why);
	if (sent != E_OK)
		return sent;
	if (e == E_CANCELLED)
		return smtp_client_lost(t->c, SMTP_AT_BODY, e, why);
	if (e != E_CLOSED) {
		source_failed(why);
		return abandon(t);
	}
	if (!smtp_body_clean_end(&t->body)) {
		unclean(why);
		return abandon(t);
	}
	e = write_body(t, smtp_body_end(&t->body), why);
	return e == E_OK ? hear_verdict(t, why) : e;
}

/* One chunk of BDAT, and its answer if it is not the last. *more_out: another may follow. */
WAITS static enum err send_chunk(struct tx *t, slice_t chunk, bool last, bool *more_out,
				 struct smtp_result *why)
{
	struct smtp_answer a;
	enum err e;

	*more_out = false;
	metric_add(&m_bytes, (int64_t)chunk.n);
	buf_reset(&t->out);
	buf_printf(&t->out, "BDAT %zu%s\r\n", chunk.n, last ? " LAST" : "");
	e = write_body(t, buf_slice(&t->out), why);
	if (e == E_OK)
		e = write_body(t, chunk, why);
	if (e != E_OK || last)
		return e;
	e = smtp_client_answer(t->c, SMTP_AT_BODY, deadline_in(t->c->wait->dot_ms), NULL, NULL, &a,
			       why);
	if (e != E_OK)
		return e;
	if (smtp_answer_is(&a, 3))
		return smtp_client_broken(t->c, SMTP_AT_BODY, why, "a reply that does not fit");
	*more_out = smtp_answer_is(&a, 2);
	if (!*more_out) {
		smtp_result_of(why, SMTP_AT_BODY, &a);
		all_result(t, why);
		t->c->reset_due = true;
	}
	return E_OK;
}

WAITS static enum err send_by_chunks(struct tx *t, struct smtp_result *why)
{
	bool more = true, last = false;
	enum err e = E_OK;

	while (e == E_OK && more && !last) {
		slice_t chunk = SLICE_NONE;

		e = read_ahead(t, BDAT_CHUNK_MAX);
		if (e == E_CANCELLED)
			return smtp_client_lost(t->c, SMTP_AT_BODY, e, why);
		if (e != E_OK) {
			source_failed(why);
			all_result(t, why);
			t->c->reset_due = true;
			return E_OK;
		}
		if (t->held.n > 0 || t->pending.n > 0)
			e = next_chunk(t, &chunk);
		last = t->ended && t->pending.n == 0;
		if (e == E_OK)
			e = send_chunk(t, chunk, last, &more, why);
	}
	if (e != E_OK || !last)
		return e;
	e = hear_verdict(t, why);
	t->c->reset_due = e == E_OK && why->verdict != SMTP_TAKEN;
	return e;
}

/* ---- the whole ---- */

/* A connection that was kept: the peer may have closed it, or said why it will. */
WAITS static enum err wake_up(struct smtp_client *c, struct smtp_result *why)
{
	struct smtp_answer a;
	enum err e;

	if (stream_readable(c->s, 0)) {
		e = smtp_client_answer(c, SMTP_AT_MAIL, deadline_in(CUT_OFF_MS), NULL, NULL, &a,
				       why);
		return e != E_OK ? e
				 : smtp_client_broken(c, SMTP_AT_MAIL, why, "a reply to nothing");
	}
	if (!c->reset_due)
		return E_OK;
	e = smtp_client_ask(c, SMTP_AT_MAIL, SL("RSET\r\n"), c->wait->hello_ms, &a, why);
	if (e != E_OK)
		return e;
	c->reset_due = false;
	return smtp_answer_is(&a, 2) ? E_OK : smtp_client_refused(c, SMTP_AT_MAIL, &a, why);
}

WAITS static enum err transact(struct tx *t, struct smtp_result *why)
{
	struct smtp_client *c = t->c;
	bool kept = c->messages > 0;
	enum err e = wake_up(c, why);

	if (e == E_OK) {
		c->messages++;
		t->deadline_ms = deadline_in(c->wait->envelope_ms);
		e = envelope(t, why);
	}
	if (e != E_OK) {
		why->again_now = kept && !t->mail_heard;
		return e;
	}
	if (t->go)
		return send_by_data(t, why);
	if (t->way == BY_BDAT_CHUNKS && t->taken > 0)
		return send_by_chunks(t, why);
	if (t->mail_ok && !t->last_said)
		c->reset_due = true;
	return E_OK;
}

static void tx_init(struct tx *t, struct smtp_client *c, struct smtp_msg *m)
{
	*t = (struct tx){.c = c, .m = m, .utf8 = SMTP_ASCII};
	buf_init(&t->out, GROUP_BYTES + 2 * SMTP_COMMAND_MAX + BDAT_ONE_MAX, NULL);
	buf_init(&t->held, BDAT_CHUNK_MAX + 2, NULL);
	smtp_body_init(&t->body);
	m->dsn_passed = smtp_offers(&c->offer, SMTP_EXT_DSN);
}

WAITS enum err smtp_client_send(struct smtp_client *c, struct smtp_msg *m)
{
	const struct tls_facts *tls = smtp_client_tls(c);
	struct smtp_result why;
	enum err e = E_OK;
	struct tx t;

	invariant(c->magic == SMTP_CLIENT_MAGIC);
	tx_init(&t, c, m);
	if (c->s == NULL) {
		smtp_result_own(&why, SMTP_AT_MAIL, SMTP_LATER, "4.4.2", "the connection is over");
		why.again_now = true;
		e = E_CLOSED;
	} else if (smtp_msg_unfit(m, &c->offer, tls != NULL && tls->verified != TLS_UNVERIFIED,
				  &why)) {
		all_result(&t, &why);
		return E_OK;
	}
	if (e == E_OK) {
		t.way = choose_way(&t);
		sort_addresses(&t);
		if (within_limit(&t) > 0) {
			if (prepare(&t, &why))
				e = transact(&t, &why);
			else
				all_result(&t, &why);
		}
	}
	if (e != E_OK)
		all_result(&t, &why);
	buf_fini(&t.out);
	buf_fini(&t.held);
	return e;
}

/*
 * One transaction. Its commands stand in a row: MAIL is place 0, the recipients are 1 to n, DATA
 * (or a BDAT that brings the whole message) is n + 1. Places are *said*, then *heard*, both in
 * order; with PIPELINING as many as fit into GROUP_BYTES are said before the first is heard, else
 * one. Everything else is the same: a refused MAIL or a list without a taken recipient ends the
 * saying, not the hearing.
 */
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "frontend/outbound/smtp_send_priv.h"

METRIC_COUNTER(m_taken, "smtp_client_recipients_total", "Recipients at other hosts by result",
	       {"result", "taken"});
METRIC_COUNTER(m_later, "smtp_client_recipients_total", "Recipients at other hosts by result",
	       {"result", "later"});
METRIC_COUNTER(m_refused, "smtp_client_recipients_total", "Recipients at other hosts by result",
	       {"result", "refused"});

#define GROUP_BYTES (32 * 1024) /* half a stream's high water: we read before we block */

/* ---- results ---- */

/* Recipients are answered alike mostly: one copy for all in a row. */
static const struct smtp_result *keep(struct smtp_send *t, const struct smtp_result *r, size_t i)
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

static void set_result(struct smtp_send *t, size_t i, const struct smtp_result *r)
{
	t->m->rcpts[i].result = keep(t, r, i);
	count(r);
}

void smtp_send_all(struct smtp_send *t, const struct smtp_result *r)
{
	for (size_t i = 0; i < t->m->n; i++)
		if (t->m->rcpts[i].result == NULL)
			set_result(t, i, r);
}

/* ---- before anything is said ---- */

static void sort_addresses(struct smtp_send *t)
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
static size_t within_limit(struct smtp_send *t)
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

static enum smtp_way choose_way(const struct smtp_send *t)
{
	const struct smtp_offer *o = &t->c->offer;

	if (t->m->needs & SMTP_NEED_BINARY)
		return SMTP_BY_BDAT_CHUNKS;
	if (smtp_offers(o, SMTP_EXT_CHUNKING) && smtp_offers(o, SMTP_EXT_PIPELINING) &&
	    t->c->opts->kind == SMTP_KIND_SMTP && t->m->size > 0 && t->m->size <= SMTP_BDAT_ONE_MAX)
		return SMTP_BY_BDAT_ONE;
	return SMTP_BY_DATA;
}

/* ---- saying ---- */

static void put_last(struct smtp_send *t)
{
	t->last_said = true;
	if (t->way == SMTP_BY_DATA) {
		buf_puts(&t->out, "DATA\r\n");
		return;
	}
	buf_printf(&t->out, "BDAT %zu LAST\r\n", t->held.n);
	buf_put(&t->out, buf_slice(&t->held));
}

/* Whether DATA may be said behind place `heard`: when all are heard, only if somebody is there for
 * the message. */
static bool may_say_last(const struct smtp_send *t, size_t heard)
{
	return t->way != SMTP_BY_BDAT_CHUNKS && (heard <= t->m->n || t->taken > 0);
}

/* Appends one place; false: none may be said now. */
static bool put_place(struct smtp_send *t, size_t place, size_t heard)
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
		smtp_msg_put_rcpt(&t->out, rcpt, &t->c->offer, t->utf8);
	}
	return true;
}

/* Composes the next group; returns the place behind it. */
static size_t compose(struct smtp_send *t, size_t said, size_t heard)
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

WAITS static enum err hear(struct smtp_send *t, enum smtp_phase at, int64_t ms,
			   struct smtp_answer *a, struct smtp_result *why)
{
	return smtp_client_answer(t->c, at, MIN(deadline_in(ms), t->deadline_ms), NULL, NULL, a,
				  why);
}

WAITS static enum err hear_mail(struct smtp_send *t, struct smtp_result *why)
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
	smtp_send_all(t, why);
	return E_OK;
}

/* RFC 5321 section 4.5.3.1.10: "too many recipients" is 452, or of old servers 552; the rest may
 * come in another transaction, if there was one. A mailbox that is full says 552 with a status. */
static void too_many(const struct smtp_send *t, const struct smtp_answer *a, struct smtp_result *r)
{
	slice_t status = slice_str(a->status);
	bool says_so = slice_ends(status, SL(".5.3"));

	if (t->taken == 0 || !(a->code == 452 || a->code == 552) ||
	    !(says_so || (a->code == 552 && status.n == 0)))
		return;
	smtp_result_soften(r);
	r->again_now = true;
}

WAITS static enum err hear_rcpt(struct smtp_send *t, size_t i, struct smtp_result *why)
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

WAITS static enum err hear_data(struct smtp_send *t, struct smtp_result *why)
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
	smtp_send_all(t, why);
	return E_OK;
}

/* The verdict on the message: one for all who were taken, of LMTP one for each, in their order (RFC
 * 2033 section 4.2). */
WAITS enum err smtp_send_verdict(struct smtp_send *t, struct smtp_result *why)
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
			smtp_send_all(t, why);
			break;
		}
		set_result(t, i, why);
	}
	return E_OK;
}

/* BDAT that was said for nobody: its answer is a refusal of no interest (RFC 3030 section 2). */
WAITS static enum err hear_one(struct smtp_send *t, struct smtp_result *why)
{
	struct smtp_answer a;
	enum err e;

	if (t->taken > 0) {
		e = smtp_send_verdict(t, why);
		t->c->reset_due = e == E_OK && why->verdict != SMTP_TAKEN;
		return e;
	}
	t->c->reset_due = true;
	return smtp_client_answer(t->c, SMTP_AT_DOT, deadline_in(t->c->wait->dot_ms), NULL, NULL,
				  &a, why);
}

WAITS static enum err hear_place(struct smtp_send *t, size_t place, struct smtp_result *why)
{
	if (place == 0)
		return hear_mail(t, why);
	if (place > t->m->n)
		return t->way == SMTP_BY_DATA ? hear_data(t, why) : hear_one(t, why);
	/* State, not result: a refused MAIL gave it one, and its answer still comes. */
	return t->m->rcpts[place - 1].state == SMTP_RCPT_IDLE ? E_OK : hear_rcpt(t, place - 1, why);
}

/* Servers answer a group in several writes. Of Postfix, after BDAT, the second waits for our
 * acknowledgement of the first: 20 messages a second, for want of this, instead of 700. */
WAITS static enum err say_group(struct smtp_send *t, size_t places)
{
	int64_t deadline_ms = deadline_in(t->c->wait->block_ms);
	enum err e = stream_write(t->c->s, buf_slice(&t->out), deadline_ms);

	if (e != E_OK || places < 2)
		return e;
	e = stream_flush(t->c->s, deadline_ms);
	stream_ack_soon(t->c->s);
	return e;
}

WAITS static enum err envelope(struct smtp_send *t, struct smtp_result *why)
{
	size_t said = 0, heard = 0;

	for (;;) {
		size_t before = said;
		enum err e = E_OK;

		said = compose(t, said, heard);
		if (said == before)
			return E_OK;
		if (t->out.n > 0)
			e = say_group(t, said - before);
		if (e != E_OK)
			return smtp_client_lost(t->c, SMTP_AT_MAIL, e, why);
		for (; heard < said && e == E_OK; heard++)
			e = hear_place(t, heard, why);
		if (e != E_OK)
			return e;
	}
}

/* ---- the whole ---- */

/* A connection that was kept: the peer may have closed it, or said why it will. */
WAITS static enum err wake_up(struct smtp_client *c, struct smtp_result *why)
{
	struct smtp_answer a;
	enum err e;

	if (stream_readable(c->s, 0)) {
		e = smtp_client_answer(c, SMTP_AT_MAIL, deadline_in(SMTP_CUT_OFF_MS), NULL, NULL,
				       &a, why);
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

WAITS static enum err transact(struct smtp_send *t, struct smtp_result *why)
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
		return smtp_send_by_data(t, why);
	if (t->way == SMTP_BY_BDAT_CHUNKS && t->taken > 0)
		return smtp_send_by_chunks(t, why);
	if (t->mail_ok && !t->last_said)
		c->reset_due = true;
	return E_OK;
}

static void tx_init(struct smtp_send *t, struct smtp_client *c, struct smtp_msg *m)
{
	*t = (struct smtp_send){.c = c, .m = m, .utf8 = SMTP_ASCII};
	buf_init(&t->out, GROUP_BYTES + 2 * SMTP_COMMAND_MAX + SMTP_BDAT_ONE_MAX, NULL);
	buf_init(&t->held, SMTP_BDAT_CHUNK_MAX + 2, NULL);
	smtp_body_init(&t->body);
	m->dsn_passed = smtp_offers(&c->offer, SMTP_EXT_DSN);
	m->by_passed = smtp_offers(&c->offer, SMTP_EXT_DELIVERBY);
}

WAITS enum err smtp_client_send(struct smtp_client *c, struct smtp_msg *m)
{
	const struct tls_facts *tls = smtp_client_tls(c);
	struct smtp_result why;
	enum err e = E_OK;
	struct smtp_send t;

	invariant(c->magic == SMTP_CLIENT_MAGIC);
	tx_init(&t, c, m);
	if (c->s == NULL) {
		smtp_result_own(&why, SMTP_AT_MAIL, SMTP_LATER, "4.4.2", "the connection is over");
		why.again_now = true;
		e = E_CLOSED;
	} else if (smtp_msg_unfit(m, &c->offer, tls != NULL && tls->verified != TLS_UNVERIFIED,
				  &why)) {
		smtp_send_all(&t, &why);
		return E_OK;
	}
	if (e == E_OK) {
		t.way = choose_way(&t);
		sort_addresses(&t);
		if (within_limit(&t) > 0) {
			if (smtp_send_prepare(&t, &why))
				e = transact(&t, &why);
			else
				smtp_send_all(&t, &why);
		}
	}
	if (e != E_OK)
		smtp_send_all(&t, &why);
	buf_fini(&t.out);
	buf_fini(&t.held);
	return e;
}

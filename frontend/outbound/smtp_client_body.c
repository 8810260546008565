/*
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
#include "frontend/outbound/smtp_send_priv.h"

METRIC_COUNTER(m_bytes, "smtp_client_bytes_total", "Bytes of messages sent to other hosts");

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
WAITS static enum err next_chunk(struct smtp_send *t, slice_t *out)
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
WAITS static enum err read_ahead(struct smtp_send *t, size_t max)
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

WAITS bool smtp_send_prepare(struct smtp_send *t, struct smtp_result *why)
{
	if (t->way != SMTP_BY_BDAT_ONE)
		return true;
	if (read_ahead(t, SMTP_BDAT_ONE_MAX) != E_OK) {
		source_failed(why);
		return false;
	}
	if (!t->ended) {
		t->way = SMTP_BY_DATA;
		return true;
	}
	if (!smtp_body_clean(&t->body, buf_slice(&t->held)) || !smtp_body_clean_end(&t->body)) {
		unclean(why);
		return false;
	}
	if (!slice_ends(buf_slice(&t->held), SL("\r\n")))
		buf_puts(&t->held, "\r\n");
	metric_add(&m_bytes, (int64_t)t->held.n);
	return true;
}

/* ---- the message ---- */

/* The bytes cannot go on, and the peer must not take those that went for all. */
static enum err abandon(struct smtp_send *t)
{
	smtp_client_close(t->c, CLOSE_IO);
	return E_CLOSED;
}

/* The peer answers in the middle, or closes: it will not have the message. */
WAITS static enum err cut_off(struct smtp_send *t, struct smtp_result *why)
{
	struct smtp_answer a;
	enum err e = smtp_client_answer(t->c, SMTP_AT_BODY, deadline_in(SMTP_CUT_OFF_MS), NULL,
					NULL, &a, why);

	if (e != E_OK)
		return e;
	if (!smtp_answer_is(&a, 4) && !smtp_answer_is(&a, 5))
		return smtp_client_broken(t->c, SMTP_AT_BODY, why, "a reply that does not fit");
	smtp_result_of(why, SMTP_AT_BODY, &a);
	return abandon(t);
}

WAITS static enum err write_body(struct smtp_send *t, slice_t bytes, struct smtp_result *why)
{
	enum err e = stream_write(t->c->s, bytes, deadline_in(t->c->wait->block_ms));

	if (e == E_OK)
		return E_OK;
	/* Its last words may have come before the end. */
	return e == E_IO || e == E_CLOSED ? cut_off(t, why)
					  : smtp_client_lost(t->c, SMTP_AT_BODY, e, why);
}

WAITS static enum err write_stuffed(struct smtp_send *t, slice_t chunk, struct smtp_result *why)
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
WAITS static enum err end_for_nobody(struct smtp_send *t, struct smtp_result *why)
{
	struct smtp_answer a;

	return smtp_client_ask(t->c, SMTP_AT_DOT, SL(".\r\n"), t->c->wait->dot_ms, &a, why);
}

WAITS enum err smtp_send_by_data(struct smtp_send *t, struct smtp_result *why)
{
	slice_t chunk;
	enum err e = E_OK, sent = E_OK;

	if (t->taken == 0)
		return end_for_nobody(t, why);
	while (sent == E_OK && (e = next_chunk(t, &chunk)) == E_OK)
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
	return e == E_OK ? smtp_send_verdict(t, why) : e;
}

/* One chunk of BDAT, and its answer if it is not the last. *more_out: another may follow. */
WAITS static enum err send_chunk(struct smtp_send *t, slice_t chunk, bool last, bool *more_out,
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
		smtp_send_all(t, why);
		t->c->reset_due = true;
	}
	return E_OK;
}

WAITS enum err smtp_send_by_chunks(struct smtp_send *t, struct smtp_result *why)
{
	bool more = true, last = false;
	enum err e = E_OK;

	while (e == E_OK && more && !last) {
		slice_t chunk = SLICE_NONE;

		e = read_ahead(t, SMTP_BDAT_CHUNK_MAX);
		if (e == E_CANCELLED)
			return smtp_client_lost(t->c, SMTP_AT_BODY, e, why);
		if (e != E_OK) {
			source_failed(why);
			smtp_send_all(t, why);
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
	e = smtp_send_verdict(t, why);
	t->c->reset_due = e == E_OK && why->verdict != SMTP_TAKEN;
	return e;
}

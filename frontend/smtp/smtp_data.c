/* DATA (RFC 5321 section 4.1.1.4) and BDAT (RFC 3030): from the wire into the intake. */
#include "common/loop/fiber.h"
#include "frontend/smtp/smtp.h"
#include "frontend/smtp/smtp_intake.h"

/* The window of the connection while a message comes: a chunk at a time. */
#define BODY_WINDOW DOT_CHUNK_MAX

/* A client may pause so long in the middle of a message, and take so long for all of it. */
static int64_t data_deadline(const struct smtp *s)
{
	return MIN(s->tx.in->deadline_ms, deadline_in(smtp_limits(s)->command_timeout_ms));
}

/* A message that is too big is read to its end, so that its sender hears why; not for ever: no
 * client sends more than the bytes of a session and one message beyond. */
static bool endless(const struct smtp *s, uint64_t more)
{
	const struct policy_smtp *p = smtp_limits(s);
	uint64_t max = p->session_bytes_max + p->message_bytes_max;

	return s->bytes > max || more > max - s->bytes;
}

/* *whole_out: the dot has come. */
static WAITS enum err take_dots(struct smtp *s, struct dot_reader *dots, bool *whole_out)
{
	struct stream *st = s->base.stream;
	slice_t chunk;
	enum err e;

	*whole_out = false;
	while ((e = dot_read(dots, st, data_deadline(s), &chunk)) == E_OK) {
		smtp_intake_feed(s, chunk);
		if (fiber_cancelled())
			return E_CANCELLED;
		if (endless(s, s->tx.in->bytes))
			return smtp_refuse_command(s, SAY_SESSION_BYTES, SL("DATA"));
	}
	*whole_out = e == E_CLOSED;
	return *whole_out ? E_OK : e;
}

WAITS enum err smtp_data(struct session *base, slice_t args UNUSED, void *arg UNUSED)
{
	struct smtp *s = smtp_of(base);
	struct dot_reader dots;
	bool whole;
	enum err e;

	if (s->tx.binary) /* RFC 3030 section 3 */
		return smtp_refuse_command(s, SAY_BINARY_BDAT, SL("DATA"));
	e = smtp_say(s, SAY_DATA_GO);
	if (e != E_OK)
		return e;
	base->state = "data";
	smtp_intake_new(s);
	dot_init(&dots);
	stream_set_window(base->stream, BODY_WINDOW);
	e = take_dots(s, &dots, &whole);
	stream_set_window(base->stream, 0);
	if (!whole)
		return e;
	s->bytes += s->tx.in->bytes;
	s->tx.in->eol = dots.eol;
	return smtp_eom(s);
}

/* Reads n bytes; into the message, or over them. */
static WAITS enum err take_bytes(struct smtp *s, uint64_t n, bool wanted)
{
	struct stream *st = s->base.stream;
	int64_t over = deadline_in(smtp_limits(s)->command_timeout_ms);

	while (n > 0) {
		slice_t w = slice_sub(stream_peek(st), 0,
				      n < DOT_CHUNK_MAX ? (size_t)n : DOT_CHUNK_MAX);
		enum err e;

		if (w.n == 0) {
			e = stream_fill(st, 0, "smtp.chunk", wanted ? data_deadline(s) : over);
			if (e != E_OK)
				return e == E_CLOSED ? E_RETRY : e;
			continue;
		}
		n -= w.n;
		stream_consume(st, w.n);
		if (!wanted)
			continue;
		smtp_intake_check(s, w);
		smtp_intake_feed(s, w);
		if (fiber_cancelled())
			return E_CANCELLED;
	}
	return E_OK;
}

static WAITS enum err take_chunk(struct smtp *s, uint64_t n, bool wanted)
{
	enum err e;

	stream_set_window(s->base.stream, BODY_WINDOW);
	e = take_bytes(s, n, wanted);
	stream_set_window(s->base.stream, 0);
	return e;
}

/* Why a chunk cannot be taken; its bytes come all the same. */
static enum smtp_say chunk_refusal(const struct smtp *s)
{
	enum smtp_say why;

	if (s->profile->lmtp || s->profile->odmr)
		return SAY_NOT_IMPLEMENTED;
	switch (s->state) {
	case SMTP_START:
		return SAY_HELO_FIRST;
	case SMTP_READY:
		why = smtp_first(s);
		return why != SAY_NOTHING ? why : SAY_MAIL_FIRST;
	case SMTP_MAIL:
		return SAY_RCPT_FIRST;
	case SMTP_RCPT:
		return SAY_NOTHING;
	case SMTP_BDAT:
		return s->tx.bdat_failed ? SAY_BDAT_FAILED : SAY_NOTHING;
	case SMTP_ANY:
		break;
	}
	return SAY_MAIL_FIRST;
}

static WAITS enum err chunk_taken(struct smtp *s, uint64_t n)
{
	char number[24];
	struct buf b;

	if (s->tx.in->failed != SAY_NOTHING) {
		enum smtp_say why = s->tx.in->failed;

		/* The rest of the message is not ours any more (RFC 3030 section 2). */
		s->tx.bdat_failed = true;
		return smtp_say(s, why);
	}
	buf_init(&b, sizeof number, NULL);
	buf_put_u64(&b, n);
	if (!slice_to_str(buf_slice(&b), number, sizeof number))
		number[0] = '\0';
	buf_fini(&b);
	return smtp_say_with(s, SAY_CHUNK_OK, number);
}

WAITS enum err smtp_bdat(struct session *base, slice_t args, void *arg UNUSED)
{
	struct smtp *s = smtp_of(base);
	enum smtp_say why = chunk_refusal(s);
	uint64_t n;
	bool last;
	enum err e;

	/* Without a size nobody knows where the next command begins. */
	if (smtp_parse_bdat(args, &n, &last) != SAY_NOTHING)
		return smtp_refuse_command(s, SAY_BDAT_LOST, SL("BDAT"));
	if (endless(s, n))
		return smtp_refuse_command(s, SAY_SESSION_BYTES, SL("BDAT"));
	s->bytes += n;
	if (why != SAY_NOTHING) {
		e = take_chunk(s, n, false);
		return e == E_OK ? smtp_refuse_command(s, why, SL("BDAT")) : e;
	}
	if (s->tx.in == NULL)
		smtp_intake_new(s);
	smtp_set_state(s, SMTP_BDAT);
	e = take_chunk(s, n, true);
	if (e != E_OK)
		return e;
	if (!last)
		return chunk_taken(s, n);
	eol_check_end(&s->tx.in->eol);
	return smtp_eom(s);
}

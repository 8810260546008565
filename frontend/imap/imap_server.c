#include "frontend/imap/imap_server.h"

#include "common/base/clock.h"
#include "common/crypto/secret.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "frontend/core/line.h"
#include "frontend/core/policy.h"
#include "frontend/imap/imap_caps.h"
#include "frontend/imap/imap_resp.h"
#include "frontend/imap/imap_sync.h"

/* Last words at shutdown and the like must not hold it up. */
#define LAST_WORDS_MS 2000

METRIC_COUNTER(m_ok, "imap_commands_total", "IMAP commands by answer", {"answer", "ok"});
METRIC_COUNTER(m_no, "imap_commands_total", "IMAP commands by answer", {"answer", "no"});
METRIC_COUNTER(m_bad, "imap_commands_total", "IMAP commands by answer", {"answer", "bad"});
METRIC_HISTOGRAM(m_time, "imap_command_seconds", "Time from a command to its answer", METRIC_US,
		 METRIC_LATENCY);

/* ---- reading ---- */

int64_t imap_deadline(const struct imap *im)
{
	const struct policy *p = policy();

	return im->state == IMAP_NOT_AUTH ? im->s.started_ms + p->imap_login_timeout_ms
					  : deadline_in(p->imap_idle_timeout_ms);
}

WAITS enum err imap_continue(struct imap *im, const char *text)
{
	buf_puts(&im->out, "+ ");
	buf_puts(&im->out, text);
	buf_puts(&im->out, "\r\n");
	return imap_push_all(im);
}

/* The next bytes of a literal, at most left; borrowed until the next wait. */
WAITS static enum err literal_chunk(struct imap *im, uint64_t left, int64_t deadline_ms,
				    slice_t *out)
{
	enum err e = E_OK;

	*out = stream_peek(im->s.stream);
	if (out->n == 0) {
		e = stream_fill(im->s.stream, 0, "imap.literal", deadline_ms);
		*out = stream_peek(im->s.stream);
	}
	*out = slice_sub(*out, 0, left < SIZE_MAX ? (size_t)left : SIZE_MAX);
	return e;
}

WAITS enum err imap_discard(struct imap *im, uint64_t n, int64_t deadline_ms)
{
	while (n != 0) {
		slice_t chunk;
		enum err e = literal_chunk(im, n, deadline_ms, &chunk);

		if (e != E_OK)
			return e;
		stream_consume(im->s.stream, chunk.n);
		n -= chunk.n;
	}
	return E_OK;
}

WAITS static enum err read_literal(struct imap *im, uint64_t n)
{
	while (n != 0) {
		slice_t chunk;
		enum err e = literal_chunk(im, n, imap_deadline(im), &chunk);

		if (e != E_OK)
			return e;
		e = imap_text_bytes(&im->text, chunk);
		stream_consume(im->s.stream, chunk.n);
		n -= chunk.n;
		if (e != E_OK)
			return e;
	}
	return E_OK;
}

/* tag SP [UID SP] name, as far as they are there; *args is then at what follows the name. */
static void read_names(struct imap *im, struct imap_cmd *c)
{
	slice_t name = SLICE_NONE;

	c->args = imap_args(buf_slice(&im->text.b), &im->arena);
	c->uid = false;
	c->def = NULL;
	if (!imap_tag(&c->args, &c->tag)) {
		c->tag = SLICE_NONE;
		return;
	}
	if (!imap_sp(&c->args) || !imap_atom(&c->args, &name))
		return;
	if (slice_ieq(name, SL("UID"))) {
		c->uid = true;
		if (!imap_sp(&c->args) || !imap_atom(&c->args, &name))
			return;
	}
	c->def = cmd_find(imap_commands, imap_ncommands, name);
	if (c->def != NULL && c->uid && (c->def->flags & IMAP_CMD_UID) == 0)
		c->def = NULL;
}

/* Throws a refused command away: what its client sends without waiting, up to the end of its
 * last line. */
WAITS static enum err skip_command(struct imap *im, struct imap_literal lit)
{
	uint64_t left = im->state == IMAP_NOT_AUTH ? IMAP_DISCARD_MAX_PREAUTH : IMAP_DISCARD_MAX;

	while (!lit.sync) {
		slice_t line;
		enum err e;

		if (lit.size > left) {
			im->bye = "Too large a literal";
			return E_OK;
		}
		left -= lit.size;
		e = imap_discard(im, lit.size, imap_deadline(im));
		if (e == E_OK)
			e = line_read(im->s.stream, IMAP_LINE_MAX_PREAUTH, "imap.skip",
				      imap_deadline(im), &line);
		if (e == E_LIMIT || e == E_INVALID)
			return E_OK;
		if (e != E_OK)
			return e;
		if (!imap_announced(line, &lit))
			return E_OK;
	}
	return E_OK;
}

WAITS enum err imap_end_command(struct imap *im, bool *empty_out)
{
	struct imap_literal lit;
	slice_t line;
	enum err e = line_read(im->s.stream, IMAP_LINE_MAX_PREAUTH, "imap.end", imap_deadline(im),
			       &line);

	*empty_out = e == E_OK && line.n == 0;
	if (e == E_OK && imap_announced(line, &lit))
		return skip_command(im, lit);
	return e == E_LIMIT || e == E_INVALID ? E_OK : e;
}

/* A literal was announced. E_OK with c->rc set: the command is refused. */
WAITS static enum err take_literal(struct imap *im, struct imap_cmd *c, struct imap_literal lit,
				   bool *message_out)
{
	enum err e;

	*message_out = false;
	read_names(im, c);
	if (c->def == NULL || (c->def->states & im->state) == 0) {
		(void)imap_bad(c, "Unknown command, or not now");
		return skip_command(im, lit);
	}
	if (c->def->flags & IMAP_CMD_MESSAGE) {
		switch (imap_append_at(&c->args)) {
		case IMAP_APPEND_NAME:
			break;
		case IMAP_APPEND_MESSAGE:
			c->literal = lit;
			c->has_message = *message_out = true;
			return E_OK;
		case IMAP_APPEND_NOTHING:
			(void)imap_bad(c, "Mailbox name, flags, date and message expected");
			return skip_command(im, lit);
		}
	}
	if (imap_text_literal(&im->text, lit.size) != E_OK) {
		(void)imap_no(c, "LIMIT", "The literal is too large here");
		return skip_command(im, lit);
	}
	if (lit.sync) {
		e = imap_continue(im, "OK");
		if (e != E_OK)
			return e;
	}
	return read_literal(im, lit.size);
}

/* The tag of the command that begins in the window: a line that is refused as a whole is answered
 * under it too, or its client would wait for ever. *n_out is 0 where there is none. */
WAITS static enum err peek_tag(struct imap *im, const char *wait, char tag[IMAP_TAG_MAX],
			       size_t *n_out)
{
	size_t n = 0;

	*n_out = 0;
	for (;;) {
		slice_t w = stream_peek(im->s.stream);
		enum err e;

		while (n < w.n && n <= IMAP_TAG_MAX && cclass(w.p[n], CC_IMAP_TAG))
			n++;
		if (n < w.n) {
			if (n <= IMAP_TAG_MAX && w.p[n] == ' ') {
				memcpy(tag, w.p, n);
				*n_out = n;
			}
			return E_OK;
		}
		e = stream_fill(im->s.stream, w.n, wait, imap_deadline(im));
		if (e != E_OK)
			return e;
	}
}

static enum err refuse_line(struct imap *im, struct imap_cmd *c, slice_t tag, const char *why)
{
	c->tag = arena_dup(&im->arena, tag);
	return imap_bad(c, why);
}

/* Reads one command, up to its end or to an APPEND's message. With c->rc set it was refused. */
WAITS static enum err read_command(struct imap *im, struct imap_cmd *c)
{
	bool early = im->state == IMAP_NOT_AUTH;
	const char *wait = early ? "imap.login" : "imap.command";
	char tag[IMAP_TAG_MAX];
	size_t ntag;
	enum err e = peek_tag(im, wait, tag, &ntag);

	if (e != E_OK)
		return e;
	imap_text_reset(&im->text, early ? IMAP_TEXT_MAX_PREAUTH : IMAP_TEXT_MAX);
	for (;;) {
		struct imap_literal lit;
		bool announced, message;
		slice_t line;

		e = line_read(im->s.stream, early ? IMAP_LINE_MAX_PREAUTH : IMAP_LINE_MAX, wait,
			      imap_deadline(im), &line);
		if (e == E_LIMIT)
			return refuse_line(im, c, slice(tag, ntag), "Line too long");
		if (e == E_INVALID)
			return refuse_line(im, c, slice(tag, ntag), "Bare CR, bare LF or NUL");
		if (e != E_OK)
			return e;
		e = imap_text_line(&im->text, line, &announced, &lit);
		line_wipe(line);
		if (e != E_OK) {
			read_names(im, c);
			(void)imap_bad(c, "Command too long");
			return announced ? skip_command(im, lit) : E_OK;
		}
		if (!announced) {
			read_names(im, c);
			return E_OK;
		}
		e = take_literal(im, c, lit, &message);
		if (e != E_OK || message || c->rc != IMAP_RC_NONE || im->bye != NULL)
			return e;
	}
}

/* ---- running ---- */

static const char *misplaced(const struct imap *im, const struct imap_cmd *c)
{
	struct cmd_where w = {
		.state = im->state,
		.tls = stream_is_tls(im->s.stream),
		.authed = im->state != IMAP_NOT_AUTH,
	};

	switch (cmd_check(c->def, &w, cur_rest(&c->args.c))) {
	case CMD_OK:
		break;
	case CMD_WRONG_STATE:
		return im->state == IMAP_NOT_AUTH ? "Log in first"
		       : im->state == IMAP_AUTH && c->def->states == IMAP_SELECTED
			       ? "No mailbox is selected"
			       : "Not in this state";
	case CMD_TLS_FIRST:
		return "STARTTLS first";
	case CMD_TLS_ALREADY:
		return "TLS is on already";
	case CMD_AUTH_FIRST:
		return "Log in first";
	case CMD_AUTH_ALREADY:
		return "Logged in already";
	case CMD_BAD_ARGS:
		return "No arguments expected";
	}
	if (!imap_end(&c->args) && cur_peek(&c->args.c) != ' ')
		return "Syntax error after the command";
	if (c->uid && imap_end(&c->args))
		return "Arguments expected";
	if (!c->uid && (c->def->flags & IMAP_CMD_UID_ONLY) && !imap_end(&c->args))
		return "No arguments expected";
	return NULL;
}

WAITS static enum err run_command(struct imap *im, struct imap_cmd *c)
{
	const char *why;

	if (c->tag.n == 0)
		return imap_bad(c, "A tag is missing");
	if (c->def == NULL)
		return imap_bad(c, "Unknown command");
	why = misplaced(im, c);
	if (why != NULL)
		return imap_bad(c, why);
	if (im->state == IMAP_NOT_AUTH && (c->def->flags & CMD_FREE) != 0)
		im->idle_commands++;
	(void)imap_sp(&c->args);
	return c->def->run(&im->s, cur_rest(&c->args.c), c);
}

static void count_answer(struct imap *im, const struct imap_cmd *c, int64_t began_us)
{
	bool early = im->state == IMAP_NOT_AUTH;

	metric_observe(&m_time, (uint64_t)(clock_mono_us() - began_us));
	metric_add(c->rc == IMAP_RC_BAD ? &m_bad : c->rc == IMAP_RC_NO ? &m_no : &m_ok, 1);
	if (c->rc == IMAP_RC_BAD) {
		im->errors++;
		LOG(LOG_INFO, &im->s.log, "imap.bad_command",
		    LF_STR("command", c->def != NULL ? c->def->name : "?"),
		    LF_STR("why", c->text != NULL ? c->text : ""), LF_UINT("errors", im->errors));
	} else if (!early && im->errors > 0) {
		im->errors--; /* a client with one odd habit stays for weeks */
	}
	if (im->bye == NULL && im->errors >= (early ? IMAP_ERRORS_MAX_PREAUTH : IMAP_ERRORS_MAX)) {
		im->bye = "Too many bad commands";
		session_ends(&im->s, "too many bad commands");
	}
	if (im->bye == NULL && im->idle_commands >= IMAP_FREE_MAX) {
		im->bye = "Too many commands without a log-in";
		session_ends(&im->s, "too many commands without a log-in");
	}
}

/* One command from its first line to its tagged answer. */
WAITS static enum err one_command(struct imap *im)
{
	struct imap_cmd c = {.rc = IMAP_RC_NONE};
	enum imap_expunges ex;
	int64_t began_us;
	enum err e = read_command(im, &c);

	began_us = clock_mono_us();
	if (e == E_OK && c.rc == IMAP_RC_NONE && im->bye == NULL)
		e = run_command(im, &c);
	if (e == E_OK && c.rc == IMAP_RC_NONE)
		(void)imap_bad(&c, im->bye != NULL ? im->bye : "Syntax error");
	ex = c.def != NULL && (c.def->flags & IMAP_CMD_SEQ) != 0 && !c.uid ? IMAP_HOLD_EXPUNGES
									   : IMAP_TELL_EXPUNGES;
	if (e == E_OK && im->state == IMAP_SELECTED)
		e = imap_sync(im, IMAP_SYNC_IF_NUDGED, ex);
	if (e == E_OK) {
		count_answer(im, &c, began_us);
		if (im->state == IMAP_LOGOUT && im->bye != NULL)
			imap_put_bye(&im->out, im->bye);
		if (c.rc != IMAP_RC_ANSWERED)
			imap_put_tagged(&im->out, &c);
		e = imap_push_all(im);
	}
	if (im->text.b.n != 0 && (c.def == NULL || (c.def->flags & CMD_SECRET) != 0))
		secret_wipe(im->text.b.p, im->text.b.n);
	arena_reset(&im->arena);
	return e;
}

void imap_trim(struct imap *im)
{
	arena_reset(&im->arena);
	buf_reset(&im->text.b);
	buf_trim(&im->text.b);
	if (im->out.n == 0)
		buf_trim(&im->out);
}

static void greet(struct imap *im)
{
	buf_puts(&im->out, "* OK [");
	imap_caps_put(&im->out, im);
	buf_puts(&im->out, "] ");
	buf_puts(&im->out, policy()->hostname);
	buf_puts(&im->out, " ready\r\n");
}

/* Why the conversation ended, to a client that is still there. */
WAITS static void last_words(struct imap *im, enum err e)
{
	const char *why = im->bye;

	if (im->state == IMAP_LOGOUT || e == E_CLOSED || e == E_IO || e == E_TLS)
		return;
	if (why == NULL && e == E_CANCELLED)
		why = im->s.end_reason != NULL ? im->s.end_reason : "shutdown";
	if (why == NULL)
		why = e == E_TIMEOUT ? "Idle for too long"
		      : e == E_LIMIT ? "Over a limit"
				     : "Closing";
	fiber_shield_begin();
	imap_put_bye(&im->out, why);
	if (stream_write(im->s.stream, buf_slice(&im->out), deadline_in(LAST_WORDS_MS)) == E_OK &&
	    stream_flush(im->s.stream, deadline_in(LAST_WORDS_MS)) != E_OK)
		session_ends(&im->s, "client closed");
	fiber_shield_end();
}

WAITS static void imap_run(struct session *s)
{
	struct imap *im = imap_of(s);
	enum err e;

	im->state = IMAP_NOT_AUTH;
	s->state = "not authenticated";
	arena_init(&im->arena, &s->budget);
	buf_init(&im->out, IMAP_OUT_MAX, &s->budget);
	imap_text_init(&im->text, &s->budget);
	greet(im);
	e = imap_push_all(im);
	while (e == E_OK && im->bye == NULL) {
		if (!stream_readable(s->stream, 0))
			imap_trim(im);
		e = one_command(im);
	}
	if (e != E_OK)
		session_failed(s, e);
	else if (im->state != IMAP_LOGOUT)
		session_ends(s, im->bye);
	last_words(im, e);
	imap_selected_close(im);
	arena_reset(&im->arena);
	buf_fini(&im->out);
	secret_wipe_buf(&im->text.b);
	imap_text_fini(&im->text);
}

static void imap_refuse(struct stream *s, const struct refusal *r)
{
	struct buf b;

	buf_init(&b, 256, NULL);
	imap_put_bye(&b, r->why);
	if (stream_write_now(s, buf_slice(&b)) != E_OK)
		LOG(LOG_DEBUG, NULL, "imap.refusal_not_sent");
	buf_fini(&b);
}

const struct protocol imap_protocol = {
	.service = SERVICE_IMAP,
	.session_size = sizeof(struct imap),
	/* The longest line with its CRLF, and a literal's chunk. */
	.window_max = IMAP_LINE_MAX + 1024,
	.run = imap_run,
	.refuse = imap_refuse,
};

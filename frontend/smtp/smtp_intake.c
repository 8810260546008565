#include "frontend/smtp/smtp_intake.h"

#include "common/base/utf8.h"
#include "common/crypto/random.h"
#include "common/loop/fiber.h"
#include "frontend/smtp/smtp.h"
#include "frontend/smtp/smtp_prefix.h"
#include "frontend/smtp/smtp_sender.h"

/* Stored bytes are passed on from here on; below it a message is small and leaves at its end. */
#define SEND_FROM      (16u * 1024)
/* A record's end at once: two blocks that did not compress, the table, the trailer. */
#define OUT_MAX        (2u * RECORD_BLOCK_STORED_MAX + RECORD_BLOCKS_MAX * RECORD_ENTRY_SIZE + 1024)
/* One chunk, one kept field, and longer domains in it. */
#define EDITED_MAX     (8u * SMTP_EDIT_FIELD_MAX + DOT_CHUNK_MAX)
/* What Begin's deadline adds to the message's own, for the checks and the commit. */
#define BEGIN_SPARE_MS 120000

static enum err take_stored(void *arg, slice_t stored)
{
	struct buf *out = arg;

	buf_put(out, stored);
	return buf_failed(out) ? E_LIMIT : E_OK;
}

void smtp_intake_new(struct smtp *s)
{
	struct smtp_intake *in = xcalloc(1, sizeof *in);
	struct budget *b = &s->base.budget;
	uint8_t id[RECORD_ID_SIZE];

	budget_force(b, sizeof *in);
	s->tx.in = in;
	in->deadline_ms = deadline_in(smtp_limits(s)->data_timeout_ms);
	in->blank = 2; /* as behind a line */
	random_bytes(id, sizeof id);
	buf_init(&in->out, OUT_MAX, b);
	/* What only passes through the queue is gone before its compression would have paid. */
	record_write_init(&in->record, id, s->tx.kept ? RECORD_COMP_ZSTD : RECORD_COMP_NONE,
			  smtp_limits(s)->message_bytes_max, b, take_stored, &in->out);
	in->mime = mime_parser_new(s->tx.kept ? &mime_limits_default : &mime_limits_sizes, b);
	buf_init(&in->edited, EDITED_MAX, b);
	if (smtp_submits(s))
		in->dkim = dkim_hash_new(b);
	if (smtp_submits(s) && server_edits(s->base.server)) {
		in->edit = xcalloc(1, sizeof *in->edit);
		smtp_edit_init(in->edit, s->base.server, b);
	}
	smtp_header_init(&in->header, b);
}

static void edit_free(struct smtp_intake *in)
{
	if (in->edit == NULL)
		return;
	smtp_edit_fini(in->edit);
	xfree(&in->edit);
}

void smtp_intake_free(struct smtp_intake **pin)
{
	struct smtp_intake *in = *pin;
	struct budget *b;

	if (in == NULL)
		return;
	b = in->out.budget;
	mime_parser_free(&in->mime);
	dkim_hash_free(&in->dkim);
	edit_free(in);
	buf_fini(&in->edited);
	record_write_fini(&in->record);
	smtp_header_fini(&in->header);
	buf_fini(&in->out);
	budget_give(b, sizeof *in);
	xfree(pin);
}

void smtp_intake_fail(struct smtp *s, enum smtp_say why)
{
	if (s->tx.in->failed == SAY_NOTHING)
		s->tx.in->failed = why;
}

/* The message's header is over, or all there is: of a submission its senders are judged, and what
 * it lacks is made and told to the parser. Again: nothing. */
WAITS static void complete(struct smtp *s)
{
	struct smtp_intake *in = s->tx.in;
	slice_t rest;
	struct buf b;

	if (in->completed)
		return;
	in->completed = true;
	if (smtp_submits(s))
		in->from_err = smtp_from_check(s, &in->header, &in->from_said);
	buf_init(&b, DELIVER_PREFIX_MAX, NULL);
	smtp_prefix_lacking(s, &b);
	in->added = arena_dup(&s->tx.arena, buf_slice(&b));
	buf_fini(&b);
	for (rest = in->added; rest.n > 0;) {
		size_t n = slice_find_char(rest, '\n') + 1;

		mime_parser_add_field(in->mime, slice_sub(rest, 0, n));
		dkim_hash_add_field(in->dkim, slice_sub(rest, 0, n));
		rest = slice_from(rest, n);
	}
}

static void begin_all(struct smtp *s, uint64_t size)
{
	struct smtp_intake *in = s->tx.in;

	for (size_t i = 0; i < s->tx.nowners; i++)
		deliver_begin(&s->tx.owners[i].deliver, &s->tx.meta, size,
			      in->deadline_ms + BEGIN_SPARE_MS);
	in->begun = true;
}

/* Sends what is ready to every owner that still takes it; fails when none does. */
static WAITS void send_all(struct smtp *s, uint64_t size)
{
	struct smtp_intake *in = s->tx.in;
	enum err first = E_OK;
	bool taken = false;

	if (!in->begun)
		begin_all(s, size);
	for (size_t i = 0; i < s->tx.nowners; i++) {
		struct deliver *d = &s->tx.owners[i].deliver;

		deliver_send(d, buf_slice(&in->out));
		if (d->err == E_OK)
			taken = true;
		else if (first == E_OK)
			first = d->err;
	}
	buf_reset(&in->out);
	if (!taken) {
		enum smtp_say why = smtp_say_for(AT_MESSAGE, first);

		smtp_intake_fail(s, why != SAY_NOTHING ? why : SAY_LATER);
	}
}

/* What of it is header, with the blank line. */
static slice_t header_of(struct smtp_intake *in, slice_t bytes)
{
	static const char end[] = {'\r', '\n', '\r', '\n'};
	size_t n = 0;

	for (; n < bytes.n && in->blank < sizeof end; n++) {
		if (bytes.p[n] == end[in->blank])
			in->blank++;
		else
			in->blank = bytes.p[n] == '\r';
	}
	return slice_sub(bytes, 0, n);
}

void smtp_intake_check(struct smtp *s, slice_t bytes)
{
	struct smtp_intake *in = s->tx.in;

	eol_check_feed(&in->eol, s->tx.binary ? header_of(in, bytes) : bytes);
}

static enum smtp_say record_failure(enum err e)
{
	return e == E_TOO_BIG ? SAY_TOO_BIG : e == E_LIMIT ? SAY_NO_ROOM : SAY_LATER;
}

/* Bytes as they are stored. They live through waits where there are some: up to the end of a
 * submission's header they lie in in->edited. */
static WAITS void take(struct smtp *s, slice_t bytes)
{
	struct smtp_intake *in = s->tx.in;
	enum err e;

	smtp_header_feed(&in->header, bytes);
	if (in->header.received > server_hops_max(s->base.server)) {
		smtp_intake_fail(s, SAY_LOOP);
		return;
	}
	if (in->dkim != NULL)
		dkim_hash_feed(in->dkim, bytes);
	if (smtp_header_over(&in->header))
		complete(s);
	mime_parser_feed(in->mime, bytes);
	e = record_write_feed(&in->record, bytes); /* take_stored does not wait */
	if (e != E_OK)
		smtp_intake_fail(s, record_failure(e));
	else if (in->out.n >= SEND_FROM)
		send_all(s, 0);
}

/* Bytes that were edited, or copied, go on; once the header is over, the rest needs neither. */
static WAITS void take_edited(struct smtp *s)
{
	struct smtp_intake *in = s->tx.in;

	if (buf_failed(&in->edited) || (in->edit != NULL && buf_failed(&in->edit->kept))) {
		smtp_intake_fail(s, SAY_NO_ROOM);
		return;
	}
	if (in->edit != NULL && smtp_edit_over(in->edit))
		edit_free(in);
	take(s, buf_slice(&in->edited));
	buf_reset(&in->edited);
	if (in->completed)
		buf_trim(&in->edited);
}

WAITS void smtp_intake_feed(struct smtp *s, slice_t bytes)
{
	struct smtp_intake *in = s->tx.in;

	in->bytes += bytes.n;
	if (in->bytes > smtp_limits(s)->message_bytes_max)
		smtp_intake_fail(s, SAY_TOO_BIG);
	if (in->failed != SAY_NOTHING)
		return;
	in->eight = in->eight || !utf8_is_ascii(bytes);
	if (in->edit != NULL) {
		smtp_edit_feed(in->edit, bytes, &in->edited);
		take_edited(s);
	} else if (smtp_submits(s) && !in->completed) {
		/* To look at the senders may wait, and bytes in the window do not. */
		buf_put(&in->edited, bytes);
		take_edited(s);
	} else {
		take(s, bytes);
	}
}

WAITS void smtp_intake_last(struct smtp *s)
{
	struct smtp_intake *in = s->tx.in;

	if (in->failed != SAY_NOTHING)
		return;
	if (in->edit != NULL) {
		smtp_edit_end(in->edit, &in->edited);
		take_edited(s);
	}
	complete(s);
}

WAITS void smtp_intake_end(struct smtp *s)
{
	struct smtp_intake *in = s->tx.in;
	struct record_info info;
	enum err e;

	if (in->failed != SAY_NOTHING)
		return;
	e = record_write_finish(&in->record, &info);
	if (e != E_OK) {
		smtp_intake_fail(s, record_failure(e));
		return;
	}
	send_all(s, info.plain_size);
	for (size_t i = 0; i < s->tx.nowners; i++)
		deliver_send_end(&s->tx.owners[i].deliver);
}

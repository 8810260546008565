/*
 * APPEND (RFC 3501 section 6.3.11) with APPENDUID (RFC 4315), of a message in a literal or in a
 * literal8, which may have NULs in it (RFC 3516 section 4.4). It is stored as it came, and never in
 * memory as a whole: its bytes go from the client's window through the MIME parser and the record
 * writer into the owner's stage; the commit makes it a message.
 */
#include "common/crypto/random.h"
#include "common/loop/fiber.h"
#include "frontend/core/policy.h"
#include "frontend/imap/imap_resp.h"
#include "frontend/imap/imap_server.h"
#include "frontend/imap/imap_sync.h"
#include "frontend/mime/mime.h"
#include "frontend/record/record_write.h"
#include "frontend/rpc/call_message.h"

/* A client that sends nothing of a message that it announced for so long is gone. */
#define APPEND_CHUNK_MS (5 * 60 * 1000)

/* Bytes taken from the window at once; must be less than a record's block. */
#define APPEND_CHUNK_MAX (32u * 1024)

struct append_args {
	slice_t path;
	struct imap_flags flags;
	int64_t date_us;
};

struct appending {
	struct imap *im;
	struct imap_cmd *c;
	struct append_args args;
	struct append *append;
	struct mime_parser *mime;
	struct record_write record;
	uint64_t left;   /* of the literal */
	bool binary;     /* it is a literal8 */
	uint64_t nul_at; /* the first NUL in it; UINT64_MAX: none */
};

/* mailbox [SP flag-list] [SP date-time] SP, up to the literal's announcement. */
static bool append_args(struct imap_args *a, struct append_args *out)
{
	const char *why;

	if (!imap_arg_mailbox(a, &out->path) || !imap_sp(a))
		return false;
	out->flags = (struct imap_flags){0};
	out->date_us = 0;
	if (cur_peek(&a->c) == '(' && (!imap_flags_parse(a, &out->flags, &why) || !imap_sp(a)))
		return false;
	if (cur_peek(&a->c) != '"')
		return true;
	if (!imap_date_time(a, &out->date_us) || !imap_sp(a))
		return false;
	/* 0 means that none was given; of a second the rest is not shown. */
	if (out->date_us == 0)
		out->date_us = 1;
	return true;
}

/* The announcement that was just read: it ends the text. */
static bool at_announcement(const struct imap_args *a)
{
	slice_t rest = cur_rest(&a->c);

	return rest.n > 2 && rest.p[0] == '{' && slice_find_char(rest, '}') == rest.n - 1;
}

/* The same of the message: literal / literal8. */
static bool at_message(struct imap_args a)
{
	(void)imap_char(&a, '~');
	return at_announcement(&a);
}

enum imap_append_at imap_append_at(const struct imap_args *a)
{
	struct imap_args at = *a;
	struct append_args args;

	if (!imap_sp(&at))
		return IMAP_APPEND_NOTHING;
	if (at_announcement(&at))
		return IMAP_APPEND_NAME;
	return append_args(&at, &args) && at_message(at) ? IMAP_APPEND_MESSAGE
							 : IMAP_APPEND_NOTHING;
}

/* Reads the literal's bytes away, and the end of its line, of a message that is refused. */
WAITS static enum err read_away(struct appending *p)
{
	struct imap *im = p->im;
	bool empty;
	enum err e;

	if (p->left > IMAP_DISCARD_MAX) {
		im->bye = "Too large a message";
		return E_OK;
	}
	while (p->left != 0) {
		uint64_t n = MIN(p->left, (uint64_t)IMAP_LINE_MAX);

		e = imap_discard(im, n, deadline_in(APPEND_CHUNK_MS));
		if (e != E_OK)
			return e;
		p->left -= n;
	}
	return imap_end_command(im, &empty);
}

/* The refusal before a byte was taken: a client that waits for us is told at once. */
WAITS static enum err refuse(struct appending *p)
{
	return p->c->literal.sync ? E_OK : read_away(p);
}

WAITS static enum err emit(void *arg, slice_t stored)
{
	struct appending *p = arg;

	return append_send(p->append, stored);
}

static void look_for_nul(struct appending *p, slice_t chunk)
{
	const char *nul = p->nul_at == UINT64_MAX ? memchr(chunk.p, '\0', chunk.n) : NULL;

	if (nul != NULL)
		p->nul_at = p->c->literal.size - p->left + (uint64_t)(nul - chunk.p);
}

/* All of the message. *taken_out: what the owner or a limit said of it; the rest of it is read away
 * all the same, so that the conversation stays in step. Returns the client's errors. */
WAITS static enum err take_message(struct appending *p, enum err *taken_out)
{
	struct stream *s = p->im->s.stream;

	*taken_out = E_OK;
	while (p->left != 0 && *taken_out == E_OK) {
		enum err e = E_OK;
		slice_t chunk = stream_peek(s);
		size_t n;

		if (chunk.n == 0) {
			e = stream_fill(s, 0, "imap.append", deadline_in(APPEND_CHUNK_MS));
			chunk = stream_peek(s);
		}
		if (e != E_OK)
			return e;
		/* The writer waits when a block is full, and after a wait the window is no longer
		 * where it was: so no more than fills a block, and less than a whole one. */
		n = RECORD_BLOCK - (size_t)(p->record.plain_size % RECORD_BLOCK);
		n = (size_t)MIN((uint64_t)MIN(MIN(chunk.n, n), APPEND_CHUNK_MAX), p->left);
		chunk = slice_sub(chunk, 0, n);
		look_for_nul(p, chunk);
		mime_parser_feed(p->mime, chunk);
		*taken_out = record_write_feed(&p->record, chunk);
		stream_consume(s, n);
		p->left -= n;
	}
	return E_OK;
}

static enum err failed(struct appending *p, enum err e, const struct diag *d)
{
	return e == E_NOT_FOUND ? imap_no(p->c, "TRYCREATE", "No such mailbox")
				: imap_fail(p->im, p->c, e, d);
}

WAITS static enum err commit(struct appending *p)
{
	struct append_meta meta = {
		.path = p->args.path,
		.flags = p->args.flags.flags,
		.keywords = p->args.flags.keywords,
		.nkeywords = p->args.flags.nkeywords,
		.date_us = p->args.date_us,
	};
	struct imap *im = p->im;
	struct append_result result;
	struct mime_summary summary;
	struct record_info info;
	struct diag d = {""};
	struct buf code;
	enum err e = record_write_finish(&p->record, &info);

	if (e == E_OK)
		e = mime_parser_end(p->mime, &summary);
	meta.summary = &summary;
	/* Its fields could be told to nobody. */
	if (e == E_OK && p->nul_at < summary.header_size)
		return imap_no(p->c, "CANNOT", "A header with a NUL");
	if (e == E_OK)
		e = call_append_commit(p->append, &meta, &result, &d);
	if (e != E_OK)
		return failed(p, e, &d);
	buf_init(&code, 64, NULL);
	buf_printf(&code, "APPENDUID %u %u", result.uidvalidity, result.uid);
	(void)imap_ok_code(p->c, arena_str(&im->arena, buf_slice(&code)), "Done");
	buf_fini(&code);
	if (im->sel != NULL && slice_eq(im->sel->path, p->args.path))
		return imap_sync(im, IMAP_SYNC_NOW, IMAP_TELL_EXPUNGES);
	return E_OK;
}

/* All of the command is read. */
WAITS static enum err complete(struct appending *p, bool empty)
{
	if (!empty)
		return imap_bad(p->c, "One message, and the end of the line, expected");
	/* RFC 3501 section 4.3.1: no binary strings, but in a literal8. */
	if (p->nul_at != UINT64_MAX && !p->binary)
		return imap_no(p->c, "CANNOT", "A message with a NUL");
	return commit(p);
}

WAITS static enum err run_append(struct appending *p)
{
	unsigned char id[RECORD_ID_SIZE];
	enum err e = E_OK, taken;
	bool empty;

	random_bytes(id, sizeof id);
	record_write_init(&p->record, id, RECORD_COMP_ZSTD, p->left, &p->im->s.budget, emit, p);
	p->mime = mime_parser_new(NULL, &p->im->s.budget);
	if (p->c->literal.sync)
		e = imap_continue(p->im, "OK");
	if (e == E_OK)
		e = take_message(p, &taken);
	if (e == E_OK && taken != E_OK) {
		e = read_away(p);
		if (e == E_OK)
			e = failed(p, taken, NULL);
	} else if (e == E_OK) {
		e = imap_end_command(p->im, &empty);
		if (e == E_OK)
			e = complete(p, empty);
	}
	mime_parser_free(&p->mime);
	record_write_fini(&p->record);
	return e;
}

WAITS enum err imap_run_append(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	struct appending *p = arena_new(&im->arena, struct appending);
	enum err e;

	p->im = im;
	p->c = c;
	p->left = c->literal.size;
	p->nul_at = UINT64_MAX;
	/* What looks like an announcement ("{x}") need not be one: then no message follows. */
	if (!append_args(&c->args, &p->args) || !c->has_message)
		return imap_bad(c, "Mailbox name, flags, date and message expected");
	p->binary = cur_peek(&c->args.c) == '~';
	if (p->args.path.n == 0) {
		(void)imap_no(c, "CANNOT", "No name that can be");
		return refuse(p);
	}
	if (p->left == 0 || p->left > policy()->imap_append_bytes_max) {
		(void)imap_no(c, p->left == 0 ? "CANNOT" : "TOOBIG",
			      p->left == 0 ? "An empty message" : "The message is too large");
		return refuse(p);
	}
	e = call_append_begin(s->ticket, p->args.path, p->left, &p->append);
	if (e != E_OK) {
		e = failed(p, e, NULL);
		return e == E_OK ? refuse(p) : e;
	}
	e = run_append(p);
	append_free(&p->append);
	return e;
}

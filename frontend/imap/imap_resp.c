#include "frontend/imap/imap_resp.h"

#include <stdarg.h>

#include "common/loop/fiber.h"
#include "common/parse/date.h"
#include "frontend/imap/imap_utf7.h"
#include "frontend/mime/imaptext.h"

WAITS enum err imap_push_all(struct imap *im)
{
	enum err e = E_OK;

	if (buf_failed(&im->out)) {
		session_ends(&im->s, "answer over the memory limit");
		return E_LIMIT;
	}
	if (im->out.n != 0)
		e = stream_write(im->s.stream, buf_slice(&im->out), deadline_in(IMAP_WRITE_MS));
	buf_reset(&im->out);
	if (e != E_OK)
		session_failed(&im->s, e);
	return e;
}

WAITS enum err imap_push(struct imap *im)
{
	return im->out.n >= IMAP_OUT_CHUNK || buf_failed(&im->out) ? imap_push_all(im) : E_OK;
}

static enum err ended(struct imap_cmd *c, enum imap_rc rc, const char *code, const char *text)
{
	c->rc = rc;
	c->code = code;
	c->text = text;
	return E_OK;
}

enum err imap_ok(struct imap_cmd *c, const char *text)
{
	return ended(c, IMAP_RC_OK, NULL, text);
}

enum err imap_ok_code(struct imap_cmd *c, const char *code, const char *text)
{
	return ended(c, IMAP_RC_OK, code, text);
}

enum err imap_no(struct imap_cmd *c, const char *code, const char *text)
{
	return ended(c, IMAP_RC_NO, code, text);
}

enum err imap_bad(struct imap_cmd *c, const char *text)
{
	return ended(c, IMAP_RC_BAD, NULL, text);
}

/* RFC 5530's response codes. */
static const struct {
	enum err e;
	enum imap_rc rc;
	const char *code, *text;
} answers[] = {
	{E_RETRY, IMAP_RC_NO, "UNAVAILABLE", "Not possible just now, try again"},
	{E_TIMEOUT, IMAP_RC_NO, "UNAVAILABLE", "It took too long, try again"},
	{E_BUSY, IMAP_RC_NO, "UNAVAILABLE", "Overloaded, try again"},
	{E_WRONG_OWNER, IMAP_RC_NO, "UNAVAILABLE", "The account is moving, try again"},
	{E_FULL, IMAP_RC_NO, "UNAVAILABLE", "No room just now, try again"},
	{E_DENIED, IMAP_RC_NO, "NOPERM", "Not allowed"},
	{E_NO_TICKET, IMAP_RC_NO, "EXPIRED", "The session has ended"},
	{E_NOT_FOUND, IMAP_RC_NO, "NONEXISTENT", "No such mailbox"},
	{E_EXISTS, IMAP_RC_NO, "ALREADYEXISTS", "It exists already"},
	{E_QUOTA, IMAP_RC_NO, "OVERQUOTA", "Over the storage limit"},
	{E_TOO_BIG, IMAP_RC_NO, "TOOBIG", "Too large"},
	{E_LIMIT, IMAP_RC_NO, "LIMIT", "Over a limit"},
	{E_INVALID, IMAP_RC_NO, "CANNOT", "Not possible with this mailbox"},
	{E_INTERNAL, IMAP_RC_NO, "SERVERBUG", "Internal error"},
	{E_CORRUPT, IMAP_RC_NO, "CORRUPTION", "Stored data cannot be read"},
};

enum err imap_fail(struct imap *im, struct imap_cmd *c, enum err e, const struct diag *d)
{
	if (e == E_CANCELLED || e == E_CLOSED || e == E_IO || e == E_TLS)
		return e;
	LOG(e == E_INTERNAL || e == E_CORRUPT ? LOG_ERROR : LOG_INFO, &im->s.log, "imap.refused",
	    LF_STR("command", c->def != NULL ? c->def->name : "?"), LF_ERR("error", e),
	    LF_STR("why", d != NULL ? d->text : ""));
	if (e == E_NO_TICKET)
		im->bye = "The session has ended, log in again";
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		if (answers[i].e == e)
			return ended(c, answers[i].rc, answers[i].code, answers[i].text);
	}
	return imap_no(c, "SERVERBUG", "Internal error");
}

void imap_put_astring(struct buf *out, slice_t s)
{
	bool atom = s.n != 0 && s.n < IMAPTEXT_QUOTED_MAX;

	for (size_t i = 0; atom && i < s.n; i++)
		atom = cclass(s.p[i], CC_IMAP_ASTRING);
	/* "NIL" would be read as nothing in some places. */
	if (atom && !slice_ieq(s, SL("NIL")))
		buf_put(out, s);
	else
		imaptext_string(out, s);
}

void imap_put_mailbox(struct buf *out, slice_t path)
{
	struct buf name;

	buf_init(&name, 8 * (size_t)IMAP_PATH_MAX, NULL);
	imap_utf7_encode(&name, path);
	imap_put_astring(out, buf_slice(&name));
	buf_fini(&name);
}

void imap_put_date_time(struct buf *out, int64_t us)
{
	int64_t s = us / 1000000 - (us % 1000000 < 0 ? 1 : 0);
	char text[DATE_STR_MAX];

	buf_putc(out, '"');
	buf_puts(out, date_format_imap((struct date){.utc_s = s}, text));
	buf_putc(out, '"');
}

void imap_put_tagged(struct buf *out, const struct imap_cmd *c)
{
	static const char *const words[] = {
		[IMAP_RC_NONE] = " BAD ", [IMAP_RC_OK] = " OK ",        [IMAP_RC_NO] = " NO ",
		[IMAP_RC_BAD] = " BAD ",  [IMAP_RC_ANSWERED] = " BAD ",
	};

	if (c->tag.n != 0)
		buf_put(out, c->tag);
	else
		buf_putc(out, '*');
	buf_puts(out, words[c->rc]);
	if (c->code != NULL) {
		buf_putc(out, '[');
		buf_puts(out, c->code);
		buf_puts(out, "] ");
	}
	buf_puts(out, c->text);
	buf_puts(out, "\r\n");
}

void imap_put_bye(struct buf *out, const char *text)
{
	buf_puts(out, "* BYE ");
	buf_puts(out, text);
	buf_puts(out, "\r\n");
}

slice_t imap_path(struct arena *a, slice_t name)
{
	struct buf b;
	slice_t path = SLICE_NONE;

	buf_init(&b, IMAP_PATH_MAX, a->budget);
	if (imap_utf7_decode(&b, name)) {
		if (slice_istarts(buf_slice(&b), SL("INBOX")) && (b.n == 5 || b.p[5] == '/'))
			memcpy(b.p, "INBOX", 5);
		path = arena_dup(a, buf_slice(&b));
	}
	buf_fini(&b);
	return path;
}

bool imap_arg_mailbox(struct imap_args *a, slice_t *path_out)
{
	slice_t name;

	if (!imap_astring(a, &name))
		return false;
	*path_out = imap_path(a->arena, name);
	return true;
}

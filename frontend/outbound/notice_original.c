#include "frontend/outbound/notice_original.h"

#include "common/base/utf8.h"
#include "common/parse/cclass.h"
#include "frontend/mime/encword.h"
#include "frontend/mime/hdr.h"

/* RFC 5322 section 2.1.1, without the CRLF. */
#define LINE_MAX_BYTES 998
/* Where a header line that is longer is folded: room for the fold and a whole character. */
#define HEADER_FOLD    900

/* Bytes up to and with the blank line; all of it if there is none. `from`: where to begin to look,
 * behind a line break that was looked at. */
static size_t header_end(slice_t s, size_t from, bool *found)
{
	size_t i = from;

	*found = true;
	while (i < s.n) {
		slice_t rest = slice_from(s, i);
		size_t n;

		if (slice_starts(rest, SL("\n")))
			return i + 1;
		if (slice_starts(rest, SL("\r\n")))
			return i + 2;
		n = slice_find_char(rest, '\n');
		if (n == rest.n)
			break;
		i += n + 1;
	}
	*found = false;
	return s.n;
}

/* Only whole lines of a header that is too long. */
static size_t last_line_end(slice_t s)
{
	while (s.n != 0 && s.p[s.n - 1] != '\n')
		s.n--;
	return s.n;
}

/* The start of the last line, where the search goes on. */
static size_t line_start(const struct buf *b)
{
	return last_line_end(buf_slice(b));
}

/* Whether a body can go back as it is: no NUL, no bare CR or LF, no line that is too long. */
static bool is_sendable(slice_t body)
{
	while (body.n != 0) {
		size_t n = slice_find_char(body, '\n');
		slice_t line = slice_sub(body, 0, n);

		if (n < body.n && !slice_ends(line, SL("\r")))
			return false;
		body = slice_from(body, n + 1);
		if (slice_ends(line, SL("\r")))
			line.n--;
		if (line.n > LINE_MAX_BYTES || slice_find_char(line, '\r') != line.n ||
		    slice_find_char(line, '\0') != line.n)
			return false;
	}
	return true;
}

/* msg-id (RFC 5322 section 3.6.4), strictly, so that it can be repeated as it stands. */
static bool is_message_id(slice_t id)
{
	size_t at;

	if (id.n < 5 || id.n > NOTICE_MESSAGE_ID_MAX || id.p[0] != '<' || id.p[id.n - 1] != '>')
		return false;
	id = slice_sub(id, 1, id.n - 2);
	at = slice_find_char(id, '@');
	if (at == 0 || at + 1 >= id.n ||
	    slice_find_char(slice_from(id, at + 1), '@') != id.n - at - 1)
		return false;
	for (size_t i = 0; i < id.n; i++) {
		if (!cclass(id.p[i], CC_ATEXT) && strchr(".@[]:", id.p[i]) == NULL)
			return false;
	}
	return slice_find_char(id, '\0') == id.n;
}

static void take_subject(struct notice_draft *d, slice_t body)
{
	struct buf value, text;

	buf_init(&value, NOTICE_ORIGINAL_MAX, NULL);
	buf_init(&text, (size_t)4 * NOTICE_SUBJECT_MAX, NULL);
	hdr_unfold(&value, body);
	(void)encword_decode(buf_slice(&value), &text, text.max);
	notice_clean(&d->subject, buf_slice(&text), NOTICE_UTF8, NOTICE_SUBJECT_MAX);
	buf_fini(&value);
	buf_fini(&text);
}

/* What the notice says of the original, from the first field of each name. */
static void look_at_header(struct notice_draft *d)
{
	bool seen_id = false;
	bool seen_subject = false;
	struct hdr_iter it;
	slice_t name, raw;

	hdr_iter_init(&it, slice_sub(buf_slice(&d->original), 0, d->header_n));
	while (hdr_iter_next(&it, &name, &raw)) {
		slice_t body = hdr_field_body(raw);
		enum hdr_id id = hdr_id(name);

		if (id == HDR_MESSAGE_ID && !seen_id) {
			seen_id = true;
			if (is_message_id(slice_trim(body)))
				d->reply_to_id = slice_trim(body);
		} else if (id == HDR_SUBJECT && !seen_subject) {
			seen_subject = true;
			take_subject(d, body);
		}
	}
}

/* Reads up to what is needed: the header, or everything up to the limit. *whole_header: there was
 * a blank line, *more: something beyond the limit. */
static WAITS enum err gather(struct notice_draft *d, bool want_body, bool *whole_header, bool *more)
{
	bool found = false;
	slice_t piece;
	enum err e;

	*more = false;
	while (!(found && !want_body)) {
		size_t from = line_start(&d->original);
		size_t room = d->original.max - d->original.n;

		e = d->n->read(d->n->read_arg, &piece);
		if (e == E_CLOSED)
			break;
		if (e != E_OK)
			return e;
		*more = piece.n > room;
		buf_put(&d->original, slice_sub(piece, 0, room));
		if (buf_failed(&d->original))
			return E_LIMIT;
		if (!found)
			d->header_n = header_end(buf_slice(&d->original), from, &found);
		if (*more)
			break;
	}
	*whole_header = found;
	if (!found && *more)
		d->header_n = last_line_end(buf_slice(&d->original));
	return E_OK;
}

WAITS enum err notice_original_read(struct notice_draft *d)
{
	bool want_body = d->n->kind == NOTICE_FAILED && d->n->ret != NOTICE_RET_HDRS;
	slice_t header, body;
	bool found, more;
	enum err e;

	if (d->n->read == NULL)
		return E_OK;
	e = gather(d, want_body, &found, &more);
	if (e != E_OK)
		return e;
	header = slice_sub(buf_slice(&d->original), 0, d->header_n);
	body = slice_from(buf_slice(&d->original), d->header_n);
	d->big = want_body && more;
	d->whole = want_body && found && !more && is_sendable(body);
	/* What is not well-formed UTF-8 becomes "?", and what is stays. */
	for (size_t i = 0; i < header.n && !d->header_8bit; i++) {
		uint32_t cp;

		d->header_8bit = utf8_decode(slice_from(header, i), &cp) > 1;
	}
	d->body_8bit = d->whole && !utf8_is_ascii(body);
	look_at_header(d);
	return E_OK;
}

slice_t notice_original_type(const struct notice_draft *d)
{
	if (d->whole)
		return d->header_8bit ? SL("message/global") : SL("message/rfc822");
	return d->header_8bit ? SL("message/global-headers") : SL("text/rfc822-headers");
}

/* A line of a header: nothing in it but text, tabs, well-formed UTF-8; folded where it is long. */
static void put_header_line(slice_t line, struct buf *out)
{
	size_t column = 0;

	while (line.n != 0) {
		uint32_t cp = 0;
		size_t n = utf8_decode(line, &cp);
		bool keep = n > 1 || (n == 1 && (cp == '\t' || (cp >= 0x20 && cp != 0x7f)));

		if (column >= HEADER_FOLD) {
			buf_puts(out, "\r\n ");
			column = 1;
		}
		buf_put(out, keep ? slice_sub(line, 0, n) : SL("?"));
		column += keep ? n : 1;
		line = slice_from(line, n != 0 ? n : 1);
	}
	buf_puts(out, "\r\n");
}

bool notice_original_line(const struct notice_draft *d, slice_t *rest, struct buf *out)
{
	size_t at = d->original.n - rest->n;
	size_t n = slice_find_char(*rest, '\n');
	slice_t line = slice_sub(*rest, 0, n);

	if (rest->n == 0 || (!d->whole && at >= d->header_n))
		return false;
	*rest = slice_from(*rest, n + 1);
	if (line.n != 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (at < d->header_n && line.n != 0) {
		put_header_line(line, out);
		return true;
	}
	if (at < d->header_n && !d->whole)
		return false; /* the blank line */
	buf_put(out, line);
	buf_puts(out, "\r\n");
	return true;
}

/* Which part of a message is a report of TLS, and what is packed in it. */
#include <zlib.h>

#include "common/base/arena.h"
#include "frontend/mime/ctype.h"
#include "frontend/mime/decode.h"
#include "frontend/mime/hdr.h"
#include "frontend/mime/mime.h"
#include "frontend/outbound/tlsrpt_read.h"

#define GZIP_WINDOW (15 + 16) /* zlib's way of asking for RFC 1952 */
#define CHUNK       4096

enum packing { PACKING_NONE, PACKING_JSON, PACKING_GZIP }; /* NONE: no report */

/* By its Content-Type; the first one counts. */
static enum packing packing_of(slice_t header, struct arena *mem)
{
	struct hdr_iter it;
	slice_t name, raw;
	struct ctype type;

	hdr_iter_init(&it, header);
	while (hdr_iter_next(&it, &name, &raw)) {
		if (!slice_ieq(name, SL("Content-Type")))
			continue;
		raw = slice_from(raw, slice_find_char(raw, ':') + 1);
		if (ctype_parse(raw, mem, &type) != E_OK || !type.valid ||
		    !slice_ieq(type.type, SL("application")))
			return PACKING_NONE;
		return slice_ieq(type.subtype, SL("tlsrpt+gzip"))   ? PACKING_GZIP
		       : slice_ieq(type.subtype, SL("tlsrpt+json")) ? PACKING_JSON
								    : PACKING_NONE;
	}
	return PACKING_NONE;
}

/* ---- transfer encoding ---- */

static enum err undo(slice_t in, enum mime_cte cte, struct buf *out, struct diag *d)
{
	struct decode state;
	char room[CHUNK];

	if (cte == MIME_CTE_OTHER)
		return diag_set(d, E_INVALID, "an unknown transfer encoding");
	decode_init(&state, cte);
	while (in.n != 0)
		buf_put(out, slice(room, decode_feed(&state, &in, room, sizeof room)));
	buf_put(out, slice(room, decode_end(&state, room)));
	return buf_failed(out) ? diag_set(d, E_TOO_BIG, "the report is too long") : E_OK;
}

/* ---- gzip ---- */

/* One member (RFC 1952), whole and checked, with nothing behind it. */
static enum err unpack(slice_t in, struct buf *out, struct diag *d)
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)in.p, .avail_in = (unsigned)in.n};
	enum err e = E_OK;
	int rc = Z_OK;

	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return diag_set(d, E_LIMIT, "there is no memory to unpack the report");
	while (e == E_OK && rc == Z_OK) {
		char room[CHUNK];

		z.next_out = (unsigned char *)room;
		z.avail_out = sizeof room;
		rc = inflate(&z, Z_NO_FLUSH);
		buf_put(out, slice(room, sizeof room - z.avail_out));
		if (buf_failed(out))
			e = diag_set(d, E_TOO_BIG, "the report is too long when it is unpacked");
	}
	if (e == E_OK && (rc != Z_STREAM_END || z.avail_in != 0))
		e = diag_set(d, E_INVALID, "the report is no whole gzip");
	(void)inflateEnd(&z);
	return e;
}

/* ---- all ---- */

static enum err take_part(slice_t body, enum mime_cte cte, enum packing packing, struct buf *out,
			  struct diag *d)
{
	struct buf decoded;
	enum err e;

	if (packing == PACKING_JSON)
		return undo(body, cte, out, d);
	buf_init(&decoded, TLSRPT_MESSAGE_MAX, NULL);
	e = undo(body, cte, &decoded, d);
	if (e == E_OK)
		e = unpack(buf_slice(&decoded), out, d);
	buf_fini(&decoded);
	return e;
}

static enum err find_part(slice_t message, const struct mime_summary *s, struct buf *out,
			  struct diag *d)
{
	struct arena mem;
	enum err e = E_NOT_FOUND;

	arena_init(&mem, NULL);
	for (size_t i = 0; e == E_NOT_FOUND && i < s->nparts; i++) {
		const struct mime_part *p = &s->parts[i];
		slice_t header = slice_sub(message, p->header_off, p->body_off - p->header_off);
		enum packing packing =
			p->kind == MIME_LEAF ? packing_of(header, &mem) : PACKING_NONE;

		if (packing != PACKING_NONE)
			e = take_part(slice_sub(message, p->body_off, p->body_end - p->body_off),
				      p->cte, packing, out, d);
		arena_reset(&mem);
	}
	return e == E_NOT_FOUND ? diag_set(d, e, "there is no report in it") : e;
}

enum err tlsrpt_find(slice_t message, struct buf *out, struct diag *d)
{
	struct mime_limits limits = mime_limits_default;
	struct mime_parser *p;
	struct mime_summary s;
	enum err e;

	invariant(message.n <= TLSRPT_MESSAGE_MAX);
	limits.text_bytes = 0;
	p = mime_parser_new(&limits, NULL);
	mime_parser_feed(p, message);
	e = mime_parser_end(p, &s);
	if (e == E_OK)
		e = find_part(message, &s, out, d);
	mime_parser_free(&p);
	return e;
}

#include "frontend/core/line.h"

#include "common/crypto/secret.h"

/* Throws bytes away until after the next LF. The first `have` bytes in the window hold none. */
static WAITS enum err line_skip(struct stream *s, size_t have, const char *name,
				int64_t deadline_ms)
{
	size_t skipped = have;

	stream_consume(s, have);
	while (skipped <= LINE_SKIP_MAX) {
		slice_t w = stream_peek(s);
		size_t lf = slice_find_char(w, '\n');
		enum err e;

		if (lf < w.n) {
			stream_consume(s, lf + 1);
			return E_LIMIT;
		}
		skipped += w.n;
		stream_consume(s, w.n);
		e = stream_fill(s, 0, name, deadline_ms);
		if (e != E_OK)
			return e;
	}
	return E_TOO_BIG;
}

/* A line found in the window: its content without CRLF, or what is wrong with it. */
static enum err line_judge(slice_t line, size_t max, slice_t *out)
{
	if (line.n == 0 || line.p[line.n - 1] != '\r')
		return line.n > max ? E_LIMIT : E_INVALID;
	line.n--;
	if (line.n > max)
		return E_LIMIT;
	if (line.n > 0 &&
	    (memchr(line.p, '\r', line.n) != NULL || memchr(line.p, '\0', line.n) != NULL))
		return E_INVALID;
	*out = line;
	return E_OK;
}

WAITS enum err line_read(struct stream *s, size_t max, const char *name, int64_t deadline_ms,
			 slice_t *out)
{
	size_t seen = 0; /* bytes of the window known to hold no LF */

	*out = SLICE_NONE;
	for (;;) {
		slice_t w = stream_peek(s);
		const char *lf = w.n > seen ? memchr(w.p + seen, '\n', w.n - seen) : NULL;
		enum err e;

		if (lf != NULL) {
			size_t n = (size_t)(lf - w.p);

			e = line_judge(slice(w.p, n), max, out);
			stream_consume(s, n + 1);
			return e;
		}
		seen = w.n;
		if (seen > max + 1)
			return line_skip(s, seen, name, deadline_ms);
		e = stream_fill(s, seen, name, deadline_ms);
		if (e != E_OK)
			return e;
	}
}

void line_wipe(slice_t line)
{
	/* The window is the stream's own memory; its reader sees it through const. */
	if (line.n > 0)
		secret_wipe((void *)(uintptr_t)line.p, line.n);
}

/* What n bytes say of bare ends of line and of NULs; a byte stands before them. Without a way out
 * inside, the compiler takes it by whole registers: this sees every byte of every message. */
static inline void eol_stride(const char *p, size_t n, unsigned char *bare, unsigned char *nul)
{
	for (size_t i = 0; i < n; i++) {
		*bare |= (unsigned char)((p[i] == '\n') ^ (p[i - 1] == '\r'));
		*nul |= (unsigned char)(p[i] == '\0');
	}
}

void eol_check_feed(struct eol_check *c, slice_t bytes)
{
	enum { STRIDE = 64 };
	unsigned char bare, nul;
	size_t i = 1;

	if (bytes.n == 0)
		return;
	bare = (bytes.p[0] == '\n') != c->after_cr;
	nul = bytes.p[0] == '\0';
	for (; bytes.n - i >= STRIDE; i += STRIDE)
		eol_stride(bytes.p + i, STRIDE, &bare, &nul);
	eol_stride(bytes.p + i, bytes.n - i, &bare, &nul);
	c->bare |= bare != 0;
	c->nul |= nul != 0;
	c->after_cr = bytes.p[bytes.n - 1] == '\r';
}

void eol_check_end(struct eol_check *c)
{
	if (c->after_cr)
		c->bare = true;
	c->after_cr = false;
}

enum { DOT_LINE_START, DOT_IN_LINE, DOT_END };

void dot_init(struct dot_reader *d)
{
	*d = (struct dot_reader){.state = DOT_LINE_START};
}

/* At the start of a line: the end, a stuffed dot, or text. *need_out > 0: that many bytes are not
 * enough to tell. */
static void dot_line_start(struct dot_reader *d, struct stream *s, slice_t w, size_t *need_out)
{
	if (w.n == 0) {
		*need_out = 1;
		return;
	}
	if (w.p[0] != '.') {
		d->state = DOT_IN_LINE;
		return;
	}
	if (w.n == 1 || (w.n == 2 && w.p[1] == '\r')) {
		*need_out = w.n + 1;
		return;
	}
	if (w.p[1] == '\r' && w.p[2] == '\n') {
		stream_consume(s, 3);
		d->state = DOT_END;
		return;
	}
	stream_consume(s, 1);
	d->state = DOT_IN_LINE;
}

/* How many bytes of w, which begins inside a line, can be passed on: up to a line that begins
 * with a dot, or all but a CR at the end, whose fate the next byte decides. *next_out is the state
 * after them. Only CRLF makes a line start: after a bare LF a dot is text. The dot is looked for,
 * which is rarer than a line end. */
static size_t dot_extent(slice_t w, uint8_t *next_out)
{
	*next_out = DOT_LINE_START;
	for (size_t at = 2; at < w.n; at++) {
		at += slice_find_char(slice_from(w, at), '.');
		if (at < w.n && w.p[at - 1] == '\n' && w.p[at - 2] == '\r')
			return at;
	}
	if (w.n >= 2 && w.p[w.n - 1] == '\n' && w.p[w.n - 2] == '\r')
		return w.n;
	*next_out = DOT_IN_LINE;
	return w.n > 0 && w.p[w.n - 1] == '\r' ? w.n - 1 : w.n;
}

WAITS enum err dot_read(struct dot_reader *d, struct stream *s, int64_t deadline_ms, slice_t *out)
{
	for (;;) {
		slice_t w = slice_sub(stream_peek(s), 0, DOT_CHUNK_MAX);
		size_t need = 0;
		enum err e;

		if (d->state == DOT_LINE_START)
			dot_line_start(d, s, w, &need);
		if (d->state == DOT_END) {
			eol_check_end(&d->eol);
			return E_CLOSED;
		}
		if (d->state == DOT_IN_LINE) {
			uint8_t next;
			size_t n;

			w = slice_sub(stream_peek(s), 0, DOT_CHUNK_MAX);
			n = dot_extent(w, &next);
			if (n > 0) {
				*out = slice(w.p, n);
				eol_check_feed(&d->eol, *out);
				d->state = next;
				d->bytes += n;
				stream_consume(s, n);
				return E_OK;
			}
			need = w.n + 1;
		}
		e = stream_fill(s, need - 1, "smtp.data", deadline_ms);
		if (e != E_OK)
			return e == E_CLOSED ? E_RETRY : e;
	}
}

/*
 * The line reader over a played stream that shows its bytes in pieces. First byte: the size of the
 * pieces, and whether lines or a message are read. Both are compared with a plain model: for a
 * message, that only CRLF "." CRLF ends it, and nothing of it is lost or added.
 */
#include "common/base/buf.h"
#include "common/loop/fiber.h"
#include "frontend/core/line.h"
#include "tests/fuzz/fuzz.h"

#define LONGEST 40
#define IN_MAX  65536

/* ---- the stream, in place of common/net/stream ---- */

struct stream {
	slice_t in; /* all of it, not consumed */
	size_t shown;
	size_t piece;
	bool lines;
};

slice_t stream_peek(const struct stream *s)
{
	return slice_sub(s->in, 0, s->shown);
}

void stream_consume(struct stream *s, size_t n)
{
	FUZZ_CHECK(n <= s->shown);
	s->in = slice_from(s->in, n);
	s->shown -= n;
}

WAITS enum err stream_fill(struct stream *s, size_t have, const char *name UNUSED,
			   int64_t deadline_ms UNUSED)
{
	FUZZ_CHECK(have <= s->shown);
	if (s->shown > have)
		return E_OK;
	if (s->shown == s->in.n)
		return E_CLOSED;
	s->shown = MIN(s->in.n, s->shown + s->piece);
	return E_OK;
}

/* ---- models ---- */

/* What a line at the start of in is, and how much of in it takes. */
static enum err line_model(slice_t in, slice_t *line, size_t *used)
{
	size_t lf = slice_find_char(in, '\n');

	*line = SLICE_NONE;
	*used = MIN(lf + 1, in.n);
	if (lf == in.n)
		return E_CLOSED;
	if (lf == 0 || in.p[lf - 1] != '\r')
		return lf > LONGEST ? E_LIMIT : E_INVALID;
	*line = slice_sub(in, 0, lf - 1);
	if (line->n > LONGEST)
		return *line = SLICE_NONE, E_LIMIT;
	if (slice_find_char(*line, '\r') < line->n || slice_find_char(*line, '\0') < line->n)
		return *line = SLICE_NONE, E_INVALID;
	return E_OK;
}

/* The message at the start of in; true: it has an end. */
static bool dot_model(slice_t in, struct buf *out, size_t *used)
{
	bool start = true;

	for (size_t i = 0; i < in.n; i++) {
		if (start && in.p[i] == '.') {
			if (slice_starts(slice_from(in, i), SL(".\r\n"))) {
				*used = i + 3;
				return true;
			}
			start = false;
			continue;
		}
		start = in.p[i] == '\n' && i > 0 && in.p[i - 1] == '\r';
		buf_putc(out, in.p[i]);
	}
	return false;
}

static bool bare_model(slice_t m)
{
	for (size_t i = 0; i < m.n; i++) {
		if (m.p[i] == '\n' && (i == 0 || m.p[i - 1] != '\r'))
			return true;
		if (m.p[i] == '\r' && (i + 1 == m.n || m.p[i + 1] != '\n'))
			return true;
	}
	return false;
}

static WAITS void fuzz_lines(struct stream *s)
{
	for (;;) {
		slice_t want, line, in = s->in;
		size_t used;
		enum err model = line_model(in, &want, &used);
		enum err e = line_read(s, LONGEST, "fuzz", 0, &line);

		if (model == E_CLOSED) {
			FUZZ_CHECK(e == E_CLOSED);
			return;
		}
		FUZZ_CHECK(e == model);
		FUZZ_CHECK(slice_eq(line, want));
		FUZZ_CHECK(in.n - s->in.n == used);
	}
}

static WAITS void fuzz_dots(struct stream *s)
{
	slice_t in = s->in, chunk;
	struct buf want, got;
	struct dot_reader d;
	size_t used;
	bool whole;
	enum err e;

	buf_init(&want, IN_MAX, NULL);
	buf_init(&got, IN_MAX, NULL);
	whole = dot_model(in, &want, &used);
	dot_init(&d);
	while ((e = dot_read(&d, s, 0, &chunk)) == E_OK) {
		FUZZ_CHECK(chunk.n > 0 && chunk.n <= DOT_CHUNK_MAX);
		buf_put(&got, chunk);
	}
	FUZZ_CHECK(d.bytes == got.n);
	if (whole) {
		FUZZ_CHECK(e == E_CLOSED);
		FUZZ_CHECK(slice_eq(buf_slice(&got), buf_slice(&want)));
		FUZZ_CHECK(in.n - s->in.n == used);
		FUZZ_CHECK(d.eol.bare == bare_model(buf_slice(&want)));
		FUZZ_CHECK(d.eol.nul == (slice_find_char(buf_slice(&want), '\0') < want.n));
	} else {
		FUZZ_CHECK(e == E_RETRY);
		FUZZ_CHECK(slice_starts(buf_slice(&want), buf_slice(&got)));
	}
	buf_fini(&want);
	buf_fini(&got);
}

static WAITS void run(void *arg)
{
	struct stream *s = arg;

	if (s->lines)
		fuzz_lines(s);
	else
		fuzz_dots(s);
	loop_stop(loop_current());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, MIN(size, (size_t)IN_MAX));
	unsigned how = fuzz_byte(&in);
	struct stream s = {.in = in, .piece = 1 + how / 2, .lines = how & 1};
	struct loop *loop = loop_new();

	FUZZ_CHECK(fiber_start("fuzz.run", run, &s, NULL) == E_OK);
	loop_run(loop);
	loop_free(&loop);
	return 0;
}

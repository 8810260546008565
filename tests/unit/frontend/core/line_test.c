#include "frontend/core/line.h"

#include "common/base/buf.h"
#include "common/loop/fiber.h"
#include "tests/lib/check.h"
#include "tests/lib/wire.h"

#define LONGEST 20

struct line_case {
	const char *in;
	enum err e;
	const char *out;
	const char *rest; /* the line after it, always good */
};

static const struct line_case lines[] = {
	{"NOOP\r\nX\r\n", E_OK, "NOOP", "X"},
	{"\r\nX\r\n", E_OK, "", "X"},
	{"01234567890123456789\r\nX\r\n", E_OK, "01234567890123456789", "X"},
	{"012345678901234567890\r\nX\r\n", E_LIMIT, "", "X"},
	{"0123456789012345678901234567890123456789\r\nX\r\n", E_LIMIT, "", "X"},
	{"bare\nX\r\n", E_INVALID, "", "X"},
	{"a\rb\r\nX\r\n", E_INVALID, "", "X"},
	{"a\r\r\nX\r\n", E_INVALID, "", "X"},
	{"\nX\r\n", E_INVALID, "", "X"},
	{"01234567890123456789012345\nX\r\n", E_LIMIT, "", "X"},
};

static WAITS void read_case(struct wire *w, const struct line_case *c)
{
	slice_t line;

	check_note("case %s", c->in);
	CHECK_ERR(line_read(w->server, LONGEST, "test", deadline_in(WIRE_MS), &line), c->e);
	CHECK_SLICE(line, slice_str(c->out));
	CHECK_ERR(line_read(w->server, LONGEST, "test", deadline_in(WIRE_MS), &line), E_OK);
	CHECK_SLICE(line, slice_str(c->rest));
}

TEST_FIBER(line_cases)
{
	struct wire w;

	wire_open(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		wire_send(&w, slice_str(lines[i].in));
		read_case(&w, &lines[i]);
	}
	wire_close(&w);
}

struct reader {
	struct wire *w;
	const struct line_case *c;
};

static WAITS void reader_main(void *arg)
{
	struct reader *r = arg;

	read_case(r->w, r->c);
}

TEST_FIBER(line_cases_byte_by_byte)
{
	struct wire w;

	wire_open(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct reader r = {&w, &lines[i]};
		struct scope scope;

		scope_init(&scope);
		REQUIRE(scope_start(&scope, "reader", reader_main, &r) == E_OK);
		wire_trickle(&w, w.server, slice_str(lines[i].in), 1);
		CHECK_ERR(scope_join(&scope, deadline_in(WIRE_MS)), E_OK);
	}
	wire_close(&w);
}

TEST_FIBER(line_with_nul)
{
	struct wire w;
	slice_t line;

	wire_open(&w, NULL);
	wire_send(&w, SL("a\0b\r\n"));
	CHECK_ERR(line_read(w.server, LONGEST, "test", deadline_in(WIRE_MS), &line), E_INVALID);
	wire_close(&w);
}

static WAITS void endless_main(void *arg)
{
	static const char x[16384];
	struct wire *w = arg;

	for (size_t n = 0; n < 2 * LINE_SKIP_MAX; n += sizeof x)
		wire_send(w, slice(x, sizeof x));
}

/* A line that never ends is given up, in constant memory. */
TEST_FIBER(line_endless)
{
	struct scope scope;
	struct wire w;
	slice_t line;

	wire_open(&w, NULL);
	scope_init(&scope);
	REQUIRE(scope_start(&scope, "endless", endless_main, &w) == E_OK);
	CHECK_ERR(line_read(w.server, LONGEST, "test", deadline_in(WIRE_MS), &line), E_TOO_BIG);
	scope_cancel(&scope);
	(void)scope_join(&scope, deadline_in(WIRE_MS));
	wire_close(&w);
}

TEST_FIBER(line_end_and_deadline)
{
	struct wire w;
	slice_t line;

	wire_open(&w, NULL);
	wire_send(&w, SL("half"));
	CHECK_ERR(line_read(w.server, LONGEST, "test", deadline_in(20), &line), E_TIMEOUT);
	stream_close(&w.client, CLOSE_DONE);
	CHECK_ERR(line_read(w.server, LONGEST, "test", deadline_in(WIRE_MS), &line), E_CLOSED);
	wire_close(&w);
}

TEST_FIBER(line_wiped)
{
	struct wire w;
	slice_t line;

	wire_open(&w, NULL);
	wire_send(&w, SL("secret\r\n"));
	REQUIRE(line_read(w.server, LONGEST, "test", deadline_in(WIRE_MS), &line) == E_OK);
	line_wipe(line);
	CHECK_SLICE(line, SL("\0\0\0\0\0\0"));
	wire_close(&w);
}

/* ---- dots ---- */

struct dot_case {
	const char *in; /* ends with a line "X" after the message */
	const char *out;
	bool bare;
};

static const struct dot_case dots[] = {
	{".\r\nX\r\n", "", false},
	{"a\r\n.\r\nX\r\n", "a\r\n", false},
	{"..\r\n.\r\nX\r\n", ".\r\n", false},
	{"..a\r\n...\r\n.\r\nX\r\n", ".a\r\n..\r\n", false},
	{".a\r\n.\r\nX\r\n", "a\r\n", false},
	{"a.\r\nb\r\n.\r\nX\r\n", "a.\r\nb\r\n", false},
	{"\r\n\r\n.\r\nX\r\n", "\r\n\r\n", false},
	{"a\n.\nb\r\n.\r\nX\r\n", "a\n.\nb\r\n", true},
	{"a\n.\r\nb\r\n.\r\nX\r\n", "a\n.\r\nb\r\n", true},
	{"a\r\n.\nb\r\n.\r\nX\r\n", "a\r\n\nb\r\n", true},
	{"a\r.\rb\r\n.\r\nX\r\n", "a\r.\rb\r\n", true},
	{"a\r.\r\nb\r\n.\r\nX\r\n", "a\r.\r\nb\r\n", true},
	{"a\r\n.\rb\r\n.\r\nX\r\n", "a\r\n\rb\r\n", true},
	{"a\r\r\n.\r\nX\r\n", "a\r\r\n", true},
	{"a\r\n.\r\r\nb\r\n.\r\nX\r\n", "a\r\n\r\r\nb\r\n", true},
};

struct dot_reading {
	struct wire *w;
	const struct dot_case *c;
};

static WAITS void dot_main(void *arg)
{
	struct dot_reading *r = arg;
	struct dot_reader d;
	struct buf b;
	slice_t chunk, line;
	enum err e;

	check_note("case %s", r->c->in);
	buf_init(&b, 4096, NULL);
	dot_init(&d);
	while ((e = dot_read(&d, r->w->server, deadline_in(WIRE_MS), &chunk)) == E_OK) {
		CHECK(chunk.n > 0);
		buf_put(&b, chunk);
	}
	CHECK_ERR(e, E_CLOSED);
	CHECK_SLICE(buf_slice(&b), slice_str(r->c->out));
	CHECK_INT(d.eol.bare, r->c->bare);
	CHECK_INT(d.bytes, b.n);
	buf_fini(&b);
	CHECK_ERR(line_read(r->w->server, LONGEST, "test", deadline_in(WIRE_MS), &line), E_OK);
	CHECK_SLICE(line, SL("X"));
}

static WAITS void run_dots(size_t piece)
{
	struct wire w;

	wire_open(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(dots); i++) {
		struct dot_reading r = {&w, &dots[i]};
		struct scope scope;

		scope_init(&scope);
		REQUIRE(scope_start(&scope, "dots", dot_main, &r) == E_OK);
		wire_trickle(&w, w.server, slice_str(dots[i].in), piece);
		CHECK_ERR(scope_join(&scope, deadline_in(WIRE_MS)), E_OK);
	}
	wire_close(&w);
}

TEST_FIBER(dots_whole)
{
	run_dots(4096);
}

TEST_FIBER(dots_in_pieces)
{
	for (size_t piece = 1; piece <= 4; piece++)
		run_dots(piece);
}

TEST_FIBER(dots_nul_and_lost_connection)
{
	struct dot_reader d;
	struct wire w;
	slice_t chunk;

	wire_open(&w, NULL);
	wire_send(&w, SL("a\0b\r\n"));
	dot_init(&d);
	REQUIRE(dot_read(&d, w.server, deadline_in(WIRE_MS), &chunk) == E_OK);
	CHECK(d.eol.nul);
	CHECK(!d.eol.bare);
	stream_close(&w.client, CLOSE_DONE);
	CHECK_ERR(dot_read(&d, w.server, deadline_in(WIRE_MS), &chunk), E_RETRY);
	wire_close(&w);
}

/* ---- line ends cut anywhere ---- */

TEST(eol_check_any_cut)
{
	static const struct {
		slice_t in;
		bool bare, nul;
	} cases[] = {
		{SL(""), false, false},         {SL("a\r\nb\r\n"), false, false},
		{SL("\r\n\r\n"), false, false}, {SL("a\nb\r\n"), true, false},
		{SL("a\rb\r\n"), true, false},  {SL("a\r\r\n"), true, false},
		{SL("a\r\n\n"), true, false},   {SL("a\r\n\r"), true, false},
		{SL("a\0\r\n"), false, true},   {SL("no end"), false, false},
		{SL("\n"), true, false},        {SL("\r"), true, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t cut = 0; cut <= cases[i].in.n; cut++) {
			struct eol_check c = {.bare = false};

			check_note("case %zu cut %zu", i, cut);
			eol_check_feed(&c, slice_sub(cases[i].in, 0, cut));
			eol_check_feed(&c, slice_from(cases[i].in, cut));
			eol_check_end(&c);
			CHECK_INT(c.bare, cases[i].bare);
			CHECK_INT(c.nul, cases[i].nul);
		}
	}
}

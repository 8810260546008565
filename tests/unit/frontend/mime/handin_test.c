/* What programs hand in, and what becomes of its header. */
#include "frontend/mime/handin.h"
#include "tests/lib/check.h"

#define ADDED "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <id@host.example>\r\n\r\n"

static struct handin_opts options(unsigned take)
{
	return (struct handin_opts){
		.take = take,
		.domain = SL("host.example"),
		.message_id = SL("id@host.example"),
	};
}

static const struct {
	const char *in;
	unsigned take;
	const char *user;
	const char *header, *sender, *rcpts, *body;
} rows[] = {
	/* cron */
	{"From: root (Cron Daemon)\r\nTo: root\r\nSubject: Cron\r\n\r\nHi\r\n", HANDIN_TO,
	 "cron@example.org",
	 "From: Cron Daemon <cron@example.org>\r\nTo: root@host.example\r\nSubject: Cron\r\n" ADDED,
	 "cron@example.org", "root@host.example", "Hi\r\n"},
	{"From: root\r\n\r\n", HANDIN_TO, "cron@example.org",
	 "From: root <cron@example.org>\r\n" ADDED, "cron@example.org", "", ""},
	{"From: root\r\n\r\n", HANDIN_TO, "", "From: root@host.example\r\n" ADDED,
	 "root@host.example", "", ""},
	/* nothing at all, and a body without a header */
	{"", HANDIN_TO, "a@b.example", "From: a@b.example\r\n" ADDED, "a@b.example", "", ""},
	{"Hello there: x\r\n", HANDIN_TO, "", ADDED, "", "", "Hello there: x\r\n"},
	/* Bcc goes, names and groups stay; each recipient once */
	{"To: \"A, B\" <a@x.example>, them: b, c@x.example;\r\n"
	 "Bcc: d@x.example,\r\n e@x.example\r\n"
	 "Cc: a@x.example\r\nFrom: f@x.example\r\nDate: now\r\nMessage-Id: <1@x>\r\n\r\nB\r\n",
	 HANDIN_TO, "",
	 "To: \"A, B\" <a@x.example>,\r\n\tthem: b@host.example,\r\n\tc@x.example;\r\n"
	 "Cc: a@x.example\r\nFrom: f@x.example\r\nDate: now\r\nMessage-Id: <1@x>\r\n\r\n",
	 "f@x.example", "a@x.example b@host.example c@x.example d@x.example e@x.example", "B\r\n"},
	/* not asked for recipients: Bcc goes all the same */
	{"To: a@x.example\r\nBcc: b@x.example\r\n\r\n", 0, "", "To: a@x.example\r\n" ADDED, "", "",
	 ""},
	/* sent again */
	{"To: a@x.example\r\nResent-To: b@x.example\r\nResent-Bcc: c@x.example\r\n\r\n", HANDIN_TO,
	 "", "To: a@x.example\r\nResent-To: b@x.example\r\n" ADDED, "", "b@x.example c@x.example",
	 ""},
	/* a file of a pickup folder */
	{"x-sender: s@x.example\r\nx-receiver: r@x.example\r\nX-Receiver: q@x.example\r\n"
	 "From: f@x.example\r\nTo: t@x.example\r\n\r\n",
	 HANDIN_TO | HANDIN_ENVELOPE, "", "From: f@x.example\r\nTo: t@x.example\r\n" ADDED,
	 "s@x.example", "r@x.example q@x.example", ""},
	{"From: f@x.example\r\nx-sender: <>\r\nTo: t@x.example\r\n\r\n",
	 HANDIN_TO | HANDIN_ENVELOPE, "", "From: f@x.example\r\nTo: t@x.example\r\n" ADDED, "",
	 "t@x.example", ""},
	/* elsewhere such fields are anybody's */
	{"x-sender: s@x.example\r\nx-receiver: r@x.example\r\n\r\n", HANDIN_TO, "", ADDED, "", "",
	 ""},
	/* a line of mbox before it; a last field without an end */
	{"From me Thu Jan 1\r\nTo: a@x.example", HANDIN_TO, "", "To: a@x.example\r\n" ADDED, "",
	 "a@x.example", ""},
	/* a line that is no field ends it */
	{"To: a@x.example\r\nno field\r\n\r\nB\r\n", HANDIN_TO, "", "To: a@x.example\r\n" ADDED, "",
	 "a@x.example", "no field\r\n\r\nB\r\n"},
};

TEST(headers)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct handin_opts o = options(rows[i].take);
		slice_t in = slice_str(rows[i].in);
		struct handin h;
		struct arena mem;
		struct diag d;
		struct buf got;

		check_note("row %zu", i);
		arena_init(&mem, NULL);
		buf_init(&got, 4096, NULL);
		o.user = o.from = slice_str(rows[i].user);
		CHECK_ERR(handin_read(in, &o, &mem, &h, &d), E_OK);
		for (size_t k = 0; k < h.nrcpts; k++)
			buf_printf(&got, "%s%.*s", k != 0 ? " " : "", (int)h.rcpts[k].n,
				   h.rcpts[k].p);
		CHECK_SLICE(h.header, slice_str(rows[i].header));
		CHECK_SLICE(h.sender, slice_str(rows[i].sender));
		CHECK_SLICE(buf_slice(&got), slice_str(rows[i].rcpts));
		CHECK_SLICE(slice_from(in, h.body_at), slice_str(rows[i].body));
		buf_fini(&got);
		arena_reset(&mem);
	}
}

TEST(a_null_sender_is_not_the_writer)
{
	struct handin_opts o = options(HANDIN_ENVELOPE);
	struct handin h;
	struct arena mem;
	struct diag d;

	arena_init(&mem, NULL);
	CHECK_ERR(handin_read(SL("x-sender: <>\r\nFrom: a@x.example\r\n\r\n"), &o, &mem, &h, &d),
		  E_OK);
	CHECK(h.null_sender && h.sender.n == 0);
	arena_reset(&mem);
}

/* RFC 8689 section 3; smtp_header_test has the field's forms. */
TEST(tls_that_is_of_no_importance)
{
	static const struct {
		slice_t header;
		bool optional;
	} cases[] = {
		{SL("Subject: TLS-Required: No\r\n\r\nTLS-Required: No\r\n"), false},
		{SL("TLS-Required: No\r\n\r\n"), true},
		{SL("tls-required:\r\n\tnO \r\n\r\n"), true},
		{SL("TLS-Required: No"), true},
		{SL("TLS-Required: N o\r\n\r\n"), false},
		{SL("TLS-Required: None\r\n\r\n"), false},
		{SL("TLS-Required: Yes\r\nTLS-Required: No\r\n\r\n"), true},
		{SL("TLS-Required: No\r\nTLS-Required:\r\n\r\n"), false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct handin_opts o = options(HANDIN_TO);
		struct handin h;
		struct arena mem;
		struct diag d;

		check_note("case %zu", i);
		arena_init(&mem, NULL);
		CHECK_ERR(handin_read(cases[i].header, &o, &mem, &h, &d), E_OK);
		CHECK_INT(h.tls_optional, cases[i].optional);
		/* It goes on as it stands. */
		CHECK(slice_starts(h.header, slice_sub(cases[i].header, 0, 16)));
		arena_reset(&mem);
	}
}

static enum err read_one(slice_t in, struct diag *d)
{
	struct handin_opts o = options(HANDIN_TO | HANDIN_ENVELOPE);
	struct handin h;
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	e = handin_read(in, &o, &mem, &h, d);
	arena_reset(&mem);
	return e;
}

TEST(addresses_that_cannot_be)
{
	static const char *const bad[] = {
		"To: a@-x-.example..\r\n\r\n", "x-sender: \"a\x01\"@x.example\r\n\r\n",
		"x-sender: a@b@c\r\n\r\n",     "x-sender: one@x.example, two@x.example\r\n\r\n",
		"To: <@x.example>\r\n\r\n",
	};
	struct diag d;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("row %zu", i);
		d.text[0] = '\0';
		CHECK_ERR(read_one(slice_str(bad[i]), &d), E_INVALID);
		CHECK(d.text[0] != '\0');
	}
}

/* One more than may be is refused, as many as may be are not. */
TEST(lists_are_cut_at_commas)
{
	static const struct {
		const char *list, *parts[5];
	} lists[] = {
		{"a@x,b@x", {"a@x", "b@x"}},
		{",a,", {"", "a"}},
		{"\"a,\\\",b\"@x,c", {"\"a,\\\",b\"@x", "c"}},
		{"A (b, (c), \"d) <a@x>,e", {"A (b, (c), \"d) <a@x>", "e"}},
		{"<@a,@b:c@x>,d", {"<@a,@b:c@x>", "d"}},
		{"a\\,b,c", {"a\\,b", "c"}},
		{"a)>,b", {"a)>", "b"}},
		{"\"a,b", {"\"a,b"}},
		{"a\\", {"a\\"}},
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		slice_t rest = slice_str(lists[i].list);

		check_note("row %zu", i);
		for (size_t k = 0; lists[i].parts[k] != NULL; k++)
			CHECK_SLICE(handin_list_take(&rest), slice_str(lists[i].parts[k]));
		CHECK_INT(rest.n, 0);
	}
}

TEST(limits)
{
	struct buf b;
	struct diag d;

	buf_init(&b, 2 * HANDIN_HEADER_MAX, NULL);
	for (int n = HANDIN_RCPTS_MAX; n <= HANDIN_RCPTS_MAX + 1; n++) {
		buf_reset(&b);
		for (int i = 0; i < n; i++)
			buf_printf(&b, "x-receiver: r%d@x.example\r\n", i);
		buf_puts(&b, "\r\n");
		CHECK_ERR(read_one(buf_slice(&b), &d), n > HANDIN_RCPTS_MAX ? E_LIMIT : E_OK);
	}
	buf_reset(&b);
	buf_puts(&b, "X: ");
	while (b.n < HANDIN_HEADER_MAX - 4)
		buf_putc(&b, 'x');
	buf_puts(&b, "\r\n\r\n");
	CHECK_INT(b.n, HANDIN_HEADER_MAX);
	CHECK_ERR(read_one(buf_slice(&b), &d), E_OK);
	b.p[b.n - 4] = b.p[b.n - 3] = b.p[b.n - 2] = b.p[b.n - 1] = 'x';
	CHECK_ERR(read_one(buf_slice(&b), &d), E_TOO_BIG);
	buf_fini(&b);
}

static const struct {
	const char *in;
	size_t n;
	bool dots;
	const char *out;
} line_rows[] = {
	{"a\nb\r\nc\rd", 8, false, "a\r\nb\r\nc\r\nd\r\n"},
	{"a\n\n\r\n\r\rb\n", 9, false, "a\r\n\r\n\r\n\r\n\r\nb\r\n"},
	{"a\0b\n", 4, false, "ab\r\n"},
	{".\n..\n.x\nend\n", 12, false, ".\r\n..\r\n.x\r\nend\r\n"},
	{"a\n..\n.x\n.\nnot\n", 14, true, "a\r\n..\r\n.x\r\n"},
	{"a\r\n.\r\nnot", 9, true, "a\r\n"},
	{"a\n.", 3, true, "a\r\n"},
	{"", 0, true, ""},
};

TEST(lines_in_any_cut)
{
	for (size_t i = 0; i < ARRAY_LEN(line_rows); i++) {
		slice_t in = slice(line_rows[i].in, line_rows[i].n);

		for (size_t step = 1; step <= in.n + 1; step++) {
			struct handin_lines l = {.dots = line_rows[i].dots};
			struct buf out;

			check_note("row %zu, step %zu", i, step);
			buf_init(&out, 256, NULL);
			for (size_t at = 0; at < in.n; at += step)
				handin_lines_feed(&l, slice_sub(in, at, step), &out);
			handin_lines_end(&l, &out);
			CHECK_SLICE(buf_slice(&out), slice_str(line_rows[i].out));
			buf_fini(&out);
		}
	}
}

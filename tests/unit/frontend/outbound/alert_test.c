/* The mail about an account that is held: what it says, and that it is sound whatever comes in. */
#include "frontend/outbound/alert.h"

#include "common/base/utf8.h"
#include "frontend/mime/mime.h"
#include "tests/lib/check.h"

static struct alert usual(void)
{
	return (struct alert){
		.host = SL("MX.example.org"),
		.to = SL("postmaster@example.org"),
		.account = SL("alice@example.org"),
		.why = SL("200 recipients elsewhere in ten minutes"),
		.at_s = 1748938272,
	};
}

static bool holds(const struct buf *b, const char *what)
{
	return slice_find(buf_slice(b), slice_str(what)) != b->n;
}

/* Lines end in CRLF and have at most 998 bytes; well-formed; ASCII unless it says otherwise. */
static void check_sound(const struct alert *a, const struct buf *b)
{
	struct mime_parser *p = mime_parser_new(NULL, NULL);
	slice_t rest = buf_slice(b);
	struct mime_summary s;
	struct diag d = {""};

	CHECK(alert_is_8bit(a) ? utf8_valid(rest) : utf8_is_ascii(rest));
	CHECK(slice_find_char(rest, '\0') == rest.n);
	mime_parser_feed(p, rest);
	CHECK_ERR(mime_parser_end(p, &s), E_OK);
	CHECK_ERR(summary_check(&s, &d), E_OK);
	CHECK_INT(s.nparts, 1);
	mime_parser_free(&p);
	while (rest.n != 0) {
		size_t n = slice_find_char(rest, '\n');

		REQUIRE(n != rest.n && n != 0 && rest.p[n - 1] == '\r');
		REQUIRE(slice_find_char(rest, '\r') == n - 1);
		CHECK(n - 1 <= 998);
		rest = slice_from(rest, n + 1);
	}
}

static void write_it(const struct alert *a, struct buf *b)
{
	struct diag d = {""};

	buf_init(b, ALERT_BYTES_MAX, NULL);
	CHECK_ERR(alert_write(a, b, &d), E_OK);
	check_sound(a, b);
}

TEST(alert_says_what_to_do)
{
	static const char *const words[] = {
		"From: \"Mail Delivery System\" <MAILER-DAEMON@mx.example.org>\r\n"
		"To: <\"post master\"@example.org>\r\n"
		"Subject: Account held:\r\n alice@example.org\r\n",
		"Auto-Submitted: auto-generated\r\n",
		"Content-Transfer-Encoding: 7bit\r\n\r\n",
		"\r\nAccount: alice@example.org\r\n"
		"Why:     200 recipients elsewhere in ten minutes\r\n"
		"Since:   Tue, 03 Jun 2025 08:11:12 +0000\r\n",
		"\r\n     postern account passwd alice@example.org\r\n",
		"\r\n     postern account release alice@example.org\r\n",
	};
	struct alert a = usual();
	struct buf b;

	a.to = SL("\"post master\"@example.org");
	write_it(&a, &b);
	CHECK(!alert_is_8bit(&a));
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		check_note("%s", words[i]);
		CHECK(holds(&b, words[i]));
	}
	buf_fini(&b);
}

TEST(alert_in_utf8)
{
	struct alert a = usual();
	struct buf b;

	a.to = SL("j\xc3\xb6rg@example.org");
	a.account = SL("m\xc3\xbcller@example.org");
	write_it(&a, &b);
	CHECK(alert_is_8bit(&a));
	CHECK(holds(&b, "To: <j\xc3\xb6rg@example.org>\r\nSubject: Account held\r\n"));
	CHECK(holds(&b, "\r\nAccount: m\xc3\xbcller@example.org\r\n"));
	CHECK(holds(&b, "Content-Transfer-Encoding: 8bit\r\n"));
	buf_fini(&b);
}

/* What a back-end says is not trusted to be lines. */
TEST(alert_hostile)
{
	static char lots[3000];
	struct alert a = usual();
	struct buf b;

	a.to = SL("postmaster@example.org");
	a.account = SL("a\r\nBcc: x@y.test\r\n\r\n@example.org");
	a.why = SL("one\r\n.\r\ntwo\x1b[2J\x7f");
	write_it(&a, &b);
	CHECK(!holds(&b, "\r\nBcc:"));
	CHECK(!holds(&b, "\r\n.\r\n"));
	CHECK(!holds(&b, "\x1b"));
	buf_fini(&b);
	a.why = SL("\xff\xfe caf\xc3");
	write_it(&a, &b);
	buf_fini(&b);
	memset(lots, 'x', sizeof lots);
	a.account = a.why = slice(lots, sizeof lots);
	write_it(&a, &b);
	CHECK(holds(&b, "..."));
	buf_fini(&b);
}

TEST(alert_to_nobody)
{
	static const slice_t bad[] = {{"", 0}, {"postmaster", 10}, {"a@b.test\r\nX: y", 14}};
	struct alert a = usual();
	struct diag d = {""};
	struct buf b;

	buf_init(&b, ALERT_BYTES_MAX, NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		a.to = bad[i];
		CHECK_ERR(alert_write(&a, &b, &d), E_INVALID);
	}
	a.to = SL("postmaster@example.org");
	a.host = SL("not a name");
	CHECK_ERR(alert_write(&a, &b, &d), E_INVALID);
	CHECK_INT(b.n, 0);
	buf_fini(&b);
}

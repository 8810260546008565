/* The frame of DKIM-Signature: what one side writes, the other knows again. */
#include "common/parse/dkim_sig.h"

#include "tests/lib/check.h"

#define HEAD \
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n" \
	"\td=example.org; s=sel; t="

static bool is_open(const char *text)
{
	return dkim_sig_is_open(slice_str(text), "rsa-sha256", SL("example.org"), SL("sel"));
}

TEST(dkim_sig_written_and_known)
{
	struct buf b;

	buf_init(&b, DKIM_OPEN_MAX, NULL);
	dkim_sig_begin(&b, "rsa-sha256", SL("example.org"), SL("sel"));
	CHECK_SLICE(buf_slice(&b), SL(HEAD));
	buf_puts(&b, "1; h=From;\r\n\tbh=x");
	dkim_sig_end(&b);
	CHECK(dkim_sig_is_open(buf_slice(&b), "rsa-sha256", SL("example.org"), SL("sel")));
	CHECK(!dkim_sig_is_open(buf_slice(&b), "ed25519-sha256", SL("example.org"), SL("sel")));
	CHECK(!dkim_sig_is_open(buf_slice(&b), "rsa-sha256", SL("example.net"), SL("sel")));
	CHECK(!dkim_sig_is_open(buf_slice(&b), "rsa-sha256", SL("example.org"), SL("se")));
	buf_fini(&b);
}

TEST(dkim_sig_refused)
{
	static const char *const bad[] = {
		"",
		HEAD,
		HEAD "1; b=",
		HEAD "1;\r\n\tb=\r\n",
		HEAD "1;\r\n\tb=x",
		HEAD "1\r\nX-Other: y;\r\n\tb=",
		HEAD "1\r\n y;\r\n\tb=",
		HEAD "1\n\ty;\r\n\tb=",
		HEAD "1\ry;\r\n\tb=",
		HEAD "1\ty;\r\n\tb=",
		HEAD "\xc3\xa9;\r\n\tb=",
		" " HEAD "1;\r\n\tb=",
	};

	CHECK(is_open(HEAD "1;\r\n\tb="));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("case %zu", i);
		CHECK(!is_open(bad[i]));
	}
}

TEST(dkim_sig_length)
{
	struct buf b;

	for (int over = 0; over < 2; over++) {
		buf_init(&b, DKIM_OPEN_MAX + 1, NULL);
		buf_puts(&b, HEAD);
		while (b.n + strlen(";\r\n\tb=") < DKIM_OPEN_MAX + (size_t)over)
			buf_putc(&b, '1');
		dkim_sig_end(&b);
		CHECK(dkim_sig_is_open(buf_slice(&b), "rsa-sha256", SL("example.org"), SL("sel")) ==
		      !over);
		buf_fini(&b);
	}
}

TEST(dkim_sig_closed)
{
	char signature[512];
	struct buf b;

	memset(signature, 0, sizeof signature);
	buf_init(&b, DKIM_SIGNED_MAX, NULL);
	dkim_sig_close(&b, SL("X: b="), slice(signature, 64));
	CHECK_SLICE(
		buf_slice(&b),
		SL("X: b=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		   "\r\n\tAAAAAAAAAAAAAA==\r\n"));
	/* The largest of both fits. */
	buf_reset(&b);
	{
		char open[DKIM_OPEN_MAX];

		memset(open, 'x', sizeof open);
		dkim_sig_close(&b, slice(open, sizeof open), slice(signature, sizeof signature));
		CHECK(!buf_failed(&b));
	}
	buf_fini(&b);
}

TEST(dkim_selector_names)
{
	char longest[DKIM_SELECTOR_MAX + 1];

	CHECK(dkim_selector_valid(SL("p20261128r")));
	CHECK(dkim_selector_valid(SL("a")));
	CHECK(dkim_selector_valid(SL("a-b")));
	CHECK(!dkim_selector_valid(SL("")));
	CHECK(!dkim_selector_valid(SL("-a")));
	CHECK(!dkim_selector_valid(SL("a-")));
	CHECK(!dkim_selector_valid(SL("A")));
	CHECK(!dkim_selector_valid(SL("a.b")));
	CHECK(!dkim_selector_valid(SL("a; d=x")));
	memset(longest, 'x', sizeof longest);
	CHECK(dkim_selector_valid(slice(longest, DKIM_SELECTOR_MAX)));
	CHECK(!dkim_selector_valid(slice(longest, DKIM_SELECTOR_MAX + 1)));
}

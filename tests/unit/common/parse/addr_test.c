#include "common/parse/addr.h"

#include "tests/lib/check.h"

#define X10 "xxxxxxxxxx"
#define X60 X10 X10 X10 X10 X10 X10
#define X63 X60 "xxx"
#define UML "\xc3\xbc" /* u with diaeresis */

TEST(addr_mailbox_table)
{
	static const struct {
		const char *text;
		enum addr_charset cs;
		enum err want;
		const char *local, *domain;
	} rows[] = {
		{"a@b", ADDR_ASCII, E_OK, "a", "b"},
		{"john.doe+tag@Example.ORG", ADDR_ASCII, E_OK, "john.doe+tag", "Example.ORG"},
		{"\"john doe\"@x.y", ADDR_ASCII, E_OK, "john doe", "x.y"},
		{"\"a\\\"b\\\\c\"@x.y", ADDR_ASCII, E_OK, "a\"b\\c", "x.y"},
		{"\"plain\"@x.y", ADDR_ASCII, E_OK, "plain", "x.y"},
		{"a@[192.0.2.1]", ADDR_ASCII, E_OK, "a", "[192.0.2.1]"},
		{"a@[IPv6:2001:db8::1]", ADDR_ASCII, E_OK, "a", "[IPv6:2001:db8::1]"},
		{"a@xn--bcher-kva.example", ADDR_ASCII, E_OK, "a", "xn--bcher-kva.example"},
		{"b" UML "cher@b" UML "cher.example", ADDR_SMTPUTF8, E_OK, "b" UML "cher",
		 "b" UML "cher.example"},
		{"\"" UML " x\"@y", ADDR_SMTPUTF8, E_OK, UML " x", "y"},
		{"b" UML "cher@x", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@b" UML "cher.example", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"b\xc3@x", ADDR_SMTPUTF8, E_INVALID, NULL, NULL},
		{"b\xc3.\xbc@x", ADDR_SMTPUTF8, E_INVALID, NULL, NULL},
		{"", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"@b", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@b@c", ADDR_ASCII, E_INVALID, NULL, NULL},
		{".a@b", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a.@b", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a..b@c", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a b@c", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@b.", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@.b", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@b..c", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@-b.c", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@b-.c", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@b_c.d", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@b c", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"\"\"@b", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"\"a@b", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"\"a\\", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"\"a\r\nb\"@c", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"\"a\\\n\"@c", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"\"a\"b@c", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@[192.0.2.256]", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@[192.0.2.1", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@[IPv6:192.0.2.1]", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@[2001:db8::1]", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@[x:y]", ADDR_ASCII, E_INVALID, NULL, NULL},
		{"a@[]", ADDR_ASCII, E_INVALID, NULL, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a;

		check_note("%s", rows[i].text);
		CHECK_ERR(addr_parse(slice_str(rows[i].text), rows[i].cs, &a), rows[i].want);
		if (rows[i].want == E_OK) {
			CHECK_SLICE(addr_local(&a), slice_str(rows[i].local));
			CHECK_SLICE(addr_domain(&a), slice_str(rows[i].domain));
			CHECK_INT(a.local[a.local_n], 0);
			CHECK_INT(a.domain[a.domain_n], 0);
		}
	}
}

TEST(addr_flags)
{
	struct addr a;

	CHECK_ERR(addr_parse(SL("a@[192.0.2.1]"), ADDR_ASCII, &a), E_OK);
	CHECK_INT(a.flags, ADDR_LITERAL);
	CHECK_ERR(addr_parse(SL("\xc3\xbc@x"), ADDR_SMTPUTF8, &a), E_OK);
	CHECK_INT(a.flags, ADDR_UTF8);
	CHECK_ERR(addr_parse(SL("u@\xc3\xbc"), ADDR_SMTPUTF8, &a), E_OK);
	CHECK_INT(a.flags, ADDR_UTF8);
	CHECK_ERR(addr_parse(SL("u@x"), ADDR_SMTPUTF8, &a), E_OK);
	CHECK_INT(a.flags, 0);
}

TEST(addr_limits)
{
	char text[400];
	struct addr a;

	CHECK_ERR(addr_parse(SL(X60 "xxxx@b"), ADDR_ASCII, &a), E_OK);
	CHECK_INT(a.local_n, ADDR_LOCAL_MAX);
	CHECK_ERR(addr_parse(SL(X60 "xxxxx@b"), ADDR_ASCII, &a), E_TOO_BIG);
	CHECK_ERR(addr_parse(SL("\"" X60 "xx\"@b"), ADDR_ASCII, &a), E_OK);
	CHECK_ERR(addr_parse(SL("\"" X60 "xxx\"@b"), ADDR_ASCII, &a), E_TOO_BIG);
	CHECK_ERR(addr_parse(SL("\"" X60 "xxxxx\"@b"), ADDR_ASCII, &a), E_TOO_BIG);
	CHECK_ERR(addr_parse(SL("a@" X63 ".b"), ADDR_ASCII, &a), E_OK);
	CHECK_ERR(addr_parse(SL("a@" X63 "x.b"), ADDR_ASCII, &a), E_INVALID);
	/* 4 * 64 - 1 = 255 */
	CHECK_ERR(addr_parse(SL("a@" X63 "." X63 "." X63 "." X63), ADDR_ASCII, &a), E_OK);
	CHECK_INT(a.domain_n, ADDR_DOMAIN_MAX);
	CHECK_ERR(addr_parse(SL("a@" X63 "." X63 "." X63 "." X63 ".x"), ADDR_ASCII, &a), E_TOO_BIG);

	/* A path of 256 with its brackets, and one of 257. */
	memset(text, 'x', sizeof text);
	memcpy(text, "<a@", 3);
	for (size_t i = 3 + 63; i < 254; i += 64)
		text[i] = '.';
	text[255] = '>';
	for (int more = 0; more < 2; more++) {
		struct cursor c = cursor(slice(text, 256 + (size_t)more));

		if (more == 1) {
			text[255] = 'x';
			text[256] = '>';
		}
		CHECK_ERR(addr_take_reverse_path(&c, ADDR_ASCII, &a), more == 1 ? E_TOO_BIG : E_OK);
		CHECK(more == 1 ? c.at == 0 : cur_end(&c));
	}
}

TEST(addr_paths)
{
	static const struct {
		const char *text;
		enum err reverse, forward;
		const char *local, *domain;
		size_t used;
	} rows[] = {
		{"<>", E_OK, E_INVALID, "", "", 2},
		{"<> SIZE=5", E_OK, E_INVALID, "", "", 2},
		{"<a@b>", E_OK, E_OK, "a", "b", 5},
		{"<a@b> SIZE=1", E_OK, E_OK, "a", "b", 5},
		{"<@x,@y.z:a@b>", E_OK, E_OK, "a", "b", 13},
		{"<postMASTER>", E_INVALID, E_OK, "postmaster", "", 12},
		{"<Postmaster@b>", E_OK, E_OK, "Postmaster", "b", 14},
		{"a@b", E_INVALID, E_INVALID, NULL, NULL, 0},
		{"<a@b", E_INVALID, E_INVALID, NULL, NULL, 0},
		{"<a>", E_INVALID, E_INVALID, NULL, NULL, 0},
		{"< a@b>", E_INVALID, E_INVALID, NULL, NULL, 0},
		{"<a@b >", E_INVALID, E_INVALID, NULL, NULL, 0},
		{"<@x a@b>", E_INVALID, E_INVALID, NULL, NULL, 0},
		{"<@x,y:a@b>", E_INVALID, E_INVALID, NULL, NULL, 0},
		{"<@x,@:a@b>", E_INVALID, E_INVALID, NULL, NULL, 0},
		{"<@x:>", E_INVALID, E_INVALID, NULL, NULL, 0},
		{"<", E_INVALID, E_INVALID, NULL, NULL, 0},
		{"", E_INVALID, E_INVALID, NULL, NULL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cursor r = cursor(slice_str(rows[i].text)), f = r;
		struct addr a;

		check_note("%s", rows[i].text);
		CHECK_ERR(addr_take_forward_path(&f, ADDR_ASCII, &a), rows[i].forward);
		if (rows[i].forward == E_OK)
			CHECK_SLICE(addr_local(&a), slice_str(rows[i].local));
		CHECK_INT(f.at, rows[i].forward == E_OK ? rows[i].used : 0);
		CHECK_ERR(addr_take_reverse_path(&r, ADDR_ASCII, &a), rows[i].reverse);
		if (rows[i].reverse == E_OK) {
			CHECK_SLICE(addr_local(&a), slice_str(rows[i].local));
			CHECK_SLICE(addr_domain(&a), slice_str(rows[i].domain));
		}
		CHECK_INT(r.at, rows[i].reverse == E_OK ? rows[i].used : 0);
	}
}

TEST(addr_route_limit)
{
	struct buf b;
	struct addr a;

	buf_init(&b, 4096, NULL);
	for (int n = ADDR_ROUTE_MAX; n <= ADDR_ROUTE_MAX + 1; n++) {
		struct cursor c;

		buf_reset(&b);
		buf_puts(&b, "<@x");
		for (int i = 1; i < n; i++)
			buf_puts(&b, ",@x");
		buf_puts(&b, ":a@b>");
		c = cursor(buf_slice(&b));
		CHECK_ERR(addr_take_forward_path(&c, ADDR_ASCII, &a),
			  n == ADDR_ROUTE_MAX ? E_OK : E_TOO_BIG);
	}
	buf_fini(&b);
}

/* What was parsed, written, and parsed again, is the same. */
TEST(addr_round_trip)
{
	static const char *const texts[] = {
		"a@b",       "a.b.c@d.e",     "\"a b\"@c",           "\"a..b\"@c",
		"\".a\"@c",  "\"a.\"@c",      "\"\\\"\"@c",          "\"\\\\\"@c",
		"\"a@b\"@c", "a@[192.0.2.1]", "\xc3\xbc@\xc3\xbc.x", "\"<>\"@c",
	};
	struct buf out;

	buf_init(&out, 1024, NULL);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct addr a, b;

		check_note("%s", texts[i]);
		CHECK_ERR(addr_parse(slice_str(texts[i]), ADDR_SMTPUTF8, &a), E_OK);
		buf_reset(&out);
		addr_format(&a, &out);
		CHECK_SLICE(buf_slice(&out), slice_str(texts[i]));
		CHECK_ERR(addr_parse(buf_slice(&out), ADDR_SMTPUTF8, &b), E_OK);
		CHECK(addr_eq(&a, &b));
	}
	buf_fini(&out);
}

TEST(addr_normalises)
{
	static const struct {
		const char *text, *domain;
	} rows[] = {
		{"A.B@EXAMPLE.org", "example.org"},
		{"a@B" UML "cher.Example", "xn--bcher-kva.example"},
		{"a@[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]"},
		{"a@\xe2\x98\x83.net", "xn--n3h.net"}, /* a snowman */
	};
	struct addr a;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("%s", rows[i].text);
		CHECK_ERR(addr_parse(slice_str(rows[i].text), ADDR_SMTPUTF8, &a), E_OK);
		if (i == 3) /* symbols are not allowed in IDNA2008 */
			CHECK(addr_normalise(&a) == E_INVALID || a.domain_n != 0);
		else {
			CHECK_ERR(addr_normalise(&a), E_OK);
			CHECK_SLICE(addr_domain(&a), slice_str(rows[i].domain));
			CHECK((a.flags & ADDR_UTF8) == 0);
		}
	}
	CHECK_ERR(addr_parse(SL("A@x"), ADDR_ASCII, &a), E_OK);
	CHECK_ERR(addr_normalise(&a), E_OK);
	CHECK_SLICE(addr_local(&a), SL("A"));
}

TEST(domain_normalise_table)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"example.org", "example.org"},
		{"EXAMPLE.Org", "example.org"},
		{"a", "a"},
		{"1.2", "1.2"},
		{UML ".x", "xn--tda.x"},
		{"\xc3\x9c.x", "xn--tda.x"},
		{"stra\xc3\x9f"
		 "e.de",
		 "xn--strae-oqa.de"}, /* sharp s: non-transitional */
		{"", NULL},
		{".", NULL},
		{"a.", NULL},
		{".a", NULL},
		{"a..b", NULL},
		{"-a.b", NULL},
		{"a-.b", NULL},
		{"a.b-", NULL},
		{"a b", NULL},
		{"a_b", NULL},
		{"a@b", NULL},
		{X63 "x.y", NULL},
		{"\xff.x", NULL},
		{UML "\xff.x", NULL},
		{"-" UML ".x", NULL},
	};
	char out[DOMAIN_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("%s", rows[i].in);
		CHECK_ERR(domain_normalise(slice_str(rows[i].in), out),
			  rows[i].out != NULL ? E_OK : E_INVALID);
		if (rows[i].out != NULL)
			CHECK_STR(out, rows[i].out);
	}
	CHECK_ERR(domain_normalise(SL("a\0b"), out), E_INVALID);
	CHECK_ERR(domain_normalise(SL(UML "\0b"), out), E_INVALID);
	CHECK_ERR(domain_normalise(SL(X63 "." X63 "." X63 "." X63), out), E_OK);
	CHECK_ERR(domain_normalise(SL(X63 "." X63 "." X63 "." X63 ".x"), out), E_INVALID);
}

/* An answer's bytes, and names that come and go. */
#include "frontend/dns/dnsmsg.h"

#include "common/base/buf.h"
#include "tests/lib/check.h"

TEST(names_that_may_be_asked_for)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} cases[] = {
		{"example.org", "example.org"},
		{"EXAMPLE.Org.", "example.org"},
		{"_25._tcp.mx-1.example", "_25._tcp.mx-1.example"},
		{"a", "a"},
		{"", NULL},
		{".", NULL},
		{"..", NULL},
		{"a..b", NULL},
		{".a", NULL},
		{"a..", NULL},
		{"a b", NULL},
		{"a\\b", NULL},
		{"m\xc3\xbcller.example", NULL},
		{"a\x01", NULL},
		{"*.example", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dnsname n;
		bool ok = dnsname_parse(slice_str(cases[i].text), &n);

		check_note("%s", cases[i].text);
		CHECK(ok == (cases[i].want != NULL));
		if (ok && cases[i].want != NULL)
			CHECK_STR(n.text, cases[i].want);
	}
}

/* n bytes in labels of at most `label`. */
static void put_long(struct buf *b, size_t n, size_t label)
{
	for (size_t i = 0; i < n; i++)
		buf_putc(b, i % (label + 1) == label ? '.' : 'x');
}

TEST(names_at_their_limits)
{
	static const struct {
		size_t n, label;
		bool ok;
	} cases[] = {
		{DNS_LABEL_MAX, DNS_LABEL_MAX, true},
		{DNS_LABEL_MAX + 1, DNS_LABEL_MAX + 1, false},
		{DNS_NAME_MAX, DNS_LABEL_MAX - 2, true},
		{DNS_NAME_MAX + 1, DNS_LABEL_MAX - 2, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dnsname n;
		struct buf b;

		buf_init(&b, 1000, NULL);
		put_long(&b, cases[i].n, cases[i].label);
		check_note("%zu bytes", cases[i].n);
		CHECK(dnsname_parse(buf_slice(&b), &n) == cases[i].ok);
		buf_fini(&b);
	}
}

#define Z               "\0"
#define HEADER(answers) "\x12\x34\x81\x80\0\1\0" answers "\0\0\0\0"
#define QUESTION        "\1a\4test\0\0\17\0\1" /* at 12; "test" at 14 */

static bool name_of(slice_t message, size_t at, struct dnsname *out, size_t *end)
{
	return dnsmsg_name(message, at, out, end);
}

TEST(names_in_a_message)
{
	static const char jumps[] = HEADER("\1") QUESTION "\2MX\xc0\x0e"; /* MX.test */
	struct dnsname n;
	size_t end;

	REQUIRE(name_of(slice(jumps, sizeof jumps - 1), 12 + sizeof QUESTION - 1, &n, &end));
	CHECK_STR(n.text, "mx.test");
	CHECK_INT(n.kind, DNSNAME_HOST);
	CHECK_INT(end, sizeof jumps - 1);
	REQUIRE(name_of(SL("\0"), 0, &n, &end));
	CHECK_INT(n.kind, DNSNAME_ROOT);
	CHECK_INT(end, 1);
	/* What is not a host name comes out without its text. */
	REQUIRE(name_of(SL("\3a b\4test\0"), 0, &n, NULL));
	CHECK_INT(n.kind, DNSNAME_ODD);
	CHECK_INT(n.n, 0);
	REQUIRE(name_of(SL("\3a.b\4test\0"), 0, &n, NULL));
	CHECK_INT(n.kind, DNSNAME_ODD);
}

TEST(names_that_are_none)
{
	static const struct {
		slice_t bytes;
		size_t at;
	} cases[] = {
		{{"", 0}, 0},
		{{"\1", 1}, 0},
		{{"\1a", 2}, 0},           /* no end */
		{{"\xc0", 1}, 0},          /* half a pointer */
		{{"\xc0\x00", 2}, 0},      /* to itself */
		{{"\1a\xc0\x00", 4}, 0},   /* to its own beginning */
		{{"\xc0\x02\1a\0", 5}, 0}, /* forward */
		{{"\x40\1a\0", 4}, 0},     /* a label type of old */
		{{"\1a\0", 3}, 9},         /* outside */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dnsname n;
		size_t end;

		check_note("case %zu", i);
		CHECK(!name_of(cases[i].bytes, cases[i].at, &n, &end));
	}
}

TEST(names_of_too_many_jumps_or_bytes)
{
	struct dnsname n;
	struct buf b;

	buf_init(&b, 1000, NULL);
	buf_put(&b, SL("\0\0"));
	for (unsigned i = 0; i <= DNS_JUMPS_MAX; i++) { /* each points at the one before */
		buf_putc(&b, '\xc0');
		buf_putc(&b, (char)(i == 0 ? 0 : 2 * i));
	}
	CHECK(dnsmsg_name(buf_slice(&b), b.n - 4, &n, NULL));
	CHECK(!dnsmsg_name(buf_slice(&b), b.n - 2, &n, NULL));
	buf_reset(&b);
	for (unsigned i = 0; i < 5; i++) {
		buf_putc(&b, DNS_LABEL_MAX);
		put_long(&b, DNS_LABEL_MAX, DNS_LABEL_MAX);
	}
	buf_putc(&b, '\0');
	CHECK(!dnsmsg_name(buf_slice(&b), 0, &n, NULL));
	buf_fini(&b);
}

static const char answer[] =
	HEADER("\2") QUESTION "\xc0\x0c\0\17\0\1\0\0\1\x2c\0\7\0\12\2mx\xc0\x0e"
			      "\1b\xc0\x0e\0\1\0\1\0\0\0\5\0\4\300\0\2\1";

TEST(records_of_an_answer)
{
	struct dnsmsg m;
	struct dnsrr rr;
	struct dnsname n;

	REQUIRE(dnsmsg_open(slice(answer, sizeof answer - 1), &m));
	CHECK_INT(m.rcode, DNS_RCODE_OK);
	CHECK_INT(m.left, 2);
	REQUIRE(dnsmsg_next(&m, &rr) == P_OK);
	CHECK_STR(rr.owner.text, "a.test");
	CHECK_INT(rr.type, DNS_TYPE_MX);
	CHECK_INT(rr.ttl, 300);
	REQUIRE(dnsrr_name(&m, &rr, 2, &n));
	CHECK_STR(n.text, "mx.test");
	CHECK(!dnsrr_name(&m, &rr, 0, &n)); /* the name ends before the data do */
	REQUIRE(dnsmsg_next(&m, &rr) == P_OK);
	CHECK_STR(rr.owner.text, "b.test");
	CHECK_INT(rr.data.n, 4);
	CHECK(dnsmsg_next(&m, &rr) == P_MORE);
}

/* Cut anywhere it is refused, never read beyond. */
TEST(answers_that_are_cut_short)
{
	for (size_t n = 0; n < sizeof answer - 1; n++) {
		char *copy = xmalloc(n + 1); /* of its own, for who watches the heap */
		enum parse_rc rc = P_BAD;
		struct dnsmsg m;
		struct dnsrr rr;

		memcpy(copy, answer, n);
		if (dnsmsg_open(slice(copy, n), &m)) {
			while ((rc = dnsmsg_next(&m, &rr)) == P_OK)
				;
		}
		check_note("%zu bytes", n);
		CHECK_INT(rc, P_BAD);
		xfree(&copy);
	}
}

TEST(messages_that_are_no_answers)
{
	struct dnsmsg m;

	CHECK(!dnsmsg_open(SL("\0\0\0\0\0\1\0\0\0\0\0\0" QUESTION), &m)); /* a question */
	CHECK(!dnsmsg_open(SL("\0\0\x81\x80\0\2\0\0\0\0\0\0" QUESTION), &m));
	CHECK(!dnsmsg_open(SL("\0\0\x81\x80\0\0\0\0\0\0\0\0"), &m));
}

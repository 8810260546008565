/* Answers out of a table: what other rooms' tests rely on, and answers that no server gives. */
#include "common/loop/fiber.h"
#include "tests/lib/check.h"
#include "tests/lib/dnstwin.h"

#define SOON deadline_in(10000)

static const struct dnstwin_rr records[] = {
	{"example.test", "MX", "20 b.example.test"},
	{"example.test", "MX", "10 A.example.test"},
	{"null.test", "MX", "0 ."},
	{"a.example.test", "A", "192.0.2.1"},
	{"a.example.test", "AAAA", "2001:db8::1"},
	{"alias.test", "CNAME", "a.example.test"},
	{"loop.test", "CNAME", "loop.test"},
	{"c0.test", "CNAME", "c1.test"},
	{"c1.test", "CNAME", "c2.test"},
	{"c2.test", "CNAME", "c3.test"},
	{"c3.test", "CNAME", "c4.test"},
	{"c4.test", "CNAME", "c5.test"},
	{"c5.test", "CNAME", "c6.test"},
	{"c6.test", "CNAME", "c7.test"},
	{"c7.test", "CNAME", "c8.test"},
	{"c8.test", "CNAME", "c9.test"},
	{"c9.test", "CNAME", "c10.test"},
	{"c10.test", "CNAME", "c11.test"},
	{"c11.test", "CNAME", "c12.test"},
	{"c12.test", "CNAME", "c13.test"},
	{"c13.test", "MX", "10 a.example.test"},
	{"txt.test", "TXT", "v=spf1 -all"},
	{"_25._tcp.a.example.test", "TLSA", "3 1 1 00ff"},
	{"_25._tcp.a.example.test", "SECURE", ""},
	{"1.2.0.192.in-addr.arpa", "PTR", "a.example.test"},
	{"bogus.test", "BOGUS", ""},
	{"fail.test", "FAIL", ""},
	{"silent.test", "SILENT", ""},
	{0},
};

TEST_FIBER(twin_answers)
{
	struct dns_mx_answer mx;
	struct dns_addrs_answer a;
	struct dns_txt_answer txt;
	struct dns_tlsa_answer tlsa;
	struct dns_ptr_answer ptr;
	struct ipaddr addr;
	struct arena mem;

	arena_init(&mem, NULL);
	resolver_replace(dnstwin(records));
	CHECK_ERR(dns_mx(SL("example.test"), &mem, SOON, &mx), E_OK);
	CHECK_INT(mx.n, 2);
	CHECK_SLICE(mx.list[0].host, SL("a.example.test"));
	CHECK_INT(mx.a.ttl, 300);
	CHECK_ERR(dns_mx(SL("null.test"), &mem, SOON, &mx), E_OK);
	CHECK(mx.null_mx);
	CHECK_ERR(dns_addrs(SL("alias.test"), &mem, SOON, &a), E_OK);
	CHECK_INT(a.n, 2);
	CHECK_SLICE(a.a.canonical, SL("a.example.test"));
	CHECK_ERR(dns_txt(SL("txt.test"), &mem, SOON, &txt), E_OK);
	CHECK_SLICE(txt.list[0], SL("v=spf1 -all"));
	CHECK_ERR(dns_tlsa(SL("_25._tcp.a.example.test"), &mem, SOON, &tlsa), E_OK);
	CHECK(tlsa.a.secure && tlsa.n == 1);
	CHECK_SLICE(tlsa.list[0].data, SL("\x00\xff"));
	REQUIRE(ipaddr_parse(SL("192.0.2.1"), &addr));
	CHECK_ERR(dns_ptr(&addr, &mem, SOON, &ptr), E_OK);
	CHECK_INT(ptr.n, 1);
	CHECK_INT(dnstwin_asked(), 7);
	resolver_replace(NULL);
	arena_reset(&mem);
}

TEST_FIBER(twin_refuses)
{
	static const struct {
		const char *name;
		enum dns_status status;
	} cases[] = {
		{"missing.test", DNS_NXDOMAIN},
		{"a.example.test", DNS_NODATA},
		{"bogus.test", DNS_BOGUS},
		{"fail.test", DNS_TEMPFAIL},
		{"silent.test", DNS_TEMPFAIL},
		{"loop.test", DNS_UNUSABLE},
		{"c1.test", DNS_OK}, /* DNS_CNAMES_MAX of them */
		{"c0.test", DNS_UNUSABLE},
	};
	struct arena mem;

	arena_init(&mem, NULL);
	resolver_replace(dnstwin(records));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dns_mx_answer mx;

		check_note("%s", cases[i].name);
		CHECK_ERR(dns_mx(slice_str(cases[i].name), &mem, deadline_in(10 * 1000), &mx),
			  E_OK);
		CHECK_STR(dns_status_name(mx.a.status), dns_status_name(cases[i].status));
	}
	resolver_replace(NULL);
	arena_reset(&mem);
}

/* ---- answers that no server gives ---- */

static slice_t made; /* the packet */

static enum dns_twin_says say_made(void *arg UNUSED, slice_t name UNUSED, uint16_t type UNUSED,
				   struct dns_twin_answer *out)
{
	out->secure = true;
	buf_put(&out->packet, made);
	return DNS_TWIN_ANSWERS;
}

#define ANSWER(rcode, n) "\0\0\x81" rcode "\0\1\0" n "\0\0\0\0\1a\0\0\17\0\1"
#define RR(type, size)   "\xc0\x0c\0" type "\0\1\0\0\0\5\0" size

WAITS static struct dns_answer ask_for(uint16_t type, struct arena *mem)
{
	struct dns_mx_answer mx = {0};
	struct dns_addrs_answer a = {0};
	struct dns_txt_answer txt = {0};
	struct dns_tlsa_answer tlsa = {0};
	struct dns_ptr_answer ptr = {0};

	switch (type) {
	case DNS_TYPE_MX:
		CHECK_ERR(dns_mx(SL("a"), mem, SOON, &mx), E_OK);
		return mx.a;
	case DNS_TYPE_A:
		CHECK_ERR(dns_addrs(SL("a"), mem, SOON, &a), E_OK);
		return a.a;
	case DNS_TYPE_TXT:
		CHECK_ERR(dns_txt(SL("a"), mem, SOON, &txt), E_OK);
		return txt.a;
	case DNS_TYPE_TLSA:
		CHECK_ERR(dns_tlsa(SL("a"), mem, SOON, &tlsa), E_OK);
		return tlsa.a;
	default:
		CHECK_ERR(dns_ptr(&(struct ipaddr){.family = 4}, mem, SOON, &ptr), E_OK);
		return ptr.a;
	}
}

#define PTR_ANSWER \
	"\0\0\x81\x80\0\1\0\1\0\0\0\0\1" \
	"0\1" \
	"0\1" \
	"0\1" \
	"0\7in-addr\4arpa\0\0\14\0\1"

TEST_FIBER(answers_that_are_broken)
{
#define CASE(type, bytes) \
	{ \
		type, \
		{ \
			bytes, sizeof(bytes) - 1 \
		} \
	}
	static const struct {
		uint16_t type;
		slice_t packet;
	} cases[] = {
		CASE(DNS_TYPE_MX, ""),
		CASE(DNS_TYPE_MX, "nothing of the kind"),
		CASE(DNS_TYPE_MX, ANSWER("\x82", "\0")), /* SERVFAIL */
		CASE(DNS_TYPE_MX, ANSWER("\x85", "\0")), /* REFUSED */
		CASE(DNS_TYPE_MX, ANSWER("\x80", "\1")), /* the record is missing */
		CASE(DNS_TYPE_MX, ANSWER("\x80", "\1") RR("\17", "\2") "\0\1"),
		CASE(DNS_TYPE_MX, ANSWER("\x80", "\1") RR("\17", "\4") "\0\1\0\0"),
		CASE(DNS_TYPE_MX, ANSWER("\x80", "\1") RR("\5", "\1") "\1"),
		CASE(DNS_TYPE_A, ANSWER("\x80", "\1") RR("\1", "\3") "abc"),
		CASE(DNS_TYPE_A, ANSWER("\x80", "\1") RR("\34", "\4") "abcd"),
		CASE(DNS_TYPE_TXT, ANSWER("\x80", "\1") RR("\20", "\2") "\3a"),
		CASE(DNS_TYPE_TLSA, ANSWER("\x80", "\1") RR("\64", "\2") "\1\1"),
		CASE(DNS_TYPE_PTR, PTR_ANSWER RR("\14", "\2") "\0\0"),
	};
	static const struct dns_twin twin = {.answer = say_made};
	struct arena mem;

	arena_init(&mem, NULL);
	resolver_replace(&twin);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dns_answer a;

		made = cases[i].packet;
		a = ask_for(cases[i].type, &mem);
		check_note("case %zu", i);
		CHECK_STR(dns_status_name(a.status), "tempfail");
		CHECK(!a.secure && a.why != NULL);
	}
	resolver_replace(NULL);
	arena_reset(&mem);
}

static enum dns_twin_says say_v6_only(void *arg, slice_t name, uint16_t type,
				      struct dns_twin_answer *out)
{
	return type == DNS_TYPE_AAAA ? say_made(arg, name, type, out) : DNS_TWIN_IS_SILENT;
}

/* Whatever becomes of the one family, the other's addresses are used. */
TEST_FIBER(one_family_is_silent)
{
	static const struct dns_twin twin = {.answer = say_v6_only};
	struct dns_addrs_answer a;
	struct arena mem;

	arena_init(&mem, NULL);
	resolver_replace(&twin);
	made = SL(ANSWER("\x80", "\1") RR("\34", "\20") "0123456789abcdef");
	CHECK_ERR(dns_addrs(SL("a"), &mem, deadline_in(500), &a), E_OK);
	CHECK_INT(a.v4.status, DNS_TEMPFAIL);
	CHECK_INT(a.v6.status, DNS_OK);
	CHECK(a.a.status == DNS_OK && a.a.secure);
	CHECK_INT(a.n, 1);
	CHECK_INT(a.list[0].family, 6);
	resolver_replace(NULL);
	arena_reset(&mem);
}

/* RFC 1035 section 3.3.14 bounds a string, nobody a certificate. */
TEST_FIBER(tlsa_data_at_their_limit)
{
	static const struct dns_twin twin = {.answer = say_made};
	struct dns_tlsa_answer tlsa;
	struct arena mem;
	struct buf b;

	arena_init(&mem, NULL);
	resolver_replace(&twin);
	for (unsigned more = 0; more < 2; more++) {
		unsigned size = DNS_TLSA_DATA_MAX + more;

		buf_init(&b, DNS_PACKET_MAX, NULL);
		buf_put(&b, SL(ANSWER("\x80", "\1") "\xc0\x0c\0\64\0\1\0\0\0\5"));
		buf_putc(&b, (char)(size >> 8));
		buf_putc(&b, (char)size);
		for (unsigned i = 0; i < size; i++)
			buf_putc(&b, 1);
		made = buf_slice(&b);
		CHECK_ERR(dns_tlsa(SL("a"), &mem, SOON, &tlsa), E_OK);
		CHECK_INT(tlsa.n, more == 0);
		CHECK_INT(tlsa.a.cut, more);
		buf_fini(&b);
	}
	resolver_replace(NULL);
	arena_reset(&mem);
}

TEST_FIBER(twin_tells_an_alias)
{
	struct dns_answer a;
	struct arena mem;

	arena_init(&mem, NULL);
	resolver_replace(dnstwin(records));
	/* Its first step alone. */
	CHECK_ERR(dns_cname(SL("c0.test"), &mem, SOON, &a), E_OK);
	CHECK_INT(a.status, DNS_OK);
	CHECK_SLICE(a.canonical, SL("c1.test"));
	CHECK(!a.secure);
	CHECK_ERR(dns_cname(SL("a.example.test"), &mem, SOON, &a), E_OK);
	CHECK_INT(a.status, DNS_NODATA);
	CHECK_ERR(dns_cname(SL("bogus.test"), &mem, SOON, &a), E_OK);
	CHECK_INT(a.status, DNS_BOGUS);
	CHECK_ERR(dns_cname(SL("-"), &mem, SOON, &a), E_OK);
	CHECK_INT(a.status, DNS_NXDOMAIN);
	resolver_replace(NULL);
	arena_reset(&mem);
}

/* The names of an address that lead back to it. */
#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "tests/lib/check.h"
#include "tests/lib/dnstwin.h"

#define SOON deadline_in(5000)

static const struct dnstwin_rr records[] = {
	{"1.2.0.192.in-addr.arpa", "PTR", "mx.example.test"},
	{"mx.example.test", "A", "192.0.2.1"},
	{"2.2.0.192.in-addr.arpa", "PTR", "mx.example.test"}, /* which is another's */
	{"3.2.0.192.in-addr.arpa", "PTR", "nowhere.test"},
	{"4.2.0.192.in-addr.arpa", "PTR", "one.test"},
	{"4.2.0.192.in-addr.arpa", "PTR", "mx.example.test"},
	{"4.2.0.192.in-addr.arpa", "PTR", "away.test"},
	{"4.2.0.192.in-addr.arpa", "PTR", "TWO.test"},
	{"one.test", "A", "192.0.2.4"},
	{"two.test", "A", "192.0.2.9"},
	{"two.test", "A", "192.0.2.4"},
	{"away.test", "FAIL", ""},
	{"5.2.0.192.in-addr.arpa", "PTR", "away.test"},
	{"6.2.0.192.in-addr.arpa", "FAIL", ""},
	{"7.2.0.192.in-addr.arpa", "BOGUS", ""},
	{"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR",
	 "six.test"},
	{"six.test", "AAAA", "2001:db8::1"},
	{"six.test", "A", "192.0.2.77"},
	{0},
};

static const struct {
	const char *address;
	enum dns_status status;
	const char *names[3];
} cases[] = {
	{"192.0.2.1", DNS_OK, {"mx.example.test"}}, {"192.0.2.2", DNS_NXDOMAIN, {NULL}},
	{"192.0.2.3", DNS_NXDOMAIN, {NULL}},        {"192.0.2.4", DNS_OK, {"one.test", "two.test"}},
	{"192.0.2.5", DNS_TEMPFAIL, {NULL}},        {"192.0.2.6", DNS_TEMPFAIL, {NULL}},
	{"192.0.2.7", DNS_TEMPFAIL, {NULL}},        {"192.0.2.8", DNS_NXDOMAIN, {NULL}},
	{"2001:db8::1", DNS_OK, {"six.test"}},
};

TEST_FIBER(names_that_lead_back)
{
	struct dns_names_answer a;
	struct ipaddr ip;
	struct arena mem;

	arena_init(&mem, NULL);
	resolver_replace(dnstwin(records));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = 0;

		check_note("%s", cases[i].address);
		REQUIRE(ipaddr_parse(slice_str(cases[i].address), &ip));
		CHECK_ERR(dns_names(&ip, &mem, SOON, &a), E_OK);
		CHECK_INT(a.status, cases[i].status);
		for (; cases[i].names[n] != NULL && n < a.n; n++)
			CHECK_SLICE(a.list[n], slice_str(cases[i].names[n]));
		CHECK(n == a.n && cases[i].names[n] == NULL);
	}
	resolver_replace(NULL);
	arena_reset(&mem);
}

/* All questions together have one deadline. */
TEST_FIBER(names_that_nobody_tells)
{
	static const struct dnstwin_rr silent[] = {
		{"1.2.0.192.in-addr.arpa", "PTR", "a.test"},
		{"1.2.0.192.in-addr.arpa", "PTR", "b.test"},
		{"a.test", "SILENT", ""},
		{"b.test", "SILENT", ""},
		{0},
	};
	struct dns_names_answer a;
	struct ipaddr ip;
	struct arena mem;

	arena_init(&mem, NULL);
	resolver_replace(dnstwin(silent));
	REQUIRE(ipaddr_parse(SL("192.0.2.1"), &ip));
	CHECK_ERR(dns_names(&ip, &mem, deadline_in(50), &a), E_OK);
	CHECK_INT(a.status, DNS_TEMPFAIL);
	CHECK_INT(a.n, 0);
	resolver_replace(NULL);
	arena_reset(&mem);
}

#include "common/net/ipaddr.h"
#include "tests/lib/check.h"

TEST(addresses_are_parsed_and_printed)
{
	static const struct {
		const char *text;
		const char *canonical; /* NULL: refused */
	} rows[] = {
		{"192.0.2.1", "192.0.2.1"},
		{"2001:DB8:0:0::1", "2001:db8::1"},
		{"::", "::"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"::FFFF:c000:201", "192.0.2.1"},
		{"", NULL},
		{"192.0.2", NULL},
		{"192.0.2.256", NULL},
		{"192.0.2.1 ", NULL},
		{"192.0.02.1", NULL},
		{"fe80::1%lo", NULL},
		{"[::1]", NULL},
		{"1:2:3:4:5:6:7:8:9", NULL},
		{"mail.example.org", NULL},
		{"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL},
	};
	struct ipaddr a;
	char text[IPADDR_STR];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("%s", rows[i].text);
		CHECK(ipaddr_parse(slice_str(rows[i].text), &a) == (rows[i].canonical != NULL));
		if (rows[i].canonical != NULL)
			CHECK_STR(ipaddr_str(&a, text), rows[i].canonical);
	}
	CHECK(!ipaddr_parse(slice("1.2.3.4\0", 8), &a));
	a = (struct ipaddr){0};
	CHECK_STR(ipaddr_str(&a, text), "none");
}

TEST(addresses_are_compared)
{
	struct ipaddr a, b;

	CHECK(ipaddr_parse(SL("192.0.2.1"), &a));
	CHECK(ipaddr_parse(SL("::ffff:192.0.2.1"), &b));
	CHECK(ipaddr_eq(&a, &b));
	CHECK(ipaddr_parse(SL("192.0.2.2"), &b));
	CHECK(!ipaddr_eq(&a, &b));
	CHECK(ipaddr_parse(SL("c000:201::"), &b));
	CHECK(!ipaddr_eq(&a, &b));
}

TEST(nets_hold_addresses)
{
	static const struct {
		const char *net, *addr;
		bool has;
	} rows[] = {
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.77/24", "192.0.2.1", true},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"192.0.2.128/25", "192.0.2.128", true},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "::1", false},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::/32", "2001:db8:ffff::1", true},
		{"2001:db8::/32", "2001:db9::1", false},
		{"2001:db8::/33", "2001:db8:8000::", false},
		{"::1", "::1", true},
		{"::/0", "192.0.2.1", false},
	};
	struct ipnet n;
	struct ipaddr a;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("%s %s", rows[i].net, rows[i].addr);
		REQUIRE(ipnet_parse(slice_str(rows[i].net), &n));
		REQUIRE(ipaddr_parse(slice_str(rows[i].addr), &a));
		CHECK(ipnet_has(&n, &a) == rows[i].has);
	}
}

TEST(bad_nets_are_refused)
{
	static const char *const bad[] = {
		"192.0.2.0/33",         "192.0.2.0/",     "192.0.2.0/-1",
		"192.0.2.0/ 8",         "2001:db8::/129", "/24",
		"::ffff:192.0.2.0/120", "192.0.2.0/0024", "192.0.2.0/24/8",
	};
	struct ipnet n;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("%s", bad[i]);
		CHECK(!ipnet_parse(slice_str(bad[i]), &n));
	}
}

TEST(an_address_and_a_port)
{
	static const struct {
		const char *text, *addr;
		uint16_t port;
	} rows[] = {
		{"127.0.0.1:7411", "127.0.0.1", 7411},
		{"[::1]:25", "::1", 25},
		{"0.0.0.0:0", "0.0.0.0", 0},
		{"127.0.0.1:65535", "127.0.0.1", 65535},
		{"127.0.0.1:65536", NULL, 0},
		{"127.0.0.1", NULL, 0},
		{"127.0.0.1:", NULL, 0},
		{"127.0.0.1:+1", NULL, 0},
		{"::1:25", NULL, 0},
		{"[::1]", NULL, 0},
		{"[::1", NULL, 0},
		{"[::1]25", NULL, 0},
		{"[127.0.0.1]:25", NULL, 0},
		{"[]:25", NULL, 0},
		{"[", NULL, 0},
		{"", NULL, 0},
		{":25", NULL, 0},
	};
	struct ipaddr a;
	uint16_t port = 0;
	char text[IPADDR_STR];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("%s", rows[i].text);
		CHECK(ipaddr_parse_port(slice_str(rows[i].text), &a, &port) ==
		      (rows[i].addr != NULL));
		if (rows[i].addr == NULL)
			continue;
		CHECK_STR(ipaddr_str(&a, text), rows[i].addr);
		CHECK_INT(port, rows[i].port);
	}
}

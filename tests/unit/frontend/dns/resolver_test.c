/* The resolver against a real server on loopback: plain zones, a signed one, a forged one. */
#include "frontend/dns/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/crypto/random.h"
#include "common/loop/fiber.h"
#include "tests/lib/check.h"
#include "tests/lib/dnsserver.h"
#include "tests/lib/dnstwin.h"

#define SOON     deadline_in(10000)
#define SHORT_MS 300

static const char plain[] = "@ MX 20 c.plain.test.\n"
			    "@ MX 10 a.plain.test.\n"
			    "@ MX 10 b\n"
			    "null MX 0 .\n"
			    "nullandmore MX 0 .\n"
			    "nullandmore MX 10 a\n"
			    "odd MX 10 a\\032b\n"
			    "oddandgood MX 10 a\\032b\n"
			    "oddandgood MX 20 A\n"
			    "a A 192.0.2.1\n"
			    "a A 192.0.2.2\n"
			    "a AAAA 2001:db8::1\n"
			    "b A 192.0.2.3\n"
			    "c AAAA 2001:db8::3\n"
			    "alias CNAME alias2\n"
			    "alias2 CNAME a\n"
			    "nowhere CNAME missing\n"
			    "oddalias CNAME a\\032b\n"
			    "_x._tcp SRV 5 1 993 a\n"
			    "_x._tcp SRV 0 65535 0 B\n"
			    "_x._tcp SRV 0 0 1 a\\032b\n"
			    "_none._tcp SRV 0 0 0 .\n"
			    "txt TXT \"v=spf1 \" \"-all\"\n"
			    "txt TXT \"\"\n"
			    "txt TXT \"other\"\n";

static const char forged[] = "www A " DNSSERVER_TRUE "\n"
			     "@ MX 10 www\n";

static const char reverse[] = "1.2.0 PTR a.plain.test.\n"
			      "1.2.0 PTR x\\@y.plain.test.\n"
			      "3.2.0 PTR x\\@y.plain.test.\n"
			      "4.2.0 PTR p0.test.\n4.2.0 PTR p1.test.\n4.2.0 PTR p2.test.\n"
			      "4.2.0 PTR p3.test.\n4.2.0 PTR p4.test.\n4.2.0 PTR p5.test.\n"
			      "4.2.0 PTR p6.test.\n4.2.0 PTR p7.test.\n4.2.0 PTR p8.test.\n"
			      "4.2.0 PTR p9.test.\n4.2.0 PTR p10.test.\n";

static const char reverse6[] = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR c.plain.test.\n";

static const char signed_zone[] =
	"@ MX 10 mx\n"
	"mx A 192.0.2.10\n"
	"mx AAAA 2001:db8::10\n"
	"alias CNAME mx\n"
	"outside CNAME a.plain.test.\n"
	"_25._tcp.mx TLSA 3 1 1 "
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

/* A zone with more of everything than is wanted. */
static char *crowd(void)
{
	struct buf b;

	buf_init(&b, 256 * 1024, NULL);
	for (unsigned i = 0; i < DNS_MX_MAX + 8; i++)
		buf_printf(&b, "mx MX %u m%u\n", 100 - i, i);
	for (unsigned i = 0; i < DNS_ADDRS_MAX + 1; i++)
		buf_printf(&b, "addrs A 192.0.2.%u\naddrs AAAA 2001:db8::%x\n", i, i);
	for (unsigned i = 0; i < DNS_TLSA_MAX + 1; i++)
		buf_printf(&b, "tlsa TLSA 3 1 1 %064x\n", i);
	for (unsigned i = 0; i < DNS_SRV_MAX + 1; i++)
		buf_printf(&b, "srv SRV 0 0 %u a\n", i);
	for (unsigned i = 0; i < DNS_TXT_MAX + 1; i++)
		buf_printf(&b, "txt TXT \"%u\"\n", i);
	for (unsigned i = 0; i < DNS_TXT_BYTES_MAX / 240; i++)
		buf_printf(&b, "long TXT \"%0250u\"\n", i);
	for (unsigned i = 0; i <= DNS_CNAMES_MAX; i++)
		buf_printf(&b, "chain%u CNAME chain%u\n", i, i + 1);
	buf_putc(&b, '\0');
	invariant(!buf_failed(&b));
	return b.p;
}

static void serve(void)
{
	char *many = crowd();
	const struct dnsserver_zone zones[] = {
		{"plain.test", plain, DNSSERVER_PLAIN},
		{"crowd.test", many, DNSSERVER_PLAIN},
		{"signed.test", signed_zone, DNSSERVER_SIGNED},
		{"forged.test", forged, DNSSERVER_FORGED},
		{"192.in-addr.arpa", reverse, DNSSERVER_PLAIN},
		{"0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", reverse6, DNSSERVER_PLAIN},
	};

	dnsserver_start(zones, ARRAY_LEN(zones));
	xfree(&many);
}

/* A resolver that asks our server, and memory for its answers. */
struct rig {
	struct arena mem;
};

WAITS static bool rig_init(struct rig *r)
{
	struct dns_conf conf;
	struct diag d = {""};

	serve();
	conf = (struct dns_conf){.server = dnsserver_address(), .anchors = dnsserver_anchors()};
	arena_init(&r->mem, NULL);
	CHECK_ERR(resolver_start(&conf, &d), E_OK);
	CHECK_STR(d.text, "");
	return d.text[0] == '\0';
}

WAITS static void rig_fini(struct rig *r)
{
	resolver_stop();
	arena_reset(&r->mem);
}

/* ---- MX ---- */

TEST_FIBER(mx_in_order_and_equals_shuffled)
{
	unsigned first[2] = {0};
	struct dns_mx_answer mx;
	struct rig r;

	REQUIRE(rig_init(&r));
	for (unsigned i = 0; i < 100; i++) {
		CHECK_ERR(dns_mx(SL("Plain.TEST"), &r.mem, SOON, &mx), E_OK);
		CHECK_INT(mx.a.status, DNS_OK);
		if (mx.n != 3) {
			CHECK_INT(mx.n, 3);
			break;
		}
		CHECK_INT(mx.list[0].preference, 10);
		CHECK_INT(mx.list[1].preference, 10);
		CHECK_INT(mx.list[2].preference, 20);
		CHECK_SLICE(mx.list[2].host, SL("c.plain.test"));
		CHECK(!slice_eq(mx.list[0].host, mx.list[1].host));
		first[slice_eq(mx.list[0].host, SL("a.plain.test"))]++;
	}
	/* Either 2^-100 of a chance that one never comes first, or no shuffle. */
	CHECK(first[0] != 0 && first[1] != 0);
	CHECK(!mx.a.secure && !mx.null_mx && !mx.a.cut);
	CHECK(mx.a.ttl > 0 && mx.a.ttl <= 300);
	CHECK_INT(mx.a.canonical.n, 0);
	rig_fini(&r);
}

struct mx_case {
	const char *name;
	enum dns_status status;
	bool null_mx;
	size_t n;
};

TEST_FIBER(mx_of_all_kinds)
{
	static const struct mx_case cases[] = {
		{"null.plain.test", DNS_OK, true, 0},
		{"nullandmore.plain.test", DNS_OK, false, 1},
		{"a.plain.test", DNS_NODATA, false, 0},
		{"missing.plain.test", DNS_NXDOMAIN, false, 0},
		{"nowhere.plain.test", DNS_NXDOMAIN, false, 0},
		{"alias.plain.test", DNS_NODATA, false, 0},
		{"odd.plain.test", DNS_UNUSABLE, false, 0},
		{"oddalias.plain.test", DNS_UNUSABLE, false, 0},
		{"oddandgood.plain.test", DNS_OK, false, 1},
		{"forged.test", DNS_OK, false, 1}, /* its addresses are forged, not this */
		{"nobody.serves.this", DNS_TEMPFAIL, false, 0},
	};
	struct rig r;

	REQUIRE(rig_init(&r));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dns_mx_answer mx;

		check_note("%s", cases[i].name);
		CHECK_ERR(dns_mx(slice_str(cases[i].name), &r.mem, SOON, &mx), E_OK);
		CHECK_STR(dns_status_name(mx.a.status), dns_status_name(cases[i].status));
		CHECK_INT(mx.null_mx, cases[i].null_mx);
		CHECK_INT(mx.n, cases[i].n);
		CHECK((mx.a.why != NULL) == (cases[i].status >= DNS_TEMPFAIL));
	}
	rig_fini(&r);
}

TEST_FIBER(names_that_are_none_are_not_asked)
{
	struct dns_addrs_answer addrs;
	struct dns_mx_answer mx;
	struct rig r;

	REQUIRE(rig_init(&r));
	CHECK_ERR(dns_mx(SL("a b.test"), &r.mem, SOON, &mx), E_INVALID);
	CHECK_ERR(dns_mx(SL(""), &r.mem, SOON, &mx), E_INVALID);
	CHECK_ERR(dns_addrs(SL("a..test"), &r.mem, SOON, &addrs), E_INVALID);
	rig_fini(&r);
}

/* ---- the others ---- */

TEST_FIBER(addresses_of_both_families)
{
	struct dns_addrs_answer a;
	char ip[IPADDR_STR];
	struct rig r;

	REQUIRE(rig_init(&r));
	CHECK_ERR(dns_addrs(SL("a.plain.test"), &r.mem, SOON, &a), E_OK);
	CHECK_INT(a.a.status, DNS_OK);
	CHECK_INT(a.n, 3);
	CHECK_INT(a.list[0].family, 4);
	CHECK_STR(ipaddr_str(&a.list[2], ip), "2001:db8::1");
	/* One family alone is an answer. */
	CHECK_ERR(dns_addrs(SL("b.plain.test"), &r.mem, SOON, &a), E_OK);
	CHECK_INT(a.a.status, DNS_OK);
	CHECK_INT(a.v6.status, DNS_NODATA);
	CHECK_INT(a.n, 1);
	CHECK_STR(ipaddr_str(&a.list[0], ip), "192.0.2.3");
	CHECK_ERR(dns_addrs(SL("c.plain.test"), &r.mem, SOON, &a), E_OK);
	CHECK_INT(a.a.status, DNS_OK);
	CHECK_INT(a.v4.status, DNS_NODATA);
	CHECK_INT(a.n, 1);
	CHECK_ERR(dns_addrs(SL("missing.plain.test"), &r.mem, SOON, &a), E_OK);
	CHECK_INT(a.a.status, DNS_NXDOMAIN);
	CHECK_INT(a.n, 0);
	rig_fini(&r);
}

TEST_FIBER(aliases_are_followed)
{
	struct dns_addrs_answer a;
	struct rig r;

	REQUIRE(rig_init(&r));
	CHECK_ERR(dns_addrs(SL("alias.plain.test"), &r.mem, SOON, &a), E_OK);
	CHECK_INT(a.a.status, DNS_OK);
	CHECK_INT(a.n, 3);
	CHECK_SLICE(a.a.canonical, SL("a.plain.test"));
	/* Too many of them. */
	CHECK_ERR(dns_addrs(SL("chain0.crowd.test"), &r.mem, SOON, &a), E_OK);
	CHECK(a.a.status != DNS_OK && a.a.status != DNS_NXDOMAIN);
	rig_fini(&r);
}

TEST_FIBER(txt_is_joined)
{
	struct dns_txt_answer t;
	bool found = false;
	struct rig r;

	REQUIRE(rig_init(&r));
	CHECK_ERR(dns_txt(SL("txt.plain.test"), &r.mem, SOON, &t), E_OK);
	CHECK_INT(t.a.status, DNS_OK);
	CHECK_INT(t.n, 3);
	for (size_t i = 0; i < t.n; i++)
		found |= slice_eq(t.list[i], SL("v=spf1 -all"));
	CHECK(found);
	rig_fini(&r);
}

TEST_FIBER(services)
{
	struct dns_srv_answer srv;
	struct rig r;

	REQUIRE(rig_init(&r));
	CHECK_ERR(dns_srv(SL("_x._tcp.plain.test"), &r.mem, SOON, &srv), E_OK);
	CHECK_INT(srv.a.status, DNS_OK);
	REQUIRE(srv.n == 2);
	if (srv.list[0].priority == 0)
		srv.list++;
	CHECK_INT(srv.list[0].priority, 5);
	CHECK_INT(srv.list[0].weight, 1);
	CHECK_INT(srv.list[0].port, 993);
	CHECK_SLICE(srv.list[0].host, SL("a.plain.test"));
	CHECK_ERR(dns_srv(SL("_none._tcp.plain.test"), &r.mem, SOON, &srv), E_OK);
	REQUIRE(srv.n == 1);
	CHECK_INT(srv.list[0].host.n, 0);
	CHECK_ERR(dns_srv(SL("a.plain.test"), &r.mem, SOON, &srv), E_OK);
	CHECK_INT(srv.a.status, DNS_NODATA);
	CHECK_INT(srv.n, 0);
	rig_fini(&r);
}

TEST_FIBER(names_of_addresses)
{
	struct dns_ptr_answer p;
	struct ipaddr a;
	struct rig r;

	REQUIRE(rig_init(&r));
	REQUIRE(ipaddr_parse(SL("192.0.2.1"), &a));
	CHECK_ERR(dns_ptr(&a, &r.mem, SOON, &p), E_OK);
	CHECK_INT(p.a.status, DNS_OK);
	CHECK_INT(p.n, 1);
	CHECK_SLICE(p.list[0], SL("a.plain.test"));
	REQUIRE(ipaddr_parse(SL("192.0.2.3"), &a));
	CHECK_ERR(dns_ptr(&a, &r.mem, SOON, &p), E_OK);
	CHECK_INT(p.a.status, DNS_UNUSABLE);
	CHECK_INT(p.n, 0);
	REQUIRE(ipaddr_parse(SL("192.0.2.4"), &a));
	CHECK_ERR(dns_ptr(&a, &r.mem, SOON, &p), E_OK);
	CHECK(p.a.status == DNS_OK && p.a.cut);
	CHECK_INT(p.n, DNS_PTR_MAX);
	REQUIRE(ipaddr_parse(SL("2001:db8::1"), &a));
	CHECK_ERR(dns_ptr(&a, &r.mem, SOON, &p), E_OK);
	CHECK_INT(p.a.status, DNS_OK);
	CHECK_SLICE(p.list[0], SL("c.plain.test"));
	CHECK_ERR(dns_ptr(&(struct ipaddr){0}, &r.mem, SOON, &p), E_INVALID);
	rig_fini(&r);
}

/* As a process has it that may not connect: what needs TCP is not known. */
TEST_FIBER(datagrams_alone)
{
	struct dns_conf conf;
	struct dns_txt_answer txt;
	struct dns_ptr_answer p;
	struct diag d = {""};
	struct arena mem;
	struct ipaddr a;

	serve();
	conf = (struct dns_conf){.server = dnsserver_address(), .udp_only = true};
	arena_init(&mem, NULL);
	CHECK_ERR(resolver_start(&conf, &d), E_OK);
	REQUIRE(ipaddr_parse(SL("192.0.2.1"), &a));
	CHECK_ERR(dns_ptr(&a, &mem, SOON, &p), E_OK);
	CHECK_INT(p.a.status, DNS_OK);
	CHECK_ERR(dns_txt(SL("long.crowd.test"), &mem, SOON, &txt), E_OK);
	CHECK_INT(txt.a.status, DNS_TEMPFAIL);
	resolver_stop();
	arena_reset(&mem);
}

/* ---- DNSSEC ---- */

TEST_FIBER(what_is_signed_is_secure)
{
	struct dns_tlsa_answer t;
	struct dns_addrs_answer a;
	struct dns_mx_answer mx;
	struct rig r;

	REQUIRE(rig_init(&r));
	CHECK_ERR(dns_mx(SL("signed.test"), &r.mem, SOON, &mx), E_OK);
	CHECK(mx.a.status == DNS_OK && mx.a.secure);
	CHECK_ERR(dns_tlsa(SL("_25._tcp.mx.signed.test"), &r.mem, SOON, &t), E_OK);
	CHECK(t.a.status == DNS_OK && t.a.secure);
	REQUIRE(t.n == 1);
	CHECK_INT(t.list[0].usage, 3);
	CHECK_INT(t.list[0].selector, 1);
	CHECK_INT(t.list[0].matching, 1);
	CHECK_INT(t.list[0].data.n, 32);
	CHECK_INT(t.list[0].data.p[31], 0x1f);
	/* That something is not there is proven, too. */
	CHECK_ERR(dns_tlsa(SL("_25._tcp.signed.test"), &r.mem, SOON, &t), E_OK);
	CHECK(t.a.status == DNS_NXDOMAIN && t.a.secure);
	CHECK_ERR(dns_mx(SL("mx.signed.test"), &r.mem, SOON, &mx), E_OK);
	CHECK(mx.a.status == DNS_NODATA && mx.a.secure);
	CHECK_ERR(dns_addrs(SL("alias.signed.test"), &r.mem, SOON, &a), E_OK);
	CHECK(a.a.status == DNS_OK && a.a.secure);
	CHECK_SLICE(a.a.canonical, SL("mx.signed.test"));
	/* An alias that leads out of it. */
	CHECK_ERR(dns_addrs(SL("outside.signed.test"), &r.mem, SOON, &a), E_OK);
	CHECK(a.a.status == DNS_OK && !a.a.secure);
	CHECK_SLICE(a.a.canonical, SL("a.plain.test"));
	rig_fini(&r);
}

TEST_FIBER(what_is_forged_is_bogus)
{
	struct dns_addrs_answer a;
	struct rig r;

	REQUIRE(rig_init(&r));
	for (unsigned i = 0; i < 2; i++) { /* out of the cache, too */
		CHECK_ERR(dns_addrs(SL("www.forged.test"), &r.mem, SOON, &a), E_OK);
		CHECK_STR(dns_status_name(a.v4.status), "bogus");
		CHECK_STR(dns_status_name(a.a.status), "bogus");
		CHECK(!a.a.secure && !a.v4.secure && a.a.why != NULL);
		CHECK_INT(a.n, 0);
	}
	rig_fini(&r);
}

TEST_FIBER(without_anchors_nothing_is_secure)
{
	struct dns_conf conf;
	struct dns_addrs_answer a;
	struct diag d = {""};
	struct arena mem;

	serve();
	conf = (struct dns_conf){.server = dnsserver_address(), .anchors = SL("; none\n\n")};
	arena_init(&mem, NULL);
	CHECK_ERR(resolver_start(&conf, &d), E_OK);
	CHECK_ERR(dns_addrs(SL("mx.signed.test"), &mem, SOON, &a), E_OK);
	CHECK(a.a.status == DNS_OK && !a.a.secure);
	CHECK_ERR(dns_addrs(SL("www.forged.test"), &mem, SOON, &a), E_OK);
	CHECK_INT(a.a.status, DNS_OK);
	resolver_stop();
	arena_reset(&mem);
}

/* ---- limits ---- */

TEST_FIBER(too_many_records_are_left_out)
{
	struct dns_addrs_answer a;
	struct dns_tlsa_answer tlsa;
	struct dns_srv_answer srv;
	struct dns_txt_answer txt;
	struct dns_mx_answer mx;
	struct rig r;

	REQUIRE(rig_init(&r));
	CHECK_ERR(dns_mx(SL("mx.crowd.test"), &r.mem, SOON, &mx), E_OK);
	CHECK_STR(dns_status_name(mx.a.status), "ok");
	CHECK(mx.a.cut);
	CHECK_INT(mx.n, DNS_MX_MAX);
	/* The best are there: the last ones of the zone. */
	for (size_t i = 0; i < mx.n; i++)
		CHECK_INT(mx.list[i].preference, 100 - (DNS_MX_MAX + 7) + i);
	CHECK_ERR(dns_addrs(SL("addrs.crowd.test"), &r.mem, SOON, &a), E_OK);
	CHECK(a.a.cut && a.v4.cut && a.v6.cut);
	CHECK_INT(a.n, 2 * DNS_ADDRS_MAX);
	CHECK_ERR(dns_tlsa(SL("tlsa.crowd.test"), &r.mem, SOON, &tlsa), E_OK);
	CHECK(tlsa.a.cut);
	CHECK_INT(tlsa.n, DNS_TLSA_MAX);
	CHECK_ERR(dns_srv(SL("srv.crowd.test"), &r.mem, SOON, &srv), E_OK);
	CHECK(srv.a.cut);
	CHECK_INT(srv.n, DNS_SRV_MAX);
	CHECK_ERR(dns_txt(SL("txt.crowd.test"), &r.mem, SOON, &txt), E_OK);
	CHECK(txt.a.cut);
	CHECK_INT(txt.n, DNS_TXT_MAX);
	CHECK_ERR(dns_txt(SL("long.crowd.test"), &r.mem, SOON, &txt), E_OK);
	CHECK(txt.a.cut);
	CHECK_INT(txt.n, DNS_TXT_BYTES_MAX / 251);
	rig_fini(&r);
}

TEST_FIBER(settings_that_are_none)
{
	static const struct {
		struct dns_conf conf;
		enum err e;
	} cases[] = {
		{{.server = {"nowhere", 7}}, E_INVALID},
		{{.server = {"127.0.0.1:99999", 15}}, E_INVALID},
		{{.anchors = {"nonsense", 8}}, E_INVALID},
		{{.anchors = {". IN DS 1 2 3 zz", 16}}, E_INVALID},
	};
	struct buf b;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct diag d = {""};

		check_note("case %zu", i);
		CHECK_ERR(resolver_start(&cases[i].conf, &d), cases[i].e);
		CHECK(d.text[0] != '\0');
	}
	buf_init(&b, 256 * 1024, NULL);
	for (unsigned i = 0; i <= DNS_ANCHORS_MAX; i++)
		buf_printf(&b, "a%u. IN DS 1 13 2 %064x\n", i, i);
	CHECK_ERR(resolver_start(&(struct dns_conf){.anchors = buf_slice(&b)}, NULL), E_LIMIT);
	buf_reset(&b);
	for (unsigned i = 0; i < DNS_ANCHOR_MAX; i++)
		buf_putc(&b, 'a');
	CHECK_ERR(resolver_start(&(struct dns_conf){.anchors = buf_slice(&b)}, NULL), E_INVALID);
	buf_fini(&b);
}

/* ---- time, and who leaves ---- */

/* A port of loopback where a socket stays that nobody reads, or, with the socket closed, nobody
 * is. */
static int silent(char address[32])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
	snprintf(address, 32, "127.0.0.1:%u", ntohs(a.sin_port));
	return fd;
}

WAITS static void ask_nobody(const char *address)
{
	struct dns_conf conf = {.server = slice_str(address)};
	int64_t began = clock_mono_ms();
	struct dns_addrs_answer addrs;
	struct dns_mx_answer mx;
	struct arena mem;

	arena_init(&mem, NULL);
	CHECK_ERR(resolver_start(&conf, NULL), E_OK);
	CHECK_ERR(dns_mx(SL("plain.test"), &mem, deadline_in(SHORT_MS), &mx), E_OK);
	CHECK_INT(mx.a.status, DNS_TEMPFAIL);
	CHECK(mx.a.why != NULL);
	CHECK_ERR(dns_addrs(SL("a.plain.test"), &mem, deadline_in(SHORT_MS), &addrs), E_OK);
	CHECK_INT(addrs.a.status, DNS_TEMPFAIL);
	CHECK(clock_mono_ms() - began < 20 * SHORT_MS);
	resolver_stop();
	arena_reset(&mem);
}

TEST_FIBER(server_that_is_silent)
{
	char address[32];
	int fd = silent(address);

	ask_nobody(address);
	close(fd);
}

TEST_FIBER(server_that_is_down)
{
	char address[32];

	close(silent(address));
	ask_nobody(address);
}

struct asker {
	struct event *asked;
	enum err e;
	enum dns_status status;
};

WAITS static void ask_mx(void *arg)
{
	struct asker *k = arg;
	struct dns_mx_answer mx = {.a.status = DNS_OK};
	struct arena mem;

	arena_init(&mem, NULL);
	k->e = dns_mx(SL("plain.test"), &mem, NO_DEADLINE, &mx);
	k->status = mx.a.status;
	arena_reset(&mem);
}

/* Cancelled before it is sent, and while it is on its way; then the resolver stops under one. */
TEST_FIBER(askers_that_leave)
{
	char address[32];
	int fd = silent(address);
	struct dns_conf conf = {.server = slice_str(address)};
	struct asker at_once = {0}, later = {0}, stopped = {0};
	struct scope scope;

	CHECK_ERR(resolver_start(&conf, NULL), E_OK);
	scope_init(&scope);
	REQUIRE(scope_start(&scope, "asker", ask_mx, &at_once) == E_OK);
	scope_cancel(&scope);
	CHECK_ERR(scope_join(&scope, NO_DEADLINE), E_OK);
	CHECK_ERR(at_once.e, E_CANCELLED);
	REQUIRE(scope_start(&scope, "asker", ask_mx, &later) == E_OK);
	for (unsigned i = 0; i < 3; i++)
		fiber_yield();
	scope_cancel(&scope);
	CHECK_ERR(scope_join(&scope, NO_DEADLINE), E_OK);
	CHECK_ERR(later.e, E_CANCELLED);
	REQUIRE(scope_start(&scope, "asker", ask_mx, &stopped) == E_OK);
	for (unsigned i = 0; i < 3; i++)
		fiber_yield();
	resolver_stop();
	CHECK_ERR(scope_join(&scope, NO_DEADLINE), E_OK);
	CHECK_ERR(stopped.e, E_OK);
	CHECK_INT(stopped.status, DNS_TEMPFAIL);
	close(fd);
}

/* Those of all who left count as well. */
TEST_FIBER(too_many_questions_on_their_way)
{
	static const struct dnstwin_rr records[] = {{"a.test", "MX", "1 a.test"}, {0}};
	char address[32];
	int fd = silent(address);
	struct dns_conf conf = {.server = slice_str(address)};
	struct dns_mx_answer mx;
	struct arena mem;

	arena_init(&mem, NULL);
	CHECK_ERR(resolver_start(&conf, NULL), E_OK);
	for (unsigned i = 0; i < DNS_FLIGHT_MAX; i++) {
		char name[32];

		snprintf(name, sizeof name, "n%u.test", i);
		CHECK_ERR(dns_mx(slice_str(name), &mem, deadline_in(0), &mx), E_OK);
		CHECK_STR(mx.a.why, "no answer in time");
	}
	CHECK_ERR(dns_mx(SL("a.test"), &mem, SOON, &mx), E_OK);
	CHECK_INT(mx.a.status, DNS_TEMPFAIL);
	CHECK_STR(mx.a.why, "too many questions");
	resolver_stop();
	/* Then there is room again. */
	resolver_replace(dnstwin(records));
	CHECK_ERR(dns_mx(SL("a.test"), &mem, SOON, &mx), E_OK);
	CHECK_INT(mx.a.status, DNS_OK);
	resolver_replace(NULL);
	arena_reset(&mem);
	close(fd);
}

TEST_FIBER(without_a_resolver)
{
	struct dns_mx_answer mx;
	struct arena mem;

	arena_init(&mem, NULL);
	resolver_stop();
	CHECK_ERR(dns_mx(SL("a.test"), &mem, SOON, &mx), E_OK);
	CHECK_INT(mx.a.status, DNS_TEMPFAIL);
	arena_reset(&mem);
}

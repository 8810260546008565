/* How a route and the settings make a connection's options. */
#include "frontend/outbound/route.h"

#include "frontend/core/policy.h"
#include "tests/lib/check.h"

static struct ipaddr ip(const char *text)
{
	struct ipaddr a;

	CHECK(ipaddr_parse(slice_str(text), &a));
	return a;
}

static struct smtp_client_opts options(const struct outbound_route *r, struct route_own *own,
				       const char *address, uint16_t port)
{
	struct smtp_client_opts o = {.addr = ip(address), .port = port, .tls = SMTP_TLS_MAY};

	route_apply(r, own, &o);
	return o;
}

static void settings(const char *helo, const char *source4)
{
	policy_init("fe1.test");
	policy_begin();
	CHECK_ERR(policy_set(SL("outbound.helo"), slice_str(helo)), E_OK);
	CHECK_ERR(policy_set(SL("outbound.source4"), slice_str(source4)),
		  source4[0] == '?' ? E_INVALID : E_OK);
	CHECK_ERR(policy_set(SL("outbound.connect_timeout"), SL("7s")), E_OK);
	policy_apply();
}

TEST(route_defaults)
{
	struct outbound_route r = {.target = SL("x.test"), .helo = ""};
	struct route_own own;
	struct smtp_client_opts o;

	settings("", "");
	o = options(&r, &own, "192.0.2.1", 25);
	CHECK_INT(o.kind, SMTP_KIND_SMTP);
	CHECK_STR(o.helo, "fe1.test");
	CHECK(o.source == NULL);
	CHECK_INT(o.user.n, 0);
	CHECK_INT(o.tls, SMTP_TLS_MAY);
	CHECK_INT(o.tls_start, SMTP_STARTTLS);
	CHECK_INT(o.timeouts->connect_ms, 7000);
	CHECK_INT(o.timeouts->mail_ms, smtp_timeouts_default.mail_ms);
	CHECK_INT(route_port(&r), 25);
	r.lmtp = true;
	CHECK_INT(route_port(&r), ROUTE_LMTP_PORT);
	CHECK_INT(options(&r, &own, "192.0.2.1", 24).kind, SMTP_KIND_LMTP);
}

TEST(route_names_and_addresses)
{
	struct outbound_route r = {
		.target = SL("x.test"), .helo = "", .source6 = ip("2001:db8::9")};
	struct ipaddr all = ip("192.0.2.77");
	struct route_own own;
	struct smtp_client_opts o;

	settings("all.test", "192.0.2.77");
	o = options(&r, &own, "192.0.2.1", 25);
	CHECK_STR(o.helo, "all.test");
	REQUIRE(o.source != NULL);
	CHECK(ipaddr_eq(o.source, &all));
	/* Of the peer's family, or none. */
	o = options(&r, &own, "2001:db8::1", 25);
	REQUIRE(o.source != NULL);
	CHECK(ipaddr_eq(o.source, &r.source6));
	r.source6.family = 0;
	CHECK(options(&r, &own, "2001:db8::1", 25).source == NULL);
	r.helo = "route.test";
	r.source4 = ip("192.0.2.78");
	o = options(&r, &own, "192.0.2.1", 25);
	CHECK_STR(o.helo, "route.test");
	REQUIRE(o.source != NULL);
	CHECK(ipaddr_eq(o.source, &r.source4));
	settings("", "? not an address");
	r.source4.family = 0;
	CHECK(options(&r, &own, "192.0.2.1", 25).source == NULL);
}

/* Where a virtual server names its addresses, a family that it has none of is not used. */
TEST(route_families)
{
	struct outbound_route r = {.helo = "", .source4 = ip("192.0.2.78")};

	CHECK(route_allows(&r, 4) && route_allows(&r, 6));
	r.source_only = true;
	CHECK(route_allows(&r, 4) && !route_allows(&r, 6));
	r.source6 = ip("2001:db8::9");
	CHECK(route_allows(&r, 4) && route_allows(&r, 6));
	r.source4.family = 0;
	CHECK(!route_allows(&r, 4));
}

TEST(route_log_in_and_tls_at_once)
{
	struct outbound_route r = {
		.target = SL("x.test"), .helo = "", .user = SL("we"), .password = SL("secret")};
	struct route_own own;
	struct smtp_client_opts o;

	settings("", "");
	o = options(&r, &own, "192.0.2.1", ROUTE_SMTPS);
	CHECK_SLICE(o.user, SL("we"));
	CHECK_SLICE(o.password, SL("secret"));
	CHECK_INT(o.tls_start, SMTP_TLS_AT_ONCE);
	CHECK_INT(o.tls, SMTP_TLS_ENCRYPT);
	route_forget(&own);
	CHECK(own.password[0] == '\0' && own.user[0] == '\0');
}

TEST(route_log_ins_are_told_apart)
{
	struct outbound_route a = {.user = SL("u"), .password = SL("p1")}, none = {.helo = ""};
	struct route_login first, second;
	static const struct route_login nothing;

	route_login_of(&none, &first);
	CHECK(memcmp(&first, &nothing, sizeof first) == 0);
	route_login_of(&a, &first);
	CHECK(memcmp(&first, &nothing, sizeof first) != 0);
	route_login_of(&a, &second);
	CHECK(memcmp(&first, &second, sizeof first) == 0);
	a.password = SL("p2");
	route_login_of(&a, &second);
	CHECK(memcmp(&first, &second, sizeof first) != 0);
	a.user = SL("up");
	a.password = SL("1");
	route_login_of(&a, &second);
	CHECK(memcmp(&first, &second, sizeof first) != 0);
}

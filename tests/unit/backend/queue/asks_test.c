/* Held mail that is asked for: which names a run is for, whom a route admits, how often. */
#include "backend/queue/asks.h"

#include <stdio.h>

#include "tests/lib/check.h"

static struct ipaddr ip(const char *text)
{
	struct ipaddr a = {.family = 0};

	CHECK(ipaddr_parse(slice_str(text), &a));
	return a;
}

static enum err begin(struct asks *a, enum asked_what what, const char *name, const char *from,
		      int64_t now_us)
{
	struct ipaddr addr = ip(from);

	return asks_begin(a, what, slice_str(name), &addr, now_us);
}

static struct dir_route holds(const char *domain, const char *etrn)
{
	return (struct dir_route){
		.domain = slice_str(domain), .action = DIR_ROUTE_HOLD, .etrn = slice_str(etrn)};
}

TEST(asks_names)
{
	struct dir_route one = holds("a.test", "any"), all = holds("*", "any");
	struct dir_route mx = {.domain = SL("a.test"), .action = DIR_ROUTE_MX, .etrn = SL("any")};
	struct asks a;

	asks_init(&a);
	CHECK(!asks_has(&a, &one, SL("a.test"), 1));
	CHECK_ERR(begin(&a, ASKED_NODE, "a.test", "192.0.2.1", 1), E_OK);
	CHECK(asks_has(&a, &one, SL("a.test"), 1));
	CHECK(asks_has(&a, &all, SL("a.test"), 1)); /* whatever route holds it */
	CHECK(!asks_has(&a, &one, SL("x.a.test"), 1));
	CHECK(!asks_has(&a, &mx, SL("a.test"), 1));
	CHECK_ERR(begin(&a, ASKED_BELOW, "b.test", "192.0.2.1", 1), E_OK);
	CHECK(asks_has(&a, &all, SL("b.test"), 1));
	CHECK(asks_has(&a, &all, SL("y.x.b.test"), 1));
	CHECK(!asks_has(&a, &all, SL("ab.test"), 1));
	CHECK(!asks_has(&a, &all, SL("test"), 1));
	CHECK_ERR(begin(&a, ASKED_ROUTE, "*", "192.0.2.1", 1), E_OK);
	CHECK(asks_has(&a, &all, SL("c.test"), 1));
	one = holds("c.test", "any");
	CHECK(!asks_has(&a, &one, SL("c.test"), 1)); /* another queue */
	asks_fini(&a);
}

/* Each item's own route must admit who asked. */
TEST(asks_whom_a_route_admits)
{
	struct dir_route nobody = holds("a.test", ""), near = holds("a.test", "192.0.2.0/24 ::1");
	struct ipaddr far = ip("198.51.100.1"), close = ip("192.0.2.7"), six = ip("::1");
	struct dir_route anybody = holds("a.test", "any");
	struct asks a;

	CHECK_INT(dir_route_asker(&nobody, &close), DIR_ASKER_NONE);
	CHECK_INT(dir_route_asker(&near, &close), DIR_ASKER_KNOWN);
	CHECK_INT(dir_route_asker(&near, &six), DIR_ASKER_KNOWN);
	CHECK_INT(dir_route_asker(&near, &far), DIR_ASKER_NONE);
	CHECK_INT(dir_route_asker(&anybody, &far), DIR_ASKER_ANYBODY);
	asks_init(&a);
	CHECK_ERR(begin(&a, ASKED_NODE, "a.test", "198.51.100.1", 1), E_OK);
	CHECK(asks_has(&a, &anybody, SL("a.test"), 1));
	CHECK(!asks_has(&a, &near, SL("a.test"), 1));
	CHECK(!asks_has(&a, &nobody, SL("a.test"), 1));
	asks_fini(&a);
}

TEST(asks_time)
{
	struct dir_route r = holds("a.test", "any");
	struct asks a;

	asks_init(&a);
	CHECK_ERR(begin(&a, ASKED_NODE, "a.test", "192.0.2.1", 1), E_OK);
	CHECK_ERR(begin(&a, ASKED_NODE, "a.test", "192.0.2.2", ASKS_GAP_US), E_LIMIT);
	CHECK_ERR(begin(&a, ASKED_BELOW, "a.test", "192.0.2.2", ASKS_GAP_US), E_OK);
	CHECK(asks_lasts(&a, ASKED_NODE, SL("a.test"), ASKS_RUN_US));
	CHECK(!asks_lasts(&a, ASKED_NODE, SL("a.test"), ASKS_RUN_US + 1));
	CHECK(!asks_has(&a, &r, SL("a.test"), ASKS_RUN_US + ASKS_GAP_US));
	CHECK_ERR(begin(&a, ASKED_NODE, "a.test", "192.0.2.1", ASKS_RUN_US + 1), E_OK);
	CHECK(asks_has(&a, &r, SL("a.test"), ASKS_RUN_US + ASKS_GAP_US));
	/* A clock that was set back blocks nobody. */
	CHECK_ERR(begin(&a, ASKED_NODE, "a.test", "192.0.2.1", 1), E_OK);
	asks_fini(&a);
}

TEST(asks_runs_are_bounded)
{
	char name[32];
	struct asks a;

	asks_init(&a);
	for (int i = 0; i < ASKS_RUNS_MAX; i++) {
		snprintf(name, sizeof name, "d%d.test", i);
		CHECK_ERR(begin(&a, ASKED_NODE, name, "192.0.2.1", 1), E_OK);
	}
	CHECK_ERR(begin(&a, ASKED_NODE, "more.test", "192.0.2.1", 1), E_LIMIT);
	CHECK_ERR(begin(&a, ASKED_NODE, "d0.test", "192.0.2.1", 1 + ASKS_GAP_US), E_OK);
	/* What is over makes room. */
	CHECK_ERR(begin(&a, ASKED_NODE, "more.test", "192.0.2.1", 1 + ASKS_RUN_US), E_OK);
	CHECK_INT(a.runs.count, 2);
	asks_fini(&a);
}

TEST(asks_addresses)
{
	struct ipaddr from = ip("2001:db8::1"), other = ip("2001:db8::ffff:1");
	int64_t minute = 60 * 1000000LL, now = 1000 * minute;
	struct asks a;

	asks_init(&a);
	for (int i = 0; i < ASKS_PER_MINUTE; i++)
		CHECK_ERR(asks_count(&a, &from, now), E_OK);
	CHECK_ERR(asks_count(&a, &from, now), E_LIMIT);
	CHECK_ERR(asks_count(&a, &other, now), E_LIMIT); /* the same net of 64 bits */
	CHECK_ERR(asks_count(&a, &from, now + 2 * minute), E_OK);
	from = ip("10.0.0.0");
	for (unsigned i = 1; i < ASKS_ADDRESSES_MAX; i++) {
		from.b[2] = (uint8_t)(i >> 8);
		from.b[3] = (uint8_t)i;
		CHECK_ERR(asks_count(&a, &from, now + 2 * minute), E_OK);
	}
	from = ip("10.1.0.0");
	CHECK_ERR(asks_count(&a, &from, now + 2 * minute), E_LIMIT);
	CHECK_ERR(asks_count(&a, &from, now + 4 * minute), E_OK);
	CHECK_INT(a.addresses.count, 1);
	asks_fini(&a);
}

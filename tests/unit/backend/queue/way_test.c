/* Where items go: names of destinations, direct tries, and masquerading. */
#include "backend/queue/way.h"

#include <stdio.h>

#include "tests/unit/backend/directory/rig.h"

static struct way_down down;
static struct asks asks;

static slice_t name(struct rig *r, struct job *j, struct way *w)
{
	way_of(r->d, &down, &asks, NULL, j, 1000, w);
	return way_destination(w);
}

WAITS static void add(struct rig *r, struct dir_route route)
{
	slice_t password = SL("p");
	struct dir_route_spec s = {.r = route, .password = route.user.n != 0 ? &password : NULL};
	struct diag d = {""};

	CHECK_ERR(dir_route_add(r->d, &rig_actor, &s, &d), E_OK);
	check_note("%s", d.text);
}

TEST_FIBER(way_names)
{
	struct job j = {.kind = JOB_OUTSIDE, .address = SL("x@a.test"), .sender = SL("me@us.test")};
	struct way w, other;
	struct rig r;

	REQUIRE(rig_open(&r));
	way_down_init(&down);
	CHECK_SLICE(name(&r, &j, &w), SL("a.test"));
	CHECK(!w.routed);
	add(&r, (struct dir_route){.domain = SL("a.test"), .action = DIR_ROUTE_MX});
	CHECK_SLICE(name(&r, &j, &w), SL("a.test"));
	CHECK(w.routed && w.kind == WAY_ROUTE);
	j.route = SL("[10.0.0.1]:2525"); /* an administrator's word about the item wins */
	CHECK_SLICE(name(&r, &j, &w), SL("[10.0.0.1]:2525"));
	CHECK(!w.routed);
	j.route = JOB_TLS_REPORTS; /* no host's, whoever took it */
	CHECK_SLICE(name(&r, &j, &w), JOB_TLS_REPORTS);
	CHECK(!way_is_special(&w));
	j.route = SLICE_NONE;

	/* Two domains, one relay: one destination. */
	add(&r, (struct dir_route){.domain = SL("b.test"),
				   .action = DIR_ROUTE_RELAY,
				   .target = SL("[h.test]:587")});
	add(&r, (struct dir_route){.domain = SL("c.test"),
				   .action = DIR_ROUTE_RELAY,
				   .target = SL("[h.test]:587")});
	j.address = SL("x@b.test");
	CHECK_SLICE(name(&r, &j, &w), SL("relay:[h.test]:587"));
	j.address = SL("x@c.test");
	CHECK_SLICE(name(&r, &j, &w), SL("relay:[h.test]:587"));
	/* The same relay, but as somebody else: another one. */
	add(&r, (struct dir_route){.domain = SL("d.test"),
				   .action = DIR_ROUTE_RELAY,
				   .target = SL("[h.test]:587"),
				   .user = SL("we")});
	add(&r, (struct dir_route){.domain = SL("e.test"),
				   .action = DIR_ROUTE_RELAY,
				   .target = SL("[h.test]:587"),
				   .helo = SL("we.test")});
	j.address = SL("x@d.test");
	CHECK(slice_starts(name(&r, &j, &w), SL("relay:[h.test]:587#")));
	j.address = SL("x@e.test");
	CHECK(slice_starts(name(&r, &j, &other), SL("relay:[h.test]:587#")));
	CHECK(!slice_eq(way_destination(&w), way_destination(&other)));

	add(&r, (struct dir_route){.domain = SL(".f.test"),
				   .action = DIR_ROUTE_LMTP,
				   .target = SL("h.test:24")});
	add(&r, (struct dir_route){.domain = SL(".g.test"), .action = DIR_ROUTE_HOLD});
	add(&r, (struct dir_route){
			.domain = SL("i.test"), .action = DIR_ROUTE_REJECT, .target = SL("No.")});
	j.address = SL("x@a.f.test");
	CHECK_SLICE(name(&r, &j, &w), SL("lmtp:[h.test]:24"));
	j.address = SL("x@a.g.test");
	CHECK_SLICE(name(&r, &j, &w), SL("hold:.g.test"));
	CHECK(w.kind == WAY_HOLD);
	j.address = SL("x@i.test");
	CHECK_SLICE(name(&r, &j, &w), SL("reject:i.test"));
	CHECK(w.kind == WAY_REJECT);
	add(&r, (struct dir_route){.domain = SL("k.test"),
				   .action = DIR_ROUTE_DROP,
				   .target = SL("default-smtp")});
	j.address = SL("x@k.test");
	CHECK_SLICE(name(&r, &j, &w), SL("drop:default-smtp"));
	CHECK(w.kind == WAY_ROUTE);
	way_down_fini(&down);
	rig_close(&r);
}

/* What waits for a certificate is in nobody's way who does not. */
TEST_FIBER(way_by_what_a_message_asks_of_tls)
{
	struct job j = {.kind = JOB_OUTSIDE, .address = SL("x@a.test"), .sender = SL("me@us.test")};
	struct way plain, secure, any, w;
	struct rig r;

	REQUIRE(rig_open(&r));
	way_down_init(&down);
	j.content = CONTENT_8BIT | CONTENT_UTF8 | CONTENT_LOSABLE | CONTENT_BINARY;
	CHECK_SLICE(name(&r, &j, &plain), SL("a.test"));
	CHECK(!way_is_special(&plain));
	j.content = CONTENT_REQUIRETLS;
	CHECK(slice_starts(name(&r, &j, &secure), SL("a.test#")));
	CHECK(way_is_special(&secure) && secure.kind == WAY_DNS);
	CHECK_SLICE(secure.domain, SL("a.test"));
	j.content = CONTENT_TLS_OPTIONAL;
	CHECK(slice_starts(name(&r, &j, &any), SL("a.test#")));
	CHECK(!slice_eq(way_destination(&any), way_destination(&secure)));
	/* The one before the other, and neither for a notice that must go on. */
	j.content = CONTENT_REQUIRETLS | CONTENT_TLS_OPTIONAL;
	CHECK_SLICE(name(&r, &j, &w), way_destination(&secure));
	j.sender = SLICE_NONE;
	CHECK_SLICE(name(&r, &j, &w), SL("a.test"));
	j.content = CONTENT_TLS_OPTIONAL;
	CHECK_SLICE(name(&r, &j, &w), way_destination(&any));
	/* At a relay, and where an administrator sent it, too. */
	j.route = SL("[10.0.0.1]:2525");
	CHECK(slice_starts(name(&r, &j, &w), SL("[10.0.0.1]:2525#")));
	j.route = JOB_TLS_REPORTS;
	CHECK_SLICE(name(&r, &j, &w), JOB_TLS_REPORTS);
	CHECK(!way_is_special(&w));
	j.route = SLICE_NONE;
	add(&r, (struct dir_route){
			.domain = SL("a.test"), .action = DIR_ROUTE_RELAY, .target = SL("h.test")});
	CHECK(slice_starts(name(&r, &j, &w), SL("relay:h.test#")));
	way_down_fini(&down);
	rig_close(&r);
}

/* Held and asked for, it goes where DNS says, or to the route's host. */
TEST_FIBER(way_asked_for)
{
	struct job j = {.kind = JOB_OUTSIDE, .sender = SL("me@us.test")};
	struct way w;
	struct rig r;

	REQUIRE(rig_open(&r));
	way_down_init(&down);
	add(&r, (struct dir_route){
			.domain = SL("h.test"), .action = DIR_ROUTE_HOLD, .etrn = SL("any")});
	add(&r, (struct dir_route){.domain = SL(".h.test"),
				   .action = DIR_ROUTE_HOLD,
				   .target = SL("mx.h.test"),
				   .etrn = SL("any")});
	asks_init(&asks);
	CHECK_ERR(asks_begin(&asks, ASKED_BELOW, SL("h.test"), &(struct ipaddr){.family = 4}, 900),
		  E_OK);
	j.address = SL("x@h.test");
	CHECK_SLICE(name(&r, &j, &w), SL("h.test"));
	CHECK(w.kind == WAY_ROUTE && w.asked && way_action(&w) == DIR_ROUTE_MX);
	j.address = SL("x@a.h.test");
	CHECK_SLICE(name(&r, &j, &w), SL("relay:mx.h.test"));
	CHECK(w.kind == WAY_ROUTE && way_action(&w) == DIR_ROUTE_RELAY);
	asks_fini(&asks);
	way_down_fini(&down);
	rig_close(&r);
}

TEST_FIBER(way_direct_first)
{
	struct job j = {.kind = JOB_OUTSIDE, .address = SL("x@a.test")};
	struct way w;
	struct rig r;

	REQUIRE(rig_open(&r));
	way_down_init(&down);
	add(&r, (struct dir_route){.domain = SL("*"),
				   .action = DIR_ROUTE_RELAY,
				   .target = SL("h.test"),
				   .user = SL("we"),
				   .direct = true});
	CHECK_SLICE(name(&r, &j, &w), SL("a.test")); /* the relay's log-in is no matter yet */
	CHECK(w.direct);
	j.attempts = 1;
	CHECK(slice_starts(name(&r, &j, &w), SL("relay:h.test#")));
	CHECK(!w.direct);
	j.attempts = 0;
	way_down_put(&down, SL("a.test"), 1001, 1000);
	CHECK(slice_starts(name(&r, &j, &w), SL("relay:h.test#")));
	way_down_put(&down, SL("a.test"), 1000, 1000);
	CHECK_SLICE(name(&r, &j, &w), SL("a.test"));
	way_down_fini(&down);
	rig_close(&r);
}

/* By its domain, its relay, or the name of its destination; not by one that it was taken from. */
TEST_FIBER(way_suspended)
{
	static const struct {
		const char *suspended, *address, *route, *want;
	} cases[] = {
		{"plain.test", "x@plain.test", "", "suspended:plain.test"},
		{"PLAIN.test.", "x@plain.test", "", "suspended:PLAIN.test."},
		{"lain.test", "x@plain.test", "", "plain.test"},
		{"b.test", "x@b.test", "", "suspended:b.test"},
		{"[H.test]:587", "x@b.test", "", "suspended:[H.test]:587"},
		{"relay:[h.test]:587", "x@b.test", "", "suspended:relay:[h.test]:587"},
		{"[h.test]:587", "x@plain.test", "", "plain.test"},
		{"held.test", "x@held.test", "", "suspended:held.test"},
		{"plain.test", "x@plain.test", "other.test:25", "other.test:25"},
		{"other.test:25", "x@plain.test", "other.test:25", "suspended:other.test:25"},
		{".", "x@plain.test", "", "plain.test"},
	};
	struct rig r;

	REQUIRE(rig_open(&r));
	way_down_init(&down);
	add(&r, (struct dir_route){.domain = SL("b.test"),
				   .action = DIR_ROUTE_RELAY,
				   .user = SL("u"),
				   .target = SL("[h.test]:587")});
	add(&r, (struct dir_route){.domain = SL("held.test"), .action = DIR_ROUTE_HOLD});
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct job j = {.kind = JOB_OUTSIDE,
				.address = slice_str(cases[i].address),
				.route = slice_str(cases[i].route),
				.sender = SL("me@us.test")};
		slice_t names[] = {SL("unheard.of"), slice_str(cases[i].suspended)};
		struct way w;

		(void)name(&r, &j, &w);
		way_suspend(&w, &j, names, ARRAY_LEN(names));
		CHECK_SLICE(way_destination(&w), slice_str(cases[i].want));
	}
	way_down_fini(&down);
	rig_close(&r);
}

TEST(way_down_is_bounded)
{
	char domain[32];

	way_down_init(&down);
	for (int i = 0; i < WAY_DOWN_MAX + 10; i++) {
		snprintf(domain, sizeof domain, "d%d.test", i);
		way_down_put(&down, slice_str(domain), 100, 0);
	}
	CHECK_INT(down.until.count, WAY_DOWN_MAX);
	CHECK(way_is_down(&down, SL("d0.test"), 99));
	CHECK(way_any_down(&down, 99) && !way_any_down(&down, 100));
	CHECK(!way_is_down(&down, SL("d1030.test"), 99));
	/* What is over makes room. */
	way_down_put(&down, SL("new.test"), 300, 200);
	CHECK_INT(down.until.count, 1);
	CHECK(way_is_down(&down, SL("new.test"), 200));
	way_down_fini(&down);
}

TEST(way_masquerade)
{
	static const struct {
		const char *sender, *domains, *out;
	} cases[] = {
		{"a@pc.b.test", "b.test", "a@b.test"},
		{"a@x.y.b.test", "other.test b.test", "a@b.test"},
		{"a@PC.B.test", "b.test", "a@b.test"},
		{"a@b.test", "b.test", "a@b.test"},
		{"a@notb.test", "b.test", "a@notb.test"},
		{"a@pc.b.test", "", "a@pc.b.test"},
		{"a@pc.b.test", "  c.test  ", "a@pc.b.test"},
		{"\"x@y\"@pc.b.test", "b.test", "\"x@y\"@b.test"},
		{"", "b.test", ""},
		{"no.b.test", "b.test", "no.b.test"},
	};
	struct arena mem;

	arena_init(&mem, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("%s", cases[i].sender);
		CHECK_SLICE(way_masquerade(slice_str(cases[i].sender), slice_str(cases[i].domains),
					   &mem),
			    slice_str(cases[i].out));
	}
	arena_reset(&mem);
}

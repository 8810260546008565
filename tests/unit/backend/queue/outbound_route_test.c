/* Routes of the directory, as the way out follows them: with a played worker. */
#include "tests/unit/backend/queue/works.h"

WAITS static void route(struct works *w, struct dir_route r)
{
	slice_t password = SL("pass word");
	struct dir_route_spec s = {
		.r = r,
		.password = r.user.n != 0 && r.auth == DIR_ROUTE_AUTH_PASSWORD ? &password : NULL};
	struct diag d = {""};
	enum err e = dir_route_add(w->room.rig.d, &rig_actor, &s, &d);

	if (e == E_EXISTS)
		e = dir_route_edit(w->room.rig.d, &rig_actor, &s, &d);
	CHECK_ERR(e, E_OK);
	check_note("%s", d.text);
}

/* The way is decided when a job is taken: what waited for one destination goes to another. */
TEST_FIBER(outbound_follows_routes)
{
	struct mail mail = {1, 0, NULL, {"x@one.test", "y@two.test"}, 0};
	struct dir_route relay = {.domain = SL("*"),
				  .action = DIR_ROUTE_RELAY,
				  .target = SL("[relay.test]:587"),
				  .user = SL("we"),
				  .helo = SL("us.test"),
				  .connections = 3};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	route(&w, (struct dir_route){.domain = SL("*"), .action = DIR_ROUTE_HOLD});
	works_submit(&w, &mail);
	while (sched_count(outbound_sched(w.o)) != 2)
		fiber_yield();
	route(&w, relay);
	/* Both domains in one transaction, with the log-in that belongs to it. */
	j = works_take(&w);
	REQUIRE(j != NULL && j->route != NULL);
	CHECK_INT(j->n, 2);
	CHECK(slice_starts(j->destination, SL("relay:[relay.test]:587#")));
	CHECK_SLICE(j->target, SL("[relay.test]:587"));
	CHECK_SLICE(j->route->user, SL("we"));
	CHECK_SLICE(j->route->helo, SL("us.test"));
	CHECK_INT(j->route->tls, DIR_ROUTE_TLS_VERIFY);
	CHECK_SLICE(secret_slice(&j->password), SL("pass word"));
	CHECK(j->connections <= 3);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

/* With a ticket: no password goes along, and the lease names the route; others name none. */
TEST_FIBER(outbound_leases_of_tickets)
{
	struct mail mail = {1, 0, NULL, {"x@one.test", "y@two.test"}, 0};
	struct dir_route relay = {.domain = SL("one.test"),
				  .action = DIR_ROUTE_RELAY,
				  .target = SL("[relay.test]"),
				  .user = SL("we"),
				  .auth = DIR_ROUTE_AUTH_GSSAPI};
	struct dir_route found;
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	route(&w, relay);
	relay.domain = SL("two.test");
	relay.auth = DIR_ROUTE_AUTH_PASSWORD;
	route(&w, relay);
	REQUIRE(dir_route_find(w.room.rig.d, SLICE_NONE, SL("x@one.test"), &found));
	works_submit(&w, &mail);
	for (int i = 0; i < 2; i++) {
		/* One host and one user, and two ways to log in: two destinations. */
		j = works_take(&w);
		REQUIRE(j != NULL && j->route != NULL && j->n == 1);
		CHECK_SLICE(j->route->user, SL("we"));
		if (slice_eq(j->jobs[0].address, SL("x@one.test"))) {
			CHECK_INT(j->route->auth, DIR_ROUTE_AUTH_GSSAPI);
			CHECK(j->lease.route == found.id);
			CHECK_INT(secret_slice(&j->password).n, 0);
		} else {
			CHECK_INT(j->route->auth, DIR_ROUTE_AUTH_PASSWORD);
			CHECK(j->lease.route == 0);
			CHECK_SLICE(secret_slice(&j->password), SL("pass word"));
		}
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	}
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

WAITS static void policy(struct works *w, const char *destination, enum dir_tls_level level)
{
	struct dir_tls_row row = {.destination = slice_str(destination), .level = level};
	struct diag d = {""};

	CHECK_ERR(dir_tls_set(w->room.rig.d, &rig_actor, &row, &d), E_OK);
	check_note("%s", d.text);
}

/* What the servers of the next job must have; the job is done then. */
WAITS static enum dir_tls_level demanded(struct works *w, unsigned id)
{
	struct mail mail = {id, 0, NULL, {"x@one.test"}, 0};
	struct outbound_job *j;
	enum dir_tls_level level;

	works_submit(w, &mail);
	j = works_take(w);
	CHECK(j != NULL);
	if (j == NULL)
		return (enum dir_tls_level)0;
	level = j->tls.level;
	CHECK_ERR(works_tell(w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	return level;
}

/* Policies are of whom the worker speaks to; a route's own demand goes before them. */
TEST_FIBER(outbound_demands_tls_of_the_next_host)
{
	struct dir_route relay = {.domain = SL("one.test"),
				  .action = DIR_ROUTE_RELAY,
				  .target = SL("relay.test:587")};
	struct dir_route own = {
		.domain = SL("one.test"), .action = DIR_ROUTE_MX, .helo = SL("us.test")};
	struct works w;

	REQUIRE(works_open(&w));
	CHECK_INT(demanded(&w, 1), DIR_TLS_DANE);
	policy(&w, "one.test", DIR_TLS_ENCRYPT);
	CHECK_INT(demanded(&w, 2), DIR_TLS_ENCRYPT);
	/* By the domain, whatever the way to it is called. */
	route(&w, own);
	CHECK_INT(demanded(&w, 3), DIR_TLS_ENCRYPT);
	own.tls = DIR_ROUTE_TLS_NONE;
	route(&w, own);
	CHECK_INT(demanded(&w, 4), DIR_TLS_NONE);
	/* A relay is not looked for in DNS by the recipient, so DANE and MTA-STS say nothing. */
	route(&w, relay);
	CHECK_INT(demanded(&w, 5), DIR_TLS_MAY);
	policy(&w, "relay.test", DIR_TLS_VERIFY);
	CHECK_INT(demanded(&w, 6), DIR_TLS_VERIFY);
	relay.tls = DIR_ROUTE_TLS_DANE;
	route(&w, relay);
	CHECK_INT(demanded(&w, 7), DIR_TLS_DANE_ONLY);
	works_close(&w);
}

TEST_FIBER(outbound_refuses_by_a_route)
{
	struct mail mail = {1, 0, NULL, {"x@one.test", "y@one.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	route(&w, (struct dir_route){.domain = SL("one.test"),
				     .action = DIR_ROUTE_REJECT,
				     .target = SL("Not to them.")});
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->lease.kind, LEASE_NOTICE);
	CHECK_INT(j->n, 2);
	CHECK_SLICE(j->jobs[0].status, SL("5.7.1"));
	CHECK_SLICE(j->jobs[0].last_error, SL("Not to them."));
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

/* Direct first: a refusal for now, or nobody there, and the relay is next, at once. */
TEST_FIBER(outbound_goes_direct_first)
{
	struct mail mail = {1, 0, NULL, {"x@one.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	route(&w, (struct dir_route){.domain = SL("*"),
				     .action = DIR_ROUTE_RELAY,
				     .target = SL("relay.test"),
				     .direct = true});
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->destination, SL("one.test"));
	CHECK_SLICE(j->target, SL("one.test"));
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->destination, SL("relay:relay.test"));
	CHECK_SLICE(j->target, SL("relay.test"));
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_INT(works_items(&w), 0);
	/* One of many finds out that nobody is there; the others go to the relay, too. */
	for (unsigned i = 2; i < 12; i++) {
		mail = (struct mail){i, 0, NULL, {"x@dead.test"}, 0};
		works_submit(&w, &mail);
	}
	while (sched_count(outbound_sched(w.o)) != 10)
		fiber_yield();
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->destination, SL("dead.test"));
	CHECK_ERR(works_tell(&w, j, OUTBOUND_UNREACHABLE, "4.4.1", "refused"), E_OK);
	for (size_t i = 1; i < w.batch->n; i++)
		CHECK_ERR(works_tell(&w, &w.batch->jobs[i], OUTBOUND_UNTRIED, "", ""), E_OK);
	while (works_items(&w) != 0) {
		j = works_take(&w);
		REQUIRE(j != NULL);
		CHECK_SLICE(j->destination, SL("relay:relay.test"));
		for (size_t i = 0; i < w.batch->n; i++)
			CHECK_ERR(works_tell(&w, &w.batch->jobs[i], OUTBOUND_TRIED, "2.0.0",
					     "250 ok"),
				  E_OK);
	}
	works_close(&w);
}

/* Held mail is asked for: what goes, where to, what does not, and what is told. */
#include "common/base/clock.h"
#include "tests/unit/backend/queue/works.h"

WAITS static void hold(struct works *w, const char *domain, const char *etrn, const char *target)
{
	struct dir_route_spec s = {.r = {.domain = slice_str(domain),
					 .action = DIR_ROUTE_HOLD,
					 .etrn = slice_str(etrn),
					 .target = slice_str(target)}};
	struct diag d = {""};

	CHECK_ERR(dir_route_add(w->room.rig.d, &rig_actor, &s, &d), E_OK);
	check_note("%s", d.text);
}

static enum err ask(struct works *w, enum asked_what what, const char *node,
		    struct outbound_asked *out)
{
	struct outbound_ask q = {.what = what, .node = slice_str(node)};

	CHECK(ipaddr_parse(SL("192.0.2.1"), &q.from));
	return outbound_ask(w->o, &q, out);
}

TEST_FIBER(outbound_ask_sets_free)
{
	struct mail one = {1, 0, NULL, {"x@one.test", "y@two.test"}, 0};
	struct mail later = {2, 0, NULL, {"x@one.test"}, 0};
	struct outbound_asked out;
	struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	hold(&w, "one.test", "192.0.2.0/24", "[relay.test]:26");
	hold(&w, "two.test", "any", "");
	works_submit(&w, &one);
	REQUIRE(works_known(&w, 2));
	CHECK_ERR(ask(&w, ASKED_NODE, "one.test", &out), E_OK);
	CHECK(out.counted);
	CHECK_INT(out.waiting, 1);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->destination, SL("relay:[relay.test]:26"));
	CHECK_SLICE(j->target, SL("[relay.test]:26"));
	CHECK_INT(j->route->action, DIR_ROUTE_RELAY);
	CHECK_INT(j->n, 1);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	/* What comes during the run goes, too. */
	works_submit(&w, &later);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->jobs[0].address, SL("x@one.test"));
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
	CHECK_ERR(ask(&w, ASKED_NODE, "one.test", &out), E_LIMIT);
	/* Asked again, what has failed is due at once; and it is not for a number. */
	works_move_clock(&w, 2 * MINUTE_US);
	CHECK_ERR(ask(&w, ASKED_NODE, "one.test", &out), E_OK);
	CHECK(!out.counted);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->jobs[0].address, SL("x@one.test"));
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	/* Strangers hear no numbers. */
	CHECK_ERR(ask(&w, ASKED_NODE, "two.test", &out), E_OK);
	CHECK(!out.counted && out.waiting == 0);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->destination, SL("two.test"));
	CHECK_INT(j->route->action, DIR_ROUTE_MX);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

static enum sched_state state_of(struct works *w, slice_t *destination)
{
	static const struct sched_filter any = {.states = 0};
	static struct sched_info infos[SCHED_PAGE_LEAST];
	uint64_t cursor = 0;
	size_t n;

	do
		n = sched_each(outbound_sched(w->o), &any, clock_wall_us(), &cursor, infos,
			       ARRAY_LEN(infos));
	while (n == 0 && cursor != 0);
	CHECK_INT(n, 1);
	*destination = infos[0].item.destination;
	return infos[0].state;
}

/* A try that fails when the run is over: the mail is held again. */
TEST_FIBER(outbound_ask_ends)
{
	struct mail mail = {1, 0, NULL, {"x@a.one.test"}, 0};
	struct outbound_asked out;
	struct outbound_job *j;
	struct works w;
	slice_t name;

	REQUIRE(works_open(&w));
	hold(&w, ".one.test", "192.0.2.1", "");
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 1));
	CHECK_INT(state_of(&w, &name), SCHED_HELD_DEST);
	CHECK_ERR(ask(&w, ASKED_BELOW, "one.test", &out), E_OK);
	CHECK(!out.counted);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->destination, SL("a.one.test"));
	works_move_clock(&w, ASKS_RUN_US);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
	CHECK_INT(state_of(&w, &name), SCHED_WAITING);
	CHECK_SLICE(name, SL("hold:.one.test"));
	/* By the route's name. */
	CHECK_ERR(ask(&w, ASKED_ROUTE, ".one.test", &out), E_OK);
	CHECK(out.counted);
	CHECK_INT(out.waiting, 1);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_INT(works_items(&w), 0);
	CHECK_ERR(ask(&w, ASKED_NODE, "a.one.test", &out), E_OK);
	CHECK(out.counted && out.waiting == 0);
	works_close(&w);
}

TEST_FIBER(outbound_ask_of_what_is_not_there)
{
	struct ipaddr from;
	struct outbound_asked out;
	struct works w;

	REQUIRE(works_open(&w));
	hold(&w, "nobody.test", "", "");
	hold(&w, "others.test", "198.51.100.0/24", "");
	CHECK_ERR(ask(&w, ASKED_NODE, "unknown.test", &out), E_NOT_FOUND);
	CHECK_ERR(ask(&w, ASKED_NODE, "nobody.test", &out), E_NOT_FOUND);
	CHECK_ERR(ask(&w, ASKED_NODE, "others.test", &out), E_NOT_FOUND);
	CHECK_ERR(ask(&w, ASKED_BELOW, "others.test", &out), E_NOT_FOUND);
	CHECK_ERR(ask(&w, ASKED_ROUTE, "others.test", &out), E_NOT_FOUND);
	CHECK_ERR(ask(&w, ASKED_ROUTE, "*", &out), E_NOT_FOUND);
	CHECK(ipaddr_parse(SL("192.0.2.1"), &from));
	for (int i = 0; i < ASKS_PER_MINUTE; i++)
		CHECK_ERR(outbound_count_asker(w.o, &from), E_OK);
	CHECK_ERR(outbound_count_asker(w.o, &from), E_LIMIT);
	works_close(&w);
}

/* Held mail is fetched by the account that a route names: what it gets, what it does not, and what
 * becomes of what is under way when it goes. */
#include "common/base/clock.h"
#include "tests/unit/backend/queue/works.h"

WAITS static void hold(struct works *w, const char *domain, const char *account)
{
	struct dir_route_spec s = {.r = {.domain = slice_str(domain), .action = DIR_ROUTE_HOLD},
				   .atrn = slice_str(account)};
	struct diag d = {""};

	CHECK_ERR(dir_route_add(w->room.rig.d, &rig_actor, &s, &d), E_OK);
	check_note("%s", d.text);
}

/* With up to two names. */
static enum err fetch(struct works *w, uint64_t account, const char *a, const char *b,
		      struct outbound_worker **out, uint64_t *waiting)
{
	slice_t names[2] = {slice_str(a), slice_str(b)};
	struct outbound_fetch q = {
		.account = account, .domains = names, .n = (size_t)(a[0] != '\0') + (b[0] != '\0')};

	return outbound_turn_new(w->o, &works_fe1, &q, out, waiting);
}

TEST_FIBER(outbound_turn_gives_what_is_held)
{
	struct mail mail = {1, 0, NULL, {"x@one.test", "y@two.test", "z@three.test"}, 0};
	struct outbound_worker *way_out;
	uint64_t alice, waiting;
	struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	way_out = w.worker;
	alice = room_account(&w.room, "alice@example.org", 0, 0);
	hold(&w, "one.test", "alice@example.org");
	hold(&w, "two.test", "alice@example.org");
	hold(&w, "three.test", "");
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 3));
	REQUIRE(fetch(&w, alice, "one.test", "", &w.worker, &waiting) == E_OK);
	CHECK_INT(waiting, 1);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(w.batch->n, 1);
	CHECK_SLICE(j->jobs[0].address, SL("x@one.test"));
	CHECK(j->route == NULL && j->n == 1);
	/* Nothing else, and what it could not take now has its time. */
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
	CHECK(works_take(&w) == NULL);
	outbound_worker_free(&w.worker);
	REQUIRE(fetch(&w, alice, "", "", &w.worker, &waiting) == E_OK);
	CHECK_INT(waiting, 1);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->jobs[0].address, SL("y@two.test"));
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK(works_take(&w) == NULL);
	outbound_worker_free(&w.worker);
	CHECK_INT(works_items(&w), 2);
	works_move_clock(&w, HOUR_US);
	REQUIRE(fetch(&w, alice, "two.test", "one.test", &w.worker, &waiting) == E_OK);
	CHECK_INT(waiting, 1);
	outbound_worker_free(&w.worker);
	w.worker = way_out;
	works_close(&w);
}

/* Who goes without a word: others, and he himself, get it a moment later. */
TEST_FIBER(outbound_turn_breaks)
{
	struct mail mail = {1, 0, NULL, {"x@one.test"}, 0};
	struct outbound_worker *way_out, *again = NULL;
	uint64_t alice, waiting;
	struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	way_out = w.worker;
	alice = room_account(&w.room, "alice@example.org", 0, 0);
	hold(&w, "one.test", "alice@example.org");
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 1));
	REQUIRE(fetch(&w, alice, "", "", &w.worker, &waiting) == E_OK);
	REQUIRE(works_take(&w) != NULL);
	CHECK_ERR(fetch(&w, alice, "", "", &again, &waiting), E_OK);
	CHECK_INT(waiting, 0);
	outbound_worker_free(&again);
	outbound_worker_free(&w.worker);
	works_move_clock(&w, 3 * 1000000LL);
	do {
		outbound_worker_free(&w.worker);
		fiber_yield();
		REQUIRE(fetch(&w, alice, "", "", &w.worker, &waiting) == E_OK);
	} while (waiting == 0);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	CHECK_INT(works_items(&w), 0);
	outbound_worker_free(&w.worker);
	w.worker = way_out;
	works_close(&w);
}

TEST_FIBER(outbound_turn_is_for_its_account)
{
	static struct outbound_worker *many[OUTBOUND_TURNS_MAX];
	slice_t names[OUTBOUND_TURN_DOMAINS_MAX + 1];
	struct outbound_fetch too_long = {.domains = names, .n = ARRAY_LEN(names)};
	struct mail mail = {1, 0, NULL, {"x@one.test"}, 0};
	struct dir_route_spec bob = {.r = {.domain = SL("one.test"), .action = DIR_ROUTE_HOLD},
				     .atrn = SL("bob@example.org")};
	struct outbound_worker *t = NULL, *way_out;
	uint64_t alice, waiting;
	struct diag d = {""};
	struct works w;

	REQUIRE(works_open(&w));
	way_out = w.worker;
	alice = room_account(&w.room, "alice@example.org", 0, 0);
	CHECK(room_account(&w.room, "bob@example.org", 0, 0) != 0);
	CHECK_ERR(fetch(&w, alice, "", "", &t, &waiting), E_NOT_FOUND);
	hold(&w, "one.test", "alice@example.org");
	hold(&w, "two.test", "bob@example.org");
	hold(&w, "nobody.test", "");
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 1));
	CHECK_ERR(fetch(&w, alice, "two.test", "", &t, &waiting), E_NOT_FOUND);
	CHECK_ERR(fetch(&w, alice, "one.test", "two.test", &t, &waiting), E_NOT_FOUND);
	CHECK_ERR(fetch(&w, alice, "nobody.test", "", &t, &waiting), E_NOT_FOUND);
	CHECK_ERR(fetch(&w, alice, "unknown.test", "", &t, &waiting), E_NOT_FOUND);
	CHECK_ERR(fetch(&w, 0, "nobody.test", "", &t, &waiting), E_NOT_FOUND);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		names[i] = SL("one.test");
	too_long.account = alice;
	CHECK_ERR(outbound_turn_new(w.o, &works_fe1, &too_long, &t, &waiting), E_LIMIT);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		CHECK_ERR(fetch(&w, alice, "", "", &many[i], &waiting), E_OK);
	CHECK_ERR(fetch(&w, alice, "", "", &t, &waiting), E_LIMIT);
	for (size_t i = 1; i < ARRAY_LEN(many); i++)
		outbound_worker_free(&many[i]);
	/* It is another's in the middle of a turn. */
	CHECK_ERR(dir_route_edit(w.room.rig.d, &rig_actor, &bob, &d), E_OK);
	w.worker = many[0];
	CHECK(works_take(&w) == NULL);
	outbound_worker_free(&w.worker);
	w.worker = way_out;
	works_close(&w);
}

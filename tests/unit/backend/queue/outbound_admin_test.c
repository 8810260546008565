/* What an administrator sees and orders, on a queue with a played worker. */
#include "backend/queue/outbound_admin.h"

#include "common/base/clock.h"
#include "common/base/num.h"
#include "tests/unit/backend/queue/works.h"

#define MANY       100000 /* items that `queue list` is meant for */
#define OF_ONE     1000   /* every so many of them is of the sender that is looked for */
#define ADD_AT_ONE 2000

static const struct queue_filter everything;

static struct partition *part_of(struct works *w)
{
	return partitions_get(w->room.parts, 0);
}

/* ---- the walk ---- */

static slice_t payload_of(unsigned i, struct arena *mem)
{
	struct job j = {.kind = JOB_OUTSIDE,
			.address = SL("someone@elsewhere.test"),
			.sender = i % OF_ONE == 0 ? SL("sought@here.test") : SL("other@here.test"),
			.origin = SL("test"),
			.prefix = SL("Received: from somewhere by somewhere else\r\n"),
			.first_us = 1000 + i};

	return job_pack(&j, mem);
}

WAITS static void add_many(struct works *w)
{
	struct queue_add *items = xcalloc(ADD_AT_ONE, sizeof *items);
	unsigned made = 0;

	while (made < MANY) {
		struct change_deliver c;
		struct arena mem;

		arena_init(&mem, NULL);
		change_deliver_init(&c);
		be64_put(c.txid, made);
		for (size_t i = 0; i < ADD_AT_ONE; i++, made++) {
			char *key = arena_alloc(&mem, 8);

			be64_put(key, made);
			items[i] = (struct queue_add){.key = slice(key, 8),
						      .payload = payload_of(made, &mem),
						      .due_us = QUEUE_PARKED_US};
		}
		c.record_no = w->items[0].record_no;
		c.items = items;
		c.nitems = ADD_AT_ONE;
		CHECK_ERR(store_change(part_of(w), &c.change), E_OK);
		arena_reset(&mem);
	}
	xfree(&items);
}

/* All pages; returns how many rows they had. */
WAITS static size_t walk(struct works *w, const struct queue_filter *f, uint64_t *looked)
{
	struct queue_walk *walk = xcalloc(1, sizeof *walk);
	size_t n = 0;
	uint64_t last = 0;

	queue_walk_init(walk, part_of(w), f);
	while (walk->more) {
		CHECK_ERR(queue_walk_next(walk), E_OK);
		CHECK(walk->n <= QUEUE_WALK_ROWS);
		for (size_t i = 0; i < walk->n; i++) {
			CHECK(walk->rows[i].readable && walk->rows[i].item > last);
			CHECK(walk->rows[i].size != 0);
			last = walk->rows[i].item;
		}
		n += walk->n;
	}
	*looked = walk->looked;
	queue_walk_fini(walk);
	xfree(&walk);
	return n;
}

/* Each row is read once, and a page is all that lies in memory. */
TEST_FIBER(walk_of_a_long_queue)
{
	struct queue_filter sought = {.sender = SL("sought@here.test")};
	struct queue_filter large = {.sender = SL("sought@here.test"), .larger = UINT64_MAX - 1};
	struct queue_filter old = {.before_us = 1000 + 500};
	struct queue_filter one = {.item = 5, .partition = 0};
	struct queue_filter not_here = {.item = 5, .partition = 1};
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct works w;
	uint64_t looked;

	check_seconds(120);
	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	REQUIRE(works_items(&w) == 1);
	add_many(&w);
	CHECK_INT(walk(&w, &sought, &looked), MANY / OF_ONE);
	CHECK_INT(looked, MANY + 1);
	CHECK_INT(walk(&w, &large, &looked), 0);
	CHECK_INT(walk(&w, &everything, &looked), MANY + 1);
	CHECK_INT(looked, MANY + 1);
	CHECK_INT(walk(&w, &old, &looked), 500);
	CHECK_INT(walk(&w, &one, &looked), 1);
	CHECK_INT(looked, 1);
	CHECK_INT(walk(&w, &not_here, &looked), 0);
	CHECK_INT(looked, 0);
	works_close(&w);
}

/* Of the largest rows that there may be, a page has fewer. */
TEST_FIBER(walk_of_large_rows)
{
	enum { AT_ONE = 20, TIMES = 10, PAGE = QUEUE_WALK_BYTES / STORE_PAYLOAD_MAX };
	struct queue_walk *page = xcalloc(1, sizeof *page);
	char *payload = xcalloc(1, STORE_PAYLOAD_MAX);
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	size_t n = 0, pages = 0;
	struct works w;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	REQUIRE(works_items(&w) == 1);
	for (unsigned i = 0; i < TIMES; i++) {
		struct queue_add adds[AT_ONE];
		uint8_t keys[AT_ONE][8];
		struct change_deliver c;

		change_deliver_init(&c);
		be64_put(c.txid, i + 1);
		for (unsigned k = 0; k < AT_ONE; k++) {
			be64_put(keys[k], k);
			adds[k] = (struct queue_add){.key = slice(keys[k], 8),
						     .payload = slice(payload, STORE_PAYLOAD_MAX),
						     .due_us = QUEUE_PARKED_US};
		}
		c.record_no = w.items[0].record_no;
		c.items = adds;
		c.nitems = AT_ONE;
		CHECK_ERR(store_change(part_of(&w), &c.change), E_OK);
	}
	queue_walk_init(page, part_of(&w), &everything);
	while (page->more && pages < 10) {
		CHECK_ERR(queue_walk_next(page), E_OK);
		CHECK(page->n < PAGE + STORE_SLICE_ROWS);
		n += page->n;
		pages++;
	}
	CHECK_INT(n, AT_ONE * TIMES + 1);
	CHECK_INT(pages, 2);
	queue_walk_fini(page);
	xfree(&page);
	xfree(&payload);
	works_close(&w);
}

TEST_FIBER(walk_tells_unreadable_rows)
{
	struct queue_add add = {.key = SL("k"), .payload = SL("no job"), .due_us = QUEUE_PARKED_US};
	struct queue_filter sought = {.sender = SL("<>")};
	struct queue_walk *page = xcalloc(1, sizeof *page);
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct queue_done done = {0};
	struct queue_order drop = {.action = QUEUE_ACT_DROP}, retry = {.action = QUEUE_ACT_RETRY};
	struct change_deliver c;
	struct works w;
	uint64_t looked;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	REQUIRE(works_items(&w) == 1);
	change_deliver_init(&c);
	c.record_no = w.items[0].record_no;
	c.items = &add;
	c.nitems = 1;
	CHECK_ERR(store_change(part_of(&w), &c.change), E_OK);
	CHECK_INT(walk(&w, &sought, &looked), 0);
	queue_walk_init(page, part_of(&w), &everything);
	CHECK_ERR(queue_walk_next(page), E_OK);
	REQUIRE(page->n == 2);
	CHECK(!page->rows[1].readable);
	/* All that can be done with it. */
	CHECK_ERR(outbound_order(w.o, part_of(&w), &retry, &page->rows[1].item, 1, &done), E_OK);
	CHECK_INT(done.unfit, 1);
	CHECK_ERR(outbound_order(w.o, part_of(&w), &drop, &page->rows[1].item, 1, &done), E_OK);
	CHECK_INT(done.done, 1);
	CHECK_INT(works_items(&w), 1);
	queue_walk_fini(page);
	xfree(&page);
	works_close(&w);
}

/* ---- orders ---- */

/* To all items of the queue. */
WAITS static struct queue_done order(struct works *w, enum queue_action action, const char *route)
{
	struct queue_order o = {.action = action,
				.route = slice_str(route),
				.reason = SL("because"),
				.who = SL("admin/test")};
	struct queue_done done = {0};
	uint64_t ids[ARRAY_LEN(w->items)];
	size_t n = works_items(w);

	for (size_t i = 0; i < n; i++)
		ids[i] = w->items[i].id;
	CHECK_ERR(outbound_order(w->o, part_of(w), &o, ids, n, &done), E_OK);
	return done;
}

/* Of the i-th item. */
static void view_at(struct works *w, size_t i, struct outbound_view *out)
{
	struct queue_row row = {.readable = true};

	row.job = works_job_at(w, i);
	row.item = w->items[i].id;
	outbound_view(w->o, part_of(w), &row, out);
}

static enum queue_state state_at(struct works *w, size_t i)
{
	struct outbound_view v;

	view_at(w, i, &v);
	CHECK((v.why[0] != '\0') == (v.state == QUEUE_IS_HELD || v.state == QUEUE_IS_LEASED ||
				     v.state == QUEUE_IS_DOWN || v.state == QUEUE_IS_PACED ||
				     works_job_at(w, i).release_us > clock_wall_us()));
	return v.state;
}

TEST_FIBER(order_hold_survives_a_restart)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test", "y@other.test"}, 0};
	struct works w;
	struct queue_done d;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 2));
	CHECK_INT(order(&w, QUEUE_ACT_RELEASE, "").unfit, 2);
	d = order(&w, QUEUE_ACT_HOLD, "");
	CHECK_INT(d.done, 2);
	CHECK_INT(d.busy + d.unfit, 0);
	CHECK(works_job_at(&w, 0).held);
	CHECK_INT(state_at(&w, 0), QUEUE_IS_HELD);
	CHECK_INT(order(&w, QUEUE_ACT_RETRY, "").unfit, 2);
	REQUIRE(works_restart(&w, NULL));
	REQUIRE(works_known(&w, 2));
	CHECK_INT(state_at(&w, 1), QUEUE_IS_HELD);
	CHECK_INT(order(&w, QUEUE_ACT_RELEASE, "").done, 2);
	CHECK_INT(state_at(&w, 1), QUEUE_IS_READY);
	REQUIRE(works_take(&w) != NULL);
	works_close(&w);
}

TEST_FIBER(order_retry_is_at_once)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
	CHECK_INT(state_at(&w, 0), QUEUE_IS_WAITING);
	CHECK_INT(order(&w, QUEUE_ACT_RETRY, "").done, 1);
	CHECK_INT(state_at(&w, 0), QUEUE_IS_READY);
	CHECK_INT(works_job_at(&w, 0).attempts, 1);
	/* Also when its destination rests. */
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_UNREACHABLE, "4.4.1", "refused"), E_OK);
	CHECK_INT(state_at(&w, 0), QUEUE_IS_DOWN);
	CHECK_INT(order(&w, QUEUE_ACT_RETRY, "").done, 1);
	REQUIRE(works_take(&w) != NULL);
	works_close(&w);
}

/* What its sender holds back goes by itself when its time has come; early by an order alone, and
 * then with all of its time. */
TEST_FIBER(order_for_what_is_held_back)
{
	static const enum queue_action early[] = {QUEUE_ACT_RETRY, QUEUE_ACT_RELEASE};
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct outbound_view v;
	struct works w;

	REQUIRE(works_open(&w));
	for (unsigned i = 0; i < ARRAY_LEN(early); i++) {
		struct outbound_job *j;

		mail.txid = i + 1;
		w.release_us = clock_wall_us() + 72 * HOUR_US;
		works_submit(&w, &mail);
		REQUIRE(works_known(&w, 1));
		CHECK_INT(state_at(&w, 0), QUEUE_IS_WAITING);
		view_at(&w, 0, &v);
		CHECK_STR(v.why, "its sender holds it back");
		CHECK_INT(v.until_us, w.release_us);
		works_move_clock(&w, 50 * HOUR_US);
		CHECK_INT(order(&w, QUEUE_ACT_HOLD, "").done, 1);
		CHECK_INT(order(&w, QUEUE_ACT_RELEASE, "").done, 1); /* of the hold alone */
		CHECK_INT(state_at(&w, 0), QUEUE_IS_WAITING);
		CHECK_INT(order(&w, early[i], "").done, 1);
		j = works_take(&w);
		REQUIRE(j != NULL);
		CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
		CHECK_INT(works_job_at(&w, 0).kind, JOB_OUTSIDE); /* not given up */
		CHECK_INT(order(&w, QUEUE_ACT_RELEASE, "").unfit, 1);
		CHECK_INT(order(&w, QUEUE_ACT_DROP, "").done, 1);
	}
	works_close(&w);
}

/* A worker has it: nothing is changed, and its report counts. */
TEST_FIBER(order_passes_over_what_is_leased)
{
	static const enum queue_action all[] = {QUEUE_ACT_HOLD, QUEUE_ACT_RETRY, QUEUE_ACT_DROP,
						QUEUE_ACT_BOUNCE, QUEUE_ACT_REROUTE};
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(state_at(&w, 0), QUEUE_IS_LEASED);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct queue_done d = order(&w, all[i], "[relay.test]");

		CHECK_INT(d.busy, 1);
		CHECK_INT(d.done + d.unfit, 0);
	}
	CHECK(!works_job_at(&w, 0).held);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "ok"), E_OK);
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

TEST_FIBER(order_remove_and_bounce)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test", "y@other.test"}, 0};
	struct mail again = {2, 0, NULL, {"x@elsewhere.test"}, 0},
		    null = {3, 0, "", {"x@a.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 2));
	CHECK_INT(order(&w, QUEUE_ACT_DROP, "").done, 2);
	CHECK_INT(works_items(&w), 0);
	CHECK_INT(sched_count(outbound_sched(w.o)), 0);
	works_submit(&w, &again);
	REQUIRE(works_known(&w, 1));
	CHECK_INT(order(&w, QUEUE_ACT_BOUNCE, "").done, 1);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_INT(j->lease.kind, LEASE_NOTICE);
	CHECK_SLICE(j->jobs[0].status, SL("5.7.0"));
	CHECK_SLICE(j->jobs[0].last_error, SL("because"));
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
	/* Nobody can be told: it stays for the administrator. */
	works_submit(&w, &null);
	REQUIRE(works_known(&w, 1));
	CHECK_INT(order(&w, QUEUE_ACT_BOUNCE, "").done, 1);
	CHECK_INT(works_job_at(&w, 0).kind, JOB_BAD);
	CHECK_INT(order(&w, QUEUE_ACT_BOUNCE, "").unfit, 1);
	works_close(&w);
}

TEST_FIBER(order_reroute_and_back)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test", "y@other.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 2));
	CHECK_INT(order(&w, QUEUE_ACT_REROUTE, "[relay.test]:26").done, 2);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->destination, SL("[relay.test]:26"));
	CHECK_INT(j->n, 2);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "4.2.2", "452 full"), E_OK);
	CHECK_INT(order(&w, QUEUE_ACT_REROUTE, "").done, 2);
	CHECK_SLICE(job_destination(&(struct job){.kind = JOB_OUTSIDE,
						  .address = works_job_at(&w, 0).address,
						  .route = works_job_at(&w, 0).route}),
		    SL("elsewhere.test"));
	CHECK_INT(state_at(&w, 0), QUEUE_IS_WAITING);
	works_close(&w);
}

TEST_FIBER(order_requeue_of_bad_ones)
{
	struct mail null = {1, 0, "", {"x@elsewhere.test"}, 0};
	struct works w;
	struct outbound_job *j;
	struct job was, is;

	REQUIRE(works_open(&w));
	works_submit(&w, &null);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "5.1.1", "550 nobody"), E_OK);
	CHECK_INT(state_at(&w, 0), QUEUE_IS_BAD);
	was = works_job_at(&w, 0);
	CHECK_INT(order(&w, QUEUE_ACT_HOLD, "").unfit, 1);
	works_move_clock(&w, 100 * HOUR_US);
	CHECK_INT(order(&w, QUEUE_ACT_REQUEUE, "").done, 1);
	CHECK_INT(state_at(&w, 0), QUEUE_IS_READY);
	is = works_job_at(&w, 0);
	CHECK_INT(is.kind, JOB_OUTSIDE);
	CHECK_INT(is.attempts, 0);
	CHECK(is.first_us >= was.first_us + 100 * HOUR_US);
	CHECK_INT(order(&w, QUEUE_ACT_REQUEUE, "").unfit, 1);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", "ok"), E_OK);
	CHECK_INT(works_items(&w), 0);
	works_close(&w);
}

/* Also what comes later; and only while the setting stands. */
TEST_FIBER(suspended_destinations_and_senders)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test", "y@other.test"}, 0};
	struct mail other = {2, 0, "third@elsewhere.test", {"z@a.test", "w@other.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 2));
	REQUIRE(works_restart(&w, "outbound.suspended_destinations=other.test,unheard.of"));
	REQUIRE(works_known(&w, 2));
	CHECK_INT(state_at(&w, 0), QUEUE_IS_READY);
	CHECK_INT(state_at(&w, 1), QUEUE_IS_HELD);
	works_submit(&w, &other);
	REQUIRE(works_known(&w, 4));
	CHECK_INT(state_at(&w, 2), QUEUE_IS_READY);
	CHECK_INT(state_at(&w, 3), QUEUE_IS_HELD);
	REQUIRE(works_restart(&w, "outbound.suspended_destinations="));
	REQUIRE(works_restart(&w, "outbound.suspended_senders=third@elsewhere.test"));
	REQUIRE(works_known(&w, 4));
	CHECK_INT(state_at(&w, 1), QUEUE_IS_READY);
	CHECK_INT(state_at(&w, 2), QUEUE_IS_HELD);
	CHECK_INT(state_at(&w, 3), QUEUE_IS_HELD);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_SLICE(j->jobs[0].sender, SL("sender@elsewhere.test"));
	works_close(&w);
}

/* Gone without a word after `queue.bad_keep`, and not before; others stay. */
TEST_FIBER(bad_ones_are_not_kept_for_ever)
{
	struct mail null = {1, 0, "", {"x@elsewhere.test"}, 0},
		    mail = {2, 0, NULL, {"y@a.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	works_submit(&w, &null);
	j = works_take(&w);
	REQUIRE(j != NULL);
	works_move_clock(&w, HOUR_US);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "5.1.1", "550 nobody"), E_OK);
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 1));
	CHECK_INT(order(&w, QUEUE_ACT_HOLD, "").done, 1);
	REQUIRE(works_restart(&w, "queue.bad_keep=10d"));
	works_move_clock(&w, 10 * 24 * HOUR_US - MINUTE_US);
	REQUIRE(works_restart(&w, NULL) && works_known(&w, 1));
	CHECK_INT(works_items(&w), 2);
	/* It looks every hour. */
	works_move_clock(&w, 62 * MINUTE_US);
	while (works_items(&w) == 2)
		fiber_yield();
	CHECK_INT(works_job_at(&w, 0).kind, JOB_OUTSIDE);
	works_close(&w);
}

TEST_FIBER(bad_ones_are_kept_for_ever)
{
	struct mail null = {1, 0, "", {"x@elsewhere.test"}, 0},
		    mail = {2, 0, NULL, {"y@a.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	works_submit(&w, &null);
	j = works_take(&w);
	REQUIRE(j != NULL);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "5.1.1", "550 nobody"), E_OK);
	REQUIRE(works_restart(&w, "queue.bad_keep=0"));
	works_move_clock(&w, 3650 * 24 * HOUR_US);
	works_submit(&w, &mail);
	REQUIRE(works_take(&w) != NULL);
	CHECK_INT(works_items(&w), 2);
	works_close(&w);
}

/* Whoever does not pass the filter any more when its row is read anew is left alone. */
TEST_FIBER(order_looks_again)
{
	struct queue_filter bad = {.kinds = 1U << JOB_BAD};
	struct queue_order o = {.action = QUEUE_ACT_DROP, .filter = &bad};
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct queue_done done = {0};
	struct works w;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 1) && works_items(&w) == 1);
	CHECK_ERR(outbound_order(w.o, part_of(&w), &o, &w.items[0].id, 1, &done), E_OK);
	CHECK_INT(done.done + done.busy + done.unfit, 0);
	CHECK_INT(works_items(&w), 1);
	CHECK_INT(state_at(&w, 0), QUEUE_IS_READY);
	works_close(&w);
}

/* What stays inside has no scheduler: its due time is its row's. */
TEST_FIBER(order_for_what_stays_inside)
{
	struct job j = {.kind = JOB_EXPAND,
			.address = SL("team@example.org"),
			.sender = SL("sender@elsewhere.test"),
			.origin = SL("test"),
			.first_us = 1000};
	struct queue_add add = {.key = SL("k"), .due_us = 1};
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct change_deliver c;
	struct works w;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	REQUIRE(works_items(&w) == 1 && works_known(&w, 1));
	add.payload = job_pack(&j, &w.mem);
	change_deliver_init(&c);
	c.record_no = w.items[0].record_no;
	c.items = &add;
	c.nitems = 1;
	CHECK_ERR(store_change(part_of(&w), &c.change), E_OK);
	CHECK_INT(state_at(&w, 0), QUEUE_IS_INSIDE); /* due first */
	CHECK_INT(order(&w, QUEUE_ACT_HOLD, "").done, 2);
	CHECK_INT(state_at(&w, 1), QUEUE_IS_HELD);
	CHECK_INT(w.items[1].due_us, QUEUE_PARKED_US);
	CHECK_INT(order(&w, QUEUE_ACT_RELEASE, "").done, 2);
	CHECK_INT(state_at(&w, 0), QUEUE_IS_INSIDE);
	CHECK(w.items[0].due_us <= clock_wall_us());
	CHECK_INT(order(&w, QUEUE_ACT_REROUTE, "[relay.test]").unfit, 1);
	CHECK_INT(order(&w, QUEUE_ACT_BOUNCE, "").done, 2);
	CHECK_INT(works_job_at(&w, 0).kind, JOB_NOTICE);
	CHECK_INT(works_job_at(&w, 1).kind, JOB_NOTICE);
	CHECK_INT(sched_count(outbound_sched(w.o)), 2);
	works_close(&w);
}

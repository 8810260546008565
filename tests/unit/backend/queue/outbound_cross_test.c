/* What crosses on the way out: looks, reports, orders and time, each under way while another one
 * changes the same item. */
#include "backend/queue/outbound_admin.h"
#include "backend/queue/outbound_priv.h"

#include "common/base/clock.h"
#include "backend/store/partition_priv.h"
#include "tests/lib/gate.h"
#include "tests/unit/backend/queue/works.h"

static struct partition *part_of(struct works *w)
{
	return partitions_get(w->room.parts, 0);
}

/* ---- looks ---- */

/* An item that is the runner's, if there were one; returns its number. */
WAITS static uint64_t add_inside(struct works *w, uint64_t record_no)
{
	struct job j = {.kind = JOB_ACCOUNTS,
			.address = SL("gone@example.org"),
			.sender = SL("sender@elsewhere.test"),
			.origin = SL("test"),
			.first_us = clock_wall_us()};
	struct queue_add add = {.key = SL("inside"), .due_us = QUEUE_PARKED_US};
	struct change_deliver c;

	add.payload = job_pack(&j, &w->mem);
	change_deliver_init(&c);
	c.record_no = record_no;
	c.items = &add;
	c.nitems = 1;
	CHECK_ERR(store_change(part_of(w), &c.change), E_OK);
	return add.id;
}

/* As the runner does with what nobody is left for. */
WAITS static void turn(struct works *w, uint64_t id, uint64_t record_no)
{
	struct job j = {.kind = JOB_NOTICE,
			.address = SL("gone@example.org"),
			.sender = SL("sender@elsewhere.test"),
			.origin = SL("test"),
			.status = SL("5.1.1"),
			.first_us = clock_wall_us(),
			.notice_us = clock_wall_us()};
	struct queue_edit edit = {.what = QUEUE_RESCHEDULE, .id = id, .due_us = QUEUE_PARKED_US};
	struct due_item item = {.id = id, .record_no = record_no};
	struct change_queue c;

	item.payload = edit.payload = job_pack(&j, &w->mem);
	change_queue_init(&c);
	c.edits = &edit;
	c.n = 1;
	CHECK_ERR(store_change(part_of(w), &c.change), E_OK);
	CHECK(edit.found);
	outbound_turned(w->o, part_of(w), &item);
}

/* While the way out looks at what came after it. */
TEST_FIBER(cross_turned_during_a_look)
{
	struct mail first = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct mail later = {2, 0, NULL, {"y@elsewhere.test"}, 0};
	struct works w;
	struct gate g;
	uint64_t id, record_no;

	REQUIRE(works_open(&w));
	works_submit(&w, &first);
	REQUIRE(works_items(&w) == 1);
	record_no = w.items[0].record_no;
	id = add_inside(&w, record_no);
	first.txid = 3;
	works_submit(&w, &first);
	REQUIRE(works_known(&w, 2)); /* it is behind what was looked at */
	gate_close(&g);
	works_submit(&w, &later);
	CHECK(gate_somebody_waits("outbound.look"));
	turn(&w, id, record_no);
	gate_open(&g);
	CHECK(works_known(&w, 4));
	works_close(&w);
}

/* Two items that are known, one older than an item of the runner's, the other one newer, and one of
 * the other partition; there is no place for more. */
WAITS static void fill_sched(struct works *w, struct due_item *inside)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct sched_settings s;

	works_submit(w, &mail);
	REQUIRE(works_items(w) == 1);
	inside->record_no = w->items[0].record_no;
	inside->id = add_inside(w, inside->record_no);
	mail.txid = 2;
	works_submit(w, &mail);
	w->partition = 1;
	mail.txid = 3;
	works_submit(w, &mail);
	REQUIRE(works_known(w, 3));
	sched_settings_init(&s);
	s.items_max = 3;
	sched_configure(outbound_sched(w->o), &s);
}

/* One of them goes, and the one that had no place has it. */
WAITS static void make_place(struct works *w, uint64_t id)
{
	struct outbound_job *j = works_take(w);
	struct sched_info about;
	struct sched_key key;

	REQUIRE(j != NULL);
	CHECK_INT(j->n, 1);
	CHECK_ERR(works_tell(w, j, OUTBOUND_TRIED, "2.0.0", "250 ok"), E_OK);
	works_move_clock(w, 0);
	CHECK(works_known(w, 3));
	REQUIRE(outbound_key(w->o, 0, id, &key));
	CHECK_ERR(sched_get(outbound_sched(w->o), key, clock_wall_us(), &about), E_OK);
}

/* It has no place: it is remembered, and nothing is read as long as there is none. */
TEST_FIBER(cross_turned_when_the_scheduler_is_full)
{
	struct gate g; /* for whatever would be read */
	struct due_item inside = {.id = 0};
	struct works w;
	uint64_t last;

	REQUIRE(works_open(&w));
	fill_sched(&w, &inside);
	last = w.o->parts[0].last;
	CHECK(last > inside.id);
	gate_close(&g);
	turn(&w, inside.id, inside.record_no);
	CHECK(gate_somebody_waits("outbound.due"));
	gate_open(&g);
	CHECK_INT(w.o->nleft, 1);
	CHECK_INT(w.o->parts[0].last, last);
	make_place(&w, inside.id);
	CHECK_INT(w.o->nleft, 0);
	CHECK_INT(w.o->parts[0].last, last);
	works_close(&w);
}

/* Beyond that they are found by looking. */
TEST_FIBER(cross_more_turned_than_are_remembered)
{
	struct due_item inside = {.id = 0};
	struct works w;
	uint64_t older;
	size_t n;

	REQUIRE(works_open(&w));
	fill_sched(&w, &inside);
	older = w.items[0].id;
	turn(&w, inside.id, inside.record_no);
	CHECK_INT(w.o->nleft, 1);
	/* Others are remembered in its place. */
	for (w.o->nleft = 0; w.o->nleft < OUTBOUND_LEFT_MAX; w.o->nleft++)
		w.o->left[w.o->nleft] = (struct sched_key){0, older};
	n = works_items(&w);
	for (size_t i = 0; i < n; i++) {
		if (w.items[i].id == inside.id)
			outbound_turned(w.o, part_of(&w), &w.items[i]);
	}
	CHECK_INT(w.o->nleft, OUTBOUND_LEFT_MAX);
	CHECK_INT(w.o->parts[0].again, inside.id - 1);
	make_place(&w, inside.id);
	works_close(&w);
}

/* ---- reports ---- */

/* Its answer was lost, so it comes again: what it made of the item stays. */
TEST_FIBER(cross_report_comes_twice)
{
	static const struct {
		const char *status;
		enum job_kind kind;
		enum job_action action;
	} cases[] = {
		{"5.1.1", JOB_NOTICE, JOB_FAILED},
		{"2.0.0", JOB_NOTICE, JOB_RELAYED},
	};
	struct works w;

	REQUIRE(works_open(&w));
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct mail mail = {
			1 + i, 0, NULL, {"x@elsewhere.test"}, NOTIFY_SUCCESS | NOTIFY_FAILURE};
		struct outbound_job *j;
		struct job row;

		works_submit(&w, &mail);
		j = works_take(&w);
		REQUIRE(j != NULL && j->lease.kind == LEASE_SEND);
		check_note("%s", cases[i].status);
		for (size_t k = 0; k < 3; k++)
			CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, cases[i].status, "words"),
				  E_OK);
		REQUIRE(works_items(&w) == 1);
		row = works_job_at(&w, 0);
		CHECK_INT(row.kind, cases[i].kind);
		CHECK_INT(row.action, cases[i].action);
		j = works_take(&w);
		REQUIRE(j != NULL && j->lease.kind == LEASE_NOTICE);
		for (size_t k = 0; k < 2; k++)
			CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "2.0.0", ""), E_OK);
		CHECK_INT(works_items(&w), 0);
		CHECK_INT(sched_count(outbound_sched(w.o)), 0);
	}
	works_close(&w);
}

/* ---- leases ---- */

/* Who is here still has it, for as long as what it says would count. */
TEST_FIBER(cross_lease_lasts_as_its_token)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct works w;
	struct outbound_job *j;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	works_move_clock(&w, LEASE_TOKEN_LIFE_S * 1000000LL - MINUTE_US);
	CHECK_INT(sched_tick(outbound_sched(w.o), clock_wall_us()), 0);
	works_move_clock(&w, 2 * MINUTE_US);
	CHECK_INT(sched_tick(outbound_sched(w.o), clock_wall_us()), 1);
	works_close(&w);
}

/* The worker is gone; what it had is ready again, and it may still report. */
WAITS static bool lose_worker(struct works *w, const struct outbound_job *j)
{
	int64_t deadline = deadline_in(10000);
	struct sched_info info;
	struct sched_key key;

	outbound_worker_free(&w->worker);
	works_move_clock(w, MINUTE_US);
	if (!outbound_key(w->o, 0, j->lease.items[0], &key))
		return false;
	do
		fiber_yield();
	while (sched_get(outbound_sched(w->o), key, clock_wall_us(), &info) == E_OK &&
	       info.state == SCHED_LEASED && clock_mono_ms() < deadline);
	return info.state == SCHED_READY &&
	       outbound_worker_new(w->o, &works_fe2, &w->worker) == E_OK;
}

/* The i-th item's place in w->items. */
static size_t place_of(struct works *w, uint64_t item)
{
	size_t n = works_items(w), i = 0;

	while (i < n && w->items[i].id != item)
		i++;
	return i;
}

/* While senders are told of delays, one of the messages turns out to have been refused: that is
 * what its sender hears, and it is not sent again. */
TEST_FIBER(cross_delay_and_refusal)
{
	enum { MANY = 20 };
	struct outbound_job *j, late;
	struct works w;
	struct job row;
	int64_t deadline;

	REQUIRE(works_open(&w));
	for (unsigned i = 1; i <= MANY; i++) {
		struct mail mail = {i, 0, NULL, {"x@elsewhere.test"}, 0};

		works_submit(&w, &mail);
	}
	REQUIRE(works_known(&w, MANY));
	j = works_take(&w);
	REQUIRE(j != NULL);
	late = *j;
	REQUIRE(lose_worker(&w, &late));
	works_move_clock(&w, 12 * HOUR_US);
	deadline = deadline_in(10000);
	while (works_items(&w) < MANY + 2 && clock_mono_ms() < deadline)
		fiber_yield();
	CHECK(works_items(&w) < 2 * MANY); /* or nothing crosses */
	CHECK_ERR(works_tell(&w, &late, OUTBOUND_TRIED, "5.1.1", "550 no such user"), E_OK);
	while (works_items(&w) < 2 * MANY && clock_mono_ms() < deadline)
		fiber_yield();
	REQUIRE(works_known(&w, 2 * MANY));
	REQUIRE(works_restart(&w, NULL)); /* all that was under way has ended */
	row = works_job_at(&w, place_of(&w, late.lease.items[0]));
	CHECK_INT(row.kind, JOB_NOTICE);
	CHECK_INT(row.action, JOB_FAILED);
	CHECK_SLICE(row.status, SL("5.1.1"));
	works_close(&w);
}

struct ordering {
	struct works *w;
	enum queue_action action;
	uint64_t item;
	struct queue_done done;
};

WAITS static void give_order(void *arg)
{
	struct ordering *p = arg;
	struct queue_order order = {
		.action = p->action, .reason = SL("because"), .who = SL("admin/test")};

	CHECK_ERR(outbound_order(p->w->o, part_of(p->w), &order, &p->item, 1, &p->done), E_OK);
}

/* An order and a late report for the same item, at the same time: neither undoes the other. */
TEST_FIBER(cross_order_and_report)
{
	static const struct {
		enum queue_action action;
		const char *status;
		enum job_kind kind; /* that the item is afterwards */
		bool held;
		uint32_t attempts;
	} cases[] = {
		{QUEUE_ACT_HOLD, "4.2.2", JOB_OUTSIDE, true, 1},
		{QUEUE_ACT_HOLD, "5.1.1", JOB_NOTICE, true, 0},
		{QUEUE_ACT_BOUNCE, "4.2.2", JOB_NOTICE, false, 0},
		{QUEUE_ACT_BOUNCE, "5.1.1", JOB_NOTICE, false, 0},
	};
	struct works w;

	REQUIRE(works_open(&w));
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct mail mail = {1 + i, 0, NULL, {"x@elsewhere.test"}, 0};
		struct ordering p = {.w = &w, .action = cases[i].action};
		struct outbound_job *j, late;
		struct scope scope;
		struct job row;

		check_note("case %u", i);
		works_submit(&w, &mail);
		j = works_take(&w);
		REQUIRE(j != NULL && j->lease.kind == LEASE_SEND);
		late = *j;
		REQUIRE(lose_worker(&w, &late));
		p.item = late.lease.items[0];
		scope_init(&scope);
		CHECK_ERR(scope_start(&scope, "test.order", give_order, &p), E_OK);
		fiber_yield();
		CHECK_ERR(works_tell(&w, &late, OUTBOUND_TRIED, cases[i].status, "words"), E_OK);
		CHECK_ERR(scope_join(&scope, NO_DEADLINE), E_OK);
		row = works_job_at(&w, place_of(&w, p.item));
		CHECK_INT(row.kind, cases[i].kind);
		CHECK_INT(row.held, cases[i].held && cases[i].kind == JOB_OUTSIDE);
		CHECK_INT(row.attempts, cases[i].attempts);
		p.action = QUEUE_ACT_DROP;
		give_order(&p);
		CHECK_INT(works_items(&w), 0);
		CHECK_INT(sched_count(outbound_sched(w.o)), 0);
	}
	works_close(&w);
}

/* What an item's time is over for is not there any more: nor does the scheduler know it. */
TEST_FIBER(cross_expired_row_is_gone)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct queue_edit edit = {.what = QUEUE_REMOVE};
	struct change_queue c;
	struct works w;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 1) && works_items(&w) == 1);
	edit.id = w.items[0].id;
	change_queue_init(&c);
	c.edits = &edit;
	c.n = 1;
	CHECK_ERR(store_change(part_of(&w), &c.change), E_OK);
	works_move_clock(&w, 49 * HOUR_US);
	CHECK(works_known(&w, 0));
	works_close(&w);
}

/* A host that turns away a second connection gets fewer, instead of one after the other. */
TEST_FIBER(cross_crowded_is_heard)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, 0};
	struct sched_destination before, after;
	struct outbound_result r;
	struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL);
	r = (struct outbound_result){.lease = &j->lease,
				     .worker = outbound_worker_number(w.worker),
				     .end = OUTBOUND_UNTRIED,
				     .crowded = true};
	CHECK_ERR(sched_destination_get(outbound_sched(w.o), SL("elsewhere.test"), &before), E_OK);
	CHECK_ERR(outbound_report(w.o, part_of(&w), &r, 1), E_OK);
	CHECK_ERR(sched_destination_get(outbound_sched(w.o), SL("elsewhere.test"), &after), E_OK);
	CHECK_INT(after.window, before.window / 2);
	CHECK_INT(after.leased, 0);
	works_close(&w);
}

/* ---- holds ---- */

static enum sched_state state_of(struct works *w, uint64_t item)
{
	struct sched_info info = {.state = SCHED_STATES};
	struct sched_key key;

	CHECK(outbound_key(w->o, 0, item, &key));
	CHECK_ERR(sched_get(outbound_sched(w->o), key, clock_wall_us(), &info), E_OK);
	return info.state;
}

/* A sender is held by the guard and suspended by the operator: until both have let go. */
TEST_FIBER(cross_two_holds_of_one_sender)
{
	static const char key[] = "outbound.suspended_senders";
	slice_t alice = SL("alice@example.org");
	struct mail mail = {1, 0, "alice@example.org", {"x@elsewhere.test"}, 0};
	struct guard *g = NULL;
	struct diag d = {""};
	struct works w;
	struct dir *dir;
	uint64_t item;

	REQUIRE(works_open(&w));
	dir = w.room.rig.d;
	mail.account = room_account(&w.room, "alice@example.org", 0, 0);
	REQUIRE(guard_open(dir, dir_kv_mem_ops(w.room.rig.kv), w.none, &g) == E_OK);
	outbound_guard(w.o, g);
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 1) && works_items(&w) == 1);
	item = w.items[0].id;
	CHECK_INT(state_of(&w, item), SCHED_READY);
	/* The operator lets go first. */
	CHECK_ERR(dir_account_hold(dir, &rig_actor, alice, SL("odd"), &d), E_OK);
	CHECK_ERR(dir_setting_set(dir, &rig_actor, slice_str(key), alice, &d), E_OK);
	REQUIRE(rig_synced(&w.room.rig));
	CHECK_INT(state_of(&w, item), SCHED_HELD_SENDER);
	CHECK_ERR(dir_setting_unset(dir, &rig_actor, slice_str(key), &d), E_OK);
	REQUIRE(rig_synced(&w.room.rig));
	CHECK_INT(state_of(&w, item), SCHED_HELD_SENDER);
	/* The guard does. */
	CHECK_ERR(dir_setting_set(dir, &rig_actor, slice_str(key), alice, &d), E_OK);
	REQUIRE(rig_synced(&w.room.rig));
	CHECK_ERR(dir_account_release(dir, &rig_actor, alice, &d), E_OK);
	REQUIRE(rig_synced(&w.room.rig));
	CHECK_INT(state_of(&w, item), SCHED_HELD_SENDER);
	CHECK_ERR(dir_setting_unset(dir, &rig_actor, slice_str(key), &d), E_OK);
	REQUIRE(rig_synced(&w.room.rig));
	CHECK_INT(state_of(&w, item), SCHED_READY);
	outbound_worker_free(&w.worker);
	outbound_stop(&w.o);
	guard_close(&g);
	works_close(&w);
}

/* ---- time ---- */

struct taker {
	struct works *w;
	struct outbound_batch batch;
	struct event took;
};

WAITS static void take_one(void *arg)
{
	struct taker *t = arg;

	while (outbound_take(t->w->worker, &t->batch) == E_OK && t->batch.n == 0)
		outbound_batch_fini(&t->batch);
	event_set(&t->took);
}

/* A sender that has sent enough for now sleeps from a moment on at which nobody looks at the time:
 * its next message goes when its pause is over all the same. */
TEST_FIBER(cross_pace_wakes_by_itself)
{
	enum { BURST = 10 }; /* a sixth of a minute's */
	struct taker *t = xcalloc(1, sizeof *t);
	struct outbound_job *j;
	struct scope scope;
	struct works w;

	REQUIRE(works_open(&w));
	REQUIRE(works_restart(&w, "outbound.pace_account=60"));
	for (unsigned i = 0; i <= BURST; i++) {
		char to[] = {'x', '@', (char)('a' + i), '.', 't', 'e', 's', 't', '\0'};
		struct mail mail = {1 + i, 0, NULL, {to}, 0};

		works_submit(&w, &mail);
	}
	REQUIRE(works_known(&w, BURST + 1));
	CHECK(gate_somebody_waits("outbound.due"));
	for (size_t n = 0; n < BURST; n += w.batch->n) {
		j = works_take(&w);
		REQUIRE(j != NULL);
	}
	t->w = &w;
	event_init(&t->took);
	scope_init(&scope);
	CHECK_ERR(scope_start(&scope, "test.take", take_one, t), E_OK);
	CHECK_ERR(event_wait(&t->took, "test.took", deadline_in(8000)), E_OK);
	CHECK_INT(t->batch.n, 1);
	scope_cancel(&scope);
	(void)scope_join(&scope, NO_DEADLINE);
	outbound_batch_fini(&t->batch);
	xfree(&t);
	works_close(&w);
}

/* A row that cannot be read, in a queue of its own. */
static void break_partition(struct works *w)
{
	struct partition *part = partitions_get(w->room.parts, 1);
	struct kv_txn *t = NULL;
	struct rec_key key;

	key_id(&key, 1);
	CHECK_ERR(kv_write(part->kv, &t), E_OK);
	CHECK_ERR(kv_put(t, T_QUEUE, rec_key(&key), SL("?")), E_OK);
	CHECK_ERR(kv_commit(&t), E_OK);
}

/* One partition that cannot be read does not stop time for the others. */
TEST_FIBER(cross_broken_partition)
{
	struct mail mail = {1, 0, NULL, {"x@elsewhere.test"}, NOTIFY_FAILURE};
	int64_t deadline = deadline_in(10000);
	struct works w;

	REQUIRE(works_open(&w));
	works_submit(&w, &mail);
	REQUIRE(works_known(&w, 1) && gate_somebody_waits("outbound.due"));
	break_partition(&w);
	works_move_clock(&w, 49 * HOUR_US);
	while (works_job_at(&w, 0).kind != JOB_NOTICE && clock_mono_ms() < deadline)
		fiber_yield();
	CHECK_INT(works_job_at(&w, 0).kind, JOB_NOTICE);
	CHECK_SLICE(works_job_at(&w, 0).status, SL("5.4.7"));
	works_close(&w);
}

/* The one that was tried is given up, for its time is over; that says nothing good of where it
 * went. */
TEST_FIBER(cross_given_up_is_not_reached)
{
	struct mail mail = {1, 0, NULL, {"x@dead.test"}, 0};
	struct sched_destination d;
	struct outbound_job *j;
	struct works w;

	REQUIRE(works_open(&w));
	REQUIRE(works_restart(&w, "outbound.expiry=30m"));
	for (unsigned i = 1; i <= 5; i++) {
		mail.txid = i;
		works_submit(&w, &mail);
	}
	REQUIRE(works_known(&w, 5));
	j = works_take(&w);
	REQUIRE(j != NULL);
	works_move_clock(&w, 31 * MINUTE_US);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_UNREACHABLE, "4.4.1", "refused"), E_OK);
	CHECK_ERR(sched_destination_get(outbound_sched(w.o), SL("dead.test"), &d), E_OK);
	CHECK_INT(d.failures, 1);
	CHECK(d.down_until_us > clock_wall_us());
	works_close(&w);
}

/* That a sender's address cannot be followed now (here aliases go too deep) does not mean that
 * there is nobody to be told. */
TEST_FIBER(cross_notice_waits)
{
	enum { DEEP = DIR_DEPTH_MAX + 2 };
	struct mail mail = {1, 0, "a@example.org", {"x@elsewhere.test"}, NOTIFY_FAILURE};
	char from[] = "a@example.org", to[] = "b@example.org";
	int64_t deadline = deadline_in(10000);
	struct taker *t = xcalloc(1, sizeof *t);
	struct outbound_job *j;
	struct diag d = {""};
	struct scope scope;
	struct works w;

	REQUIRE(works_open(&w));
	for (unsigned i = 0; i < DEEP; i++) {
		from[0] = (char)('a' + i);
		to[0] = (char)('b' + i);
		REQUIRE(rig_alias(&w.room.rig, from, DIR_ALIAS, to) == E_OK);
	}
	REQUIRE(room_account(&w.room, to, 0, 0) != 0 && rig_synced(&w.room.rig));
	works_submit(&w, &mail);
	j = works_take(&w);
	REQUIRE(j != NULL && j->lease.kind == LEASE_SEND);
	CHECK_ERR(works_tell(&w, j, OUTBOUND_TRIED, "5.1.1", "550 no such user"), E_OK);
	t->w = &w;
	event_init(&t->took);
	scope_init(&scope);
	CHECK_ERR(scope_start(&scope, "test.take", take_one, t), E_OK);
	while (works_job_at(&w, 0).next_us <= clock_wall_us() &&
	       works_job_at(&w, 0).kind != JOB_BAD && clock_mono_ms() < deadline)
		fiber_yield();
	CHECK_INT(works_job_at(&w, 0).kind, JOB_NOTICE);
	CHECK_ERR(dir_alias_remove(w.room.rig.d, &rig_actor, SL("a@example.org"), &d), E_OK);
	REQUIRE(room_account(&w.room, "a@example.org", 0, 0) != 0 && rig_synced(&w.room.rig));
	works_move_clock(&w, 2 * MINUTE_US);
	CHECK_ERR(event_wait(&t->took, "test.took", deadline_in(10000)), E_OK);
	REQUIRE(t->batch.n == 1);
	CHECK_INT(t->batch.jobs[0].lease.kind, LEASE_NOTICE);
	CHECK_INT(t->batch.jobs[0].targets.n, 1);
	scope_cancel(&scope);
	(void)scope_join(&scope, NO_DEADLINE);
	outbound_batch_fini(&t->batch);
	xfree(&t);
	works_close(&w);
}

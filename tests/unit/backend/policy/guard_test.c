/* Limits, holds and alarms with a directory: what is refused, who is told, and what a restart, or
 * PostgreSQL's absence, leaves of it. */
#include "backend/policy/guard.h"

#include <stdio.h>

#include "tests/lib/moved_clock.h"
#include "tests/unit/backend/directory/rig.h"

#define SECOND 1000000LL
#define HOUR   (3600 * SECOND)

struct play {
	struct rig rig;
	struct guard *g;
	uint64_t alice, bob;
	unsigned txid;
	struct diag words;
	/* What the watcher heard. */
	uint64_t heard;
	bool held;
	unsigned times;
	struct event told;
	/* Whoever looks after accounts. */
	char alarm[2 * DIR_ADDRESS_MAX];
	unsigned alarms;
};

static void on_hold(uint64_t account, bool held, void *arg)
{
	struct play *p = arg;

	p->heard = account;
	p->held = held;
	p->times++;
	event_set(&p->told);
}

static void on_alarm(const struct dir_account *a, slice_t why, void *arg)
{
	struct play *p = arg;

	snprintf(p->alarm, sizeof p->alarm, "%s: %.*s", a->address, (int)why.n, why.p);
	p->alarms++;
}

WAITS static bool start(struct play *p)
{
	enum err e = guard_open(p->rig.d, dir_kv_mem_ops(p->rig.kv), NULL, &p->g);

	if (e == E_OK) {
		guard_watch(p->g, on_hold, p);
		guard_on_alarm(p->g, on_alarm, p);
	}
	return e == E_OK;
}

WAITS static bool play_open(struct play *p)
{
	*p = (struct play){.txid = 0};
	moved_clock_begin();
	event_init(&p->told);
	return rig_open(&p->rig) && rig_account(&p->rig, "alice@example.org", &p->alice) == E_OK &&
	       rig_account(&p->rig, "bob@example.org", &p->bob) == E_OK && start(p);
}

WAITS static void play_close(struct play *p)
{
	guard_close(&p->g);
	rig_close(&p->rig);
	moved_clock_end();
}

WAITS static void set(struct play *p, const char *key, const char *value)
{
	struct diag d = {""};

	CHECK_ERR(dir_setting_set(p->rig.d, &rig_actor, slice_str(key), slice_str(value), &d),
		  E_OK);
	CHECK(rig_synced(&p->rig));
}

/* One message to so many addresses elsewhere, and as many here. */
WAITS static enum err submit(struct play *p, uint64_t account, uint32_t outside, uint32_t here)
{
	uint64_t hashes[512];
	struct rates_mail m = {.txid = ++p->txid,
			       .recipients = outside + here,
			       .outside = hashes,
			       .noutside = outside};
	bool counted;

	for (uint32_t i = 0; i < outside; i++)
		hashes[i] = p->txid * 1000 + i;
	p->words.text[0] = '\0';
	return guard_take(p->g, account, &m, &counted, &p->words);
}

WAITS static bool in_directory(struct play *p, const char *address, const char *why)
{
	struct dir_account_row row;
	struct diag d = {""};
	struct arena mem;
	bool same;

	arena_init(&mem, NULL);
	CHECK_ERR(dir_account_show(p->rig.d, slice_str(address), &mem, &row, &d), E_OK);
	same = why == NULL ? row.held_us == 0 && row.held_why.n == 0
			   : row.held_us != 0 && slice_eq(row.held_why, slice_str(why));
	arena_reset(&mem);
	return same;
}

/* Until no hold is on its way. */
WAITS static bool settled(struct play *p)
{
	int64_t until = deadline_in(20000);

	while (guard_pending(p->g) != 0 && deadline_in(0) < until)
		fiber_yield();
	return guard_pending(p->g) == 0;
}

TEST_FIBER(guard_limits)
{
	uint32_t own[DIR_SENDS];
	struct play p;
	struct diag d = {""};

	REQUIRE(play_open(&p));
	set(&p, "submission.limit_hour", "3");
	for (unsigned i = 0; i < 3; i++)
		CHECK_ERR(submit(&p, p.alice, 1, 0), E_OK);
	CHECK_ERR(guard_may_send(p.g, p.alice, &d), E_RATE);
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_RATE);
	check_note("%s", p.words.text);
	CHECK(slice_starts(slice_str(p.words.text),
			   SL("too many messages in the last hour, try again at ")));
	CHECK(slice_ends(slice_str(p.words.text), SL(" UTC")));
	CHECK_ERR(submit(&p, p.bob, 1, 0), E_OK);
	/* Over it is over. */
	moved_clock_add(HOUR + HOUR / 12 + SECOND);
	CHECK_ERR(guard_may_send(p.g, p.alice, &d), E_OK);
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_OK);
	/* Her own: ten messages, of five recipients in all. */
	for (size_t i = 0; i < DIR_SENDS; i++)
		own[i] = DIR_SEND_DEFAULT;
	own[DIR_SEND_MESSAGES_HOUR] = 10;
	own[DIR_SEND_RECIPIENTS_DAY] = 5;
	CHECK_ERR(dir_account_limit(p.rig.d, &rig_actor, SL("alice@example.org"), own, &d), E_OK);
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_OK);
	CHECK_ERR(submit(&p, p.alice, 0, 1), E_RATE);
	CHECK(slice_starts(slice_str(p.words.text), SL("too many recipients in the last day")));
	CHECK_ERR(submit(&p, p.alice, 1, 5), E_RATE);
	CHECK_STR(p.words.text, "too many recipients for this account's limit");
	play_close(&p);
}

TEST_FIBER(guard_gives_back)
{
	uint64_t hash = 1;
	struct rates_mail m = {.txid = 77, .recipients = 1, .outside = &hash, .noutside = 1};
	struct play p;
	bool counted;

	REQUIRE(play_open(&p));
	set(&p, "submission.limit_day", "1");
	CHECK_ERR(guard_take(p.g, p.alice, &m, &counted, &p.words), E_OK);
	CHECK(counted);
	CHECK_ERR(guard_take(p.g, p.alice, &m, &counted, &p.words), E_OK);
	CHECK(!counted); /* the same again */
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_RATE);
	guard_give_back(p.g, p.alice, &m);
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_OK);
	play_close(&p);
}

TEST_FIBER(guard_holds_a_burst)
{
	struct play p;
	struct diag d = {""};

	REQUIRE(play_open(&p));
	set(&p, "submission.limit_minute", "0");
	for (unsigned i = 0; i < 199; i++)
		CHECK_ERR(submit(&p, p.alice, 1, 1), E_OK);
	CHECK_INT(p.times, 0);
	CHECK_ERR(guard_may_go_out(p.g, p.alice, &d), E_OK);
	/* The one that was too much is taken, and waits with the others. */
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_OK);
	CHECK_INT(p.times, 1);
	CHECK(p.heard == p.alice && p.held);
	CHECK_INT(p.alarms, 1);
	CHECK_STR(p.alarm, "alice@example.org: 200 recipients elsewhere in ten minutes");
	CHECK_ERR(guard_may_go_out(p.g, p.alice, &d), E_RATE);
	CHECK_STR(d.text, "mail to other systems is held, ask your administrator");
	CHECK_ERR(submit(&p, p.alice, 1, 1), E_RATE);
	CHECK_ERR(submit(&p, p.alice, 0, 1), E_OK); /* here it goes on */
	CHECK_ERR(guard_may_go_out(p.g, p.bob, &d), E_OK);
	CHECK_ERR(submit(&p, p.bob, 1, 0), E_OK);
	CHECK(settled(&p));
	CHECK(in_directory(&p, "alice@example.org", "200 recipients elsewhere in ten minutes"));
	CHECK(in_directory(&p, "bob@example.org", NULL));
	CHECK_INT(p.times, 1);
	/* Released, it begins anew. */
	CHECK_ERR(dir_account_release(p.rig.d, &rig_actor, SL("alice@example.org"), &d), E_OK);
	CHECK_INT(p.times, 2);
	CHECK(p.heard == p.alice && !p.held);
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_OK);
	CHECK_INT(p.times, 2);
	CHECK_INT(p.alarms, 1);
	play_close(&p);
}

TEST_FIBER(guard_audits_a_hold)
{
	struct dir_audit_page page;
	struct arena mem;
	struct play p;
	struct diag d = {""};

	REQUIRE(play_open(&p));
	arena_init(&mem, NULL);
	CHECK_ERR(submit(&p, p.alice, 250, 0), E_OK);
	CHECK(settled(&p));
	CHECK_ERR(dir_audit_list(p.rig.d, 0, 1, &mem, &page, &d), E_OK);
	REQUIRE(page.n == 1);
	CHECK_SLICE(page.rows[0].who, SL("backend/be1"));
	CHECK_SLICE(page.rows[0].method, SL("account.hold"));
	CHECK_SLICE(page.rows[0].target, SL("alice@example.org"));
	CHECK_SLICE(page.rows[0].detail, SL("250 recipients elsewhere in ten minutes"));
	arena_reset(&mem);
	play_close(&p);
}

TEST_FIBER(guard_holds_whose_mail_is_refused)
{
	struct play p;

	REQUIRE(play_open(&p));
	guard_tried(p.g, p.alice, 100, 100); /* submitted nothing: not known */
	CHECK_INT(p.times, 0);
	CHECK_ERR(submit(&p, p.alice, 30, 0), E_OK);
	for (unsigned i = 0; i < 14; i++)
		guard_tried(p.g, p.alice, 1, 0);
	for (unsigned i = 0; i < 6; i++)
		guard_tried(p.g, p.alice, 1, 1);
	CHECK_INT(p.times, 0); /* 6 of 20 are 30 % */
	guard_tried(p.g, p.alice, 1, 1);
	CHECK_INT(p.times, 1);
	CHECK(settled(&p));
	CHECK(in_directory(&p, "alice@example.org", "7 of 21 tries were refused for good"));
	play_close(&p);
}

TEST_FIBER(guard_burst_of_its_own)
{
	uint32_t own[DIR_SENDS];
	struct play p;
	struct diag d = {""};

	REQUIRE(play_open(&p));
	for (size_t i = 0; i < DIR_SENDS; i++)
		own[i] = DIR_SEND_DEFAULT;
	own[DIR_SEND_BURST] = 0;
	CHECK_ERR(dir_account_limit(p.rig.d, &rig_actor, SL("alice@example.org"), own, &d), E_OK);
	CHECK_ERR(submit(&p, p.alice, 500, 0), E_OK);
	CHECK_INT(p.times, 0);
	own[DIR_SEND_BURST] = 10;
	CHECK_ERR(dir_account_limit(p.rig.d, &rig_actor, SL("bob@example.org"), own, &d), E_OK);
	CHECK_ERR(submit(&p, p.bob, 10, 0), E_OK);
	CHECK_INT(p.times, 1);
	CHECK(settled(&p));
	play_close(&p);
}

TEST_FIBER(guard_hold_by_hand)
{
	struct play p;
	struct diag d = {""};

	REQUIRE(play_open(&p));
	CHECK_ERR(dir_account_hold(p.rig.d, &rig_actor, SL("alice@example.org"), SL("odd"), &d),
		  E_OK);
	CHECK_INT(p.times, 1);
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_RATE);
	/* Again: the first reason stays. */
	CHECK_ERR(dir_account_hold(p.rig.d, &rig_actor, SL("alice@example.org"), SL("x"), &d),
		  E_OK);
	CHECK(in_directory(&p, "alice@example.org", "odd"));
	CHECK_ERR(dir_account_hold(p.rig.d, &rig_actor, SL("nobody@example.org"), SL("x"), &d),
		  E_NOT_FOUND);
	/* A restart knows it, and tells whoever watches. */
	guard_close(&p.g);
	p.times = 0;
	REQUIRE(start(&p));
	CHECK_INT(p.times, 1);
	CHECK(p.heard == p.alice && p.held);
	CHECK_INT(p.alarms, 0); /* who did it knows */
	play_close(&p);
}

TEST_FIBER(guard_remembers_the_day)
{
	struct play p;

	REQUIRE(play_open(&p));
	set(&p, "submission.limit_day", "3");
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_OK);
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_OK);
	guard_close(&p.g);
	REQUIRE(start(&p));
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_OK);
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_RATE);
	play_close(&p);
}

TEST_FIBER(guard_hold_while_postgresql_is_away)
{
	struct play p;
	struct diag d = {""};

	REQUIRE(play_open(&p));
	pgserver_stop();
	CHECK_ERR(submit(&p, p.alice, 300, 0), E_OK);
	CHECK_ERR(guard_may_go_out(p.g, p.alice, &d), E_RATE);
	CHECK_INT(guard_pending(p.g), 1);
	CHECK_INT(p.alarms, 1);
	/* A restart in the middle of it: the hold is the node's own, perhaps nobody was told. */
	guard_close(&p.g);
	p.times = 0;
	REQUIRE(start(&p));
	CHECK_INT(guard_pending(p.g), 1);
	CHECK_INT(p.times, 1);
	guard_on_alarm(p.g, on_alarm, &p);
	CHECK_INT(p.alarms, 2);
	CHECK_STR(p.alarm, "alice@example.org: 300 recipients elsewhere in ten minutes");
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_RATE);
	pgserver_start();
	CHECK(settled(&p));
	CHECK(in_directory(&p, "alice@example.org", "300 recipients elsewhere in ten minutes"));
	CHECK_INT(p.times, 1);
	/* And is not there a second time. */
	CHECK_ERR(dir_account_release(p.rig.d, &rig_actor, SL("alice@example.org"), &d), E_OK);
	guard_close(&p.g);
	REQUIRE(start(&p));
	CHECK_INT(guard_pending(p.g), 0);
	CHECK_ERR(submit(&p, p.alice, 1, 0), E_OK);
	play_close(&p);
}

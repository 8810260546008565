/* Reports on their way to a played worker: given once, what they say of us, how they end. */
#include "backend/queue/tls_desk.h"

#include <time.h>

#include "common/base/clock.h"
#include "proto/settings.h"
#include "tests/unit/backend/directory/rig.h"

#define DAY_US (24 * 3600 * 1000000LL)
#define YIELDS 50 /* more than any turn of the desk takes */

static int64_t ahead_us;

static int64_t wall_us(void)
{
	return 20000 * DAY_US + ahead_us;
}

static int64_t mono_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct office {
	struct rig rig;
	struct node *node;
	struct tls_sums *sums;
	struct conf *settings;
	struct tls_desk *desk;
	struct arena mem;
};

static void set(struct office *o, const char *setting)
{
	struct diag d = {""};

	CHECK_ERR(conf_set(o->settings, slice_str(setting), &d), E_OK);
}

/* With one report that is due. */
WAITS static bool office_open(struct office *o)
{
	struct tls_sessions v = {.domain = SL("a.test"), .type = TLS_POLICY_NONE, .count = 3};
	struct diag d;

	*o = (struct office){.node = NULL};
	arena_init(&o->mem, NULL);
	o->settings = conf_new(settings_table, settings_table_len);
	ahead_us = 0;
	clock_replace(wall_us, mono_us);
	if (!rig_open(&o->rig) || node_open(check_tmpdir(), 64u << 20, &o->node, &d) != E_OK ||
	    tls_sums_open(o->node, 0, 0, &o->sums) != E_OK ||
	    tls_sums_add(o->sums, &v, 1, 0) != E_OK)
		return false;
	ahead_us = DAY_US + TLS_SUMS_SPREAD_US;
	o->desk = tls_desk_new(o->sums, o->rig.d, o->settings);
	return true;
}

WAITS static void office_close(struct office *o)
{
	tls_desk_free(&o->desk);
	tls_sums_close(&o->sums);
	node_close(&o->node);
	rig_close(&o->rig);
	conf_free(&o->settings);
	arena_reset(&o->mem);
	clock_replace(NULL, NULL);
}

static const struct tls_row *row(const struct office *o)
{
	return tls_sums_next(o->sums, 0);
}

TEST_FIBER(tls_desk_gives_a_report_once)
{
	struct office o;
	struct tls_job j;

	REQUIRE(office_open(&o));
	set(&o, "default_domain=our.test");
	CHECK_ERR(tls_desk_take(o.desk, &o, &o.mem, &j), E_OK);
	CHECK_STR(j.row->domain, "a.test");
	CHECK_INT(j.sum.policies[0].successes, 3);
	CHECK_SLICE(j.contact, SL("postmaster@our.test"));
	CHECK_SLICE(j.organization, SL("our.test"));
	CHECK(slice_starts(j.report_id, SL("2024-10-04.be1.")) &&
	      slice_ends(j.report_id, SL("@our.test")));
	/* Nobody else's; and no more addresses than there may be. */
	CHECK_ERR(tls_desk_address(o.desk, &j, j.id), E_NOT_FOUND);
	CHECK_ERR(tls_desk_over(o.desk, &j, j.id, TLS_ROW_SENT, SLICE_NONE), E_NOT_FOUND);
	CHECK_ERR(tls_desk_address(o.desk, &o, j.id + 1), E_NOT_FOUND);
	for (unsigned i = 0; i < TLS_DESK_ADDRESS_MAX; i++)
		CHECK_ERR(tls_desk_address(o.desk, &o, j.id), E_OK);
	CHECK_ERR(tls_desk_address(o.desk, &o, j.id), E_LIMIT);
	CHECK_ERR(tls_desk_over(o.desk, &o, j.id, TLS_ROW_SENT, SL("to x@a.test")), E_OK);
	CHECK_ERR(tls_desk_over(o.desk, &o, j.id, TLS_ROW_FAILED, SLICE_NONE), E_NOT_FOUND);
	CHECK_ERR(tls_desk_finish(&j), E_OK);
	CHECK_INT(row(&o)->state, TLS_ROW_SENT);
	CHECK_STR(row(&o)->last, "to x@a.test");
	office_close(&o);
}

/* The next try is the same report: who has it already sees that. */
TEST_FIBER(tls_desk_tries_again_under_one_id)
{
	struct office o;
	struct tls_job j;
	slice_t id;

	REQUIRE(office_open(&o));
	set(&o, "tlsrpt.contact=tls@our.test");
	set(&o, "tlsrpt.organization=Our Test");
	CHECK_ERR(tls_desk_take(o.desk, &o, &o.mem, &j), E_OK);
	id = j.report_id;
	CHECK_SLICE(j.contact, SL("tls@our.test"));
	CHECK_SLICE(j.organization, SL("Our Test"));
	tls_desk_drop(&j);
	CHECK_ERR(tls_desk_finish(&j), E_OK);
	CHECK_INT(row(&o)->state, TLS_ROW_WAITING);
	CHECK_STR(row(&o)->last, "the worker has gone");
	ahead_us += TLS_SUMS_AGAIN_US;
	CHECK_ERR(tls_desk_take(o.desk, &o, &o.mem, &j), E_OK);
	CHECK_SLICE(j.report_id, id);
	CHECK_ERR(tls_desk_over(o.desk, &o, j.id, TLS_ROW_UNWANTED, SLICE_NONE), E_OK);
	CHECK_ERR(tls_desk_finish(&j), E_OK);
	CHECK_INT(row(&o)->state, TLS_ROW_UNWANTED);
	office_close(&o);
}

struct clerk {
	struct office *o;
	enum err e;
	bool over;
};

WAITS static void clerk_run(void *arg)
{
	struct clerk *c = arg;
	struct tls_job j;

	c->e = tls_desk_take(c->o->desk, c, &c->o->mem, &j);
	if (c->e == E_OK)
		c->e = tls_desk_finish(&j);
	c->over = true;
}

/* Neither where it is not to be sent, nor where nobody could be answered to; and a report that a
 * worker has when its link ends is put off. */
TEST_FIBER(tls_desk_keeps_reports)
{
	static const struct {
		const char *setting;
		bool given;
	} rows[] = {
		{"tlsrpt.send=false", false},
		{"default_domain=", false},
		{"tlsrpt.contact=tls@our.test", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct office o;
		struct clerk c = {.o = &o};
		struct scope s;

		check_note("%s", rows[i].setting);
		REQUIRE(office_open(&o));
		set(&o, "default_domain=our.test");
		set(&o, rows[i].setting);
		scope_init(&s);
		CHECK_ERR(scope_start(&s, "test.clerk", clerk_run, &c), E_OK);
		for (unsigned k = 0; k < YIELDS || (rows[i].given && !row(&o)->busy); k++)
			fiber_yield();
		CHECK_INT(row(&o)->busy, rows[i].given);
		CHECK(!c.over);
		scope_cancel(&s);
		CHECK_ERR(scope_join(&s, NO_DEADLINE), E_OK);
		CHECK_ERR(c.e, E_CANCELLED);
		CHECK_INT(row(&o)->busy, false);
		CHECK_INT(row(&o)->tries, rows[i].given);
		office_close(&o);
	}
}

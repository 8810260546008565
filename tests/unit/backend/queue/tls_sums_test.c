/* Sums of TLS sessions: a day and a domain are one row, due once after the day; kept over a
 * restart, bounded, and gone in the end. The time of day is the test's own. */
#include "backend/queue/tls_sums.h"

#include <stdio.h>
#include <time.h>

#include "backend/queue/tls_sum_pack.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "tests/lib/check.h"

#define HOUR_US (3600 * 1000000LL)
#define DAY_US  (24 * HOUR_US)
#define NOON_US (20000 * DAY_US + 12 * HOUR_US)
#define SOON    (deadline_in(20))

static int64_t wall_now_us;

static int64_t wall_us(void)
{
	return wall_now_us;
}

static int64_t mono_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + wall_now_us - NOON_US;
}

struct kept {
	const char *dir;
	struct node *node;
	struct tls_sums *s;
	struct arena mem;
};

WAITS static void kept_open(struct kept *k, size_t rows_max, size_t bytes_max)
{
	struct diag d;

	if (k->dir == NULL) {
		k->dir = check_tmpdir();
		wall_now_us = NOON_US;
		clock_replace(wall_us, mono_us);
	}
	arena_init(&k->mem, NULL);
	CHECK_ERR(node_open(k->dir, 64u << 20, &k->node, &d), E_OK);
	CHECK_ERR(tls_sums_open(k->node, rows_max, bytes_max, &k->s), E_OK);
}

static void kept_close(struct kept *k)
{
	tls_sums_close(&k->s);
	node_close(&k->node);
	arena_reset(&k->mem);
}

static void kept_end(struct kept *k)
{
	kept_close(k);
	clock_replace(NULL, NULL);
}

static struct tls_sessions good(const char *domain)
{
	return (struct tls_sessions){
		.domain = slice_str(domain), .type = TLS_POLICY_NONE, .count = 1};
}

static struct tls_sessions bad(const char *domain, unsigned result)
{
	return (struct tls_sessions){
		.domain = slice_str(domain),
		.type = TLS_POLICY_STS,
		.policy = SL("version: STSv1\nmode: enforce\nmx: mx.test"),
		.result = result,
		.host = SL("mx.test"),
		.remote = SL("192.0.2.1"),
		.local = SL("192.0.2.2"),
		.why = SL("over"),
		.count = 2,
	};
}

WAITS static enum err add(struct kept *k, struct tls_sessions v)
{
	return tls_sums_add(k->s, &v, 1, 0);
}

static const struct tls_row *only_row(struct kept *k)
{
	const struct tls_row *r = tls_sums_next(k->s, 0);

	CHECK(r != NULL && tls_sums_next(k->s, r->id) == NULL);
	return r;
}

static size_t rows(const struct kept *k)
{
	const struct tls_row *r;
	size_t n = 0;

	for (uint64_t at = 0; (r = tls_sums_next(k->s, at)) != NULL; at = r->id)
		n++;
	return n;
}

static void check_sum(const struct tls_sum *sum)
{
	CHECK_SLICE(sum->domain, SL("a.test"));
	CHECK_INT(sum->n, 2);
	if (sum->n != 2)
		return;
	CHECK_INT(sum->policies[0].type, TLS_POLICY_NONE);
	CHECK_INT(sum->policies[0].successes, 2);
	CHECK_INT(sum->policies[0].n, 0);
	CHECK_INT(sum->policies[1].type, TLS_POLICY_STS);
	CHECK_INT(sum->policies[1].successes, 0);
	CHECK_INT(sum->policies[1].failures, 6);
	CHECK_INT(sum->policies[1].n, 2);
	CHECK_INT(sum->policies[1].details[0].result, TLS_RESULT_EXPIRED);
	CHECK_INT(sum->policies[1].details[0].count, 4);
	CHECK_SLICE(sum->policies[1].details[0].why, SL("over"));
	CHECK_SLICE(sum->policies[1].details[1].remote, SL("192.0.2.1"));
}

TEST_FIBER(tls_sums_of_a_day_are_one_row)
{
	struct tls_sessions both[] = {good("a.test"), bad("a.test", TLS_RESULT_EXPIRED),
				      good("a.test"), bad("b.test", TLS_RESULT_EXPIRED)};
	struct kept k = {0};
	const struct tls_row *r;
	struct tls_sum sum;

	kept_open(&k, 0, 0);
	CHECK_ERR(tls_sums_add(k.s, both, 3, 0), E_OK);
	CHECK_ERR(add(&k, bad("a.test", TLS_RESULT_EXPIRED)), E_OK);
	CHECK_ERR(add(&k, bad("a.test", TLS_RESULT_NOT_TRUSTED)), E_OK);
	r = only_row(&k);
	CHECK_INT(r->successes, 2);
	CHECK_INT(r->failures, 6);
	CHECK_INT(r->from_us, 20000 * DAY_US);
	CHECK_INT(r->to_us, 20001 * DAY_US);
	CHECK_INT(tls_row_state(r), TLS_ROW_COLLECTING);
	CHECK(r->due_us >= r->to_us && r->due_us < r->to_us + TLS_SUMS_SPREAD_US);
	CHECK_ERR(tls_sums_read(k.s, r->id, &k.mem, &sum), E_OK);
	check_sum(&sum);
	kept_close(&k);
	/* After a restart, too; and it goes on to collect. */
	kept_open(&k, 0, 0);
	r = only_row(&k);
	CHECK_INT(r->failures, 6);
	CHECK_STR(r->domain, "a.test");
	CHECK_ERR(tls_sums_read(k.s, r->id, &k.mem, &sum), E_OK);
	check_sum(&sum);
	CHECK_ERR(add(&k, good("a.test")), E_OK);
	CHECK_INT(only_row(&k)->successes, 3);
	CHECK_ERR(tls_sums_add(k.s, both + 3, 1, 0), E_OK);
	CHECK_INT(rows(&k), 2);
	wall_now_us += DAY_US;
	CHECK_ERR(add(&k, good("a.test")), E_OK);
	CHECK_INT(rows(&k), 3);
	kept_end(&k);
}

TEST_FIBER(tls_sums_are_due_after_the_day)
{
	const struct tls_row *r;
	struct kept k = {0};
	uint64_t id;

	kept_open(&k, 0, 0);
	CHECK_ERR(add(&k, good("a.test")), E_OK);
	CHECK_ERR(tls_sums_take(k.s, SOON, &r), E_TIMEOUT);
	wall_now_us += 12 * HOUR_US - 1;
	CHECK_ERR(tls_sums_take(k.s, SOON, &r), E_TIMEOUT);
	wall_now_us += TLS_SUMS_SPREAD_US + 1;
	CHECK_INT(tls_row_state(only_row(&k)), TLS_ROW_WAITING);
	CHECK_ERR(tls_sums_take(k.s, SOON, &r), E_OK);
	id = r->id;
	/* Nobody else gets it; sessions go elsewhere. */
	CHECK_ERR(tls_sums_take(k.s, SOON, &r), E_TIMEOUT);
	CHECK_ERR(add(&k, good("a.test")), E_OK);
	CHECK_INT(rows(&k), 2);
	tls_sums_settle(k.s, id, TLS_ROW_SENT, SL("to \r\n somebody"));
	CHECK_INT(tls_sums_next(k.s, 0)->state, TLS_ROW_SENT);
	CHECK_STR(tls_sums_next(k.s, 0)->last, "to ?? somebody");
	CHECK_ERR(tls_sums_take(k.s, SOON, &r), E_TIMEOUT);
	kept_close(&k);
	kept_open(&k, 0, 0);
	CHECK_INT(tls_sums_next(k.s, 0)->state, TLS_ROW_SENT);
	CHECK_STR(tls_sums_next(k.s, 0)->last, "to ?? somebody");
	/* What was told stays for a while. */
	wall_now_us = 20001 * DAY_US + TLS_SUMS_KEEP_US - 1;
	CHECK_ERR(add(&k, good("b.test")), E_OK);
	CHECK(tls_sums_next(k.s, 0)->id == id);
	wall_now_us += HOUR_US;
	CHECK_ERR(add(&k, good("b.test")), E_OK);
	CHECK(tls_sums_next(k.s, 0)->id != id);
	kept_close(&k);
	kept_open(&k, 0, 0);
	CHECK(tls_sums_next(k.s, 0)->id != id);
	kept_end(&k);
}

TEST_FIBER(tls_sums_are_tried_again_for_a_day)
{
	const struct tls_row *r;
	struct kept k = {0};
	unsigned tries = 0;

	kept_open(&k, 0, 0);
	CHECK_ERR(add(&k, good("a.test")), E_OK);
	wall_now_us += DAY_US;
	while (tls_sums_take(k.s, SOON, &r) == E_OK && tries < 100) {
		tls_sums_settle(k.s, r->id, TLS_ROW_WAITING, SL("nobody there"));
		tries++;
		CHECK_INT(r->tries, tries);
		CHECK_ERR(tls_sums_take(k.s, SOON, &r), E_TIMEOUT);
		wall_now_us = MAX(wall_now_us, only_row(&k)->due_us);
	}
	CHECK(tries > 5 && tries < 20);
	CHECK_INT(only_row(&k)->state, TLS_ROW_FAILED);
	CHECK(wall_now_us - NOON_US - DAY_US <= TLS_SUMS_TRY_US + 6 * HOUR_US);
	kept_end(&k);
}

struct all {
	struct tls_sums *s;
	size_t sent;
};

WAITS static void send_all(void *arg)
{
	struct all *a = arg;

	a->sent = tls_sums_send_now(a->s, SLICE_NONE);
}

/* An order for all of them keeps nobody waiting who has to do with one. */
TEST_FIBER(tls_sums_go_on_while_all_are_sent)
{
	enum { MANY = 100 };
	struct kept k = {0};
	struct scope scope;
	struct all all;
	char name[24];

	kept_open(&k, 0, 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "d%d.test", i);
		CHECK_ERR(add(&k, good(name)), E_OK);
	}
	all = (struct all){.s = k.s};
	scope_init(&scope);
	REQUIRE(scope_start(&scope, "test.all", send_all, &all) == E_OK);
	fiber_yield();
	CHECK_ERR(add(&k, good("more.test")), E_OK);
	CHECK_INT(all.sent, 0); /* it is at it still */
	CHECK_ERR(scope_join(&scope, NO_DEADLINE), E_OK);
	CHECK(all.sent >= MANY);
	kept_end(&k);
}

TEST_FIBER(tls_sums_are_sent_by_hand)
{
	const struct tls_row *r;
	struct kept k = {0};

	kept_open(&k, 0, 0);
	CHECK_ERR(add(&k, good("a.test")), E_OK);
	CHECK_ERR(add(&k, good("b.test")), E_OK);
	wall_now_us += HOUR_US;
	CHECK_INT(tls_sums_send_now(k.s, SL("c.test")), 0);
	CHECK_INT(tls_sums_send_now(k.s, SL("b.test")), 1);
	CHECK_ERR(tls_sums_take(k.s, SOON, &r), E_OK);
	CHECK_STR(r->domain, "b.test");
	CHECK_INT(r->to_us, wall_now_us);
	tls_sums_settle(k.s, r->id, TLS_ROW_UNWANTED, SLICE_NONE);
	CHECK_INT(tls_sums_send_now(k.s, SLICE_NONE), 1);
	CHECK_ERR(tls_sums_take(k.s, SOON, &r), E_OK);
	CHECK_STR(r->domain, "a.test");
	tls_sums_settle(k.s, r->id, TLS_ROW_SENT, SLICE_NONE);
	/* The rest of the day is another row, also after a restart. */
	kept_close(&k);
	kept_open(&k, 0, 0);
	wall_now_us += HOUR_US;
	CHECK_ERR(add(&k, good("a.test")), E_OK);
	CHECK_INT(rows(&k), 3);
	r = tls_sums_next(k.s, 2);
	CHECK_INT(r->from_us, wall_now_us - HOUR_US);
	CHECK_INT(r->to_us, 20001 * DAY_US);
	kept_end(&k);
}

TEST_FIBER(tls_sums_lose_what_has_no_room)
{
	struct kept k = {0};

	kept_open(&k, 2, 0);
	CHECK_ERR(add(&k, good("a.test")), E_OK);
	CHECK_ERR(add(&k, good("b.test")), E_OK);
	CHECK_ERR(add(&k, bad("c.test", TLS_RESULT_EXPIRED)), E_OK);
	CHECK_INT(tls_sums_lost(k.s), 2);
	CHECK_ERR(add(&k, good("a.test")), E_OK);
	CHECK_INT(tls_sums_next(k.s, 0)->successes, 2);
	CHECK_ERR(tls_sums_add(k.s, NULL, 0, 7), E_OK);
	CHECK_INT(tls_sums_lost(k.s), 9);
	CHECK_INT(rows(&k), 2);
	kept_close(&k);
	/* No bytes left: what is known is counted, nothing is new. */
	kept_open(&k, 0, 1);
	CHECK_ERR(add(&k, good("a.test")), E_OK);
	CHECK_INT(tls_sums_next(k.s, 0)->successes, 3);
	CHECK_ERR(add(&k, bad("a.test", TLS_RESULT_EXPIRED)), E_OK);
	CHECK_ERR(add(&k, good("c.test")), E_OK);
	CHECK_INT(tls_sums_lost(k.s), 3);
	kept_end(&k);
}

/* Makes a row's value one that nothing of ours has written. */
static void spoil(struct kept *k, uint64_t id, slice_t value)
{
	char key[5 + 8] = "tlsr/";

	be64_put(key + 5, id);
	CHECK_ERR(node_put(k->node, NODE_HINTS, slice(key, sizeof key), value, NODE_LAZY), E_OK);
}

/* What one call brings is added as a whole: when something in the middle cannot be read, the rows
 * before it stay as they were, and those that were made go. */
TEST_FIBER(tls_sums_add_all_or_nothing)
{
	const struct tls_sessions v[] = {good("a.test"), good("b.test"), good("c.test"),
					 good("d.test"), good("b.test")};
	const struct tls_row *r;
	struct kept k = {0};
	struct tls_sum sum;
	struct buf huge;

	kept_open(&k, 0, 0);
	CHECK_ERR(tls_sums_add(k.s, v, 3, 0), E_OK);
	CHECK_INT(tls_sums_send_now(k.s, SL("a.test")), 1);
	buf_init(&huge, NODE_VALUE_MAX, NULL);
	while (huge.n < NODE_VALUE_MAX)
		buf_putc(&huge, 'x');
	spoil(&k, 2, buf_slice(&huge));
	buf_fini(&huge);
	/* A row more for a.test, whose day went on; one for d.test; b.test's is spoilt. */
	CHECK_ERR(tls_sums_add(k.s, (const struct tls_sessions[]){v[2], v[0], v[3], v[1]}, 4, 5),
		  E_LIMIT);
	CHECK_INT(rows(&k), 3);
	CHECK_INT(tls_sums_lost(k.s), 0);
	r = tls_sums_next(k.s, 2);
	CHECK_INT(r->successes, 1);
	CHECK_ERR(tls_sums_read(k.s, 3, &k.mem, &sum), E_OK);
	CHECK_INT(sum.policies[0].successes, 1);
	/* Whatever comes next finds all as if that had not been. */
	spoil(&k, 2, SL("rubbish"));
	CHECK_ERR(tls_sums_add(k.s, v, ARRAY_LEN(v), 0), E_OK);
	CHECK_INT(rows(&k), 5);
	r = tls_sums_next(k.s, 3);
	CHECK_STR(r->domain, "a.test");
	CHECK_INT(r->from_us, tls_sums_next(k.s, 0)->to_us);
	CHECK_ERR(tls_sums_read(k.s, 2, &k.mem, &sum), E_OK);
	CHECK_INT(sum.policies[0].successes, 2);
	CHECK_ERR(tls_sums_read(k.s, 3, &k.mem, &sum), E_OK);
	CHECK_INT(sum.policies[0].successes, 2);
	kept_end(&k);
}

TEST_FIBER(tls_sums_bound_a_row)
{
	struct kept k = {0};
	const struct tls_row *r;
	struct tls_sum sum;
	char text[200];

	kept_open(&k, 0, 0);
	for (unsigned i = 0; i < TLS_SUMS_DETAILS_MAX + 20; i++) {
		struct tls_sessions v = bad("a.test", TLS_RESULT_EXPIRED);

		(void)snprintf(text, sizeof text, "mx%u.test", i);
		v.host = slice_str(text);
		CHECK_ERR(add(&k, v), E_OK);
	}
	r = only_row(&k);
	CHECK_INT(r->failures, 2 * (TLS_SUMS_DETAILS_MAX + 20));
	CHECK_INT(r->unlisted, 2 * 20);
	for (unsigned i = 1; i < TLS_SUMS_POLICIES_MAX + 3; i++) {
		struct tls_sessions v = bad("a.test", TLS_RESULT_OK);

		(void)snprintf(text, sizeof text, "policy %u", i);
		v.policy = slice_str(text);
		CHECK_ERR(add(&k, v), E_OK);
	}
	CHECK_INT(tls_sums_lost(k.s), 3 * 2);
	CHECK_ERR(tls_sums_read(k.s, only_row(&k)->id, &k.mem, &sum), E_OK);
	CHECK_INT(sum.n, TLS_SUMS_POLICIES_MAX);
	CHECK_INT(sum.policies[0].n, TLS_SUMS_DETAILS_MAX);
	kept_end(&k);
}

/* What a front-end that lies says does not get in, and nothing beside it. */
TEST_FIBER(tls_sums_refuse_what_no_report_may_say)
{
	struct tls_sessions ok = bad("a.test", TLS_RESULT_EXPIRED), v[20];
	struct kept k = {0};
	char large[TLS_TOLD_POLICY_MAX + 1];
	size_t n = 0;

	memset(large, 'x', sizeof large);
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		v[i] = ok;
	v[n++].domain = SL("A.test");
	v[n++].domain = SL("a..test");
	v[n++].domain = SL("");
	v[n++].type = TLS_POLICY_UNTOLD;
	v[n++].type = TLS_POLICY_LAST + 1;
	v[n++].result = TLS_RESULT_LAST + 1;
	v[n++].count = 0;
	v[n++].count = UINT64_MAX;
	v[n++].policy = slice(large, sizeof large);
	v[n++].policy = SL("a\rb");
	v[n++].policy = SL("\xc3\xa4");
	v[n++].host = slice(large, TLS_SUMS_TEXT_MAX + 1);
	v[n++].remote = slice(large, TLS_SUMS_TEXT_MAX + 1);
	v[n++].local = SL("a\nb");
	v[n++].why = slice(large, TLS_TOLD_REASON_MAX + 1);
	kept_open(&k, 0, 0);
	for (size_t i = 0; i < n; i++) {
		struct tls_sessions two[] = {ok, v[i]};

		check_note("case %zu", i);
		CHECK_ERR(tls_sums_add(k.s, two, 2, 0), E_INVALID);
	}
	CHECK_INT(rows(&k), 0);
	CHECK_ERR(add(&k, ok), E_OK);
	kept_end(&k);
}

/* A row whose bytes are damaged says so, whatever was cut. */
TEST(tls_sum_rows_are_read_with_care)
{
	struct tls_sessions detail = bad("a.test", TLS_RESULT_EXPIRED);
	struct tls_policy_sum policy = {.type = TLS_POLICY_STS,
					.policy = SL("x"),
					.failures = 2,
					.details = &detail,
					.n = 1};
	struct tls_sum sum = {.policies = &policy, .n = 1}, got;
	struct tls_row r = {.domain = "a.test", .last = "so", .tries = 3}, head = {0};
	slice_t in, domain;
	struct arena mem;
	int64_t tried_us;
	bool closed;
	struct buf b;
	size_t content;

	arena_init(&mem, NULL);
	buf_init(&b, 4096, NULL);
	tls_sum_pack_head(&r, 7, true, &b);
	content = b.n;
	tls_sum_pack(&sum, &b);
	in = buf_slice(&b);
	CHECK_ERR(tls_sum_unpack_head(&in, &head, &tried_us, &closed, &domain), E_OK);
	CHECK(closed && tried_us == 7 && head.tries == 3 && in.n == b.n - content);
	CHECK_SLICE(domain, SL("a.test"));
	CHECK_ERR(tls_sum_unpack(in, &mem, &got), E_OK);
	CHECK_SLICE(got.policies[0].details[0].host, SL("mx.test"));
	for (size_t n = 1; n < in.n; n++)
		CHECK_ERR(tls_sum_unpack(slice_sub(in, 0, n), &mem, &got), E_CORRUPT);
	for (size_t n = 0; n < content; n++) {
		slice_t part = slice_sub(buf_slice(&b), 0, n);

		CHECK_ERR(tls_sum_unpack_head(&part, &head, &tried_us, &closed, &domain),
			  E_CORRUPT);
	}
	buf_fini(&b);
	arena_reset(&mem);
}

/* Policies in the node's environment: kept over a restart, gone with their time, bounded. */
#include "backend/queue/sts_cache.h"

#include <stdio.h>
#include <time.h>

#include "common/base/clock.h"
#include "tests/lib/check.h"

static int64_t ahead_us;

static int64_t wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + ahead_us;
}

struct kept {
	const char *dir;
	struct node *node;
	struct sts_cache *c;
	struct arena mem;
	struct sts_row got;
};

WAITS static void kept_open(struct kept *r, size_t limit_bytes)
{
	struct diag d;

	r->dir = r->dir != NULL ? r->dir : check_tmpdir();
	arena_init(&r->mem, NULL);
	CHECK_ERR(node_open(r->dir, 64u << 20, &r->node, &d), E_OK);
	CHECK_ERR(sts_cache_open(r->node, limit_bytes, &r->c), E_OK);
}

static void kept_close(struct kept *r)
{
	sts_cache_close(&r->c);
	node_close(&r->node);
	arena_reset(&r->mem);
}

WAITS static enum err get(struct kept *r, const char *domain)
{
	return sts_cache_get(r->c, slice_str(domain), &r->mem, &r->got);
}

static struct sts_row row(slice_t *mx, size_t n)
{
	return (struct sts_row){
		.mode = 2, .max_age_s = 1000, .id = SL("20260101"), .mx = mx, .n = n};
}

TEST_FIBER(sts_cache_keeps_over_a_restart)
{
	slice_t mx[] = {SL("mx.example.test"), SL("*.example.net")};
	struct sts_row in = row(mx, 2);
	struct kept r = {0};

	kept_open(&r, 0);
	CHECK_ERR(get(&r, "example.test"), E_NOT_FOUND);
	CHECK_ERR(sts_cache_put(r.c, SL("example.test"), &in), E_OK);
	in.mode = 1;
	CHECK_ERR(sts_cache_put(r.c, SL("other.test"), &in), E_OK);
	kept_close(&r);
	kept_open(&r, 0);
	CHECK_ERR(get(&r, "example.test"), E_OK);
	CHECK_INT(r.got.mode, 2);
	CHECK_INT(r.got.max_age_s, 1000);
	CHECK_SLICE(r.got.id, SL("20260101"));
	REQUIRE(r.got.n == 2);
	CHECK_SLICE(r.got.mx[0], mx[0]);
	CHECK_SLICE(r.got.mx[1], mx[1]);
	CHECK(clock_wall_us() - r.got.fetched_us < 60 * 1000000LL);
	CHECK_ERR(get(&r, "other.test"), E_OK);
	CHECK_INT(r.got.mode, 1);
	CHECK_ERR(get(&r, "test"), E_NOT_FOUND);
	in.n = 0;
	in.mode = 0;
	CHECK_ERR(sts_cache_put(r.c, SL("example.test"), &in), E_OK);
	CHECK_ERR(get(&r, "example.test"), E_OK);
	CHECK_INT(r.got.n, 0);
	kept_close(&r);
}

TEST_FIBER(sts_cache_ends_in_time)
{
	slice_t mx[] = {SL("mx.example.test")};
	struct sts_row in = row(mx, 1);
	struct kept r = {0};

	ahead_us = 0;
	clock_replace(wall_us, NULL);
	kept_open(&r, 0);
	CHECK_ERR(sts_cache_put(r.c, SL("example.test"), &in), E_OK);
	ahead_us = 999 * 1000000LL;
	CHECK_ERR(get(&r, "example.test"), E_OK);
	ahead_us = 1001 * 1000000LL;
	CHECK_ERR(get(&r, "example.test"), E_NOT_FOUND);
	ahead_us = -1000000; /* the clock went back */
	CHECK_ERR(get(&r, "example.test"), E_NOT_FOUND);
	ahead_us = 0;
	kept_close(&r);
	clock_replace(NULL, NULL);
}

TEST_FIBER(sts_cache_refuses)
{
	static char text[STS_ROW_NAME_MAX + 1];
	slice_t mx[STS_ROW_MX_MAX + 1];
	struct sts_row bad[5];
	struct kept r = {0};
	struct sts_row most;

	memset(text, 'a', sizeof text);
	for (size_t i = 0; i < ARRAY_LEN(mx); i++)
		mx[i] = slice(text, STS_ROW_NAME_MAX);
	most = row(mx, STS_ROW_MX_MAX);
	most.id = slice(text, STS_ROW_ID_MAX);
	most.max_age_s = STS_ROW_AGE_MAX;
	kept_open(&r, 0);
	CHECK_ERR(sts_cache_put(r.c, SL("example.test"), &most), E_OK);
	CHECK_ERR(get(&r, "example.test"), E_OK);
	CHECK_INT(r.got.n, STS_ROW_MX_MAX);
	CHECK_SLICE(r.got.mx[STS_ROW_MX_MAX - 1], mx[0]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = most;
	bad[0].n++;
	bad[1].id = slice(text, STS_ROW_ID_MAX + 1);
	bad[2].max_age_s++;
	bad[3].mode = STS_ROW_MODE_MAX + 1;
	for (size_t i = 0; i < ARRAY_LEN(bad) - 1; i++) {
		check_note("row %zu", i);
		CHECK_ERR(sts_cache_put(r.c, SL("b.test"), &bad[i]), E_INVALID);
	}
	mx[3] = slice(text, STS_ROW_NAME_MAX + 1);
	CHECK_ERR(sts_cache_put(r.c, SL("b.test"), &bad[4]), E_INVALID);
	CHECK_ERR(get(&r, "b.test"), E_NOT_FOUND);
	kept_close(&r);
}

/* One row a domain, whoever spells it how. */
TEST_FIBER(sts_cache_names)
{
	static const char *const bad[] = {"", "Example.test", "example.test.", "a b", "a/b", "-a"};
	struct sts_row in = row(NULL, 0);
	char name[250];
	struct kept r = {0};

	kept_open(&r, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("name %zu", i);
		CHECK_ERR(sts_cache_put(r.c, slice_str(bad[i]), &in), E_INVALID);
		CHECK_ERR(get(&r, bad[i]), E_INVALID);
	}
	for (size_t i = 0; i < sizeof name; i++)
		name[i] = i % 50 == 49 ? '.' : 'a';
	CHECK_ERR(sts_cache_put(r.c, slice(name, 245), &in), E_OK);
	CHECK_ERR(sts_cache_put(r.c, slice(name, 246), &in), E_INVALID);
	kept_close(&r);
}

TEST_FIBER(sts_cache_is_bounded)
{
	struct sts_row in = row(NULL, 0);
	struct kept r = {0};
	enum err e = E_OK;
	unsigned n = 0;

	ahead_us = 0;
	clock_replace(wall_us, NULL);
	kept_open(&r, 2000);
	for (; e == E_OK && n < 1000; n++) {
		char name[20];

		(void)snprintf(name, sizeof name, "d%03u.test", n);
		e = sts_cache_put(r.c, slice_str(name), &in);
	}
	CHECK_ERR(e, E_LIMIT);
	CHECK(n > 40 && n < 60);
	/* One that is there has its place. */
	in.mode = 1;
	CHECK_ERR(sts_cache_put(r.c, SL("d000.test"), &in), E_OK);
	CHECK_ERR(get(&r, "d000.test"), E_OK);
	CHECK_INT(r.got.mode, 1);
	kept_close(&r);
	/* What is over makes room; at the next start, at the latest. */
	ahead_us = 2000 * 1000000LL;
	kept_open(&r, 2000);
	CHECK_ERR(get(&r, "d000.test"), E_NOT_FOUND);
	CHECK_ERR(sts_cache_put(r.c, SL("new.test"), &in), E_OK);
	kept_close(&r);
	ahead_us = 0;
	clock_replace(NULL, NULL);
}

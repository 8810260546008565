/* What is remembered of answers, for how long, how many, and how often is asked. */
#include "frontend/web/web_cache.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "tests/lib/check.h"

#define KEEP_MS 60000

static int64_t now_ms;

static int64_t fake_us(void)
{
	return now_ms * 1000;
}

/* Empty, at some time. */
static void begin(void)
{
	now_ms = 1000000;
	clock_replace(fake_us, fake_us);
	web_cache_forget();
}

static void end(void)
{
	web_cache_forget();
	CHECK_INT(web_cache_count(), 0);
	clock_replace(NULL, NULL);
}

static enum web_cached find(enum web_page page, const char *domain, const char *text)
{
	enum web_cached got;
	struct arena mem;
	slice_t found = SLICE_NONE;

	arena_init(&mem, NULL);
	got = web_cache_find(page, slice_str(domain), KEEP_MS, &mem, &found);
	CHECK_SLICE(found, slice_str(text));
	arena_reset(&mem);
	return got;
}

static void fill(size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++) {
		char name[32];

		snprintf(name, sizeof name, "%zu.test", i);
		web_cache_put(WEB_PAGE_STS, slice_str(name), slice_str(text));
	}
}

TEST(web_cache_ages)
{
	begin();
	CHECK_INT(find(WEB_PAGE_STS, "a.test", ""), WEB_CACHE_NOTHING);
	web_cache_put(WEB_PAGE_STS, SL("a.test"), SL("one"));
	CHECK_INT(find(WEB_PAGE_STS, "a.test", "one"), WEB_CACHE_FRESH);
	CHECK_INT(find(WEB_PAGE_AUTOCONFIG, "a.test", ""), WEB_CACHE_NOTHING);
	CHECK_INT(find(WEB_PAGE_STS, "b.test", ""), WEB_CACHE_NOTHING);
	now_ms += KEEP_MS - 1;
	CHECK_INT(find(WEB_PAGE_STS, "a.test", "one"), WEB_CACHE_FRESH);
	now_ms += 1;
	CHECK_INT(find(WEB_PAGE_STS, "a.test", "one"), WEB_CACHE_STALE);
	web_cache_put(WEB_PAGE_STS, SL("a.test"), SLICE_NONE);
	CHECK_INT(find(WEB_PAGE_STS, "a.test", ""), WEB_CACHE_FRESH);
	now_ms += WEB_STALE_MS;
	CHECK_INT(find(WEB_PAGE_STS, "a.test", ""), WEB_CACHE_NOTHING);
	CHECK_INT(web_cache_count(), 0);
	end();
}

TEST(web_cache_keeps_so_many)
{
	begin();
	fill(WEB_TEXTS_MAX, "text");
	web_cache_put(WEB_PAGE_STS, SL("0.test"), SL("again"));
	web_cache_put(WEB_PAGE_STS, SL("one more"), SL("text"));
	CHECK_INT(web_cache_count(), WEB_TEXTS_MAX);
	CHECK_INT(find(WEB_PAGE_STS, "0.test", "again"), WEB_CACHE_FRESH);
	CHECK_INT(find(WEB_PAGE_STS, "1.test", ""), WEB_CACHE_NOTHING);
	CHECK_INT(find(WEB_PAGE_STS, "2.test", "text"), WEB_CACHE_FRESH);
	end();
}

TEST(names_that_are_none_push_out_no_text)
{
	begin();
	web_cache_put(WEB_PAGE_STS, SL("ours.test"), SL("text"));
	fill(3 * WEB_NONES_MAX, "");
	CHECK_INT(web_cache_count(), WEB_NONES_MAX + 1);
	CHECK_INT(find(WEB_PAGE_STS, "ours.test", "text"), WEB_CACHE_FRESH);
	end();
}

static bool may_ask(const char *domain)
{
	return web_cache_may_ask(WEB_PAGE_STS, slice_str(domain), WEB_HOST_ANY);
}

/* As many questions as there are for names that are not known. */
static size_t empty(void)
{
	size_t n = 0;

	while (may_ask("unknown.test"))
		n++;
	return n;
}

TEST(questions_are_paced)
{
	begin();
	web_cache_put(WEB_PAGE_STS, SL("none.test"), SLICE_NONE);
	CHECK_INT(empty(), WEB_ASKS_MAX);
	CHECK(!may_ask("none.test"));
	now_ms += 1000 / WEB_ASKS_PER_S - 1;
	CHECK(!may_ask("unknown.test"));
	now_ms += 1;
	CHECK(may_ask("unknown.test"));
	CHECK(!may_ask("unknown.test"));
	now_ms += 3600 * 1000;
	CHECK_INT(empty(), WEB_ASKS_MAX);
	end();
}

/* A text is asked for however many others are, one question at a time, and not without a pause. */
TEST(questions_for_texts_do_not_wait)
{
	begin();
	web_cache_put(WEB_PAGE_STS, SL("ours.test"), SL("text"));
	now_ms += KEEP_MS;
	CHECK_INT(empty(), WEB_ASKS_MAX);
	CHECK(may_ask("ours.test"));
	CHECK(!may_ask("ours.test"));
	CHECK(!web_cache_may_ask(WEB_PAGE_AUTOCONFIG, SL("ours.test"), WEB_HOST_ANY));
	web_cache_unanswered(WEB_PAGE_STS, SL("ours.test"));
	CHECK(!may_ask("ours.test"));
	now_ms += WEB_AGAIN_MS;
	CHECK_INT(empty(), WEB_AGAIN_MS / 1000 * WEB_ASKS_PER_S);
	CHECK(may_ask("ours.test"));
	web_cache_put(WEB_PAGE_STS, SL("ours.test"), SL("another"));
	CHECK(!may_ask("ours.test"));
	/* Within the pause it is one of all. */
	now_ms += 1000 / WEB_ASKS_PER_S;
	CHECK(may_ask("ours.test"));
	CHECK(!may_ask("unknown.test"));
	end();
}

/* Nobody is given it any more; what it was is known still. */
TEST(questions_for_old_texts_do_not_wait)
{
	begin();
	web_cache_put(WEB_PAGE_STS, SL("ours.test"), SL("text"));
	now_ms += WEB_STALE_MS;
	CHECK_INT(find(WEB_PAGE_STS, "ours.test", ""), WEB_CACHE_NOTHING);
	CHECK_INT(empty(), WEB_ASKS_MAX);
	CHECK(may_ask("ours.test"));
	CHECK(!may_ask("ours.test"));
	/* Who comes during the question has nothing to be given: he may ask, in line. */
	now_ms += 1000 / WEB_ASKS_PER_S;
	CHECK(may_ask("ours.test"));
	CHECK(!may_ask("ours.test"));
	/* Gone meanwhile, or unknown: nothing happens. */
	web_cache_unanswered(WEB_PAGE_STS, SL("unknown.test"));
	end();
}

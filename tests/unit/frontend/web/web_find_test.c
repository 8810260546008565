/* Who asks a back-end and who does not, while others ask for ever other names. */
#include "frontend/web/web_find.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "frontend/web/web_cache.h"
#include "tests/lib/check.h"

#define KEEP_MS 60000
#define WAIT_MS 10000

static struct {
	int64_t now_ms;
	const char *text; /* what back-ends say; NULL: none of ours */
	enum err fail;    /* or that they cannot be asked */
	unsigned asked;
	bool hold; /* a question waits for: */
	struct event go;
} w;

static int64_t fake_us(void)
{
	return w.now_ms * 1000;
}

static void begin(void)
{
	memset(&w, 0, sizeof w);
	w.now_ms = 1000000;
	event_init(&w.go);
	clock_replace(fake_us, fake_us);
	web_cache_forget();
}

static void end(void)
{
	web_cache_forget();
	clock_replace(NULL, NULL);
}

WAITS static enum err ask(enum web_page page, slice_t domain UNUSED, struct arena *mem,
			  slice_t *out)
{
	CHECK_INT(page, WEB_PAGE_STS);
	w.asked++;
	if (w.hold)
		CHECK_ERR(event_wait(&w.go, "test.go", deadline_in(WAIT_MS)), E_OK);
	if (w.fail != E_OK)
		return w.fail;
	if (w.text == NULL)
		return E_NOT_FOUND;
	*out = arena_dup(mem, slice_str(w.text));
	return E_OK;
}

WAITS static enum web_status find_at(enum web_host host, const char *domain, const char *text)
{
	struct arena mem;
	slice_t got;
	enum web_status status;

	arena_init(&mem, NULL);
	status = web_find(WEB_PAGE_STS, slice_str(domain), host, KEEP_MS, ask, &mem, &got);
	CHECK_SLICE(got, slice_str(text));
	arena_reset(&mem);
	return status;
}

WAITS static enum web_status find(const char *domain, const char *text)
{
	return find_at(WEB_HOST_ANY, domain, text);
}

/* Ever other names, until nobody is asked for them any more. */
WAITS static void flood(void)
{
	const char *text = w.text;
	unsigned before;

	w.text = NULL;
	for (unsigned i = 0;; i++) {
		char name[32];

		snprintf(name, sizeof name, "%u.invented.test", i);
		before = w.asked;
		if (find(name, "") == WEB_AWAY)
			break;
		REQUIRE(w.asked == before + 1 && i < 2 * WEB_ASKS_MAX);
	}
	CHECK_INT(w.asked, before);
	w.text = text;
}

TEST_FIBER(pages_are_asked_for_once_in_a_while)
{
	begin();
	w.text = "one";
	CHECK_INT(find("ours.test", "one"), WEB_OK);
	w.text = "two";
	CHECK_INT(find("ours.test", "one"), WEB_OK);
	CHECK_INT(w.asked, 1);
	w.now_ms += KEEP_MS;
	CHECK_INT(find("ours.test", "two"), WEB_OK);
	CHECK_INT(w.asked, 2);
	w.now_ms += KEEP_MS;
	w.text = NULL;
	CHECK_INT(find("ours.test", ""), WEB_NOT_FOUND);
	CHECK_INT(find("ours.test", ""), WEB_NOT_FOUND);
	CHECK_INT(w.asked, 3);
	end();
}

TEST_FIBER(a_flood_of_names_keeps_nobody_from_ours)
{
	begin();
	w.text = "one";
	CHECK_INT(find("ours.test", "one"), WEB_OK);
	w.now_ms += KEEP_MS;
	flood();
	w.text = "two";
	CHECK_INT(find("ours.test", "two"), WEB_OK);
	/* Nor when nobody has wanted it for long. */
	w.now_ms += WEB_STALE_MS;
	flood();
	w.text = "three";
	CHECK_INT(find("ours.test", "three"), WEB_OK);
	CHECK_INT(find("unheard.test", ""), WEB_AWAY);
	end();
}

/* Nor from a page that was never served: our certificate names its host, which nobody invents. */
TEST_FIBER(a_flood_of_names_keeps_nobody_from_new_domains)
{
	begin();
	flood();
	w.text = "first";
	CHECK_INT(find("new.test", ""), WEB_AWAY);
	CHECK_INT(find_at(WEB_HOST_NAMED, "new.test", "first"), WEB_OK);
	CHECK_INT(find("new.test", "first"), WEB_OK);
	/* While nobody can say, they have bounds of their own. */
	w.fail = E_BUSY;
	w.asked = 0;
	for (unsigned i = 0; i < WEB_ASKS_MAX + 10; i++)
		CHECK_INT(find_at(WEB_HOST_NAMED, "newer.test", ""), WEB_AWAY);
	CHECK_INT(w.asked, WEB_ASKS_MAX - 1);
	end();
}

WAITS static void visit(void *arg)
{
	enum web_status *status = arg;

	*status = find("ours.test", "two");
}

/* One asks, and waits; the others have the old text at once. */
TEST_FIBER(one_asks_for_all)
{
	enum web_status first = WEB_AWAY;

	begin();
	w.text = "one";
	CHECK_INT(find("ours.test", "one"), WEB_OK);
	w.now_ms += KEEP_MS;
	w.text = "two";
	w.hold = true;
	REQUIRE(fiber_start("test.visit", visit, &first, NULL) == E_OK);
	while (w.asked == 1)
		fiber_yield();
	for (unsigned i = 0; i < 10; i++)
		CHECK_INT(find("ours.test", "one"), WEB_OK);
	CHECK_INT(w.asked, 2);
	CHECK_INT(first, WEB_AWAY);
	event_set(&w.go);
	while (first == WEB_AWAY)
		fiber_yield();
	CHECK_INT(first, WEB_OK);
	CHECK_INT(find("ours.test", "two"), WEB_OK);
	CHECK_INT(w.asked, 2);
	end();
}

/* Who cannot answer is not asked for a text by each visitor. */
TEST_FIBER(back_ends_that_are_away_have_a_pause)
{
	begin();
	w.text = "one";
	CHECK_INT(find("ours.test", "one"), WEB_OK);
	w.now_ms += KEEP_MS;
	flood();
	w.fail = E_BUSY;
	w.asked = 0;
	for (unsigned i = 0; i < 10; i++)
		CHECK_INT(find("ours.test", "one"), WEB_OK);
	CHECK_INT(w.asked, 1);
	w.now_ms += WEB_AGAIN_MS;
	CHECK_INT(find("ours.test", "one"), WEB_OK);
	CHECK_INT(w.asked, 2);
	w.now_ms += WEB_STALE_MS;
	CHECK_INT(find("ours.test", ""), WEB_AWAY);
	CHECK_INT(w.asked, 3);
	w.fail = E_OK;
	CHECK_INT(find("ours.test", "one"), WEB_OK);
	end();
}

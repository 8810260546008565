#include "frontend/web/web_cache.h"

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"

struct entry {
	struct list in_order; /* of when they were put, the oldest first */
	slice_t key, text;    /* behind the entry */
	int64_t put_ms;
	int64_t asked_ms; /* when the last question for it ended */
	bool asking;      /* somebody is; of texts alone */
};

static struct {
	struct map by_key;
	struct kind {
		struct list order;
		size_t n, max;
	} texts, nones;
	/* Thousandths of a question: those that may be asked, and when that was counted. */
	struct pace {
		int64_t asks, counted_ms;
	} paces[WEB_HOSTS];
} cache = {
	.texts = {.order = {&cache.texts.order, &cache.texts.order}, .max = WEB_TEXTS_MAX},
	.nones = {.order = {&cache.nones.order, &cache.nones.order}, .max = WEB_NONES_MAX},
	.paces = {{.asks = WEB_ASKS_MAX * 1000}, {.asks = WEB_ASKS_MAX * 1000}},
};

static struct kind *kind_of(slice_t text)
{
	return text.n != 0 ? &cache.texts : &cache.nones;
}

/* The page in its first byte. */
static slice_t make_key(enum web_page page, slice_t domain, char room[DOMAIN_MAX + 1])
{
	room[0] = (char)page;
	invariant(domain.n <= DOMAIN_MAX);
	memcpy(room + 1, domain.p, domain.n);
	return slice(room, domain.n + 1);
}

static void drop(struct entry *e)
{
	map_del(&cache.by_key, e->key);
	list_remove(&e->in_order);
	kind_of(e->text)->n--;
	xfree(&e);
}

enum web_cached web_cache_find(enum web_page page, slice_t domain, int64_t keep_ms,
			       struct arena *mem, slice_t *text_out)
{
	char room[DOMAIN_MAX + 1];
	struct entry *e = map_get(&cache.by_key, make_key(page, domain, room));
	int64_t age_ms = e != NULL ? clock_mono_ms() - e->put_ms : 0;

	if (e == NULL)
		return WEB_CACHE_NOTHING;
	if (age_ms >= WEB_STALE_MS) {
		/* That there was a text is remembered: such a domain need not wait in line. */
		if (e->text.n == 0)
			drop(e);
		return WEB_CACHE_NOTHING;
	}
	*text_out = arena_dup(mem, e->text);
	return age_ms < keep_ms ? WEB_CACHE_FRESH : WEB_CACHE_STALE;
}

void web_cache_put(enum web_page page, slice_t domain, slice_t text)
{
	char room[DOMAIN_MAX + 1];
	slice_t key = make_key(page, domain, room);
	struct kind *k = kind_of(text);
	struct entry *e = map_get(&cache.by_key, key);
	char *bytes;

	if (e != NULL)
		drop(e);
	if (k->n == k->max)
		drop(container_of(k->order.next, struct entry, in_order));
	e = xmalloc(sizeof *e + key.n + text.n);
	bytes = (char *)(e + 1);
	memcpy(bytes, key.p, key.n);
	if (text.n != 0)
		memcpy(bytes + key.n, text.p, text.n);
	*e = (struct entry){
		.key = slice(bytes, key.n),
		.text = slice(bytes + key.n, text.n),
		.put_ms = clock_mono_ms(),
		.asked_ms = clock_mono_ms(),
	};
	list_append(&k->order, &e->in_order);
	k->n++;
	map_put(&cache.by_key, e->key, e);
}

/* One more question of all that there are. */
static bool pace(struct pace *p)
{
	int64_t now_ms = clock_mono_ms(), passed_ms = now_ms - p->counted_ms;

	/* A millisecond brings as many thousandths as a second brings questions. */
	if (passed_ms >= WEB_ASKS_MAX * 1000 / WEB_ASKS_PER_S)
		p->asks = WEB_ASKS_MAX * 1000;
	else
		p->asks = MIN(p->asks + passed_ms * WEB_ASKS_PER_S, (int64_t)WEB_ASKS_MAX * 1000);
	p->counted_ms = now_ms;
	if (p->asks < 1000)
		return false;
	p->asks -= 1000;
	return true;
}

bool web_cache_may_ask(enum web_page page, slice_t domain, enum web_host host)
{
	char room[DOMAIN_MAX + 1];
	struct entry *e = map_get(&cache.by_key, make_key(page, domain, room));
	struct pace *p = &cache.paces[host];
	int64_t now_ms = clock_mono_ms();

	if (e == NULL || e->text.n == 0)
		return pace(p);
	if (e->asking)
		return now_ms - e->put_ms >= WEB_STALE_MS && pace(p);
	if (now_ms - e->asked_ms < WEB_AGAIN_MS && !pace(p))
		return false;
	e->asking = true;
	return true;
}

void web_cache_unanswered(enum web_page page, slice_t domain)
{
	char room[DOMAIN_MAX + 1];
	struct entry *e = map_get(&cache.by_key, make_key(page, domain, room));

	if (e != NULL) {
		e->asking = false;
		e->asked_ms = clock_mono_ms();
	}
}

size_t web_cache_count(void)
{
	return cache.by_key.count;
}

void web_cache_forget(void)
{
	struct kind *kinds[] = {&cache.texts, &cache.nones};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		while (!list_empty(&kinds[i]->order))
			drop(container_of(kinds[i]->order.next, struct entry, in_order));
	}
	map_fini(&cache.by_key);
	map_init(&cache.by_key);
	for (size_t i = 0; i < WEB_HOSTS; i++)
		cache.paces[i] = (struct pace){.asks = WEB_ASKS_MAX * 1000};
}

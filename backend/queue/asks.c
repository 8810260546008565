#include "backend/queue/asks.h"

#include "backend/policy/window.h"

struct run {
	int64_t began_us;
	struct ipaddr from;
};

struct run_key {
	char b[1 + DIR_ROUTE_DOMAIN_MAX];
};

void asks_init(struct asks *a)
{
	map_init(&a->runs);
	map_init(&a->addresses);
	a->last_us = 0;
}

static void free_all(struct map *m)
{
	struct map_iter it = {0};
	void *v;

	while (map_next(m, &it, NULL, &v))
		xfree(&v);
	map_fini(m);
}

void asks_fini(struct asks *a)
{
	free_all(&a->runs);
	free_all(&a->addresses);
}

/* ---- addresses ---- */

static void forget_silent(struct map *m, int64_t now_us)
{
	struct map_iter it = {0};
	slice_t key;
	void *v;

	while (map_next(m, &it, &key, &v)) {
		if (window_sum(v, WINDOW_MINUTE, now_us) != 0)
			continue;
		map_del(m, key);
		xfree(&v);
	}
}

enum err asks_count(struct asks *a, const struct ipaddr *from, int64_t now_us)
{
	slice_t key = slice(from->b, from->family == 6 ? 8 : 4);
	struct window *w = map_get(&a->addresses, key);

	if (w == NULL && a->addresses.count >= ASKS_ADDRESSES_MAX)
		forget_silent(&a->addresses, now_us);
	if (w == NULL && a->addresses.count >= ASKS_ADDRESSES_MAX)
		return E_LIMIT;
	if (w == NULL) {
		w = xcalloc(1, sizeof *w);
		map_put(&a->addresses, key, w);
	}
	if (window_sum(w, WINDOW_MINUTE, now_us) >= ASKS_PER_MINUTE)
		return E_LIMIT;
	window_add(w, WINDOW_MINUTE, now_us, 1);
	return E_OK;
}

/* ---- runs ---- */

static slice_t key_of(struct run_key *k, enum asked_what what, slice_t name)
{
	size_t n = MIN(name.n, sizeof k->b - 1);

	k->b[0] = (char)('0' + what);
	if (n != 0)
		memcpy(k->b + 1, name.p, n);
	return slice(k->b, 1 + n);
}

static void forget_over(struct map *m, int64_t now_us)
{
	struct map_iter it = {0};
	slice_t key;
	void *v;

	while (map_next(m, &it, &key, &v)) {
		if (((struct run *)v)->began_us + ASKS_RUN_US > now_us)
			continue;
		map_del(m, key);
		xfree(&v);
	}
}

enum err asks_begin(struct asks *a, enum asked_what what, slice_t name, const struct ipaddr *from,
		    int64_t now_us)
{
	struct run_key k;
	slice_t key = key_of(&k, what, name);
	struct run *r = map_get(&a->runs, key);

	if (r != NULL && now_us - r->began_us < ASKS_GAP_US && now_us >= r->began_us)
		return E_LIMIT;
	if (r == NULL && a->runs.count >= ASKS_RUNS_MAX)
		forget_over(&a->runs, now_us);
	if (r == NULL && a->runs.count >= ASKS_RUNS_MAX)
		return E_LIMIT;
	if (r == NULL) {
		r = xcalloc(1, sizeof *r);
		map_put(&a->runs, key, r);
	}
	*r = (struct run){.began_us = now_us, .from = *from};
	a->last_us = MAX(a->last_us, now_us + ASKS_RUN_US);
	return E_OK;
}

static const struct run *find(const struct asks *a, enum asked_what what, slice_t name,
			      int64_t now_us)
{
	struct run_key k;
	const struct run *r = map_get(&a->runs, key_of(&k, what, name));

	return r != NULL && r->began_us + ASKS_RUN_US > now_us ? r : NULL;
}

bool asks_lasts(const struct asks *a, enum asked_what what, slice_t name, int64_t now_us)
{
	return find(a, what, name, now_us) != NULL;
}

static bool is_for(const struct run *run, const struct dir_route *r)
{
	return run != NULL && dir_route_asker(r, &run->from) != DIR_ASKER_NONE;
}

bool asks_has(const struct asks *a, const struct dir_route *r, slice_t domain, int64_t now_us)
{
	if (a->last_us <= now_us || r->etrn.n == 0)
		return false;
	if (is_for(find(a, ASKED_ROUTE, r->domain, now_us), r) ||
	    is_for(find(a, ASKED_NODE, domain, now_us), r))
		return true;
	while (domain.n != 0) {
		if (is_for(find(a, ASKED_BELOW, domain, now_us), r))
			return true;
		domain = slice_from(domain, slice_find_char(domain, '.') + 1);
	}
	return false;
}

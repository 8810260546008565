/*
 * Files that could not be taken just now. They may be any number, for ever: mail of an account that
 * is held, of senders whom nobody answers for. So they have no place among those that are known of
 * a folder, which are few, and no name in memory: what is kept of each is which file it is, when it
 * may be given out again, and, where that is the reason, whose it is. Looks pass over it until
 * then.
 *
 * Those of one sender wait together. When it is time, the one that has waited longest is tried for
 * all of them; if it does not come back, or for another reason, the others follow. So a thousand
 * files of a held account are one try every few minutes.
 *
 * Beyond PICKUP_LATER_MAX they are not remembered: such a file is found again, and tried, by
 * chance, as any other that is not known.
 */
#include <stdio.h>

#include "backend/areas/pickup_priv.h"
#include "common/base/clock.h"
#include "common/log/log.h"

/* Of one sender. */
struct pickup_group {
	struct pickup_server *server;
	uint64_t account;
	char sender[DIR_ADDRESS_MAX + 1]; /* as it is shown */
	char why[PICKUP_WHY_MAX];
	int64_t until_ms;
	unsigned tries;             /* for all of them */
	size_t waits;               /* without the one that is tried */
	struct pickup_file *probe;  /* that one; NULL: none is */
	struct pickup_wait *oldest; /* set by pickup_wait_list() */
};

struct pickup_wait {
	uint64_t name, same; /* as in struct area_known */
	int64_t until_ms;    /* in a group: since when, for their order */
	unsigned tries;
	struct pickup_group *group; /* NULL: it waits for itself */
};

static slice_t key_of(const uint64_t *v)
{
	return slice(v, sizeof *v);
}

static struct pickup_wait *find(const struct pickup_server *s, const char *name)
{
	uint64_t key = map_hash(slice_str(name));

	return map_get(&s->waits, key_of(&key));
}

static int64_t pause_of(const struct pickup *p, unsigned tries)
{
	return p->conf.again_ms * MIN(INT64_C(1) << MIN(tries, 16u), PICKUP_AGAIN_TIMES);
}

/* The last one of a group takes it with it. */
static void group_tidy(struct pickup_group *g)
{
	if (g->waits != 0 || g->probe != NULL)
		return;
	(void)map_del(&g->server->groups, key_of(&g->account));
	xfree(&g);
}

static void wait_free(struct pickup_server *s, struct pickup_wait *w)
{
	struct pickup_group *g = w->group;

	(void)map_del(&s->waits, key_of(&w->name));
	if (g != NULL && g->oldest == w)
		g->oldest = NULL;
	xfree(&w);
	if (g == NULL)
		return;
	g->waits--;
	group_tidy(g);
}

/* All of it may be given out; the next look finds them. */
static void group_open(struct pickup_group *g)
{
	struct pickup_server *s = g->server;
	struct map_iter it = {0};
	void *v;

	LOG(LOG_INFO, NULL, "pickup.goes_on", LF_STR("server", s->name),
	    LF_STR("sender", g->sender), LF_UINT("files", g->waits));
	g->waits++; /* it stays until the last one is out */
	while (map_next(&s->waits, &it, NULL, &v)) {
		struct pickup_wait *w = v;

		if (w->group == g)
			wait_free(s, w);
	}
	g->waits--;
	group_tidy(g);
	s->missed = true;
	event_set(&s->pickup->wake);
}

void pickup_wait_probed(struct pickup_file *f)
{
	struct pickup_group *g = f->probe_of;

	if (g == NULL)
		return;
	f->probe_of = NULL;
	g->probe = NULL;
	group_open(g);
}

void pickup_wait_lost(struct pickup_file *f)
{
	struct pickup_group *g = f->probe_of;

	if (g == NULL)
		return;
	f->probe_of = NULL;
	g->probe = NULL;
	group_tidy(g);
}

/* ---- to be put off ---- */

static struct pickup_group *group_of(const struct pickup_file *f)
{
	return f->asked ? map_get(&f->server->groups, key_of(&f->account)) : f->probe_of;
}

static struct pickup_group *group_new(const struct pickup_file *f)
{
	struct pickup_group *g = xcalloc(1, sizeof *g);

	g->server = f->server;
	g->account = f->account;
	memcpy(g->sender, f->sender, sizeof g->sender);
	(void)map_put(&f->server->groups, key_of(&g->account), g);
	return g;
}

/* The next look at the whole folder gives it out; not at once, should it come back at once. */
static void look_at(struct pickup_server *s, int64_t at_ms)
{
	s->look_ms = MIN(s->look_ms, MAX(at_ms, s->looked_ms + PICKUP_SOON_MS));
}

static void put(struct pickup_file *f, struct pickup_group *g)
{
	struct pickup_server *s = f->server;
	struct pickup_wait *w = xcalloc(1, sizeof *w), *old = find(s, f->f.name);
	int64_t now_ms = clock_mono_ms();

	if (old != NULL)
		wait_free(s, old);
	w->name = map_hash(slice_str(f->f.name));
	w->same = area_mark(&f->f);
	w->tries = f->tries + 1;
	w->until_ms = now_ms + (g != NULL ? 0 : pause_of(s->pickup, f->tries));
	w->group = g;
	if (g != NULL)
		g->waits++;
	(void)map_put(&s->waits, key_of(&w->name), w);
	look_at(s, g != NULL ? g->until_ms : w->until_ms);
	event_set(&s->pickup->wake);
}

static void note_why(char out[PICKUP_WHY_MAX], slice_t why)
{
	snprintf(out, PICKUP_WHY_MAX, "%.*s", (int)why.n, why.p);
}

enum pickup_news pickup_wait_put(struct pickup_file *f, slice_t why)
{
	struct pickup_server *s = f->server;
	struct pickup_group *g = group_of(f);
	enum pickup_news news = PICKUP_NEWS;

	if (f->probe_of != NULL && f->probe_of != g)
		pickup_wait_probed(f);
	if (s->waits.count >= PICKUP_LATER_MAX && find(s, f->f.name) == NULL) {
		pickup_wait_lost(f);
		return PICKUP_CROWDED;
	}
	if (g == NULL && f->asked)
		g = group_new(f);
	else if (g != NULL || f->tries != 0)
		news = PICKUP_NO_NEWS;
	note_why(g != NULL ? g->why : s->why, why);
	if (g != NULL && (g->until_ms == 0 || f->probe_of == g))
		g->until_ms = clock_mono_ms() + pause_of(s->pickup, g->tries++);
	if (f->probe_of != NULL)
		g->probe = NULL;
	f->probe_of = NULL;
	put(f, g);
	return news;
}

/* ---- to go on ---- */

static bool is_due(const struct pickup_wait *w, int64_t now_ms)
{
	const struct pickup_group *g = w->group;

	if (g == NULL)
		return w->until_ms <= now_ms;
	return g->until_ms <= now_ms && g->probe == NULL && g->oldest == w;
}

bool pickup_wait_over(struct pickup_server *s, const struct area_file *found,
		      struct pickup_turn *out)
{
	struct pickup_wait *w = find(s, found->name);

	*out = (struct pickup_turn){.group = NULL};
	if (w == NULL)
		return true;
	if (w->same == area_mark(found)) {
		if (!is_due(w, clock_mono_ms()))
			return false;
		*out = (struct pickup_turn){.whole = true, .tries = w->tries, .group = w->group};
	}
	return true;
}

void pickup_wait_end(struct pickup_file *f, const struct pickup_turn *t)
{
	struct pickup_wait *w = find(f->server, f->f.name);

	f->tries = t->tries;
	f->probe_of = t->group;
	if (t->group != NULL)
		t->group->probe = f;
	if (w != NULL)
		wait_free(f->server, w);
}

/* Which is the next of each group. */
static void find_oldest(struct pickup_server *s)
{
	struct map_iter it = {0};
	void *v;

	while (map_next(&s->groups, &it, NULL, &v))
		((struct pickup_group *)v)->oldest = NULL;
	it = (struct map_iter){0};
	while (map_next(&s->waits, &it, NULL, &v)) {
		struct pickup_wait *w = v;
		struct pickup_group *g = w->group;

		if (g != NULL && (g->oldest == NULL || w->until_ms < g->oldest->until_ms))
			g->oldest = w;
	}
}

size_t pickup_wait_list(struct pickup_server *s, int64_t now_ms, struct area_known *out)
{
	struct map_iter it = {0};
	size_t n = 0;
	void *v;

	find_oldest(s);
	while (map_next(&s->waits, &it, NULL, &v)) {
		const struct pickup_wait *w = v;
		int64_t until_ms = w->group != NULL ? w->group->until_ms : w->until_ms;

		out[n++] = (struct area_known){
			.name = w->name,
			.same = w->same,
			.as = is_due(w, now_ms) ? AREA_NEW : AREA_SKIP,
		};
		if (until_ms > now_ms)
			look_at(s, until_ms);
	}
	return n;
}

void pickup_wait_forget(struct pickup_server *s, const struct area_known *known, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pickup_wait *w = map_get(&s->waits, key_of(&known[i].name));

		if (w != NULL && known[i].as != AREA_KEEP && !known[i].seen &&
		    w->same == known[i].same)
			wait_free(s, w);
	}
}

void pickup_wait_now(struct pickup_server *s, uint64_t account)
{
	struct pickup_group *g = map_get(&s->groups, key_of(&account));

	if (g == NULL || g->probe != NULL)
		return;
	g->until_ms = clock_mono_ms();
	look_at(s, g->until_ms);
	event_set(&s->pickup->wake);
}

void pickup_wait_fini(struct pickup_server *s)
{
	struct map_iter it = {0};
	void *v;

	while (map_next(&s->waits, &it, NULL, &v))
		wait_free(s, v);
	invariant(s->groups.count == 0);
	map_fini(&s->waits);
	map_fini(&s->groups);
}

/* ---- to be shown ---- */

void pickup_waiting(const struct pickup *p, slice_t server, struct pickup_waiting *out)
{
	*out = (struct pickup_waiting){.files = 0};
	list_for_each(i, &p->servers) {
		const struct pickup_server *s = list_entry(i, struct pickup_server, node);
		const struct pickup_group *most = NULL;
		size_t alone = s->waits.count;
		struct map_iter it = {0};
		void *v;

		if (!s->here || !slice_eq(slice_str(s->name), server))
			continue;
		while (map_next(&s->groups, &it, NULL, &v)) {
			const struct pickup_group *g = v;

			alone -= g->waits;
			if (most == NULL || g->waits > most->waits)
				most = g;
		}
		out->files = s->waits.count;
		if (most != NULL && most->waits >= alone)
			snprintf(out->why, sizeof out->why, "%s: %s", most->sender, most->why);
		else if (alone != 0)
			snprintf(out->why, sizeof out->why, "%s", s->why);
	}
}

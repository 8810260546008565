#include "backend/notify/notify.h"

#include <pthread.h>

#include "common/base/map.h"

/* The watchers of one mailbox. */
struct group {
	struct list watchers;
	bool busy; /* its watchers are being told: it stays, even empty */
};

struct notify {
	struct loop *loop;
	struct map groups; /* key_of() -> struct group */
	size_t count;
	pthread_mutex_t lock; /* of what follows: filled by writers, taken by the loop */
	struct partition_event *pending;
	size_t npending, cap;
	bool posted;
};

struct key {
	uint64_t account, mailbox;
};

static slice_t key_of(const struct key *k)
{
	return slice(k, sizeof *k);
}

struct notify *notify_new(struct loop *loop)
{
	struct notify *n = xcalloc(1, sizeof *n);

	n->loop = loop;
	map_init(&n->groups);
	invariant(pthread_mutex_init(&n->lock, NULL) == 0);
	return n;
}

void notify_free(struct notify **pn)
{
	struct notify *n = *pn;

	if (n == NULL)
		return;
	invariant(n->count == 0);
	map_fini(&n->groups);
	pthread_mutex_destroy(&n->lock);
	xfree(&n->pending);
	xfree(pn);
}

void notify_watch(struct notify *n, struct watcher *w)
{
	struct key k = {w->account, w->mailbox};
	struct group *g = map_get(&n->groups, key_of(&k));

	if (g == NULL) {
		g = xcalloc(1, sizeof *g);
		list_init(&g->watchers);
		invariant(map_put(&n->groups, key_of(&k), g) == NULL);
	}
	list_append(&g->watchers, &w->node);
	n->count++;
}

/* Groups that emptied while they were told are freed afterwards. */
static void group_drop(struct notify *n, const struct key *k, struct group *g)
{
	if (!list_empty(&g->watchers) || g->busy)
		return;
	(void)map_del(&n->groups, key_of(k));
	xfree(&g);
}

void notify_unwatch(struct notify *n, struct watcher *w)
{
	struct key k = {w->account, w->mailbox};
	struct group *g = map_get(&n->groups, key_of(&k));

	invariant(g != NULL);
	list_remove(&w->node);
	n->count--;
	group_drop(n, &k, g);
}

size_t notify_count(const struct notify *n)
{
	return n->count;
}

static void tell(struct notify *n, const struct partition_event *ev)
{
	struct key k = {ev->account, ev->mailbox};
	struct group *g = map_get(&n->groups, key_of(&k));
	struct list work;

	if (g == NULL)
		return;
	g->busy = true;
	list_init(&work);
	list_splice(&work, &g->watchers);
	while (!list_empty(&work)) {
		struct watcher *w = list_entry(work.next, struct watcher, node);

		list_remove(&w->node);
		list_append(&g->watchers, &w->node);
		w->fn(w, ev->highestmodseq, ev->gone);
	}
	g->busy = false;
	group_drop(n, &k, g);
}

/* On the loop: everything that was posted since the last time. */
static void deliver_pending(void *arg)
{
	struct notify *n = arg;
	struct partition_event *ev;
	size_t count;

	pthread_mutex_lock(&n->lock);
	ev = n->pending;
	count = n->npending;
	n->pending = NULL;
	n->npending = n->cap = 0;
	n->posted = false;
	pthread_mutex_unlock(&n->lock);
	for (size_t i = 0; i < count; i++)
		tell(n, &ev[i]);
	xfree(&ev);
}

/* The same mailbox again: only its newest state matters. Looks back a little; a busy mailbox is
 * among the last. */
static bool merge(struct notify *n, const struct partition_event *ev)
{
	size_t back = MIN(n->npending, (size_t)16);

	for (size_t i = n->npending - back; i < n->npending; i++) {
		struct partition_event *p = &n->pending[i];

		if (p->account == ev->account && p->mailbox == ev->mailbox) {
			p->highestmodseq = MAX(p->highestmodseq, ev->highestmodseq);
			p->gone |= ev->gone;
			return true;
		}
	}
	return false;
}

void notify_post(struct notify *n, const struct partition_event *ev, size_t count)
{
	bool post;

	if (count == 0)
		return;
	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < count; i++) {
		if (merge(n, &ev[i]))
			continue;
		if (n->npending == n->cap) {
			n->cap = n->cap != 0 ? n->cap * 2 : 64;
			n->pending = xrealloc(n->pending, n->cap * sizeof *n->pending);
		}
		n->pending[n->npending++] = ev[i];
	}
	post = !n->posted;
	n->posted = true;
	pthread_mutex_unlock(&n->lock);
	if (post)
		loop_post(n->loop, deliver_pending, n);
}

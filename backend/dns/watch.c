#include "backend/dns/watch.h"

#include "backend/directory/dir_claim.h"
#include "backend/policy/chore.h"
#include "backend/policy/live.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/log/metric.h"

#define CLAIM_S 1800 /* at least; or until the look after the next one */

METRIC_GAUGE(m_named, "blocklists_named", "Block lists that name an address or a domain of ours");

/* That a list names something. */
struct named {
	struct list node;
	unsigned look; /* the last one that asked about it */
	char what[ASKING_NAME_MAX + 1], list[ASKING_NAME_MAX + 1];
};

struct watch {
	struct dir *dir;
	struct asking *asking;
	const struct conf *overrides;
	struct chore *chore;
	struct list named;
	size_t nnamed;
	unsigned look;
};

static struct named *find(const struct watch *w, const struct listing *l)
{
	list_for_each(i, &w->named) {
		struct named *n = list_entry(i, struct named, node);

		if (slice_eq(slice_str(n->what), l->what) && slice_eq(slice_str(n->list), l->list))
			return n;
	}
	return NULL;
}

static void remember(struct watch *w, const struct listing *l)
{
	struct named *n = xcalloc(1, sizeof *n);

	if (w->nnamed == WATCH_NAMED_MAX || !slice_to_str(l->what, n->what, sizeof n->what) ||
	    !slice_to_str(l->list, n->list, sizeof n->list)) {
		xfree(&n);
		return;
	}
	n->look = w->look;
	list_append(&w->named, &n->node);
	w->nnamed++;
}

static void forget(struct watch *w, struct named *n)
{
	list_remove(&n->node);
	w->nnamed--;
	xfree(&n);
}

/* Who cannot be asked now names what it has named. */
static enum err note(const struct listing *l, void *arg)
{
	struct watch *w = arg;
	struct named *n = find(w, l);

	if (n != NULL)
		n->look = w->look;
	if (l->verdict == LISTING_LISTED && n == NULL) {
		LOG(LOG_ERROR, NULL, "blocklist.named", LF_SLICE("what", l->what),
		    LF_SLICE("list", l->list), LF_SLICE("why", l->reason));
		remember(w, l);
	} else if (l->verdict == LISTING_CLEAN && n != NULL) {
		LOG(LOG_WARN, NULL, "blocklist.no_more", LF_SLICE("what", l->what),
		    LF_SLICE("list", l->list));
		forget(w, n);
	} else if (l->verdict == LISTING_UNKNOWN) {
		LOG(LOG_DEBUG, NULL, "blocklist.unknown", LF_SLICE("what", l->what),
		    LF_SLICE("list", l->list), LF_SLICE("why", l->reason));
	}
	return E_OK;
}

/* What is asked about no more, or by another node, would never be heard to be clean again. */
static void forget_unseen(struct watch *w)
{
	list_for_each_safe(i, &w->named) {
		struct named *n = list_entry(i, struct named, node);

		if (n->look != w->look)
			forget(w, n);
	}
}

WAITS static enum err look_with(struct watch *w, const struct conf *settings)
{
	struct listing_wants wants = {
		.dir = w->dir,
		.asking = w->asking,
		.settings = settings,
		.deadline_ms = deadline_in(WATCH_MS),
	};
	int64_t claim_s = MAX(2 * conf_ms(settings, "blocklists.check_every") / 1000, CLAIM_S);
	struct diag why = {""};
	bool mine;
	enum err e;

	if (conf_count(settings, "blocklists.addresses") == 0 &&
	    conf_count(settings, "blocklists.domains") == 0)
		return E_OK;
	e = dir_claim(w->dir, "blocklists", (uint32_t)claim_s, &mine, NULL);
	if (e != E_OK || !mine)
		return e == E_OK ? E_BUSY : e;
	e = listing_each(&wants, note, w, &why);
	if (e != E_OK && e != E_CANCELLED)
		LOG(LOG_WARN, NULL, "blocklist.look_failed", LF_ERR("error", e),
		    LF_STR("why", why.text));
	return e;
}

WAITS enum err watch_look(struct watch *w)
{
	struct conf *settings = live_settings(w->dir, w->overrides);
	enum err e;

	w->look++;
	e = look_with(w, settings);
	if (e == E_OK || e == E_BUSY)
		forget_unseen(w);
	metric_set(&m_named, (int64_t)w->nnamed);
	conf_free(&settings);
	return e;
}

size_t watch_named(const struct watch *w)
{
	return w->nnamed;
}

/* ---- life ---- */

WAITS static enum err look(void *arg)
{
	return watch_look(arg);
}

enum err watch_start(struct dir *dir, struct asking *asking, const struct conf *overrides,
		     struct watch **out)
{
	struct watch *w = xcalloc(1, sizeof *w);
	struct chore_opts opts = {
		.name = "blocklists",
		.every = "blocklists.check_every",
		.dir = dir,
		.overrides = overrides,
		.look = look,
		.arg = w,
	};
	enum err e;

	*w = (struct watch){.dir = dir, .asking = asking, .overrides = overrides};
	list_init(&w->named);
	e = chore_start(&opts, &w->chore);
	if (e != E_OK)
		xfree(&w);
	else
		*out = w;
	return e;
}

WAITS void watch_stop(struct watch **pw)
{
	struct watch *w = *pw;

	if (w == NULL)
		return;
	chore_stop(&w->chore);
	while (!list_empty(&w->named))
		forget(w, list_entry(w->named.next, struct named, node));
	xfree(pw);
}

#include "backend/sign/sign.h"

#include <stdlib.h>

#include "backend/sign/sign_priv.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/loop/work.h"

#define SIGNER_MAGIC 0x736e6731u /* "sng1" */

METRIC_GAUGE(m_keys, "dkim_keys", "Keys that sign mail and that this node can use");
METRIC_COUNTER(m_signed, "dkim_signatures_total", "DKIM signatures made");
METRIC_COUNTER(m_left_out, "dkim_signatures_left_out_total",
	       "DKIM signatures that were asked for and not made");

/* ---- the table ---- */

static int by_domain(const void *a, const void *b)
{
	const struct sign_entry *x = a, *y = b;
	int order = slice_cmp(x->domain, y->domain);

	return order != 0 ? order : (x->id < y->id) - (x->id > y->id);
}

/* Keys that are open stay so. */
static void carry_over(struct sign_entry *old, size_t nold, struct sign_entry *new, size_t nnew)
{
	struct map open;

	map_init(&open);
	for (size_t i = 0; i < nold; i++) {
		if (old[i].key != NULL)
			map_put(&open, slice(&old[i].id, sizeof old[i].id), &old[i]);
	}
	for (size_t i = 0; i < nnew; i++) {
		struct sign_entry *was = map_get(&open, slice(&new[i].id, sizeof new[i].id));

		if (was != NULL) {
			new[i].key = was->key;
			was->key = NULL;
		}
	}
	map_fini(&open);
	for (size_t i = 0; i < nold; i++)
		sign_key_unref(&old[i].key);
}

static void load(struct signer *s)
{
	size_t n = dir_dkim_count(s->dir), usable = 0;
	struct sign_entry *new;
	struct arena mem;

	arena_init(&mem, NULL);
	new = arena_alloc(&mem, (n + 1) * sizeof *new);
	for (size_t i = 0; i < n; i++) {
		struct dir_dkim_key k;

		dir_dkim_at(s->dir, i, &k);
		new[i] = (struct sign_entry){
			.id = k.id,
			.algorithm = k.algorithm,
			.state = k.state,
			.retired_s = k.retired_s,
			.domain = arena_dup(&mem, k.domain),
			.selector = arena_dup(&mem, k.selector),
			.boxed = k.box.n != 0,
		};
		if (k.state != DIR_DKIM_ACTIVE)
			continue;
		if (new[i].boxed)
			usable++;
		else
			LOG_SELDOM(LOG_WARN, NULL, "dkim.no_box", LF_SLICE("domain", k.domain),
				   LF_SLICE("selector", k.selector),
				   LF_STR("why", "another node has to seal it for this one"));
	}
	if (n > 1)
		qsort(new, n, sizeof *new, by_domain);
	carry_over(s->entries, s->n, new, n);
	arena_reset(&s->mem);
	s->mem = mem;
	s->entries = new;
	s->n = n;
	metric_set(&m_keys, (int64_t)usable);
}

/* The first entry of the domain, or s->n; the others follow it. */
static size_t first_of(const struct signer *s, slice_t domain)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (slice_cmp(s->entries[mid].domain, domain) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_of(const struct signer *s, size_t i, slice_t domain)
{
	return i < s->n && slice_eq(s->entries[i].domain, domain);
}

size_t signer_keys(const struct signer *s, slice_t domain, struct signer_key out[DKIM_SIGS_MAX])
{
	size_t n = 0;

	for (size_t i = first_of(s, domain); is_of(s, i, domain) && n < DKIM_SIGS_MAX; i++) {
		const struct sign_entry *x = &s->entries[i];

		if (x->state != DIR_DKIM_ACTIVE || !x->boxed)
			continue;
		out[n].algorithm = x->algorithm;
		if (slice_to_str(x->selector, out[n].selector, sizeof out[n].selector))
			n++;
	}
	return n;
}

/* A front-end that asks with a published key was told by a back-end that it is active: that one's
 * copy of the directory is ahead of ours. */
static bool may_sign(const struct sign_entry *x)
{
	if (x->state == DIR_DKIM_ACTIVE || x->state == DIR_DKIM_PUBLISHED)
		return true;
	return x->state == DIR_DKIM_RETIRED && clock_wall_s() - x->retired_s <= SIGN_GRACE_S;
}

/* NULL: no key of ours that may sign that. */
static struct sign_entry *find(struct signer *s, slice_t domain, const struct sign_ask *ask)
{
	for (size_t i = first_of(s, domain); is_of(s, i, domain); i++) {
		struct sign_entry *x = &s->entries[i];

		if (slice_eq(x->selector, ask->selector) && x->algorithm == ask->algorithm)
			return x->boxed && may_sign(x) ? x : NULL;
	}
	return NULL;
}

/* ---- one message's signatures, on a worker thread ---- */

struct item {
	const struct sign_ask *ask;
	uint64_t id;
	struct sign_key *key; /* a reference; NULL: box is to be opened */
	bool opened;
	struct buf box, signature;
	enum err result;
};

struct job {
	const struct node_key *node_key; /* the signer outlives its callers */
	struct item items[DKIM_SIGS_MAX];
	size_t n;
};

static enum err open_box(const struct node_key *k, struct item *it)
{
	struct buf plain;
	enum err e = E_INVALID;

	buf_init(&plain, SIGN_PRIVATE_MAX, NULL);
	if (buf_reserve(&plain, SIGN_PRIVATE_MAX) != NULL)
		e = node_box_open(k, buf_slice(&it->box), &plain);
	if (e == E_OK)
		e = sign_key_open(it->ask->algorithm, buf_slice(&plain), &it->key);
	secret_wipe_buf(&plain);
	buf_fini(&plain);
	it->opened = e == E_OK;
	return e;
}

static void run_job(void *arg)
{
	struct job *j = arg;

	for (size_t i = 0; i < j->n; i++) {
		struct item *it = &j->items[i];

		it->result = it->key != NULL ? E_OK : open_box(j->node_key, it);
		if (it->result == E_OK)
			it->result = sign_digest(it->key, it->ask->digest, &it->signature);
	}
}

static void left_out(slice_t domain, const struct sign_ask *ask, const char *why)
{
	metric_add(&m_left_out, 1);
	LOG_SELDOM(LOG_WARN, NULL, "dkim.left_out", LF_SLICE("domain", domain),
		   LF_SLICE("selector", ask->selector), LF_STR("why", why));
}

static void prepare(struct signer *s, slice_t domain, const struct sign_ask *asks, size_t n,
		    struct job *j)
{
	for (size_t i = 0; i < n; i++) {
		const struct sign_ask *ask = &asks[i];
		const struct sign_entry *x = find(s, domain, ask);
		struct item *it = &j->items[j->n];
		struct dir_dkim_key row;

		if (x == NULL) {
			left_out(domain, ask, "no such key, or none that is in use");
			continue;
		}
		if (!dkim_sig_is_open(ask->open, sign_name(ask->algorithm), domain,
				      ask->selector)) {
			left_out(domain, ask, "not a field that can be signed");
			continue;
		}
		*it = (struct item){.ask = ask, .id = x->id};
		buf_init(&it->box, DIR_DKIM_BOX_MAX, NULL);
		buf_init(&it->signature, SIGN_SIGNATURE_MAX, NULL);
		if (x->key != NULL)
			it->key = sign_key_ref(x->key);
		else if (dir_dkim_find(s->dir, x->id, &row))
			buf_put(&it->box, row.box);
		j->n++;
	}
}

/* A key that was opened for the first time is kept; its entry may have moved, or gone. */
static void keep(struct signer *s, slice_t domain, const struct item *it)
{
	for (size_t i = first_of(s, domain); is_of(s, i, domain); i++) {
		struct sign_entry *x = &s->entries[i];

		if (x->id == it->id && x->key == NULL)
			x->key = sign_key_ref(it->key);
	}
}

static void finish(struct signer *s, slice_t domain, struct job *j, enum err e, struct buf *out)
{
	for (size_t i = 0; i < j->n; i++) {
		struct item *it = &j->items[i];

		if (e == E_OK && it->opened)
			keep(s, domain, it);
		if (e == E_OK && it->result == E_OK) {
			dkim_sig_close(out, it->ask->open, buf_slice(&it->signature));
			metric_add(&m_signed, 1);
		} else if (e == E_OK) {
			left_out(domain, it->ask, "the key cannot be opened");
		}
		sign_key_unref(&it->key);
		buf_fini(&it->box);
		buf_fini(&it->signature);
	}
}

WAITS enum err signer_fields(struct signer *s, slice_t domain, const struct sign_ask *asks,
			     size_t n, struct buf *out)
{
	struct job j = {.node_key = &s->node_key};
	enum err e = E_OK;

	invariant(s->magic == SIGNER_MAGIC && n <= DKIM_SIGS_MAX);
	prepare(s, domain, asks, n, &j);
	if (j.n > 0)
		e = work_run("dkim.sign", run_job, &j);
	finish(s, domain, &j, e, out);
	return e;
}

/* ---- life ---- */

static void on_event(const struct dir_event *ev, void *arg)
{
	struct signer *s = arg;

	if (ev->kind != DIR_EV_DKIM)
		return;
	load(s);
	event_set(&s->nudge);
}

static void signer_destroy(struct signer **sp)
{
	struct signer *s = *sp;

	dir_unsubscribe(&s->sub);
	for (size_t i = 0; i < s->n; i++)
		sign_key_unref(&s->entries[i].key);
	arena_reset(&s->mem);
	secret_wipe(&s->node_key, sizeof s->node_key);
	xfree(sp);
}

enum err signer_open(const struct signer_conf *c, struct signer **out, struct diag *d)
{
	struct signer *s = xcalloc(1, sizeof *s);
	enum err e;

	s->magic = SIGNER_MAGIC;
	s->dir = c->dir;
	s->node_key = c->node_key;
	arena_init(&s->mem, NULL);
	event_init(&s->nudge);
	event_init(&s->closed);
	list_init(&s->sub.node);
	s->sub.fn = on_event;
	s->sub.arg = s;
	load(s);
	dir_subscribe(s->dir, &s->sub);
	event_set(&s->nudge);
	e = fiber_start("dkim.share", sign_share_main, s, &s->fiber);
	if (e != E_OK) {
		signer_destroy(&s);
		return diag_set(d, e, "no fiber for the keys that sign mail");
	}
	*out = s;
	return E_OK;
}

WAITS void signer_close(struct signer **sp)
{
	struct signer *s = *sp;

	if (s == NULL)
		return;
	if (s->fiber != NULL)
		fiber_cancel(s->fiber);
	fiber_shield_begin();
	if (event_wait(&s->closed, "dkim.close", NO_DEADLINE) != E_OK)
		LOG(LOG_ERROR, NULL, "dkim.close");
	fiber_shield_end();
	signer_destroy(sp);
}

/*
 * ticket_keys: the sealing keys that all back-ends share.
 *
 * One fiber: reads the keys of the image when they change; makes a new one when the youngest is a
 * day old (the directory's lock lets one node do it); and seals the keys that it has for nodes
 * that lack them. A node that has just joined waits a little for another to do that; with no one
 * there it makes a key of its own, which is always right: all nodes get it.
 */
#include "backend/ticket/ticket_priv.h"
#include "common/base/clock.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "common/log/metric.h"

#define KEEP_S       (2 * 60 * 60) /* after a key's last use; the longest-lived box is 1.5 h */
#define TEND_MS      (60 * 1000)
#define TEND_SOON_MS 1000
#define ALONE_MS     5000 /* without a key: how long another node may take to share one */
#define SHARE_MAX    64   /* keys sealed for one node in a round; two or three are alive */
#define AHEAD_MAX    16   /* ids above the highest known that may be real already */
#define PLAIN_LEN    (4 + SEAL_KEY_LEN)

METRIC_GAUGE(m_keys, "ticket_keys", "Ticket keys that this node can open");
METRIC_COUNTER(m_made, "ticket_keys_made_total", "Ticket keys made by this node");

static bool key_open(const struct tickets *t, const struct dir_ticket_key *row,
		     struct ticket_key *out)
{
	struct buf plain;
	bool ok;

	buf_init(&plain, PLAIN_LEN, NULL);
	ok = buf_reserve(&plain, PLAIN_LEN) != NULL &&
	     node_box_open(&t->node_key, slice(row->box, row->n), &plain) == E_OK &&
	     plain.n == PLAIN_LEN && be32_get(plain.p) == row->id;
	if (ok) {
		out->created_s = row->created_s;
		out->key.id = row->id;
		memcpy(out->key.key, plain.p + 4, SEAL_KEY_LEN);
	}
	secret_wipe_buf(&plain);
	buf_fini(&plain);
	return ok;
}

void ticket_keys_wipe(struct tickets *t)
{
	if (t->keys != NULL)
		secret_wipe(t->keys, t->nkeys * sizeof(*t->keys));
	xfree(&t->keys);
	t->nkeys = 0;
}

void ticket_keys_load(struct tickets *t)
{
	size_t n = dir_ticket_key_count(t->dir);

	ticket_keys_wipe(t);
	t->keys = xcalloc(n + 1, sizeof(*t->keys));
	for (size_t i = 0; i < n; i++) {
		struct dir_ticket_key row;

		dir_ticket_key_at(t->dir, i, &row);
		if (key_open(t, &row, &t->keys[t->nkeys]))
			t->nkeys++;
		else
			LOG(LOG_WARN, NULL, "ticket.key", LF_UINT("id", row.id),
			    LF_STR("why", "sealed to another key than this node's"));
	}
	metric_set(&m_keys, (int64_t)t->nkeys);
	if (t->nkeys > 0) {
		t->keyless_ms = 0;
		waitq_wake_all(&t->ready);
	} else if (t->keyless_ms == 0) {
		t->keyless_ms = clock_mono_ms();
	}
}

const struct seal_key *ticket_key_seal(const struct tickets *t)
{
	int64_t now_s = clock_wall_s();

	/* The youngest that all have had time to learn; at the very beginning, the first. */
	for (size_t i = t->nkeys; i-- > 0;)
		if (t->keys[i].created_s + t->settle_s <= now_s)
			return &t->keys[i].key;
	return t->nkeys > 0 ? &t->keys[0].key : NULL;
}

enum err ticket_key_find(struct tickets *t, slice_t box, const struct seal_key **out)
{
	uint32_t id, highest = t->nkeys > 0 ? t->keys[t->nkeys - 1].key.id : 0;

	if (seal_key_id(box, &id) != E_OK)
		return E_NO_TICKET;
	for (size_t i = 0; i < t->nkeys; i++) {
		if (t->keys[i].key.id != id)
			continue;
		*out = &t->keys[i].key;
		return E_OK;
	}
	if (t->nkeys > 0 && (id <= highest || id - highest > AHEAD_MAX))
		return E_NO_TICKET;
	dir_nudge(t->dir);
	return E_RETRY;
}

/* ---- making and sharing ---- */

static bool seal_for(const struct seal_key *k, const struct dir_node *n, struct buf *out)
{
	uint8_t plain[PLAIN_LEN];
	enum err e;

	be32_put(plain, k->id);
	memcpy(plain + 4, k->key, SEAL_KEY_LEN);
	e = node_box(n->public_key, slice(plain, sizeof(plain)), out);
	secret_wipe(plain, sizeof(plain));
	if (e != E_OK)
		LOG(LOG_WARN, NULL, "ticket.key", LF_STR("for", n->name), LF_ERR("status", e));
	return e == E_OK;
}

static bool seal_new(uint32_t id, const struct dir_node *n, struct buf *out, void *arg)
{
	struct seal_key *k = arg;

	if (k->id != id)
		seal_key_make(id, k);
	return seal_for(k, n, out);
}

/* max_age_s: a key is made if none is younger. */
WAITS static void make(struct tickets *t, int64_t max_age_s)
{
	struct seal_key k = {.id = 0};
	const struct dir_key_maker m = {.seal = seal_new, .arg = &k};
	struct diag diag = {.text = ""};
	bool made = false;
	enum err e = dir_ticket_key_make(t->dir, max_age_s, t->rotate_s + KEEP_S, &m, &made, &diag);

	if (made) {
		metric_add(&m_made, 1);
		LOG(LOG_INFO, NULL, "ticket.key.made", LF_UINT("id", k.id));
	}
	if (e != E_OK && e != E_CANCELLED && e != E_RETRY)
		LOG(LOG_WARN, NULL, "ticket.key.made", LF_ERR("status", e),
		    LF_STR("why", diag.text));
	secret_wipe(&k, sizeof(k));
}

static const struct seal_key *key_by_id(const struct tickets *t, uint32_t id)
{
	for (size_t i = 0; i < t->nkeys; i++)
		if (t->keys[i].key.id == id)
			return &t->keys[i].key;
	return NULL;
}

WAITS static enum err share_with(struct tickets *t, const struct dir_node *n)
{
	uint32_t ids[SHARE_MAX];
	size_t count = 0;
	struct buf box;
	enum err e =
		dir_ticket_key_missing(t->dir, slice_str(n->name), ids, SHARE_MAX, &count, NULL);

	buf_init(&box, DIR_KEY_BOX_MAX, NULL);
	for (size_t i = 0; i < count && e == E_OK; i++) {
		/* Looked up anew each time: the keys may be loaded again during a wait. */
		const struct seal_key *k = key_by_id(t, ids[i]);

		buf_reset(&box);
		if (k != NULL && seal_for(k, n, &box))
			e = dir_ticket_key_put(t->dir, slice_str(n->name), ids[i], buf_slice(&box),
					       NULL);
	}
	buf_fini(&box);
	return e;
}

WAITS static void share(struct tickets *t)
{
	enum err e = E_OK;

	if (!t->share || t->nkeys == 0)
		return;
	t->share = false;
	for (size_t i = 0; i < dir_node_count(t->dir) && e == E_OK; i++) {
		struct dir_node n;

		dir_node_at(t->dir, i, &n);
		if (strcmp(n.name, dir_node_name(t->dir)) != 0)
			e = share_with(t, &n);
	}
	if (e != E_OK)
		t->share = true;
}

static bool due(const struct tickets *t)
{
	return t->nkeys == 0 || t->keys[t->nkeys - 1].created_s + t->rotate_s <= clock_wall_s();
}

/* How old a key another node may have made for us not to make one. */
static int64_t make_age_s(const struct tickets *t)
{
	bool alone = t->nkeys == 0 && clock_mono_ms() - t->keyless_ms >= ALONE_MS;

	return alone ? 0 : t->rotate_s;
}

WAITS void ticket_keys_main(void *arg)
{
	struct tickets *t = arg;

	while (!fiber_cancelled()) {
		struct dir_status s;
		int64_t wait_ms;

		/* Without PostgreSQL both fail at once. */
		dir_get_status(t->dir, &s);
		if (s.complete && due(t))
			make(t, make_age_s(t));
		if (s.complete)
			share(t);
		ticket_ended_tend(t);
		wait_ms = t->nkeys == 0 || t->nunsent > 0 || t->share ? TEND_SOON_MS : TEND_MS;
		wait_ms = MIN(wait_ms, t->rotate_s * 1000);
		if (event_wait(&t->nudge, "ticket.keys", deadline_in(wait_ms)) == E_CANCELLED)
			break;
	}
	t->fiber = NULL;
	waitq_wake_all(&t->ready);
	event_set(&t->closed);
}

/*
 * dir_sync: one fiber that keeps the image true. A round is begun by a nudge (NOTIFY, a management
 * call of ours) or by time. Its first question tells which database this is and up to where its
 * changes were pruned:
 *
 *   another source, a position behind the pruned ones or ahead of the database, no complete
 *   image                  -> everything is read anew, in one REPEATABLE READ transaction
 *   else                   -> the changes behind our position, and the rows they name as they are
 *                             now (a row that is not there any more is deleted)
 *
 * Rows are idempotent: reading one again, or a newer state than the change meant, does no harm. So
 * the image takes a batch first (and tells its subscribers), then the copy, and the position last.
 */
#include "backend/directory/dir_priv.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/log/metric.h"

#define CHANGES_MAX 1000 /* of one question */
#define PAGE_ROWS   2000
#define PRUNE_MS    (60 * 60 * 1000)
#define PRUNE_AGE_S (7 * 24 * 3600) /* a node that was away longer reads everything */

METRIC_COUNTER(m_full, "directory_full_syncs_total", "Times the whole directory was read");
METRIC_COUNTER(m_changes, "directory_changes_total", "Changes of the directory followed");
METRIC_COUNTER(m_failed, "directory_sync_failures_total", "Rounds of the sync that failed");
METRIC_GAUGE(m_confirmed, "directory_confirmed_timestamp_seconds", "When the image was last true");

/* What a round has touched, for the events without an id. */
struct touched {
	bool settings, cluster, certs, keys, dkim, servers, routes;
};

void dir_emit(struct dir *d, const struct dir_event *ev)
{
	list_for_each_safe(n, &d->subs) {
		struct dir_sub *s = list_entry(n, struct dir_sub, node);

		s->fn(ev, s->arg);
	}
}

static void emit_account(struct dir *d, uint64_t id, slice_t before, slice_t after)
{
	struct dir_rec_account old = {.state = DIR_REMOVED}, new = {.state = DIR_REMOVED};
	struct dir_account account;
	struct dir_event ev = {.kind = DIR_EV_ACCOUNT, .account = &account};

	if (before.p != NULL)
		invariant(dir_rec_account(before, &old));
	new = old;
	if (after.p != NULL)
		invariant(dir_rec_account(after, &new));
	else
		new.state = DIR_REMOVED;
	dir_account_fill(id, &new, &account);
	ev.sessions_end =
		before.p != NULL &&
		(old.epoch != new.epoch || (old.state == DIR_ACTIVE && new.state != DIR_ACTIVE));
	dir_emit(d, &ev);
}

static void emit_session(struct dir *d, slice_t key, slice_t value)
{
	struct dir_event ev = {.kind = DIR_EV_SESSION};

	if (value.p == NULL || !dir_rec_session(value, &ev.until_s))
		return;
	memcpy(ev.session, key.p + 1, DIR_SESSION_LEN);
	dir_emit(d, &ev);
}

static void note(struct dir *d, struct touched *t, slice_t key, slice_t before, slice_t after)
{
	switch (key.p[0]) {
	case DIR_K_ACCOUNT:
		emit_account(d, dir_key_id(key), before, after);
		break;
	case DIR_K_SESSION:
		emit_session(d, key, after);
		break;
	case DIR_K_SETTING:
		t->settings = true;
		break;
	case DIR_K_PARTITION:
		t->cluster = true;
		break;
	case DIR_K_NODE:
		t->cluster = t->keys = t->dkim = t->routes = true;
		break;
	case DIR_K_CERT:
		t->certs = true;
		break;
	case DIR_K_KEY:
		t->keys = true;
		break;
	case DIR_K_DKIM:
		t->dkim = true;
		break;
	case DIR_K_SERVER:
		t->servers = true;
		break;
	case DIR_K_ROUTE:
		t->routes = true;
		break;
	default:
		break;
	}
}

static void emit_touched(struct dir *d, const struct touched *t)
{
	if (t->settings)
		dir_emit(d, &(struct dir_event){.kind = DIR_EV_SETTINGS});
	if (t->cluster)
		dir_emit(d, &(struct dir_event){.kind = DIR_EV_CLUSTER});
	if (t->certs)
		dir_emit(d, &(struct dir_event){.kind = DIR_EV_REVOKED});
	if (t->keys)
		dir_emit(d, &(struct dir_event){.kind = DIR_EV_KEYS});
	if (t->dkim)
		dir_emit(d, &(struct dir_event){.kind = DIR_EV_DKIM});
	if (t->servers)
		dir_emit(d, &(struct dir_event){.kind = DIR_EV_SERVERS});
	if (t->routes)
		dir_emit(d, &(struct dir_event){.kind = DIR_EV_ROUTES});
}

/* One change into the image. False: it changed nothing. The old value is kept for the event. */
static bool apply_one(struct dir *d, struct touched *t, slice_t key, slice_t value)
{
	slice_t before = dir_image_get(&d->image, key);
	struct buf old;

	if (before.p == NULL && value.p == NULL)
		return false;
	if (before.p != NULL && value.p != NULL && slice_eq(before, value)) {
		dir_image_keep(&d->image, key);
		return false;
	}
	buf_init(&old, DIR_KV_VALUE_MAX, NULL);
	if (before.p != NULL) {
		buf_put(&old, before);
		before = buf_slice(&old);
	}
	if (value.p != NULL)
		dir_image_put(&d->image, key, value);
	else
		dir_image_del(&d->image, key);
	note(d, t, key, before, value);
	buf_fini(&old);
	return true;
}

/* Applies all; what changed nothing leaves the batch. */
static void apply_batch(struct dir *d, struct touched *t, struct dir_batch *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->n; i++) {
		slice_t value = b->v[i].del ? SLICE_NONE : dir_batch_value(b, i);

		if (apply_one(d, t, dir_batch_key(b, i), value))
			b->v[kept++] = b->v[i];
	}
	b->n = kept;
}

/* ---- reading everything ---- */

WAITS static enum err full_kind(struct dir *d, struct pg_tx *t, const struct dir_sql_kind *k,
				struct touched *touched, struct diag *diag)
{
	struct buf after;
	size_t n = PAGE_ROWS;
	enum err e = E_OK;

	buf_init(&after, 1024, NULL);
	buf_puts(&after, k->first);
	while (e == E_OK && n == PAGE_ROWS) {
		struct pg_args a = {.n = 0};
		struct pg_result *r = NULL;
		struct dir_batch b;

		pg_text(&a, buf_slice(&after));
		pg_u64(&a, PAGE_ROWS);
		if (k->wants_node)
			pg_text(&a, slice_str(d->node));
		e = pg_tx_query(t, k->page, &a, &r, diag);
		if (e != E_OK)
			break;
		n = pg_rows(r);
		dir_batch_init(&b);
		dir_rows_take(k, r, &b);
		if (n > 0) {
			buf_reset(&after);
			buf_put(&after, pg_get(r, n - 1, 0));
		}
		pg_result_free(&r);
		apply_batch(d, touched, &b);
		dir_copy_write(d, &b);
		dir_batch_fini(&b);
	}
	buf_fini(&after);
	return e;
}

static void delete_stale(struct dir *d, struct touched *t, struct dir_batch *gone)
{
	struct map_iter it = {0};
	slice_t key;

	while (dir_image_stale(&d->image, &it, &key))
		dir_batch_del(gone, key);
	for (size_t i = 0; i < gone->n; i++)
		apply_one(d, t, dir_batch_key(gone, i), SLICE_NONE);
}

/* What the database says of itself. */
struct state {
	char source[DIR_SOURCE_MAX + 1];
	uint64_t pruned, xmin;
};

WAITS static enum err state_read(struct dir *d, struct pg_tx *t, struct state *out,
				 struct diag *diag)
{
	struct pg_result *r = NULL;
	struct buf secret;
	enum err e;

	if (t != NULL)
		e = pg_tx_query(t, dir_sql_state, PG_NO_ARGS, &r, diag);
	else
		e = pg_query(d->pool, dir_sql_state, PG_NO_ARGS, deadline_in(DIR_QUERY_MS), &r,
			     diag);
	if (e != E_OK)
		return e;
	buf_init(&secret, sizeof(d->secret), NULL);
	if (pg_rows(r) != 1 || !slice_to_str(pg_get(r, 0, 0), out->source, sizeof(out->source))) {
		e = diag_set(diag, E_INTERNAL, "dir_meta does not have one row");
	} else {
		out->pruned = pg_get_u64(r, 0, 1);
		out->xmin = pg_get_u64(r, 0, 3);
		pg_get_bytes(r, 0, 2, &secret);
		d->have_secret = secret.n == sizeof(d->secret);
		if (d->have_secret)
			memcpy(d->secret, secret.p, secret.n);
	}
	buf_fini(&secret);
	pg_result_free(&r);
	return e;
}

WAITS static enum err full_in_tx(struct dir *d, struct pg_tx *t, struct state *s,
				 struct touched *touched, struct diag *diag)
{
	enum err e = state_read(d, t, s, diag);

	dir_image_begin(&d->image);
	for (size_t i = 0; i < dir_sql_kinds_n && e == E_OK; i++)
		e = full_kind(d, t, &dir_sql_kinds[i], touched, diag);
	return e;
}

WAITS static enum err full_sync(struct dir *d, struct diag *diag)
{
	struct touched touched = {.settings = false};
	struct dir_batch gone;
	struct pg_tx *t = NULL;
	struct state s;
	enum err e = pg_begin(d->pool, PG_REPEATABLE_READ, deadline_in(DIR_FULL_MS), &t, diag);

	if (e != E_OK)
		return e;
	metric_add(&m_full, 1);
	e = full_in_tx(d, t, &s, &touched, diag);
	pg_rollback(&t);
	if (e != E_OK) {
		emit_touched(d, &touched);
		return e;
	}
	dir_batch_init(&gone);
	delete_stale(d, &touched, &gone);
	d->complete = true;
	/* What committed above it may be in the snapshot or not: it is read again. */
	d->txid = s.xmin;
	d->serial = 0;
	invariant(slice_to_str(slice_str(s.source), d->source, sizeof(d->source)));
	emit_touched(d, &touched);
	dir_copy_write(d, &gone);
	dir_batch_fini(&gone);
	LOG(LOG_INFO, NULL, "dir.full", LF_UINT("accounts", d->image.accounts),
	    LF_UINT("addresses", d->image.addresses));
	return E_OK;
}

/* ---- following changes ---- */

/* Rows of one kind among the changes, as they are now. */
WAITS static enum err fetch_kind(struct dir *d, const struct dir_sql_kind *k,
				 const struct pg_result *changes, struct dir_batch *b,
				 struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct dir_batch got;
	struct map have;
	struct buf ids;
	enum err e = E_OK;

	buf_init(&ids, SIZE_MAX / 2, NULL);
	for (size_t i = 0; i < pg_rows(changes); i++)
		if (slice_eq(pg_get(changes, i, 2), slice_str(k->name)))
			pg_array_add(&ids, pg_get(changes, i, 3));
	if (ids.n == 0)
		return E_OK;
	pg_array_end(&ids);
	pg_text(&a, buf_slice(&ids));
	if (k->wants_node)
		pg_text(&a, slice_str(d->node));
	e = pg_query(d->pool, k->by_ids, &a, deadline_in(DIR_QUERY_MS), &r, diag);
	buf_fini(&ids);
	if (e != E_OK)
		return e;
	dir_batch_init(&got);
	dir_rows_take(k, r, &got);
	map_init(&have);
	for (size_t i = 0; i < got.n; i++) {
		map_put(&have, dir_batch_key(&got, i), &have);
		if (got.v[i].del)
			dir_batch_del(b, dir_batch_key(&got, i));
		else
			dir_batch_put(b, dir_batch_key(&got, i), dir_batch_value(&got, i));
	}
	for (size_t i = 0; i < pg_rows(changes); i++) {
		struct dir_key mem;
		slice_t key;

		if (slice_eq(pg_get(changes, i, 2), slice_str(k->name)) &&
		    dir_rows_key(k, pg_get(changes, i, 3), &mem, &key) &&
		    map_get(&have, key) == NULL)
			dir_batch_del(b, key);
	}
	map_fini(&have);
	dir_batch_fini(&got);
	pg_result_free(&r);
	return E_OK;
}

WAITS static enum err follow_once(struct dir *d, size_t *n_out, struct diag *diag)
{
	struct touched touched = {.settings = false};
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct dir_batch b;
	enum err e;

	*n_out = 0;
	pg_u64(&a, d->txid);
	pg_u64(&a, d->serial);
	pg_u64(&a, CHANGES_MAX);
	e = pg_query(d->pool, dir_sql_changes, &a, deadline_in(DIR_QUERY_MS), &r, diag);
	if (e != E_OK)
		return e;
	dir_batch_init(&b);
	*n_out = pg_rows(r);
	for (size_t i = 0; i < dir_sql_kinds_n && e == E_OK && *n_out > 0; i++)
		e = fetch_kind(d, &dir_sql_kinds[i], r, &b, diag);
	if (e == E_OK && *n_out > 0) {
		metric_add(&m_changes, (int64_t)*n_out);
		d->txid = pg_get_u64(r, *n_out - 1, 0);
		d->serial = pg_get_u64(r, *n_out - 1, 1);
		apply_batch(d, &touched, &b);
		emit_touched(d, &touched);
		dir_copy_write(d, &b);
	}
	dir_batch_fini(&b);
	pg_result_free(&r);
	return e;
}

WAITS static enum err follow(struct dir *d, struct diag *diag)
{
	size_t n = CHANGES_MAX;
	enum err e = E_OK;

	while (e == E_OK && n == CHANGES_MAX)
		e = follow_once(d, &n, diag);
	return e;
}

/* ---- rounds ---- */

WAITS static enum err register_self(struct dir *d, struct diag *diag)
{
	struct dir_node n = {.port = d->node_port};
	struct dir_actor by = {.who = SL("backend")};

	if (d->node_address == NULL || d->node_address[0] == '\0')
		return E_OK;
	memcpy(n.public_key, d->node_key.public_key, sizeof(n.public_key));
	if (!slice_to_str(slice_str(d->node), n.name, sizeof(n.name)) ||
	    !slice_to_str(slice_str(d->node_address), n.address, sizeof(n.address)))
		return diag_set(diag, E_INVALID, "the node's name or address is too long");
	return dir_node_register(d, &by, &n, diag);
}

WAITS static void prune(struct dir *d)
{
	struct pg_args a = {.n = 0};
	struct diag diag;
	enum err e;

	if (clock_mono_ms() < d->pruned_ms)
		return;
	d->pruned_ms = clock_mono_ms() + PRUNE_MS;
	pg_u64(&a, PRUNE_AGE_S);
	e = pg_query(d->pool, dir_sql_prune, &a, deadline_in(DIR_QUERY_MS), NULL, &diag);
	if (e == E_OK)
		e = pg_query(d->pool, dir_sql_session_drop, PG_NO_ARGS, deadline_in(DIR_QUERY_MS),
			     NULL, &diag);
	if (e != E_OK)
		LOG(LOG_WARN, NULL, "dir.prune", LF_ERR("status", e), LF_STR("why", diag.text));
}

WAITS static enum err round_run(struct dir *d, struct diag *diag)
{
	int64_t now_us = clock_wall_us(), now_ms = clock_mono_ms();
	struct state s;
	enum err e;

	if (!d->schema_done) {
		e = dir_schema_apply(d, diag);
		if (e == E_OK)
			e = register_self(d, diag);
		if (e != E_OK)
			return e;
		d->schema_done = true;
	}
	e = state_read(d, NULL, &s, diag);
	if (e != E_OK)
		return e;
	if (!d->complete || !slice_eq(slice_str(d->source), slice_str(s.source)) ||
	    s.pruned > d->txid || d->txid > s.xmin)
		e = full_sync(d, diag);
	if (e == E_OK)
		e = follow(d, diag);
	if (e != E_OK)
		return e;
	d->confirmed_us = now_us;
	d->confirmed_ms = now_ms;
	metric_set(&m_confirmed, now_us / 1000000);
	dir_copy_touch(d);
	prune(d);
	return E_OK;
}

static void round_failed(struct dir *d, enum err e, const struct diag *diag)
{
	metric_add(&m_failed, 1);
	if (d->connected || d->error[0] == '\0')
		LOG(LOG_WARN, NULL, "dir.sync", LF_ERR("status", e), LF_STR("why", diag->text));
	d->connected = false;
	if (!slice_to_str(slice_str(diag->text), d->error, sizeof(d->error)))
		d->error[0] = '\0';
}

WAITS void dir_sync_main(void *arg)
{
	struct dir *d = arg;

	while (!fiber_cancelled()) {
		struct diag diag = {.text = ""};
		uint64_t round = ++d->rounds;
		enum err e = round_run(d, &diag);

		if (e == E_OK) {
			if (!d->connected)
				LOG(LOG_INFO, NULL, "dir.sync", LF_ERR("status", e));
			d->rounds_good = round;
			d->connected = true;
			d->error[0] = '\0';
			waitq_wake_all(&d->round_ended);
		} else if (e != E_CANCELLED) {
			round_failed(d, e, &diag);
		}
		if (event_wait(&d->nudge, "dir.sync", deadline_in(d->poll_ms)) == E_CANCELLED)
			break;
	}
	d->fiber = NULL;
	waitq_wake_all(&d->round_ended);
	event_set(&d->ended);
}

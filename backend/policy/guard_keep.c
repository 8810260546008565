/*
 * What a restart finds: counts, which are hints, and holds, which are not. A hold is made durable
 * here first and brought to the directory then; once the directory's image shows it, it is
 * forgotten here.
 */
#include "backend/policy/guard_priv.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/log/log.h"

#define SAVE_AT_ONCE 256

slice_t guard_id_key(char out[8], uint64_t account)
{
	be64_put(out, account);
	return slice(out, 8);
}

slice_t guard_row_key(const char *prefix, uint64_t account, char out[KEY_MAX])
{
	memcpy(out, prefix, KEY_MAX - 8);
	be64_put(out + KEY_MAX - 8, account);
	return slice(out, KEY_MAX);
}

/* ---- what is kept ---- */

struct saving {
	char keys[SAVE_AT_ONCE][KEY_MAX];
	uint64_t accounts[SAVE_AT_ONCE];
	struct buf values[SAVE_AT_ONCE];
	struct dir_kv_op ops[SAVE_AT_ONCE];
	size_t n;
};

WAITS static enum err save_some(struct guard *g, struct saving *s)
{
	enum err e;

	for (s->n = 0; s->n < SAVE_AT_ONCE; s->n++) {
		size_t i = s->n;

		buf_reset(&s->values[i]);
		if (!rates_pack_next(g->rates, &s->accounts[i], &s->values[i]))
			break;
		s->ops[i].key = guard_row_key(RATE_PREFIX, s->accounts[i], s->keys[i]);
		s->ops[i].value = buf_slice(&s->values[i]);
	}
	e = g->kv->apply(g->kv->ctx, s->ops, s->n, DIR_KV_LAZY);
	for (size_t i = 0; i < s->n && e != E_OK; i++) {
		struct rates_account *a = rates_find(g->rates, s->accounts[i]);

		if (a != NULL)
			rates_touch(g->rates, a);
	}
	return e;
}

WAITS void guard_save_rates(struct guard *g)
{
	struct saving *s = xcalloc(1, sizeof *s);
	enum err e;

	for (size_t i = 0; i < SAVE_AT_ONCE; i++)
		buf_init(&s->values[i], RATES_PACKED_MAX, NULL);
	do
		e = save_some(g, s);
	while (e == E_OK && s->n == SAVE_AT_ONCE);
	if (e != E_OK)
		LOG(LOG_WARN, NULL, "policy.not_saved", LF_ERR("error", e));
	for (size_t i = 0; i < SAVE_AT_ONCE; i++)
		buf_fini(&s->values[i]);
	xfree(&s);
}

/* ---- holds on their way ---- */

static void drop_pending(struct guard *g, struct pending *p)
{
	(void)map_del(&g->pending, slice(p->key, sizeof p->key));
	xfree(&p);
}

/* why NULL: it is over. */
WAITS static enum err write_hold(struct guard *g, uint64_t account, const char *why)
{
	char key[KEY_MAX];
	struct dir_kv_op op = {.key = guard_row_key(HOLD_PREFIX, account, key)};
	enum err e;

	if (why != NULL)
		op.value = slice_str(why);
	e = g->kv->apply(g->kv->ctx, &op, 1, DIR_KV_SYNC);
	if (e != E_OK)
		LOG(LOG_ERROR, NULL, "policy.hold_unsaved", LF_UINT("account", account),
		    LF_ERR("error", e));
	return e;
}

static struct pending *pending_of(struct guard *g, uint64_t account)
{
	char key[8];

	return map_get(&g->pending, guard_id_key(key, account));
}

/* Only the guard's fiber drops one, so it is there after the wait. */
WAITS static void save_hold(struct guard *g, uint64_t account)
{
	struct pending *p = pending_of(g, account);
	char why[WHY_MAX + 1];

	if (p->saved || g->pending.count > GUARD_PENDING_MAX)
		return;
	memcpy(why, p->why, sizeof why);
	if (write_hold(g, account, why) == E_OK)
		pending_of(g, account)->saved = true;
}

WAITS static enum err tell_directory(struct guard *g, uint64_t account, const char *why)
{
	char who[DIR_NODE_MAX + 16];
	struct dir_actor by = {.from = SLICE_NONE};
	struct dir_account a;
	struct diag diag = {""};
	enum err e = dir_account_by_id(g->dir, account, &a);

	snprintf(who, sizeof who, "backend/%s", dir_node_name(g->dir));
	by.who = slice_str(who);
	if (e == E_OK)
		e = dir_account_hold(g->dir, &by, slice_str(a.address), slice_str(why), &diag);
	if (e != E_OK)
		LOG_SELDOM(LOG_WARN, NULL, "policy.hold_waits", LF_UINT("account", account),
			   LF_ERR("error", e), LF_STR("why", diag.text));
	return e;
}

/* One hold's next step. False: the directory cannot be asked now. */
WAITS static bool bring(struct guard *g, uint64_t account)
{
	char why[WHY_MAX + 1];
	enum err e;

	save_hold(g, account);
	memcpy(why, pending_of(g, account)->why, sizeof why);
	e = tell_directory(g, account, why);
	/* The image has it before it is forgotten here: there is no moment in between. */
	if (e == E_OK)
		e = dir_wait_synced(g->dir, deadline_in(GUARD_RETRY_MS));
	if (e != E_OK && e != E_NOT_FOUND)
		return false;
	/* One that stays behind is brought once more after a restart. */
	if (write_hold(g, account, NULL) != E_OK)
		return false;
	drop_pending(g, pending_of(g, account));
	guard_settle_hold(g, account, guard_is_held(g, account));
	return true;
}

/* True: all that is known is in the directory. */
WAITS bool guard_bring_all(struct guard *g)
{
	while (g->pending.count != 0 && !g->stop) {
		struct map_iter it = {0};
		slice_t key;
		void *p;

		(void)map_next(&g->pending, &it, &key, &p);
		if (!bring(g, ((const struct pending *)p)->account))
			return false;
	}
	return true;
}

/* All of them are made durable before the first is told: the directory may be away for long. */
WAITS void guard_save_holds(struct guard *g)
{
	uint64_t accounts[SAVE_AT_ONCE];
	struct map_iter it = {0};
	size_t n = 0;
	slice_t key;
	void *v;

	while (n < SAVE_AT_ONCE && map_next(&g->pending, &it, &key, &v)) {
		const struct pending *p = v;

		if (!p->saved)
			accounts[n++] = p->account;
	}
	for (size_t i = 0; i < n; i++)
		save_hold(g, accounts[i]);
}

static bool take_hold(slice_t key, slice_t value, void *arg)
{
	struct guard *g = arg;

	if (key.n == KEY_MAX && g->pending.count < GUARD_PENDING_MAX)
		guard_put_pending(g, be64_get(key.p + KEY_MAX - 8), value)->saved = true;
	return true;
}

WAITS enum err guard_load_holds(struct guard *g)
{
	return g->kv->scan(g->kv->ctx, SL(HOLD_PREFIX), take_hold, g);
}

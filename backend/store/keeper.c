/*
 * The keeper: one thread that asks the writer, now and then, for what can wait. A round
 *
 *   writes which messages are no longer recent,
 *   releases what was expunged longer ago than the grace,
 *   purges the messages of deleted mailboxes and removed accounts,
 *   trims delivery ids and change logs,
 *   compacts volumes under half live,
 *   has the writer look for room when it had none.
 *
 * Each step is a change like any other, of at most KEEP_ROWS rows, so that deliveries wait for one
 * of them at most.
 */
#include <errno.h>
#include <time.h>

#include "backend/store/keep.h"
#include "backend/store/partition_priv.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/log/log.h"

#define KEEP_ROWS       500
/* Accounts whose change log is looked at in a round. */
#define KEEP_ACCOUNTS   1000
#define KEEP_RECENT_MAX 512

/* Runs a step until it takes less than it might. */
static enum err keep_all(struct partition *p, struct change_keep *k)
{
	enum err e;

	k->max = KEEP_ROWS;
	do {
		e = change_run(p, &k->change);
	} while (e == E_OK && k->done == k->max);
	return e;
}

static enum err keep_recent(struct partition *p)
{
	struct recent_slot slots[KEEP_RECENT_MAX];
	struct change_keep k;
	enum err e = E_OK;

	change_keep_init(&k, KEEP_RECENT);
	k.recent = slots;
	while (e == E_OK && (k.nrecent = recent_drain(p, slots, KEEP_RECENT_MAX)) > 0)
		e = change_run(p, &k.change);
	return e;
}

/* The key of the first row of a table, at most `max` bytes of it. False: the table is empty. */
static bool first_key(struct partition *p, enum table table, unsigned char *out, size_t max)
{
	struct kv_cursor *c = NULL;
	struct kv_txn *t;
	slice_t k, v;
	enum err e = kv_read(p->kv, &t);

	if (e != E_OK)
		return false;
	e = kv_cursor(t, table, &c);
	if (e == E_OK)
		e = kv_seek(c, SLICE_NONE, &k, &v);
	if (e == E_OK)
		memcpy(out, k.p, MIN(k.n, max));
	kv_cursor_end(&c);
	kv_abort(&t);
	return e == E_OK;
}

static enum err keep_reap(struct partition *p)
{
	unsigned char key[24];
	struct change_keep k;

	change_keep_init(&k, KEEP_REAP);
	k.before_us = clock_wall_us() - MAX(p->conf.expunged_ms, 0) * 1000;
	if (p->conf.expunged_ms < 0)
		k.before_us = INT64_MAX;
	if (!first_key(p, T_REAP, key, sizeof(key)) || (int64_t)be64_get(key) >= k.before_us)
		return E_OK;
	return keep_all(p, &k);
}

static enum err keep_purge(struct partition *p)
{
	unsigned char key[12];
	struct change_keep k;
	enum err e = E_OK;

	change_keep_init(&k, KEEP_PURGE);
	while (e == E_OK && first_key(p, T_PURGE, key, sizeof(key))) {
		k.account = be64_get(key);
		k.mailbox = be32_get(key + 8);
		e = keep_all(p, &k);
	}
	return e;
}

static enum err keep_dedupe(struct partition *p)
{
	uint32_t now = (uint32_t)(clock_wall_us() / (p->conf.dedupe_ms * 1000 / 2));
	unsigned char key[4];
	struct change_keep k;

	change_keep_init(&k, KEEP_DEDUPE_TRIM);
	k.period = now > 2 ? now - 2 : 0;
	if (!first_key(p, T_DEDUPE, key, sizeof(key)) || be32_get(key) >= k.period)
		return E_OK;
	return keep_all(p, &k);
}

/* ---- change logs ---- */

struct log_look {
	struct row_account acct;
	uint64_t upto; /* trim up to here; 0: nothing to do */
};

/* How far the account's log is too old, or too long; a slice of it at a time. */
static enum err log_look(struct partition *p, uint64_t account, struct log_look *out)
{
	int64_t old = clock_wall_us() - p->conf.changelog_ms * 1000;
	struct kv_cursor *c = NULL;
	struct kv_txn *t;
	struct rec_key key;
	struct row_log row;
	uint64_t rows = 0;
	slice_t k, v;
	enum err e = kv_read(p->kv, &t);

	out->upto = 0;
	if (e != E_OK)
		return e;
	e = tab_account_get(t, account, &out->acct);
	if (e == E_OK)
		e = kv_cursor(t, T_LOG, &c);
	key_pair(&key, account, 0);
	if (e == E_OK)
		e = kv_seek(c, rec_key(&key), &k, &v);
	key.n = 8;
	while (e == E_OK && k.n == 16 && key_within(k, &key) && rows < STORE_SLICE_ROWS) {
		e = row_log_decode(v, &row);
		if (e != E_OK || (!out->acct.removed && row.time_us >= old &&
				  out->acct.log_rows - rows <= p->conf.changelog_rows))
			break;
		rows++;
		out->upto = be64_get(k.p + 8);
		e = kv_next(c, &k, &v);
	}
	kv_cursor_end(&c);
	kv_abort(&t);
	return e == E_NOT_FOUND ? E_OK : e;
}

static enum err keep_account(struct partition *p, uint64_t account)
{
	struct change_keep k;
	struct log_look look;
	enum err e = log_look(p, account, &look);

	while (e == E_OK && look.upto != 0) {
		change_keep_init(&k, KEEP_LOG_TRIM);
		k.account = account;
		k.upto = look.upto;
		k.max = KEEP_ROWS;
		e = change_run(p, &k.change);
		if (e == E_OK)
			e = log_look(p, account, &look);
	}
	if (e != E_OK || !look.acct.removed)
		return e;
	change_keep_init(&k, KEEP_ACCOUNT_GONE);
	k.account = account;
	return change_run(p, &k.change);
}

static enum err keep_accounts(struct partition *p)
{
	uint64_t ids[64];
	size_t n;
	enum err e = E_OK, bad = E_OK;

	for (unsigned done = 0; done < KEEP_ACCOUNTS && e == E_OK; done += ARRAY_LEN(ids)) {
		e = partition_accounts(p, p->keeper_account, ids, ARRAY_LEN(ids), &n);
		p->keeper_account = e == E_OK && n == ARRAY_LEN(ids) ? ids[n - 1] : 0;
		for (size_t i = 0; i < n && e == E_OK; i++) {
			enum err one = keep_account(p, ids[i]);

			bad = bad == E_OK ? one : bad;
		}
		if (p->keeper_account == 0)
			break;
	}
	return e == E_OK ? bad : e;
}

/* ---- the round ---- */

static enum err keep_compacted(struct partition *p)
{
	uint64_t moved;

	return atomic_load(&p->stopped) ? E_OK : compact_round(p, &moved);
}

/* A full partition refuses before anything reaches its writer, so the writer must be asked to look
 * whether there is room again. */
static enum err keep_room(struct partition *p)
{
	struct change_keep k;

	if (!atomic_load(&p->full))
		return E_OK;
	change_keep_init(&k, KEEP_ROOM);
	return change_run(p, &k.change);
}

/* A step that meets a bad row does not hold up the others. */
enum err partition_keep(struct partition *p)
{
	static enum err (*const steps[])(struct partition *) = {
		keep_recent,   keep_purge,     keep_reap, keep_dedupe,
		keep_accounts, keep_compacted, keep_room,
	};
	enum err e = E_OK;

	pthread_mutex_lock(&p->round_lock);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		enum err step = steps[i](p);

		e = e == E_OK ? step : e;
	}
	pthread_mutex_unlock(&p->round_lock);
	return e;
}

bool keeper_pause(struct partition *p, int64_t ms)
{
	int64_t until_us = clock_mono_us() + ms * 1000;
	struct timespec until = {.tv_sec = (time_t)(until_us / 1000000),
				 .tv_nsec = (long)(until_us % 1000000) * 1000};
	bool ends;

	pthread_mutex_lock(&p->keeper_lock);
	while (!p->keeper_ends &&
	       pthread_cond_timedwait(&p->keeper_wake, &p->keeper_lock, &until) != ETIMEDOUT)
		;
	ends = p->keeper_ends;
	pthread_mutex_unlock(&p->keeper_lock);
	return !ends;
}

static void *keeper_main(void *arg)
{
	struct partition *p = arg;

	while (keeper_pause(p, p->conf.keeper_ms)) {
		enum err e = atomic_load(&p->stopped) ? E_OK : partition_keep(p);

		if (e != E_OK)
			LOG(LOG_WARN, NULL, "store.keeper_failed", LF_UINT("partition", p->conf.id),
			    LF_ERR("why", e));
	}
	return NULL;
}

enum err keeper_start(struct partition *p)
{
	if (p->conf.keeper_ms < 0)
		return E_OK;
	p->keeper_started = pthread_create(&p->keeper, NULL, keeper_main, p) == 0;
	return p->keeper_started ? E_OK : E_LIMIT;
}

void keeper_end(struct partition *p)
{
	pthread_mutex_lock(&p->keeper_lock);
	p->keeper_ends = true;
	pthread_cond_signal(&p->keeper_wake);
	pthread_mutex_unlock(&p->keeper_lock);
	if (p->keeper_started)
		pthread_join(p->keeper, NULL);
	p->keeper_started = false;
	/* The marks of who has seen what would be lost. */
	if (p->started && !atomic_load(&p->stopped))
		(void)keep_recent(p);
}

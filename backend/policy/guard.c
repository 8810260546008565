#include "backend/policy/guard_priv.h"

#include <stdio.h>

#include "backend/policy/live.h"
#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/log/metric.h"

METRIC_COUNTER(m_held, "account_holds_total", "Accounts that were held for a burst");
METRIC_COUNTER(m_minute, "submissions_limited_total", "Messages refused by limit",
	       {"limit", "messages_minute"});
METRIC_COUNTER(m_hour, "submissions_limited_total", "Messages refused by limit",
	       {"limit", "messages_hour"});
METRIC_COUNTER(m_day, "submissions_limited_total", "Messages refused by limit",
	       {"limit", "messages_day"});
METRIC_COUNTER(m_rcpt_hour, "submissions_limited_total", "Messages refused by limit",
	       {"limit", "recipients_hour"});
METRIC_COUNTER(m_rcpt_day, "submissions_limited_total", "Messages refused by limit",
	       {"limit", "recipients_day"});
METRIC_COUNTER(m_refused_held, "submissions_limited_total", "Messages refused by limit",
	       {"limit", "held"});

/* ---- settings ---- */

static void read_settings(struct guard *g)
{
	static const char *const keys[DIR_SENDS] = {
		"submission.limit_minute",   "submission.limit_hour",
		"submission.limit_day",      "submission.recipients_hour",
		"submission.recipients_day", "submission.burst_recipients",
	};
	struct conf *c = live_settings(g->dir, g->overrides);

	for (size_t i = 0; i < DIR_SENDS; i++)
		g->limits[i] = (uint32_t)conf_int(c, keys[i]);
	g->burst.factor = (uint32_t)conf_int(c, "submission.burst_factor");
	g->burst.failed_percent = (uint32_t)conf_int(c, "submission.burst_failed_percent");
	conf_free(&c);
}

/* The account's own where it has them. False: there is no such account. */
static bool limits_of(const struct guard *g, uint64_t account, uint32_t out[DIR_SENDS])
{
	struct dir_account a;

	if (dir_account_by_id(g->dir, account, &a) != E_OK)
		return false;
	for (size_t i = 0; i < DIR_SENDS; i++)
		out[i] = a.send[i] != DIR_SEND_DEFAULT ? a.send[i] : g->limits[i];
	return true;
}

/* ---- who is held ---- */

static bool is_pending(const struct guard *g, uint64_t account)
{
	char key[8];

	return map_get(&g->pending, guard_id_key(key, account)) != NULL;
}

bool guard_is_held(const struct guard *g, uint64_t account)
{
	struct dir_account a;

	return (dir_account_by_id(g->dir, account, &a) == E_OK && a.held) || is_pending(g, account);
}

void guard_settle_hold(struct guard *g, uint64_t account, bool held)
{
	struct rates_account *a = rates_find(g->rates, account);
	char key[8];
	slice_t k = guard_id_key(key, account);

	if (held == (map_get(&g->held, k) != NULL))
		return;
	if (held)
		(void)map_put(&g->held, k, g);
	else
		(void)map_del(&g->held, k);
	if (!held && a != NULL)
		rates_forgive(a);
	LOG(LOG_INFO, NULL, held ? "account.held" : "account.released",
	    LF_UINT("account", account));
	if (g->watch != NULL)
		g->watch(account, held, g->watch_arg);
}

static bool note_account(const struct dir_account *a, void *arg)
{
	if (a->held)
		guard_settle_hold(arg, a->id, true);
	return true;
}

static void note_all(struct guard *g)
{
	struct dir_partition p;

	for (size_t i = 0; i < dir_partition_count(g->dir); i++) {
		dir_partition_at(g->dir, i, &p);
		dir_accounts_each(g->dir, p.id, note_account, g);
	}
}

static void on_dir_event(const struct dir_event *ev, void *arg)
{
	struct guard *g = arg;

	if (ev->kind == DIR_EV_SETTINGS)
		read_settings(g);
	if (ev->kind == DIR_EV_ACCOUNT)
		guard_settle_hold(g, ev->account->id,
				  ev->account->held || is_pending(g, ev->account->id));
}

void guard_watch(struct guard *g, guard_hold_fn *fn, void *arg)
{
	struct map_iter it = {0};
	slice_t key;
	void *v;

	g->watch = fn;
	g->watch_arg = arg;
	while (map_next(&g->held, &it, &key, &v))
		fn(be64_get(key.p), true, arg);
}

static void sound_alarm(struct guard *g, struct pending *p)
{
	struct dir_account a;

	if (g->alarm == NULL || p->told || dir_account_by_id(g->dir, p->account, &a) != E_OK)
		return;
	p->told = true;
	g->alarm(&a, slice_str(p->why), g->alarm_arg);
}

void guard_on_alarm(struct guard *g, guard_alarm_fn *fn, void *arg)
{
	struct map_iter it = {0};
	slice_t key;
	void *v;

	g->alarm = fn;
	g->alarm_arg = arg;
	while (map_next(&g->pending, &it, &key, &v))
		sound_alarm(g, v);
}

void guard_unwatch(struct guard *g)
{
	g->watch = NULL;
	g->alarm = NULL;
}

size_t guard_pending(const struct guard *g)
{
	return g->pending.count;
}

/* ---- bursts ---- */

struct pending *guard_put_pending(struct guard *g, uint64_t account, slice_t why)
{
	struct pending *p = xcalloc(1, sizeof *p);

	p->account = account;
	be64_put(p->key, account);
	if (!slice_to_str(slice_sub(why, 0, WHY_MAX), p->why, sizeof p->why))
		p->why[0] = '\0'; /* a damaged hint: held all the same */
	invariant(map_put(&g->pending, slice(p->key, sizeof p->key), p) == NULL);
	guard_settle_hold(g, account, true);
	return p;
}

static void words_of(enum rates_alarm alarm, const struct rates_seen *seen, char out[WHY_MAX + 1])
{
	unsigned long long n = seen->count, of = seen->of;

	switch (alarm) {
	case RATES_MANY:
		snprintf(out, WHY_MAX + 1, "%llu recipients elsewhere in ten minutes", n);
		break;
	case RATES_UNUSUAL:
		snprintf(out, WHY_MAX + 1, "%llu recipients elsewhere this hour; usual are %llu", n,
			 of);
		break;
	case RATES_REFUSED:
		snprintf(out, WHY_MAX + 1, "%llu of %llu tries were refused for good", n, of);
		break;
	case RATES_CALM:
		out[0] = '\0';
		break;
	}
}

/* After something was counted. */
static void look_for_burst(struct guard *g, uint64_t account, const struct rates_account *a)
{
	struct dir_account row;
	struct rates_burst b = g->burst;
	struct rates_seen seen;
	enum rates_alarm alarm;
	char why[WHY_MAX + 1];

	if (guard_is_held(g, account) || dir_account_by_id(g->dir, account, &row) != E_OK)
		return;
	b.outside = row.send[DIR_SEND_BURST] != DIR_SEND_DEFAULT ? row.send[DIR_SEND_BURST]
								 : g->limits[DIR_SEND_BURST];
	b.factor_least = b.outside / 2;
	if (b.outside == 0) /* who may send as much as they like has nothing unusual */
		b.factor = 0;
	alarm = rates_alarm(a, &b, clock_wall_us(), &seen);
	if (alarm == RATES_CALM)
		return;
	words_of(alarm, &seen, why);
	metric_add(&m_held, 1);
	LOG(LOG_ERROR, NULL, "account.burst", LF_UINT("account", account),
	    LF_STR("address", row.address), LF_STR("why", why));
	sound_alarm(g, guard_put_pending(g, account, slice_str(why)));
	event_set(&g->wake);
}

/* ---- the account's counts ---- */

struct loading {
	slice_t key;
	struct buf *out;
};

static bool take_row(slice_t key, slice_t value, void *arg)
{
	struct loading *l = arg;

	if (slice_eq(key, l->key))
		buf_put(l->out, value);
	return false;
}

/* From memory, else from the hints, else new. */
WAITS static struct rates_account *account_of(struct guard *g, uint64_t account)
{
	struct rates_account *a = rates_find(g->rates, account);
	struct loading l;
	struct buf row;
	char key[KEY_MAX];
	enum err e;

	if (a != NULL)
		return a;
	buf_init(&row, RATES_PACKED_MAX, NULL);
	l = (struct loading){.key = guard_row_key(RATE_PREFIX, account, key), .out = &row};
	e = g->kv->scan(g->kv->ctx, l.key, take_row, &l);
	if (e != E_OK)
		LOG(LOG_WARN, NULL, "policy.hint_unread", LF_UINT("account", account),
		    LF_ERR("error", e));
	/* Another message of the account may have made it meanwhile. */
	a = rates_find(g->rates, account);
	if (a == NULL) {
		a = rates_make(g->rates, account);
		if (row.n != 0 && !rates_unpack(a, buf_slice(&row)))
			LOG(LOG_WARN, NULL, "policy.hint_dropped", LF_UINT("account", account));
	}
	buf_fini(&row);
	return a;
}

/* ---- refusals ---- */

static struct metric *metric_of(enum dir_send which)
{
	switch (which) {
	case DIR_SEND_MESSAGES_MINUTE:
		return &m_minute;
	case DIR_SEND_MESSAGES_HOUR:
		return &m_hour;
	case DIR_SEND_MESSAGES_DAY:
		return &m_day;
	case DIR_SEND_RECIPIENTS_HOUR:
		return &m_rcpt_hour;
	case DIR_SEND_RECIPIENTS_DAY:
		return &m_rcpt_day;
	case DIR_SEND_BURST:
	case DIR_SENDS:
		break;
	}
	invariant(!"a limit of counts");
	return NULL;
}

static enum err refuse(uint64_t account, enum dir_send which, int64_t again_us, struct diag *diag)
{
	static const char *const what[DIR_SENDS] = {
		"messages in the last minute", "messages in the last hour",
		"messages in the last day",    "recipients in the last hour",
		"recipients in the last day",  "",
	};
	struct civil again;

	metric_add(metric_of(which), 1);
	LOG(LOG_INFO, NULL, "account.limited", LF_UINT("account", account),
	    LF_STR("limit", what[which]));
	if (again_us == INT64_MAX)
		return diag_set(diag, E_RATE, "too many recipients for this account's limit");
	civil_of(again_us / 1000000 + 60, &again); /* not before that minute */
	return diag_set(diag, E_RATE, "too many %s, try again at %02u:%02u UTC", what[which],
			again.hour, again.min);
}

enum err guard_may_go_out(const struct guard *g, uint64_t account, struct diag *diag)
{
	if (!guard_is_held(g, account))
		return E_OK;
	metric_add(&m_refused_held, 1);
	LOG(LOG_INFO, NULL, "account.limited", LF_UINT("account", account),
	    LF_STR("limit", "held"));
	return diag_set(diag, E_RATE, "mail to other systems is held, ask your administrator");
}

WAITS enum err guard_may_send(struct guard *g, uint64_t account, struct diag *diag)
{
	const struct rates_account *a = account_of(g, account);
	uint32_t limits[DIR_SENDS];
	enum dir_send which;
	int64_t again_us;

	if (!limits_of(g, account, limits) ||
	    rates_look(a, limits, clock_wall_us(), &which, &again_us) != RATES_OVER)
		return E_OK;
	return refuse(account, which, again_us, diag);
}

WAITS enum err guard_take(struct guard *g, uint64_t account, const struct rates_mail *m,
			  bool *counted_out, struct diag *diag)
{
	struct rates_account *a = account_of(g, account);
	uint32_t limits[DIR_SENDS];
	enum dir_send which;
	int64_t again_us;

	*counted_out = false;
	if (!limits_of(g, account, limits))
		return E_OK; /* an image that does not know it: the ticket says it is there */
	if (m->noutside != 0 && guard_is_held(g, account))
		return guard_may_go_out(g, account, diag);
	switch (rates_take(a, limits, m, clock_wall_us(), &which, &again_us)) {
	case RATES_OVER:
		return refuse(account, which, again_us, diag);
	case RATES_AGAIN:
		return E_OK;
	case RATES_COUNTED:
		break;
	}
	*counted_out = true;
	if (m->noutside != 0)
		look_for_burst(g, account, a);
	return E_OK;
}

void guard_give_back(struct guard *g, uint64_t account, const struct rates_mail *m)
{
	struct rates_account *a = rates_find(g->rates, account);

	if (a != NULL)
		rates_give_back(a, m, clock_wall_us());
}

void guard_tried(struct guard *g, uint64_t account, uint32_t tries, uint32_t failed)
{
	struct rates_account *a = rates_find(g->rates, account);

	if (a == NULL)
		return;
	rates_tried(a, clock_wall_us(), tries, failed);
	if (failed != 0)
		look_for_burst(g, account, a);
}

/* ---- life ---- */

WAITS static void run(void *arg)
{
	struct guard *g = arg;
	int64_t save_at_ms = clock_mono_ms() + GUARD_SAVE_MS;

	while (!g->stop) {
		bool done;

		guard_save_holds(g);
		done = guard_bring_all(g);
		if (clock_mono_ms() >= save_at_ms) {
			guard_save_rates(g);
			save_at_ms = clock_mono_ms() + GUARD_SAVE_MS;
		}
		if (event_wait(&g->wake, "policy.guard",
			       done ? save_at_ms : deadline_in(GUARD_RETRY_MS)) == E_CANCELLED)
			break;
	}
	g->fiber = NULL;
	event_set(&g->ended);
}

WAITS enum err guard_open(struct dir *dir, const struct dir_kv *kv, const struct conf *overrides,
			  struct guard **out)
{
	struct guard *g = xcalloc(1, sizeof *g);
	enum err e;

	g->dir = dir;
	g->kv = kv;
	g->overrides = overrides;
	g->rates = rates_new();
	map_init(&g->pending);
	map_init(&g->held);
	event_init(&g->wake);
	event_init(&g->ended);
	read_settings(g);
	g->sub = (struct dir_sub){.fn = on_dir_event, .arg = g};
	dir_subscribe(dir, &g->sub);
	note_all(g);
	*out = g;
	e = guard_load_holds(g);
	if (e == E_OK)
		e = fiber_start("policy.guard", run, g, &g->fiber);
	if (e != E_OK)
		guard_close(out);
	return e;
}

WAITS void guard_close(struct guard **pg)
{
	struct guard *g = *pg;
	struct map_iter it = {0};
	slice_t key;
	void *v;

	if (g == NULL)
		return;
	dir_unsubscribe(&g->sub);
	g->stop = true;
	fiber_shield_begin();
	if (g->fiber != NULL) {
		fiber_cancel(g->fiber);
		while (event_wait(&g->ended, "policy.stop", NO_DEADLINE) != E_OK)
			;
	}
	guard_save_holds(g);
	guard_save_rates(g);
	fiber_shield_end();
	while (map_next(&g->pending, &it, &key, &v))
		xfree(&v);
	map_fini(&g->pending);
	map_fini(&g->held);
	rates_free(&g->rates);
	xfree(pg);
}

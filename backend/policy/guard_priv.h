/* What the files of guard share. */
#ifndef BACKEND_POLICY_GUARD_PRIV_H
#define BACKEND_POLICY_GUARD_PRIV_H

#include "backend/policy/guard.h"
#include "common/base/map.h"
#include "common/base/num.h"
#include "common/loop/fiber.h"

#define RATE_PREFIX "policy/rate/"
#define HOLD_PREFIX "policy/hold/"
#define KEY_MAX     (sizeof(RATE_PREFIX) - 1 + 8)
#define WHY_MAX     200

/* A hold on its way to the directory. */
struct pending {
	char key[8];
	uint64_t account;
	bool saved; /* in the node's environment */
	bool told;  /* to whom alarms go */
	char why[WHY_MAX + 1];
};

struct guard {
	struct dir *dir;
	const struct dir_kv *kv;
	const struct conf *overrides;
	struct rates *rates;
	uint32_t limits[DIR_SENDS];
	struct rates_burst burst;
	struct map pending;
	struct map held; /* accounts that watchers were told of; values mean nothing */
	guard_hold_fn *watch;
	void *watch_arg;
	guard_alarm_fn *alarm;
	void *alarm_arg;
	struct dir_sub sub;
	struct fiber *fiber;
	struct event wake, ended;
	bool stop;
};

/* An account as a key of a map, and of the node's environment; into out. */
slice_t guard_id_key(char out[8], uint64_t account);
slice_t guard_row_key(const char *prefix, uint64_t account, char out[KEY_MAX]);

/* Holds the account, until the directory has it. */
struct pending *guard_put_pending(struct guard *g, uint64_t account, slice_t why);
/* Tells the watcher if it has changed. */
void guard_settle_hold(struct guard *g, uint64_t account, bool held);

/* ---- guard_keep: what a restart finds ---- */

/* Every account whose counts have changed, into the hints. */
WAITS void guard_save_rates(struct guard *g);
/* Every hold that the directory does not have yet, durably. */
WAITS void guard_save_holds(struct guard *g);
WAITS enum err guard_load_holds(struct guard *g) MUST_USE;
/* Brings them to the directory. True: it has all of them. */
WAITS bool guard_bring_all(struct guard *g);

#endif

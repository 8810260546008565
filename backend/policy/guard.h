/*
 * guard: stops an account that somebody else has got hold of, and leaves the others alone.
 *
 * It counts what accounts submit here (rates), refuses what is beyond their limits, and looks for
 * bursts. An account that bursts is *held*: its mail to other systems stays in the queue and no
 * more is taken, until an administrator releases it; mail to accounts of the cluster goes on. The
 * hold is a mark on the account's row in the directory, so that every back-end knows it; until the
 * directory has it (PostgreSQL may be away) it is kept here, synced to the node's environment.
 *
 * The counts are those of this back-end. Mail to other systems is taken by the account's owner
 * alone, so its limits are exact; a message to accounts of other back-ends alone counts where it
 * goes. They are written to the node's hints every minute and at the end; a crash forgets a minute.
 *
 * The loop's thread only.
 */
#ifndef BACKEND_POLICY_GUARD_H
#define BACKEND_POLICY_GUARD_H

#include "backend/directory/dir_admin.h"
#include "backend/policy/rates.h"
#include "common/conf/conf.h"

struct guard;

#define GUARD_SAVE_MS     60000
#define GUARD_RETRY_MS    5000 /* for a hold that the directory could not take */
/* Holds that wait for the directory: far more than fall due in an outage that anybody notices.
 * Beyond, they are kept in memory only. */
#define GUARD_PENDING_MAX 10000

/* All borrowed; overrides: settings of this node's command line, or NULL. Takes up holds that the
 * last run could not bring to the directory. */
WAITS enum err guard_open(struct dir *dir, const struct dir_kv *kv, const struct conf *overrides,
			  struct guard **out) MUST_USE;
/* Writes what it knows. */
WAITS void guard_close(struct guard **g);

/* What the account may send is asked at MAIL: E_OK, or E_RATE with the words for the client. */
WAITS enum err guard_may_send(struct guard *g, uint64_t account, struct diag *diag) MUST_USE;
/* Any back-end's guard knows, but for a hold that the directory does not have yet. */
bool guard_is_held(const struct guard *g, uint64_t account);
/* A recipient elsewhere: E_OK, or E_RATE with the words when the account is held. */
enum err guard_may_go_out(const struct guard *g, uint64_t account, struct diag *diag) MUST_USE;
/* One message about to be committed: counts it, or E_RATE with the words. May hold the account; the
 * message is taken then all the same, and waits. *counted_out: guard_give_back may be needed. */
WAITS enum err guard_take(struct guard *g, uint64_t account, const struct rates_mail *m,
			  bool *counted_out, struct diag *diag) MUST_USE;
/* It was not committed. */
void guard_give_back(struct guard *g, uint64_t account, const struct rates_mail *m);
/* Results of the way out. May hold the account. One that has submitted nothing lately, and a number
 * that is no account's, do not count. */
void guard_tried(struct guard *g, uint64_t account, uint32_t tries, uint32_t failed);

/* Who keeps held accounts' mail back: told of all that are held now, and of every change. */
typedef void guard_hold_fn(uint64_t account, bool held, void *arg);
void guard_watch(struct guard *g, guard_hold_fn *fn, void *arg);
/* Neither holds nor alarms any more. */
void guard_unwatch(struct guard *g);

/* Who tells an administrator of accounts that burst: called once for each hold that is made here,
 * and for those of the last run whose way to the directory was not over; must not wait. */
typedef void guard_alarm_fn(const struct dir_account *a, slice_t why, void *arg);
void guard_on_alarm(struct guard *g, guard_alarm_fn *fn, void *arg);

/* Holds that the directory does not have yet. */
size_t guard_pending(const struct guard *g);

#endif

/*
 * outbound_alert: somebody has to look when an account is held for a burst, so whom the setting
 * alert.to names gets a mail. A back-end writes none: what it queues is a notice's job that is
 * about no message; a worker of the way out writes the words (frontend/outbound/alert).
 *
 * At most one in an hour for each account: here while the process lives, and after a restart by its
 * transaction id, which follows from the account and the hour.
 */
#include "backend/queue/outbound_priv.h"

#include "backend/queue/notice_put.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/crypto/digest.h"
#include "common/crypto/random.h"
#include "common/log/log.h"

#define ALERT_PERIOD_US (3600 * 1000000LL)
#define WHY_MAX         200 /* as the guard's */

struct alert {
	struct list node;
	uint64_t account;
	int64_t at_us;
	char why[WHY_MAX + 1];
};

static void forget_old(struct outbound *o, int64_t now_us)
{
	while (!list_empty(&o->alerted)) {
		struct alert *a = list_entry(o->alerted.next, struct alert, node);

		if (a->at_us > now_us - ALERT_PERIOD_US)
			return;
		list_remove(&a->node);
		o->nalerted--;
		xfree(&a);
	}
}

static bool is_among(const struct list *l, uint64_t account)
{
	list_for_each(i, l) {
		if (list_entry(i, struct alert, node)->account == account)
			return true;
	}
	return false;
}

void outbound_alarm(const struct dir_account *account, slice_t why, void *arg)
{
	struct outbound *o = arg;
	struct alert *a;
	int64_t now_us = clock_wall_us();

	forget_old(o, now_us);
	if (strcmp(o->alert_to, "off") == 0 || o->nalerted >= OUTBOUND_ALERTS_MAX ||
	    is_among(&o->alerts, account->id) || is_among(&o->alerted, account->id))
		return;
	a = xcalloc(1, sizeof *a);
	a->account = account->id;
	a->at_us = now_us;
	if (!slice_to_str(slice_sub(why, 0, WHY_MAX), a->why, sizeof a->why))
		a->why[0] = '\0';
	o->nalerted++;
	list_append(&o->alerts, &a->node);
	outbound_wake(o);
}

/* Whom it is for, with a domain. E_INVALID: nobody. */
static enum err recipient(const struct outbound *o, char out[DIR_ADDRESS_MAX + 1])
{
	const struct dir *dir = o->deliver->dir;
	slice_t to = slice_str(o->alert_to);

	if (to.n == 0)
		to = dir_setting(dir, "directory.postmaster");
	return dir_name_normalise(dir, to.n != 0 ? to : SL("postmaster"), out);
}

static void transaction_id(const struct alert *a, uint8_t out[STORE_TXID_SIZE])
{
	uint8_t digest[SHA256_LEN];
	char text[16];

	be64_put(text, a->account);
	be64_put(text + 8, (uint64_t)(a->at_us / ALERT_PERIOD_US));
	sha256(slice(text, sizeof text), digest);
	memcpy(out, digest, STORE_TXID_SIZE);
}

/* E_OK also of one that nobody can be told of. */
WAITS static enum err queue_one(struct outbound *o, const struct alert *a)
{
	char to[DIR_ADDRESS_MAX + 1];
	struct dir_account account;
	struct partition *part = NULL;
	struct job j = {.kind = JOB_NOTICE, .action = JOB_ALERT, .origin = SL("outbound")};
	enum err e = dir_account_by_id(o->deliver->dir, a->account, &account);

	if (e == E_OK)
		e = recipient(o, to);
	if (e == E_OK)
		part = partitions_get(o->deliver->parts, account.partition);
	if (part == NULL) {
		LOG(LOG_WARN, NULL, "alert.nobody", LF_UINT("account", a->account),
		    LF_ERR("error", e));
		return E_OK;
	}
	j.sender = slice_str(to);
	j.address = slice_str(account.address);
	j.account = account.id;
	j.last_error = slice_str(a->why);
	j.first_us = j.last_us = j.next_us = j.notice_us = a->at_us;
	transaction_id(a, j.txid);
	random_bytes(j.trace_id, sizeof j.trace_id);
	e = notice_put(part, SL("alert"), 0, &j); /* E_EXISTS: from before a restart */
	LOG(LOG_INFO, NULL, "alert.queued", LF_STR("account", account.address), LF_STR("to", to),
	    LF_ERR("result", e));
	return e == E_EXISTS ? E_OK : e;
}

/* What cannot be queued now keeps nothing else: its partition may be full. */
WAITS enum err outbound_alerts(struct outbound *o)
{
	enum err e = E_OK;

	list_for_each_safe(i, &o->alerts) {
		struct alert *a = list_entry(i, struct alert, node);
		enum err one = queue_one(o, a);

		if (one != E_OK) {
			e = one;
			continue;
		}
		list_remove(&a->node);
		list_append(&o->alerted, &a->node);
	}
	return e;
}

static void drop_all(struct list *l)
{
	while (!list_empty(l)) {
		struct alert *a = list_entry(l->next, struct alert, node);

		list_remove(&a->node);
		xfree(&a);
	}
}

void outbound_alerts_fini(struct outbound *o)
{
	drop_all(&o->alerts);
	drop_all(&o->alerted);
}

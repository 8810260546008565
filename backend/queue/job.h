/*
 * backend/queue: what transactions left for later.
 *
 *   job           the payload of a queue item, packed and unpacked
 *   runner        takes due items that stay inside; runner_item: what becomes of one
 *   sched         what of the way out may be tried now, by whom: in memory, no I/O; its parts
 *                 are in sched_priv.h, its indexes in sched_index
 *   outbound      the way out: items, leases to workers of front-ends, what became of them
 *   outbound_take, outbound_self     jobs for workers; those that no worker decides
 *   outbound_report, outbound_rows   results, and the rows that they change
 *   outbound_route, outbound_server, outbound_suspend   what changes where, and whether, items go
 *   outbound_ask, outbound_turn      held mail is asked for (asks: what, by whom), or fetched
 *   outbound_alert, outbound_bad     word to an administrator; what nobody could be told
 *   outbound_admin  what the scheduler says of an item, and an administrator's orders
 *   troubles      why destinations are not reached, for those who wait for them
 *   way           where an item goes; queue_server: what its virtual server says of that
 *   outcome       what a try's result makes of an item: gone, later, a notice
 *   notice_put    a notice that is an item of its own: of a delay, or an alert
 *   queue_filter  which items an administrator means; queue_walk finds them in the store
 *   sts_cache     MTA-STS policies that workers have found
 *   tls_sums      what TLS did, summed up; tls_sum_pack: its rows; tls_sums_send: which are due
 *   tls_desk      the reports of that, on their way
 *
 * Items lie in the partition of the account that caused them (backend/store), so whatever keeps
 * that partition safe keeps them.
 */
#ifndef BACKEND_QUEUE_JOB_H
#define BACKEND_QUEUE_JOB_H

#include "backend/store/store.h"
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/log/log.h"
#include "proto/mail_bits.h"

enum job_kind {
	JOB_EXPAND = 1,
	JOB_ACCOUNTS = 2,
	JOB_OUTSIDE = 3,
	JOB_NOTICE = 4,
	JOB_BAD = 5,
};

/* What a notice tells. */
enum job_action {
	JOB_FAILED,
	JOB_DELAYED,
	JOB_RELAYED,
	JOB_DELIVERED,
	JOB_ALERT, /* to an administrator: what `account` does, and why it matters (last_error) */
	JOB_EXPANDED,
};

/* Whether a success is to be told: nobody is told without a reverse-path. */
static inline bool notify_wants_success(uint32_t notify, slice_t sender)
{
	return sender.n != 0 && (notify & (NOTIFY_SUCCESS | NOTIFY_NEVER)) == NOTIFY_SUCCESS;
}

/* What is left for each who is behind an address (RFC 3461 section 5.2.7.3, c): its success is told
 * as that of the whole. Nothing left is not "not given". */
static inline uint32_t notify_of_member(uint32_t notify)
{
	return notify == NOTIFY_SUCCESS ? NOTIFY_NEVER : notify & ~(uint32_t)NOTIFY_SUCCESS;
}

/* The due time, in the store, of what the runner does not look at. */
#define QUEUE_PARKED_US (INT64_MAX - 1)

/* Where notices wait: no domain is called so. */
#define JOB_NOTICES SL("<notices>")

/* The route of what a worker of the way out reads as a report of TLS: no host is called so. */
#define JOB_TLS_REPORTS SL("<tls-reports>")

#define JOB_ACCOUNTS_MAX 1000 /* DIR_MEMBERS_MAX: all that one address expands to */

struct job {
	enum job_kind kind;
	slice_t origin;
	uint8_t txid[STORE_TXID_SIZE];
	uint32_t partition;
	const uint64_t *accounts;
	size_t naccounts;
	slice_t address, sender, prefix;
	bool elsewhere; /* address was not ours when it was taken: its record was not looked into */
	bool junk;
	uint32_t notify;
	slice_t orcpt;
	uint32_t ret;
	slice_t envid;
	uint8_t trace_id[16];
	int64_t first_us;
	uint32_t attempts;
	slice_t last_error;
	uint32_t depth;
	uint64_t account; /* who submitted it; 0: nobody of ours */
	int64_t next_us;  /* OUTSIDE: not tried before */
	bool held;
	uint32_t content;
	int32_t priority;
	slice_t route; /* an administrator's: instead of the address's domain */
	enum job_action action;
	slice_t status, remote; /* of the last try */
	bool warned;
	int64_t last_us, expire_us, notice_us;
	slice_t server; /* the virtual server that took the message; empty: none */
	uint32_t by;
	int64_t by_us;      /* by then it is to be delivered */
	int64_t release_us; /* its sender's: not before (RFC 4865); 0: at once */
};

/* From when on it could be delivered: what its time is counted from. */
static inline int64_t job_start_us(const struct job *j)
{
	return MAX(j->first_us, j->release_us);
}

const char *job_kind_name(enum job_kind k);
const char *job_action_name(enum job_action a);
/* Bits in words, with commas, as an operator reads them; in the arena. Of content: 7bit, if it is
 * neither 8bit, utf8 nor binary. */
char *job_notify_text(uint32_t notify, struct arena *mem);
char *job_by_text(uint32_t by, struct arena *mem);
char *job_content_text(uint32_t content, struct arena *mem);
/* One line about an item. */
void job_log(const char *event, enum log_level level, uint64_t item, const struct job *j);
/* Where it goes, as the scheduler groups items: its route, or its address's domain; JOB_NOTICES for
 * a notice. Empty for what stays inside. Borrows from the job. */
slice_t job_destination(const struct job *j);
/* The way out's: not looked at by the runner. */
bool job_is_outward(enum job_kind k);
/* Into the arena; lives as long as it. */
slice_t job_pack(const struct job *j, struct arena *mem);
/* What out points to lies in the arena. E_CORRUPT: not a job. */
enum err job_unpack(slice_t bytes, struct arena *mem, struct job *out) MUST_USE;

#endif

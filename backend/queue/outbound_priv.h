/* What the files of the way out share. */
#ifndef BACKEND_QUEUE_OUTBOUND_PRIV_H
#define BACKEND_QUEUE_OUTBOUND_PRIV_H

#include "backend/queue/outbound.h"
#include "backend/queue/queue_server.h"
#include "backend/queue/troubles.h"
#include "backend/queue/way.h"
#include "backend/store/due.h"
#include "common/loop/fiber.h"

struct runner;

/* A partition whose items are known up to a number. */
struct outbound_part {
	struct partition *part;
	uint64_t last;
	uint64_t again;   /* a row behind this one waits for a place; UINT64_MAX: none does */
	bool looking;     /* rows behind `last` are being read: how they are then may be over */
	int64_t keeps_ms; /* mono; nothing is given out before */
	bool in_use;      /* outbound_rows_begin */
	struct waitq users;
};

/* A worker whose link is lost is often alive, and knows what became of what it has: so long it may
 * come back and tell, before others get that. The same after a start. */
#define OUTBOUND_GRACE_MS        2000
/* Before the store is asked again that failed, or is to keep results again that it did not. */
#define OUTBOUND_FAILED_US       (60 * 1000000LL)
/* Before work is given out again that there was no thread for. */
#define OUTBOUND_BUSY_US         1000000LL
/* Items that looks have passed, and for which the scheduler has no place now: there is seldom any.
 * 16 KiB; beyond that a partition is looked at again from there on. */
#define OUTBOUND_LEFT_MAX        1024
/* Reports of TLS that workers read at once: each is in memory as a whole, and nobody is waiting. */
#define OUTBOUND_REPORTS_AT_ONCE 4

struct outbound_worker {
	struct list node; /* in outbound.here; of none: it has a turn */
	struct outbound *o;
	struct rpc_identity peer;
	uint32_t number;
	uint32_t stored_max;         /* bytes that go along with a job */
	uint64_t pools[SERVERS_MAX]; /* those that it is in: outbound_worker_pools */
	size_t npools;
	struct outbound_turn *turn; /* NULL: any work; owned */
};

/* What a worker gets of held mail: that of these domains, while the account may fetch it. */
struct outbound_turn {
	uint64_t account;
	size_t n; /* 0: all that the account may fetch */
	char domains[OUTBOUND_TURN_DOMAINS_MAX][DIR_ROUTE_DOMAIN_MAX + 1];
};

/* Leases something to a worker with a turn, out of anything that its account may fetch. E_CLOSED:
 * nothing is due; or as sched_pick_at. */
enum err outbound_turn_pick(struct outbound_worker *w, struct sched_pick *picks,
			    struct sched_batch *b) MUST_USE;
/* It is over. */
void outbound_turn_free(struct outbound_worker *w);

/* A worker that is gone, whose leases have not come back yet. */
struct outbound_gone {
	struct list node;
	uint32_t worker;
	int64_t until_ms; /* mono */
};

struct outbound {
	struct deliver *deliver;
	const struct conf *overrides;
	struct runner *runner; /* may be NULL */
	struct sched *sched;
	struct guard *guard;        /* NULL: nobody is held */
	struct outcome_times times; /* of mail whose virtual server says nothing else */
	struct queue_servers servers;
	enum dir_tls_level tls;      /* of destinations without a policy */
	struct outbound_part *parts; /* a place in it is the scheduler's number of a partition */
	size_t nparts;
	uint32_t workers; /* numbers given to workers so far */
	struct list here; /* workers without a turn */
	uint32_t turns;   /* workers that have one */
	struct waitq takers;
	/* Items that wait in the store for a place in the scheduler, of those that looks have
	 * passed: their rows were no items of the way out then. */
	struct sched_key left[OUTBOUND_LEFT_MAX];
	size_t nleft;
	int64_t look_us;  /* the fiber waits until then; INT64_MIN: it is at work, or pauses */
	int64_t open_ms;  /* mono; nothing is handed out before */
	struct list gone; /* in order of time */
	struct fiber *fiber;
	struct event wake, ended;
	bool stop;
	struct dir_sub sub;
	/* The setting: gets what senders are told of failures; "": none. */
	char bounce_copy[DIR_ADDRESS_MAX + 1];
	char alert_to[DIR_ADDRESS_MAX + 1]; /* the setting */
	struct list alerts;                 /* to be queued */
	struct list alerted;                /* of the last hour, in the order they were */
	size_t nalerted;
	/* What the operator has suspended, as the scheduler was told. */
	struct arena suspended_mem;
	slice_t *suspended_names;
	uint64_t *suspended_senders;
	size_t nsuspended_names, nsuspended_senders;
	int64_t bad_keep_us;   /* JOB_BAD is removed after it; 0: never */
	int64_t bad_us;        /* when to look for such */
	struct buf masquerade; /* the setting */
	struct way_down down;  /* what a direct try did not reach */
	struct troubles troubles;
	struct asks asks;    /* held mail that is asked for */
	bool routes_changed; /* every item is to be looked at */
	bool asked_changed;  /* those that are held, or were until they were asked for */
	bool down_changed;   /* those for domains that are down */
	bool unpark;         /* what stays inside and waits for a server may not have to any more */
	struct fiber *sharer; /* of relays' passwords with nodes that lack them */
	struct event share, shared;
};

/* The scheduler gets it, when it is of the way out. */
void outbound_add(struct outbound *o, size_t part, const struct due_item *item);
/* Settings as they are now. */
void outbound_settings(struct outbound *o);

/* Gives back what workers had who are gone for longer than the grace; returns the deadline of the
 * next look, NO_DEADLINE: there is none. */
int64_t outbound_forget_gone(struct outbound *o);
void outbound_gone_fini(struct outbound *o);

/* The scheduler holds what the settings say now, and whom the guard holds. */
void outbound_suspend(struct outbound *o, const struct conf *settings);
/* A sender, by the scheduler's key. */
bool outbound_is_suspended(const struct outbound *o, uint64_t sender);
void outbound_suspend_fini(struct outbound *o);
/* As the scheduler knows the senders of items: by account, or by address. */
uint64_t outbound_sender_key(uint64_t account, slice_t address);

/* Removes items that have been JOB_BAD for too long, and says when to look again. */
WAITS void outbound_expire_bad(struct outbound *o);

/* ---- outbound_self: jobs of a batch that no worker decides ---- */

/* Jobs whose route refuses them are bounced, and leave the batch. */
WAITS void outbound_refuse(struct outbound_worker *w, struct outbound_batch *out);
/* Notices get their recipients; those that have none leave the batch. */
WAITS void outbound_address(struct outbound_worker *w, struct outbound_batch *out);
/* The worker does not get the job now, and nobody for so long. */
void outbound_put_off(struct outbound *o, const struct outbound_job *j, uint32_t worker,
		      int64_t wait_us);
/* Nothing is given out whose result could not be kept: the partition has stopped, or failed to keep
 * one a moment ago. It would be sent, and sent again. */
bool outbound_keeps_results(const struct outbound *o, size_t part);

/* ---- outbound_rows: items' rows in the store ---- */

/* Many rows of one partition by their numbers, on a work thread: those that are there. */
struct outbound_rows {
	struct partition *part;
	const uint64_t *ids;
	size_t n;
	struct due_item *items; /* n of them; id 0: is not there */
	struct buf bytes;
	enum err result;
};
WAITS enum err outbound_load(struct outbound_rows *r) MUST_USE;

/* Who reads rows of a partition and changes them by what they say has them to himself meanwhile:
 * or a report, an order and time would undo what another one has made of the same item. What is
 * removed unread needs none of this. Waits. E_CANCELLED. */
WAITS enum err outbound_rows_begin(struct outbound *o, size_t part) MUST_USE;
void outbound_rows_end(struct outbound *o, size_t part);

/* One change of the partition's queue; nobody is told. */
WAITS enum err outbound_change(struct partition *part, struct queue_edit *edits, size_t n) MUST_USE;

/* What becomes of one item of a partition. */
struct outbound_verdict {
	uint64_t item, record_no;
	enum outcome what;
	struct job job;             /* as it is from now on; not looked at for OUTCOME_REMOVE */
	uint32_t worker;            /* whose lease ends; SCHED_SELF */
	struct sched_result result; /* for the scheduler; its outcome is set for what is no KEEP */
};

/* One change of the partition; when it is durable the scheduler hears of it. Else nothing has
 * happened. */
WAITS enum err outbound_settle(struct outbound *o, size_t part, struct outbound_verdict *v,
			       size_t n) MUST_USE;
/* The rows of one partition that are there, and their jobs. */
#define OUTBOUND_PAGE 64 /* in one change */
struct outbound_page {
	struct due_item items[OUTBOUND_PAGE];
	struct outbound_verdict verdicts[OUTBOUND_PAGE];
	struct outbound_rows load;
	uint64_t ids[OUTBOUND_PAGE];
	struct arena mem;
};
/* Makes verdicts of rows; returns how many. */
typedef WAITS size_t outbound_page_fn(struct outbound *o, size_t part, struct outbound_page *r);
/* Loads the rows of up to OUTBOUND_PAGE keys of any partitions, and settles what fn says. The first
 * error of a partition; the others' rows are done all the same. */
WAITS enum err outbound_pages(struct outbound *o, struct sched_key *keys, size_t n,
			      WAITS outbound_page_fn *fn) MUST_USE;
/* The i-th row as the n-th verdict to be filled; NULL: it is gone, or cannot be read. */
struct outbound_verdict *outbound_page_row(struct outbound_page *r, size_t i, size_t n);

/* ---- outbound_alert: word of accounts that are held ---- */

/* In an hour: who has not looked by then has other troubles, and the log has the rest. */
#define OUTBOUND_ALERTS_MAX 100

/* A guard's alarm; arg: the way out. */
void outbound_alarm(const struct dir_account *a, slice_t why, void *arg);
/* Alerts become items of the queue. */
WAITS enum err outbound_alerts(struct outbound *o) MUST_USE;
void outbound_alerts_fini(struct outbound *o);

/* ---- outbound_server: what virtual servers say ---- */

/* NULL: none that is there. */
const struct queue_server *outbound_server(const struct outbound *o, const struct job *j);
/* Of the server, in front of the cluster's. */
struct outcome_times outbound_times(const struct outbound *o, const struct job *j);
void outbound_servers_changed(struct outbound *o);
/* A pool is a virtual server that names the front-ends that its mail leaves from; a worker is in
 * those that name his. Anew, by what servers say now. */
void outbound_worker_pools(struct outbound_worker *w);
/* Is it waiting, parked, for a server that runs? */
bool outbound_is_left_over(const struct outbound *o, const struct job *j, int64_t due_us);
/* What stays inside and waited for servers that run again is due, if there can be such. */
WAITS enum err outbound_unpark(struct outbound *o) MUST_USE;
/* Is no front-end here that its server's mail may leave from? */
bool outbound_nobody_may_send(const struct outbound *o, const struct job *j);

/* ---- outbound_route: where items go ---- */

/* The scheduler's name for where it goes; *mem holds it. Ready to be
 * used: a destination that holds its mail does so already. */
slice_t outbound_destination(struct outbound *o, const struct job *j, struct way *mem);
/* How many connections its destination may have, once it has items. */
void outbound_hint(struct outbound *o, const struct job *j, const struct way *w);
/* What j's servers must have, once its route is known. As it is at this moment: a change holds for
 * the next job. */
void outbound_demand(const struct outbound *o, struct arena *mem, struct outbound_job *j);
/* An item that is not leased goes where it belongs now, and has the time that it has now. */
void outbound_place(struct outbound *o, struct sched_key key, const struct job *j);
/* A direct try did not reach the domain: what waits for it goes to the relay. */
void outbound_direct_down(struct outbound *o, slice_t domain);
/* Items that were leased are not any more, and may have missed that. */
void outbound_came_back(struct outbound *o);
void outbound_routes_changed(struct outbound *o);
/* Looks at items whose way may be another one than it was, if there are such. */
WAITS enum err outbound_reroute(struct outbound *o) MUST_USE;
/* Passwords of relays, for nodes that lack them. */
enum err outbound_share_start(struct outbound *o) MUST_USE;
WAITS void outbound_share_stop(struct outbound *o);

#endif

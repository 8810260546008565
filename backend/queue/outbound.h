/*
 * outbound: the way out, as the back-end sees it. What of the queue goes to other systems lies in
 * the store; here is who sends it when: the items are known to the scheduler, workers of front-ends
 * take jobs and report, and a report becomes one change of the store before anybody hears of it.
 *
 * A lease is a hint. After a restart there are none, and what a worker reports late still counts:
 * the lease token names the items.
 *
 * The loop's thread only; what reads the store does it on work threads.
 */
#ifndef BACKEND_QUEUE_OUTBOUND_H
#define BACKEND_QUEUE_OUTBOUND_H

#include "backend/delivery/resolve.h"
#include "backend/directory/dir_route.h"
#include "backend/directory/dir_tls.h"
#include "backend/policy/guard.h"
#include "backend/queue/asks.h"
#include "backend/queue/outcome.h"
#include "backend/queue/sched.h"
#include "backend/store/msg.h"
#include "backend/ticket/lease_token.h"
#include "common/conf/conf.h"
#include "proto/outbound_limits.h"

struct outbound;
struct due_item;

/* Borrowed; overrides: settings (proto/settings.h) that win over the directory's. */
WAITS enum err outbound_start(struct deliver *deliver, const struct conf *overrides,
			      struct outbound **out) MUST_USE;
WAITS void outbound_stop(struct outbound **o);
/* Borrowed until outbound_stop: whose accounts are held, and who hears of results. */
void outbound_guard(struct outbound *o, struct guard *g);
/* Items were added: look for them. */
void outbound_wake(struct outbound *o);
/* An item of the runner's became the way out's: its row as it is now. */
void outbound_turned(struct outbound *o, struct partition *part, const struct due_item *item);

/* ---- workers ---- */

/* Recipients of one batch; the worker has them under way or in line. */
#define OUTBOUND_BATCH_MAX     128
/* Stored bytes that go along with a job, so that a small message needs no question of its own. */
#define OUTBOUND_INLINE_MAX    (32u * 1024)
/* Of a whole job, about: it is one frame of the RPC. More recipients are another job. */
#define OUTBOUND_JOB_BYTES_MAX (56u * 1024)

struct outbound_worker;

/* E_LIMIT: too many. */
enum err outbound_worker_new(struct outbound *o, const struct rpc_identity *peer,
			     struct outbound_worker **out) MUST_USE;
uint32_t outbound_worker_number(const struct outbound_worker *w);
/* It takes up to so many stored bytes with a job; OUTBOUND_INLINE_MAX unless said. */
void outbound_worker_follow(struct outbound_worker *w, uint32_t max);
/* What it has leased goes back. */
void outbound_worker_free(struct outbound_worker **w);

/* One transaction, or one notice. All of it in the batch's arena. */
struct outbound_job {
	struct lease_token lease;
	slice_t destination;
	uint32_t connections; /* that the worker may have to the destination; */
	uint32_t idle;        /* and that may stay open while it has nothing for them */
	struct job *jobs;     /* of the recipients: what they share is that of the first */
	size_t n;
	struct msg_record record;
	slice_t stored;                /* the blocks, or empty */
	size_t bytes;                  /* of its frame, about */
	struct resolved targets;       /* a notice's */
	const struct dir_route *route; /* NULL: where `destination` says; in the arena */
	slice_t target;                /* of the route: host and port, or the domain */
	bool sources_only;             /* of the route: families without an address are not used */
	struct dir_tls tls;            /* what is demanded of its servers; in the arena, too */
	slice_t mail_from;             /* the reverse-path, as others see it */
	struct secret password;
	slice_t refused; /* by a route, with these words; such a job comes to no worker */
	uint8_t txid[STORE_TXID_SIZE];
};

struct outbound_batch {
	struct arena mem;
	struct outbound_job jobs[OUTBOUND_BATCH_MAX];
	size_t n;
};

/* Waits for work. E_CANCELLED; of a turn E_CLOSED. The batch may be empty: ask again. */
WAITS enum err outbound_take(struct outbound_worker *w, struct outbound_batch *out) MUST_USE;
void outbound_batch_fini(struct outbound_batch *b);

/* ---- reports ---- */

enum outbound_end { OUTBOUND_TRIED, OUTBOUND_UNREACHABLE, OUTBOUND_UNTRIED };

struct outbound_result {
	const struct lease_token *lease;
	uint32_t worker; /* outbound_worker_number of who reports; 0: it has no lease here */
	enum outbound_end end;
	struct outcome_try *tries; /* TRIED: one for each item; UNREACHABLE: one */
	slice_t tls;
	uint32_t ms;
	bool crowded;
};

/* Results of one partition of ours, in one change. E_OK: durable, and the leases are over. Else
 * (E_RETRY, E_FULL) nothing has happened: report again. */
WAITS enum err outbound_report(struct outbound *o, struct partition *part,
			       const struct outbound_result *v, size_t n) MUST_USE;

/* ---- held mail is asked for ---- */

struct outbound_ask {
	enum asked_what what;
	slice_t node; /* in lower case */
	struct ipaddr from;
};

struct outbound_asked {
	uint64_t waiting;
	bool counted; /* those are all here; where the client may know */
};

/* Another question from that address. E_LIMIT: too many. */
enum err outbound_count_asker(struct outbound *o, const struct ipaddr *from) MUST_USE;
/* What a route holds for the node is set free, for a while. E_NOT_FOUND: there is no route that
 * lets a client there ask for it; E_LIMIT: too soon after the last time. */
enum err outbound_ask(struct outbound *o, const struct outbound_ask *q,
		      struct outbound_asked *out) MUST_USE;

/* ---- held mail is fetched ---- */

/* Named in one question; without a name an account gets all that it may. */
#define OUTBOUND_TURN_DOMAINS_MAX 16
/* At a time: of the scheduler's workers, so that there is room for those of the way out. */
#define OUTBOUND_TURNS_MAX        256

struct outbound_fetch {
	uint64_t account;
	const slice_t *domains; /* in lower case; none: all */
	size_t n;
};

/* A worker for what routes hold and the account may fetch; outbound_take gives it that, one
 * transaction at a time, until it says E_CLOSED: no more is due. E_NOT_FOUND: there is no such
 * route, or one of the domains has none that lets the account; E_LIMIT: too many turns, or domains.
 * *waiting_out: items that are due. */
enum err outbound_turn_new(struct outbound *o, const struct rpc_identity *peer,
			   const struct outbound_fetch *q, struct outbound_worker **out,
			   uint64_t *waiting_out) MUST_USE;

/* ---- management ---- */

struct sched *outbound_sched(struct outbound *o);
/* The scheduler's name of a partition's item. */
bool outbound_key(const struct outbound *o, uint32_t partition, uint64_t item,
		  struct sched_key *out) MUST_USE;

#endif

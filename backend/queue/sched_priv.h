/*
 * What the scheduler's files share. Who owns what: an entry belongs to its lane, a lane to its
 * destination and (counted) to its flows; a lane lives while it has entries, a destination and a
 * flow while they have lanes or something to remember.
 *
 *   sched         entries and their states; time
 *   sched_pace    flows and their buckets
 *   sched_dest    destinations and lanes: who may run; windows
 *   sched_turns   lines of destinations, by pool: who is next
 *   sched_pick    workers, leases and their ends
 *   sched_admin   holds, limits, listings
 */
#ifndef BACKEND_QUEUE_SCHED_PRIV_H
#define BACKEND_QUEUE_SCHED_PRIV_H

#include "backend/queue/sched.h"
#include "backend/queue/sched_index.h"
#include "common/base/list.h"

enum place {
	PLACE_NONE,    /* held one by one */
	PLACE_WAITING, /* in sched.waiting, by next_us */
	PLACE_READY,   /* in its lane's heap, and in its ring of twins */
	PLACE_LEASED,  /* in sched.leased, by since_us, and in its worker's list */
	PLACES,
};

/* A hundred thousand of these are to fit in 24 MiB with their indexes: fields that exclude each
 * other share their room. */
struct entry {
	struct table_node chain; /* of sched.entries */
	union {
		struct table_node twins; /* ready: of sched.twins, for the ring's first alone */
		struct hold *hold;       /* leased */
	};
	/* Ready: the ring of those of its lane, partition and record. Leased: hold.leases. */
	struct list link;
	struct lane *lane;
	uint64_t id, record;
	int64_t next_us, first_us, expire_us, warn_us;
	int64_t since_us;    /* leased */
	uint32_t slot;       /* in the heap of its place */
	uint32_t alarm_slot; /* sched.expiring */
	uint32_t warn_slot;  /* sched.warning */
	uint32_t round;      /* leased: the destination's then */
	uint32_t seq;        /* of arrival; of two at the same time; may begin anew */
	uint16_t partition;
	uint8_t place;
	uint8_t priority : 2;
	bool held : 1;
	bool first_twin : 1; /* in sched.twins */
	uint8_t lost : 2;    /* workers that were lost with it, one after the other */
};

/* A GCRA: `full_us` is when the bucket has filled up again. */
struct bucket {
	int64_t full_us;
	uint32_t own; /* messages a minute; 0: like all */
};

/* All lanes of a sender, or of a domain. */
struct flow {
	struct table_node chain; /* of sched.flows */
	uint64_t key;
	struct bucket bucket;
	struct list sleepers; /* lanes that wait for this bucket, in line */
	struct list lanes;    /* of a sender: all its lanes (lane.kin) */
	int64_t wake_us;      /* while in sched.paced */
	uint32_t slot;
	uint32_t refs; /* lanes */
	uint8_t by;
	bool held;
};

enum lane_place {
	LANE_OFF, /* nothing ready, or its sender is held */
	LANE_RUN, /* in dest.run */
	LANE_PACED,
};

struct lane {
	struct table_node chain; /* of sched.lanes */
	struct dest *dest;
	struct flow *sender, *domain; /* domain may be NULL */
	struct flow *sleeps_at;       /* LANE_PACED */
	struct list turn;             /* in dest.run, or in sleeps_at->sleepers */
	struct list kin;
	struct heap ready;
	uint32_t items;
	uint8_t place;
	bool roused; /* by its flow, since it last sent something */
};

struct dest {
	struct table_node chain; /* of sched.dests */
	struct line *line;       /* of its pool */
	struct list turn;        /* in line while something of it may be handed out */
	uint64_t since;          /* in line: its number there */
	struct list run;         /* lanes */
	struct list holds;
	struct entry *probe; /* leased */
	struct bucket bucket;
	int64_t down_until_us;
	int64_t rest_us; /* while in sched.resting: when to look again */
	uint32_t slot;
	uint32_t n[PLACES];
	uint32_t failures;
	uint32_t window, window_own; /* own: 0: the hint's, or the default maximum */
	struct sched_hint hint;      /* but for the pool */
	uint32_t connections;
	uint32_t successes; /* since the window last grew */
	uint32_t round;     /* leases of former rounds say nothing about the window now */
	uint32_t latency_ms, best_ms;
	uint16_t name_n;
	bool cut; /* the window was, once */
	bool held;
	bool listed; /* in line */
	char name[];
};

/* Destinations in line that the same workers may send to. It stays while the pool is there. */
struct line {
	struct table_node chain; /* of sched.lines */
	uint64_t pool;
	struct list dests; /* by `since` */
};

struct worker {
	struct table_node chain; /* of sched.workers */
	uint32_t id;
	bool aside; /* windows are not divided by it */
	struct list holds;
};

/* What a worker has of a destination, while it has a lease. */
struct hold {
	struct list of_dest, of_worker;
	struct list leases;
	struct worker *worker;
	struct dest *dest;
	uint32_t n, connections;
};

struct sched {
	struct sched_settings set;
	struct sched_limits limits;
	struct tally tally;
	int64_t now_us;
	uint32_t seq;
	size_t n[PLACES];
	uint32_t of_partition[SCHED_PARTS_MAX]; /* items */
	size_t npartitions;
	size_t share; /* places that a partition may have at any time */
	size_t owed;  /* of these, those that are not used */
	struct table entries, twins, lanes, flows, dests, lines, workers;
	struct heap waiting, leased, expiring, warning; /* entries */
	struct heap resting;                            /* destinations */
	struct heap paced;                              /* flows */
	struct line *everybody;                         /* of those without a pool */
	uint64_t joined;                                /* a line, so far */
	size_t asides;                                  /* of the workers */
	struct worker self;
};

/* ---- sched ---- */

/* The caller's time. What was made without lanes or items before it may be gone. */
void sched_clock(struct sched *s, int64_t now_us);
struct entry *entry_find(const struct sched *s, struct sched_key key);
struct sched_key entry_key(const struct entry *e);
/* Moves it out of its place and into another; lanes and destinations are settled by the caller,
 * with lane_settle. hold: of PLACE_LEASED. */
void entry_move(struct sched *s, struct entry *e, enum place to, struct hold *hold);
/* Not leased (any more): to where it belongs now. */
void entry_rest(struct sched *s, struct entry *e);
/* Into a lane for the first time, or after entry_leave; leaving, its old lane may go. */
void entry_enter(struct sched *s, struct entry *e, struct lane *l);
void entry_leave(struct sched *s, struct entry *e);
/* Forgets it; its lane and destination may go with it. */
void entry_drop(struct sched *s, struct entry *e);

/* ---- sched_pace ---- */

/* like_all: messages a minute where the bucket has no limit of its own. Returns the microseconds of
 * one message, 0: as many as you like; that is the `step` of the others. */
int64_t bucket_step(const struct bucket *b, uint32_t like_all);
/* After a limit was raised, or the clock set back, it is an empty one and no worse. */
void bucket_correct(struct bucket *b, int64_t step, int64_t now_us);
/* When it is full again: no later than an empty one would be. */
int64_t bucket_full(const struct bucket *b, int64_t step, int64_t now_us);
/* How many messages it has; when it has one. */
uint32_t bucket_has(const struct bucket *b, int64_t step, int64_t now_us);
int64_t bucket_ready(const struct bucket *b, int64_t step, int64_t now_us);
void bucket_take(struct bucket *b, int64_t step, int64_t now_us, uint32_t n);

void flows_init(struct sched *s);
void flows_fini(struct sched *s);
int64_t flow_step(const struct sched *s, const struct flow *f);
/* The lane runs no more until the bucket has something for it. */
void flow_sleep(struct sched *s, struct flow *f, struct lane *l);
struct flow *flow_find(const struct sched *s, enum sched_by by, uint64_t key);
struct flow *flow_make(struct sched *s, enum sched_by by, uint64_t key);
/* Frees it when it is not needed. */
void flow_settle(struct sched *s, struct flow *f);
/* Its limit has changed: its lanes look at the bucket anew; it may go. */
void flow_rouse(struct sched *s, struct flow *f);
/* The limits of all have changed, or the clock. */
void flows_rouse(struct sched *s);
/* Flows whose bucket has something again. */
void flow_wake(struct sched *s);

/* ---- sched_dest ---- */

void dests_init(struct sched *s);
void dests_fini(struct sched *s);
struct dest *dest_find(const struct sched *s, slice_t name);
struct dest *dest_make(struct sched *s, slice_t name);
/* When its own bucket has a message again; not after now_us: it has. */
int64_t dest_paced_until(const struct sched *s, const struct dest *d, int64_t now_us);
/* To what their maximum is now. Not settled: one that is full may stay in the turns. */
void dests_narrow(struct sched *s);
/* 0: the default maximum. */
void dest_set_window(struct sched *s, struct dest *d, uint32_t max);
/* Brings it to where it belongs: the turns, or to rest. Frees it when it is not needed. */
void dest_settle(struct sched *s, struct dest *d);
/* What a report says about the destination of a leased entry. */
void dest_judge(struct sched *s, struct dest *d, const struct entry *e,
		const struct sched_result *r);
/* Those whose rest is over. */
void dest_wake(struct sched *s);
/* The limits of all have changed, or the clock. */
void dests_rouse(struct sched *s);

struct lane *lane_make(struct sched *s, struct dest *d, uint64_t sender, uint64_t domain);
/* Brings it and its destination to where they belong; frees them when they are not needed. */
void lane_settle(struct sched *s, struct lane *l);
/* How many messages of it may go now, by all buckets; 0: it went to sleep, or its destination's
 * own bucket is empty. */
uint32_t lane_allowance(struct sched *s, struct lane *l);
void lane_spend(struct sched *s, struct lane *l, uint32_t n);

/* ---- sched_turns ---- */

void lines_init(struct sched *s);
/* No destination is left. */
void lines_fini(struct sched *s);
/* To the end of its line; one that stands in it loses its place. */
void line_join(struct sched *s, struct dest *d);
void line_leave(struct dest *d);
/* Into that pool's line, if it is in line: at the end. */
void line_change(struct sched *s, struct dest *d, uint64_t pool);

/* All that a worker may send to, in order; what the last call gave may leave its line, or go. */
struct line_walk {
	const struct line *line[SCHED_POOLS_MAX + 1];
	struct list *next[SCHED_POOLS_MAX + 1];
	size_t n;
};
/* pools: NULL: none. */
void line_walk_init(struct line_walk *w, const struct sched *s, const struct sched_pools *pools);
/* NULL: that was all. */
struct dest *line_walk_next(struct line_walk *w);

/* ---- sched_pick ---- */

/* Found, or made: then something is to be leased to it at once. */
struct hold *hold_make(struct sched *s, struct worker *w, struct dest *d);
void hold_add(struct hold *h, struct entry *e);
void hold_sub(struct sched *s, struct entry *e);
void workers_fini(struct sched *s);

#endif

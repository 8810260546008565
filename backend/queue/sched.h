/*
 * sched: who may send what to whom, now. The scheduler of the outbound queue, a data structure in
 * memory: it reads no clock, no disk and no network, and never waits. Its owner (one thread) adds
 * what the store holds, asks for batches for the workers, and tells how they ended. All times are
 * the caller's: wall clock, microseconds.
 *
 * An *item* is one recipient of one message. Its *destination* is a name the caller chose (a
 * domain, or a relay). Within a destination the items of one sender form a *lane*:
 *
 *     destinations, round-robin ── lanes, round-robin ── items by priority, time, arrival
 *
 * so neither a large destination nor a sender with ten thousand messages delays others. Items of
 * one lane, partition and record that are ready come out together: they can share a transaction.
 *
 * A destination has a *window*: how many connections all workers together may have. It begins at
 * SCHED_WINDOW_FIRST, grows with success and halves on trouble (sched_done). One that cannot be
 * reached is *down*: it rests for a step of the schedule, then gets one probe, one item on one
 * connection, and opens again when that arrives.
 *
 * What is handed out is *leased* until it is reported. A lease that ran out, or whose worker is
 * gone, returns to its place in line. Leases are hints: a late report is told to the caller.
 */
#ifndef BACKEND_QUEUE_SCHED_H
#define BACKEND_QUEUE_SCHED_H

#include "common/base/err.h"
#include "common/base/slice.h"

#define SCHED_NAME_MAX     320 /* of a destination: "relay:[name]:port" around 255 bytes */
#define SCHED_WINDOW_FIRST 5
#define SCHED_WINDOW_TOP   20 /* by default */
#define SCHED_WINDOW_MAX   1000
#define SCHED_AHEAD        8   /* items of a worker for each connection: under way, and in line */
#define SCHED_TX_RCPTS_MAX 100 /* RFC 5321 section 4.5.3.1.8: what every server must take */
#define SCHED_STEPS_MAX    16  /* of a schedule */
#define SCHED_WORKERS_MAX  1024
#define SCHED_POOLS_MAX    64 /* of a worker: a pick looks at each; as many as virtual servers */
#define SCHED_ITEMS_MAX    4000000 /* 180 bytes each; 620 where nothing is shared */
#define SCHED_PARTS_MAX    1024    /* as many as a back-end has */
#define SCHED_LEASE_US     (600LL * 1000000)
#define SCHED_PAGE_LEAST   64 /* room for one chain of a hash table, many times over */
#define SCHED_LOST_MAX     3  /* workers that are lost with an item until it is put off */
#define SCHED_LOST_US      (900LL * 1000000)
#define SCHED_NEVER        INT64_MAX /* expire_us of an item that does not */
#define SCHED_UNLIMITED    UINT32_MAX
#define SCHED_SELF         0 /* the worker number of the caller; no worker has it */
/* Without items, a destination's failures are forgotten so long after it could be tried again. */
#define SCHED_FORGET_US    (3600LL * 1000000)

struct sched;

struct sched_key {
	uint16_t partition;
	uint64_t item;
};

/* Order of urgency (RFC 6710 folded). */
enum sched_priority { SCHED_LOW, SCHED_NORMAL, SCHED_HIGH };
enum sched_hold { SCHED_FREE, SCHED_ON_HOLD };

struct sched_item {
	struct sched_key key;
	slice_t destination; /* 1 to SCHED_NAME_MAX bytes; compared byte by byte */
	uint64_t sender;     /* account, or hash of the address */
	uint64_t domain;     /* the sender's domain; 0: none, not paced by it */
	uint64_t record;     /* 0: none, shares no transaction */
	int64_t next_us;     /* not before */
	int64_t first_us;
	int64_t expire_us; /* SCHED_NEVER, or when to give up */
	int64_t warn_us;   /* when sched_delayed tells it once; 0: never */
	enum sched_priority priority;
	enum sched_hold hold;
};

struct sched_settings {
	uint32_t window_max; /* of connections to a destination */
	int64_t lease_us;
	size_t items_max;
	uint32_t nsteps; /* 1 to SCHED_STEPS_MAX */
	uint32_t steps_s[SCHED_STEPS_MAX];
};

/* 20 connections; 10 minutes; 15, 30, 60 minutes, then every 4 hours. */
void sched_settings_init(struct sched_settings *out);

/* The settings are copied; values out of bounds are cut to them. */
struct sched *sched_new(const struct sched_settings *settings);
void sched_free(struct sched **s);
/* New settings, from now on; what is leased or rests already is not asked back, but windows become
 * no wider than they may. Walks destinations. */
void sched_configure(struct sched *s, const struct sched_settings *settings);

/*
 * Partitions 0 to n - 1 share items_max places, so that none of them keeps the others' mail
 * waiting: half of the places is divided evenly, and every partition may have its part of that at
 * any time; the other half is for those who come first. n is at most SCHED_PARTS_MAX; 0, as it
 * begins: all is for those who come first.
 */
void sched_partitions(struct sched *s, size_t n);
/* There is one for an item of this partition. */
bool sched_has_place(const struct sched *s, uint16_t partition) MUST_USE;

/* The name is copied. E_EXISTS; E_INVALID: the name's length, the partition, or no time; E_LIMIT:
 * there is no place. */
enum err sched_add(struct sched *s, const struct sched_item *item, int64_t now_us) MUST_USE;
/* Leased or not. E_NOT_FOUND. */
enum err sched_remove(struct sched *s, struct sched_key key) MUST_USE;

/* ---- workers ---- */

/* One of a batch. Neighbours with the same tx can go in one transaction. */
struct sched_pick {
	struct sched_key key;
	uint64_t record;
	uint32_t tx; /* 0, 1, … within the batch */
};

struct sched_batch {
	slice_t destination; /* valid until the scheduler is changed */
	size_t n;
	uint32_t connections; /* that count as the worker's now, those it has included */
	uint32_t idle;        /* that may stay open without work: no other worker counts on them */
	int64_t leased_us;    /* tells these leases from later ones of the same items */
};

/* A worker counts for the division of windows from here or its first pick on, until it is gone.
 * E_LIMIT: SCHED_WORKERS_MAX; E_INVALID: SCHED_SELF. */
enum err sched_worker_here(struct sched *s, uint32_t worker) MUST_USE;
/* Its leases return to their place in line; an item that SCHED_LOST_MAX workers were lost with, and
 * that none of them reported, is put off for SCHED_LOST_US: it may be what they died of. */
void sched_worker_gone(struct sched *s, uint32_t worker, int64_t now_us);

/* Leases up to max (at least 1) items of one destination to the worker. A worker has at most
 * window / workers connections to a destination (but one, if the window has room), and SCHED_AHEAD
 * items for each; it gets more when half of them are gone, or when it may have another connection.
 * A connection counts as held while the worker has at least so many items of that destination
 * leased. E_NOT_FOUND: nothing for it now; or as
 * sched_worker_here. */
enum err sched_pick(struct sched *s, uint32_t worker, int64_t now_us, size_t max,
		    struct sched_pick *out, struct sched_batch *batch_out) MUST_USE;

/* Those that a worker is in; what is beyond SCHED_POOLS_MAX is not looked at. */
struct sched_pools {
	const uint64_t *ids;
	size_t n;
};
/* The same, of destinations without a pool, and of those of the worker's. It costs nothing what
 * other pools have. */
enum err sched_pick_of(struct sched *s, uint32_t worker, int64_t now_us,
		       const struct sched_pools *pools, size_t max, struct sched_pick *out,
		       struct sched_batch *batch_out) MUST_USE;

/* As sched_pick, out of one destination, for a worker who sends to nobody else and counts for no
 * window: holds and windows do not matter, other limits do. One transaction. */
enum err sched_pick_at(struct sched *s, uint32_t worker, slice_t destination, int64_t now_us,
		       size_t max, struct sched_pick *out, struct sched_batch *batch_out) MUST_USE;

enum sched_outcome {
	SCHED_GONE,      /* delivered, or given up: the item is removed */
	SCHED_LATER,     /* this item alone waits until next_us; the destination was reached */
	SCHED_DEST_DOWN, /* not reached: the item keeps its place, its destination rests */
	SCHED_BACK,      /* not tried: it keeps its place */
	SCHED_OFF, /* not tried, and waits until next_us; nothing is known of its destination */
};

/* What the worker saw of the destination, besides the item's outcome. */
enum sched_sign {
	SCHED_SMOOTH,
	SCHED_CROWDED,   /* a connection failed while others live; 421 or 4xx to a connection */
	SCHED_UNREACHED, /* of SCHED_GONE: the item was given up since it was not */
};

struct sched_result {
	enum sched_outcome outcome;
	enum sched_sign sign;
	int64_t next_us;   /* of SCHED_LATER and SCHED_OFF */
	uint32_t ms;       /* how long the transaction took; 0: not measured */
	int64_t leased_us; /* as the batch said; 0: whichever lease the worker has */
};

enum sched_told {
	SCHED_TAKEN,   /* the worker's lease ended */
	SCHED_LATE,    /* the item is here, but not leased to that worker (any more) */
	SCHED_UNKNOWN, /* there is no such item */
};

/*
 * Ends a lease. worker may be SCHED_SELF, for what sched_expired gave.
 *
 * A late report of SCHED_GONE removes the item, whoever holds it now; one of SCHED_LATER or
 * SCHED_OFF puts it off unless it is leased again; others change nothing.
 *
 * The window: a success makes it wider by one while it has never been cut, afterwards as many
 * successes as it is wide do. SCHED_CROWDED, SCHED_DEST_DOWN (SCHED_UNREACHED counts as that), and
 * latency that rises beyond twice the best cut it in half, once for all that was leased before the
 * cut. SCHED_CROWDED at a window of one, or at a probe, means down if the item did not get through.
 */
enum sched_told sched_done(struct sched *s, struct sched_key key, uint32_t worker, int64_t now_us,
			   const struct sched_result *result);

/* ---- time ---- */

/* Lets time pass: items fall due, destinations end their rest, leases run out. Returns how many
 * leases did. sched_pick does it, too. */
size_t sched_tick(struct sched *s, int64_t now_us);
/* When something changes by itself next; SCHED_NEVER. May lie in the past: call sched_tick,
 * sched_expired and sched_delayed. */
int64_t sched_next_us(const struct sched *s);

/* Items past their expire_us, in order of time, whatever their destination does; not those that are
 * leased, nor those that are held one by one (an administrator looks at them). They are leased to
 * SCHED_SELF, so each comes once, and again if the lease runs out. Returns how many. */
size_t sched_expired(struct sched *s, int64_t now_us, struct sched_key *out, size_t max);
/* The same for warn_us, leaving the items where they are; each comes once. */
size_t sched_delayed(struct sched *s, int64_t now_us, struct sched_key *out, size_t max);

/* ---- pacing: messages a minute, counted by recipient. 0: no limit. ---- */

struct sched_limits {
	uint32_t sender, domain, destination;
};

enum sched_by { SCHED_BY_SENDER, SCHED_BY_DOMAIN };

/* For all that have no limit of their own. What goes beyond waits. A sixth of a minute's allowance
 * (at least one) may go at once. */
void sched_limits(struct sched *s, const struct sched_limits *limits, int64_t now_us);
/* Of one sender or domain. 0: like all; SCHED_UNLIMITED: none. */
void sched_limit_one(struct sched *s, enum sched_by by, uint64_t key, uint32_t per_minute,
		     int64_t now_us);
/* Of one destination. 0 is the default for either. E_INVALID: the name's length. */
enum err sched_limit_destination(struct sched *s, slice_t name, uint32_t window_max,
				 uint32_t per_minute, int64_t now_us) MUST_USE;

/* What is special about a destination, for as long as it has items. */
#define SCHED_HINT_STEPS 4
struct sched_hint {
	uint32_t window_max; /* where it has none of its own; 0: the default */
	uint64_t pool;       /* whose workers alone get its items; 0: all */
	uint32_t nsteps;     /* of a schedule of its own; 0: as all */
	uint32_t steps_s[SCHED_HINT_STEPS];
};
/* Does nothing when there is no such destination. */
void sched_hint(struct sched *s, slice_t name, const struct sched_hint *hint);
/* There are no other pools any more: what destinations have of those is for all. Walks
 * destinations. */
void sched_pools_are(struct sched *s, const struct sched_pools *pools);

/* ---- the administrator ---- */

/* An item that is leased is held when it comes back. E_NOT_FOUND. */
enum err sched_hold_item(struct sched *s, struct sched_key key, enum sched_hold hold,
			 int64_t now_us) MUST_USE;
/* These need not have items. */
void sched_hold_sender(struct sched *s, uint64_t sender, enum sched_hold hold, int64_t now_us);
/* E_INVALID: the name's length. */
enum err sched_hold_destination(struct sched *s, slice_t name, enum sched_hold hold,
				int64_t now_us) MUST_USE;
/* Leases it to SCHED_SELF, so that nobody tries it while its row is changed; sched_done ends that.
 * E_NOT_FOUND; E_BUSY: it is leased. */
enum err sched_claim(struct sched *s, struct sched_key key, int64_t now_us) MUST_USE;
/* Due now; if its destination rests, the probe is made now. E_NOT_FOUND; E_BUSY: it is leased. */
enum err sched_retry(struct sched *s, struct sched_key key, int64_t now_us) MUST_USE;
/* E_NOT_FOUND; E_BUSY: it is leased; E_INVALID: the name's length. */
enum err sched_reroute(struct sched *s, struct sched_key key, slice_t destination,
		       int64_t now_us) MUST_USE;

/* When it is given up, and its sender told of a delay, as in sched_item. E_NOT_FOUND; E_BUSY: it is
 * leased. */
enum err sched_retime(struct sched *s, struct sched_key key, int64_t expire_us, int64_t warn_us,
		      int64_t now_us) MUST_USE;

enum sched_state {
	SCHED_READY,       /* waits for its turn or a place in the window */
	SCHED_WAITING,     /* until_us */
	SCHED_LEASED,      /* to worker since since_us, at most until until_us */
	SCHED_EXPIRED,     /* as SCHED_LEASED, to SCHED_SELF */
	SCHED_HELD,        /* the item */
	SCHED_HELD_SENDER, /* its sender */
	SCHED_HELD_DEST,   /* its destination */
	SCHED_PACED,       /* sender, domain or destination sent enough; next look at until_us */
	SCHED_DOWN,        /* its destination, until until_us; in the past: a probe is due or out */
	SCHED_STATES,
};

const char *sched_state_name(enum sched_state state);

struct sched_info {
	struct sched_item item; /* destination: valid until the scheduler is changed */
	enum sched_state state;
	int64_t until_us, since_us;
	uint32_t worker;
};

/* E_NOT_FOUND. */
enum err sched_get(const struct sched *s, struct sched_key key, int64_t now_us,
		   struct sched_info *out) MUST_USE;

struct sched_filter {
	slice_t destination;    /* empty: any */
	const uint64_t *sender; /* NULL: any */
	/* Of the states 1 << enum sched_state; 0: any. */
	uint32_t states;
};

/* A page of a listing, in no order; max is at least SCHED_PAGE_LEAST. *cursor is 0 at the first
 * page, and 0 again after the last. A page may be empty. Items that are there all the time come;
 * changes between the pages may make one come twice. Looks at max items and a few more. */
size_t sched_each(const struct sched *s, const struct sched_filter *filter, int64_t now_us,
		  uint64_t *cursor, struct sched_info *out, size_t max);

struct sched_destination {
	slice_t name; /* valid until the scheduler is changed */
	uint32_t ready, waiting, leased, held_items;
	uint32_t window, connections, failures;
	int64_t down_until_us; /* 0: not down */
	enum sched_hold hold;
};

/* E_NOT_FOUND. */
enum err sched_destination_get(const struct sched *s, slice_t name,
			       struct sched_destination *out) MUST_USE;
/* As sched_each. */
size_t sched_destinations(const struct sched *s, uint64_t *cursor, struct sched_destination *out,
			  size_t max);

/* Items by state; walks destinations and lanes that wait, not items. */
void sched_totals(const struct sched *s, int64_t now_us, size_t out[SCHED_STATES]);
size_t sched_count(const struct sched *s);
/* Bytes that all of it takes. */
size_t sched_memory(const struct sched *s);
/* Comparisons made and links followed since the beginning: a measure of cost. */
uint64_t sched_steps(const struct sched *s);

#endif

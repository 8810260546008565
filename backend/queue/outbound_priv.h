/* What the files of the way out share. */
#ifndef BACKEND_QUEUE_OUTBOUND_PRIV_H
#define BACKEND_QUEUE_OUTBOUND_PRIV_H

#include "backend/queue/outbound.h"
#include "backend/store/due.h"
#include "common/loop/fiber.h"

struct runner;

/* A partition whose items are known up to a number. */
struct outbound_part {
	struct partition *part;
	uint64_t last;
};

/* A worker whose link is lost is often alive, and knows what became of what it has: so long it may
 * come back and tell, before others get that. The same after a start. */
#define OUTBOUND_GRACE_US (2 * 1000000LL)

/* A worker that is gone, whose leases have not come back yet. */
struct outbound_gone {
	struct list node;
	uint32_t worker;
	int64_t until_us;
};

struct outbound {
	struct deliver *deliver;
	const struct conf *overrides;
	struct runner *runner; /* may be NULL */
	struct sched *sched;
	struct guard *guard; /* NULL: nobody is held */
	struct outcome_times times;
	enum dir_tls_level tls;      /* of destinations without a policy */
	struct outbound_part *parts; /* a place in it is the scheduler's number of a partition */
	size_t nparts;
	uint32_t workers; /* numbers given to workers so far */
	struct waitq takers;
	int64_t open_us;  /* nothing is handed out before */
	struct list gone; /* in order of time */
	struct fiber *fiber;
	struct event wake, ended;
	bool stop;
	struct dir_sub sub;
	char bounce_copy[DIR_ADDRESS_MAX +
			 1]; /* gets what senders are told of failures; "": none */
	/* What the operator has suspended, as the scheduler was told. */
	struct arena suspended_mem;
	slice_t *suspended_names;
	uint64_t *suspended_senders;
	size_t nsuspended_names, nsuspended_senders;
	int64_t bad_keep_us; /* JOB_BAD is removed after it; 0: never */
	int64_t bad_us;      /* when to look for such */
};

/* The scheduler gets it, when it is of the way out. */
void outbound_add(struct outbound *o, size_t part, const struct due_item *item);
/* Settings as they are now. */
void outbound_settings(struct outbound *o);

/* Gives back what workers had who are gone for longer than the grace; returns when to look again,
 * SCHED_NEVER: there is none. */
int64_t outbound_forget_gone(struct outbound *o, int64_t now_us);

/* The scheduler holds what the settings say now, and nothing else. */
void outbound_suspend(struct outbound *o, const struct conf *settings);
void outbound_suspend_fini(struct outbound *o);
/* As the scheduler knows the senders of items: by account, or by address. */
uint64_t outbound_sender_key(uint64_t account, slice_t address);

/* Removes items that have been JOB_BAD for too long, and says when to look again. */
WAITS void outbound_expire_bad(struct outbound *o);

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
/* The notice of a delay as an item of its own, once. */
WAITS enum err outbound_tell_delay(struct outbound *o, size_t part, uint64_t item,
				   uint64_t record_no, const struct job *notice) MUST_USE;

#endif

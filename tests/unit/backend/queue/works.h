/* works: the way out in a room of its own, with a played worker and a time of day that the tests
 * move. */
#ifndef TESTS_UNIT_BACKEND_QUEUE_WORKS_H
#define TESTS_UNIT_BACKEND_QUEUE_WORKS_H

#include "backend/queue/outbound.h"
#include "tests/unit/backend/delivery/room.h"

#define MINUTE_US (60 * 1000000LL)
#define HOUR_US   (60 * MINUTE_US)

extern const struct rpc_identity works_fe1, works_fe2;

struct works {
	struct room room;
	struct outbound *o;
	struct outbound_worker *worker;
	struct outbound_batch *batch;
	struct arena mem;
	struct buf bytes;
	struct due_item items[64];
	struct conf *none;  /* no settings but the defaults */
	const char *server; /* that takes what is submitted; NULL: none */
	int64_t release_us; /* of what is submitted next */
	uint32_t partition; /* that it is queued in: 0 or 1 */
};

WAITS bool works_open(struct works *w);
WAITS void works_close(struct works *w);
/* The back-end's way out begins anew, with a worker; "key=value", or NULL, is a setting from then
 * on. */
WAITS bool works_restart(struct works *w, const char *setting);
/* The scheduler knows so many items, though nobody has taken one. */
WAITS bool works_known(struct works *w, size_t n);
/* The time of day alone. */
void works_move_clock(struct works *w, int64_t us);
/* Time passes by both clocks: deadlines, too. */
void works_pass(struct works *w, int64_t ms);

/* A token for an address elsewhere; in w->mem. */
slice_t works_outside(struct works *w, const char *address);

struct mail {
	unsigned txid;
	uint64_t account;
	const char *sender;
	const char *to[4];
	uint32_t notify;
};

/* Queued in w->partition. */
WAITS void works_submit(struct works *w, const struct mail *mail);
/* The first job of the next batch; NULL: none will come. */
WAITS struct outbound_job *works_take(struct works *w);
WAITS enum err works_tell(struct works *w, const struct outbound_job *j, enum outbound_end end,
			  const char *status, const char *text);
/* Of partition 0, into w->items. */
size_t works_items(struct works *w);
struct job works_job_at(struct works *w, size_t i);

#endif

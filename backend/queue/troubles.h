/*
 * troubles: what was last found out about destinations that cannot be reached. One item of theirs
 * finds it out, and all others wait without a try of their own; whoever asks why they do, an
 * administrator or their senders, is told this. In memory: a restart forgets it until the next
 * probe.
 */
#ifndef BACKEND_QUEUE_TROUBLES_H
#define BACKEND_QUEUE_TROUBLES_H

#include "backend/queue/outcome.h"
#include "common/base/list.h"
#include "common/base/map.h"

#define TROUBLES_MAX     4096 /* destinations; the oldest is forgotten */
#define TROUBLE_TEXT_MAX 512  /* bytes of the reason; more is cut */

struct trouble {
	struct list node; /* by time */
	int64_t at_us;    /* of the try */
	slice_t destination, status, text, remote;
	char bytes[];
};

struct troubles {
	struct map by_name;
	struct list all;
};

void troubles_init(struct troubles *t);
void troubles_fini(struct troubles *t);
/* It was not reached; the latest is kept. */
void troubles_note(struct troubles *t, slice_t destination, const struct outcome_try *r);
/* It was reached, whatever it said. Costs nothing while there are none. */
void troubles_over(struct troubles *t, slice_t destination);
/* Until the next change; NULL: nothing is known. */
const struct trouble *troubles_of(const struct troubles *t, slice_t destination);

#endif

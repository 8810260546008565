/* notices: notice jobs as they come; a worker composes only so many at a time, each in a fiber of
 * its own, since each holds a record in memory. */
#ifndef FRONTEND_OUTBOUND_NOTICES_H
#define FRONTEND_OUTBOUND_NOTICES_H

#include "frontend/rpc/call_outbound.h"

void notices_init(void);
/* Owns the job; waits until it may begin. */
WAITS void notices_take(struct outbound_job *j);
/* Jobs that wait to begin go back untried, and so does what comes; what has begun goes on. */
void notices_stop(void);

#endif

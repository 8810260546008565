/*
 * drop: jobs whose way ends in a folder of their own back-end. The worker has the message's bytes
 * to open, and brings them there; no host is asked.
 */
#ifndef FRONTEND_OUTBOUND_DROP_H
#define FRONTEND_OUTBOUND_DROP_H

#include "frontend/rpc/call_outbound.h"

/* Brings it and reports; takes the job. */
WAITS void drop_job(struct outbound_job *j);

#endif

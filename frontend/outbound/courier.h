/*
 * courier: who carries jobs to a destination. A destination has a line of jobs and couriers, one
 * fiber and at most one connection each; the back-end says how many. A courier that has nothing to
 * do keeps its connection for a moment, since the next job often comes soon.
 *
 * Where no server takes a connection, one job tells it and the others go back to the queue untried:
 * the back-end decides when somebody looks again.
 *
 * A job whose stream has ended (outbound_job_is_lost) is not begun: the back-end gives it out anew.
 * What is in a transaction then goes on, and is reported.
 */
#ifndef FRONTEND_OUTBOUND_COURIER_H
#define FRONTEND_OUTBOUND_COURIER_H

#include "frontend/rpc/call_outbound.h"

struct tls_ctx;

/* Once; the context (TLS_PUBLIC_CLIENT) is borrowed. */
void couriers_init(struct tls_ctx *tls);
/* Takes the job. Waits while there is more than this worker should hold. */
WAITS void couriers_take(struct outbound_job *j);
/* A stream of jobs has ended: those of its jobs that are not begun are somebody else's. */
void couriers_drop_lost(void);
/* No new ones: what waits goes back, what is on its way is awaited until the deadline. */
WAITS void couriers_stop(int64_t deadline_ms);

#endif

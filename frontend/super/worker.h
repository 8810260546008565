/* worker: one process of one service. */
#ifndef FRONTEND_SUPER_WORKER_H
#define FRONTEND_SUPER_WORKER_H

#include "frontend/core/session.h"

/* The whole life of a worker: reads its set-up from WORKER_CONTROL_FD, confines itself, serves
 * until told to end. protocols: what the program has, found by service. Returns the exit status. */
int worker_run(const struct protocol *const *protocols, size_t n);

#endif

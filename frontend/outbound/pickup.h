/*
 * pickup: files of a back-end's pickup folders, made messages and handed in as submissions. A file
 * is hostile: whatever its header says is bounded, and what its sender may do the back-end decides.
 */
#ifndef FRONTEND_OUTBOUND_PICKUP_H
#define FRONTEND_OUTBOUND_PICKUP_H

#include "common/base/base.h"

/* Files of one back-end at a time. */
#define PICKUP_FILES_MAX 8

/* Takes files of the back-end at the link (a struct rpc_link; the reference is taken over) for as
 * long as it lives. For scope_start(). */
WAITS void pickup_run(void *link);

#endif

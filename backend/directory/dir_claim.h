/* dir_claim: work of the whole cluster that one node does at a time. */
#ifndef BACKEND_DIRECTORY_DIR_CLAIM_H
#define BACKEND_DIRECTORY_DIR_CLAIM_H

#include "backend/directory/dir_admin.h"

/* Claims the work of that name, or renews the claim, for so many seconds of PostgreSQL's clock.
 * *mine_out: it is this node's until then; else another's. A claim that runs out in the middle of
 * the work may find two nodes at it: each step is to be one that may be done twice. */
WAITS enum err dir_claim(struct dir *d, const char *name, uint32_t seconds, bool *mine_out,
			 struct diag *diag) MUST_USE;

#endif

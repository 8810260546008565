/* limits: how many and how long things may be in what back-ends send (docs/limits.md). A field
 * without a row has walk's defaults. */
#ifndef FRONTEND_RPC_LIMITS_H
#define FRONTEND_RPC_LIMITS_H

#include "common/rpc/walk.h"

extern const struct walk_limit fe_walk_limits[]; /* ends with {0} */

#endif

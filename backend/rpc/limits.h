/* limits: how many and how long things may be in what peers send (docs/limits.md). A field without
 * a row has walk's defaults. */
#ifndef BACKEND_RPC_LIMITS_H
#define BACKEND_RPC_LIMITS_H

#include "common/rpc/walk.h"

extern const struct walk_limit be_walk_limits[]; /* ends with {0} */

#endif

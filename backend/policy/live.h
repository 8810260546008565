/* live: the settings of the cluster as they are now, for rooms of the back-end that follow them. */
#ifndef BACKEND_POLICY_LIVE_H
#define BACKEND_POLICY_LIVE_H

#include "backend/directory/dir.h"
#include "proto/settings.h"

/* The directory's values over the defaults, and over these what this node's command line says
 * (NULL: nothing); one that does not fit is logged and left out. Free it with conf_free. */
struct conf *live_settings(const struct dir *d, const struct conf *overrides);

#endif

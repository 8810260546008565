/*
 * backend/admin: what management decides by itself, apart from the RPC.
 *
 * settings: which settings of the directory there are (proto/settings.h), and what they may be.
 */
#ifndef BACKEND_ADMIN_SETTINGS_H
#define BACKEND_ADMIN_SETTINGS_H

#include "common/conf/conf.h"

/* E_NOT_FOUND with a hint when no setting is called so. */
enum err settings_find(slice_t key, const struct conf_def **out, struct diag *d) MUST_USE;
/* E_INVALID with the reason when the setting cannot have that value. */
enum err settings_check(const struct conf_def *def, slice_t value, struct diag *d) MUST_USE;
/* "integer", "duration", ... */
const char *settings_type(const struct conf_def *def);

#endif

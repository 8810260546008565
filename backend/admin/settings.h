/*
 * backend/admin: what management decides by itself, apart from the RPC.
 *
 * settings: which settings the directory may hold, and what they may be. Two tables make one: what
 * is pushed to front-ends (proto/settings.h), and what back-ends look at themselves.
 */
#ifndef BACKEND_ADMIN_SETTINGS_H
#define BACKEND_ADMIN_SETTINGS_H

#include "common/conf/conf.h"

size_t settings_count(void);
/* In order of the tables; the pushed ones first. */
const struct conf_def *settings_at(size_t i);
/* E_NOT_FOUND with a hint when no setting is called so. */
enum err settings_find(slice_t key, const struct conf_def **out, struct diag *d) MUST_USE;
/* E_INVALID with the reason when the setting cannot have that value. */
enum err settings_check(const struct conf_def *def, slice_t value, struct diag *d) MUST_USE;
/* "integer", "duration", ... */
const char *settings_type(const struct conf_def *def);

#endif

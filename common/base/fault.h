/*
 * fault: named points where a test makes a write, a sync or an allocation fail, or the process
 * die. In production fault_hook is NULL and a point costs one load.
 */
#ifndef COMMON_BASE_FAULT_H
#define COMMON_BASE_FAULT_H

#include "common/base/base.h"

/* True: the operation at this point shall fail. The hook may also end the process. Set before
 * threads start. */
extern bool (*fault_hook)(const char *point);

static inline bool fault_at(const char *point)
{
	return fault_hook != NULL && fault_hook(point);
}

/* Sets a hook from the variable's value, "POINT:COUNT:fail" or "POINT:COUNT:kill": the COUNTth
 * passage of the point fails, or kills the process at once. POINT may end with '*'. False: not
 * such a text; nothing set. For the crash driver, in builds with POSTERN_FAULTS. */
bool fault_from_text(const char *text) MUST_USE;

#endif

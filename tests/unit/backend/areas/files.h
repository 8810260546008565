/* files: small things to do with files, for the tests of this folder. */
#ifndef TESTS_UNIT_BACKEND_AREAS_FILES_H
#define TESTS_UNIT_BACKEND_AREAS_FILES_H

#include "common/base/slice.h"

/* Writes a file anew. */
void files_put(const char *folder, const char *name, slice_t text);
/* Its bytes; empty when it is not there. Valid until the next call. */
slice_t files_get(const char *folder, const char *name);
void files_remove(const char *folder, const char *name);
bool files_has(const char *folder, const char *name);

#endif

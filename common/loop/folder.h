/*
 * folder: tells which files of a folder are whole: those that were just closed by who wrote them,
 * or moved there. Not how a file was there before, nor what cannot be told (a folder of another
 * machine's): who depends on every file looks into the folder from time to time.
 */
#ifndef COMMON_LOOP_FOLDER_H
#define COMMON_LOOP_FOLDER_H

#include "common/base/err.h"
#include "common/base/slice.h"

struct folder;

/* Watches a folder on the thread's loop. arrived is called from the loop, must not wait, and may
 * not free it; name: the file's, without the path; empty: some were missed, look yourself. Does not
 * keep the loop alive, but must be freed before loop_free(). E_IO with the reason. */
enum err folder_watch(const char *path, void (*arrived)(slice_t name, void *arg), void *arg,
		      struct folder **out, struct diag *d) MUST_USE;
/* NULL is harmless. */
void folder_unwatch(struct folder **f);

#endif

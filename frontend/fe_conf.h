/* fe_conf: the front-end's own, short file: who it is, where its back-ends are, where it
 * listens. All policy comes from the back-ends. */
#ifndef FRONTEND_FE_CONF_H
#define FRONTEND_FE_CONF_H

#include "common/conf/conf.h"

/* Reads the file and the KEY=VALUE overrides, and checks that the parts fit together. The caller
 * frees it. */
enum err fe_conf_load(const char *path, const char *const *sets, size_t nsets, struct conf **out,
		      struct diag *d) MUST_USE;

#endif

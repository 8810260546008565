/* be_conf: a back-end's own file: who it is, where its data, its database and its ports are. What
 * the cluster shares (policy, accounts, partitions) is in the directory. */
#ifndef BACKEND_BE_CONF_H
#define BACKEND_BE_CONF_H

#include "common/conf/conf.h"

/* Reads the file and the KEY=VALUE overrides. Overrides that name a pushed setting
 * (proto/settings.h) are taken too: they win over the directory's on this node's pushes. The
 * caller frees both. */
struct be_settings {
	struct conf *own;
	struct conf *pushed;
};
enum err be_conf_load(const char *path, const char *const *sets, size_t nsets,
		      struct be_settings *out, struct diag *d) MUST_USE;
void be_conf_free(struct be_settings *s);

#endif

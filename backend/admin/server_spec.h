/*
 * server_spec: what people write of a virtual SMTP server (proto/servers.h), checked and brought
 * into the form in which the directory keeps it: lines.
 */
#ifndef BACKEND_ADMIN_SERVER_SPEC_H
#define BACKEND_ADMIN_SERVER_SPEC_H

#include "proto/servers.h"

/* Texts as they came. */
struct server_texts {
	char *const *v;
	size_t n;
};

/* All append to `out`; E_INVALID with the reason. */
enum err server_spec_listeners(struct server_texts t, struct buf *out, struct diag *d) MUST_USE;
enum err server_spec_operators(struct server_texts t, struct buf *out, struct diag *d) MUST_USE;
/* `before` (lines) with some set and some unset. What is in `before` and is no setting of this
 * release is dropped. */
enum err server_spec_settings(enum rpc_service service, slice_t before, struct server_texts set,
			      struct server_texts unset, struct buf *out, struct diag *d) MUST_USE;

#endif

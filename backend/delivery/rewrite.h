/*
 * rewrite: senders of mail that an alias of ours passes on to other systems, and the way back for
 * what bounces (srs). The key is derived from the directory's secret, the same on every back-end,
 * and from the durable copy while PostgreSQL is away.
 */
#ifndef BACKEND_DELIVERY_REWRITE_H
#define BACKEND_DELIVERY_REWRITE_H

#include "backend/directory/dir.h"

/* The sender of mail that goes from `alias`, an address of ours, to another system: a stranger's is
 * rewritten, <> and ours are as they are, and so is one that cannot be rewritten, or all of them
 * where the setting srs.domain says "off". In the arena, or `sender` itself. E_RETRY: cannot tell
 * now whose it is. */
enum err rewrite_sender(const struct dir *dir, slice_t sender, slice_t alias, struct arena *mem,
			slice_t *out) MUST_USE;
/* Whether a bounce to that address is one of a message that was rewritten: it looks like it, and is
 * at a domain of ours. */
bool rewrite_is_ours(const struct dir *dir, slice_t address);
/* Whom such an address stands for; in the arena. E_NOT_FOUND: forged, or too old; E_RETRY. */
enum err rewrite_back(const struct dir *dir, slice_t address, struct arena *mem,
		      slice_t *out) MUST_USE;

#endif

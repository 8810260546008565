/*
 * walk: checks protobuf bytes against a message's descriptor before protobuf-c unpacks them:
 * known field numbers only up to a tolerance (unknown fields are skipped, at most
 * WALK_UNKNOWN_MAX bytes: a newer peer), right wire types, lengths inside, counts and lengths
 * under their limits, depth at most WALK_DEPTH_MAX. Linear in the input, no allocation; the
 * schema has no recursive message, so depth is the schema's own. A singular field given twice is
 * refused (protobuf would merge or overwrite: two readers could see two messages), so is a
 * `string` that is not UTF-8 or holds a NUL. Numbers and enum values are the handler's to check.
 */
#ifndef COMMON_RPC_WALK_H
#define COMMON_RPC_WALK_H

#include <protobuf-c/protobuf-c.h>

#include "common/base/err.h"
#include "common/base/arena.h"

#define WALK_DEPTH_MAX     8
#define WALK_UNKNOWN_MAX   4096
#define WALK_COUNT_DEFAULT 256  /* repeated fields without a row */
#define WALK_LEN_DEFAULT   1024 /* strings and bytes without a row */

struct walk_limit {
	const ProtobufCMessageDescriptor *message;
	const char *field;
	uint32_t count_max; /* 0: the default */
	uint32_t len_max;   /* 0: the default */
};

/* limits ends with {0}; may be NULL. E_INVALID or E_LIMIT with the field's name in the diag. */
enum err walk_check(const ProtobufCMessageDescriptor *m, const struct walk_limit *limits,
		    slice_t bytes, struct diag *d) MUST_USE;
/* Checks, then unpacks into the arena (never freed by itself). NULL and an error otherwise, E_BUSY
 * when the arena's budget is used up. */
enum err walk_unpack(const ProtobufCMessageDescriptor *m, const struct walk_limit *limits,
		     slice_t bytes, struct arena *a, ProtobufCMessage **out,
		     struct diag *d) MUST_USE;

#endif

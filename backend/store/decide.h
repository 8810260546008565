/*
 * decide: turns a change into ops, on the writer's thread, inside the group's transaction. A decide
 * function looks at everything before it makes its first op: what it returns other than E_OK
 * means that it made none. decide_op() fails only when the group cannot go on (broken is set);
 * the function returns at once then.
 */
#ifndef BACKEND_STORE_DECIDE_H
#define BACKEND_STORE_DECIDE_H

#include "backend/store/change.h"
#include "backend/store/partition_priv.h"

struct decide {
	struct partition *p;
	struct apply *a;
	int64_t now_us;
	enum err broken;        /* the group must be aborted */
	struct buf uids, names; /* scratch for an op's lists */
};

struct decide_def {
	const char *name;
	enum err (*decide)(struct decide *d, struct change *c);
	bool grows; /* refused beyond the watermark */
};
extern const struct decide_def decide_defs[CHANGE_REPLAY + 1];

/* Applies the op, and packs it for the sink. */
enum err decide_op(struct decide *d, struct op *op) MUST_USE;
/* As an error of a read within decide: anything but E_NOT_FOUND breaks the group. */
enum err decide_read(struct decide *d, enum err e) MUST_USE;

/* Keyword names to bits of a mailbox; names it does not have yet are appended to d->names (emptied
 * first) with KEYWORDS_ADD, else left out. each_out: the bit of each name, or NULL. E_LIMIT: too
 * many. */
enum keyword_mode { KEYWORDS_KNOWN, KEYWORDS_ADD };
enum err decide_keywords(struct decide *d, uint64_t account, uint32_t mailbox, const slice_t *names,
			 size_t n, enum keyword_mode mode, uint64_t *bits_out,
			 unsigned char *each_out) MUST_USE;

/* Finds what an earlier change of (origin, txid, key) did; fills in `out`, to be put into the op.
 * E_OK: found. E_NOT_FOUND: new. txid all zero: never found, out->on is false. */
enum err decide_dedupe(struct decide *d, slice_t origin, const unsigned char txid[STORE_TXID_SIZE],
		       slice_t key, struct op_dedupe *out, struct row_dedupe *row_out) MUST_USE;

/* Makes the missing levels above the last of path; *parent_out and *name_out are where the last
 * one goes. *missing_io counts what was made, when dry is set only what would be. */
enum err decide_parents(struct decide *d, uint64_t account, slice_t path, bool dry,
			uint32_t *parent_out, slice_t *name_out, uint32_t *missing_out) MUST_USE;
enum err decide_mailbox_new(struct decide *d, uint64_t account, uint32_t id, uint32_t parent,
			    slice_t name, slice_t path, enum store_special special,
			    uint32_t *id_out) MUST_USE;

enum err decide_account(struct decide *d, struct change *c) MUST_USE;
enum err decide_deliver(struct decide *d, struct change *c) MUST_USE;
enum err decide_flags(struct decide *d, struct change *c) MUST_USE;
enum err decide_copy(struct decide *d, struct change *c) MUST_USE;
enum err decide_expunge(struct decide *d, struct change *c) MUST_USE;
enum err decide_create(struct decide *d, struct change *c) MUST_USE;
enum err decide_delete(struct decide *d, struct change *c) MUST_USE;
enum err decide_rename(struct decide *d, struct change *c) MUST_USE;
enum err decide_subscribe(struct decide *d, struct change *c) MUST_USE;
enum err decide_queue(struct decide *d, struct change *c) MUST_USE;
enum err decide_keep(struct decide *d, struct change *c) MUST_USE;
enum err decide_replay(struct decide *d, struct change *c) MUST_USE;

/* The input checks that need no state, on the caller's thread. */
enum err change_check(struct change *c) MUST_USE;

#endif

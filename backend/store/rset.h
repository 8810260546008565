/*
 * rset: a set of UIDs of one mailbox, kept as runs in T_RANGE, but for the last run (the "tail"),
 * which lies in the mailbox's row, so that a delivery touches no row of its own for it. A set
 * that is not empty has a tail; the tail lies above all other runs and touches none.
 */
#ifndef BACKEND_STORE_RSET_H
#define BACKEND_STORE_RSET_H

#include "backend/store/kv.h"
#include "backend/store/rec.h"
#include "backend/store/uidset.h"

struct rset {
	struct kv_txn *txn;
	uint64_t account;
	uint32_t mailbox;
	enum uid_kind kind;
	struct uid_range *tail; /* in the caller's mailbox row, which it puts back */
};

static inline struct rset rset_of(struct kv_txn *txn, uint64_t account, uint32_t mailbox,
				  struct row_mailbox *m, enum uid_kind kind)
{
	return (struct rset){txn, account, mailbox, kind, &m->tail[kind]};
}

enum err rset_add(const struct rset *s, uint32_t first, uint32_t last) MUST_USE;
enum err rset_remove(const struct rset *s, uint32_t first, uint32_t last) MUST_USE;
/* The runs that touch [first, last], cut to it, added to out. */
enum err rset_collect(const struct rset *s, uint32_t first, uint32_t last,
		      struct uidset *out) MUST_USE;
/* The smallest UID, 0: none. */
enum err rset_first(const struct rset *s, uint32_t *out) MUST_USE;
/* UIDs from `from` on: how many. */
enum err rset_count_from(const struct rset *s, uint32_t from, uint32_t *out) MUST_USE;

#endif

/*
 * apply: does what an op says, within the group's write transaction. Deterministic: the same ops
 * on equal states give equal states. Only the rows' local parts (places of records, volumes) come
 * from the group's own context.
 *
 * An error other than E_OK aborts the group. Since decide() has looked first, it means a full map,
 * a broken disk or a corrupt row, never a wrong request.
 */
#ifndef BACKEND_STORE_APPLY_H
#define BACKEND_STORE_APPLY_H

#include "backend/store/kv.h"
#include "backend/store/op.h"
#include "backend/store/partition.h"
#include "backend/store/rset.h"
#include "backend/store/tab.h"
#include "backend/store/volume.h"

struct apply {
	struct kv_txn *txn;
	struct row_state state; /* the group's; written at its end */
	struct volume_group vols;
	struct stage *stage; /* the bytes of the next OP_RECORD */
	int64_t expunged_ms;
	struct partition_event *events;
	size_t nevents, events_cap;
	bool queue_changed;
	struct buf scratch, lists; /* for rows and ranges */
	uint32_t done;             /* rows that a trim has taken */
};

/* Fills in seq, level and time, applies. */
enum err apply_op(struct apply *a, struct op *op) MUST_USE;

/* Shared by the apply_*.c files. */
void apply_event(struct apply *a, uint64_t account, uint32_t mailbox, uint64_t modseq, bool gone);
/* A row of the change log; counts it in the account. */
enum err apply_log(struct apply *a, uint64_t account, struct row_account *acct, uint64_t modseq,
		   uint32_t mailbox, enum log_kind_row kind, int64_t time_us,
		   slice_t ranges) MUST_USE;
enum err apply_names(struct apply *a, uint64_t account, uint32_t mailbox,
		     slice_t new_names) MUST_USE;
enum err apply_dedupe(struct apply *a, const struct op_dedupe *d,
		      const struct row_dedupe *row) MUST_USE;
enum err apply_record_ref(struct apply *a, uint64_t no, int delta) MUST_USE;
/* One message less that is this email; the last one goes to be reaped. */
enum err apply_email_unref(struct apply *a, uint64_t account, uint64_t email,
			   int64_t time_us) MUST_USE;
enum err apply_reap_later(struct apply *a, int64_t time_us, uint64_t account, uint64_t id) MUST_USE;

enum err apply_account(struct apply *a, const struct op *op) MUST_USE;
enum err apply_account_remove(struct apply *a, const struct op *op) MUST_USE;
enum err apply_account_gone(struct apply *a, const struct op *op) MUST_USE;
enum err apply_record(struct apply *a, const struct op *op) MUST_USE;
enum err apply_add(struct apply *a, const struct op *op) MUST_USE;
enum err apply_flags(struct apply *a, const struct op *op) MUST_USE;
enum err apply_copy(struct apply *a, const struct op *op) MUST_USE;
enum err apply_expunge(struct apply *a, const struct op *op) MUST_USE;
enum err apply_mailbox_create(struct apply *a, const struct op *op) MUST_USE;
enum err apply_mailbox_delete(struct apply *a, const struct op *op) MUST_USE;
enum err apply_mailbox_rename(struct apply *a, const struct op *op) MUST_USE;
enum err apply_subscribe(struct apply *a, const struct op *op) MUST_USE;
enum err apply_recent(struct apply *a, const struct op *op) MUST_USE;
enum err apply_item_add(struct apply *a, const struct op *op) MUST_USE;
enum err apply_item_remove(struct apply *a, const struct op *op) MUST_USE;
enum err apply_item_move(struct apply *a, const struct op *op) MUST_USE;
enum err apply_purge(struct apply *a, const struct op *op) MUST_USE;
enum err apply_reap(struct apply *a, const struct op *op) MUST_USE;
enum err apply_log_trim(struct apply *a, const struct op *op) MUST_USE;
enum err apply_dedupe_trim(struct apply *a, const struct op *op) MUST_USE;

#endif

/*
 * tab: typed gets and puts of single rows, within a transaction. A row that does not decode is
 * logged and E_CORRUPT. Slices in decoded rows are valid until the next put of the transaction.
 */
#ifndef BACKEND_STORE_TAB_H
#define BACKEND_STORE_TAB_H

#include "backend/store/kv.h"
#include "backend/store/rec.h"

enum err tab_state_get(struct kv_txn *t, struct row_state *out) MUST_USE;
enum err tab_state_put(struct kv_txn *t, const struct row_state *s) MUST_USE;
enum err tab_account_get(struct kv_txn *t, uint64_t account, struct row_account *out) MUST_USE;
enum err tab_account_put(struct kv_txn *t, uint64_t account, const struct row_account *a) MUST_USE;
/* The account as readers and changes see it: E_NOT_FOUND also when it is being purged. */
enum err tab_account_live(struct kv_txn *t, uint64_t account, struct row_account *out) MUST_USE;
/* mailbox: as a peer gives it; 0 and what does not fit are E_NOT_FOUND. */
enum err tab_mailbox_get(struct kv_txn *t, uint64_t account, uint64_t mailbox,
			 struct row_mailbox *out) MUST_USE;
enum err tab_mailbox_put(struct kv_txn *t, uint64_t account, uint32_t mailbox,
			 const struct row_mailbox *m) MUST_USE;
enum err tab_message_get(struct kv_txn *t, uint64_t account, uint32_t mailbox, uint32_t uid,
			 struct row_message *out) MUST_USE;
enum err tab_message_put(struct kv_txn *t, uint64_t account, uint32_t mailbox, uint32_t uid,
			 const struct row_message *m) MUST_USE;
enum err tab_email_get(struct kv_txn *t, uint64_t account, uint64_t email,
		       struct row_email *out) MUST_USE;
/* e->prefix must not point into the map. */
enum err tab_email_put(struct kv_txn *t, uint64_t account, uint64_t email,
		       const struct row_email *e) MUST_USE;
enum err tab_record_get(struct kv_txn *t, uint64_t no, struct row_record *out) MUST_USE;
/* r->table must not point into the map. add: a new one, numbered above all there are. */
enum err tab_record_put(struct kv_txn *t, uint64_t no, const struct row_record *r) MUST_USE;
enum err tab_record_add(struct kv_txn *t, uint64_t no, const struct row_record *r) MUST_USE;
enum err tab_queue_get(struct kv_txn *t, uint64_t id, struct row_queue *out) MUST_USE;
enum err tab_queue_put(struct kv_txn *t, uint64_t id, const struct row_queue *q) MUST_USE;
enum err tab_volume_get(struct kv_txn *t, uint64_t no, struct row_volume *out) MUST_USE;
enum err tab_volume_put(struct kv_txn *t, uint64_t no, const struct row_volume *v) MUST_USE;

/* Names of a mailbox's keyword bits; they point into the map. None: E_OK and 0. */
enum err tab_keywords_get(struct kv_txn *t, uint64_t account, uint32_t mailbox, slice_t *names,
			  unsigned *n_out) MUST_USE;

/* The mailbox of a path, by its levels. INBOX in any case. E_NOT_FOUND. */
enum err tab_path_find(struct kv_txn *t, uint64_t account, slice_t path, uint32_t *id_out) MUST_USE;
enum err tab_name_find(struct kv_txn *t, uint64_t account, uint32_t parent, slice_t name,
		       uint32_t *id_out) MUST_USE;
/* Takes the next level off *path; the first one is INBOX for any case of it. */
slice_t path_level(slice_t *path, bool first);
/* Appends the mailbox's path. */
enum err tab_path_of(struct kv_txn *t, uint64_t account, uint32_t mailbox,
		     struct buf *out) MUST_USE;
/* Canonical form of a checked path (INBOX in upper case). */
void path_canonical(slice_t path, struct buf *out);

/* Logs a row that cannot be; returns E_CORRUPT. */
enum err tab_corrupt(const char *table, uint64_t a, uint64_t b);

#endif

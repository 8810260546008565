/*
 * kv: ordered tables of bytes with transactions; the only door to LMDB. One write transaction at
 * a time (the caller's business), any number of readers. A slice that a get or a cursor returns
 * points into the map: it is valid until the transaction ends or, in a write transaction, until
 * the next put or delete.
 *
 * Errors: E_NOT_FOUND, E_FULL (map or disk), E_CORRUPT, E_BUSY (reader slots), E_IO. After any
 * error of a put or delete other than E_NOT_FOUND the transaction can only be aborted.
 */
#ifndef BACKEND_STORE_KV_H
#define BACKEND_STORE_KV_H

#include "common/base/err.h"
#include "common/base/slice.h"

struct kv;
struct kv_txn;
struct kv_cursor;

#define KV_TABLES_MAX 32
#define KV_KEY_MAX    511

enum kv_mode { KV_READ_WRITE, KV_READ_ONLY };

/* names: the tables, made when missing (read-write); a table's number is its place in names.
 * map_bytes 0: as it was made with. */
enum err kv_open(const char *dir, const char *const *names, unsigned ntables, uint64_t map_bytes,
		 enum kv_mode mode, struct kv **out, struct diag *d) MUST_USE;
void kv_close(struct kv **kv);

enum err kv_read(struct kv *kv, struct kv_txn **out) MUST_USE;
enum err kv_write(struct kv *kv, struct kv_txn **out) MUST_USE;
/* Ends it in any case. E_FULL: nothing written; any other error: the state on disk is unknown. */
enum err kv_commit(struct kv_txn **t) MUST_USE;
void kv_abort(struct kv_txn **t); /* NULL inside: nothing */

enum err kv_get(struct kv_txn *t, unsigned table, slice_t key, slice_t *out) MUST_USE;
enum err kv_put(struct kv_txn *t, unsigned table, slice_t key, slice_t value) MUST_USE;
/* Room for a value of n bytes, to be filled before the next call. */
enum err kv_put_room(struct kv_txn *t, unsigned table, slice_t key, size_t n, void **out) MUST_USE;
/* The same for a key above all others of the table: full pages stay full, where a put in the middle
 * would split them into halves. E_CORRUPT: the key is not above. */
enum err kv_append_room(struct kv_txn *t, unsigned table, slice_t key, size_t n,
			void **out) MUST_USE;
enum err kv_del(struct kv_txn *t, unsigned table, slice_t key) MUST_USE;
enum err kv_empty(struct kv_txn *t, unsigned table) MUST_USE;
enum err kv_count(struct kv_txn *t, unsigned table, uint64_t *out) MUST_USE;

enum err kv_cursor(struct kv_txn *t, unsigned table, struct kv_cursor **out) MUST_USE;
void kv_cursor_end(struct kv_cursor **c); /* before the transaction ends; NULL inside: nothing */
/* The key itself, or the first one above; below: the last one strictly below. */
enum err kv_seek(struct kv_cursor *c, slice_t key, slice_t *k, slice_t *v) MUST_USE;
enum err kv_seek_below(struct kv_cursor *c, slice_t key, slice_t *k, slice_t *v) MUST_USE;
enum err kv_find(struct kv_cursor *c, slice_t key, slice_t *v) MUST_USE; /* exactly */
enum err kv_next(struct kv_cursor *c, slice_t *k, slice_t *v) MUST_USE;
/* Deletes where the cursor is; kv_next then gives what followed. */
enum err kv_del_here(struct kv_cursor *c) MUST_USE;

/* The map's size, and the part of it that was ever used (cheap), or that is in use now (walks
 * the free list). */
void kv_size(struct kv *kv, uint64_t *map_out, uint64_t *touched_out);
enum err kv_used(struct kv *kv, uint64_t *out) MUST_USE;
/* Rows that all transactions of the process that have ended looked at or changed: what a change or
 * a read costs, whatever the machine. */
uint64_t kv_rows(void);

#endif

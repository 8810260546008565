/*
 * dir_kv: what the directory and auth need of the node's durable environment (backend/store's
 * node_kv), as a table of functions, so that tests and tools can put memory in its place.
 *
 * Keys are of the caller's making and begin with "dir/", "auth/" or "policy/". Values are at most
 * DIR_KV_VALUE_MAX bytes.
 */
#ifndef BACKEND_DIRECTORY_DIR_COPY_H
#define BACKEND_DIRECTORY_DIR_COPY_H

#include "common/base/err.h"
#include "common/base/slice.h"

#define DIR_KV_KEY_MAX   400          /* "dir/", a kind, an address of 320 bytes */
#define DIR_KV_VALUE_MAX (512 * 1024) /* a group of 1000 members of 320 bytes */

struct dir_kv_op {
	slice_t key;
	slice_t value; /* p == NULL: delete; a key that is not there is no error */
};

enum dir_kv_sync {
	DIR_KV_SYNC, /* all of it is on stable storage when the call returns E_OK, or none */
	DIR_KV_LAZY, /* a hint: may be lost with the machine */
};

struct dir_kv {
	void *ctx;
	/* Applies all operations or none. E_FULL, E_IO, ... */
	WAITS enum err (*apply)(void *ctx, const struct dir_kv_op *ops, size_t n,
				enum dir_kv_sync sync);
	/* Every pair whose key starts with prefix, in key order; slices live during the call of
	 * each, which must not wait; false from it ends the walk. */
	WAITS enum err (*scan)(void *ctx, slice_t prefix,
			       bool (*each)(slice_t key, slice_t value, void *arg), void *arg);
};

/* On the node's environment (borrowed); each call is a job on a worker thread. "dir/" keys go to
 * its table of the directory, others to its hints. */
struct node;
struct dir_kv_node;
struct dir_kv_node *dir_kv_node_new(struct node *n);
void dir_kv_node_free(struct dir_kv_node **k);
const struct dir_kv *dir_kv_node_ops(struct dir_kv_node *k);

/* In memory; for tests and tools. */
struct dir_kv_mem;
struct dir_kv_mem *dir_kv_mem_new(void);
void dir_kv_mem_free(struct dir_kv_mem **m);
const struct dir_kv *dir_kv_mem_ops(struct dir_kv_mem *m);

#endif

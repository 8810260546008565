/*
 * node: the node's own small environment: hints (counters, leases, bans: harmless to lose), and
 * the directory's durable copy. No mail. Keys are 1 to NODE_KEY_MAX bytes.
 *
 * NODE_SYNCED changes are durable when the call returns: not on a loop's thread. NODE_LAZY ones
 * are kept in memory, seen by every get, and written by the next node_flush() (call it now and then
 * on a work thread), by a synced change, by a scan, or at close. They are kept, too, when a call
 * that flushed them fails.
 */
#ifndef BACKEND_STORE_NODE_H
#define BACKEND_STORE_NODE_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define NODE_KEY_MAX   500
#define NODE_VALUE_MAX (1024u * 1024)
/* Lazy changes kept in memory; beyond, a put flushes. */
#define NODE_LAZY_MAX  65536

struct node;

enum node_table { NODE_HINTS, NODE_DIRECTORY, NODE_TABLES };
enum node_sync { NODE_LAZY, NODE_SYNCED };

struct node_change {
	slice_t key;
	slice_t value;
	bool del;
};

/* dir is made when missing; map_bytes 0: 4 GiB. E_BUSY: another process has it open. */
enum err node_open(const char *dir, uint64_t map_bytes, struct node **out, struct diag *d) MUST_USE;
void node_close(struct node **n);
/* Appends the value. E_NOT_FOUND. Any thread. */
enum err node_get(struct node *n, enum node_table t, slice_t key, struct buf *out) MUST_USE;
enum err node_put(struct node *n, enum node_table t, slice_t key, slice_t value,
		  enum node_sync sync) MUST_USE;
enum err node_del(struct node *n, enum node_table t, slice_t key, enum node_sync sync) MUST_USE;
/* All or nothing, synced. */
enum err node_write(struct node *n, enum node_table t, const struct node_change *v,
		    size_t count) MUST_USE;
/* Keys that begin with prefix, above `after` (empty: from the first), ascending, at most max;
 * fn's slices are valid during the call, it must not call back into node. *n_out: how many. */
enum err node_scan(struct node *n, enum node_table t, slice_t prefix, slice_t after, size_t max,
		   void (*fn)(void *arg, slice_t key, slice_t value), void *arg,
		   size_t *n_out) MUST_USE;
enum err node_flush(struct node *n) MUST_USE;
/* Removes all keys of the table, synced, as one. */
enum err node_clear(struct node *n, enum node_table t) MUST_USE;

#endif

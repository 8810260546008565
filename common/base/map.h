/*
 * map: hash table from bytes to one pointer. The hash is keyed with a random key drawn at
 * start, so that a peer cannot choose collisions. Keys are copied; values are borrowed.
 */
#ifndef COMMON_BASE_MAP_H
#define COMMON_BASE_MAP_H

#include "common/base/slice.h"

struct map_node;

struct map {
	struct map_node **slots;
	size_t nslots; /* a power of two, or 0 before the first put */
	size_t count;
};

void map_init(struct map *m);
/* Forgets all keys; what the values point to stays the caller's. */
void map_fini(struct map *m);
/* The value of key, or NULL. */
void *map_get(const struct map *m, slice_t key);
/* Sets key to value (not NULL); returns the value it had, or NULL. */
void *map_put(struct map *m, slice_t key, void *value);
/* Removes key; returns the value it had, or NULL. */
void *map_del(struct map *m, slice_t key);

/* Walks all pairs in no order. Start with it zeroed; false at the end. The pair just returned may
 * be deleted during the walk; nothing may be put. */
struct map_iter {
	size_t slot;
	struct map_node *next;
};
bool map_next(const struct map *m, struct map_iter *it, slice_t *key_out, void **value_out);

/* The keyed hash itself (SipHash-2-4), for callers with their own tables. */
uint64_t map_hash(slice_t key);

#endif

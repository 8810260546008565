/*
 * arena: bump memory that is freed as one. Never points into a shorter-lived arena. Charges a
 * budget by the chunk. In builds with AddressSanitizer what nobody asked for is poisoned, down to
 * the byte; and what was reset is freed.
 */
#ifndef COMMON_BASE_ARENA_H
#define COMMON_BASE_ARENA_H

#include "common/base/budget.h"
#include "common/base/slice.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *head;
	size_t left;           /* bytes left in head */
	struct budget *budget; /* borrowed, may be NULL */
};

void arena_init(struct arena *a, struct budget *budget);
/* Frees everything; the arena may be used again. */
void arena_reset(struct arena *a);
/* The same, of one that held secrets: nothing of them stays behind. */
void arena_wipe(struct arena *a);

/* Zeroed, aligned for any type; never NULL: charges beyond the budget rather than fail. For sizes
 * that no peer chooses. */
void *arena_alloc(struct arena *a, size_t n);
/* The same, for what is written whole at once: what stands in it is anything. */
char *arena_room(struct arena *a, size_t n);
/* As arena_alloc for a size that a peer chooses: NULL when the budget says no. */
void *arena_try(struct arena *a, size_t n) MUST_USE;
/* Copies; the returned slice is followed by a NUL that is not counted. */
slice_t arena_dup(struct arena *a, slice_t s);
/* Copies what a peer chose; false when the budget says no. */
bool arena_try_dup(struct arena *a, slice_t s, slice_t *out) MUST_USE;
/* As arena_dup, as a C string; s must not hold a NUL that matters. */
char *arena_str(struct arena *a, slice_t s);

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif

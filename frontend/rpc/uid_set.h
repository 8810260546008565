/* uid_set: UIDs (or any 32-bit numbers) as ascending ranges that do not touch. */
#ifndef FRONTEND_RPC_UID_SET_H
#define FRONTEND_RPC_UID_SET_H

#include "common/base/buf.h"
#include "common/base/err.h"

/* Inclusive; first <= last. */
struct uid_range {
	uint32_t first, last;
};

/* Ranges of one set: every other message of a mailbox of two million. */
#define UID_SET_RANGES_MAX (1024u * 1024)

struct uid_set {
	struct buf b; /* of struct uid_range */
};

/* The budget is charged as ranges come; may be NULL. No memory is taken until then. */
void uid_set_init(struct uid_set *s, struct budget *budget);
void uid_set_fini(struct uid_set *s);
void uid_set_reset(struct uid_set *s);
/* Exchanges the contents of two sets. */
void uid_set_swap(struct uid_set *a, struct uid_set *b);

static inline size_t uid_set_n(const struct uid_set *s)
{
	return s->b.n / sizeof(struct uid_range);
}

static inline const struct uid_range *uid_set_ranges(const struct uid_set *s)
{
	return (const struct uid_range *)(const void *)s->b.p;
}

/* Adds first..last in any order, merging what overlaps or touches; cheap at the end. E_LIMIT: too
 * many ranges or over the budget (the set stays as it was). */
enum err uid_set_add(struct uid_set *s, uint32_t first, uint32_t last) MUST_USE;
bool uid_set_has(const struct uid_set *s, uint32_t uid);
/* How many numbers are in it. */
uint64_t uid_set_count(const struct uid_set *s);
/* The index of the first range whose last is >= uid; n when there is none. */
size_t uid_set_find(const struct uid_range *r, size_t n, uint32_t uid);

#endif

/* uidset: an owned, ascending list of UID ranges that do not touch. For results. */
#ifndef BACKEND_STORE_UIDSET_H
#define BACKEND_STORE_UIDSET_H

#include "backend/store/store.h"

struct uidset {
	struct uid_range *v;
	size_t n, cap;
};

/* No memory is taken until the first add. */
void uidset_init(struct uidset *s);
void uidset_fini(struct uidset *s);
/* Bytes that its ranges take. */
size_t uidset_memory(const struct uidset *s);
void uidset_reset(struct uidset *s);
/* Adds a range anywhere; cheapest at the end. */
void uidset_add(struct uidset *s, uint32_t first, uint32_t last);
void uidset_remove(struct uidset *s, uint32_t first, uint32_t last);
bool uidset_has(const struct uidset *s, uint32_t uid);
uint64_t uidset_count(const struct uidset *s);
/* Ascending, not touching, no zero: what every list of ranges from outside must be. */
bool uid_ranges_valid(const struct uid_range *v, size_t n);
/* Index of the first range whose last is >= uid, or n. */
size_t uid_ranges_find(const struct uid_range *v, size_t n, uint32_t uid);

#endif

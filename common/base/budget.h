/*
 * budget: a memory meter. Budgets form a chain (session, listener, process); a charge must fit
 * all of them. Single-threaded, as its owner is. Unit: bytes.
 */
#ifndef COMMON_BASE_BUDGET_H
#define COMMON_BASE_BUDGET_H

#include "common/base/base.h"

struct budget {
	struct budget *parent; /* borrowed, may be NULL; outlives this one */
	size_t used;
	size_t max;
	size_t peak;
};

void budget_init(struct budget *b, size_t max, struct budget *parent);
/* Checks that all was given back. */
void budget_fini(struct budget *b);
/* True and charged along the chain, or false and nothing charged. b may be NULL: always true. */
bool budget_take(struct budget *b, size_t n) MUST_USE;
/* Charges even beyond the maximum: for small things that must not fail. */
void budget_force(struct budget *b, size_t n);
void budget_give(struct budget *b, size_t n);

#endif

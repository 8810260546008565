/* fsck_priv: what the parts of fsck share. */
#ifndef BACKEND_STORE_FSCK_PRIV_H
#define BACKEND_STORE_FSCK_PRIV_H

#include "backend/store/fsck.h"
#include "backend/store/kv.h"
#include "backend/store/rec.h"

/* A growing list of numbers. */
struct numbers {
	uint64_t *v;
	size_t n, cap;
};
void numbers_add(struct numbers *l, uint64_t v);
void numbers_sort(struct numbers *l);
/* In a sorted list: how often v is there, at *at_io or after; moves *at_io behind. */
uint32_t numbers_count(const struct numbers *l, size_t *at_io, uint64_t v);
/* ... the next one that is below v, moving *at_io behind all like it. False: there is none. */
bool numbers_below(const struct numbers *l, size_t *at_io, uint64_t v, uint64_t *out);

/* An email that waits to be reaped. */
struct waiting {
	uint64_t account, email;
};

struct fsck {
	struct kv_txn *t;
	void (*say)(void *arg, const char *text);
	void *arg;
	struct fsck_report *report;
	struct row_state state;
	struct waiting *waiting; /* in order; accounts come in order too */
	size_t nwaiting, waiting_cap, waiting_at;
	struct numbers
		record_refs; /* a record's number for each email and item that refers to it */
};

void fsck_say(struct fsck *f, const char *fmt, ...) PRINTF(2, 3);

/* Calls fn for every row whose key begins with prefix. */
typedef enum err fsck_row_fn(struct fsck *f, slice_t key, slice_t value, void *arg);
enum err fsck_rows(struct fsck *f, enum table table, slice_t prefix, fsck_row_fn *fn,
		   void *arg) MUST_USE;

/* All that belongs to one account number, whether its row is there or not. */
enum err fsck_account(struct fsck *f, uint64_t account) MUST_USE;
/* Every record's frame, bytes and table. f->t is over by then: reads what is newest. */
enum err fsck_bytes(struct fsck *f, struct partition *p) MUST_USE;
/* The next account number above `after` that any table knows; false: none. */
bool fsck_next_account(struct fsck *f, uint64_t after, uint64_t *out);

#endif

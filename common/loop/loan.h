/*
 * loan: memory that is the borrower's until its next wait: a stream's window, the text of a row.
 *
 * "Until the next wait" means until the running fiber calls a function marked WAITS, of whatever
 * object, and whether or not it had to wait. To keep such bytes longer is a fault that hides: most
 * waits end at once, and most of the others change nothing. So builds with AddressSanitizer take
 * the memory away there: each later use is reported as a use after free, and "freed by" shows the
 * wait that ended the loan. In other builds all of this is empty.
 *
 * Who ends them are the functions that suspend by themselves, of this folder and of the two above.
 * What is marked WAITS since it calls one of these, and comes back before it has, ends none: there
 * the fault stays hidden, and is one all the same.
 *
 * A fiber that waits has no loans left, so all loans of a loop are its running fiber's. What is
 * lent outside of any fiber, in a callback, ends with the next wait of whichever; on a thread
 * without a loop nothing would end it.
 */
#ifndef COMMON_LOOP_LOAN_H
#define COMMON_LOOP_LOAN_H

#include "common/base/asan.h"
#include "common/base/list.h"
#include "common/base/slice.h"

/* Embedded in the lender. */
struct loan {
#ifdef WITH_ASAN
	struct list node;
	void (*over)(struct loan *l);
#endif
};

#ifdef WITH_ASAN

/* over is to move or to free what was lent; it is never called in other builds. */
void loan_init(struct loan *l, void (*over)(struct loan *l));
/* What l stands for is lent now; no change if it was. */
void loan_begin(struct loan *l);
/* The lender goes, and what was lent with it. */
void loan_fini(struct loan *l);
/* All loans are over: the running fiber is about to wait, or would if it had to. First in whatever
 * suspends by itself, or looks by itself whether that is needed. */
void loans_over(void);
/* s, lent: in such builds a copy, which ends with the loan though its original may live on. */
slice_t loan_slice(slice_t s);
const char *loan_str(const char *s);

#else

static inline void loan_init(struct loan *l UNUSED, void (*over)(struct loan *l) UNUSED)
{
}

static inline void loan_begin(struct loan *l UNUSED)
{
}

static inline void loan_fini(struct loan *l UNUSED)
{
}

static inline void loans_over(void)
{
}

static inline slice_t loan_slice(slice_t s)
{
	return s;
}

static inline const char *loan_str(const char *s)
{
	return s;
}

#endif

/* *ptr, lent likewise; not what it points to. */
#define LOAN_STRUCT(ptr) \
	((const __typeof__(*(ptr)) *)(const void *)loan_slice(slice((ptr), sizeof *(ptr))).p)

#endif

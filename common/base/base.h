/*
 * common/base: what every other file stands on. Nothing here knows about mail, sockets, threads
 * of control or protobuf, and nothing here waits.
 *
 *   base.h    attributes, invariant(), container_of
 *   asan      poisoned memory, in builds with AddressSanitizer
 *   err       the error enum of the whole project, and struct diag for human detail
 *   slice     a pointer and a length, by value; never owns
 *   buf       owned growing bytes with a maximum and a sticky failure
 *   budget    a memory meter with a parent; arenas and buffers charge it
 *   arena     bump memory freed as one, charged to a budget
 *   list      intrusive doubly linked list
 *   map       hash table keyed by bytes, with a random key (no collisions by choice)
 *   num       checked arithmetic, decimal and big-endian numbers
 *   codec     base64, hex
 *   utf8      validation and counting
 *   fold      case folding of Unicode text; fold_table: Unicode's data
 *   clock     monotonic and wall time, replaceable in tests
 *   civil     the calendar
 *   fault     named points at which tests make something fail
 *
 * Ownership: a `slice_t` borrows; its field's comment names the arena or buffer that it borrows
 * from. Small allocations never fail (the process dies); what a peer can size goes through a
 * budget and is refused with E_LIMIT.
 */
#ifndef COMMON_BASE_BASE_H
#define COMMON_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE     __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define NORETURN     __attribute__((noreturn))
#define UNUSED       __attribute__((unused))
/* Marks a function that may suspend the calling fiber (see common/loop/fiber.h). A caller must
 * itself be marked; `tests/lint/waits` refuses anything else. What is lent "until the next wait" is
 * lent until a call of any of them (see common/loop/loan.h). */
#define WAITS

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#undef MIN /* <sys/param.h> has its own, by way of <uv.h> */
#undef MAX
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* A programming error: logs where, dumps core; supervision restarts. Stays on in production. */
#define invariant(x) ((x) ? (void)0 : invariant_failed(#x, __FILE__, __LINE__, __func__))
NORETURN void invariant_failed(const char *expr, const char *file, int line, const char *func);

/* malloc family that never returns NULL: aborts. For sizes that no peer chooses. */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
/* Before the first allocation: some MiB that were freed stay the heap's. By itself it gives them
 * back whenever its end is free, and where messages come and go each pays for new pages. */
void heap_keep(void);
/* Frees *p and sets it to NULL. */
#define xfree(pp) (xfree_(*(pp)), *(pp) = NULL)
void xfree_(const void *p);

#endif

/*
 * check: the unit tests' own small library. A test is a function registered by TEST(name); a
 * folder's *_test.c are linked into one program, which runs every test (or those named on its
 * command line) and prints `N passed, N failed`. A failed CHECK is printed with both values and
 * fails its test, which goes on; REQUIRE ends it.
 */
#ifndef TESTS_LIB_CHECK_H
#define TESTS_LIB_CHECK_H

#include "common/base/err.h"
#include "common/base/slice.h"

struct check_test {
	const char *name;
	void (*fn)(void);
	struct check_test *next;
};
void check_register(struct check_test *t);

#define TEST(name) \
	static void test_##name(void); \
	static struct check_test check_test_##name = {#name, test_##name, NULL}; \
	__attribute__((constructor)) static void check_reg_##name(void) \
	{ \
		check_register(&check_test_##name); \
	} \
	static void test_##name(void)

/* Runs the rest of the test inside a fiber on a fresh loop, which must run out afterwards. */
#define TEST_FIBER(name) \
	static void fiber_##name(void *); \
	TEST(name) \
	{ \
		check_in_fiber(fiber_##name); \
	} \
	static void fiber_##name(void *check_arg_ UNUSED)

#define CHECK(x) check_true((x), #x, __FILE__, __LINE__)
#define REQUIRE(x) \
	do { \
		if (!check_true((x), #x, __FILE__, __LINE__)) \
			return; \
	} while (0)
#define CHECK_INT(a, b)   check_int((long long)(a), (long long)(b), #a, __FILE__, __LINE__)
#define CHECK_ERR(a, b)   check_err((a), (b), #a, __FILE__, __LINE__)
#define CHECK_SLICE(a, b) check_slice((a), (b), #a, __FILE__, __LINE__)
#define CHECK_STR(a, b)   check_slice(slice_str(a), slice_str(b), #a, __FILE__, __LINE__)
/* The statement dies (invariant): runs it in a forked child. */
#define CHECK_DIES(stmt) \
	do { \
		if (check_fork()) { \
			stmt; \
			check_survived(); \
		} \
		check_died(#stmt, __FILE__, __LINE__); \
	} while (0)

bool check_true(bool ok, const char *expr, const char *file, int line);
void check_int(long long got, long long want, const char *expr, const char *file, int line);
void check_err(enum err got, enum err want, const char *expr, const char *file, int line);
void check_slice(slice_t got, slice_t want, const char *expr, const char *file, int line);
void check_note(const char *fmt, ...) PRINTF(1, 2); /* printed with a later failure of the test */
bool check_fork(void);
NORETURN void check_survived(void);
void check_died(const char *expr, const char *file, int line);
void check_in_fiber(void (*fn)(void *));
/* A fresh folder below $TMPDIR, removed at the end of the test. */
const char *check_tmpdir(void);
/* The running test may take so long from now on, instead of the usual limit: for those whose
 * length a setting chooses. */
void check_seconds(unsigned seconds);

#endif

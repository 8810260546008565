#include "common/base/buf.h"

#include "common/base/arena.h"
#include "common/base/asan.h"
#include "tests/lib/check.h"

TEST(buf_puts)
{
	struct buf b;

	buf_init(&b, 1024, NULL);
	CHECK_SLICE(buf_slice(&b), SL(""));
	buf_put(&b, SL("ab"));
	buf_put(&b, SLICE_NONE);
	buf_putc(&b, 'c');
	buf_puts(&b, "de");
	buf_put_u64(&b, 0);
	buf_put_u64(&b, UINT64_MAX);
	buf_printf(&b, "-%s-%d", "x", -5);
	CHECK_SLICE(buf_slice(&b), SL("abcde018446744073709551615-x--5"));
	buf_drop(&b, 3);
	CHECK(slice_starts(buf_slice(&b), SL("de0")));
	buf_drop(&b, b.n);
	CHECK_INT(b.n, 0);
	CHECK_DIES(buf_drop(&b, 1));
	buf_fini(&b);
	buf_puts(&b, "again");
	CHECK_SLICE(buf_slice(&b), SL("again"));
	buf_fini(&b);
}

TEST(buf_long_printf)
{
	char big[3000];
	struct buf b;

	memset(big, 'y', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	buf_init(&b, 8192, NULL);
	buf_printf(&b, "<%s>", big);
	CHECK_INT(b.n, sizeof big - 1 + 2);
	CHECK(b.p[0] == '<' && b.p[b.n - 1] == '>');
	buf_fini(&b);
}

/* The maximum is exact; a put that passes it changes nothing and fails for good. */
TEST(buf_maximum_and_sticky_failure)
{
	for (size_t max = 0; max < 700; max += 7) {
		struct buf b;

		buf_init(&b, max, NULL);
		for (size_t i = 0; i < max; i++)
			buf_putc(&b, 'x');
		CHECK(!buf_failed(&b) && b.n == max);
		buf_put(&b, SL("yy"));
		CHECK(buf_failed(&b) && b.n == max);
		if (max > 0)
			buf_drop(&b, max);
		buf_putc(&b, 'z');
		CHECK(buf_failed(&b) && b.n == 0);
		CHECK(buf_reserve(&b, 0) == NULL);
		buf_reset(&b);
		if (max > 0)
			buf_putc(&b, 'z');
		CHECK(!buf_failed(&b));
		buf_fini(&b);
	}
}

TEST(buf_huge_reserve)
{
	struct buf b;

	buf_init(&b, SIZE_MAX, NULL);
	buf_putc(&b, 'x');
	CHECK(buf_reserve(&b, SIZE_MAX) == NULL);
	CHECK(buf_failed(&b));
	buf_fini(&b);
}

TEST(buf_reserve_and_commit)
{
	struct buf b;
	char *p;

	buf_init(&b, 1024, NULL);
	p = buf_reserve(&b, 300);
	REQUIRE(p != NULL);
	memset(p, 'r', 300);
	buf_commit(&b, 200);
	CHECK_INT(b.n, 200);
	CHECK_DIES(buf_commit(&b, 2000));
	buf_fini(&b);
}

TEST(buf_charges_its_budget)
{
	struct budget whole, part;
	struct buf b, c;

	budget_init(&whole, 1000, NULL);
	budget_init(&part, 2000, &whole);
	buf_init(&b, 100000, &part);
	buf_init(&c, 100000, &part);
	CHECK_INT(part.used, 0);
	buf_putc(&b, 'x');
	CHECK(part.used == b.cap && whole.used == b.cap);
	for (int i = 0; i < 500; i++)
		buf_putc(&b, 'x');
	CHECK(!buf_failed(&b));
	for (int i = 0; i < 600; i++)
		buf_putc(&c, 'x');
	CHECK(buf_failed(&c)); /* by whole's maximum */
	CHECK(part.used <= 1000 && part.used == b.cap + c.cap);
	buf_reset(&c);
	buf_trim(&c);
	CHECK(c.cap == 0 && part.used == b.cap);
	buf_trim(&b); /* not empty: kept */
	CHECK(part.used == b.cap);
	buf_fini(&b);
	buf_fini(&c);
	CHECK(part.peak <= 1000);
	budget_fini(&part);
	budget_fini(&whole);
}

TEST(budget_chain)
{
	struct budget top, leaf;

	budget_init(&top, 100, NULL);
	budget_init(&leaf, 50, &top);
	CHECK(budget_take(&leaf, 50));
	CHECK(!budget_take(&leaf, 1));
	CHECK(budget_take(&top, 50));
	budget_give(&leaf, 50);
	CHECK(!budget_take(&leaf, 51));
	CHECK(!budget_take(&leaf, SIZE_MAX));
	CHECK(top.used == 50 && leaf.used == 0);
	budget_force(&leaf, 60);
	CHECK(top.used == 110 && leaf.used == 60 && top.peak == 110);
	CHECK(!budget_take(&leaf, 1));
	CHECK_DIES(budget_give(&leaf, 61));
	CHECK_DIES(budget_fini(&leaf));
	budget_give(&leaf, 60);
	budget_give(&top, 50);
	budget_fini(&leaf);
	CHECK(budget_take(NULL, SIZE_MAX));
}

TEST(arena_allocates_zeroed_and_aligned)
{
	struct arena a;
	char *p;

	arena_init(&a, NULL);
	for (size_t n = 0; n < 5000; n = n * 2 + 1) {
		p = arena_alloc(&a, n);
		CHECK(((uintptr_t)p & 15) == 0);
		for (size_t i = 0; i < n; i++) {
			REQUIRE(p[i] == 0);
			p[i] = 'x';
		}
	}
	arena_reset(&a);
	p = arena_alloc(&a, 100);
	CHECK(p[0] == 0 && p[99] == 0);
	arena_reset(&a);
	arena_reset(&a);
}

TEST(arena_copies)
{
	struct arena a;
	slice_t s;

	arena_init(&a, NULL);
	s = arena_dup(&a, SL("text"));
	CHECK_SLICE(s, SL("text"));
	CHECK_INT(s.p[4], 0);
	CHECK_SLICE(arena_dup(&a, SLICE_NONE), SL(""));
	CHECK_STR(arena_str(&a, SL("z")), "z");
	arena_reset(&a);
}

TEST(arena_budget)
{
	struct budget b;
	struct arena a;

	budget_init(&b, 4096, NULL);
	arena_init(&a, &b);
	CHECK(arena_try(&a, SIZE_MAX) == NULL);
	CHECK(arena_try(&a, 5000) == NULL);
	CHECK_INT(b.used, 0);
	CHECK(arena_try(&a, 2000) != NULL);
	CHECK(arena_try(&a, 2000) != NULL);
	CHECK(arena_try(&a, 2000) == NULL);
	CHECK(b.used <= 4096);
	CHECK(arena_alloc(&a, 2000) != NULL); /* what must not fail is charged beyond */
	CHECK(b.used > 4096);
	arena_reset(&a);
	CHECK_INT(b.used, 0);
	budget_fini(&b);
}

/* In builds that look, what is not in use is nobody's. */
TEST(bytes_behind_those_in_use_are_poisoned)
{
	struct buf b;
	char *to;

	buf_init(&b, 1000, NULL);
	buf_put(&b, SL("abcdef"));
	CHECK(!asan_poisoned(b.p) && !asan_poisoned(b.p + 5));
	CHECK_INT(asan_poisoned(b.p + 6), ASAN_BUILD);
	to = buf_reserve(&b, 4);
	CHECK(to == b.p + 6 && !asan_poisoned(to + 3));
	buf_commit(&b, 1);
	CHECK_INT(asan_poisoned(b.p + 7), ASAN_BUILD);
	buf_drop(&b, 5);
	CHECK(!asan_poisoned(b.p + 1));
	CHECK_INT(asan_poisoned(b.p + 2), ASAN_BUILD);
	buf_reset(&b);
	CHECK_INT(asan_poisoned(b.p), ASAN_BUILD);
	buf_printf(&b, "%03d", 7);
	CHECK_SLICE(buf_slice(&b), SL("007"));
	CHECK_INT(asan_poisoned(b.p + 3), ASAN_BUILD);
	buf_fini(&b);
}

TEST(bytes_of_an_arena_that_nobody_asked_for_are_poisoned)
{
	struct arena a;
	char *one, *two;

	arena_init(&a, NULL);
	one = arena_alloc(&a, 5);
	two = arena_alloc(&a, 16);
	CHECK(!asan_poisoned(one + 4) && !asan_poisoned(two) && !asan_poisoned(two + 15));
	CHECK_INT(asan_poisoned(one + 5), ASAN_BUILD);
	CHECK_INT(asan_poisoned(two + 16), ASAN_BUILD);
	arena_reset(&a);
	CHECK_INT(asan_poisoned(one), ASAN_BUILD);
	one = arena_alloc(&a, 5);
	CHECK(!asan_poisoned(one + 4));
	CHECK_INT(asan_poisoned(two), ASAN_BUILD);
	arena_reset(&a);
}

/* Room that is not to be had is no failure; room that was made is not made again. */
TEST(buf_expect_is_a_wish)
{
	struct budget budget;
	struct buf b;

	budget_init(&budget, 2000, NULL);
	buf_init(&b, 4000, &budget);
	buf_puts(&b, "x");
	CHECK(!buf_expect(&b, 4000) && !buf_expect(&b, 3000) && !buf_failed(&b));
	CHECK(buf_expect(&b, 1000) && budget.used >= 1001);
	budget.used = 2000; /* somebody else's */
	CHECK(buf_reserve(&b, 1000) != NULL && !buf_failed(&b));
	budget.used = b.cap;
	buf_fini(&b);
	CHECK_INT(budget.used, 0);
	budget_fini(&budget);
}

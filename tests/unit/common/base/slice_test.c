#include "common/base/slice.h"

#include "common/base/base.h"
#include "common/base/err.h"
#include "common/base/list.h"
#include "tests/lib/check.h"

TEST(slice_compares)
{
	CHECK(slice_eq(SL("abc"), SL("abc")));
	CHECK(!slice_eq(SL("abc"), SL("abd")));
	CHECK(!slice_eq(SL("abc"), SL("ab")));
	CHECK(slice_eq(SLICE_NONE, SL("")));
	CHECK(slice_ieq(SL("AbC"), SL("aBc")));
	CHECK(!slice_ieq(SL("a["), SL("a{"))); /* differ by 0x20, but are no letters */
	CHECK(!slice_ieq(SL("\xc4"), SL("\xe4")));
	CHECK(slice_cmp(SL("a"), SL("b")) < 0);
	CHECK(slice_cmp(SL("ab"), SL("a")) > 0);
	CHECK(slice_cmp(SL("\xff"), SL("a")) > 0);
	CHECK(slice_cmp(SLICE_NONE, SL("")) == 0);
	CHECK(slice_cmp(SLICE_NONE, SL("a")) < 0);
}

TEST(slice_parts_are_clamped)
{
	slice_t s = SL("hello");

	CHECK_SLICE(slice_sub(s, 1, 3), SL("ell"));
	CHECK_SLICE(slice_sub(s, 1, SIZE_MAX), SL("ello"));
	CHECK_SLICE(slice_sub(s, 9, 3), SL(""));
	CHECK_SLICE(slice_from(s, 5), SL(""));
	CHECK_SLICE(slice_from(SLICE_NONE, 3), SL(""));
	CHECK(slice_sub(SLICE_NONE, 0, 1).p == NULL);
	CHECK_SLICE(slice_str(NULL), SL(""));
}

TEST(slice_searches)
{
	slice_t s = SL("Subject: x");

	CHECK(slice_starts(s, SL("Sub")) && !slice_starts(s, SL("sub")));
	CHECK(slice_istarts(s, SL("sUB")) && !slice_istarts(SL("S"), SL("su")));
	CHECK(slice_ends(s, SL(" x")) && slice_ends(s, SL("")) && !slice_ends(SL("x"), s));
	CHECK_INT(slice_find_char(s, ':'), 7);
	CHECK_INT(slice_find_char(s, '!'), s.n);
	CHECK_INT(slice_find_char(SLICE_NONE, 'x'), 0);
	CHECK_INT(slice_count_char(SLICE_NONE, 'x'), 0);
	CHECK_INT(slice_find(s, SL("ject")), 3);
	CHECK_INT(slice_find(s, SL("jest")), s.n);
	CHECK_INT(slice_find(s, SL("")), 0);
	CHECK_INT(slice_find(SLICE_NONE, SL("a")), 0);
	CHECK_SLICE(slice_trim(SL(" \t\r\n a b \r\n")), SL("a b"));
	CHECK_SLICE(slice_trim(SL(" \t ")), SL(""));
}

TEST(slice_to_c_string)
{
	char z[4];

	CHECK(slice_to_str(SL("abc"), z, sizeof z));
	CHECK_STR(z, "abc");
	CHECK(!slice_to_str(SL("abcd"), z, sizeof z));
	CHECK_STR(z, "");
	CHECK(!slice_to_str(SL("a\0b"), z, sizeof z));
	CHECK(slice_to_str(SLICE_NONE, z, 1));
	CHECK_DIES(z[0] = slice_to_str(SLICE_NONE, z, 0));
}

TEST(err_names_and_wire)
{
	for (int e = E_OK; e <= E_WIRE_LAST; e++) {
		CHECK_ERR(err_to_wire((enum err)e), (enum err)e);
		CHECK(strcmp(err_name((enum err)e), "unknown") != 0);
	}
	CHECK_ERR(err_to_wire(E_TIMEOUT), E_RETRY);
	CHECK_ERR(err_to_wire(E_CANCELLED), E_RETRY);
	CHECK_ERR(err_to_wire(E_CLOSED), E_RETRY);
	CHECK_ERR(err_to_wire(E_FULL), E_RETRY);
	CHECK_ERR(err_to_wire(E_IO), E_INTERNAL);
	CHECK_ERR(err_to_wire(E_CORRUPT), E_INTERNAL);
	CHECK_STR(err_name(E_WRONG_OWNER), "wrong-owner");
	CHECK_STR(err_name((enum err)99), "unknown");
}

TEST(diag_is_cut_to_fit)
{
	char big[1000];
	struct diag d;

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	CHECK_ERR(diag_set(&d, E_INVALID, "%d %s", 7, big), E_INVALID);
	CHECK_INT(strlen(d.text), sizeof d.text - 1);
	CHECK(slice_starts(slice_str(d.text), SL("7 xxx")));
	CHECK_ERR(diag_set(NULL, E_IO, "nobody reads this"), E_IO);
}

TEST(base_xfree_nulls)
{
	char *p = xstrdup("x");
	int *v = xcalloc(4, sizeof *v);

	CHECK_INT(v[3], 0);
	v = xrealloc(v, 100 * sizeof *v);
	v[99] = 1;
	xfree(&p);
	xfree(&v);
	CHECK(p == NULL && v == NULL);
	xfree(&p);
	CHECK_DIES(invariant(1 == 2));
}

struct item {
	int n;
	struct list link;
};

static long sum_of(struct list *head)
{
	long sum = 0;

	list_for_each(i, head) {
		sum = sum * 10 + list_entry(i, struct item, link)->n;
	}
	return sum;
}

TEST(list_order)
{
	struct item v[5];
	struct list head, other;

	list_init(&head);
	list_init(&other);
	CHECK(list_empty(&head) && list_pop(&head) == NULL);
	for (int i = 0; i < 5; i++)
		v[i].n = i + 1;
	list_append(&head, &v[1].link);
	list_append(&head, &v[2].link);
	list_prepend(&head, &v[0].link);
	CHECK_INT(sum_of(&head), 123);
	list_append(&other, &v[3].link);
	list_append(&other, &v[4].link);
	list_splice(&head, &other);
	CHECK(list_empty(&other));
	list_splice(&head, &other);
	CHECK_INT(sum_of(&head), 12345);
	list_remove(&v[2].link);
	list_remove(&v[2].link);
	CHECK_INT(sum_of(&head), 1245);
	CHECK(list_pop(&head) == &v[0].link);
	list_for_each_safe(i, &head) {
		if (list_entry(i, struct item, link)->n != 4)
			list_remove(i);
	}
	CHECK_INT(sum_of(&head), 4);
}

/* Around the ends of the strides in which it counts. */
TEST(slice_count_any_length)
{
	char text[300];

	for (size_t n = 0; n <= sizeof text; n++) {
		memset(text, 'x', sizeof text);
		CHECK_INT(slice_count_char(slice(text, n), 'x'), n);
		for (size_t i = 0; i < sizeof text; i += 3)
			text[i] = '\n';
		CHECK_INT(slice_count_char(slice(text, n), '\n'), (n + 2) / 3);
	}
}

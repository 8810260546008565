/* imap_view and imap_seq against plain arrays. */
#include <stdlib.h>

#include "frontend/imap/imap_seq.h"
#include "frontend/imap/imap_sync.h"
#include "frontend/imap/imap_view.h"
#include "tests/lib/check.h"

#define MODEL_MAX 4000

struct model {
	uint32_t uid[MODEL_MAX];
	uint32_t n;
};

static uint32_t rnd(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

static void compare(const struct imap_view *v, const struct model *m)
{
	CHECK_INT(v->count, m->n);
	if (v->count != m->n)
		return;
	for (uint32_t i = 0; i < m->n; i++) {
		if (imap_view_uid(v, i + 1) != m->uid[i] || imap_view_seq(v, m->uid[i]) != i + 1) {
			CHECK_INT(imap_view_uid(v, i + 1), m->uid[i]);
			CHECK_INT(imap_view_seq(v, m->uid[i]), i + 1);
			return;
		}
	}
	CHECK_INT(imap_view_last(v), m->n != 0 ? m->uid[m->n - 1] : 0);
	CHECK_INT(imap_view_below(v, UINT32_MAX), m->n);
	CHECK_INT(imap_view_seq(v, UINT32_MAX), 0);
}

static void model_remove(struct model *m, const struct uid_range *r, size_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->n; i++) {
		bool gone = false;

		for (size_t k = 0; k < n; k++)
			gone = gone || (m->uid[i] >= r[k].first && m->uid[i] <= r[k].last);
		if (!gone)
			m->uid[kept++] = m->uid[i];
	}
	m->n = kept;
}

static void add_some(struct imap_view *v, struct model *m, uint32_t *seed)
{
	uint32_t last = m->n != 0 ? m->uid[m->n - 1] : 0;
	uint32_t first = last + 1 + rnd(seed, 3), count = 1 + rnd(seed, 20);

	if (m->n + count > MODEL_MAX)
		return;
	for (uint32_t i = 0; i < count; i++)
		m->uid[m->n++] = first + i;
	CHECK_ERR(imap_view_add(v, (struct uid_range){first, first + count - 1}), E_OK);
	/* What is known already changes nothing. */
	CHECK_ERR(imap_view_add(v, (struct uid_range){1, first}), E_OK);
}

static void remove_some(struct imap_view *v, struct model *m, uint32_t *seed)
{
	struct uid_set s;
	uint32_t top = m->n != 0 ? m->uid[m->n - 1] + 5 : 5;

	uid_set_init(&s, NULL);
	for (uint32_t i = rnd(seed, 6); i > 0; i--) {
		uint32_t a = 1 + rnd(seed, top), b = a + rnd(seed, 12);

		CHECK_ERR(uid_set_add(&s, a, b), E_OK);
	}
	model_remove(m, uid_set_ranges(&s), uid_set_n(&s));
	CHECK_ERR(imap_view_remove(v, uid_set_ranges(&s), uid_set_n(&s)), E_OK);
	uid_set_fini(&s);
}

TEST(view_random_model)
{
	static struct model m;

	for (uint32_t seed = 1; seed <= 20; seed++) {
		uint32_t state = seed;
		struct imap_view v;

		m.n = 0;
		imap_view_init(&v, NULL);
		for (int step = 0; step < 150; step++) {
			if (rnd(&state, 3) != 0)
				add_some(&v, &m, &state);
			else
				remove_some(&v, &m, &state);
			compare(&v, &m);
		}
		imap_view_fini(&v);
	}
}

TEST(view_empty)
{
	struct imap_view v;
	struct uid_range all = {1, UINT32_MAX};

	imap_view_init(&v, NULL);
	CHECK_INT(imap_view_last(&v), 0);
	CHECK_INT(imap_view_seq(&v, 1), 0);
	CHECK_ERR(imap_view_remove(&v, &all, 1), E_OK);
	CHECK_ERR(imap_view_add(&v, (struct uid_range){UINT32_MAX - 1, UINT32_MAX}), E_OK);
	CHECK_INT(v.count, 2);
	CHECK_INT(imap_view_seq(&v, UINT32_MAX), 2);
	CHECK_ERR(imap_view_remove(&v, &all, 1), E_OK);
	CHECK_INT(v.count, 0);
	imap_view_fini(&v);
}

TEST(view_one_run_for_a_whole_mailbox)
{
	struct imap_view v;
	struct uid_range r[2] = {{1, 100000}, {100001, 200000}};

	imap_view_init(&v, NULL);
	CHECK_ERR(imap_view_load(&v, r, 2), E_OK);
	CHECK_INT(v.count, 200000);
	CHECK(v.runs.n < 32);
	CHECK_INT(imap_view_uid(&v, 150000), 150000);
	imap_view_fini(&v);
}

TEST(view_budget)
{
	struct imap_view v;
	struct budget b;

	budget_init(&b, 64, NULL);
	imap_view_init(&v, &b);
	CHECK_ERR(imap_view_add(&v, (struct uid_range){1, 1}), E_LIMIT);
	CHECK_INT(v.count, 0);
	imap_view_fini(&v);
	budget_fini(&b);
}

TEST(uid_set_random)
{
	for (uint32_t seed = 1; seed <= 200; seed++) {
		uint32_t state = seed;
		bool has[301] = {false};
		struct uid_set s;
		uint64_t count = 0;

		uid_set_init(&s, NULL);
		for (int i = 0; i < 30; i++) {
			uint32_t a = rnd(&state, 280), b = a + rnd(&state, 20);

			CHECK_ERR(uid_set_add(&s, a, b), E_OK);
			for (uint32_t k = a; k <= b; k++)
				has[k] = true;
		}
		for (uint32_t k = 0; k <= 300; k++) {
			CHECK(uid_set_has(&s, k) == has[k]);
			count += has[k];
		}
		CHECK_INT(uid_set_count(&s), count);
		for (size_t i = 1; i < uid_set_n(&s); i++)
			CHECK(uid_set_ranges(&s)[i].first > uid_set_ranges(&s)[i - 1].last + 1);
		uid_set_fini(&s);
	}
}

TEST(uid_set_edges)
{
	struct uid_set s;

	uid_set_init(&s, NULL);
	CHECK_ERR(uid_set_add(&s, UINT32_MAX, UINT32_MAX), E_OK);
	CHECK_ERR(uid_set_add(&s, 0, 0), E_OK);
	CHECK_ERR(uid_set_add(&s, 5, 5), E_OK);
	CHECK_INT(uid_set_n(&s), 3);
	CHECK_ERR(uid_set_add(&s, 0, UINT32_MAX), E_OK);
	CHECK_INT(uid_set_n(&s), 1);
	uid_set_fini(&s);
}

TEST(uid_set_limit)
{
	struct uid_set s;

	uid_set_init(&s, NULL);
	for (uint32_t i = 0; i < UID_SET_RANGES_MAX; i++) {
		if (uid_set_add(&s, 2 * i + 1, 2 * i + 1) != E_OK)
			break;
	}
	CHECK_INT(uid_set_n(&s), UID_SET_RANGES_MAX);
	CHECK_ERR(uid_set_add(&s, UINT32_MAX, UINT32_MAX), E_LIMIT);
	/* What joins two needs no room. */
	CHECK_ERR(uid_set_add(&s, 2, 2), E_OK);
	CHECK_INT(uid_set_n(&s), UID_SET_RANGES_MAX - 1);
	CHECK_ERR(uid_set_add(&s, UINT32_MAX, UINT32_MAX), E_OK);
	uid_set_fini(&s);
}

TEST(own_changes_remembered)
{
	struct imap_selected *sel = xcalloc(1, sizeof *sel);

	for (uint64_t i = 1; i <= IMAP_OWN_MAX; i++)
		imap_own(sel, i);
	imap_own(sel, IMAP_OWN_MAX);
	imap_own(sel, 0);
	CHECK(imap_is_own(sel, 1) && imap_is_own(sel, IMAP_OWN_MAX) && !imap_is_own(sel, 0));
	imap_own(sel, IMAP_OWN_MAX + 1);
	CHECK(!imap_is_own(sel, 1) && imap_is_own(sel, 2) && imap_is_own(sel, IMAP_OWN_MAX + 1));
	xfree(&sel);
}

static void seq_case(const char *text, enum imap_numbers kind, const char *want)
{
	/* UIDs 10 11 12 20 30 are messages 1 to 5. */
	static const struct uid_range have[] = {{10, 12}, {20, 20}, {30, 30}};
	struct imap_view v;
	struct imap_args a;
	struct imap_seq seq;
	struct uid_set out;
	struct arena arena;
	struct buf b;
	enum err e = E_INVALID;

	arena_init(&arena, NULL);
	buf_init(&b, 1000, NULL);
	imap_view_init(&v, NULL);
	uid_set_init(&out, NULL);
	CHECK_ERR(imap_view_load(&v, have, ARRAY_LEN(have)), E_OK);
	a = imap_args(slice_str(text), &arena);
	if (imap_seq_parse(&a, &seq) && imap_end(&a))
		e = imap_seq_resolve(&seq, kind, &v, &out);
	if (e == E_OK)
		imap_seq_put(&b, uid_set_ranges(&out), uid_set_n(&out));
	else
		buf_puts(&b, "BAD");
	check_note("%s", text);
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	uid_set_fini(&out);
	imap_view_fini(&v);
	buf_fini(&b);
	arena_reset(&arena);
}

TEST(seq_sets)
{
	static const struct {
		const char *text, *seq, *uid;
	} cases[] = {
		{"1", "1", ""},
		{"5", "5", ""},
		{"6", "BAD", ""},
		{"1:*", "1:5", "1:5"},
		{"*", "5", "5"},
		{"*:4", "4:5", "1:5"},
		{"3:1", "1:3", ""},
		{"1,3,2", "1:3", ""},
		{"5,1", "1,5", ""},
		{"10:12", "BAD", "1:3"},
		{"12:20,30", "BAD", "3:5"},
		{"31:*", "BAD", "5"},
		{"4294967295", "BAD", ""},
		{"4294967296", "BAD", "BAD"},
		{"0", "BAD", "BAD"},
		{"01", "BAD", "BAD"},
		{"", "BAD", "BAD"},
		{"1,", "BAD", "BAD"},
		{",1", "BAD", "BAD"},
		{"1:", "BAD", "BAD"},
		{"1:2:3", "BAD", "BAD"},
		{"**", "BAD", "BAD"},
		{"1 2", "BAD", "BAD"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		seq_case(cases[i].text, IMAP_NUMBERS_SEQ, cases[i].seq);
		seq_case(cases[i].text, IMAP_NUMBERS_UID, cases[i].uid);
	}
}

TEST(seq_star_in_an_empty_mailbox)
{
	struct imap_seq_item items[] = {{1, 0}};
	struct imap_seq seq = {items, 1};
	struct imap_view v;
	struct uid_set out;

	imap_view_init(&v, NULL);
	uid_set_init(&out, NULL);
	CHECK_ERR(imap_seq_resolve(&seq, IMAP_NUMBERS_SEQ, &v, &out), E_INVALID);
	CHECK_ERR(imap_seq_resolve(&seq, IMAP_NUMBERS_UID, &v, &out), E_OK);
	CHECK_INT(uid_set_n(&out), 0);
	uid_set_fini(&out);
	imap_view_fini(&v);
}

TEST(view_maps_ranges)
{
	static const struct uid_range have[] = {{10, 12}, {20, 20}, {30, 35}};
	static const struct uid_range seqs[] = {{2, 4}, {6, 6}};
	struct imap_view v;
	struct uid_set uids, all;

	imap_view_init(&v, NULL);
	uid_set_init(&uids, NULL);
	uid_set_init(&all, NULL);
	CHECK_ERR(imap_view_load(&v, have, ARRAY_LEN(have)), E_OK);
	CHECK_ERR(imap_view_to_uids(&v, seqs, 2, &uids), E_OK);
	CHECK_INT(uid_set_n(&uids), 2);
	CHECK_INT(uid_set_ranges(&uids)[0].first, 11);
	CHECK_INT(uid_set_ranges(&uids)[0].last, 20);
	CHECK_INT(uid_set_ranges(&uids)[1].first, 31);
	CHECK_ERR(imap_view_content(&v, &all), E_OK);
	CHECK_INT(uid_set_count(&all), v.count);
	CHECK_INT(imap_view_below(&v, 12), 2);
	CHECK_INT(imap_view_below(&v, 15), 3);
	uid_set_fini(&uids);
	uid_set_fini(&all);
	imap_view_fini(&v);
}

TEST(view_portions)
{
	static const struct uid_range have[] = {{10, 12}, {20, 20}, {30, 35}};
	static const struct uid_range seqs[] = {{1, 5}, {7, 10}};
	static const char *const want[] = {"10:20", "30,32:34", "35", NULL};
	struct imap_portions p = {.seqs = seqs, .n = 2};
	struct imap_view v;
	struct uid_set uids;
	struct buf b;
	size_t n = 0;

	imap_view_init(&v, NULL);
	uid_set_init(&uids, NULL);
	buf_init(&b, 1000, NULL);
	CHECK_ERR(imap_view_load(&v, have, ARRAY_LEN(have)), E_OK);
	while (imap_view_portion(&v, &p, 4, &uids)) {
		REQUIRE(want[n] != NULL);
		buf_reset(&b);
		imap_seq_put(&b, uid_set_ranges(&uids), uid_set_n(&uids));
		CHECK_SLICE(buf_slice(&b), slice_str(want[n++]));
	}
	CHECK_ERR(p.err, E_OK);
	CHECK(want[n] == NULL);
	buf_fini(&b);
	uid_set_fini(&uids);
	imap_view_fini(&v);
}

/* An MTA-STS policy and the record that tells of it: limits hold, and what was read and written
 * again reads the same. */
#include "common/base/buf.h"
#include "frontend/outbound/sts_policy.h"
#include "tests/fuzz/fuzz.h"

#define RECORDS 4

static void put_policy(const struct sts_policy *p, struct buf *out)
{
	buf_printf(out, "version: STSv1\nmode: %s\nmax_age: %u\n", sts_mode_name(p->mode),
		   p->max_age_s);
	for (size_t i = 0; i < p->n; i++)
		buf_printf(out, "mx: %.*s\n", (int)p->mx[i].n, p->mx[i].p);
}

static void check_patterns(const struct sts_policy *p)
{
	FUZZ_CHECK(p->n <= STS_MX_MAX && p->max_age_s <= STS_MAX_AGE_MAX);
	FUZZ_CHECK(p->n != 0 || p->mode == STS_NONE);
	for (size_t i = 0; i < p->n; i++) {
		slice_t mx = p->mx[i];

		FUZZ_CHECK(sts_pattern_ok(mx));
		FUZZ_CHECK(sts_policy_names(p, mx) || slice_starts(mx, SL("*.")));
		FUZZ_CHECK(!sts_policy_names(p, SLICE_NONE));
	}
}

static void check_policy(slice_t text, struct arena *mem)
{
	struct sts_policy p, again;
	struct buf first, second;
	struct diag d;

	if (sts_policy_parse(text, mem, &p, &d) != E_OK)
		return;
	check_patterns(&p);
	buf_init(&first, STS_TEXT_MAX, NULL);
	buf_init(&second, STS_TEXT_MAX, NULL);
	put_policy(&p, &first);
	FUZZ_CHECK(sts_policy_parse(buf_slice(&first), mem, &again, &d) == E_OK);
	put_policy(&again, &second);
	FUZZ_CHECK(slice_eq(buf_slice(&first), buf_slice(&second)));
	buf_fini(&first);
	buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, size), records[RECORDS], id;
	struct arena mem;
	size_t n = 0;

	arena_init(&mem, NULL);
	while (n < RECORDS && slice_find_char(in, '\0') != in.n)
		records[n++] = fuzz_text(&in);
	if (sts_record_parse(records, n, &id) == E_OK)
		FUZZ_CHECK(sts_id_ok(id));
	check_policy(in, &mem);
	arena_reset(&mem);
	return 0;
}

/*
 * The store against a plain model: random steps, the same answers, the same state, with reopening
 * and compaction in between. STORE_MODEL_STEPS sets how many steps; STORE_MODEL_SEED which.
 */
#include <stdio.h>
#include <stdlib.h>

#include "backend/store/keep.h"
#include "backend/store/stage_priv.h"
#include "common/base/num.h"
#include "tests/unit/backend/store/model.h"

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *v = getenv(name);
	uint64_t n;

	return v != NULL && num_parse(slice_str(v), UINT64_MAX, &n) ? n : otherwise;
}

static struct model *model_make(void)
{
	struct model *m = xmalloc(sizeof(*m));
	uint64_t seed = setting("STORE_MODEL_SEED", 1);

	model_init(m, seed);
	check_note("STORE_MODEL_SEED=%llu", (unsigned long long)seed);
	return m;
}

TEST(model_random_steps)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p = util_open(&conf);
	uint64_t steps = setting("STORE_MODEL_STEPS", 3000);
	struct model *m = model_make();

	check_seconds(300 + (unsigned)(steps / 500));
	for (uint64_t i = 1; i <= steps && p != NULL; i++) {
		model_step(m, p);
		if (i % 500 == 0) {
			bool same = model_same(m, p, true) && util_fsck(p);

			check_note("after step %llu", (unsigned long long)i);
			CHECK(same);
			if (!same)
				break;
		}
		if (i % 700 == 0) {
			partition_close(&p);
			p = util_open(&conf);
		}
	}
	CHECK(p != NULL && model_same(m, p, true));
	partition_close(&p);
	model_fini(m);
	xfree(&m);
}

/* ---- the same ops, the same state ---- */

static enum err replay(void *arg, uint64_t seq UNUSED, slice_t op, struct stage *record)
{
	struct partition *twin = arg;
	struct change_replay c;
	struct stage_info info;
	struct stage *s = NULL;
	struct buf bytes;
	enum err e = E_OK;

	buf_init(&bytes, SIZE_MAX, NULL);
	if (record != NULL) {
		e = stage_read(record, 0, (size_t)record->info.trailer.stored_size, &bytes);
		if (e == E_OK)
			e = stage_begin(twin, 0, SIZE_MAX, &s);
		if (e == E_OK)
			e = stage_write_now(s, buf_slice(&bytes));
		if (e == E_OK)
			e = stage_end_now(s, &info);
	}
	change_replay_init(&c);
	c.op = op;
	c.record = s;
	if (e == E_OK)
		e = change_run(twin, &c.change);
	stage_free(&s);
	buf_fini(&bytes);
	return e;
}

TEST(model_twins_hash_the_same)
{
	const char *dir = check_tmpdir();
	char a[256], b[256];
	struct partition_conf conf_a, conf_b;
	struct partition *p, *twin;
	struct model *m = model_make();
	uint64_t steps = setting("STORE_MODEL_STEPS", 2000), hash_a, hash_b, empty;

	(void)snprintf(a, sizeof(a), "%s/a", dir);
	(void)snprintf(b, sizeof(b), "%s/b", dir);
	conf_a = util_conf(a);
	conf_b = util_conf(b);
	conf_b.volume_bytes = 1u << 20; /* other places */
	p = util_open(&conf_a);
	twin = util_open(&conf_b);
	REQUIRE(p != NULL && twin != NULL);
	CHECK_ERR(fsck_hash(p, &empty), E_OK);
	partition_sink(p, replay, twin);
	for (uint64_t i = 1; i <= MIN(steps, 20000); i++)
		model_step(m, p);
	CHECK_ERR(fsck_hash(p, &hash_a), E_OK);
	CHECK_ERR(fsck_hash(twin, &hash_b), E_OK);
	CHECK(hash_a == hash_b && hash_a != empty);
	CHECK(model_same(m, twin, true));
	CHECK(util_fsck(twin));
	partition_close(&p);
	partition_close(&twin);
	model_fini(m);
	xfree(&m);
}

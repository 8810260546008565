/* Quota, of copies and under many hands: what is over it is refused, whole, and never overshot. */
#include <pthread.h>
#include <stdatomic.h>

#include "common/base/num.h"
#include "tests/unit/backend/store/util.h"

#define SENDERS 6
#define EACH    20
#define LIMIT   50

static const struct uid_range every = {1, UINT32_MAX};

static struct partition *open_one(void)
{
	struct partition_conf conf = util_conf(check_tmpdir());

	return util_open(&conf);
}

static enum err copy_to(struct partition *p, const char *to, bool move, uint64_t quota_bytes,
			uint64_t quota_messages)
{
	struct change_copy c;
	enum err e;

	change_copy_init(&c);
	c.account = 1;
	c.mailbox = 1;
	c.uids = &every;
	c.nuids = 1;
	c.to = slice_str(to);
	c.move = move;
	c.quota_bytes = quota_bytes;
	c.quota_messages = quota_messages;
	e = change_run(p, &c.change);
	change_copy_fini(&c);
	return e;
}

/* All or nothing; a move takes no room. */
TEST(quota_of_copies)
{
	struct partition *p = open_one();
	uint64_t bytes, messages;

	REQUIRE(p != NULL);
	for (unsigned i = 1; i <= 3; i++)
		CHECK_ERR(util_deliver(p, 1, "", i, 1000).e, E_OK);
	CHECK_ERR(partition_usage(p, 1, &bytes, &messages), E_OK);
	CHECK_ERR(copy_to(p, "Archive", false, 2 * bytes - 1, 0), E_QUOTA);
	CHECK_ERR(copy_to(p, "Archive", false, 0, 5), E_QUOTA);
	CHECK_ERR(partition_usage(p, 1, &bytes, &messages), E_OK);
	CHECK_INT(messages, 3);
	CHECK_ERR(copy_to(p, "Archive", false, 2 * bytes, 6), E_OK);
	CHECK_ERR(partition_usage(p, 1, &bytes, &messages), E_OK);
	CHECK_INT(messages, 6);
	CHECK_ERR(copy_to(p, "Trash", true, 1, 1), E_OK);
	CHECK_ERR(partition_usage(p, 1, &bytes, &messages), E_OK);
	CHECK_INT(messages, 6);
	CHECK(util_fsck(p));
	partition_close(&p);
}

struct many {
	struct partition *p;
	uint64_t quota_bytes, quota_messages;
	atomic_uint taken, refused;
};

static void *send_some(void *arg)
{
	struct many *m = arg;

	for (unsigned i = 0; i < EACH; i++) {
		struct deliver_copy copy = {.account = 1,
					    .quota_bytes = m->quota_bytes,
					    .quota_messages = m->quota_messages};
		struct change_deliver c;
		struct util_summary u;
		struct stage *s = util_stage(m->p, i, 100);

		util_summary(&u, i, 100);
		change_deliver_init(&c);
		c.record = s;
		c.summary = &u.s;
		c.copies = &copy;
		c.ncopies = 1;
		if (change_run(m->p, &c.change) == E_OK)
			atomic_fetch_add(copy.result == E_OK ? &m->taken : &m->refused, 1);
		stage_free(&s);
	}
	return NULL;
}

static void send_all(struct many *m)
{
	pthread_t threads[SENDERS];

	for (size_t i = 0; i < SENDERS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, send_some, m) == 0);
	for (size_t i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
}

TEST(quota_is_not_overshot)
{
	struct many m = {.p = open_one(), .quota_messages = LIMIT};
	uint64_t bytes, messages;

	REQUIRE(m.p != NULL);
	send_all(&m);
	CHECK_INT(m.taken, LIMIT);
	CHECK_INT(m.refused, SENDERS * EACH - LIMIT);
	CHECK_ERR(partition_usage(m.p, 1, &bytes, &messages), E_OK);
	CHECK_INT(messages, LIMIT);
	m.quota_messages = 0;
	m.quota_bytes = bytes + 10 * 100 + 99;
	send_all(&m);
	CHECK_INT(m.taken, LIMIT + 10);
	CHECK_ERR(partition_usage(m.p, 1, &bytes, &messages), E_OK);
	CHECK_INT(messages, LIMIT + 10);
	CHECK(bytes <= m.quota_bytes);
	CHECK(util_fsck(m.p));
	partition_close(&m.p);
}

/* Senders, readers, an expunger and the keeper at the same time: for ThreadSanitizer above all. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/backend/store/util.h"

#define SENDERS  3
#define MESSAGES 150

static const struct uid_range every = {1, UINT32_MAX};

struct shared {
	struct partition *p;
	_Atomic unsigned sending;
	_Atomic uint64_t read, nudges, failures;
};

struct sender {
	struct shared *s;
	uint64_t account;
};

static void *send_main(void *arg)
{
	struct sender *x = arg;

	for (uint64_t i = 1; i <= MESSAGES; i++) {
		size_t size = i % 50 == 0 ? 270000 : 500 + i % 7 * 900;

		if (util_deliver(x->s->p, x->account, "", x->account * 1000 + i, size).e != E_OK)
			atomic_fetch_add(&x->s->failures, 1);
	}
	atomic_fetch_sub(&x->s->sending, 1);
	return NULL;
}

static void *expunge_main(void *arg)
{
	struct shared *s = arg;

	while (atomic_load(&s->sending) > 0) {
		for (uint64_t account = 1; account <= SENDERS; account++) {
			struct change_expunge c;

			(void)!util_flags(s->p, account, 1, 1, UINT32_MAX, FLAGS_ADD, STORE_SEEN);
			(void)!util_flags(s->p, account, 1, 1, 60, FLAGS_ADD, STORE_DELETED);
			change_expunge_init(&c);
			c.account = account;
			c.mailbox = 1;
			if (change_run(s->p, &c.change) != E_OK && c.change.result != E_NOT_FOUND)
				atomic_fetch_add(&s->failures, 1);
			change_expunge_fini(&c);
		}
	}
	return NULL;
}

/* Whatever a fetch shows can be read for as long as the grace lasts. */
static void read_one(struct shared *s, uint64_t account, struct msg_slice *slice, struct buf *out)
{
	struct msg_query q = {account, 1, &every, 1, MSG_RECORD | MSG_ENVELOPE | MSG_FLAGS, 0, 0};

	for (uint32_t next = 1; next != 0; next = slice->next_uid) {
		if (msg_fetch(s->p, &q, next, slice) != E_OK)
			return; /* no account yet */
		for (unsigned i = 0; i < slice->n; i += 7) {
			const struct msg_record *r = &slice->record[i];
			struct msg_span span = msg_span_blocks(r, 0, r->nblocks - 1);

			buf_reset(out);
			if (msg_read(s->p, &span, 1, out) != E_OK || out->n != r->plain_size)
				atomic_fetch_add(&s->failures, 1);
			atomic_fetch_add(&s->read, 1);
		}
	}
}

static void *read_main(void *arg)
{
	struct shared *s = arg;
	struct msg_slice slice;
	struct buf out;

	msg_slice_init(&slice);
	buf_init(&out, SIZE_MAX, NULL);
	while (atomic_load(&s->sending) > 0) {
		for (uint64_t account = 1; account <= SENDERS; account++) {
			struct mbox_changes c;
			struct mbox_list l;

			read_one(s, account, &slice, &out);
			mbox_changes_init(&c);
			(void)!mbox_changes(s->p, account, 1, 1, RECENT_TAKE, &c);
			mbox_changes_fini(&c);
			mbox_list_init(&l);
			(void)!mbox_list(s->p, account, &l);
			mbox_list_fini(&l);
		}
	}
	buf_fini(&out);
	msg_slice_fini(&slice);
	return NULL;
}

static void nudge(void *arg, const struct partition_event *ev UNUSED, size_t n, bool queue UNUSED)
{
	struct shared *s = arg;

	atomic_fetch_add(&s->nudges, n);
}

TEST(concurrent_all)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	pthread_t threads[SENDERS + 3];
	struct sender senders[SENDERS];
	struct shared s = {.sending = SENDERS};
	struct partition_stat st;
	unsigned n = 0;

	conf.expunged_ms = 60000;
	conf.keeper_ms = 3;
	s.p = util_open(&conf);
	REQUIRE(s.p != NULL);
	partition_watch(s.p, nudge, &s);
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){&s, i + 1};
		CHECK(pthread_create(&threads[n++], NULL, send_main, &senders[i]) == 0);
	}
	CHECK(pthread_create(&threads[n++], NULL, expunge_main, &s) == 0);
	CHECK(pthread_create(&threads[n++], NULL, read_main, &s) == 0);
	CHECK(pthread_create(&threads[n++], NULL, read_main, &s) == 0);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(s.failures, 0);
	CHECK(s.read > 0 && s.nudges > 0);
	CHECK_ERR(partition_stat(s.p, &st), E_OK);
	CHECK_INT(st.records, SENDERS * MESSAGES);
	CHECK(util_fsck(s.p));
	partition_close(&s.p);
	/* Without the grace, half of each volume goes, and what is left is moved. */
	conf.expunged_ms = -1;
	conf.keeper_ms = -1;
	s.p = util_open(&conf);
	REQUIRE(s.p != NULL);
	CHECK_ERR(partition_keep(s.p), E_OK);
	CHECK(util_fsck(s.p));
	partition_close(&s.p);
}

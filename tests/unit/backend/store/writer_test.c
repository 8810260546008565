/* Groups of the writer: what an aborted one leaves in its changes, room that comes back, and a
 * partition whose making was cut short. */
#include <semaphore.h>
#include <stdio.h>

#include "backend/store/partition_priv.h"
#include "tests/unit/backend/store/util.h"

static const struct uid_range every = {1, UINT32_MAX};

/* ---- a group that is aborted, and tried again one by one ---- */

/* A change that holds the writer, so that what is submitted meanwhile becomes one group. */
struct gate {
	struct change_account c;
	sem_t in, out;
};

static void gate_done(struct change *c)
{
	struct gate *g = c->arg;

	sem_post(&g->in);
	while (sem_wait(&g->out) != 0)
		;
}

static void gate_shut(struct gate *g, struct partition *p)
{
	sem_init(&g->in, 0, 0);
	sem_init(&g->out, 0, 0);
	change_account_init(&g->c, 2, ACCOUNT_ENSURE);
	g->c.change.done = gate_done;
	g->c.change.arg = g;
	change_submit(p, &g->c.change);
	while (sem_wait(&g->in) != 0)
		;
}

static void count_done(struct change *c)
{
	sem_post(c->arg);
}

/* The group: these, and a change that meets a bad row. */
static void run_with_a_bad_one(struct partition *p, struct change *const *v, size_t n)
{
	struct gate gate;
	struct change_flags bad;
	sem_t done;

	sem_init(&done, 0, 0);
	change_flags_init(&bad);
	bad.account = 3;
	bad.mailbox = 1;
	bad.uids = &every;
	bad.nuids = 1;
	bad.flags = STORE_SEEN;
	bad.change.done = count_done;
	bad.change.arg = &done;
	gate_shut(&gate, p);
	for (size_t i = 0; i < n; i++) {
		v[i]->done = count_done;
		v[i]->arg = &done;
		change_submit(p, v[i]);
	}
	change_submit(p, &bad.change);
	sem_post(&gate.out);
	for (size_t i = 0; i < n + 1; i++) {
		while (sem_wait(&done) != 0)
			;
	}
	CHECK_ERR(bad.change.result, E_INTERNAL);
	change_flags_fini(&bad);
	sem_destroy(&done);
	sem_destroy(&gate.in);
	sem_destroy(&gate.out);
}

/* Account 1 has N messages, 3 a row that does not decode. */
static struct partition *open_bad(unsigned n)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p = util_open(&conf);
	struct kv_txn *t;
	struct rec_key k;

	if (p == NULL)
		return NULL;
	for (unsigned i = 0; i < n; i++)
		CHECK_ERR(util_deliver(p, 1, "", i + 1, 10).e, E_OK);
	CHECK_ERR(util_deliver(p, 3, "", 1, 10).e, E_OK);
	CHECK_ERR(kv_write(p->kv, &t), E_OK);
	key_mailbox(&k, 3, 1);
	CHECK_ERR(kv_put(t, T_ACCOUNT, rec_key(&k), SL("broken")), E_OK);
	CHECK_ERR(kv_commit(&t), E_OK);
	return p;
}

/* A long change goes in parts of 1,000: the first one was undone with its group, and is done
 * again, not passed over. */
TEST(aborted_group_long_changes)
{
	enum { N = 1500 };
	struct partition *p = open_bad(N);
	struct change_flags f;
	struct change_expunge x;
	struct change *v[1] = {&f.change};
	struct mbox_row row;

	REQUIRE(p != NULL);
	change_flags_init(&f);
	f.account = 1;
	f.mailbox = 1;
	f.uids = &every;
	f.nuids = 1;
	f.mode = FLAGS_ADD;
	f.flags = STORE_SEEN | STORE_DELETED;
	run_with_a_bad_one(p, v, 1);
	CHECK_ERR(f.change.result, E_OK);
	CHECK_INT(uidset_count(&f.changed), N);
	CHECK_ERR(mbox_status(p, 1, SL("INBOX"), &row), E_OK);
	CHECK_INT(row.unseen, 0);
	change_flags_fini(&f);
	change_expunge_init(&x);
	x.account = 1;
	x.mailbox = 1;
	v[0] = &x.change;
	run_with_a_bad_one(p, v, 1);
	CHECK_ERR(x.change.result, E_OK);
	CHECK_INT(uidset_count(&x.vanished), N);
	CHECK_ERR(mbox_status(p, 1, SL("INBOX"), &row), E_OK);
	CHECK_INT(row.messages, 0);
	change_expunge_fini(&x);
	partition_close(&p);
}

/* Two copies of one group: each tells its own UIDs, once. */
TEST(aborted_group_copies)
{
	static const struct uid_range two = {1, 2}, three = {1, 3};
	struct partition *p = open_bad(3);
	struct change_copy c[2];
	struct change *v[2] = {&c[0].change, &c[1].change};

	REQUIRE(p != NULL);
	for (unsigned i = 0; i < 2; i++) {
		change_copy_init(&c[i]);
		c[i].account = 1;
		c[i].mailbox = 1;
		c[i].uids = i == 0 ? &two : &three;
		c[i].nuids = 1;
		c[i].to = SL("Archive");
	}
	run_with_a_bad_one(p, v, 2);
	for (unsigned i = 0; i < 2; i++) {
		CHECK_ERR(c[i].change.result, E_OK);
		CHECK_INT(uidset_count(&c[i].from), 2 + i);
		CHECK_INT(uidset_count(&c[i].dest), 2 + i);
	}
	CHECK_INT(c[0].dest.v[0].first, 1);
	CHECK_INT(c[1].dest.v[0].first, 3);
	change_copy_fini(&c[0]);
	change_copy_fini(&c[1]);
	partition_close(&p);
}

/* ---- room ---- */

static enum err begin(struct partition *p)
{
	struct stage *s = NULL;
	enum err e = stage_begin(p, 0, 1000, &s);

	stage_free(&s);
	return e;
}

/* A partition that was full takes mail again when others have made room, though no change has come
 * meanwhile: the keeper looks. */
TEST(room_comes_back)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition_stat st;
	struct partition *p;

	conf.disk_reserve = UINT64_MAX;
	p = util_open(&conf);
	REQUIRE(p != NULL);
	CHECK_ERR(util_create(p, 1, "x"), E_FULL);
	CHECK_ERR(begin(p), E_FULL);
	p->conf.disk_reserve = 1;
	CHECK_ERR(begin(p), E_FULL);
	CHECK_ERR(partition_keep(p), E_OK);
	CHECK_ERR(begin(p), E_OK);
	CHECK_ERR(util_deliver(p, 1, "", 1, 100).e, E_OK);
	CHECK_ERR(partition_stat(p, &st), E_OK);
	CHECK(!st.full);
	partition_close(&p);
}

/* A large record stops at the reserve, not at the end of the disk, where a commit would stop the
 * partition. Nothing of it stays. */
TEST(large_record_stops_at_the_reserve)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p = util_open(&conf);
	struct stage *s;
	struct stage_info info;
	struct buf bytes;
	size_t cut = 2 * STAGE_MEMORY_MAX;

	REQUIRE(p != NULL);
	buf_init(&bytes, SIZE_MAX, NULL);
	util_record(&bytes, 1, 3 * STAGE_MEMORY_MAX);
	CHECK_ERR(stage_begin(p, 0, SIZE_MAX, &s), E_OK);
	CHECK_ERR(stage_write_now(s, slice_sub(buf_slice(&bytes), 0, cut)), E_OK);
	p->conf.disk_reserve = UINT64_MAX;
	CHECK_ERR(stage_write_now(s, slice_from(buf_slice(&bytes), cut)), E_FULL);
	CHECK_ERR(stage_end_now(s, &info), E_FULL);
	stage_free(&s);
	CHECK_ERR(stage_begin(p, 0, SIZE_MAX, &s), E_OK);
	CHECK_ERR(stage_write_now(s, buf_slice(&bytes)), E_FULL); /* not even a file is made */
	stage_free(&s);
	p->conf.disk_reserve = 1;
	buf_fini(&bytes);
	CHECK(util_fsck(p));
	partition_close(&p);
}

/* ---- making one ---- */

/* Whatever a crash left of it, a partition is made in the end; and never over another. */
TEST(create_after_a_crash)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	char dir[300], volumes[320];
	struct partition *p;
	struct diag d = {""};
	struct kv *kv;

	(void)snprintf(dir, sizeof(dir), "%s/p", conf.dir);
	(void)snprintf(volumes, sizeof(volumes), "%s/volumes", dir);
	conf.dir = dir;
	CHECK_ERR(disk_mkdir(dir), E_OK);
	CHECK_ERR(disk_mkdir(volumes), E_OK);
	CHECK_ERR(partition_open(&conf, &p, &d), E_NOT_FOUND);
	/* An environment without its first rows. */
	CHECK_ERR(kv_open(dir, table_names, T_TABLES, conf.map_bytes, KV_READ_WRITE, &kv, &d),
		  E_OK);
	kv_close(&kv);
	CHECK_ERR(partition_open(&conf, &p, &d), E_NOT_FOUND);
	CHECK_ERR(partition_create(&conf, &d), E_OK);
	CHECK_ERR(partition_create(&conf, &d), E_EXISTS);
	CHECK_ERR(partition_open(&conf, &p, &d), E_OK);
	REQUIRE(p != NULL);
	CHECK_ERR(partition_create(&conf, &d), E_EXISTS);
	CHECK_ERR(util_deliver(p, 1, "", 1, 100).e, E_OK);
	CHECK(util_fsck(p));
	partition_close(&p);
}

/* Writes and syncs that fail, maps and disks that are full: temporary refusals, no damage. */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/store/partition_priv.h"
#include "common/base/fault.h"
#include "common/base/num.h"
#include "tests/unit/backend/store/util.h"

#define MESSAGES 40

static void send_all(struct partition *p, enum err results[MESSAGES + 1])
{
	for (unsigned n = 1; n <= MESSAGES; n++) {
		struct deliver_copy copy = {.account = 1 + n % 3, .key = SL("k")};
		size_t size = n % 10 == 0 ? 300000 : 3000;
		struct change_deliver c;
		struct util_summary u;
		struct stage *s = NULL;
		struct stage_info info;
		struct buf bytes;
		enum err e = stage_begin(p, 0, SIZE_MAX, &s);

		buf_init(&bytes, SIZE_MAX, NULL);
		util_record(&bytes, n, size);
		if (e == E_OK)
			e = stage_write_now(s, buf_slice(&bytes));
		if (e == E_OK)
			e = stage_end_now(s, &info);
		util_summary(&u, n, size);
		change_deliver_init(&c);
		be64_put(c.txid, n);
		c.record = s;
		c.summary = &u.s;
		c.copies = &copy;
		c.ncopies = 1;
		if (e == E_OK)
			e = change_run(p, &c.change);
		/* What was taken once stays taken. */
		if (results[n] != E_OK)
			results[n] = e == E_OK ? copy.result : e;
		stage_free(&s);
		buf_fini(&bytes);
	}
}

/* How often each number is there. */
static void count_all(struct partition *p, unsigned counts[MESSAGES + 1])
{
	static const struct uid_range every = {1, UINT32_MAX};
	struct msg_slice s;

	memset(counts, 0, (MESSAGES + 1) * sizeof(*counts));
	msg_slice_init(&s);
	for (uint64_t account = 1; account <= 3; account++) {
		struct msg_query q = {account, 1, &every, 1, MSG_ENVELOPE, 0, 0};

		if (msg_fetch(p, &q, 1, &s) != E_OK)
			continue;
		for (unsigned i = 0; i < s.n; i++) {
			uint64_t n;

			if (num_parse(slice_from(s.envelope[i], 11), MESSAGES, &n))
				counts[n]++;
		}
	}
	msg_slice_fini(&s);
}

static void check_counts(struct partition *p, const enum err results[MESSAGES + 1], bool all)
{
	unsigned counts[MESSAGES + 1];

	count_all(p, counts);
	for (unsigned n = 1; n <= MESSAGES; n++) {
		if (results[n] == E_OK || all)
			CHECK_INT(counts[n], 1);
		else
			CHECK(counts[n] <= 1);
	}
}

/* One point fails at its count-th passage; afterwards everything is sent again. */
static void fault_case(const char *point, unsigned count, bool stops)
{
	enum err results[MESSAGES + 1];
	struct partition_conf conf;
	struct partition_stat st;
	struct partition *p;
	char text[256];
	bool failed = false;

	(void)snprintf(text, sizeof(text), "%s/%s-%u", check_tmpdir(), point, count);
	conf = util_conf(text);
	p = util_open(&conf);
	REQUIRE(p != NULL);
	check_note("%s at %u", point, count);
	(void)snprintf(text, sizeof(text), "%s:%u:fail", point, count);
	for (unsigned n = 0; n <= MESSAGES; n++)
		results[n] = E_RETRY;
	CHECK(fault_from_text(text));
	send_all(p, results);
	fault_hook = NULL;
	for (unsigned n = 1; n <= MESSAGES; n++)
		failed |= results[n] != E_OK;
	CHECK(failed);
	CHECK_ERR(partition_stat(p, &st), E_OK);
	CHECK(st.stopped == stops);
	check_counts(p, results, false);
	if (stops) {
		CHECK_ERR(util_create(p, 1, "later"), E_RETRY);
		partition_close(&p);
		(void)snprintf(text, sizeof(text), "%s/%s-%u", check_tmpdir(), point, count);
		p = util_open(&conf);
		REQUIRE(p != NULL);
		check_counts(p, results, false);
	}
	CHECK(util_fsck(p));
	send_all(p, results);
	check_counts(p, results, true);
	CHECK(util_fsck(p));
	partition_close(&p);
}

TEST(fault_sync_stops_the_partition)
{
	static const char *const points[] = {"store.volume.sync", "store.commit.before_sync",
					     "store.commit.after_sync", "store.dir.sync",
					     "store.stage.sync"};

	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		fault_case(points[i], 1, true);
		fault_case(points[i], 3, true);
	}
}

TEST(fault_no_room_is_passing)
{
	static const char *const points[] = {"store.volume.write", "store.put", "store.commit.full",
					     "store.stage.write", "store.file.create"};

	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		fault_case(points[i], 1, false);
		fault_case(points[i], 2, false);
		if (i < 3)
			fault_case(points[i], 17, false);
	}
}

/* One message to fifty accounts. */
static enum err send_wide(struct partition *p, unsigned n)
{
	struct deliver_copy copies[50] = {0};
	struct change_deliver c;
	struct util_summary u;
	struct stage *s = NULL;
	struct stage_info info;
	struct buf bytes;
	enum err e = stage_begin(p, 0, SIZE_MAX, &s);

	buf_init(&bytes, SIZE_MAX, NULL);
	util_record(&bytes, n, 200);
	if (e == E_OK)
		e = stage_write_now(s, buf_slice(&bytes));
	if (e == E_OK)
		e = stage_end_now(s, &info);
	util_summary(&u, n, 200);
	change_deliver_init(&c);
	c.record = s;
	c.summary = &u.s;
	c.copies = copies;
	c.ncopies = ARRAY_LEN(copies);
	for (size_t i = 0; i < ARRAY_LEN(copies); i++) {
		copies[i].account = i + 1;
		copies[i].prefix = SL("Return-Path: <>\r\n");
	}
	if (e == E_OK)
		e = change_run(p, &c.change);
	stage_free(&s);
	buf_fini(&bytes);
	return e;
}

/* Fills a small map; removing accounts still works and gives room back. */
TEST(fault_map_full)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p;
	struct change_account c;
	enum err e = E_OK;
	unsigned n = 0;

	conf.map_bytes = 8u << 20;
	p = util_open(&conf);
	REQUIRE(p != NULL);
	while (e == E_OK && n < 2000) {
		e = send_wide(p, n++);
		p->full_checked_ms = 0; /* look anew each time */
	}
	CHECK_ERR(e, E_FULL);
	CHECK(n > 50);
	CHECK(util_fsck(p));
	for (uint64_t account = 1; account <= 25; account++) {
		change_account_init(&c, account, ACCOUNT_REMOVE);
		CHECK_ERR(change_run(p, &c.change), E_OK);
	}
	CHECK_ERR(partition_keep(p), E_OK);
	CHECK(util_fsck(p));
	p->full_checked_ms = 0;
	CHECK_ERR(util_deliver(p, 40, "", 9999, 200).e, E_OK);
	partition_close(&p);
}

/* Past the watermark is a reserve that only LMDB itself ends: the group is answered E_FULL. */
TEST(fault_map_full_without_watermark)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p;
	enum err e = E_OK;
	unsigned n = 0;

	conf.map_bytes = 1u << 20;
	conf.full_percent = 100;
	p = util_open(&conf);
	REQUIRE(p != NULL);
	while (e == E_OK && n < 2000)
		e = send_wide(p, n++);
	CHECK_ERR(e, E_FULL);
	CHECK(util_fsck(p));
	partition_close(&p);
	p = util_open(&conf);
	REQUIRE(p != NULL);
	CHECK(util_fsck(p));
	partition_close(&p);
}

TEST(fault_disk_reserve)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition *p = util_open(&conf);
	struct util_sent sent;
	struct stage *s;

	REQUIRE(p != NULL);
	sent = util_deliver(p, 1, "", 1, 100);
	CHECK_ERR(sent.e, E_OK);
	partition_close(&p);
	conf.disk_reserve = UINT64_MAX;
	p = util_open(&conf);
	REQUIRE(p != NULL);
	CHECK_ERR(util_create(p, 1, "x"), E_FULL);
	CHECK_ERR(stage_begin(p, 0, 1000, &s), E_FULL);
	partition_close(&p);
}

/* In a child: no file may grow beyond `bytes`; delivers until it is refused, tells how many. */
NORETURN static void child_limited(struct partition_conf *conf, rlim_t bytes, int out)
{
	struct rlimit limit = {bytes, bytes};
	struct partition *p = util_open(conf);
	uint32_t n = 0;

	if (p == NULL || signal(SIGXFSZ, SIG_IGN) == SIG_ERR ||
	    setrlimit(RLIMIT_FSIZE, &limit) != 0)
		_exit(1);
	while (n < 5000 && send_wide(p, n) == E_OK)
		n++;
	_exit(write(out, &n, sizeof(n)) == (ssize_t)sizeof(n) ? 0 : 1);
}

/* The system itself refuses to write: LMDB's commit fails, which stops the partition; whatever was
 * acknowledged is there afterwards. */
TEST(fault_file_size_limit)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	struct partition_stat st;
	struct partition *p;
	uint32_t acked = 0;
	int fds[2], status;
	pid_t pid;

	REQUIRE(pipe(fds) == 0);
	pid = fork();
	if (pid == 0)
		child_limited(&conf, 1u << 20, fds[1]);
	close(fds[1]);
	CHECK_INT(read(fds[0], &acked, sizeof(acked)), sizeof(acked));
	close(fds[0]);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(acked > 0 && acked < 5000);
	p = util_open(&conf);
	REQUIRE(p != NULL);
	CHECK_ERR(partition_stat(p, &st), E_OK);
	CHECK(st.records == acked || st.records == acked + 1);
	CHECK_INT(st.messages, st.records * 50);
	CHECK(util_fsck(p));
	CHECK_ERR(send_wide(p, 9999), E_OK);
	partition_close(&p);
}

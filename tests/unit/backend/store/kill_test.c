/*
 * A child process has the partition and is killed with SIGKILL at any moment; what it has
 * acknowledged over a pipe must be there, whole and once, and nothing else half.
 * STORE_KILLS sets how often.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/num.h"
#include "tests/unit/backend/store/model.h"

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *v = getenv(name);
	uint64_t n;

	return v != NULL && num_parse(slice_str(v), UINT64_MAX, &n) ? n : otherwise;
}

/* Some part of a millisecond or two, so that the kill falls anywhere in a commit. */
static void moment(struct model *m)
{
	struct timespec t = {0, (long)model_random(m, 2000000)};

	nanosleep(&t, NULL);
}

static void kill_and_reap(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- the model's steps, one after the other ---- */

NORETURN static void child_steps(struct partition_conf *conf, struct model *m, int out)
{
	struct partition *p = util_open(conf);

	while (p != NULL) {
		model_step(m, p);
		if (write(out, "", 1) != 1)
			break;
	}
	_exit(1);
}

/* Reads acknowledgements until `least` came, kills, and returns how many there were in all. */
static uint64_t kill_after(pid_t pid, int in, uint64_t least, struct model *chance)
{
	char mem[256];
	uint64_t n = 0;
	ssize_t got;

	while (n < least && (got = read(in, mem, MIN(sizeof(mem), least - n))) > 0)
		n += (uint64_t)got;
	CHECK_INT(n, least);
	moment(chance);
	kill_and_reap(pid);
	while ((got = read(in, mem, sizeof(mem))) > 0)
		n += (uint64_t)got;
	return n;
}

/* The state is that after the acknowledged steps, or after one more. */
static bool settle(struct model *m, struct partition *p)
{
	if (model_same(m, p, false))
		return true;
	model_step(m, NULL);
	return model_same(m, p, true);
}

static bool kill_round(struct partition_conf *conf, struct model *m, struct model *chance)
{
	struct partition *p;
	uint64_t acked;
	int fds[2];
	bool ok;
	pid_t pid;

	if (pipe(fds) != 0)
		return false;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		child_steps(conf, m, fds[1]);
	}
	close(fds[1]);
	acked = kill_after(pid, fds[0], 20 + model_random(chance, 100), chance);
	close(fds[0]);
	for (uint64_t i = 0; i < acked; i++)
		model_step(m, NULL);
	p = util_open(conf);
	if (p == NULL)
		return false;
	ok = settle(m, p) && util_fsck(p);
	/* A round of the keeper may have been cut short; a whole one now makes both equal. */
	model_keep(m, p);
	ok = ok && model_same(m, p, true);
	partition_close(&p);
	return ok;
}

TEST(kill_between_steps)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	uint64_t rounds = setting("STORE_KILLS", 6), seed = setting("STORE_MODEL_SEED", 5);
	struct model *m = xmalloc(sizeof(*m)), *chance = xmalloc(sizeof(*chance));

	model_init(m, seed);
	model_init(chance, seed + 1000);
	check_note("STORE_MODEL_SEED=%llu", (unsigned long long)seed);
	check_seconds(300 + (unsigned)rounds * 5);
	for (uint64_t i = 0; i < rounds; i++) {
		bool ok = kill_round(&conf, m, chance);

		CHECK(ok);
		if (!ok)
			break;
	}
	model_fini(m);
	xfree(&m);
	xfree(&chance);
}

/* ---- many at once ---- */

#define SENDERS 8

struct sender {
	struct partition_conf *conf;
	struct partition *p;
	uint64_t account, next; /* the next message's number */
	int out;
	pthread_t thread;
};

static size_t size_of(uint64_t number)
{
	return (size_t)(number % 97 == 0 ? 300000 : 100 + number * 37 % 9000);
}

/* Message `number` of a sender, with a delivery id of its own. */
static enum err send_one(struct sender *s, uint64_t number)
{
	uint64_t seed = s->account * 1000000 + number;
	struct deliver_copy copy = {
		.account = s->account, .key = SL("k"), .prefix = SL("P: 1\r\n")};
	struct change_deliver c;
	struct util_summary u;
	struct stage *stage = util_stage(s->p, seed, size_of(number));
	enum err e;

	if (stage == NULL)
		return E_IO;
	util_summary(&u, seed, size_of(number));
	change_deliver_init(&c);
	c.origin = SL("kill");
	be64_put(c.txid, seed);
	c.record = stage;
	c.summary = &u.s;
	c.copies = &copy;
	c.ncopies = 1;
	e = change_run(s->p, &c.change);
	stage_free(&stage);
	return e == E_OK ? copy.result : e;
}

static void *sender_main(void *arg)
{
	struct sender *s = arg;

	for (uint64_t n = s->next;; n++) {
		unsigned char ack[16];

		if (send_one(s, n) != E_OK)
			return NULL;
		be64_put(ack, s->account);
		be64_put(ack + 8, n);
		if (write(s->out, ack, sizeof(ack)) != (ssize_t)sizeof(ack))
			return NULL;
	}
}

NORETURN static void child_senders(struct sender *v)
{
	struct partition_conf conf = *v->conf;
	struct partition *p;

	conf.keeper_ms = 20; /* the keeper works in between */
	p = util_open(&conf);
	for (unsigned i = 0; i < SENDERS && p != NULL; i++) {
		v[i].p = p;
		if (pthread_create(&v[i].thread, NULL, sender_main, &v[i]) != 0)
			_exit(1);
	}
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(v[i].thread, NULL);
	_exit(1);
}

static void take_ack(struct sender *v, const unsigned char *ack)
{
	struct sender *s = &v[be64_get(ack) - 1];

	CHECK_INT(be64_get(ack + 8), s->next);
	s->next = be64_get(ack + 8) + 1;
}

/* Every acknowledged message is in INBOX, once and in order; at most one more is. */
static bool senders_same(struct sender *v, struct partition *p)
{
	struct same_walk {
		struct msg_query q;
		struct uid_range every;
		struct msg_slice slice;
	} *w = xcalloc(1, sizeof(*w));
	bool ok = true;

	w->every = (struct uid_range){1, UINT32_MAX};
	msg_slice_init(&w->slice);
	for (unsigned i = 0; i < SENDERS && ok; i++) {
		uint64_t n = 1;

		w->q = (struct msg_query){
			v[i].account, 1, &w->every, 1, MSG_SIZE | MSG_ENVELOPE, 0, 0};
		for (uint32_t next = 1; next != 0 && ok; next = w->slice.next_uid) {
			enum err e = msg_fetch(p, &w->q, next, &w->slice);

			if (e == E_NOT_FOUND && v[i].next == 1)
				break;
			ok = e == E_OK;
			for (unsigned j = 0; j < w->slice.n && ok; j++, n++) {
				char want[64];

				(void)snprintf(want, sizeof(want), "(envelope) %llu",
					       (unsigned long long)(v[i].account * 1000000 + n));
				ok = slice_eq(w->slice.envelope[j], slice_str(want)) &&
				     w->slice.size[j] == size_of(n) + 6;
			}
		}
		ok = ok && (n == v[i].next || n == v[i].next + 1);
		if (!ok)
			(void)fprintf(stderr, "account %u: %llu messages, %llu acknowledged\n", i,
				      (unsigned long long)n - 1, (unsigned long long)v[i].next - 1);
	}
	msg_slice_fini(&w->slice);
	xfree(&w);
	return ok;
}

static bool senders_round(struct sender *v, struct model *chance)
{
	uint64_t least = 50 + model_random(chance, 300), n = 0;
	unsigned char ack[16];
	struct partition *p;
	int fds[2];
	bool ok;
	pid_t pid;

	if (pipe(fds) != 0)
		return false;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		for (unsigned i = 0; i < SENDERS; i++)
			v[i].out = fds[1];
		child_senders(v);
	}
	close(fds[1]);
	for (; n < least && read(fds[0], ack, sizeof(ack)) == (ssize_t)sizeof(ack); n++)
		take_ack(v, ack);
	CHECK_INT(n, least);
	moment(chance);
	kill_and_reap(pid);
	while (read(fds[0], ack, sizeof(ack)) == (ssize_t)sizeof(ack))
		take_ack(v, ack);
	close(fds[0]);
	p = util_open(v->conf);
	if (p == NULL)
		return false;
	ok = senders_same(v, p) && util_fsck(p);
	partition_close(&p);
	return ok;
}

/* The next round sends again what was not acknowledged: it must not be there twice. */
TEST(kill_many_senders)
{
	struct partition_conf conf = util_conf(check_tmpdir());
	uint64_t rounds = setting("STORE_KILLS", 6);
	struct model *chance = xmalloc(sizeof(*chance));
	struct sender v[SENDERS];

	model_init(chance, setting("STORE_MODEL_SEED", 5));
	for (unsigned i = 0; i < SENDERS; i++)
		v[i] = (struct sender){.conf = &conf, .account = i + 1, .next = 1};
	check_seconds(300 + (unsigned)rounds * 5);
	for (uint64_t i = 0; i < rounds; i++) {
		bool ok = senders_round(v, chance);

		CHECK(ok);
		if (!ok)
			break;
	}
	xfree(&chance);
}

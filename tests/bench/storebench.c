/*
 * storebench: what the store does by itself, without protocols: durable deliveries a second with
 * 1, 16 and 64 in flight, and fetches of columns and of bodies, warm.
 *
 *   storebench DIR [MESSAGES]     DIR must not exist; it is left behind
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/store/change.h"
#include "backend/store/mbox.h"
#include "backend/store/msg.h"
#include "backend/store/stage.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/log/log.h"

#define ACCOUNTS 20
#define BODY     4096

struct flight {
	struct partition *p;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	unsigned free;
	bool idle[64];
};

struct job {
	struct change_deliver c;
	struct deliver_copy copy;
	struct stage *stage;
	struct flight *f;
	unsigned slot;
	int64_t began;
};

static struct job jobs[64];
static struct buf record;
static struct summary summary;
static struct summary_part part = {.body_off = 600, .body_end = BODY};
static struct summary_field field = {3, {"Subject: a message of the store's bench\r\n", 41}};
static char text[512], envelope[400], structure[150];
static int64_t latencies[1 << 20];
static _Atomic size_t nlatencies;

static void make_record(uint64_t n)
{
	struct record_header h = {.compression = RECORD_COMP_NONE};
	struct record_trailer t = {.nblocks = 1, .plain_size = BODY};
	unsigned char head[RECORD_HEADER_SIZE], tail[RECORD_TRAILER_SIZE], entry[4];
	struct record_hash hash;
	static char body[BODY];

	buf_reset(&record);
	be64_put(h.id, n);
	record_header_encode(&h, head);
	buf_put(&record, slice(head, sizeof(head)));
	be64_put(body, n * 0x9e3779b97f4a7c15u);
	buf_put(&record, slice(body, sizeof(body)));
	be32_put(entry, BODY | RECORD_KEPT_PLAIN);
	buf_put(&record, slice(entry, sizeof(entry)));
	t.stored_size = record.n + RECORD_TRAILER_SIZE;
	record_trailer_encode(&t, tail);
	record_hash_init(&hash);
	record_hash_add(&hash, buf_slice(&record));
	record_hash_add(&hash, slice(tail, RECORD_TRAILER_SIZE - 8));
	t.checksum = record_hash_value(&hash);
	record_trailer_encode(&t, tail);
	buf_put(&record, slice(tail, sizeof(tail)));
}

static void done(struct change *c)
{
	struct job *j = c->arg;
	struct flight *f = j->f;

	latencies[atomic_fetch_add(&nlatencies, 1) % ARRAY_LEN(latencies)] =
		clock_mono_us() - j->began;
	if (c->result != E_OK || j->copy.result != E_OK) {
		(void)fprintf(stderr, "delivery failed: %s %s\n", err_name(c->result),
			      err_name(j->copy.result));
		exit(1);
	}
	pthread_mutex_lock(&f->lock);
	f->idle[j->slot] = true;
	f->free++;
	pthread_cond_signal(&f->cond);
	pthread_mutex_unlock(&f->lock);
}

static unsigned take_slot(struct flight *f, unsigned n)
{
	unsigned i = 0;

	pthread_mutex_lock(&f->lock);
	while (f->free == 0)
		pthread_cond_wait(&f->cond, &f->lock);
	while (i < n && !f->idle[i])
		i++;
	f->idle[i] = false;
	f->free--;
	pthread_mutex_unlock(&f->lock);
	return i;
}

static void send_one(struct flight *f, unsigned slot, uint64_t n, uint64_t account)
{
	struct job *j = &jobs[slot];
	struct stage_info info;
	char id[64];

	stage_free(&j->stage);
	j->f = f;
	j->slot = slot;
	make_record(n);
	if (stage_begin(f->p, record.n, SIZE_MAX, &j->stage) != E_OK ||
	    stage_write_now(j->stage, buf_slice(&record)) != E_OK ||
	    stage_end_now(j->stage, &info) != E_OK)
		exit(1);
	(void)snprintf(id, sizeof(id), "%llu@example.org", (unsigned long long)n);
	summary.message_id = slice_str(id);
	change_deliver_init(&j->c);
	be64_put(j->c.txid, n);
	j->c.origin = SL("frontend/fe1/smtp");
	j->c.record = j->stage;
	j->c.summary = &summary;
	j->c.text = slice(text, sizeof(text));
	j->c.copies = &j->copy;
	j->c.ncopies = 1;
	j->copy = (struct deliver_copy){
		.account = account,
		.key = SL("user@example.org"),
		.prefix = slice(text, 300),
	};
	j->c.change.done = done;
	j->c.change.arg = j;
	j->began = clock_mono_us();
	change_submit(f->p, &j->c.change);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void deliver(struct partition *p, unsigned inflight, uint64_t count, uint64_t *number,
		    uint64_t only)
{
	struct flight f = {.p = p, .free = inflight};
	struct partition_stat before, after;
	int64_t began = clock_mono_us(), took;
	size_t n;

	pthread_mutex_init(&f.lock, NULL);
	pthread_cond_init(&f.cond, NULL);
	for (unsigned i = 0; i < inflight; i++)
		f.idle[i] = true;
	atomic_store(&nlatencies, 0);
	if (partition_stat(p, &before) != E_OK)
		exit(1);
	for (uint64_t i = 0; i < count; i++, ++*number)
		send_one(&f, take_slot(&f, inflight), *number,
			 only != 0 ? only : 1 + *number % ACCOUNTS);
	for (unsigned i = 0; i < inflight; i++)
		(void)take_slot(&f, inflight);
	took = clock_mono_us() - began;
	if (partition_stat(p, &after) != E_OK)
		exit(1);
	n = MIN(atomic_load(&nlatencies), ARRAY_LEN(latencies));
	qsort(latencies, n, sizeof(*latencies), by_value);
	printf("deliver 4 KiB, %2u in flight: %7.0f /s, %.1f a commit, p50 %.2f ms, p99 %.2f ms\n",
	       inflight, (double)count * 1e6 / (double)took,
	       (double)count / (double)(after.commits - before.commits),
	       (double)latencies[n / 2] / 1000, (double)latencies[n * 99 / 100] / 1000);
}

static void fetch(struct partition *p, const char *what, uint32_t columns)
{
	static const struct uid_range every = {1, UINT32_MAX};
	struct msg_query q = {99, 1, &every, 1, columns, 8, 0};
	struct msg_slice s;
	uint64_t rows = 0, slices = 0;
	int64_t began = clock_mono_us(), took;

	msg_slice_init(&s);
	for (int round = 0; round < 6; round++) {
		if (round == 1) { /* the first one warms */
			rows = slices = 0;
			began = clock_mono_us();
		}
		for (uint32_t next = 1; next != 0; next = s.next_uid, slices++) {
			if (msg_fetch(p, &q, next, &s) != E_OK)
				exit(1);
			rows += s.n;
		}
	}
	took = clock_mono_us() - began;
	printf("fetch %-28s %6.2f us a row, %7.0f slices/s\n", what, (double)took / (double)rows,
	       (double)slices * 1e6 / (double)took);
	msg_slice_fini(&s);
}

static void read_bodies(struct partition *p)
{
	static const struct uid_range every = {1, UINT32_MAX};
	struct msg_query q = {99, 1, &every, 1, MSG_RECORD | MSG_PREFIX, 0, 0};
	struct msg_span spans[STORE_SLICE_ROWS];
	struct msg_slice s;
	struct buf out;
	uint64_t bytes = 0;
	int64_t began = clock_mono_us(), took;

	msg_slice_init(&s);
	buf_init(&out, SIZE_MAX, NULL);
	for (uint32_t next = 1; next != 0; next = s.next_uid) {
		if (msg_fetch(p, &q, next, &s) != E_OK)
			exit(1);
		for (unsigned i = 0; i < s.n; i++)
			spans[i] = msg_span_blocks(&s.record[i], 0, s.record[i].nblocks - 1);
		buf_reset(&out);
		if (msg_read(p, spans, s.n, &out) != E_OK)
			exit(1);
		bytes += out.n;
	}
	took = clock_mono_us() - began;
	printf("read bodies, 4 KiB each: %.0f MB/s\n", (double)bytes / (double)took);
	msg_slice_fini(&s);
	buf_fini(&out);
}

/* Opens the mailbox and fetches what a client shows of its last ten messages. */
static void open_last(struct partition *p, uint64_t account)
{
	struct mbox_view v;
	struct msg_query q = {account, 1, NULL, 1, MSG_FLAGS | MSG_ENVELOPE | MSG_DATE | MSG_SIZE,
			      0,       0};
	struct uid_range last;
	struct msg_slice s;

	mbox_view_init(&v);
	msg_slice_init(&s);
	if (mbox_open(p, account, SL("INBOX"), RECENT_LOOK, &v) != E_OK)
		exit(1);
	last = (struct uid_range){v.row.uidnext - 10, v.row.uidnext - 1};
	q.uids = &last;
	if (msg_fetch(p, &q, last.first, &s) != E_OK || s.n != 10)
		exit(1);
	msg_slice_fini(&s);
	mbox_view_fini(&v);
}

/* Mailboxes of 10^3, 10^4, 10^5 messages: a delivery, and a look at the last ten, cost the same. */
static void growth(struct partition *p, uint64_t *number)
{
	uint64_t size = 1000;

	for (uint64_t account = 101; account <= 103; account++, size *= 10) {
		int64_t began;

		printf("mailbox of %llu\n  filling  ", (unsigned long long)size);
		deliver(p, 64, size, number, account);
		printf("  ");
		deliver(p, 1, 300, number, account);
		printf("  ");
		deliver(p, 64, 3000, number, account);
		began = clock_mono_us();
		for (int i = 0; i < 1000; i++)
			open_last(p, account);
		printf("  open, fetch the last 10: %.1f us\n",
		       (double)(clock_mono_us() - began) / 1000);
	}
}

int main(int argc, char **argv)
{
	struct partition_conf conf = {.dir = argc > 1 ? argv[1] : "", .id = 1};
	struct partition *p;
	struct diag d = {""};
	uint64_t count = 20000, number = 1;

	if (argc < 2 || (argc > 2 && !num_parse(slice_str(argv[2]), 1000000, &count))) {
		(void)fprintf(stderr, "usage: storebench DIR [MESSAGES]\n");
		return 64;
	}
	log_threshold = LOG_WARN;
	buf_init(&record, 1 << 20, NULL);
	memset(envelope, 'e', sizeof(envelope));
	memset(structure, 's', sizeof(structure));
	summary = (struct summary){.parser_version = 1,
				   .size = BODY,
				   .header_size = 600,
				   .envelope = {envelope, sizeof(envelope)},
				   .bodystructure = {structure, sizeof(structure)},
				   .parts = &part,
				   .nparts = 1,
				   .fields = &field,
				   .nfields = 1,
				   .subject = SL("a message of the store's bench"),
				   .from = SL("Somebody <somebody@example.org>")};
	if (partition_create(&conf, &d) != E_OK || partition_open(&conf, &p, &d) != E_OK) {
		(void)fprintf(stderr, "storebench: %s\n", d.text);
		return 73;
	}
	deliver(p, 1, count / 10, &number, 0);
	deliver(p, 16, count, &number, 0);
	deliver(p, 64, count, &number, 0);
	deliver(p, 64, 10000, &number, 99);
	fetch(p, "FLAGS+ENVELOPE+DATE+SIZE", MSG_FLAGS | MSG_ENVELOPE | MSG_DATE | MSG_SIZE);
	fetch(p, "FLAGS", MSG_FLAGS);
	fetch(p, "BODYSTRUCTURE", MSG_BODYSTRUCTURE);
	fetch(p, "header fields", MSG_FIELDS);
	fetch(p, "RECORD", MSG_RECORD | MSG_PREFIX);
	read_bodies(p);
	growth(p, &number);
	for (unsigned i = 0; i < ARRAY_LEN(jobs); i++)
		stage_free(&jobs[i].stage);
	partition_close(&p);
	buf_fini(&record);
	return 0;
}

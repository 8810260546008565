/*
 * Rows: key "tlsr/" and the row's number, big-endian; values as tls_sum_pack writes them, lazily.
 * One change at a time: rows are read, added to and written on a work thread, and the index follows
 * when that is done. The index is a list in the order of ids, for there are many rows, and each is
 * looked for. When rows are sent: tls_sums_send.c.
 */
#include "backend/queue/tls_sums.h"

#include "backend/queue/tls_sums_priv.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/crypto/random.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/loop/loan.h"
#include "common/loop/work.h"
#include "common/parse/idn.h"

#define PREFIX    SL("tlsr/")
#define SCAN_ROWS 256
#define DAY_US    (24 * 3600 * 1000000LL)
#define SWEEP_MS  (10 * 60 * 1000)
#define NAME_SIZE (4 + DOMAIN_MAX)

METRIC_GAUGE(m_rows, "tlsrpt_rows", "Domains and days whose TLS sessions are summed up");
METRIC_COUNTER(m_lost, "tlsrpt_sessions_lost_total", "TLS sessions that no report will tell of");

const char *tls_row_state_name(enum tls_row_state s)
{
	switch (s) {
	case TLS_ROW_COLLECTING:
		return "collecting";
	case TLS_ROW_WAITING:
		return "waiting";
	case TLS_ROW_SENT:
		return "sent";
	case TLS_ROW_UNWANTED:
		return "unwanted";
	case TLS_ROW_FAILED:
		return "failed";
	}
	return "unknown";
}

enum tls_row_state tls_row_state(const struct tls_row *r)
{
	if (r->state != TLS_ROW_COLLECTING)
		return r->state;
	return r->to_us <= clock_wall_us() ? TLS_ROW_WAITING : TLS_ROW_COLLECTING;
}

/* ---- the index ---- */

slice_t tls_sums_key(uint64_t id, char out[TLS_SUMS_KEY_SIZE])
{
	memcpy(out, "tlsr/", 5);
	be64_put(out + 5, id);
	return slice(out, TLS_SUMS_KEY_SIZE);
}

static slice_t name_key(int32_t day, slice_t domain, char out[NAME_SIZE])
{
	be32_put(out, (uint32_t)day);
	memcpy(out + 4, domain.p, domain.n);
	return slice(out, 4 + domain.n);
}

slice_t tls_entry_domain(const struct tls_entry *x)
{
	return slice_str(x->r.domain);
}

/* Ids only grow: the new one is the last. */
static struct tls_entry *entry_new(struct tls_sums *s, uint64_t id, slice_t domain)
{
	struct tls_entry *x = xcalloc(1, sizeof *x + domain.n + 1);

	memcpy(x->domain, domain.p, domain.n);
	x->r.domain = x->domain;
	x->r.id = s->last_id = id;
	if (s->n == s->size) {
		s->size = MAX(2 * s->size, (size_t)64);
		s->list = xrealloc(s->list, s->size * sizeof(struct tls_entry *));
	}
	s->list[s->n++] = x;
	metric_set(&m_rows, (int64_t)s->n);
	return x;
}

static void entry_set_name(struct tls_sums *s, struct tls_entry *x)
{
	char key[NAME_SIZE];

	(void)map_put(&s->last, name_key(x->r.day, tls_entry_domain(x), key), x);
}

/* Its place in the list is the caller's. */
static void entry_free(struct tls_sums *s, struct tls_entry *x)
{
	char key[NAME_SIZE];
	slice_t name = name_key(x->r.day, tls_entry_domain(x), key);

	if (map_get(&s->last, name) == x)
		(void)map_del(&s->last, name);
	s->bytes -= x->bytes;
	xfree(&x);
}

/* Where the first entry is whose id is above. */
static size_t place_above(const struct tls_sums *s, uint64_t id)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->list[mid]->r.id > id)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

struct tls_entry *tls_sums_find(const struct tls_sums *s, uint64_t id)
{
	size_t at = place_above(s, id);

	return at != 0 && s->list[at - 1]->r.id == id ? s->list[at - 1] : NULL;
}

static void lose(struct tls_sums *s, uint64_t n)
{
	if (n == 0)
		return;
	s->lost += n;
	metric_add(&m_lost, (int64_t)n);
	LOG_SELDOM(LOG_WARN, NULL, "tlsrpt.no_room", LF_UINT("sessions", n), LF_UINT("rows", s->n),
		   LF_UINT("bytes", s->bytes));
}

/* ---- one change at a time ---- */

WAITS enum err tls_sums_enter(struct tls_sums *s)
{
	while (s->busy) {
		enum err e = waitq_wait(&s->free, "tls.sums", NO_DEADLINE);

		if (e != E_OK)
			return e;
	}
	s->busy = true;
	return E_OK;
}

void tls_sums_leave(struct tls_sums *s)
{
	s->busy = false;
	waitq_wake_one(&s->free);
}

/* ---- open ---- */

struct scan {
	struct tls_sums *s;
	struct buf last;
	size_t n;
	enum err e;
};

static void see_row(void *arg, slice_t key, slice_t value)
{
	struct scan *c = arg;
	struct tls_row r = {0};
	int64_t tried_us;
	bool closed;
	slice_t in = value, domain;
	struct tls_entry *x;

	buf_reset(&c->last);
	buf_put(&c->last, key);
	if (key.n != TLS_SUMS_KEY_SIZE ||
	    tls_sum_unpack_head(&in, &r, &tried_us, &closed, &domain) != E_OK ||
	    domain.n > DOMAIN_MAX || be64_get(key.p + 5) <= c->s->last_id)
		return;
	x = entry_new(c->s, be64_get(key.p + 5), domain);
	r.domain = x->r.domain;
	r.id = x->r.id;
	x->r = r;
	x->tried_us = tried_us;
	x->closed = closed;
	x->bytes = value.n;
	c->s->bytes += value.n;
	entry_set_name(c->s, x);
}

/* Before anybody else knows of the index. */
static void run_scan(void *arg)
{
	struct scan *c = arg;
	struct buf after;
	size_t n = SCAN_ROWS;

	buf_init(&after, NODE_KEY_MAX, NULL);
	while (c->e == E_OK && n == SCAN_ROWS) {
		buf_reset(&after);
		buf_put(&after, buf_slice(&c->last));
		c->e = node_scan(c->s->node, NODE_HINTS, PREFIX, buf_slice(&after), SCAN_ROWS,
				 see_row, c, &n);
	}
	buf_fini(&after);
}

WAITS enum err tls_sums_open(struct node *n, size_t rows_max, size_t bytes_max,
			     struct tls_sums **out)
{
	struct tls_sums *s = xcalloc(1, sizeof *s);
	struct scan c = {.s = s};
	enum err e;

	s->node = n;
	s->rows_max = rows_max != 0 ? rows_max : TLS_SUMS_ROWS_MAX;
	s->bytes_max = bytes_max != 0 ? bytes_max : TLS_SUMS_BYTES_MAX;
	map_init(&s->last);
	waitq_init(&s->free);
	waitq_init(&s->due);
	buf_init(&c.last, NODE_KEY_MAX, NULL);
	fiber_shield_begin(); /* the scan has our stack */
	e = work_run("tls.scan", run_scan, &c);
	fiber_shield_end();
	buf_fini(&c.last);
	if (e == E_OK)
		e = c.e;
	*out = s;
	if (e != E_OK)
		tls_sums_close(out);
	return e;
}

void tls_sums_close(struct tls_sums **ps)
{
	struct tls_sums *s = *ps;

	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++)
		entry_free(s, s->list[i]);
	map_fini(&s->last);
	xfree(&s->list);
	xfree(ps);
}

/* ---- what is past its time goes ---- */

struct removal {
	struct node *node;
	uint64_t ids[SCAN_ROWS];
	size_t n;
};

static void run_remove(void *arg)
{
	struct removal *r = arg;
	char key[TLS_SUMS_KEY_SIZE];

	for (size_t i = 0; i < r->n; i++) {
		enum err e = node_del(r->node, NODE_HINTS, tls_sums_key(r->ids[i], key), NODE_LAZY);

		if (e != E_OK && e != E_NOT_FOUND)
			LOG(LOG_WARN, NULL, "tlsrpt.not_removed", LF_ERR("error", e));
	}
}

/* As many at a time as an array holds; the rest at the next look. Entered. */
WAITS static void sweep(struct tls_sums *s)
{
	struct removal *r;
	int64_t now_us = clock_wall_us();
	size_t kept = 0;

	if (s->swept_ms != 0 && clock_mono_ms() - s->swept_ms < SWEEP_MS)
		return;
	s->swept_ms = clock_mono_ms();
	r = xcalloc(1, sizeof *r);
	r->node = s->node;
	for (size_t i = 0; i < s->n; i++) {
		struct tls_entry *x = s->list[i];

		if (r->n == SCAN_ROWS || x->r.busy || now_us - x->r.to_us < TLS_SUMS_KEEP_US) {
			s->list[kept++] = x;
			continue;
		}
		r->ids[r->n++] = x->r.id;
		entry_free(s, x);
	}
	s->n = kept;
	metric_set(&m_rows, (int64_t)s->n);
	if (r->n != 0 && work_run("tls.sweep", run_remove, r) != E_OK)
		LOG(LOG_WARN, NULL, "tlsrpt.not_removed", LF_UINT("rows", r->n));
	xfree(&r);
}

/* ---- adding ---- */

struct adding {
	struct tls_sums *s;
	const struct tls_sessions *v;
	size_t n;
	struct tls_entry **rows; /* of each of v; NULL: it is lost */
	/* What each row is to become, at the first of v that it has. */
	struct tls_row *got;
	struct tls_sum *sums;
	size_t *bytes;
	enum tls_sum_room room;
	uint64_t lost;
	struct arena mem;
	enum err e;
};

/* A day may have several rows of a domain: when one was sent before its end, the next one begins
 * there. */
static struct tls_entry *make_row(struct tls_sums *s, int32_t day, slice_t domain, int64_t now_us)
{
	char key[NAME_SIZE];
	const struct tls_entry *before = map_get(&s->last, name_key(day, domain, key));
	struct tls_entry *x = entry_new(s, s->last_id + 1, domain);

	x->r.day = day;
	x->r.made_us = now_us;
	x->r.from_us = day * DAY_US;
	x->r.to_us = x->r.from_us + DAY_US;
	x->r.due_us = x->r.to_us +
		      (int64_t)random_below((uint32_t)(TLS_SUMS_SPREAD_US / 1000000)) * 1000000;
	if (before != NULL)
		x->r.from_us = MAX(x->r.from_us, before->r.to_us);
	entry_set_name(s, x);
	waitq_wake_all(&s->due);
	return x;
}

static struct tls_entry *row_for(struct adding *a, const struct tls_sessions *v, int64_t now_us)
{
	struct tls_sums *s = a->s;
	int32_t day = (int32_t)(now_us / DAY_US);
	char key[NAME_SIZE];
	struct tls_entry *x = map_get(&s->last, name_key(day, v->domain, key));

	if (x != NULL && !x->closed)
		return x;
	if (a->room == TLS_SUM_FULL || s->n >= s->rows_max) {
		a->lost += v->count;
		return NULL;
	}
	return make_row(s, day, v->domain, now_us);
}

/* The content that a row has; one that cannot be read begins anew. */
static enum err read_content(struct adding *a, const struct tls_entry *x, struct tls_sum *out,
			     size_t *size)
{
	struct tls_row head = {0};
	char key[TLS_SUMS_KEY_SIZE];
	slice_t in, domain;
	int64_t tried_us;
	struct buf old;
	bool closed;
	enum err e;

	buf_init(&old, TLS_SUMS_VALUE_SIZE, NULL);
	e = node_get(a->s->node, NODE_HINTS, tls_sums_key(x->r.id, key), &old);
	in = arena_dup(&a->mem, buf_slice(&old));
	buf_fini(&old);
	if (e != E_OK && e != E_NOT_FOUND)
		return e;
	if (tls_sum_unpack_head(&in, &head, &tried_us, &closed, &domain) != E_OK ||
	    tls_sum_unpack(in, &a->mem, out) != E_OK) {
		in = SLICE_NONE;
		invariant(tls_sum_unpack(in, &a->mem, out) == E_OK);
	}
	*size = in.n;
	return E_OK;
}

/* Sessions of x, of which v[at] is the first. */
static void add_sessions(struct adding *a, size_t at, size_t size)
{
	struct tls_row *got = &a->got[at];

	for (size_t i = at; i < a->n; i++) {
		const struct tls_sessions *v = &a->v[i];
		enum tls_sum_added added;

		if (a->rows[i] != a->rows[at])
			continue;
		added = tls_sum_add(&a->sums[at], v, a->room, &a->mem, &size);
		if (added == TLS_SUM_NO_ROOM) {
			a->lost += v->count;
			continue;
		}
		got->unlisted += added == TLS_SUM_UNLISTED ? v->count : 0;
		*(v->result == TLS_RESULT_OK ? &got->successes : &got->failures) += v->count;
	}
}

/* All of one row. */
static enum err add_to_row(struct adding *a, size_t at)
{
	size_t size;
	enum err e = read_content(a, a->rows[at], &a->sums[at], &size);

	if (e != E_OK)
		return e;
	a->got[at] = a->rows[at]->r;
	add_sessions(a, at, size);
	return E_OK;
}

static void write_row(struct adding *a, size_t at)
{
	const struct tls_entry *x = a->rows[at];
	char key[TLS_SUMS_KEY_SIZE];
	struct buf value;
	enum err e;

	buf_init(&value, TLS_SUMS_VALUE_SIZE, NULL);
	tls_sum_pack_head(&a->got[at], x->tried_us, x->closed, &value);
	tls_sum_pack(&a->sums[at], &value);
	invariant(!buf_failed(&value));
	e = node_put(a->s->node, NODE_HINTS, tls_sums_key(x->r.id, key), buf_slice(&value),
		     NODE_LAZY);
	/* It is in memory, and in the next flush. */
	if (e != E_OK)
		LOG_SELDOM(LOG_WARN, NULL, "tlsrpt.not_written", LF_ERR("error", e));
	a->bytes[at] = value.n;
	buf_fini(&value);
}

static bool is_first(const struct adding *a, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (a->rows[i] == a->rows[at])
			return false;
	}
	return a->rows[at] != NULL;
}

/* Nothing is written before all is read: then nothing of it can fail any more. */
static void run_add(void *arg)
{
	struct adding *a = arg;

	for (size_t i = 0; a->e == E_OK && i < a->n; i++) {
		if (is_first(a, i))
			a->e = add_to_row(a, i);
	}
	for (size_t i = 0; a->e == E_OK && i < a->n; i++) {
		if (is_first(a, i))
			write_row(a, i);
	}
}

static void take_over(struct adding *a)
{
	for (size_t i = 0; i < a->n; i++) {
		struct tls_entry *x = a->rows[i];

		if (!is_first(a, i) || a->bytes[i] == 0)
			continue;
		a->s->bytes = a->s->bytes - x->bytes + a->bytes[i];
		x->bytes = a->bytes[i];
		x->r.successes = a->got[i].successes;
		x->r.failures = a->got[i].failures;
		x->r.unlisted = a->got[i].unlisted;
	}
}

/* Rows that were made for what was not added: the last ones, since the change is ours. A day's row
 * before is its last one again. */
static void unmake_rows(struct tls_sums *s)
{
	while (s->n != 0 && s->list[s->n - 1]->bytes == 0) {
		struct tls_entry *x = s->list[--s->n], *before = NULL;

		for (size_t i = s->n; i > 0 && before == NULL; i--) {
			struct tls_entry *y = s->list[i - 1];

			if (y->r.day == x->r.day && strcmp(y->domain, x->domain) == 0)
				before = y;
		}
		entry_free(s, x);
		if (before != NULL)
			entry_set_name(s, before);
	}
	metric_set(&m_rows, (int64_t)s->n);
}

WAITS static enum err add_entered(struct adding *a)
{
	int64_t now_us = clock_wall_us();
	enum err e;

	sweep(a->s);
	a->room = a->s->bytes >= a->s->bytes_max ? TLS_SUM_FULL : TLS_SUM_ROOM;
	a->rows = arena_alloc(&a->mem, a->n * sizeof(struct tls_entry *));
	a->got = arena_alloc(&a->mem, a->n * sizeof *a->got);
	a->sums = arena_alloc(&a->mem, a->n * sizeof *a->sums);
	a->bytes = arena_alloc(&a->mem, a->n * sizeof *a->bytes);
	for (size_t i = 0; i < a->n; i++)
		a->rows[i] = row_for(a, &a->v[i], now_us);
	fiber_shield_begin(); /* it works on what is ours */
	e = work_run("tls.add", run_add, a);
	fiber_shield_end();
	if (e == E_OK)
		e = a->e;
	if (e == E_OK) {
		take_over(a);
		lose(a->s, a->lost);
	} else {
		unmake_rows(a->s);
	}
	return e;
}

WAITS enum err tls_sums_add(struct tls_sums *s, const struct tls_sessions *v, size_t n,
			    uint64_t lost)
{
	struct adding a = {.s = s, .v = v, .n = n, .lost = MIN(lost, (uint64_t)UINT32_MAX)};
	enum err e;

	for (size_t i = 0; i < n; i++) {
		if (!tls_sum_may_say(&v[i]))
			return E_INVALID;
	}
	e = tls_sums_enter(s);
	if (e != E_OK)
		return e;
	arena_init(&a.mem, NULL);
	e = add_entered(&a);
	arena_reset(&a.mem);
	tls_sums_leave(s);
	return e;
}

uint64_t tls_sums_lost(const struct tls_sums *s)
{
	return s->lost;
}

/* ---- looking ---- */

const struct tls_row *tls_sums_next(const struct tls_sums *s, uint64_t after)
{
	size_t at = place_above(s, after);

	return at < s->n ? LOAN_STRUCT(&s->list[at]->r) : NULL;
}

struct reading {
	struct node *node;
	uint64_t id;
	struct buf value;
	enum err e;
};

static void run_read(void *arg)
{
	struct reading *r = arg;
	char key[TLS_SUMS_KEY_SIZE];

	r->e = node_get(r->node, NODE_HINTS, tls_sums_key(r->id, key), &r->value);
}

WAITS enum err tls_sums_read(struct tls_sums *s, uint64_t id, struct arena *mem,
			     struct tls_sum *out)
{
	struct reading r = {.node = s->node, .id = id};
	struct tls_row head;
	int64_t tried_us;
	bool closed;
	slice_t in;
	enum err e;

	*out = (struct tls_sum){.n = 0};
	buf_init(&r.value, TLS_SUMS_VALUE_SIZE, NULL);
	fiber_shield_begin();
	e = work_run("tls.read", run_read, &r);
	fiber_shield_end();
	if (e == E_OK)
		e = r.e;
	in = arena_dup(mem, buf_slice(&r.value));
	if (e == E_OK)
		e = tls_sum_unpack_head(&in, &head, &tried_us, &closed, &out->domain);
	if (e == E_OK)
		e = tls_sum_unpack(in, mem, out);
	buf_fini(&r.value);
	return e;
}

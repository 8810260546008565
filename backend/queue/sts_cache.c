/*
 * A row: key "sts/" and the domain; value: version, mode, max_age, fetched, then id and patterns,
 * each with a byte of its length. How many there are, and their bytes, is counted in memory, by one
 * change at a time.
 */
#include "backend/queue/sts_cache.h"

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "common/loop/work.h"
#include "common/parse/idn.h"

#define VERSION   1
#define HEAD      14 /* version, mode, max_age, fetched */
#define PREFIX    SL("sts/")
#define NAME_SIZE 245 /* mta-sts.DOMAIN is a name of DNS, too */
#define KEY_SIZE  (4 + NAME_SIZE)
#define VALUE_MAX (HEAD + 2 + STS_ROW_ID_MAX + STS_ROW_MX_MAX * (STS_ROW_NAME_MAX + 1))
#define SCAN_ROWS 1024          /* of one read transaction */
#define SWEEP_MS  (10 * 60000u) /* between two looks for what is past its time */

METRIC_GAUGE(m_domains, "sts_policies", "MTA-STS policies that are kept");
METRIC_COUNTER(m_refused, "sts_policies_refused_total", "MTA-STS policies for which was no room");

struct sts_cache {
	struct node *node;
	size_t limit_bytes;
	size_t domains, bytes;
	int64_t swept_ms;
	bool busy; /* a change is under way */
	struct waitq free;
};

/* ---- rows ---- */

static void put_short(struct buf *b, slice_t s)
{
	buf_putc(b, (char)s.n);
	buf_put(b, s);
}

static void pack(const struct sts_row *r, struct buf *b)
{
	char head[HEAD] = {VERSION, (char)r->mode};

	be32_put(head + 2, r->max_age_s);
	be64_put(head + 6, (uint64_t)r->fetched_us);
	buf_put(b, slice(head, sizeof head));
	put_short(b, r->id);
	for (size_t i = 0; i < r->n; i++)
		put_short(b, r->mx[i]);
}

static bool take_short(slice_t *in, slice_t *out)
{
	size_t n = in->n != 0 ? (unsigned char)in->p[0] : 0;

	if (in->n < n + 1)
		return false;
	*out = slice_sub(*in, 1, n);
	*in = slice_from(*in, n + 1);
	return true;
}

/* Borrows from the value, but for the list, which is in mem. */
static enum err unpack(slice_t in, struct arena *mem, struct sts_row *out)
{
	*out = (struct sts_row){.mx = arena_alloc(mem, STS_ROW_MX_MAX * sizeof *out->mx)};
	if (in.n < HEAD || in.p[0] != VERSION)
		return E_CORRUPT;
	out->mode = (unsigned char)in.p[1];
	out->max_age_s = be32_get(in.p + 2);
	out->fetched_us = (int64_t)be64_get(in.p + 6);
	in = slice_from(in, HEAD);
	if (!take_short(&in, &out->id))
		return E_CORRUPT;
	while (in.n != 0) {
		if (out->n == STS_ROW_MX_MAX || !take_short(&in, &out->mx[out->n]))
			return E_CORRUPT;
		out->n++;
	}
	return E_OK;
}

/* A clock that went back makes nothing last longer. */
static bool is_over(slice_t value, int64_t now_us)
{
	int64_t fetched_us, max_us;

	if (value.n < HEAD || value.p[0] != VERSION)
		return true;
	fetched_us = (int64_t)be64_get(value.p + 6);
	max_us = (int64_t)be32_get(value.p + 2) * 1000000;
	return fetched_us > now_us || now_us - fetched_us >= max_us;
}

static bool row_ok(const struct sts_row *r)
{
	if (r->mode > STS_ROW_MODE_MAX || r->max_age_s > STS_ROW_AGE_MAX ||
	    r->id.n > STS_ROW_ID_MAX || r->n > STS_ROW_MX_MAX)
		return false;
	for (size_t i = 0; i < r->n; i++) {
		if (r->mx[i].n > STS_ROW_NAME_MAX)
			return false;
	}
	return true;
}

/* A domain has one row: its name is in the one form that names are compared in. */
static enum err key_of(slice_t domain, struct buf *key)
{
	char name[DOMAIN_MAX + 1];

	if (domain.n > NAME_SIZE || domain_normalise(domain, name) != E_OK ||
	    !slice_eq(domain, slice_str(name)))
		return E_INVALID;
	buf_put(key, PREFIX);
	buf_put(key, domain);
	return E_OK;
}

/* ---- on work threads ---- */

struct job {
	struct node *node;
	slice_t key;
	struct buf value;
	enum err e;
	/* Of a scan: */
	int64_t now_us;
	bool sweep; /* removes what is over */
	size_t domains, bytes;
	struct buf last, gone; /* gone: keys, each with a byte of its length */
};

static void run_get(void *arg)
{
	struct job *j = arg;

	j->e = node_get(j->node, NODE_HINTS, j->key, &j->value);
}

static void run_put(void *arg)
{
	struct job *j = arg;

	j->e = node_put(j->node, NODE_HINTS, j->key, buf_slice(&j->value), NODE_SYNCED);
}

static void see_row(void *arg, slice_t key, slice_t value)
{
	struct job *j = arg;

	buf_reset(&j->last);
	buf_put(&j->last, key);
	if (j->sweep && key.n <= KEY_SIZE && is_over(value, j->now_us)) {
		put_short(&j->gone, key);
		return;
	}
	j->domains++;
	j->bytes += key.n + value.n;
}

static enum err remove_gone(struct job *j)
{
	slice_t rest = buf_slice(&j->gone), key;
	enum err e = E_OK;

	while (e == E_OK && rest.n != 0) {
		invariant(take_short(&rest, &key));
		e = node_del(j->node, NODE_HINTS, key, NODE_LAZY);
		if (e == E_NOT_FOUND)
			e = E_OK;
	}
	buf_reset(&j->gone);
	return e;
}

static void run_scan(void *arg)
{
	struct job *j = arg;
	struct buf after;
	size_t n = SCAN_ROWS;

	buf_init(&after, KEY_SIZE, NULL);
	j->e = E_OK;
	while (j->e == E_OK && n == SCAN_ROWS) {
		buf_reset(&after);
		buf_put(&after, buf_slice(&j->last));
		j->e = node_scan(j->node, NODE_HINTS, PREFIX, buf_slice(&after), SCAN_ROWS, see_row,
				 j, &n);
		if (j->e == E_OK)
			j->e = remove_gone(j);
	}
	buf_fini(&after);
}

WAITS static enum err run(struct job *j, void (*fn)(void *arg))
{
	enum err e = work_run("sts.cache", fn, j);

	return e == E_OK ? j->e : e;
}

/* Counts all rows; sweep: without those that are over, which go. */
WAITS static enum err scan(struct sts_cache *c, bool sweep)
{
	struct job j = {.node = c->node, .sweep = sweep, .now_us = clock_wall_us()};
	enum err e;

	buf_init(&j.last, KEY_SIZE, NULL);
	buf_init(&j.gone, (size_t)SCAN_ROWS * (KEY_SIZE + 1), NULL);
	e = run(&j, run_scan);
	buf_fini(&j.last);
	buf_fini(&j.gone);
	if (e != E_OK)
		return e;
	c->domains = j.domains;
	c->bytes = j.bytes;
	c->swept_ms = clock_mono_ms();
	metric_set(&m_domains, (int64_t)c->domains);
	return E_OK;
}

/* ---- the cache ---- */

WAITS enum err sts_cache_open(struct node *n, size_t limit_bytes, struct sts_cache **out)
{
	struct sts_cache *c = xcalloc(1, sizeof *c);
	enum err e;

	c->node = n;
	c->limit_bytes = limit_bytes != 0 ? limit_bytes : STS_CACHE_BYTES_MAX;
	waitq_init(&c->free);
	e = scan(c, true);
	if (e != E_OK)
		xfree(&c);
	*out = c;
	return e;
}

void sts_cache_close(struct sts_cache **c)
{
	xfree(c);
}

WAITS enum err sts_cache_get(struct sts_cache *c, slice_t domain, struct arena *mem,
			     struct sts_row *out)
{
	struct job j = {.node = c->node};
	struct buf key;
	enum err e;

	buf_init(&key, KEY_SIZE, NULL);
	buf_init(&j.value, VALUE_MAX, NULL);
	e = key_of(domain, &key);
	j.key = buf_slice(&key);
	if (e == E_OK)
		e = run(&j, run_get);
	if (e == E_OK && is_over(buf_slice(&j.value), clock_wall_us()))
		e = E_NOT_FOUND;
	if (e == E_OK)
		e = unpack(arena_dup(mem, buf_slice(&j.value)), mem, out);
	buf_fini(&key);
	buf_fini(&j.value);
	return e;
}

/* The bytes of the domain's row as it is; 0: there is none. */
WAITS static enum err size_now(const struct sts_cache *c, slice_t key, size_t *out)
{
	struct job j = {.node = c->node, .key = key};
	enum err e;

	buf_init(&j.value, VALUE_MAX, NULL);
	e = run(&j, run_get);
	*out = e == E_OK ? key.n + j.value.n : 0;
	buf_fini(&j.value);
	return e == E_NOT_FOUND ? E_OK : e;
}

static bool has_room(const struct sts_cache *c, size_t old, size_t size)
{
	return (old != 0 || c->domains < STS_CACHE_DOMAINS_MAX) &&
	       (size <= old || c->bytes - old + size <= c->limit_bytes);
}

/* What is over makes room, but is not looked for at every refusal. A row takes the place of its
 * last one however full it is: nobody can keep a policy from being renewed. */
WAITS static enum err put_row(struct sts_cache *c, struct job *j)
{
	size_t size = j->key.n + j->value.n, old;
	enum err e = size_now(c, j->key, &old);

	if (e == E_OK && !has_room(c, old, size) && clock_mono_ms() - c->swept_ms >= SWEEP_MS) {
		e = scan(c, true);
		if (e == E_OK)
			e = size_now(c, j->key, &old);
	}
	if (e == E_OK && !has_room(c, old, size)) {
		metric_add(&m_refused, 1);
		e = E_LIMIT;
	}
	if (e == E_OK)
		e = run(j, run_put);
	if (e != E_OK)
		return e;
	c->domains += old == 0;
	c->bytes = c->bytes - old + size;
	metric_set(&m_domains, (int64_t)c->domains);
	return E_OK;
}

WAITS enum err sts_cache_put(struct sts_cache *c, slice_t domain, const struct sts_row *row)
{
	struct job j = {.node = c->node};
	struct sts_row r = *row;
	struct buf key;
	enum err e;

	if (!row_ok(row))
		return E_INVALID;
	while (c->busy) {
		e = waitq_wait(&c->free, "sts.cache", NO_DEADLINE);
		if (e != E_OK)
			return e;
	}
	c->busy = true;
	r.fetched_us = clock_wall_us();
	buf_init(&key, KEY_SIZE, NULL);
	buf_init(&j.value, VALUE_MAX, NULL);
	e = key_of(domain, &key);
	j.key = buf_slice(&key);
	pack(&r, &j.value);
	if (e == E_OK)
		e = put_row(c, &j);
	buf_fini(&key);
	buf_fini(&j.value);
	c->busy = false;
	waitq_wake_one(&c->free);
	return e;
}

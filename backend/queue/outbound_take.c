/*
 * Work for the workers: what the scheduler gives is read from the store on a work thread, put
 * together into transactions, and leased.
 */
#include "backend/queue/outbound_priv.h"

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/work.h"

/* Of a batch; what is beyond is read by its worker. */
#define INLINE_ALL       (4u << 20)
#define PASSWORD_WAIT_US (60 * 1000000LL) /* before a relay's password is looked for again */

enum err outbound_worker_new(struct outbound *o, const struct rpc_identity *peer,
			     struct outbound_worker **out)
{
	struct outbound_worker *w = xcalloc(1, sizeof *w);
	enum err e;

	*w = (struct outbound_worker){
		.o = o, .peer = *peer, .number = ++o->workers, .stored_max = OUTBOUND_INLINE_MAX};
	outbound_worker_pools(w);
	e = sched_worker_here(o->sched, w->number);
	if (e == E_OK)
		list_append(&o->here, &w->node);
	else
		xfree(&w);
	*out = w;
	return e;
}

uint32_t outbound_worker_number(const struct outbound_worker *w)
{
	return w->number;
}

void outbound_worker_follow(struct outbound_worker *w, uint32_t max)
{
	w->stored_max = MAX(MIN(max, OUTBOUND_FOLLOW_MAX), OUTBOUND_INLINE_MAX);
}

void outbound_worker_free(struct outbound_worker **pw)
{
	struct outbound_worker *w = *pw;
	struct outbound_gone *g;

	if (w == NULL)
		return;
	list_remove(&w->node);
	g = xcalloc(1, sizeof *g);
	g->worker = w->number;
	g->until_ms = deadline_in(OUTBOUND_GRACE_MS);
	list_append(&w->o->gone, &g->node);
	outbound_wake(w->o);
	outbound_turn_free(w);
	xfree(pw);
}

static void gone_free(struct outbound_gone *g)
{
	list_remove(&g->node);
	xfree(&g);
}

int64_t outbound_forget_gone(struct outbound *o)
{
	list_for_each_safe(i, &o->gone) {
		struct outbound_gone *g = list_entry(i, struct outbound_gone, node);

		if (g->until_ms > clock_mono_ms())
			return g->until_ms;
		sched_worker_gone(o->sched, g->worker, clock_wall_us());
		outbound_came_back(o);
		gone_free(g);
	}
	return NO_DEADLINE;
}

void outbound_gone_fini(struct outbound *o)
{
	list_for_each_safe(i, &o->gone)
		gone_free(list_entry(i, struct outbound_gone, node));
}

/* ---- reading ---- */

struct taking {
	struct outbound *o;
	struct sched_pick picks[OUTBOUND_BATCH_MAX];
	struct due_item items[OUTBOUND_BATCH_MAX]; /* id 0: not there */
	bool off[OUTBOUND_BATCH_MAX]; /* not now: its partition, or reading it, fails */
	struct msg_record records[OUTBOUND_BATCH_MAX];
	slice_t stored[OUTBOUND_BATCH_MAX];
	size_t n;
	slice_t destination;
	uint32_t connections, idle;
	struct arena *mem;
	struct buf bytes;
	size_t inlined;
	uint32_t stored_max;
	int64_t leased_us;
	enum err result; /* of the last that failed */
};

static bool same_tx(const struct taking *t, size_t i, size_t k)
{
	return t->picks[i].tx == t->picks[k].tx &&
	       t->picks[i].key.partition == t->picks[k].key.partition &&
	       t->items[i].record_no == t->items[k].record_no;
}

static enum err read_stored(struct taking *t, size_t i, struct partition *part)
{
	const struct msg_record *r = &t->records[i];
	struct msg_span span;
	enum err e;

	if (r->nblocks == 0 || r->stored_size > t->stored_max ||
	    t->inlined + r->stored_size > INLINE_ALL)
		return E_OK;
	span = msg_span_blocks(r, 0, r->nblocks - 1);
	buf_reset(&t->bytes);
	(void)buf_expect(&t->bytes, r->stored_size);
	e = msg_read(part, &span, 1, &t->bytes);
	t->stored[i] = arena_dup(t->mem, buf_slice(&t->bytes));
	t->inlined += t->stored[i].n;
	return e;
}

static enum err read_one(struct taking *t, size_t i)
{
	struct partition *part = t->o->parts[t->picks[i].key.partition].part;
	enum err e;

	buf_reset(&t->bytes);
	e = due_get(part, t->picks[i].key.item, &t->items[i], &t->bytes);
	if (e == E_NOT_FOUND)
		t->items[i].id = 0;
	if (e != E_OK)
		return e == E_NOT_FOUND ? E_OK : e;
	t->items[i].payload = arena_dup(t->mem, t->items[i].payload);
	if (i != 0 && t->items[i - 1].id != 0 && same_tx(t, i - 1, i)) {
		t->records[i] = t->records[i - 1];
		t->stored[i] = t->stored[i - 1];
		return E_OK;
	}
	if (t->items[i].record_no == 0) /* an alert */
		return E_OK;
	e = msg_record(part, t->items[i].record_no, t->mem, &t->records[i]);
	return e == E_OK ? read_stored(t, i, part) : e;
}

static void run_read(void *arg)
{
	struct taking *t = arg;

	t->result = E_OK;
	for (size_t i = 0; i < t->n; i++) {
		enum err e = t->off[i] ? E_OK : read_one(t, i);

		if (e == E_OK)
			continue;
		t->off[i] = true;
		t->items[i].id = 0;
		t->result = e;
	}
}

/* ---- putting together ---- */

/* What all recipients of a transaction have in common besides their record. */
static bool same_envelope(const struct job *a, const struct job *b)
{
	return a->kind == b->kind && slice_eq(a->sender, b->sender) &&
	       slice_eq(a->prefix, b->prefix) && slice_eq(a->envid, b->envid) && a->ret == b->ret &&
	       a->content == b->content && a->by == b->by && a->by_us == b->by_us &&
	       a->priority == b->priority;
}

static struct outbound_job *new_job(const struct outbound_worker *w, const struct taking *t,
				    struct outbound_batch *out, size_t i, const struct job *first)
{
	struct outbound_job *j = &out->jobs[out->n++];
	size_t part = t->picks[i].key.partition;

	*j = (struct outbound_job){
		.destination = t->destination,
		.connections = t->connections,
		.idle = t->idle,
		.jobs = arena_alloc(&out->mem, (t->n - i) * sizeof *j->jobs),
		.record = t->records[i],
		.stored = t->stored[i],
		.bytes = first->prefix.n + first->sender.n + LEASE_TOKEN_MAX +
			 (t->stored[i].n <= OUTBOUND_INLINE_MAX ? t->stored[i].n : 0),
		.lease = {.partition = partition_id(w->o->parts[part].part),
			  .record_no = t->items[i].record_no,
			  .leased_us = t->leased_us},
	};
	memcpy(j->lease.frontend, w->peer.name, sizeof j->lease.frontend);
	return j;
}

/* What a recipient takes of the job's frame, about. */
static size_t recipient_bytes(const struct job *job)
{
	return job->address.n + job->orcpt.n + job->last_error.n + job->remote.n + 64;
}

/* Our name and our address: the route's before the virtual server's. */
static void set_identity(const struct outbound_worker *w, const struct way *way, struct arena *mem,
			 struct outbound_job *j, struct dir_route *r)
{
	const struct queue_server *sv = way->server;

	r->helo = arena_dup(mem, way->route.helo);
	r->source4 = arena_dup(mem, way->route.source4);
	r->source6 = arena_dup(mem, way->route.source6);
	if (sv != NULL && r->helo.n == 0)
		r->helo = arena_dup(mem, slice_str(sv->helo));
	if (sv == NULL || sv->nsources == 0 || way_has_source(way))
		return;
	r->source4 = queue_server_source(sv, w->peer.name, 4, mem);
	r->source6 = queue_server_source(sv, w->peer.name, 6, mem);
	j->sources_only = true;
}

/* The route of a transaction, and what else of the way its worker has to know. */
static enum err set_way(const struct outbound_worker *w, const struct way *way,
			const struct job *job, struct arena *mem, struct outbound_job *j)
{
	struct dir_route *r;

	j->mail_from = way_masquerade(job->sender, buf_slice(&w->o->masquerade), mem);
	/* Who fetches what is held has told where it goes: over his connection. */
	if (!way_is_special(way) || way->kind == WAY_HOLD)
		return E_OK;
	r = arena_new(mem, struct dir_route);
	r->action = way->routed ? way_action(way) : DIR_ROUTE_MX;
	j->target = job->route.n != 0 ? job->route : way->domain;
	j->route = r;
	set_identity(w, way, mem, j, r);
	if (!way->routed || way->direct)
		return E_OK;
	r->tls = way->route.tls;
	r->user = arena_dup(mem, way->route.user);
	if (r->action != DIR_ROUTE_MX)
		j->target = arena_dup(mem, way->route.target);
	r->auth = way->route.auth;
	if (r->auth == DIR_ROUTE_AUTH_GSSAPI) {
		j->lease.route = way->route.id;
		return E_OK;
	}
	return r->user.n != 0 ? dir_route_password(w->o->deliver->dir, &way->route, &j->password)
			      : E_OK;
}

static void put_recipient(struct outbound_job *j, uint64_t item, const struct job *job)
{
	j->bytes += recipient_bytes(job);
	j->lease.kind = job->kind == JOB_NOTICE ? LEASE_NOTICE : LEASE_SEND;
	memcpy(j->lease.trace_id, job->trace_id, sizeof j->lease.trace_id);
	j->lease.tells_success |= (job->notify & NOTIFY_SUCCESS) != 0 || job->by != 0;
	j->lease.items[j->lease.n++] = item;
	j->jobs[j->n++] = *job;
}

/* An item that is not there any more, or is none of the way out's. */
static void forget(const struct taking *t, size_t i)
{
	if (t->items[i].id != 0)
		LOG(LOG_ERROR, NULL, "queue.bad_item", LF_UINT("item", t->items[i].id));
	if (sched_remove(t->o->sched, t->picks[i].key) != E_OK)
		LOG(LOG_DEBUG, NULL, "queue.forgotten", LF_UINT("item", t->picks[i].key.item));
}

/* Not now, and not to there. */
static void put_back(const struct taking *t, size_t i, uint32_t worker, const struct job *job)
{
	struct sched_result back = {.outcome = SCHED_BACK, .leased_us = t->leased_us};
	struct sched_key key = t->picks[i].key;

	(void)sched_done(t->o->sched, key, worker, clock_wall_us(), &back);
	outbound_place(t->o, key, job);
}

/* Nobody gets the i-th of what was picked for so long. */
static void put_off(const struct taking *t, size_t i, uint32_t worker, int64_t wait_us)
{
	struct sched_result off = {.outcome = SCHED_OFF, .leased_us = t->leased_us};

	off.next_us = clock_wall_us() + wait_us;
	(void)sched_done(t->o->sched, t->picks[i].key, worker, clock_wall_us(), &off);
}

/* Another node has to seal the relay's password for this one: a moment after it was set. */
static void wait_for_password(const struct taking *t, struct outbound_job *j, uint32_t worker)
{
	LOG_SELDOM(LOG_WARN, NULL, "route.no_password", LF_SLICE("destination", t->destination));
	outbound_put_off(t->o, j, worker, PASSWORD_WAIT_US);
}

/* All jobs of a batch were put together, all with their ways; those that have to wait leave. */
static void leave_out(const struct outbound_worker *w, const struct taking *t,
		      struct outbound_batch *out, const bool *waits)
{
	size_t n = 0;

	for (size_t i = 0; i < out->n; i++) {
		if (waits[i])
			wait_for_password(t, &out->jobs[i], w->number);
		else
			out->jobs[n++] = out->jobs[i];
	}
	out->n = n;
}

/* The way out's; only an alert is about no message. */
static bool is_sound(const struct job *j, uint64_t record_no)
{
	return j->kind == JOB_NOTICE ? record_no != 0 || j->action == JOB_ALERT
				     : j->kind == JOB_OUTSIDE && record_no != 0;
}

static void put_together(const struct outbound_worker *w, const struct taking *t,
			 struct outbound_batch *out)
{
	bool waits[OUTBOUND_BATCH_MAX] = {false};
	struct outbound_job *j = NULL;
	size_t last = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct way way = {.kind = WAY_DNS};
		struct job job;

		if (t->off[i]) {
			put_off(t, i, w->number, OUTBOUND_FAILED_US);
			continue;
		}
		if (t->items[i].id == 0 ||
		    job_unpack(t->items[i].payload, &out->mem, &job) != E_OK ||
		    !is_sound(&job, t->items[i].record_no)) {
			forget(t, i);
			continue;
		}
		/* Its way is decided now, so that a change applies at once. */
		if (!slice_eq(outbound_destination(t->o, &job, &way), t->destination)) {
			put_back(t, i, w->number, &job);
			continue;
		}
		if (j == NULL || !same_tx(t, last, i) || !same_envelope(&j->jobs[0], &job) ||
		    j->lease.n == LEASE_ITEMS_MAX ||
		    j->bytes + recipient_bytes(&job) > OUTBOUND_JOB_BYTES_MAX) {
			j = new_job(w, t, out, i, &job);
			j->refused = way.kind == WAY_REJECT ? arena_dup(&out->mem, way.route.target)
							    : SLICE_NONE;
			waits[out->n - 1] = set_way(w, &way, &job, &out->mem, j) != E_OK;
			outbound_demand(t->o, &out->mem, j);
			j->bytes += j->tls.peers.n;
		}
		put_recipient(j, t->items[i].id, &job);
		last = i;
	}
	leave_out(w, t, out, waits);
}

/* ---- taking ---- */

WAITS static enum err await_opening(const struct outbound *o, struct waitq *q)
{
	while (clock_mono_ms() < o->open_ms) {
		if (waitq_wait(q, "outbound.opening", o->open_ms) == E_CANCELLED)
			return E_CANCELLED;
	}
	return E_OK;
}

static enum err taken(struct taking *t, enum err e, const struct sched_batch *b)
{
	if (e != E_OK)
		return e;
	t->n = b->n;
	t->leased_us = b->leased_us;
	t->connections = MAX(b->connections, b->idle);
	t->idle = b->idle;
	t->destination = arena_dup(t->mem, b->destination);
	return E_OK;
}

static enum err pick_any(struct outbound_worker *w, struct sched_pick *picks, struct sched_batch *b)
{
	struct sched_pools pools = {w->pools, w->npools};

	return sched_pick_of(w->o->sched, w->number, clock_wall_us(), &pools, OUTBOUND_BATCH_MAX,
			     picks, b);
}

WAITS static enum err pick(struct outbound_worker *w, struct taking *t)
{
	struct sched_batch b;
	enum err e = await_opening(w->o, &w->o->takers);

	if (e != E_OK)
		return e;
	if (w->turn != NULL)
		return taken(t, outbound_turn_pick(w, t->picks, &b), &b);
	while ((e = pick_any(w, t->picks, &b)) == E_NOT_FOUND) {
		/* What was put to sleep just now wakes before the fiber would look. */
		if (sched_next_us(w->o->sched) < w->o->look_us)
			outbound_wake(w->o);
		e = waitq_wait(&w->o->takers, "outbound.work", NO_DEADLINE);
		if (e != E_OK)
			return e;
	}
	return taken(t, e, &b);
}

/* Reads what was picked, on a thread. E_CANCELLED. */
WAITS static enum err read_picked(const struct outbound_worker *w, struct taking *t)
{
	enum err e;

	for (size_t i = 0; i < t->n; i++)
		t->off[i] = !outbound_keeps_results(w->o, t->picks[i].key.partition);
	e = work_run("outbound.take", run_read, t);
	if (e == E_OK && t->result != E_OK)
		LOG(LOG_WARN, NULL, "queue.take_failed", LF_ERR("error", t->result));
	if (e == E_OK || e == E_CANCELLED)
		return e;
	LOG_SELDOM(LOG_WARN, NULL, "queue.take_waits", LF_ERR("error", e));
	for (size_t i = 0; i < t->n; i++)
		put_off(t, i, w->number, OUTBOUND_BUSY_US);
	t->n = 0;
	return E_OK;
}

WAITS enum err outbound_take(struct outbound_worker *w, struct outbound_batch *out)
{
	struct taking *t = xcalloc(1, sizeof *t);
	enum err e;

	arena_init(&out->mem, NULL);
	out->n = 0;
	t->o = w->o;
	t->mem = &out->mem;
	t->stored_max = w->stored_max;
	buf_init(&t->bytes, STORE_PAYLOAD_MAX + OUTBOUND_FOLLOW_MAX, NULL);
	e = pick(w, t);
	if (e == E_OK)
		e = read_picked(w, t);
	if (e == E_OK) {
		put_together(w, t, out);
		outbound_refuse(w, out);
		outbound_address(w, out);
	}
	buf_fini(&t->bytes);
	xfree(&t);
	return e;
}

void outbound_batch_fini(struct outbound_batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		secret_clear(&b->jobs[i].password);
	arena_reset(&b->mem);
	b->n = 0;
}

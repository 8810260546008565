/* The state of every node. Each back-end tells of itself, its partitions, and the workers that
 * report to it; the asked one puts it together, since workers report to several. */
#include "backend/rpc/m_admin.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/rpc/peer_call.h"
#include "backend/rpc/rpc_server.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/rpc/walk.h"
#include "proto/method.pb-c.h"

#define ASK_MS    10000
#define SILENT_MS 15000 /* workers report every few seconds */

/* Rows of the whole answer; they lie in the call's arena. */
struct rows {
	ProtobufCMessage **v;
	size_t n, cap;
};

struct status {
	struct mcall *c;
	struct rows backends, workers, partitions;
	struct diag diag;
};

static void add_row(struct rows *r, ProtobufCMessage *m)
{
	if (r->n == r->cap) {
		r->cap = MAX(2 * r->cap, (size_t)64);
		r->v = xrealloc(r->v, r->cap * sizeof(*r->v));
	}
	r->v[r->n++] = m;
}

static void status_fini(struct status *s)
{
	xfree(&s->backends.v);
	xfree(&s->workers.v);
	xfree(&s->partitions.v);
}

/* ---- this back-end ---- */

/* Resident, from the second number of statm. */
static uint64_t memory_bytes(void)
{
	char text[128];
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
	slice_t s = n > 0 ? slice(text, (size_t)n) : SLICE_NONE;
	uint64_t pages = 0;

	if (fd >= 0)
		close(fd);
	s = slice_from(s, slice_find_char(s, ' ') + 1);
	if (!num_parse(slice_sub(s, 0, slice_find_char(s, ' ')), UINT32_MAX, &pages))
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void count_link(const struct rpc_peer_info *info UNUSED, void *arg)
{
	++*(uint64_t *)arg;
}

static void add_self(struct status *s)
{
	struct mcall *c = s->c;
	Postern__AdminBackendStatus *m = arena_new(&c->mem, Postern__AdminBackendStatus);
	struct dir_node node;
	struct dir_status st;

	postern__admin_backend_status__init(m);
	dir_get_status(c->be->dir, &st);
	m->backend = arena_str(&c->mem, slice_str(dir_node_name(c->be->dir)));
	m->state = arena_str(&c->mem, SL("up"));
	m->version = arena_str(&c->mem, SL(POSTERN_VERSION));
	m->since_us = c->be->started_us;
	m->sessions = sessions_count(auth_sessions(c->be->auth));
	m->memory_bytes = memory_bytes();
	m->partitions = partitions_count(c->be->parts);
	m->directory = arena_str(&c->mem, !st.complete   ? SL("incomplete")
					  : st.connected ? SL("synced")
							 : SL("stale"));
	m->confirmed_us = st.confirmed_us;
	m->directory_error = arena_str(&c->mem, slice_str(st.error));
	m->pid = (uint32_t)getpid();
	rpc_server_links(c->be, count_link, &m->links);
	if (dir_node_get(c->be->dir, slice_str(dir_node_name(c->be->dir)), &node) == E_OK)
		m->address = arena_str(&c->mem, slice_str(node.address));
	add_row(&s->backends, &m->base);
}

struct search {
	const struct rpc_identity *id;
	bool found;
};

static void match_link(const struct rpc_peer_info *info, void *arg)
{
	struct search *s = arg;

	s->found |= info->identity->role == s->id->role &&
		    info->identity->service == s->id->service &&
		    strcmp(info->identity->name, s->id->name) == 0;
}

/* Without a link of its service it is away; with one of a sister's it may only have been silent. */
static slice_t worker_state(const struct be *be, const struct node_info *info, int64_t silent_ms)
{
	struct search s = {.id = &info->id};

	rpc_server_links(be, match_link, &s);
	if (!s.found)
		return SL("away");
	return silent_ms > SILENT_MS ? SL("silent") : SL("up");
}

static void add_worker(const struct node_info *info, void *arg)
{
	struct status *s = arg;
	struct arena *mem = &s->c->mem;
	Postern__AdminWorkerStatus *m = arena_new(mem, Postern__AdminWorkerStatus);
	int64_t silent_ms = clock_mono_ms() - info->heard_ms;

	postern__admin_worker_status__init(m);
	m->frontend = arena_str(mem, slice_str(info->id.name));
	m->service = arena_str(mem, slice_str(rpc_service_name(info->id.service)));
	m->worker = info->worker;
	m->pid = info->pid;
	m->state = arena_str(mem, worker_state(s->c->be, info, silent_ms));
	m->version = arena_str(mem, slice_str(info->version));
	m->since_us = info->started_us;
	m->sessions = info->sessions;
	m->memory_bytes = info->memory_bytes;
	m->heard_us = clock_wall_us() - silent_ms * 1000;
	m->listeners = admin_lines(slice_str(info->bound), &m->n_listeners, mem);
	add_row(&s->workers, &m->base);
}

struct stat_job {
	struct partition **parts;
	struct partition_stat *stats;
	enum err *results;
	size_t n;
};

static void read_stats(void *arg)
{
	struct stat_job *j = arg;

	for (size_t i = 0; i < j->n; i++)
		j->results[i] = partition_stat(j->parts[i], &j->stats[i]);
}

static void add_partition(struct status *s, struct partition *part, const struct partition_stat *st,
			  enum err e)
{
	struct arena *mem = &s->c->mem;
	Postern__AdminPartitionStatus *m = arena_new(mem, Postern__AdminPartitionStatus);
	struct dir_partition row;

	postern__admin_partition_status__init(m);
	m->partition = partition_id(part);
	m->backend = arena_str(mem, slice_str(dir_node_name(s->c->be->dir)));
	if (dir_partition_get(s->c->be->dir, m->partition, &row) == E_OK)
		m->epoch = row.epoch;
	m->state = arena_str(mem, e != E_OK     ? slice_str(err_name(e))
				  : st->stopped ? SL("stopped")
				  : st->full    ? SL("full")
						: SL("open"));
	m->seq = st->seq;
	m->accounts = st->accounts;
	m->messages = st->messages;
	m->queue = st->queue_items;
	m->map_bytes = st->map_bytes;
	m->map_used_bytes = st->map_used;
	m->volume_bytes = st->volume_bytes;
	m->live_bytes = st->live_bytes;
	add_row(&s->partitions, &m->base);
}

WAITS static enum err add_partitions(struct status *s)
{
	const struct partitions *all = s->c->be->parts;
	struct arena *mem = &s->c->mem;
	struct stat_job j = {.n = partitions_count(all)};
	enum err e;

	j.parts = arena_alloc(mem, j.n * sizeof(*j.parts));
	j.stats = arena_alloc(mem, j.n * sizeof(*j.stats));
	j.results = arena_alloc(mem, j.n * sizeof(*j.results));
	for (size_t i = 0; i < j.n; i++)
		j.parts[i] = partitions_at(all, i);
	e = mcall_read("admin.status", read_stats, &j);
	for (size_t i = 0; e == E_OK && i < j.n; i++)
		add_partition(s, j.parts[i], &j.stats[i], j.results[i]);
	return e;
}

WAITS static enum err add_local(struct status *s)
{
	add_self(s);
	nodes_each(s->c->be->nodes, add_worker, s);
	return add_partitions(s);
}

WAITS static enum err send_all(struct status *s)
{
	const ProtobufCMessageDescriptor *page = &postern__admin_status_page__descriptor;
	enum err e = admin_send_rows(s->c, page, 0, s->backends.v, s->backends.n);

	if (e == E_OK)
		e = admin_send_rows(s->c, page, 1, s->workers.v, s->workers.n);
	if (e == E_OK)
		e = admin_send_rows(s->c, page, 2, s->partitions.v, s->partitions.n);
	return e;
}

WAITS static enum err send_local(struct mcall *c)
{
	struct status s = {.c = c};
	enum err e = add_local(&s);

	if (e == E_OK)
		e = send_all(&s);
	status_fini(&s);
	return e;
}

WAITS enum err m_peer_status(struct mcall *c)
{
	return admin_local(c, send_local);
}

/* ---- all of them ---- */

WAITS static enum err add_frame(slice_t frame, void *arg)
{
	struct status *s = arg;
	const Postern__AdminStatusPage *m;
	ProtobufCMessage *base;
	enum err e = walk_unpack(&postern__admin_status_page__descriptor, NULL, frame, &s->c->mem,
				 &base, &s->diag);

	if (e != E_OK)
		return e;
	m = (const void *)base;
	for (size_t i = 0; i < m->n_backends; i++)
		add_row(&s->backends, &m->backends[i]->base);
	for (size_t i = 0; i < m->n_workers; i++)
		add_row(&s->workers, &m->workers[i]->base);
	for (size_t i = 0; i < m->n_partitions; i++)
		add_row(&s->partitions, &m->partitions[i]->base);
	return E_OK;
}

static void add_away(struct status *s, const struct dir_node *n)
{
	Postern__AdminBackendStatus *m = arena_new(&s->c->mem, Postern__AdminBackendStatus);

	postern__admin_backend_status__init(m);
	m->backend = arena_str(&s->c->mem, slice_str(n->name));
	m->address = arena_str(&s->c->mem, slice_str(n->address));
	m->state = arena_str(&s->c->mem, SL("away"));
	add_row(&s->backends, &m->base);
}

WAITS static enum err ask_others(struct status *s, struct admin_away *away)
{
	const Postern__AdminStatus request = POSTERN__ADMIN_STATUS__INIT;
	const struct dir *dir = s->c->be->dir;
	enum err e = E_OK;

	for (size_t i = 0; e != E_CANCELLED && i < dir_node_count(dir); i++) {
		struct peer_ask ask = {
			.method = POSTERN__METHOD__METHOD_PEER_STATUS,
			.request = &request.base,
			.deadline_ms = deadline_in(ASK_MS),
			.each = add_frame,
			.arg = s,
		};
		struct dir_node n;
		struct diag d = {""};

		dir_node_at(dir, i, &n);
		if (strcmp(n.name, dir_node_name(dir)) == 0)
			continue;
		e = peer_call(s->c->be->peers, n.name, &ask, &s->c->mem, &d);
		if (e == E_OK)
			continue;
		add_away(s, &n);
		admin_away_add(s->c, away, n.name, e, d.text);
	}
	return e == E_CANCELLED ? e : E_OK;
}

static bool is_away(const struct status *s, const char *backend)
{
	for (size_t i = 0; i < s->backends.n; i++) {
		const Postern__AdminBackendStatus *b = (void *)s->backends.v[i];

		if (strcmp(b->backend, backend) == 0)
			return strcmp(b->state, "away") == 0;
	}
	return true;
}

static slice_t untold_state(const struct status *s, const struct dir_partition *p)
{
	if (p->node[0] == '\0')
		return SL("unowned");
	return is_away(s, p->node) ? SL("away") : SL("closed");
}

/* Partitions that nobody told of: their owner is away, has not opened them, or there is none. */
static void add_untold(struct status *s)
{
	const struct dir *dir = s->c->be->dir;

	for (size_t i = 0; i < dir_partition_count(dir); i++) {
		Postern__AdminPartitionStatus *m;
		struct dir_partition p;
		bool told = false;

		dir_partition_at(dir, i, &p);
		for (size_t k = 0; k < s->partitions.n && !told; k++)
			told = ((const Postern__AdminPartitionStatus *)(void *)s->partitions.v[k])
				       ->partition == p.id;
		if (told)
			continue;
		m = arena_new(&s->c->mem, Postern__AdminPartitionStatus);
		postern__admin_partition_status__init(m);
		m->partition = p.id;
		m->epoch = p.epoch;
		m->backend = arena_str(&s->c->mem, slice_str(p.node));
		m->state = arena_str(&s->c->mem, untold_state(s, &p));
		add_row(&s->partitions, &m->base);
	}
}

static int by_worker(const void *a, const void *b)
{
	const Postern__AdminWorkerStatus *x = *(Postern__AdminWorkerStatus *const *)a;
	const Postern__AdminWorkerStatus *y = *(Postern__AdminWorkerStatus *const *)b;
	int order = strcmp(x->frontend, y->frontend);

	if (order == 0)
		order = strcmp(x->service, y->service);
	if (order == 0)
		order = (x->worker > y->worker) - (x->worker < y->worker);
	/* Heard of later: first. */
	return order != 0 ? order : (x->heard_us < y->heard_us) - (x->heard_us > y->heard_us);
}

static int by_backend(const void *a, const void *b)
{
	const Postern__AdminBackendStatus *x = *(Postern__AdminBackendStatus *const *)a;
	const Postern__AdminBackendStatus *y = *(Postern__AdminBackendStatus *const *)b;

	return strcmp(x->backend, y->backend);
}

static int by_partition(const void *a, const void *b)
{
	const Postern__AdminPartitionStatus *x = *(Postern__AdminPartitionStatus *const *)a;
	const Postern__AdminPartitionStatus *y = *(Postern__AdminPartitionStatus *const *)b;

	return (x->partition > y->partition) - (x->partition < y->partition);
}

static void sort(struct rows *r, int (*order)(const void *, const void *))
{
	if (r->n > 1)
		qsort(r->v, r->n, sizeof(*r->v), order);
}

/* Of each worker what was heard last. */
static void drop_doubles(struct rows *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		const Postern__AdminWorkerStatus *w = (void *)r->v[i];
		const Postern__AdminWorkerStatus *last = n > 0 ? (void *)r->v[n - 1] : NULL;

		if (last == NULL || last->worker != w->worker ||
		    strcmp(last->frontend, w->frontend) != 0 ||
		    strcmp(last->service, w->service) != 0)
			r->v[n++] = r->v[i];
	}
	r->n = n;
}

WAITS enum err m_admin_node_status(struct mcall *c)
{
	struct status s = {.c = c};
	struct admin_away away = {0};
	enum err e = add_local(&s);

	if (e == E_OK)
		e = ask_others(&s, &away);
	if (e == E_OK) {
		add_untold(&s);
		sort(&s.backends, by_backend);
		sort(&s.workers, by_worker);
		drop_doubles(&s.workers);
		sort(&s.partitions, by_partition);
		e = mcall_reply(c, NULL, RPC_BODY);
	}
	if (e == E_OK)
		e = send_all(&s);
	if (e == E_OK)
		e = admin_end(c, &postern__admin_status_page__descriptor, &away);
	status_fini(&s);
	return e;
}

WAITS enum err admin_workers(struct mcall *c, Postern__AdminWorkerStatus ***out, size_t *n_out,
			     struct admin_away *away)
{
	struct status s = {.c = c};
	enum err e;

	nodes_each(c->be->nodes, add_worker, &s);
	e = ask_others(&s, away);
	sort(&s.workers, by_worker);
	drop_doubles(&s.workers);
	*n_out = s.workers.n;
	*out = arena_alloc(&c->mem, (s.workers.n + 1) * sizeof(**out));
	for (size_t i = 0; i < s.workers.n; i++)
		(*out)[i] = (void *)s.workers.v[i];
	status_fini(&s);
	return e;
}

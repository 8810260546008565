/* What waits in the queue: the filter, the list, and all about one item. */
#include "backend/rpc/m_admin_queue.h"

#include "backend/rpc/peer_call.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/utf8.h"
#include "common/rpc/walk.h"
#include "proto/method.pb-c.h"

#include <stdio.h>

#define ASK_MS    60000
#define TRACE_N   sizeof((struct job){0}.trace_id)
#define AGE_MAX_S (100ULL * 366 * 86400) /* beyond it nothing was queued */

/* ---- the filter ---- */

static enum err read_trace(struct mcall *c, const char *text, slice_t *out)
{
	struct buf b;
	enum err e = E_OK;

	if (text[0] == '\0')
		return E_OK;
	buf_init(&b, TRACE_N, NULL);
	if (!hex_decode(&b, slice_str(text)) || buf_failed(&b) || b.n != TRACE_N)
		e = diag_set(&c->diag, E_INVALID, "a trace is %zu hexadecimal digits", 2 * TRACE_N);
	else
		*out = arena_dup(&c->mem, buf_slice(&b));
	buf_fini(&b);
	return e;
}

static enum err read_state(struct mcall *c, Postern__QueueState state, struct queue_filter *out)
{
	static const enum queue_state states[] = {
		[POSTERN__QUEUE_STATE__QUEUE_STATE_READY] = QUEUE_IS_READY,
		[POSTERN__QUEUE_STATE__QUEUE_STATE_WAITING] = QUEUE_IS_WAITING,
		[POSTERN__QUEUE_STATE__QUEUE_STATE_LEASED] = QUEUE_IS_LEASED,
		[POSTERN__QUEUE_STATE__QUEUE_STATE_HELD] = QUEUE_IS_HELD,
		[POSTERN__QUEUE_STATE__QUEUE_STATE_PACED] = QUEUE_IS_PACED,
		[POSTERN__QUEUE_STATE__QUEUE_STATE_DOWN] = QUEUE_IS_DOWN,
		[POSTERN__QUEUE_STATE__QUEUE_STATE_INSIDE] = QUEUE_IS_INSIDE,
		[POSTERN__QUEUE_STATE__QUEUE_STATE_BAD] = QUEUE_IS_BAD,
		[POSTERN__QUEUE_STATE__QUEUE_STATE_NOTICE] = QUEUE_IS_NOTICE,
	};

	if (state == POSTERN__QUEUE_STATE__QUEUE_STATE_NONE)
		return E_OK;
	if ((size_t)state >= ARRAY_LEN(states))
		return diag_set(&c->diag, E_INVALID, "no such state");
	out->states = 1U << states[state];
	/* What the row alone says need not come as far as the loop. */
	if (states[state] == QUEUE_IS_BAD)
		out->kinds = 1U << JOB_BAD;
	else if (states[state] == QUEUE_IS_NOTICE)
		out->kinds = 1U << JOB_NOTICE;
	else if (states[state] == QUEUE_IS_INSIDE)
		out->kinds = 1U << JOB_EXPAND | 1U << JOB_ACCOUNTS;
	return E_OK;
}

/* "" and 0 would be no condition at all, and mean what nobody meant. */
static enum err check_said(struct mcall *c, const Postern__AdminQueueList *m)
{
	const struct {
		const char *name;
		bool is_empty;
	} conditions[] = {
		{"id", m->has_id && m->id[0] == '\0'},
		{"sender", m->has_sender && m->sender[0] == '\0'},
		{"to", m->has_to && m->to[0] == '\0'},
		{"destination", m->has_destination && m->destination[0] == '\0'},
		{"trace", m->has_trace && m->trace[0] == '\0'},
		{"server", m->has_server && m->server[0] == '\0'},
		{"older", m->has_older_s && m->older_s == 0},
		{"larger", m->has_larger_bytes && m->larger_bytes == 0},
		{"limit", m->has_limit && m->limit == 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
		if (conditions[i].is_empty)
			return diag_set(&c->diag, E_INVALID, "%s: the condition is empty",
					conditions[i].name);
	}
	return E_OK;
}

static enum err read_filter(struct mcall *c, const Postern__AdminQueueList *m,
			    struct queue_filter *out)
{
	struct dir_account a;
	enum err e = check_said(c, m);

	*out = (struct queue_filter){
		.sender = slice_str(m->sender),
		.to = slice_str(m->to),
		.destination = slice_str(m->destination),
		.server = slice_str(m->server),
		.larger = m->larger_bytes,
	};
	if (e != E_OK)
		return e;
	if (m->id[0] != '\0' && queue_filter_id(slice_str(m->id), out) != E_OK)
		return diag_set(&c->diag, E_INVALID, "%.60s: an id is PARTITION.NUMBER", m->id);
	if (m->older_s > AGE_MAX_S)
		return diag_set(&c->diag, E_INVALID, "nothing is that old");
	if (m->older_s != 0)
		out->before_us = clock_wall_us() - (int64_t)m->older_s * 1000000;
	if (out->to.n != 0 && out->to.p[0] != '@' &&
	    dir_account_by_name(c->be->dir, out->to, &a) == E_OK)
		out->to_account = a.id;
	e = read_trace(c, m->trace, &out->trace);
	return e == E_OK ? read_state(c, m->state, out) : e;
}

enum err admin_queue_filter(struct mcall *c, const Postern__AdminQueueList *m,
			    struct queue_filter *out)
{
	if (!admin_may_manage(c, m->server))
		return diag_set(&c->diag, E_DENIED, "which server of yours? --server NAME");
	return read_filter(c, m, out);
}

/* ---- the walk ---- */

/* What the scheduler says decides last: only the loop may ask it. */
static void view_page(const struct mcall *c, const struct queue_filter *f,
		      const struct queue_walk *w, uint64_t left, struct admin_queue_page *out)
{
	out->n = 0;
	for (size_t i = 0; i < w->n && out->n < left; i++) {
		struct outbound_view *v = &out->views[out->n];

		if (w->rows[i].readable) {
			outbound_view(c->be->outbound, out->part, &w->rows[i], v);
			if (!queue_filter_state(f, &w->rows[i].job, v->state))
				continue;
		}
		out->rows[out->n++] = &w->rows[i];
	}
}

WAITS static enum err each_of(struct mcall *c, const struct queue_filter *f,
			      struct admin_queue_page *page, uint64_t *left,
			      WAITS admin_queue_fn *fn, void *arg)
{
	struct queue_walk *w = xcalloc(1, sizeof *w);
	enum err e = E_OK;

	queue_walk_init(w, page->part, f);
	while (e == E_OK && w->more && *left != 0) {
		e = queue_walk_next(w);
		if (e != E_OK)
			break;
		view_page(c, f, w, *left, page);
		*left -= page->n;
		if (page->n != 0)
			e = fn(c, page, arg);
	}
	queue_walk_fini(w);
	xfree(&w);
	return e;
}

WAITS enum err admin_queue_each(struct mcall *c, const Postern__AdminQueueList *m,
				WAITS admin_queue_fn *fn, void *arg)
{
	struct admin_queue_page *page = xcalloc(1, sizeof *page);
	uint64_t left = m->limit != 0 ? m->limit : UINT64_MAX;
	struct queue_filter f;
	enum err e = read_filter(c, m, &f);

	for (size_t i = 0; e == E_OK && i < partitions_count(c->be->parts); i++) {
		page->part = partitions_at(c->be->parts, i);
		e = each_of(c, &f, page, &left, fn, arg);
	}
	xfree(&page);
	return e;
}

WAITS enum err admin_queue_closed(struct mcall *c, const ProtobufCMessageDescriptor *page)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(page, "away");
	enum err e = E_OK;

	for (uint32_t id = 0; e == E_OK && admin_next_closed(c->be, &id); id++) {
		Postern__AdminAway away = POSTERN__ADMIN_AWAY__INIT;
		ProtobufCMessage *row = &away.base;
		char why[64];

		snprintf(why, sizeof why, "partition %u is not open", id);
		away.backend = arena_str(&c->mem, slice_str(dir_node_name(c->be->dir)));
		away.why = why;
		e = admin_send_rows(c, page, (unsigned)(f - page->fields), &row, 1);
	}
	return e;
}

/* ---- rows ---- */

char *admin_queue_text(struct arena *mem, slice_t s)
{
	char *copy = arena_str(mem, s);
	bool valid = utf8_valid(s);

	for (size_t i = 0; i < s.n; i++) {
		if (copy[i] == '\0' || (!valid && (copy[i] & 0x80) != 0))
			copy[i] = '?';
	}
	return copy;
}

static char *hex_of(struct arena *mem, const void *bytes, size_t n)
{
	struct buf b;
	char *text;

	buf_init(&b, 2 * n, NULL);
	hex_encode(&b, slice(bytes, n));
	text = arena_str(mem, buf_slice(&b));
	buf_fini(&b);
	return text;
}

static char *id_of(const struct partition *part, uint64_t item, struct arena *mem)
{
	char id[48];

	snprintf(id, sizeof id, "%u.%llu", partition_id(part), (unsigned long long)item);
	return arena_str(mem, slice_str(id));
}

static char *account_name(const struct be *be, uint64_t id, struct arena *mem)
{
	struct dir_account a;
	char text[DIR_ADDRESS_MAX + 32];

	if (dir_account_by_id(be->dir, id, &a) == E_OK)
		snprintf(text, sizeof text, "%s", a.address);
	else
		snprintf(text, sizeof text, "account %llu", (unsigned long long)id);
	return arena_str(mem, slice_str(text));
}

static char *recipient_of(const struct be *be, const struct job *j, struct arena *mem)
{
	char text[48];

	if (j->address.n != 0 || j->naccounts == 0)
		return admin_queue_text(mem, j->address);
	if (j->naccounts == 1)
		return account_name(be, j->accounts[0], mem);
	snprintf(text, sizeof text, "%zu accounts", j->naccounts);
	return arena_str(mem, slice_str(text));
}

static Postern__QueueState state_of(enum queue_state s)
{
	switch (s) {
	case QUEUE_IS_READY:
		return POSTERN__QUEUE_STATE__QUEUE_STATE_READY;
	case QUEUE_IS_WAITING:
		return POSTERN__QUEUE_STATE__QUEUE_STATE_WAITING;
	case QUEUE_IS_LEASED:
		return POSTERN__QUEUE_STATE__QUEUE_STATE_LEASED;
	case QUEUE_IS_HELD:
		return POSTERN__QUEUE_STATE__QUEUE_STATE_HELD;
	case QUEUE_IS_PACED:
		return POSTERN__QUEUE_STATE__QUEUE_STATE_PACED;
	case QUEUE_IS_DOWN:
		return POSTERN__QUEUE_STATE__QUEUE_STATE_DOWN;
	case QUEUE_IS_INSIDE:
		return POSTERN__QUEUE_STATE__QUEUE_STATE_INSIDE;
	case QUEUE_IS_BAD:
		return POSTERN__QUEUE_STATE__QUEUE_STATE_BAD;
	case QUEUE_IS_NOTICE:
	case QUEUE_STATES:
		break;
	}
	return POSTERN__QUEUE_STATE__QUEUE_STATE_NONE;
}

/* The next try: the way out's rows are parked, and say it themselves. */
static int64_t due_of(const struct queue_row *r)
{
	if (r->readable && (r->job.kind == JOB_OUTSIDE || r->job.kind == JOB_NOTICE))
		return r->job.next_us;
	return r->due_us >= QUEUE_PARKED_US ? 0 : r->due_us;
}

static uint64_t age_of(const struct queue_row *r)
{
	int64_t since = r->readable ? r->job.first_us : r->made_us;

	return (uint64_t)MAX(clock_wall_us() - since, (int64_t)0) / 1000000;
}

/* By its own last try, or, before that, by another's at the same destination. */
static struct outcome_try last_found(const struct be *be, const struct partition *part,
				     const struct queue_row *r)
{
	const struct trouble *t = outbound_trouble(be->outbound, part, r->item, &r->job);
	const struct job *j = &r->job;

	if (t == NULL)
		return (struct outcome_try){
			.status = j->status, .text = j->last_error, .remote = j->remote};
	return (struct outcome_try){.status = t->status, .text = t->text, .remote = t->remote};
}

static Postern__AdminQueueItem *pack_item(const struct be *be, const struct admin_queue_page *p,
					  size_t i, struct arena *mem)
{
	Postern__AdminQueueItem *m = arena_new(mem, Postern__AdminQueueItem);
	const struct queue_row *r = p->rows[i];
	const struct outbound_view *v = &p->views[i];
	const struct job *j = &r->job;
	struct outcome_try found;

	postern__admin_queue_item__init(m);
	m->id = id_of(p->part, r->item, mem);
	m->due_us = due_of(r);
	m->made_us = r->made_us;
	m->age_s = age_of(r);
	m->size_bytes = r->size;
	m->partition = partition_id(p->part);
	m->backend = arena_str(mem, slice_str(dir_node_name(be->dir)));
	if (!r->readable) {
		m->kind = arena_str(mem, SL("unreadable"));
		return m;
	}
	m->kind = arena_str(mem, slice_str(job_kind_name(j->kind)));
	m->state = state_of(v->state);
	m->why = arena_str(mem, slice_str(v->why));
	m->until_us = v->until_us;
	m->sender = admin_queue_text(mem, j->sender);
	m->address = recipient_of(be, j, mem);
	m->destination = admin_queue_text(mem, job_destination(j));
	m->attempts = j->attempts;
	found = last_found(be, p->part, r);
	m->status = admin_queue_text(mem, found.status);
	m->last_error = admin_queue_text(mem, found.text);
	m->remote = admin_queue_text(mem, found.remote);
	m->trace = hex_of(mem, j->trace_id, sizeof j->trace_id);
	m->server = admin_queue_text(mem, j->server);
	return m;
}

WAITS static enum err send_items(struct mcall *c, const struct admin_queue_page *p,
				 void *arg UNUSED)
{
	ProtobufCMessage *rows[QUEUE_WALK_ROWS];
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	for (size_t i = 0; i < p->n; i++)
		rows[i] = &pack_item(c->be, p, i, &mem)->base;
	e = admin_send_rows(c, &postern__admin_queue_page__descriptor, 0, rows, p->n);
	arena_reset(&mem);
	return e;
}

WAITS static enum err list_local(struct mcall *c)
{
	enum err e = admin_queue_each(c, (const void *)c->msg, send_items, NULL);

	return e == E_OK ? admin_queue_closed(c, &postern__admin_queue_page__descriptor) : e;
}

WAITS enum err m_admin_queue_list(struct mcall *c)
{
	struct queue_filter f;
	enum err e = admin_queue_filter(c, (const void *)c->msg, &f);

	return e == E_OK ? admin_fan_out(c, &postern__admin_queue_page__descriptor,
					 POSTERN__METHOD__METHOD_PEER_QUEUE_LIST, NULL,
					 deadline_in(ASK_MS), list_local)
			 : e;
}

WAITS enum err m_peer_queue_list(struct mcall *c)
{
	return admin_local(c, list_local);
}

/* ---- one item ---- */

static void fill_accounts(const struct be *be, const struct job *j, Postern__AdminQueueDetail *m,
			  struct arena *mem)
{
	m->n_accounts = MIN(j->naccounts, (size_t)ADMIN_PAGE);
	m->accounts = arena_alloc(mem, (m->n_accounts + 1) * sizeof(*m->accounts));
	for (size_t i = 0; i < m->n_accounts; i++)
		m->accounts[i] = account_name(be, j->accounts[i], mem);
}

/* As the message and its sender have it. */
static void fill_message(const struct be *be, const struct job *j, Postern__AdminQueueDetail *m,
			 struct arena *mem)
{
	m->sender = admin_queue_text(mem, j->sender);
	m->address = recipient_of(be, j, mem);
	fill_accounts(be, j, m, mem);
	m->prefix_bytes = j->prefix.n;
	m->trace = hex_of(mem, j->trace_id, sizeof j->trace_id);
	m->txid = hex_of(mem, j->txid, sizeof j->txid);
	m->origin = admin_queue_text(mem, j->origin);
	m->server = admin_queue_text(mem, j->server);
	m->submitter = j->account != 0 ? account_name(be, j->account, mem) : m->submitter;
	m->notify = job_notify_text(j->notify, mem);
	m->orcpt = admin_queue_text(mem, j->orcpt);
	m->ret = (char *)(uintptr_t)(j->ret == 0 ? "" : j->ret == 1 ? "full" : "hdrs");
	m->envid = admin_queue_text(mem, j->envid);
	m->content = job_content_text(j->content, mem);
	m->priority = j->priority;
	m->depth = j->depth;
	m->junk = j->junk;
}

/* What has become of it so far. */
static void fill_tries(const struct be *be, const struct partition *part, const struct queue_row *r,
		       Postern__AdminQueueDetail *m, struct arena *mem)
{
	struct outcome_try found = last_found(be, part, r);
	const struct job *j = &r->job;

	m->kind = arena_str(mem, slice_str(job_kind_name(j->kind)));
	m->destination = admin_queue_text(mem, job_destination(j));
	m->route = admin_queue_text(mem, j->route);
	m->held = j->held;
	m->first_us = j->first_us;
	m->attempts = j->attempts;
	m->last_us = j->last_us;
	m->status = admin_queue_text(mem, found.status);
	m->last_error = admin_queue_text(mem, found.text);
	m->remote = admin_queue_text(mem, found.remote);
	m->warned = j->warned;
	m->release_us = j->release_us;
	m->by_mode = job_by_text(j->by, mem);
	m->by_us = j->by_us;
	if (j->kind == JOB_NOTICE || j->notice_us != 0)
		m->action = arena_str(mem, slice_str(job_action_name(j->action)));
	m->notice_us = j->notice_us;
}

static void fill_scheduler(const struct be *be, const struct partition *part,
			   const struct queue_row *r, Postern__AdminQueueDetail *m)
{
	struct sched *s = outbound_sched(be->outbound);
	struct sched_destination d;
	struct sched_info info;
	struct sched_key key;

	if (!outbound_key(be->outbound, partition_id(part), r->item, &key) ||
	    sched_get(s, key, clock_wall_us(), &info) != E_OK)
		return;
	m->expire_us = info.item.expire_us != SCHED_NEVER ? info.item.expire_us : 0;
	m->warn_us = info.item.warn_us;
	if (sched_destination_get(s, info.item.destination, &d) != E_OK)
		return;
	m->has_window = true;
	m->window = d.window;
	m->connections = d.connections;
	m->failures = d.failures;
	m->down_until_us = d.down_until_us;
	m->dest_ready = d.ready;
	m->dest_waiting = d.waiting;
	m->dest_leased = d.leased;
	m->dest_held = d.held_items;
}

struct showing {
	Postern__AdminQueueDetail m;
	bool found;
};

WAITS static enum err show_item(struct mcall *c, const struct admin_queue_page *p, void *arg)
{
	struct showing *s = arg;
	const struct queue_row *r = p->rows[0];
	const struct outbound_view *v = &p->views[0];

	s->found = true;
	s->m.id = id_of(p->part, r->item, &c->mem);
	s->m.backend = arena_str(&c->mem, slice_str(dir_node_name(c->be->dir)));
	s->m.made_us = r->made_us;
	s->m.age_s = age_of(r);
	s->m.due_us = due_of(r);
	s->m.size_bytes = r->size;
	s->m.record = r->record_no;
	s->m.kind = arena_str(&c->mem, SL("unreadable"));
	if (!r->readable)
		return E_OK;
	s->m.state = state_of(v->state);
	s->m.why = arena_str(&c->mem, slice_str(v->why));
	s->m.until_us = v->until_us;
	s->m.leased_us = v->since_us;
	s->m.has_worker = v->worker != SCHED_SELF;
	s->m.worker = v->worker;
	fill_message(c->be, &r->job, &s->m, &c->mem);
	fill_tries(c->be, p->part, r, &s->m, &c->mem);
	fill_scheduler(c->be, p->part, r, &s->m);
	return E_OK;
}

/* One of another's server is not there, either: for an operator. */
static enum err no_item(struct mcall *c)
{
	const Postern__AdminQueueId *m = (const void *)c->msg;

	return diag_set(&c->diag, E_NOT_FOUND, "there is no item %s", m->id);
}

WAITS static enum err show_local(struct mcall *c)
{
	const Postern__AdminQueueId *m = (const void *)c->msg;
	Postern__AdminQueueList ask = POSTERN__ADMIN_QUEUE_LIST__INIT;
	struct showing s = {.m = POSTERN__ADMIN_QUEUE_DETAIL__INIT};
	enum err e;

	ask.id = m->id;
	e = admin_queue_each(c, &ask, show_item, &s);
	if (e != E_OK)
		return e;
	if (!s.found || !admin_may_manage(c, s.m.server))
		return no_item(c);
	return mcall_reply(c, &s.m.base, RPC_NO_BODY);
}

WAITS static enum err show_at(struct mcall *c, const char *backend)
{
	struct peer_ask ask = {
		.method = POSTERN__METHOD__METHOD_PEER_QUEUE_SHOW,
		.request = c->msg,
		.deadline_ms = deadline_in(ASK_MS),
	};
	ProtobufCMessage *reply;
	enum err e = peer_call(c->be->peers, backend, &ask, &c->mem, &c->diag);

	if (e == E_OK)
		e = walk_unpack(&postern__admin_queue_detail__descriptor, NULL, ask.payload,
				&c->mem, &reply, &c->diag);
	if (e == E_OK && !admin_may_manage(c, ((Postern__AdminQueueDetail *)reply)->server))
		e = no_item(c);
	return e == E_OK ? mcall_reply(c, reply, RPC_NO_BODY) : e;
}

WAITS enum err m_admin_queue_show(struct mcall *c)
{
	const Postern__AdminQueueId *m = (const void *)c->msg;
	struct queue_filter f = {0};
	struct dir_partition p;

	if (queue_filter_id(slice_str(m->id), &f) != E_OK)
		return diag_set(&c->diag, E_INVALID, "%.60s: an id is PARTITION.NUMBER", m->id);
	if (dir_partition_get(c->be->dir, f.partition, &p) != E_OK)
		return diag_set(&c->diag, E_NOT_FOUND, "there is no partition %u", f.partition);
	if (!dir_owns(c->be->dir, f.partition))
		return show_at(c, p.node);
	if (partitions_get(c->be->parts, f.partition) == NULL)
		return diag_set(&c->diag, E_RETRY, "partition %u is not open", f.partition);
	return show_local(c);
}

WAITS enum err m_peer_queue_show(struct mcall *c)
{
	return show_local(c);
}

/* Orders for what waits in the queue: hold, release, retry, remove, bounce, reroute, requeue. */
#include "backend/rpc/m_admin_queue.h"

#include <stdio.h>

#include "backend/directory/dir_route.h"
#include "common/net/ipaddr.h"
#include "proto/method.pb-c.h"

#define EDIT_MS 600000 /* of each other back-end */

/* ---- the order ---- */

/* HOST, HOST:PORT, [HOST] or [HOST]:PORT, as the way out takes it: in brackets. An IPv6 address
 * with a port needs its own. */
static enum err read_route(struct mcall *c, slice_t via, slice_t *out)
{
	size_t host = slice_find_char(via, ':');
	struct ipaddr addr;
	struct buf typed, b;
	enum err e;

	if (slice_eq(via, SL("none")))
		return E_OK;
	buf_init(&typed, via.n + 2, NULL);
	buf_init(&b, SCHED_NAME_MAX, NULL);
	if (ipaddr_parse(via, &addr))
		host = via.n;
	if (slice_starts(via, SL("["))) {
		buf_put(&typed, via);
	} else {
		buf_printf(&typed, "[%.*s]", (int)host, via.p);
		buf_put(&typed, slice_from(via, host));
	}
	e = dir_route_host_form(buf_slice(&typed), &b, &c->diag);
	if (e == E_OK && buf_failed(&b))
		e = diag_set(&c->diag, E_INVALID, "the host's name is too long");
	*out = arena_dup(&c->mem, buf_slice(&b));
	buf_fini(&b);
	buf_fini(&typed);
	return e;
}

static enum err read_action(struct mcall *c, Postern__QueueAction action, enum queue_action *out)
{
	static const enum queue_action actions[] = {
		[POSTERN__QUEUE_ACTION__QUEUE_ACTION_HOLD] = QUEUE_ACT_HOLD,
		[POSTERN__QUEUE_ACTION__QUEUE_ACTION_RELEASE] = QUEUE_ACT_RELEASE,
		[POSTERN__QUEUE_ACTION__QUEUE_ACTION_RETRY] = QUEUE_ACT_RETRY,
		[POSTERN__QUEUE_ACTION__QUEUE_ACTION_REMOVE] = QUEUE_ACT_DROP,
		[POSTERN__QUEUE_ACTION__QUEUE_ACTION_BOUNCE] = QUEUE_ACT_BOUNCE,
		[POSTERN__QUEUE_ACTION__QUEUE_ACTION_REROUTE] = QUEUE_ACT_REROUTE,
		[POSTERN__QUEUE_ACTION__QUEUE_ACTION_REQUEUE] = QUEUE_ACT_REQUEUE,
	};

	if (action == POSTERN__QUEUE_ACTION__QUEUE_ACTION_NONE ||
	    (size_t)action >= ARRAY_LEN(actions))
		return diag_set(&c->diag, E_INVALID, "no such order");
	*out = actions[action];
	return E_OK;
}

static enum err read_order(struct mcall *c, const Postern__AdminQueueEdit *m,
			   struct queue_order *out)
{
	struct queue_filter f;
	enum err e;

	*out = (struct queue_order){.who = slice_str(m->by)};
	if (m->items == NULL)
		return diag_set(&c->diag, E_INVALID, "no filter");
	e = admin_queue_filter(c, m->items, &f);
	if (e == E_OK && !m->all && queue_filter_is_all(&f))
		e = diag_set(&c->diag, E_INVALID, "which items? a filter, or all");
	if (e == E_OK)
		e = read_action(c, m->action, &out->action);
	if (e == E_OK)
		e = admin_check_line(c, "the reason", slice_str(m->reason), QUEUE_REASON_MAX);
	out->reason = slice_str(m->reason);
	if (e == E_OK && (out->action == QUEUE_ACT_REROUTE) != (m->via[0] != '\0'))
		e = diag_set(&c->diag, E_INVALID, "where to is for rerouting, and needed there");
	return e == E_OK && m->via[0] != '\0' ? read_route(c, slice_str(m->via), &out->route) : e;
}

/* ---- doing it ---- */

struct editing {
	struct queue_order order;
	struct queue_filter filter;
	struct queue_done done;
};

WAITS static enum err edit_page(struct mcall *c, const struct admin_queue_page *p, void *arg)
{
	struct editing *ed = arg;
	uint64_t items[QUEUE_WALK_ROWS];

	for (size_t i = 0; i < p->n; i++)
		items[i] = p->rows[i]->item;
	return outbound_order(c->be->outbound, p->part, &ed->order, items, p->n, &ed->done);
}

/* What was done before a failure is told, too: the answer has begun. */
WAITS static enum err edit_local(struct mcall *c)
{
	const Postern__AdminQueueEdit *m = (const void *)c->msg;
	Postern__AdminQueueEdited row = POSTERN__ADMIN_QUEUE_EDITED__INIT;
	ProtobufCMessage *rows[] = {&row.base};
	struct editing ed = {0};
	enum err e = read_order(c, m, &ed.order), sent;

	if (e == E_OK)
		e = admin_queue_filter(c, m->items, &ed.filter);
	ed.order.filter = &ed.filter;
	if (e == E_OK)
		e = admin_queue_each(c, m->items, edit_page, &ed);
	row.backend = arena_str(&c->mem, slice_str(dir_node_name(c->be->dir)));
	row.done = ed.done.done;
	row.busy = ed.done.busy;
	row.unfit = ed.done.unfit;
	sent = admin_send_rows(c, &postern__admin_queue_edited_page__descriptor, 0, rows, 1);
	if (e == E_OK && sent == E_OK)
		e = admin_queue_closed(c, &postern__admin_queue_edited_page__descriptor);
	return e == E_OK ? sent : e;
}

/* "sender=a@b.example state=held": what was asked for, for the audit. */
static slice_t target_of(struct mcall *c, const Postern__AdminQueueEdit *m)
{
	const Postern__AdminQueueList *f = m->items;
	const ProtobufCEnumValue *state;
	struct buf b;
	slice_t text;

	if (f == NULL)
		return SLICE_NONE;
	buf_init(&b, 4096, NULL);
	if (f->id[0] != '\0')
		buf_printf(&b, "id=%s ", f->id);
	if (f->sender[0] != '\0')
		buf_printf(&b, "sender=%s ", f->sender);
	if (f->to[0] != '\0')
		buf_printf(&b, "to=%s ", f->to);
	if (f->destination[0] != '\0')
		buf_printf(&b, "destination=%s ", f->destination);
	state = protobuf_c_enum_descriptor_get_value(&postern__queue_state__descriptor,
						     (int)f->state);
	if (f->state != 0 && state != NULL)
		buf_printf(&b, "state=%s ", state->name + strlen("QUEUE_STATE_"));
	if (f->server[0] != '\0')
		buf_printf(&b, "server=%s ", f->server);
	if (f->trace[0] != '\0')
		buf_printf(&b, "trace=%s ", f->trace);
	if (f->older_s != 0)
		buf_printf(&b, "older=%llus ", (unsigned long long)f->older_s);
	if (f->larger_bytes != 0)
		buf_printf(&b, "larger=%llu ", (unsigned long long)f->larger_bytes);
	if (f->limit != 0)
		buf_printf(&b, "limit=%llu ", (unsigned long long)f->limit);
	text = arena_dup(&c->mem, b.n != 0 ? slice_trim(buf_slice(&b)) : SL("all"));
	buf_fini(&b);
	return text;
}

static slice_t detail_of(struct mcall *c, const Postern__AdminQueueEdit *m)
{
	struct buf b;
	slice_t text;

	buf_init(&b, 2048, NULL);
	if (m->via[0] != '\0')
		buf_printf(&b, "via %s%s", m->via, m->reason[0] != '\0' ? "; " : "");
	buf_puts(&b, m->reason);
	text = arena_dup(&c->mem, buf_slice(&b));
	buf_fini(&b);
	return text;
}

/* The same request with who asked: what the asker has written there does not count. */
static void sign(struct mcall *c)
{
	const Postern__AdminQueueEdit *m = (const void *)c->msg;
	Postern__AdminQueueEdit *copy = arena_new(&c->mem, Postern__AdminQueueEdit);

	*copy = *m;
	copy->by = arena_str(&c->mem, admin_actor(c).who);
	c->msg = &copy->base;
}

WAITS enum err m_admin_queue_edit(struct mcall *c)
{
	const Postern__AdminQueueEdit *m;
	struct queue_order order;
	char method[32];
	enum err e;

	sign(c);
	m = (const void *)c->msg;
	e = read_order(c, m, &order);
	if (e != E_OK) {
		admin_audit(c, "queue.edit", target_of(c, m), e, slice_str(c->diag.text));
		return e;
	}
	e = admin_fan_out(c, &postern__admin_queue_edited_page__descriptor,
			  POSTERN__METHOD__METHOD_PEER_QUEUE_EDIT, NULL, deadline_in(EDIT_MS),
			  edit_local);
	snprintf(method, sizeof method, "queue.%s", queue_action_name(order.action));
	admin_audit(c, method, target_of(c, m), e, detail_of(c, m));
	return e;
}

WAITS enum err m_peer_queue_edit(struct mcall *c)
{
	return admin_local(c, edit_local);
}

#include "backend/rpc/leased.h"

#include "backend/store/due.h"
#include "backend/store/msg.h"

struct loading {
	struct partition *part;
	struct arena *mem;
	struct leased *out;
	enum err result;
};

static enum err load_item(struct loading *l, size_t i, struct buf *bytes)
{
	const struct lease_token *t = &l->out->lease;
	struct due_item item;
	enum err e;

	buf_reset(bytes);
	e = due_get(l->part, t->items[i], &item, bytes);
	if (e == E_OK && item.record_no != t->record_no)
		e = E_NOT_FOUND;
	return e == E_OK ? job_unpack(arena_dup(l->mem, item.payload), l->mem, &l->out->jobs[i])
			 : e;
}

static void run_load(void *arg)
{
	struct loading *l = arg;
	struct msg_record record;
	struct buf bytes;

	buf_init(&bytes, STORE_PAYLOAD_MAX, NULL);
	l->result = msg_record(l->part, l->out->lease.record_no, l->mem, &record);
	for (size_t i = 0; l->result == E_OK && i < l->out->lease.n; i++)
		l->result = load_item(l, i, &bytes);
	if (l->result == E_OK)
		l->out->size = l->out->jobs[0].prefix.n + record.plain_size;
	buf_fini(&bytes);
}

WAITS enum err leased_load(struct mcall *c, slice_t token, struct leased **out)
{
	struct loading l = {.mem = &c->mem, .out = arena_new(&c->mem, struct leased)};
	enum err e = lease_token_open(c->be->tickets, token, c->peer, &l.out->lease, &c->diag);

	if (e == E_OK && l.out->lease.kind != LEASE_SEND)
		e = E_INVALID;
	if (e == E_OK)
		e = mcall_partition(c, l.out->lease.partition);
	if (e != E_OK)
		return e;
	l.part = c->part;
	e = mcall_read("leased.load", run_load, &l);
	*out = l.out;
	return e == E_OK ? l.result : e;
}

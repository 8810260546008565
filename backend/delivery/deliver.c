#include "backend/delivery/deliver.h"

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/log/log.h"
#include "common/log/metric.h"

METRIC_COUNTER(copies_ok, "deliveries_total", "Copies of messages by result", {"result", "ok"});
METRIC_COUNTER(copies_again, "deliveries_total", "Copies of messages by result",
	       {"result", "duplicate"});
METRIC_COUNTER(copies_refused, "deliveries_total", "Copies of messages by result",
	       {"result", "refused"});

void deliver_init(struct deliver *d, struct dir *dir, struct tickets *tickets,
		  struct partitions *parts)
{
	*d = (struct deliver){.dir = dir, .tickets = tickets, .parts = parts};
	inbounds_init(&d->inbounds);
}

void deliver_fini(struct deliver *d)
{
	inbounds_fini(&d->inbounds);
}

void deliver_drop_link(struct deliver *d, const void *link)
{
	inbound_drop_link(&d->inbounds, link);
}

slice_t deliver_copy_key(uint64_t account, slice_t address, struct arena *mem)
{
	char *p = arena_alloc(mem, 8 + address.n);

	be64_put(p, account);
	if (address.n != 0)
		memcpy(p + 8, address.p, address.n);
	return slice(p, 8 + address.n);
}

slice_t deliver_item_key(uint32_t partition, slice_t address, struct arena *mem)
{
	char *p = arena_alloc(mem, 4 + address.n);

	be32_put(p, partition);
	if (address.n != 0)
		memcpy(p + 4, address.p, address.n);
	return slice(p, 4 + address.n);
}

slice_t deliver_prefix(slice_t sender, slice_t prefix, struct arena *mem)
{
	static const char head[] = "Return-Path: <", tail[] = ">\r\n";
	size_t n = sizeof head - 1 + sender.n + sizeof tail - 1 + prefix.n;
	char *p = arena_alloc(mem, n), *at = p;

	at = mempcpy(at, head, sizeof head - 1);
	if (sender.n != 0)
		at = mempcpy(at, sender.p, sender.n);
	at = mempcpy(at, tail, sizeof tail - 1);
	if (prefix.n != 0)
		memcpy(at, prefix.p, prefix.n);
	return slice(p, n);
}

enum err deliver_fill_copy(const struct dir *dir, uint64_t account, bool junk,
			   struct deliver_copy *out)
{
	struct dir_account a;
	enum err e = dir_account_by_id(dir, account, &a);

	if (e == E_OK && a.state == DIR_REMOVED)
		e = E_NOT_FOUND;
	if (e != E_OK)
		return e;
	out->account = account;
	out->special = junk ? STORE_SPECIAL_JUNK : STORE_SPECIAL_NONE;
	out->missing = MISSING_TO_INBOX;
	out->quota_bytes = a.quota_bytes;
	out->quota_messages = a.quota_messages;
	return E_OK;
}

/* The change under construction. owner[i] is the recipient that copy i belongs to. */
struct plan {
	struct arena mem;
	struct deliver_copy *copies;
	size_t *owner;
	size_t ncopies, cap;
	struct queue_add *items;
	size_t nitems, items_cap;
	slice_t prefix;
	int64_t now_us;
};

static enum err open_token(struct deliver *d, const struct deliver_msg *m, slice_t token,
			   struct rcpt_token *out, struct diag *diag)
{
	return rcpt_token_open(d->tickets, token, m->peer, out, diag);
}

static struct deliver_copy *plan_copy(struct plan *p, size_t rcpt)
{
	if (p->ncopies == p->cap) {
		p->cap = p->cap != 0 ? p->cap * 2 : 16;
		p->copies = xrealloc(p->copies, p->cap * sizeof *p->copies);
		p->owner = xrealloc(p->owner, p->cap * sizeof *p->owner);
	}
	p->owner[p->ncopies] = rcpt;
	p->copies[p->ncopies] = (struct deliver_copy){0};
	return &p->copies[p->ncopies++];
}

static struct queue_add *plan_item(struct plan *p)
{
	if (p->nitems == p->items_cap) {
		p->items_cap = p->items_cap != 0 ? p->items_cap * 2 : 16;
		p->items = xrealloc(p->items, p->items_cap * sizeof *p->items);
	}
	p->items[p->nitems] = (struct queue_add){0};
	return &p->items[p->nitems++];
}

static enum err plan_accounts(struct deliver *d, const struct deliver_msg *m, struct plan *p,
			      size_t rcpt, const struct rcpt_token *t)
{
	slice_t address = slice(t->address, t->address_n);
	size_t first = p->ncopies;

	if (p->ncopies + t->naccounts > STORE_COPIES_MAX)
		return E_LIMIT;
	for (unsigned i = 0; i < t->naccounts; i++) {
		struct deliver_copy *c = plan_copy(p, rcpt);
		enum err e = deliver_fill_copy(d->dir, t->accounts[i], m->junk, c);

		c->key = deliver_copy_key(t->accounts[i], address, &p->mem);
		c->prefix = p->prefix;
		if (e == E_NOT_FOUND) {
			p->ncopies--; /* a member that went away meanwhile */
		} else if (e != E_OK) {
			p->ncopies = first; /* all of the recipient's accounts, or none yet */
			return e;
		}
	}
	return p->ncopies != first ? E_OK : E_NOT_FOUND;
}

/* A recipient's token as a queue item of the lead. */
static void plan_job(const struct deliver_msg *m, struct plan *p, const struct deliver_rcpt *r,
		     const struct rcpt_token *t, int64_t due_us)
{
	slice_t address = slice(t->address, t->address_n);
	uint64_t *accounts = arena_alloc(&p->mem, sizeof t->accounts);
	struct queue_add *q = plan_item(p);
	struct job j = {
		.kind = t->kind == RCPT_ACCOUNTS ? JOB_ACCOUNTS : JOB_EXPAND,
		.origin = m->origin,
		.partition = t->partition,
		.accounts = accounts,
		.naccounts = t->naccounts,
		.address = address,
		.sender = m->sender,
		.prefix = m->prefix,
		.junk = m->junk,
		.notify = r->notify,
		.orcpt = r->orcpt,
		.ret = m->ret,
		.envid = m->envid,
		.first_us = p->now_us,
	};

	memcpy(accounts, t->accounts, sizeof t->accounts);
	memcpy(j.txid, m->txid, sizeof j.txid);
	memcpy(j.trace_id, m->trace_id, sizeof j.trace_id);
	q->key = deliver_item_key(t->partition, address, &p->mem);
	q->payload = job_pack(&j, &p->mem);
	q->due_us = due_us;
}

static enum err plan_all(struct deliver *d, struct deliver_msg *m, struct plan *p,
			 struct diag *diag)
{
	struct rcpt_token t;

	for (size_t i = 0; i < m->nrcpts; i++) {
		enum err e = open_token(d, m, m->rcpts[i].token, &t, diag);

		if (e == E_OK && t.partition != m->partition_id)
			e = diag_set(diag, E_INVALID, "recipient of another partition");
		if (e != E_OK)
			return e;
		if (t.kind == RCPT_ACCOUNTS)
			m->rcpts[i].result = plan_accounts(d, m, p, i, &t);
		else
			plan_job(m, p, &m->rcpts[i], &t, p->now_us);
	}
	for (size_t i = 0; i < m->nothers; i++) {
		enum err e = open_token(d, m, m->others[i].token, &t, diag);

		if (e != E_OK)
			return e;
		plan_job(m, p, &m->others[i], &t, p->now_us + DELIVER_SETTLE_US);
	}
	return p->nitems <= STORE_ITEMS_MAX ? E_OK : E_LIMIT;
}

static void log_copy(const struct deliver_msg *m, const struct deliver_copy *c)
{
	metric_add(c->result != E_OK ? &copies_refused
		   : c->duplicate    ? &copies_again
				     : &copies_ok,
		   1);
	LOG(c->result == E_OK ? LOG_INFO : LOG_WARN, NULL, "deliver.copy",
	    LF_HEX("trace", slice(m->trace_id, sizeof m->trace_id)), LF_UINT("account", c->account),
	    LF_UINT("uid", c->uid), LF_UINT("email", c->email_id), LF_ERR("result", c->result),
	    LF_UINT("duplicate", c->duplicate));
}

/* A recipient's result from its copies: delivered if any of them was. The refused ones of a group
 * of which another member got it go to the queue, so that nobody's mail is lost. */
static void collect(struct deliver_msg *m, const struct plan *p, struct plan *again,
		    struct deliver *d)
{
	for (size_t i = 0; i < m->nrcpts; i++) {
		size_t ok = 0;
		enum err first = E_OK;

		for (size_t k = 0; k < p->ncopies; k++) {
			if (p->owner[k] == i && p->copies[k].result == E_OK)
				ok++;
			else if (p->owner[k] == i && first == E_OK)
				first = p->copies[k].result;
		}
		if (first == E_OK)
			continue;
		if (ok == 0) {
			m->rcpts[i].result = first;
			continue;
		}
		for (size_t k = 0; k < p->ncopies; k++) {
			struct rcpt_token t;
			struct diag diag;

			if (p->owner[k] != i || p->copies[k].result == E_OK ||
			    open_token(d, m, m->rcpts[i].token, &t, &diag) != E_OK)
				continue;
			t.naccounts = 1;
			t.accounts[0] = p->copies[k].account;
			plan_job(m, again, &m->rcpts[i], &t, again->now_us + DELIVER_SETTLE_US);
			again->items[again->nitems - 1].key = p->copies[k].key;
		}
	}
}

static void plan_init(struct plan *p, const struct deliver_msg *m)
{
	*p = (struct plan){.now_us = clock_wall_us()};
	arena_init(&p->mem, NULL);
	p->prefix = deliver_prefix(m->sender, m->prefix, &p->mem);
}

static void plan_fini(struct plan *p)
{
	arena_reset(&p->mem);
	xfree(&p->copies);
	xfree(&p->owner);
	xfree(&p->items);
}

static void fill_change(const struct deliver_msg *m, struct change_deliver *c)
{
	change_deliver_init(c);
	c->origin = m->origin;
	memcpy(c->txid, m->txid, sizeof c->txid);
	c->record = m->stage;
	c->repeat_only = m->stage == NULL;
	c->summary = m->summary;
	c->text = m->text;
	memcpy(c->trace_id, m->trace_id, sizeof c->trace_id);
}

/* Items for members that were refused, on the record that the others have. */
WAITS static enum err queue_again(const struct deliver_msg *m, struct plan *again,
				  uint64_t record_no)
{
	struct change_deliver c;

	if (again->nitems == 0 || record_no == 0)
		return E_OK;
	fill_change(m, &c);
	c.record = NULL;
	c.repeat_only = false;
	c.record_no = record_no;
	c.items = again->items;
	c.nitems = again->nitems;
	return store_change(m->part, &c.change);
}

WAITS static enum err run_plan(struct deliver *d, struct deliver_msg *m, struct plan *p,
			       struct diag *diag)
{
	struct change_deliver c;
	struct plan again;
	enum err e;

	if (p->ncopies == 0 && p->nitems == 0)
		return E_OK; /* every recipient was refused */
	fill_change(m, &c);
	c.copies = p->copies;
	c.ncopies = p->ncopies;
	c.items = p->items;
	c.nitems = p->nitems;
	e = store_change(m->part, &c.change);
	if (e != E_OK)
		return diag_set(diag, e, "%s", c.change.diag.text);
	for (size_t i = 0; i < p->ncopies; i++)
		log_copy(m, &p->copies[i]);
	plan_init(&again, m);
	collect(m, p, &again, d);
	e = queue_again(m, &again, c.record_no_out);
	plan_fini(&again);
	return e;
}

WAITS enum err deliver_commit(struct deliver *d, struct deliver_msg *m, struct diag *diag)
{
	struct plan p;
	enum err e;

	for (size_t i = 0; i < m->nrcpts; i++)
		m->rcpts[i].result = E_OK;
	plan_init(&p, m);
	e = p.prefix.n > STORE_PREFIX_MAX ? E_TOO_BIG : plan_all(d, m, &p, diag);
	if (e == E_OK)
		e = run_plan(d, m, &p, diag);
	plan_fini(&p);
	return e;
}

WAITS enum err deliver_settle(struct deliver *d, const struct rpc_identity *peer, slice_t origin,
			      slice_t txid, struct partition *part, const slice_t *tokens, size_t n,
			      struct diag *diag)
{
	struct queue_edit *edits = xcalloc(n, sizeof *edits);
	struct change_queue c;
	struct arena mem;
	enum err e = E_OK;

	arena_init(&mem, NULL);
	change_queue_init(&c);
	c.what = QUEUE_SETTLE;
	c.origin = origin;
	memcpy(c.txid, txid.p, sizeof c.txid);
	for (size_t i = 0; i < n && e == E_OK; i++) {
		struct rcpt_token t;

		e = rcpt_token_open(d->tickets, tokens[i], peer, &t, diag);
		if (e == E_OK)
			edits[i].key =
				deliver_item_key(t.partition, slice(t.address, t.address_n), &mem);
	}
	c.edits = edits;
	c.n = n;
	if (e == E_OK)
		e = store_change(part, &c.change);
	arena_reset(&mem);
	xfree(&edits);
	return e;
}

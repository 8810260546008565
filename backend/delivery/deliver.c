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
	d->success = success_limit_new();
}

void deliver_fini(struct deliver *d)
{
	inbounds_fini(&d->inbounds);
	success_limit_free(&d->success);
}

void deliver_drop_link(struct deliver *d, const void *link)
{
	inbound_drop_link(&d->inbounds, link);
}

slice_t deliver_copy_key(uint64_t account, struct arena *mem)
{
	char *p = arena_alloc(mem, 8);

	be64_put(p, account);
	return slice(p, 8);
}

slice_t deliver_item_key(uint32_t partition, slice_t address, struct arena *mem)
{
	char *p = arena_alloc(mem, 4 + address.n);

	be32_put(p, partition);
	if (address.n != 0)
		memcpy(p + 4, address.p, address.n);
	return slice(p, 4 + address.n);
}

slice_t deliver_rest_key(slice_t copy_key, struct arena *mem)
{
	char *p = arena_alloc(mem, 1 + copy_key.n);

	p[0] = '\xff';
	memcpy(p + 1, copy_key.p, copy_key.n);
	return slice(p, 1 + copy_key.n);
}

slice_t deliver_sent_key(uint64_t account, struct arena *mem)
{
	char *p = arena_alloc(mem, 1 + 8);

	p[0] = '\xfe';
	be64_put(p + 1, account);
	return slice(p, 1 + 8);
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

/* The change under construction. */
struct plan {
	struct arena mem;
	struct deliver_copy *copies;
	size_t *owner; /* the recipient that a copy belongs to; NOBODY: it is the sender's */
	size_t ncopies, cap;
	struct queue_add *items;
	size_t *item_owner; /* likewise; NOBODY: a recipient of another owner */
	size_t nitems, items_cap;
	slice_t prefix;
	int64_t now_us;
	enum { TELL_UNASKED, TELL_YES, TELL_NO } tell; /* success_may_tell, of the message */
};

#define NOBODY SIZE_MAX

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

static struct queue_add *plan_item(struct plan *p, size_t rcpt)
{
	if (p->nitems == p->items_cap) {
		p->items_cap = p->items_cap != 0 ? p->items_cap * 2 : 16;
		p->items = xrealloc(p->items, p->items_cap * sizeof *p->items);
		p->item_owner = xrealloc(p->item_owner, p->items_cap * sizeof *p->item_owner);
	}
	p->item_owner[p->nitems] = rcpt;
	p->items[p->nitems] = (struct queue_add){0};
	return &p->items[p->nitems++];
}

static enum err plan_accounts(struct deliver *d, const struct deliver_msg *m, struct plan *p,
			      size_t rcpt, const struct rcpt_token *t)
{
	size_t first = p->ncopies;

	if (p->ncopies + t->naccounts > STORE_COPIES_MAX)
		return E_LIMIT;
	for (unsigned i = 0; i < t->naccounts; i++) {
		struct deliver_copy *c = plan_copy(p, rcpt);
		enum err e = deliver_fill_copy(d->dir, t->accounts[i], m->junk, c);

		c->key = deliver_copy_key(t->accounts[i], &p->mem);
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

static enum job_kind job_kind_of(enum rcpt_kind k)
{
	switch (k) {
	case RCPT_ACCOUNTS:
		return JOB_ACCOUNTS;
	case RCPT_ADDRESS:
		return JOB_EXPAND;
	case RCPT_OUTSIDE:
		return JOB_OUTSIDE;
	case RCPT_SENT:
		break;
	}
	invariant(false);
}

/* All that a recipient's token stands for. Borrows from t. */
static struct job job_of(const struct deliver_msg *m, const struct plan *p,
			 const struct deliver_rcpt *r, const struct rcpt_token *t)
{
	struct job j = {
		.kind = job_kind_of(t->kind),
		.origin = m->origin,
		.partition = t->partition,
		.accounts = t->accounts,
		.naccounts = t->naccounts,
		.address = slice(t->address, t->address_n),
		.elsewhere = t->kind == RCPT_OUTSIDE,
		.sender = m->sender,
		.prefix = m->prefix,
		.junk = m->junk,
		.notify = r->notify,
		.orcpt = r->orcpt,
		.ret = m->ret,
		.envid = m->envid,
		.content = m->content,
		.account = m->account,
		.server = m->server,
		.first_us = m->first_us != 0 ? m->first_us : p->now_us,
		.next_us = MAX(p->now_us, m->release_us),
		.release_us = m->release_us,
		.by = m->by,
		.by_us = m->by_us,
		.priority = m->priority,
	};

	memcpy(j.txid, m->txid, sizeof j.txid);
	memcpy(j.trace_id, m->trace_id, sizeof j.trace_id);
	return j;
}

/* ... as a queue item: r, which is the rcpt-th of ours, or NOBODY's. */
static struct queue_add *plan_job(const struct deliver_msg *m, struct plan *p,
				  const struct deliver_rcpt *r, size_t rcpt,
				  const struct rcpt_token *t, int64_t due_us)
{
	struct job j = job_of(m, p, r, t);
	struct queue_add *q = plan_item(p, rcpt);

	q->key = deliver_item_key(t->partition, j.address, &p->mem);
	q->payload = job_pack(&j, &p->mem);
	q->due_us = job_is_outward(j.kind) ? QUEUE_PARKED_US : MAX(due_us, m->release_us);
	return q;
}

/*
 * What the commit may refuse of this recipient (a quota that filled up since RCPT, an account that
 * went away) while others get the message: the client hears 250 for all, so the queue goes on with
 * it. A recipient that is all of the message is refused as it is; a back-end that forwards has its
 * own item for whom we refuse. first: its first copy.
 */
static void plan_rest(const struct deliver_msg *m, struct plan *p, const struct deliver_rcpt *r,
		      size_t rcpt, const struct rcpt_token *t, size_t first)
{
	int64_t due_us = p->now_us + DELIVER_SETTLE_US;
	struct rcpt_token one = *t;

	if (m->peer->role == ROLE_BACKEND ||
	    (t->naccounts == 1 && (r->told || m->nrcpts + m->nothers == 1)))
		return;
	if (r->result != E_OK) {
		plan_job(m, p, r, rcpt, t, due_us)->when = ADD_BESIDE;
		return;
	}
	one.naccounts = 1;
	for (size_t k = first; k < p->ncopies; k++) {
		struct queue_add *q;

		one.accounts[0] = p->copies[k].account;
		q = plan_job(m, p, r, rcpt, &one, due_us);
		q->key = deliver_rest_key(p->copies[k].key, &p->mem);
		q->when = ADD_INSTEAD;
		q->copy = k;
	}
}

/* A notice of success: of the whole, or of that copy. */
static void plan_notice(struct deliver *d, const struct deliver_msg *m, struct plan *p,
			const struct deliver_rcpt *r, const struct rcpt_token *t, size_t copy)
{
	struct job j = job_of(m, p, r, t);
	struct queue_add *q;

	if (p->tell == TELL_UNASKED)
		p->tell = success_may_tell(d->success, m->account, m->sender, p->now_us) ? TELL_YES
											 : TELL_NO;
	if (p->tell == TELL_NO)
		return;
	q = plan_item(p, NOBODY);
	success_item(&j, copy == CHANGE_ANY ? JOB_EXPANDED : JOB_DELIVERED, p->now_us, &p->mem, q);
	q->copy = copy;
}

/* The recipient for whom is planned. Of one of several who are behind its address the lead tells,
 * once, that it was expanded; what is left is the others' wish. */
static struct deliver_rcpt plan_rcpt(struct deliver *d, const struct deliver_msg *m, struct plan *p,
				     const struct deliver_rcpt *r, const struct rcpt_token *t)
{
	struct deliver_rcpt one = *r;

	if (!t->several && t->naccounts <= 1)
		return one;
	if (m->leads && notify_wants_success(r->notify, m->sender))
		plan_notice(d, m, p, r, t, CHANGE_ANY);
	one.notify = notify_of_member(r->notify);
	return one;
}

/* The copy that the sender keeps, at once, whenever the message leaves. It refuses nothing: over
 * quota, or beside as many as fit, there is none. */
static enum err plan_sent(struct deliver *d, const struct deliver_msg *m, struct plan *p,
			  struct diag *diag)
{
	struct deliver_copy *c;
	struct rcpt_token t;
	enum err e;

	if (m->sent.n == 0 || p->ncopies >= STORE_COPIES_MAX)
		return E_OK;
	e = open_token(d, m, m->sent, &t, diag);
	if (e != E_OK)
		return e;
	if (t.kind != RCPT_SENT || t.partition != m->partition_id || m->account == 0 ||
	    t.accounts[0] != m->account)
		return diag_set(diag, E_INVALID, "not the sender's copy");
	c = plan_copy(p, NOBODY);
	e = deliver_fill_copy(d->dir, m->account, false, c);
	if (e != E_OK) {
		p->ncopies--;
		return e == E_NOT_FOUND ? E_OK : e;
	}
	c->special = STORE_SPECIAL_SENT;
	c->path = SL("Sent");
	c->flags = STORE_SEEN;
	c->key = deliver_sent_key(m->account, &p->mem);
	c->prefix = m->prefix;
	c->beside = true;
	return E_OK;
}

/* A token that stands for a recipient. */
static enum err open_rcpt(struct deliver *d, const struct deliver_msg *m, slice_t token,
			  struct rcpt_token *out, struct diag *diag)
{
	enum err e = open_token(d, m, token, out, diag);

	return e == E_OK && out->kind == RCPT_SENT
		       ? diag_set(diag, E_INVALID, "a sender's copy for a recipient")
		       : e;
}

/* One of our own recipients. */
static void plan_own(struct deliver *d, struct deliver_msg *m, struct plan *p, size_t i,
		     const struct rcpt_token *t)
{
	struct deliver_rcpt r = plan_rcpt(d, m, p, &m->rcpts[i], t);
	size_t first = p->ncopies;

	if (t->kind != RCPT_ACCOUNTS || m->release_us > p->now_us) {
		(void)plan_job(m, p, &r, i, t, p->now_us);
		return;
	}
	m->rcpts[i].result = r.result = plan_accounts(d, m, p, i, t);
	plan_rest(m, p, &r, i, t, first);
	if (notify_wants_success(r.notify, m->sender) && p->ncopies != first)
		plan_notice(d, m, p, &r, t, first); /* there is but one */
}

static enum err plan_all(struct deliver *d, struct deliver_msg *m, struct plan *p,
			 struct diag *diag)
{
	struct rcpt_token t;

	for (size_t i = 0; i < m->nrcpts; i++) {
		enum err e = open_rcpt(d, m, m->rcpts[i].token, &t, diag);

		if (e == E_OK && t.partition != m->partition_id)
			e = diag_set(diag, E_INVALID, "recipient of another partition");
		if (e != E_OK)
			return e;
		plan_own(d, m, p, i, &t);
	}
	for (size_t i = 0; i < m->nothers; i++) {
		enum err e = open_rcpt(d, m, m->others[i].token, &t, diag);
		struct deliver_rcpt r;

		/* What two queues hold goes out twice: who takes these is the lead. */
		if (e == E_OK && t.kind == RCPT_OUTSIDE)
			e = diag_set(diag, E_INVALID, "an outside recipient of another owner");
		if (e != E_OK)
			return e;
		r = plan_rcpt(d, m, p, &m->others[i], &t);
		(void)plan_job(m, p, &r, NOBODY, &t, p->now_us + DELIVER_SETTLE_US);
	}
	return p->nitems <= STORE_ITEMS_MAX ? plan_sent(d, m, p, diag) : E_LIMIT;
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

static void log_queued(const struct deliver_msg *m, const struct queue_add *q, size_t rcpt)
{
	LOG(LOG_INFO, NULL, "deliver.queued",
	    LF_HEX("trace", slice(m->trace_id, sizeof m->trace_id)), LF_UINT("recipient", rcpt),
	    LF_UINT("item", q->id), LF_ERR("why", m->rcpts[rcpt].result),
	    LF_UINT("duplicate", q->duplicate));
}

/* A recipient's result: E_OK when any of its copies went in, or the queue has it. */
static void collect(struct deliver_msg *m, const struct plan *p)
{
	bool *taken = xcalloc(m->nrcpts, sizeof *taken);
	bool any = false;

	for (size_t k = 0; k < p->ncopies; k++) {
		struct deliver_rcpt *r;

		if (p->owner[k] == NOBODY)
			continue;
		r = &m->rcpts[p->owner[k]];
		if (p->copies[k].result == E_OK)
			taken[p->owner[k]] = true;
		else if (r->result == E_OK)
			r->result = p->copies[k].result;
	}
	for (size_t k = 0; k < p->nitems; k++) {
		const struct queue_add *q = &p->items[k];

		if (!q->added || p->item_owner[k] == NOBODY)
			continue;
		taken[p->item_owner[k]] = true;
		if (q->when != ADD_ALWAYS)
			log_queued(m, q, p->item_owner[k]);
	}
	for (size_t i = 0; i < m->nrcpts; i++) {
		any = any || taken[i];
		if (taken[i])
			m->rcpts[i].result = E_OK;
	}
	/* A retry without the bytes: what others were refused for is not known any more. */
	for (size_t i = 0; m->stage == NULL && any && i < m->nrcpts; i++) {
		if (m->rcpts[i].result == E_NOT_FOUND)
			m->rcpts[i].result = E_RETRY;
	}
	xfree(&taken);
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
	xfree(&p->item_owner);
}

WAITS static enum err run_plan(struct deliver_msg *m, struct plan *p, struct diag *diag)
{
	struct change_deliver c;
	enum err e;

	if (p->ncopies == 0 && p->nitems == 0)
		return E_OK; /* every recipient was refused */
	change_deliver_init(&c);
	c.origin = m->origin;
	memcpy(c.txid, m->txid, sizeof c.txid);
	c.record = m->stage;
	c.repeat_only = m->stage == NULL;
	c.summary = m->summary;
	c.text = m->text;
	memcpy(c.trace_id, m->trace_id, sizeof c.trace_id);
	c.copies = p->copies;
	c.ncopies = p->ncopies;
	c.items = p->items;
	c.nitems = p->nitems;
	e = store_change(m->part, &c.change);
	if (e != E_OK)
		return diag_set(diag, e, "%s", c.change.diag.text);
	for (size_t i = 0; i < p->ncopies; i++)
		log_copy(m, &p->copies[i]);
	collect(m, p);
	return E_OK;
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
		e = run_plan(m, &p, diag);
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
	c.origin = origin;
	memcpy(c.txid, txid.p, sizeof c.txid);
	for (size_t i = 0; i < n && e == E_OK; i++) {
		struct rcpt_token t;

		e = rcpt_token_open(d->tickets, tokens[i], peer, &t, diag);
		edits[i].what = QUEUE_SETTLE;
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

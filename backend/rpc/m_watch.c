/*
 * Mailbox.Watch: a detached request for each selected mailbox of each session, a few hundred
 * bytes. A nudge that found no credit is sent when there is room again, with the newest MODSEQ.
 */
#include "backend/rpc/convert.h"
#include "backend/rpc/rpc_methods.h"

struct watch {
	struct watcher watcher;
	struct notify *notify;
	struct rpc_req *req;
	uint64_t told, newest;
	bool gone;
	bool live; /* answered: nudges may be sent */
};

static void watch_send(struct watch *w)
{
	Postern__Nudge m = POSTERN__NUDGE__INIT;
	uint8_t bytes[64];
	size_t n;

	if (!w->live || (w->newest <= w->told && !w->gone))
		return;
	m.highestmodseq = w->newest;
	m.gone = w->gone;
	n = postern__nudge__pack(&m, bytes);
	if (rpc_req_send_now(w->req, slice(bytes, n)) == E_OK)
		w->told = w->newest;
}

static void on_change(struct watcher *watcher, uint64_t highestmodseq, bool gone)
{
	struct watch *w = container_of(watcher, struct watch, watcher);

	w->newest = MAX(w->newest, highestmodseq);
	w->gone |= gone;
	watch_send(w);
}

static void on_gone(struct rpc_req *r UNUSED, void *arg)
{
	struct watch *w = arg;

	notify_unwatch(w->notify, &w->watcher);
	rpc_req_end(&w->req);
	xfree(&w);
}

static void on_writable(struct rpc_req *r UNUSED, void *arg)
{
	watch_send(arg);
}

static const struct rpc_detached_ops ops = {.gone = on_gone, .writable = on_writable};

struct highest_read {
	struct partition *part;
	uint64_t account, mailbox, highest;
	enum err result;
};

static void read_highest(void *arg)
{
	struct highest_read *h = arg;

	h->result = mbox_highest(h->part, h->account, h->mailbox, &h->highest);
}

WAITS enum err m_mailbox_watch(struct mcall *c)
{
	const Postern__MailboxWatch *m = (const void *)c->msg;
	struct highest_read h = {.part = c->part, .account = c->account.id, .mailbox = m->mailbox};
	struct watch *w = xcalloc(1, sizeof *w);
	enum err e;

	/* Watching begins before the look, so that no change falls between. */
	w->notify = c->be->notify;
	w->req = c->req;
	w->told = m->since;
	w->watcher =
		(struct watcher){.account = c->account.id, .mailbox = m->mailbox, .fn = on_change};
	notify_watch(w->notify, &w->watcher);
	e = mcall_read("mailbox.watch", read_highest, &h);
	if (e == E_OK)
		e = h.result;
	if (e == E_OK)
		e = mcall_reply(c, NULL, RPC_BODY);
	if (e != E_OK) {
		notify_unwatch(w->notify, &w->watcher);
		xfree(&w);
		return e;
	}
	w->live = true;
	rpc_req_detach(c->req, &ops, w);
	on_change(&w->watcher, h.highest, false);
	return E_OK;
}

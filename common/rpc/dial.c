#include "common/rpc/dial.h"

#include "common/base/clock.h"
#include "common/crypto/random.h"
#include "common/log/log.h"

#define LINK_OPTS ((struct stream_opts){.window_max = RPC_WINDOW, .high_water = RPC_HIGH_WATER})

/*
 * A link, from its TLS handshake to its end, in a fiber of its own or of its dialer. `released`
 * is set by rpc_*_free(): then no callback is made any more, and the fiber only finds its way out.
 */
struct carrier {
	const struct rpc_endpoint *e;
	struct rpc_link *l;
	bool up; /* and `down` was not called yet */
	bool released;
};

static void carrier_down(struct carrier *c)
{
	if (!c->up)
		return;
	c->up = false;
	if (c->e->down != NULL)
		c->e->down(c->l, c->e->arg);
}

static void carrier_release(struct carrier *c)
{
	carrier_down(c);
	c->released = true;
	if (c->l != NULL)
		rpc_link_close(c->l, CLOSE_SHUTDOWN);
}

/* Whether the peer may have a link, by its certificate. */
static bool welcome(const struct carrier *c, const struct stream *s, struct rpc_identity *peer,
		    enum rpc_side *side)
{
	const struct tls_facts *t = stream_tls(s);
	char addr[IPADDR_STR];

	if (t != NULL && rpc_identity_parse(t->peer_name, peer) &&
	    c->e->accept(peer, side, c->e->arg))
		return true;
	LOG_SELDOM(LOG_WARN, NULL, "rpc.not_welcome",
		   LF_SLICE("peer", t != NULL ? t->peer_name : SLICE_NONE),
		   LF_STR("addr", ipaddr_str(stream_peer(s), addr)));
	return false;
}

/* Hello and `up`. The stream is the link's, or closed. */
static WAITS enum err carrier_start(struct carrier *c, struct stream **s, int64_t deadline_ms)
{
	struct rpc_link_opts o = {.self = c->e->self, .budget = c->e->budget};
	struct rpc_identity peer;
	enum err e;

	if (c->released) {
		stream_close(s, CLOSE_SHUTDOWN);
		return E_CANCELLED;
	}
	if (!welcome(c, *s, &peer, &o.side)) {
		stream_close(s, CLOSE_PROTOCOL);
		return E_DENIED;
	}
	o.ops = o.side == RPC_SERVER ? c->e->ops : NULL;
	e = rpc_link_start(s, &o, deadline_ms, &c->l);
	if (e != E_OK)
		return e;
	if (c->released) {
		rpc_link_close(c->l, CLOSE_SHUTDOWN);
		return E_OK;
	}
	c->up = true;
	if (c->e->up != NULL)
		c->e->up(c->l, c->e->arg);
	return E_OK;
}

/* Until the link's end; also when this fiber is told to stop. */
static WAITS void carrier_run(struct carrier *c)
{
	if (rpc_link_wait_closed(c->l, NO_DEADLINE) != E_OK)
		rpc_link_close(c->l, CLOSE_SHUTDOWN);
	carrier_down(c);
	rpc_link_unref(&c->l);
}

/* ---- dialer ---- */

struct rpc_dialer {
	struct carrier c;
	struct ipaddr addr;
	uint16_t port;
	struct fiber *fiber;
	int64_t pause_ms;
	struct event hurry; /* ends a pause */
};

static WAITS enum err dial_once(struct rpc_dialer *d)
{
	int64_t deadline_ms = deadline_in(RPC_HANDSHAKE_MS);
	struct stream_opts opts = LINK_OPTS;
	struct stream *s = NULL;
	enum err e;

	e = stream_connect(&d->addr, d->port, NULL, &opts, deadline_ms, &s);
	if (e != E_OK)
		return e;
	if (d->c.released) { /* the endpoint may be gone */
		stream_close(&s, CLOSE_SHUTDOWN);
		return E_CANCELLED;
	}
	e = stream_tls_client(s, d->c.e->tls, NULL, deadline_ms);
	if (e != E_OK) {
		stream_close(&s, CLOSE_TLS);
		return e;
	}
	return carrier_start(&d->c, &s, deadline_ms);
}

/* Half of the pause is by chance, so that many dialers do not come back at once. */
static int64_t jittered(int64_t pause_ms)
{
	int64_t half = pause_ms / 2;

	return half + (int64_t)random_below((uint32_t)half + 1);
}

static void log_dial(const struct rpc_dialer *d, enum err e)
{
	char addr[IPADDR_STR];

	LOG(LOG_WARN, NULL, "rpc.dial", LF_STR("addr", ipaddr_str(&d->addr, addr)),
	    LF_UINT("port", d->port), LF_ERR("status", e), LF_INT("pause_ms", d->pause_ms));
}

static WAITS void dialer_main(void *arg)
{
	struct rpc_dialer *d = arg;

	while (!d->c.released && !fiber_cancelled()) {
		int64_t up_ms = clock_mono_ms();
		enum err e = dial_once(d);

		if (e == E_OK) {
			carrier_run(&d->c);
			if (clock_mono_ms() - up_ms >= RPC_STEADY_MS)
				d->pause_ms = RPC_PAUSE_MIN_MS;
		} else if (e != E_CANCELLED) {
			log_dial(d, e);
		}
		if (d->c.released || event_wait(&d->hurry, "rpc.pause",
						deadline_in(jittered(d->pause_ms))) == E_CANCELLED)
			break;
		d->pause_ms = MIN(d->pause_ms * 2, (int64_t)RPC_PAUSE_MAX_MS);
	}
	d->fiber = NULL;
	if (d->c.released)
		xfree(&d);
}

struct rpc_dialer *rpc_dialer_new(const struct rpc_endpoint *e, const struct ipaddr *addr,
				  uint16_t port)
{
	struct rpc_dialer *d = xcalloc(1, sizeof(*d));

	d->c.e = e;
	d->addr = *addr;
	d->port = port;
	d->pause_ms = RPC_PAUSE_MIN_MS;
	event_init(&d->hurry);
	if (fiber_start("rpc.dialer", dialer_main, d, &d->fiber) != E_OK)
		xfree(&d);
	return d;
}

void rpc_dialer_hurry(struct rpc_dialer *d)
{
	if (d->c.l != NULL)
		return;
	d->pause_ms = RPC_PAUSE_MIN_MS;
	event_set(&d->hurry);
}

void rpc_dialer_free(struct rpc_dialer **dp)
{
	struct rpc_dialer *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	carrier_release(&d->c);
	if (d->fiber != NULL)
		fiber_cancel(d->fiber); /* frees it when it ends */
	else
		xfree(&d);
}

/* ---- accepter ---- */

struct rpc_accepter {
	const struct rpc_endpoint *e;
	struct listener *listener;
	struct list guests;
	struct list door; /* guest.at_door: those whose handshake is under way, the oldest first */
	unsigned handshakes;
};

/* A connection that came in. Outlives its accepter for the moment that its fiber needs. */
struct guest {
	struct carrier c;
	struct list node, at_door;
	struct rpc_accepter *a; /* NULL once that was freed */
	struct stream *s;       /* until it is the link's */
	struct fiber *fiber;
};

/* A service's worker has one link to a back-end; a captured one must not gather them. */
static bool too_many(const struct guest *g)
{
	slice_t name = stream_tls(g->s)->peer_name;
	unsigned n = 0;

	if (g->a == NULL)
		return true;
	list_for_each(i, &g->a->guests) {
		const struct guest *other = list_entry(i, struct guest, node);
		char peer[RPC_IDENTITY_STR];

		if (other->c.l != NULL &&
		    slice_eq(slice_str(rpc_identity_str(rpc_link_peer(other->c.l), peer)), name))
			n++;
	}
	if (n < RPC_LINKS_PER_PEER)
		return false;
	LOG_SELDOM(LOG_WARN, NULL, "rpc.too_many_links", LF_SLICE("peer", name));
	return true;
}

static WAITS enum err guest_welcome(struct guest *g)
{
	int64_t deadline_ms = deadline_in(RPC_HANDSHAKE_MS);
	enum err e = E_CANCELLED;

	if (!g->c.released) /* else the endpoint may be gone */
		e = stream_tls_server(g->s, g->c.e->tls, deadline_ms);
	if (e == E_OK && too_many(g)) {
		stream_close(&g->s, CLOSE_LIMIT);
		return E_LIMIT;
	}
	if (e == E_OK)
		return carrier_start(&g->c, &g->s, deadline_ms);
	if (e != E_CANCELLED) {
		char addr[IPADDR_STR];
		struct diag why;

		stream_diag(g->s, &why);
		LOG_SELDOM(LOG_WARN, NULL, "rpc.handshake",
			   LF_STR("addr", ipaddr_str(stream_peer(g->s), addr)), LF_ERR("status", e),
			   LF_STR("why", why.text));
	}
	stream_close(&g->s, CLOSE_TLS);
	return e;
}

static void leave_door(struct guest *g)
{
	if (list_empty(&g->at_door))
		return;
	list_remove(&g->at_door);
	if (g->a != NULL)
		g->a->handshakes--;
}

/* Who has stood there longest makes room: a node of ours needs milliseconds, a stranger who says
 * nothing would keep it out. */
static void make_room(struct rpc_accepter *a)
{
	struct guest *oldest = list_entry(a->door.next, struct guest, at_door);
	char addr[IPADDR_STR];

	LOG_SELDOM(
		LOG_WARN, NULL, "rpc.door_full",
		LF_STR("addr", oldest->s != NULL ? ipaddr_str(stream_peer(oldest->s), addr) : ""));
	leave_door(oldest);
	fiber_cancel(oldest->fiber);
}

static WAITS void guest_main(void *arg)
{
	struct guest *g = arg;
	enum err e = guest_welcome(g);

	leave_door(g);
	if (e == E_OK)
		carrier_run(&g->c);
	list_remove(&g->node);
	xfree(&g);
}

static void on_accept(struct stream *s, void *arg)
{
	struct rpc_accepter *a = arg;
	struct guest *g = xcalloc(1, sizeof(*g));

	g->c.e = a->e;
	g->a = a;
	g->s = s;
	list_init(&g->at_door);
	if (a->handshakes == RPC_HANDSHAKES_MAX)
		make_room(a);
	if (fiber_start("rpc.guest", guest_main, g, &g->fiber) != E_OK) {
		stream_close(&s, CLOSE_LIMIT);
		xfree(&g);
		return;
	}
	list_append(&a->guests, &g->node);
	list_append(&a->door, &g->at_door);
	a->handshakes++;
}

enum err rpc_accepter_new(const struct rpc_endpoint *e, int fd, struct rpc_accepter **out)
{
	struct stream_opts opts = LINK_OPTS;
	struct rpc_accepter *a = xcalloc(1, sizeof(*a));
	enum err err;

	a->e = e;
	list_init(&a->guests);
	list_init(&a->door);
	err = listen_fd(fd, &opts, on_accept, a, &a->listener);
	if (err != E_OK)
		xfree(&a);
	*out = a;
	return err;
}

void rpc_accepter_free(struct rpc_accepter **ap)
{
	struct rpc_accepter *a = *ap;
	struct list *n;

	*ap = NULL;
	if (a == NULL)
		return;
	listener_close(&a->listener);
	while ((n = list_pop(&a->guests)) != NULL) {
		struct guest *g = list_entry(n, struct guest, node);

		leave_door(g);
		g->a = NULL;
		carrier_release(&g->c);
		fiber_cancel(g->fiber);
	}
	xfree(&a);
}

#include "backend/rpc/rpc_server.h"

#include "backend/rpc/limits.h"
#include "backend/rpc/m_admin.h"
#include "backend/rpc/peers.h"
#include "backend/rpc/rpc_methods.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"

#define RPC_MEMORY    (512u * 1024 * 1024) /* of all links together */
#define LISTENERS_MAX 8
#define SERIAL_MAX    40 /* hex digits of 20 octets (RFC 5280 section 4.1.2.2) */

struct port {
	struct rpc_server *server;
	enum method_port which;
	struct rpc_server_ops ops;
	struct rpc_endpoint accept, dial;
};

struct rpc_server {
	struct be *be;
	struct budget budget;
	struct port rpc, admin;
	struct rpc_accepter *accepters[LISTENERS_MAX];
	size_t naccepters;
	struct rpc_dialer **dialers; /* inside-out */
	size_t ndialers;
	struct dir_sub sub;
	struct tls_ctx *accept_tls, *dial_tls;
	struct map shown;  /* serials that the directory has been told of */
	unsigned serving;  /* fibers in a handler, or telling the directory */
	struct event idle; /* set when the last of them ends */
};

struct peer_link {
	struct list node; /* in be->links */
	struct rpc_link *link;
	int64_t since_us;
	struct bucket {
		int64_t at_ms;
		uint32_t left;
	} buckets[RATE_CLASSES];
	int64_t refused_ms; /* when a refused ticket was last logged */
	uint64_t refused;   /* since then */
};

/* Somebody who keeps trying tickets gets one line a second, with a count. */
#define REFUSED_LOG_MS 1000

/* Calls a second; far above what a busy worker asks, far below what harms. */
static const uint32_t rates[RATE_CLASSES] = {[RATE_LOGIN] = 4000, [RATE_LOOKUP] = 20000};

METRIC_COUNTER(calls_total, "rpc_calls_total", "Requests that were dispatched");
METRIC_COUNTER(refused_role, "rpc_refused_total", "Requests refused by the method table",
	       {"reason", "role"});
METRIC_COUNTER(refused_ticket, "rpc_refused_total", "Requests refused by the method table",
	       {"reason", "ticket"});
METRIC_COUNTER(refused_malformed, "rpc_refused_total", "Requests refused by the method table",
	       {"reason", "malformed"});
METRIC_COUNTER(refused_rate, "rpc_refused_total", "Requests refused by the method table",
	       {"reason", "rate"});

/* ---- links ---- */

static bool accept_rpc(const struct rpc_identity *peer, enum rpc_side *side_out, void *arg UNUSED)
{
	*side_out = RPC_SERVER;
	return peer->role == ROLE_FRONTEND || peer->role == ROLE_BACKEND;
}

static bool accept_admin(const struct rpc_identity *peer, enum rpc_side *side_out, void *arg UNUSED)
{
	*side_out = RPC_SERVER;
	return peer->role == ROLE_ADMIN || peer->role == ROLE_OPERATOR;
}

static bool accept_dialled(const struct rpc_identity *peer, enum rpc_side *side_out,
			   void *arg UNUSED)
{
	*side_out = RPC_SERVER;
	return peer->role == ROLE_FRONTEND;
}

static void log_link(const char *event, struct rpc_link *l)
{
	char id[RPC_IDENTITY_STR], ip[IPADDR_STR];

	LOG_SELDOM(LOG_INFO, NULL, event, LF_STR("peer", rpc_identity_str(rpc_link_peer(l), id)),
		   LF_STR("ip", ipaddr_str(rpc_link_addr(l), ip)));
}

static void serving_begin(struct rpc_server *s)
{
	s->serving++;
}

static void serving_end(struct rpc_server *s)
{
	if (--s->serving == 0)
		event_set(&s->idle);
}

/* ---- certificates that were shown ---- */

/* Not every certificate is registered when it is issued: the first ones cannot be. Here all pass by
 * sooner or later, so that each is listed, and revoked by its name. */
struct shown {
	struct rpc_server *server;
	char serial[SERIAL_MAX + 1], name[RPC_IDENTITY_STR];
	int64_t from_s, until_s;
};

WAITS static void tell_shown(void *arg)
{
	struct shown *c = arg;
	struct rpc_server *s = c->server;
	struct diag d = {""};
	enum err e = dir_cert_seen(s->be->dir,
				   &(struct dir_cert_row){
					   .serial = slice_str(c->serial),
					   .name = slice_str(c->name),
					   .issued_us = c->from_s * 1000000,
					   .expires_us = c->until_s * 1000000,
				   },
				   &d);

	/* The next link tries again. */
	if (e != E_OK)
		map_del(&s->shown, slice_str(c->serial));
	xfree(&c);
	serving_end(s);
}

static void note_shown(struct rpc_server *s, const struct rpc_link *l)
{
	slice_t serial = rpc_link_peer_serial(l);
	struct shown *c;

	if (map_get(&s->shown, serial) != NULL)
		return;
	c = xcalloc(1, sizeof *c);
	c->server = s;
	rpc_identity_str(rpc_link_peer(l), c->name);
	rpc_link_peer_dates(l, &c->from_s, &c->until_s);
	if (!slice_to_str(serial, c->serial, sizeof c->serial) ||
	    fiber_start("rpc.shown", tell_shown, c, NULL) != E_OK) {
		xfree(&c);
		return;
	}
	map_put(&s->shown, serial, s);
	serving_begin(s);
}

static void link_up(struct rpc_link *l, void *arg)
{
	struct port *p = arg;
	struct be *be = p->server->be;
	struct peer_link *pl;

	if (dir_cert_revoked(be->dir, rpc_link_peer_serial(l))) {
		log_link("rpc.revoked", l);
		rpc_link_close(l, CLOSE_PROTOCOL);
		return;
	}
	pl = xcalloc(1, sizeof *pl);
	rpc_link_ref(l);
	pl->link = l;
	pl->since_us = clock_wall_us();
	list_append(&be->links, &pl->node);
	note_shown(p->server, l);
	if (rpc_link_peer(l)->role == ROLE_BACKEND)
		peers_seen(be->peers, rpc_link_peer(l)->name);
}

static struct peer_link *find_link(const struct be *be, const struct rpc_link *l)
{
	list_for_each(i, &be->links) {
		struct peer_link *pl = list_entry(i, struct peer_link, node);

		if (pl->link == l)
			return pl;
	}
	return NULL;
}

static void link_down(struct rpc_link *l, void *arg)
{
	struct port *p = arg;
	struct peer_link *pl = find_link(p->server->be, l);
	char id[RPC_IDENTITY_STR], ip[IPADDR_STR];
	size_t away;

	if (pl == NULL)
		return;
	deliver_drop_link(p->server->be->deliver, l);
	away = sessions_link_gone(auth_sessions(p->server->be->auth), l);
	if (away != 0)
		LOG(LOG_INFO, NULL, "auth.sessions_away",
		    LF_STR("peer", rpc_identity_str(rpc_link_peer(l), id)),
		    LF_STR("ip", ipaddr_str(rpc_link_addr(l), ip)), LF_UINT("sessions", away));
	list_remove(&pl->node);
	rpc_link_unref(&pl->link);
	xfree(&pl);
}

void rpc_server_links(const struct be *be, void (*each)(const struct rpc_peer_info *, void *arg),
		      void *arg)
{
	list_for_each(i, &be->links) {
		struct peer_link *pl = list_entry(i, struct peer_link, node);
		struct rpc_peer_info info = {
			.identity = rpc_link_peer(pl->link),
			.addr = rpc_link_addr(pl->link),
			.since_us = pl->since_us,
			.streams = rpc_link_streams(pl->link),
		};

		each(&info, arg);
	}
}

/* ---- admission and dispatch ---- */

static bool may_call(const struct method *m, enum method_port port, const struct rpc_identity *peer)
{
	if (m->port != port || (m->roles & ROLES(peer->role)) == 0)
		return false;
	return peer->role != ROLE_FRONTEND || (m->services & SERVICES(peer->service)) != 0;
}

static bool admit(const struct rpc_identity *peer, uint16_t number, size_t *payload_max,
		  int64_t *deadline_max_ms, void *arg)
{
	const struct port *port = arg;
	const struct method *m = method_find(number);

	/* The link logs it, as often as is bearable. */
	if (m == NULL || !may_call(m, port->which, peer)) {
		metric_add(&refused_role, 1);
		return false;
	}
	*payload_max = m->payload_max;
	*deadline_max_ms = m->deadline_ms;
	return true;
}

/* A token bucket: a second's worth at once, filled evenly. */
static bool take_token(struct be *be, const struct rpc_link *l, enum rate_class rate)
{
	struct peer_link *pl = rate != RATE_FREE ? find_link(be, l) : NULL;
	struct bucket *b;
	int64_t now;
	uint64_t gained;

	if (pl == NULL)
		return true;
	b = &pl->buckets[rate];
	now = clock_mono_ms();
	gained = (uint64_t)MIN(now - b->at_ms, (int64_t)1000) * rates[rate] / 1000;
	if (gained != 0) {
		b->left = (uint32_t)MIN((uint64_t)rates[rate], b->left + gained);
		b->at_ms = now;
	}
	if (b->left == 0)
		return false;
	b->left--;
	return true;
}

/* A long request: the message is the body. */
WAITS static enum err receive_long(struct mcall *c, struct buf *out)
{
	slice_t bytes;
	enum err e;

	while ((e = rpc_req_recv(c->req, &bytes)) == E_OK) {
		if (bytes.n > out->max - out->n)
			return diag_set(&c->diag, E_TOO_BIG, "request longer than %zu", out->max);
		buf_put(out, bytes);
		if (buf_failed(out))
			return diag_set(&c->diag, E_BUSY, "no memory for a long request");
	}
	return e == E_CLOSED ? E_OK : e;
}

static void refuse_malformed(const struct mcall *c, enum err e)
{
	struct rpc_link *l = rpc_req_link(c->req);
	char id[RPC_IDENTITY_STR], ip[IPADDR_STR];

	metric_add(&refused_malformed, 1);
	LOG_SELDOM(LOG_WARN, NULL, "rpc.malformed", LF_STR("peer", rpc_identity_str(c->peer, id)),
		   LF_STR("ip", ipaddr_str(rpc_link_addr(l), ip)),
		   LF_STR("method", c->method->name), LF_ERR("error", e),
		   LF_STR("why", c->diag.text));
}

WAITS static enum err unpack(struct mcall *c)
{
	slice_t payload = rpc_req_payload(c->req);
	bool is_long = payload.n == 0 && c->method->long_max != 0 && rpc_req_has_body(c->req);
	ProtobufCMessage *m;
	struct buf body;
	enum err e = E_OK;

	buf_init(&body, c->method->long_max, rpc_link_budget(rpc_req_link(c->req)));
	if (is_long)
		e = receive_long(c, &body);
	if (e == E_OK)
		e = walk_unpack(c->method->request, be_walk_limits,
				is_long ? buf_slice(&body) : payload, &c->mem, &m, &c->diag);
	buf_fini(&body);
	if (e != E_OK) {
		if (e == E_INVALID || e == E_LIMIT || e == E_TOO_BIG)
			refuse_malformed(c, e);
		/* No later time makes a request of too many things good. */
		return e == E_LIMIT && c->method->port == PORT_ADMIN ? E_INVALID : e;
	}
	c->msg = m;
	return E_OK;
}

/* The ticket's rights, its account, and the partition that the account lives in now. */
WAITS static enum err check_ticket(struct mcall *c)
{
	const ProtobufCBinaryData *t =
		(const void *)((const char *)c->msg + c->method->ticket_offset);
	enum err e = ticket_open(c->be->tickets, MCALL_SLICE(*t), c->peer, c->method->rights,
				 &c->claims, &c->diag);

	if (e != E_OK)
		return e;
	e = dir_account_by_id(c->be->dir, c->claims.account, &c->account);
	if (e != E_OK)
		return e == E_NOT_FOUND
			       ? diag_set(&c->diag, E_NO_TICKET, "ticket: the account is gone")
			       : e;
	e = mcall_partition(c, c->account.partition);
	if (e == E_OK)
		mcall_session_seen(c);
	return e;
}

WAITS static enum err dispatch(struct mcall *c)
{
	enum err e;

	if (!take_token(c->be, rpc_req_link(c->req), c->method->rate)) {
		metric_add(&refused_rate, 1);
		return diag_set(&c->diag, E_LIMIT, "too many calls of %s", c->method->name);
	}
	e = unpack(c);
	if (e == E_OK && c->method->rights != 0)
		e = check_ticket(c);
	return e == E_OK ? c->method->run(c) : e;
}

/* A ticket or token that does not open what was asked for, wherever it was looked at: the one line
 * about it. Account and session are those of a ticket that could be read. */
static void log_refused_ticket(const struct mcall *c)
{
	struct peer_link *pl = find_link(c->be, rpc_req_link(c->req));
	char id[RPC_IDENTITY_STR], ip[IPADDR_STR];
	int64_t now = clock_mono_ms();

	metric_add(&refused_ticket, 1);
	if (pl == NULL)
		return;
	pl->refused++;
	if (pl->refused_ms != 0 && now - pl->refused_ms < REFUSED_LOG_MS)
		return;
	LOG(LOG_WARN, NULL, "rpc.ticket_refused", LF_STR("peer", rpc_identity_str(c->peer, id)),
	    LF_STR("ip", ipaddr_str(rpc_link_addr(pl->link), ip)),
	    LF_STR("method", c->method->name), LF_STR("why", c->diag.text),
	    LF_UINT("account", c->claims.account),
	    LF_HEX("session", slice(c->claims.session, sizeof c->claims.session)),
	    LF_UINT("count", pl->refused));
	pl->refused_ms = now;
	pl->refused = 0;
}

WAITS static void serve(struct rpc_req *r, void *arg)
{
	struct port *port = arg;
	struct mcall c = {
		.be = port->server->be,
		.req = r,
		.method = method_find(rpc_req_method(r)),
		.peer = rpc_link_peer(rpc_req_link(r)),
	};
	bool is_admin = c.method->port == PORT_ADMIN;
	char id[RPC_IDENTITY_STR];
	enum err e;

	metric_add(&calls_total, 1);
	serving_begin(port->server);
	arena_init(&c.mem, rpc_link_budget(rpc_req_link(r)));
	e = dispatch(&c);
	if (e == E_NO_TICKET)
		log_refused_ticket(&c);
	/* A refusal is told when it is on record; not if the database is what is missing. */
	if (is_admin && e != E_OK && e != E_RETRY)
		admin_record(&c, e);
	if (e == E_OK && !c.replied)
		e = mcall_reply(&c, NULL, RPC_NO_BODY);
	else if (e != E_OK && e != E_CANCELLED && (!c.replied || e != E_WRONG_OWNER))
		mcall_fail(&c, e);
	if (is_admin)
		admin_record(&c, e);
	if (e != E_OK && e != E_CANCELLED)
		LOG(e == E_INTERNAL || e == E_CORRUPT || e == E_IO ? LOG_ERROR : LOG_DEBUG, NULL,
		    "rpc.failed", LF_STR("method", c.method->name),
		    LF_STR("peer", rpc_identity_str(c.peer, id)), LF_ERR("error", e),
		    LF_STR("why", c.diag.text));
	arena_reset(&c.mem);
	invariant(mcall_hold(&c, 0));
	serving_end(port->server);
}

/* ---- revoked certificates ---- */

static void on_dir_event(const struct dir_event *ev, void *arg)
{
	struct rpc_server *s = arg;
	size_t n = dir_revoked_count(s->be->dir);
	slice_t *serials;

	if (ev->kind != DIR_EV_REVOKED)
		return;
	serials = xcalloc(n, sizeof *serials);
	for (size_t i = 0; i < n; i++)
		serials[i] = dir_revoked_at(s->be->dir, i);
	tls_ctx_revoke(s->accept_tls, serials, n);
	tls_ctx_revoke(s->dial_tls, serials, n);
	xfree(&serials);
	/* Closing takes a link out of the list: look from the beginning after each. */
	for (bool again = true; again;) {
		again = false;
		list_for_each(i, &s->be->links) {
			struct peer_link *pl = list_entry(i, struct peer_link, node);

			if (dir_cert_revoked(s->be->dir, rpc_link_peer_serial(pl->link)) &&
			    rpc_link_usable(pl->link)) {
				log_link("rpc.revoked", pl->link);
				rpc_link_close(pl->link, CLOSE_PROTOCOL);
				again = true;
				break;
			}
		}
	}
}

/* ---- start and end ---- */

static void init_port(struct rpc_server *s, struct port *p, enum method_port which)
{
	struct rpc_identity self = {.role = ROLE_BACKEND};

	invariant(slice_to_str(slice_str(conf_str(s->be->conf.own, "name")), self.name,
			       sizeof self.name));
	p->server = s;
	p->which = which;
	p->ops = (struct rpc_server_ops){
		.serve = serve, .admit = admit, .arg = p, .budget = &s->budget};
	p->accept = (struct rpc_endpoint){
		.tls = s->accept_tls,
		.self = self,
		.ops = &p->ops,
		.accept = which == PORT_RPC ? accept_rpc : accept_admin,
		.up = link_up,
		.down = link_down,
		.arg = p,
		.budget = &s->budget,
	};
	p->dial = p->accept;
	p->dial.tls = s->dial_tls;
	p->dial.accept = accept_dialled;
}

static enum err listen_all(struct rpc_server *s, const char *setting, struct port *p,
			   struct diag *d)
{
	const struct conf *conf = s->be->conf.own;
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < conf_count(conf, setting); i++) {
		struct conf_addr a = conf_addr(conf, setting, i);
		struct ipaddr ip;
		int fd;

		if (!ipaddr_parse(slice_str(a.host), &ip))
			return diag_set(d, E_INVALID, "%s: %s is not an address", setting, a.host);
		e = listen_socket(&ip, a.port, LISTEN_ALONE, &fd, d);
		if (e == E_OK)
			e = rpc_accepter_new(&p->accept, fd, &s->accepters[s->naccepters]);
		s->naccepters += e == E_OK;
	}
	return e;
}

static enum err dial_all(struct rpc_server *s, struct diag *d)
{
	const struct conf *conf = s->be->conf.own;
	size_t n = conf_count(conf, "rpc.dial");

	s->dialers = xcalloc(n, sizeof *s->dialers);
	for (size_t i = 0; i < n; i++) {
		struct conf_addr a = conf_addr(conf, "rpc.dial", i);
		struct ipaddr ip;

		if (!ipaddr_parse(slice_str(a.host), &ip))
			return diag_set(d, E_INVALID, "rpc.dial: %s is not an address", a.host);
		s->dialers[s->ndialers++] = rpc_dialer_new(&s->rpc.dial, &ip, a.port);
	}
	return E_OK;
}

void rpc_server_drain(struct rpc_server *s)
{
	list_for_each(i, &s->be->links)
		rpc_link_drain(list_entry(i, struct peer_link, node)->link);
}

/* Links close by fibers of their own, which still tell their requests and give memory back. */
WAITS static void await_links(struct rpc_server *s, struct rpc_link **links, size_t n)
{
	fiber_shield_begin();
	for (size_t i = 0; i < n; i++) {
		if (rpc_link_wait_closed(links[i], NO_DEADLINE) != E_OK)
			LOG(LOG_WARN, NULL, "rpc.link_left");
		rpc_link_unref(&links[i]);
	}
	while (s->serving != 0) {
		if (event_wait(&s->idle, "rpc.serving", NO_DEADLINE) != E_OK)
			break;
	}
	while (s->budget.used != 0)
		fiber_yield();
	fiber_shield_end();
}

WAITS void rpc_server_free(struct rpc_server **ps)
{
	struct rpc_server *s = *ps;
	struct rpc_link **links;
	size_t n = 0;

	if (s == NULL)
		return;
	list_for_each(i, &s->be->links)
		n++;
	links = xcalloc(n, sizeof(*links));
	n = 0;
	list_for_each(i, &s->be->links) {
		links[n] = list_entry(i, struct peer_link, node)->link;
		rpc_link_ref(links[n++]);
	}
	dir_unsubscribe(&s->sub);
	for (size_t i = 0; i < s->naccepters; i++)
		rpc_accepter_free(&s->accepters[i]);
	for (size_t i = 0; i < s->ndialers; i++)
		rpc_dialer_free(&s->dialers[i]);
	await_links(s, links, n);
	map_fini(&s->shown);
	xfree(&links);
	xfree(&s->dialers);
	xfree(ps);
}

WAITS enum err rpc_server_start(struct be *be, struct tls_ctx *accept_tls, struct tls_ctx *dial_tls,
				struct rpc_server **out, struct diag *d)
{
	struct rpc_server *s = xcalloc(1, sizeof *s);
	enum err e;

	s->be = be;
	s->accept_tls = accept_tls;
	s->dial_tls = dial_tls;
	event_init(&s->idle);
	map_init(&s->shown);
	budget_init(&s->budget, RPC_MEMORY, NULL);
	init_port(s, &s->rpc, PORT_RPC);
	init_port(s, &s->admin, PORT_ADMIN);
	s->sub = (struct dir_sub){.fn = on_dir_event, .arg = s};
	dir_subscribe(be->dir, &s->sub);
	on_dir_event(&(struct dir_event){.kind = DIR_EV_REVOKED}, s);
	e = listen_all(s, "rpc.listen", &s->rpc, d);
	if (e == E_OK)
		e = listen_all(s, "admin.listen", &s->admin, d);
	if (e == E_OK)
		e = dial_all(s, d);
	*out = s;
	if (e != E_OK)
		rpc_server_free(out);
	return e;
}

#include "frontend/rpc/rpc_client_priv.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "frontend/rpc/limits.h"
#include "proto/types.pb-c.h"

struct rpc_client rpc_client;

static bool accept_peer(const struct rpc_identity *peer, enum rpc_side *side_out, void *arg UNUSED)
{
	*side_out = RPC_REQUESTER;
	return peer->role == ROLE_BACKEND;
}

static void link_up(struct rpc_link *l, void *arg UNUSED)
{
	struct rpc_client *c = &rpc_client;

	if (c->nlinks == BACKENDS_MAX) {
		LOG(LOG_WARN, NULL, "rpc.too_many_links",
		    LF_STR("backend", rpc_link_peer(l)->name));
		rpc_link_close(l, CLOSE_LIMIT);
		return;
	}
	rpc_link_ref(l);
	c->links[c->nlinks++] = l;
	waitq_wake_all(&c->changed);
	if (c->conf.found != NULL)
		c->conf.found(l);
}

static void link_down(struct rpc_link *l, void *arg UNUSED)
{
	struct rpc_client *c = &rpc_client;

	for (size_t i = 0; i < c->nlinks; i++) {
		if (c->links[i] == l) {
			c->links[i] = c->links[--c->nlinks];
			rpc_link_unref(&l);
			break;
		}
	}
	waitq_wake_all(&c->changed);
}

/* The dialer of an address that has none yet; the map may name what the configuration has. */
static struct peer *peer_get(const struct ipaddr *addr, uint16_t port)
{
	struct rpc_client *c = &rpc_client;
	struct peer *p;

	for (size_t i = 0; i < c->npeers; i++) {
		if (c->peers[i].port == port && ipaddr_eq(&c->peers[i].addr, addr))
			return &c->peers[i];
	}
	if (c->npeers == BACKENDS_MAX)
		return NULL;
	p = &c->peers[c->npeers++];
	*p = (struct peer){.addr = *addr, .port = port};
	p->dialer = rpc_dialer_new(&c->endpoint, addr, port);
	return p;
}

void rpc_client_start(const struct rpc_client_conf *conf)
{
	struct rpc_client *c = &rpc_client;

	*c = (struct rpc_client){.conf = *conf};
	c->endpoint = (struct rpc_endpoint){
		.tls = conf->tls,
		.self = conf->self,
		.accept = accept_peer,
		.up = link_up,
		.down = link_down,
	};
	waitq_init(&c->changed);
	if (conf->listen_fd >= 0) {
		if (rpc_accepter_new(&c->endpoint, conf->listen_fd, &c->accepter) != E_OK)
			LOG(LOG_ERROR, NULL, "rpc.listen_failed");
	} else {
		for (size_t i = 0; i < conf->naddrs; i++) {
			struct peer *p = peer_get(&conf->addrs[i], conf->ports[i]);

			if (p != NULL)
				p->bootstrap = true;
		}
	}
	if (fiber_start("policy.watch", policy_watch_run, NULL, &c->watcher) != E_OK)
		LOG(LOG_ERROR, NULL, "policy.watch_failed");
}

void rpc_client_stop(void)
{
	struct rpc_client *c = &rpc_client;

	for (size_t i = 0; i < c->npeers; i++) {
		if (c->peers[i].dialer != NULL)
			rpc_dialer_free(&c->peers[i].dialer);
	}
	c->npeers = 0;
	if (c->accepter != NULL)
		rpc_accepter_free(&c->accepter);
	xfree(&c->routes);
	c->nroutes = 0;
}

void rpc_client_tls_set(struct tls_ctx *tls)
{
	tls_ctx_revoke_as(tls, rpc_client.endpoint.tls);
	rpc_client.endpoint.tls = tls;
}

static int route_cmp(const void *a, const void *b)
{
	const struct route *x = a, *y = b;

	return x->partition < y->partition ? -1 : x->partition > y->partition;
}

static void set_routes(const Postern__Cluster *m)
{
	struct rpc_client *c = &rpc_client;

	xfree(&c->routes);
	c->routes = xcalloc(m->n_partitions, sizeof *c->routes);
	c->nroutes = 0;
	for (size_t i = 0; i < m->n_partitions; i++) {
		struct route *r = &c->routes[c->nroutes];

		r->partition = m->partitions[i]->id;
		if (slice_to_str(slice_str(m->partitions[i]->backend), r->backend,
				 sizeof r->backend))
			c->nroutes++;
	}
	if (c->nroutes > 1)
		qsort(c->routes, c->nroutes, sizeof *c->routes, route_cmp);
}

void rpc_client_set_cluster(const Postern__Cluster *m)
{
	struct rpc_client *c = &rpc_client;

	set_routes(m);
	if (c->accepter != NULL)
		return; /* inside-out: back-ends come to us */
	for (size_t i = 0; i < c->npeers; i++)
		c->peers[i].listed = false;
	for (size_t i = 0; i < m->n_backends; i++) {
		const Postern__BackendNode *n = m->backends[i];
		struct ipaddr addr;
		struct peer *p = NULL;

		if (n->port <= UINT16_MAX && ipaddr_parse(slice_str(n->address), &addr))
			p = peer_get(&addr, (uint16_t)n->port);
		if (p != NULL)
			p->listed = true;
		else
			LOG(LOG_WARN, NULL, "cluster.bad_node", LF_STR("backend", n->name),
			    LF_STR("address", n->address));
	}
	for (size_t i = 0; i < c->npeers;) {
		if (c->peers[i].bootstrap || c->peers[i].listed) {
			i++;
			continue;
		}
		rpc_dialer_free(&c->peers[i].dialer);
		c->peers[i] = c->peers[--c->npeers];
	}
}

struct rpc_link *rpc_client_any(void)
{
	struct rpc_client *c = &rpc_client;
	struct rpc_link *hangs = NULL;

	for (size_t i = 0; i < c->nlinks; i++) {
		struct rpc_link *l = c->links[c->turn++ % c->nlinks];

		if (!rpc_link_usable(l))
			continue;
		if (!rpc_link_doubtful(l))
			return l;
		hangs = l;
	}
	return hangs;
}

bool rpc_client_many(void)
{
	return rpc_client.nlinks > 1;
}

struct rpc_link *rpc_client_backend(slice_t name)
{
	struct rpc_client *c = &rpc_client;

	for (size_t i = 0; i < c->nlinks; i++) {
		if (slice_eq(name, slice_str(rpc_link_peer(c->links[i])->name)) &&
		    rpc_link_usable(c->links[i]))
			return c->links[i];
	}
	return NULL;
}

struct rpc_link *rpc_client_partition(uint32_t partition)
{
	struct route key = {.partition = partition};
	const struct route *r;

	if (rpc_client.nroutes == 0)
		return NULL;
	r = bsearch(&key, rpc_client.routes, rpc_client.nroutes, sizeof key, route_cmp);
	return r != NULL ? rpc_client_backend(slice_str(r->backend)) : NULL;
}

bool rpc_client_is_ready(void)
{
	return rpc_client.have_policy && rpc_client.nlinks != 0;
}

size_t rpc_client_links(struct rpc_link **out, size_t max)
{
	const struct rpc_client *c = &rpc_client;
	size_t n = 0;

	for (size_t i = 0; i < c->nlinks && n < max; i++) {
		if (rpc_link_usable(c->links[i]))
			out[n++] = c->links[i];
	}
	return n;
}

WAITS enum err rpc_client_wait_change(const char *name, int64_t deadline_ms)
{
	return waitq_wait(&rpc_client.changed, name, deadline_ms);
}

WAITS enum err rpc_client_ready(int64_t deadline_ms)
{
	while (!rpc_client_is_ready()) {
		enum err e = waitq_wait(&rpc_client.changed, "rpc.ready", deadline_ms);

		if (e != E_OK)
			return e;
	}
	return E_OK;
}

#define SMALL_REQUEST     1024
#define RPC_PAYLOAD_SPARE 4            /* rpc_call_start's own */
#define RPC_LONG_MAX      (512 * 1024) /* a commit with all recipients, structure and text */
#define RPC_PATIENCE_MS   2000         /* what is answered from memory takes a thousandth of it */

enum err rpc_client_open(struct rpc_link *l, uint16_t method, const ProtobufCMessage *req,
			 enum rpc_body body, int64_t deadline_ms, struct rpc_call **out)
{
	uint8_t small[SMALL_REQUEST], *bytes = small;
	size_t n = protobuf_c_message_get_packed_size(req);
	enum err e;

	if (l == NULL)
		return E_RETRY;
	if (n > RPC_PAYLOAD_MAX - RPC_PAYLOAD_SPARE)
		return E_TOO_BIG;
	if (n > sizeof small)
		bytes = xmalloc(n);
	protobuf_c_message_pack(req, bytes);
	e = rpc_call_start(l, method, slice(bytes, n), body, deadline_ms, out);
	if (bytes != small)
		xfree(&bytes);
	return e;
}

WAITS enum err rpc_client_open_long(struct rpc_link *l, uint16_t method,
				    const ProtobufCMessage *req, int64_t deadline_ms,
				    struct rpc_call **out)
{
	size_t n = protobuf_c_message_get_packed_size(req);
	struct rpc_call *call;
	uint8_t *bytes;
	enum err e;

	if (n <= RPC_PAYLOAD_MAX - RPC_PAYLOAD_SPARE)
		return rpc_client_open(l, method, req, RPC_NO_BODY, deadline_ms, out);
	if (l == NULL)
		return E_RETRY;
	if (n > RPC_LONG_MAX)
		return E_TOO_BIG;
	e = rpc_call_start(l, method, SLICE_NONE, RPC_BODY, deadline_ms, &call);
	if (e != E_OK)
		return e;
	bytes = xmalloc(n);
	protobuf_c_message_pack(req, bytes);
	e = rpc_call_send(call, slice(bytes, n));
	xfree(&bytes);
	if (e == E_OK)
		e = rpc_call_send_end(call);
	if (e == E_OK || e == E_CLOSED) { /* answered early: the caller sees the answer */
		*out = call;
		return E_OK;
	}
	rpc_call_free(&call);
	return e;
}

WAITS struct rpc_link *rpc_client_wait_partition(uint32_t partition, int64_t deadline_ms)
{
	for (;;) {
		struct rpc_link *l = rpc_client_partition(partition);

		if (l != NULL)
			return l;
		if (waitq_wait(&rpc_client.changed, "rpc.owner", deadline_ms) != E_OK)
			return NULL;
	}
}

enum err rpc_client_unpack(const ProtobufCMessageDescriptor *desc, slice_t bytes, struct arena *a,
			   ProtobufCMessage **out)
{
	struct diag d = {""};
	enum err e = walk_unpack(desc, fe_walk_limits, bytes, a, out, &d);

	if (e != E_OK)
		LOG(LOG_ERROR, NULL, "rpc.bad_answer", LF_STR("message", desc->short_name),
		    LF_STR("why", d.text));
	return e == E_OK ? E_OK : E_INTERNAL;
}

static void owner_name(slice_t payload, struct diag *d)
{
	struct arena a;
	ProtobufCMessage *m;

	if (d == NULL)
		return;
	d->text[0] = '\0';
	arena_init(&a, NULL);
	if (rpc_client_unpack(&postern__wrong_owner__descriptor, payload, &a, &m) == E_OK)
		(void)diag_set(d, E_OK, "%s", ((Postern__WrongOwner *)m)->backend);
	arena_reset(&a);
}

void rpc_client_words(slice_t payload, struct diag *d)
{
	struct arena a;
	ProtobufCMessage *m;
	struct diag why;

	if (d == NULL)
		return;
	d->text[0] = '\0';
	arena_init(&a, NULL);
	if (payload.n != 0 && walk_unpack(&postern__failure__descriptor, fe_walk_limits, payload,
					  &a, &m, &why) == E_OK)
		(void)diag_set(d, E_OK, "%s", ((Postern__Failure *)m)->text);
	arena_reset(&a);
}

WAITS enum err rpc_client_call(struct rpc_link *l, uint16_t method, const ProtobufCMessage *req,
			       const ProtobufCMessageDescriptor *reply, struct arena *a,
			       int64_t deadline_ms, ProtobufCMessage **reply_out, struct diag *d)
{
	struct rpc_call *call;
	slice_t payload = SLICE_NONE;
	enum err e = rpc_client_open(l, method, req, RPC_NO_BODY, deadline_ms, &call);

	if (e != E_OK)
		return e;
	e = rpc_call_response(call, &payload);
	if (e == E_OK && reply_out != NULL)
		e = rpc_client_unpack(reply, payload, a, reply_out);
	else if (e == E_WRONG_OWNER)
		owner_name(payload, d);
	else if (e != E_OK)
		rpc_client_words(payload, d);
	rpc_call_free(&call);
	return e;
}

WAITS enum err rpc_client_ask(struct rpc_link *l, uint16_t method, const ProtobufCMessage *req,
			      const ProtobufCMessageDescriptor *reply, struct arena *a,
			      int64_t deadline_ms, ProtobufCMessage **reply_out, struct diag *d)
{
	int64_t first_ms = deadline_ms;
	enum err e;

	if (l == NULL || rpc_link_doubtful(l))
		l = rpc_client_any();
	if (rpc_client_many())
		first_ms = MIN(first_ms, deadline_in(RPC_PATIENCE_MS));
	e = rpc_client_call(l, method, req, reply, a, first_ms, reply_out, d);
	/* The one that was late is doubtful now. */
	if (e == E_TIMEOUT && first_ms < deadline_ms)
		e = rpc_client_call(rpc_client_any(), method, req, reply, a, deadline_ms, reply_out,
				    d);
	return e;
}

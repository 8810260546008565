#include "tests/unit/frontend/rpc/played.h"

#include "common/loop/fiber.h"
#include "proto/types.pb-c.h"

static const struct rpc_identity fe = {ROLE_FRONTEND, SERVICE_SMTP, "fe1"};

void played_begin(const char *const *names, size_t n)
{
	memset(&rpc_client, 0, sizeof rpc_client);
	waitq_init(&rpc_client.changed);
	rpc_client.routes = xcalloc(n, sizeof *rpc_client.routes);
	rpc_client.nroutes = n;
	for (size_t i = 0; i < n; i++) {
		rpc_client.routes[i].partition = (uint32_t)i;
		CHECK(slice_to_str(slice_str(names[i]), rpc_client.routes[i].backend,
				   sizeof rpc_client.routes[i].backend));
	}
}

WAITS void played_end(void)
{
	xfree(&rpc_client.routes);
	rpc_client.nroutes = 0;
	CHECK_INT(rpc_client.nlinks, 0);
}

static WAITS void on_serve(struct rpc_req *r, void *arg)
{
	struct played_node *n = arg;

	n->asked[rpc_req_method(r) % ARRAY_LEN(n->asked)]++;
	n->answer(n, r);
}

static bool on_admit(const struct rpc_identity *peer UNUSED, uint16_t method UNUSED,
		     size_t *payload_max, int64_t *deadline_max_ms, void *arg UNUSED)
{
	*payload_max = RPC_PAYLOAD_MAX;
	*deadline_max_ms = 600000;
	return true;
}

struct starter {
	struct stream *s;
	struct rpc_link_opts o;
	struct played_node *node;
	enum err e;
};

static WAITS void start_server(void *arg)
{
	struct starter *st = arg;

	st->e = rpc_link_start_as(&st->s, &st->o, &fe, &(struct tls_facts){.peer_serial = SL("0a")},
				  deadline_in(WIRE_MS), &st->node->serve);
}

WAITS void played_up(struct played_node *n)
{
	struct rpc_identity be = {.role = ROLE_BACKEND};
	struct rpc_link_opts asks = {.side = RPC_REQUESTER, .self = fe};
	struct stream_opts o = {.window_max = RPC_WINDOW, .high_water = RPC_HIGH_WATER};
	struct starter st = {.node = n};
	struct scope scope;
	struct wire w;

	CHECK(slice_to_str(slice_str(n->name), be.name, sizeof be.name));
	n->ops = (struct rpc_server_ops){.serve = on_serve, .admit = on_admit, .arg = n};
	wire_open(&w, &o);
	st.s = w.server;
	st.o = (struct rpc_link_opts){.side = RPC_SERVER, .self = be, .ops = &n->ops};
	scope_init(&scope);
	CHECK_ERR(scope_start(&scope, "played", start_server, &st), E_OK);
	CHECK_ERR(rpc_link_start_as(&w.client, &asks, &be,
				    &(struct tls_facts){.peer_serial = SL("0b")},
				    deadline_in(WIRE_MS), &n->ask),
		  E_OK);
	CHECK_ERR(scope_join(&scope, deadline_in(WIRE_MS)), E_OK);
	CHECK_ERR(st.e, E_OK);
	rpc_link_ref(n->ask);
	rpc_client.links[rpc_client.nlinks++] = n->ask;
	waitq_wake_all(&rpc_client.changed);
}

WAITS void played_down(struct played_node *n)
{
	if (n->ask == NULL)
		return;
	rpc_link_close(n->serve, CLOSE_IO);
	rpc_link_close(n->ask, CLOSE_IO);
	for (size_t i = 0; i < rpc_client.nlinks; i++) {
		if (rpc_client.links[i] == n->ask) {
			rpc_client.links[i] = rpc_client.links[--rpc_client.nlinks];
			rpc_link_unref(&(struct rpc_link *){n->ask});
			break;
		}
	}
	CHECK_ERR(rpc_link_wait_closed(n->serve, deadline_in(WIRE_MS)), E_OK);
	CHECK_ERR(rpc_link_wait_closed(n->ask, deadline_in(WIRE_MS)), E_OK);
	rpc_link_unref(&n->serve);
	rpc_link_unref(&n->ask);
}

WAITS enum err played_body(struct rpc_req *r, struct buf *b)
{
	slice_t part;
	enum err e;

	while ((e = rpc_req_recv(r, &part)) == E_OK)
		buf_put(b, part);
	return e;
}

WAITS ProtobufCMessage *played_message(struct rpc_req *r, const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m;
	struct buf b;

	buf_init(&b, 1 << 20, NULL);
	if (rpc_req_has_body(r) && rpc_req_payload(r).n == 0)
		CHECK_ERR(played_body(r, &b), E_CLOSED);
	else
		buf_put(&b, rpc_req_payload(r));
	m = protobuf_c_message_unpack(d, NULL, b.n, (const uint8_t *)b.p);
	invariant(m != NULL);
	buf_fini(&b);
	return m;
}

WAITS void played_reply(struct rpc_req *r, enum err status, const ProtobufCMessage *m)
{
	struct buf b;

	buf_init(&b, RPC_PAYLOAD_MAX, NULL);
	if (m != NULL) {
		size_t n = protobuf_c_message_get_packed_size(m);

		protobuf_c_message_pack(m, (uint8_t *)buf_reserve(&b, n + 1));
		buf_commit(&b, n);
	}
	rpc_req_reply(r, status, buf_slice(&b), RPC_NO_BODY);
	buf_fini(&b);
}

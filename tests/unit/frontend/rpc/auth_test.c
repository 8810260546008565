#include "frontend/rpc/call_auth.h"

#include "common/loop/fiber.h"
#include "frontend/core/iplimit.h"
#include "frontend/core/line.h"
#include "frontend/core/policy.h"
#include "proto/auth.pb-c.h"
#include "proto/method.pb-c.h"
#include "proto/types.pb-c.h"
#include "tests/unit/frontend/rpc/played.h"

static const char *const map[] = {"be1", "be2"};
static struct played_node nodes[2];
static unsigned ended;

/* alice's owner is be2; SCRAM takes two steps. */
static WAITS void on_start(struct played_node *n, struct rpc_req *r)
{
	ProtobufCMessage *p = played_message(r, &postern__auth_start__descriptor);
	const Postern__AuthStart *m = (const void *)p;
	slice_t initial = slice(m->initial.data, m->initial.len);
	Postern__AuthReply reply;
	Postern__WrongOwner wrong;
	char be2[] = "be2", alice[] = "alice@example.org";
	static uint8_t t[] = "sealed", first[] = "r=1";

	CHECK_INT(m->session_id.len, 16);
	CHECK(m->client != NULL && m->client->ip.len == 4);
	postern__auth_reply__init(&reply);
	postern__wrong_owner__init(&wrong);
	wrong.backend = be2;
	reply.account = alice;
	reply.partition = 1;
	reply.ticket_seconds = 900;
	if (strcmp(n->name, "be1") == 0) {
		played_reply(r, E_WRONG_OWNER, &wrong.base);
	} else if (strcmp(m->mechanism, "SCRAM-SHA-256") == 0) {
		reply.exchange = 9;
		reply.challenge = (ProtobufCBinaryData){sizeof first - 1, first};
		played_reply(r, E_OK, &reply.base);
	} else if (slice_eq(initial, SL("\0alice\0secret"))) {
		reply.ticket = (ProtobufCBinaryData){sizeof t - 1, t};
		played_reply(r, E_OK, &reply.base);
	} else {
		played_reply(r, slice_eq(initial, SL("\0often\0x")) ? E_LIMIT : E_DENIED, NULL);
	}
	protobuf_c_message_free_unpacked(p, NULL);
}

static WAITS void on_step(struct rpc_req *r)
{
	ProtobufCMessage *p = played_message(r, &postern__auth_step__descriptor);
	const Postern__AuthStep *m = (const void *)p;
	Postern__AuthReply reply;
	char alice[] = "alice@example.org";
	static uint8_t t[] = "sealed", last[] = "v=1";

	CHECK_INT(m->exchange, 9);
	CHECK_SLICE(slice(m->response.data, m->response.len), SL("p=1"));
	postern__auth_reply__init(&reply);
	reply.account = alice;
	reply.ticket = (ProtobufCBinaryData){sizeof t - 1, t};
	reply.challenge = (ProtobufCBinaryData){sizeof last - 1, last};
	reply.ticket_seconds = 900;
	played_reply(r, E_OK, &reply.base);
	protobuf_c_message_free_unpacked(p, NULL);
}

static WAITS void answer(struct played_node *n, struct rpc_req *r)
{
	switch (rpc_req_method(r)) {
	case POSTERN__METHOD__METHOD_AUTH_START:
		on_start(n, r);
		break;
	case POSTERN__METHOD__METHOD_AUTH_STEP:
		CHECK_STR(n->name, "be2");
		on_step(r);
		break;
	case POSTERN__METHOD__METHOD_AUTH_END:
		ended++;
		played_reply(r, E_OK, NULL);
		break;
	default:
		CHECK(false);
	}
}

/* A protocol with one line: "name password" or, for SCRAM, the client's messages. */
static enum err outcome;

static WAITS enum err say(void *arg, slice_t base64)
{
	struct session *s = arg;
	enum err e = stream_write(s->stream, base64, deadline_in(WIRE_MS));

	return e == E_OK ? stream_write(s->stream, SL("\r\n"), deadline_in(WIRE_MS)) : e;
}

static WAITS enum err hear(void *arg, slice_t *out)
{
	struct session *s = arg;

	return line_read(s->stream, SASL_LINE_MAX, "test", deadline_in(WIRE_MS), out);
}

static WAITS void run(struct session *s)
{
	/* Of the table, but offered under TLS only: here its bytes are what matters. */
	static const struct sasl_mech scram = {.name = "SCRAM-SHA-256", .wire = "SCRAM-SHA-256"};
	struct sasl_io io = {.arg = s, .challenge = say, .response = hear};
	slice_t line;

	if (hear(s, &line) != E_OK)
		return;
	if (slice_eq(line, SL("scram"))) {
		outcome = call_auth_sasl(s, &scram, NULL, &io);
	} else {
		size_t gap = slice_find_char(line, ' ');

		outcome = call_auth_password(s, slice_sub(line, 0, gap), slice_from(line, gap + 1));
	}
	CHECK((s->ticket != NULL) == (outcome == E_OK));
	if (outcome == E_OK)
		CHECK_STR(s->ticket->account, "alice@example.org");
}

static void refuse(struct stream *s UNUSED, const struct refusal *r UNUSED)
{
	CHECK(false);
}

static const struct protocol protocol = {
	.service = SERVICE_IMAP,
	.session_size = sizeof(struct session),
	.run = run,
	.refuse = refuse,
};
static struct endpoint endpoint = {.name = "imap", .service = SERVICE_IMAP};

static WAITS void begin(void)
{
	policy_init("fe1");
	iplimit_forget();
	played_begin(map, 2);
	ended = 0;
	for (int i = 0; i < 2; i++) {
		nodes[i] = (struct played_node){.name = map[i], .answer = answer};
		played_up(&nodes[i]);
	}
}

static WAITS void end(void)
{
	for (int i = 0; i < 2; i++)
		played_down(&nodes[i]);
	played_end();
	iplimit_forget();
}

static WAITS void open_session(struct wire *w)
{
	wire_open(w, NULL);
	session_accept(&protocol, &endpoint, w->server);
	w->server = NULL;
}

static WAITS enum err log_in(const char *words)
{
	struct wire w;

	outcome = E_INTERNAL;
	open_session(&w);
	wire_send(&w, slice_str(words));
	CHECK(wire_is_closed(&w));
	wire_close(&w);
	while (session_count() > 0)
		fiber_yield();
	return outcome;
}

TEST_FIBER(auth_password)
{
	begin();
	for (int i = 0; i < 2; i++) /* either node is asked first */
		CHECK_ERR(log_in("alice secret\r\n"), E_OK);
	for (int i = 0; i < 100 && ended < 2; i++)
		fiber_yield();
	CHECK_INT(ended, 2);
	CHECK_ERR(log_in("alice wrong\r\n"), E_DENIED);
	CHECK_ERR(log_in("often x\r\n"), E_LIMIT);
	CHECK_ERR(log_in(" x\r\n"), E_INVALID);
	played_down(&nodes[1]);
	CHECK_ERR(log_in("alice secret\r\n"), E_RETRY);
	end();
}

TEST_FIBER(auth_scram)
{
	struct wire w;

	begin();
	open_session(&w);
	wire_send(&w, SL("scram\r\n"));
	CHECK(wire_line(&w) == E_OK);
	CHECK_STR(w.line, "");
	wire_send(&w, SL("biwsbj1hbGljZSxyPTE=\r\n"));
	CHECK(wire_line(&w) == E_OK);
	CHECK_STR(w.line, "cj0x");
	wire_send(&w, SL("cD0x\r\n"));
	CHECK(wire_line(&w) == E_OK);
	CHECK_STR(w.line, "dj0x");
	wire_send(&w, SL("\r\n"));
	CHECK(wire_is_closed(&w));
	CHECK_ERR(outcome, E_OK);
	wire_close(&w);
	while (session_count() > 0)
		fiber_yield();
	for (int i = 0; i < 100 && ended < 1; i++)
		fiber_yield();
	CHECK_INT(ended, 1);
	end();
}

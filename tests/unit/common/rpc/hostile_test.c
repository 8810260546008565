/* What a link does when its peer does not keep to docs/rpc.md. The peer is authenticated: a
 * captured front-end, or a back-end gone mad. */
#include "tests/unit/common/rpc/rig.h"

#include "common/base/clock.h"
#include "common/base/num.h"

static char zeros[RPC_PAYLOAD_MAX + 1];

/* A link that has nothing to do with the hostile one, and must not notice. */
static WAITS void bystander(struct duo *d)
{
	CHECK_ERR(rig_echo(d->ask, SL("unharmed")), E_OK);
	duo_close(d);
}

/* ---- frames that end the link ---- */

struct fault {
	const char *what;
	enum rpc_side side; /* of the link under test */
	void (*send)(struct raw *r);
	const char *why; /* as it is logged */
};

static void open_hang(struct raw *r)
{
	raw_request(r, 1, RIG_HANG, 0, SLICE_NONE);
}

static void open_stall(struct raw *r)
{
	raw_request(r, 1, RIG_STALL, FRAME_BODY, SLICE_NONE);
}

static void f_unknown_type(struct raw *r)
{
	raw_put(r, 77, 0, 0, 1, SLICE_NONE);
}

static void f_unknown_flag(struct raw *r)
{
	raw_put(r, FRAME_REQUEST, 0x80, RIG_ECHO, 1, SL("0000"));
}

static void f_oversize(struct raw *r)
{
	open_stall(r);
	raw_put(r, FRAME_DATA, 0, 0, 1, slice(zeros, RPC_PAYLOAD_MAX + 1));
}

static void f_length_of_4_gib(struct raw *r)
{
	raw_put_bytes(r, SL("\xff\xff\xff\xff\x04\x00\x00\x00\x00\x00\x00\x01"));
}

static void f_short_request(struct raw *r)
{
	raw_put(r, FRAME_REQUEST, 0, RIG_ECHO, 1, SL("000"));
}

static void f_second_hello(struct raw *r)
{
	raw_hello(r, "frontend/fe1/smtp", 1, 1);
}

static void f_request_on_zero(struct raw *r)
{
	raw_put(r, FRAME_REQUEST, 0, RIG_ECHO, 0, SL("0000"));
}

static void f_request_twice(struct raw *r)
{
	open_hang(r);
	open_hang(r);
}

static void f_request_used(struct raw *r)
{
	raw_request(r, 1, RIG_ECHO, 0, SLICE_NONE);
	raw_request(r, 2, RIG_ECHO, 0, SLICE_NONE);
	raw_request(r, 1, RIG_ECHO, 0, SLICE_NONE);
}

static void f_request_far_ahead(struct raw *r)
{
	raw_request(r, 1000000, RIG_ECHO, 0, SLICE_NONE);
}

static void f_request_after_goaway(struct raw *r)
{
	open_hang(r);
	raw_put(r, FRAME_GOAWAY, 0, 0, 0, SLICE_NONE);
	raw_request(r, 2, RIG_ECHO, 0, SLICE_NONE);
}

static void f_response_from_requester(struct raw *r)
{
	open_hang(r);
	raw_put(r, FRAME_RESPONSE, 0, 0, 1, SLICE_NONE);
}

static void f_too_many_streams(struct raw *r)
{
	/* Each is denied at once, but its body never ends. */
	for (uint32_t i = 1; i <= RPC_STREAMS_MAX + 1; i++)
		raw_put(r, FRAME_REQUEST, FRAME_BODY, RIG_DENIED, i, SL("0000"));
}

static void f_data_unopened(struct raw *r)
{
	raw_put(r, FRAME_DATA, 0, 0, 1, SL("x"));
}

static void f_data_without_body(struct raw *r)
{
	open_hang(r);
	raw_put(r, FRAME_DATA, 0, 0, 1, SL("x"));
}

static void f_data_after_end(struct raw *r)
{
	open_stall(r);
	raw_put(r, FRAME_DATA, FRAME_END, 0, 1, SL("x"));
	raw_put(r, FRAME_DATA, 0, 0, 1, SL("x"));
}

static void f_data_after_cancel(struct raw *r)
{
	open_stall(r);
	raw_put(r, FRAME_CANCEL, 0, 0, 1, SLICE_NONE);
	raw_put(r, FRAME_DATA, 0, 0, 1, SL("x"));
}

static void f_data_empty(struct raw *r)
{
	open_stall(r);
	raw_put(r, FRAME_DATA, 0, 0, 1, SLICE_NONE);
}

static void f_data_beyond_credit(struct raw *r)
{
	open_stall(r);
	for (int i = 0; i < 4; i++)
		raw_put(r, FRAME_DATA, 0, 0, 1, slice(zeros, 65536));
}

static void f_data_beyond_credit_by_one(struct raw *r)
{
	open_stall(r);
	for (int i = 0; i < 3; i++)
		raw_put(r, FRAME_DATA, 0, 0, 1, slice(zeros, 65536 - RPC_DATA_COST));
	raw_put(r, FRAME_DATA, 0, 0, 1, slice(zeros, 65536 - RPC_DATA_COST + 1));
}

static void f_tiny_data_beyond_credit(struct raw *r)
{
	open_stall(r);
	for (int i = 0; i < RPC_CREDIT / (1 + RPC_DATA_COST) + 1; i++)
		raw_put(r, FRAME_DATA, 0, 0, 1, SL("x"));
}

static void f_data_beyond_credit_refused(struct raw *r)
{
	raw_request(r, 1, RIG_DENIED, FRAME_BODY, SLICE_NONE);
	for (int i = 0; i < 4; i++)
		raw_put(r, FRAME_DATA, 0, 0, 1, slice(zeros, 65536));
}

static void f_credit_zero(struct raw *r)
{
	open_hang(r);
	raw_credit(r, 1, 0);
}

static void f_credit_beyond(struct raw *r)
{
	open_hang(r);
	raw_credit(r, 1, 1);
}

static void f_credit_overflow(struct raw *r)
{
	open_hang(r);
	raw_credit(r, 1, UINT32_MAX);
}

static void f_credit_unopened(struct raw *r)
{
	raw_credit(r, 5, 1);
}

static void f_cancel_unopened(struct raw *r)
{
	raw_put(r, FRAME_CANCEL, 0, 0, 5, SLICE_NONE);
}

static void f_ping_flood(struct raw *r)
{
	for (int i = 0; i < RPC_PINGS_MAX + 1; i++)
		raw_put(r, FRAME_PING, 0, 0, 0, SL("01234567"));
}

static void f_ping_answer(struct raw *r)
{
	raw_put(r, FRAME_PING, FRAME_ACK, 0, 0, SL("01234567"));
}

static void f_second_goaway(struct raw *r)
{
	open_hang(r);
	raw_put(r, FRAME_GOAWAY, 0, 0, 0, SLICE_NONE);
	raw_put(r, FRAME_GOAWAY, 0, 0, 0, SLICE_NONE);
}

/* The link under test asks; its call on stream 1 has a body under way. */

static void f_request_from_server(struct raw *r)
{
	raw_request(r, 1, RIG_ECHO, 0, SLICE_NONE);
}

static void f_response_unasked(struct raw *r)
{
	raw_put(r, FRAME_RESPONSE, 0, 0, 2, SLICE_NONE);
}

static void f_response_twice(struct raw *r)
{
	raw_put(r, FRAME_RESPONSE, FRAME_BODY, 0, 1, SLICE_NONE);
	raw_put(r, FRAME_RESPONSE, FRAME_BODY, 0, 1, SLICE_NONE);
}

static void f_response_after_the_end(struct raw *r)
{
	raw_put(r, FRAME_RESPONSE, 0, 0, 1, SLICE_NONE);
	raw_put(r, FRAME_RESPONSE, 0, 0, 1, SLICE_NONE);
}

static void f_data_before_response(struct raw *r)
{
	raw_put(r, FRAME_DATA, 0, 0, 1, SL("x"));
}

static void f_data_after_last_response(struct raw *r)
{
	raw_put(r, FRAME_RESPONSE, 0, 0, 1, SLICE_NONE);
	raw_put(r, FRAME_DATA, 0, 0, 1, SL("x"));
}

static void f_answer_beyond_credit(struct raw *r)
{
	raw_put(r, FRAME_RESPONSE, FRAME_BODY, 0, 1, SLICE_NONE);
	for (int i = 0; i < 4; i++)
		raw_put(r, FRAME_DATA, 0, 0, 1, slice(zeros, 65536));
}

#define NOT_OPEN "\"data on a stream that is not open\""

static const struct fault faults[] = {
	{"unknown type", RPC_SERVER, f_unknown_type, "\"unknown frame type\""},
	{"unknown flag", RPC_SERVER, f_unknown_flag, "\"unknown frame flag\""},
	{"oversize", RPC_SERVER, f_oversize, "\"bad frame length\""},
	{"4 GiB", RPC_SERVER, f_length_of_4_gib, "\"bad frame length\""},
	{"request without deadline", RPC_SERVER, f_short_request, "\"bad frame length\""},
	{"second hello", RPC_SERVER, f_second_hello, "\"second hello\""},
	{"request on stream 0", RPC_SERVER, f_request_on_zero, "\"bad stream number\""},
	{"request on an open stream", RPC_SERVER, f_request_twice,
	 "\"stream number used or out of order\""},
	{"request on a used number", RPC_SERVER, f_request_used,
	 "\"stream number used or out of order\""},
	{"request far ahead", RPC_SERVER, f_request_far_ahead,
	 "\"stream number used or out of order\""},
	{"request after goaway", RPC_SERVER, f_request_after_goaway, "\"request after goaway\""},
	{"response from the requester", RPC_SERVER, f_response_from_requester,
	 "\"response from the requesting side\""},
	{"too many streams", RPC_SERVER, f_too_many_streams, "\"too many streams\""},
	{"data on no stream", RPC_SERVER, f_data_unopened, NOT_OPEN},
	{"data without a body", RPC_SERVER, f_data_without_body, NOT_OPEN},
	{"data after its end", RPC_SERVER, f_data_after_end, NOT_OPEN},
	{"data after own cancel", RPC_SERVER, f_data_after_cancel, NOT_OPEN},
	{"empty data", RPC_SERVER, f_data_empty, "\"empty data frame\""},
	{"data beyond credit", RPC_SERVER, f_data_beyond_credit, "\"data beyond credit\""},
	{"by one byte", RPC_SERVER, f_data_beyond_credit_by_one, "\"data beyond credit\""},
	{"in tiny frames", RPC_SERVER, f_tiny_data_beyond_credit, "\"data beyond credit\""},
	{"on a refused request", RPC_SERVER, f_data_beyond_credit_refused,
	 "\"data beyond credit\""},
	{"credit of 0", RPC_SERVER, f_credit_zero, "\"credit of nothing\""},
	{"credit beyond", RPC_SERVER, f_credit_beyond, "\"credit beyond the limit\""},
	{"credit overflow", RPC_SERVER, f_credit_overflow, "\"credit beyond the limit\""},
	{"credit on no stream", RPC_SERVER, f_credit_unopened,
	 "\"credit on a stream that is not open\""},
	{"cancel on no stream", RPC_SERVER, f_cancel_unopened,
	 "\"cancel on a stream that is not open\""},
	{"ping flood", RPC_SERVER, f_ping_flood, "\"too many pings\""},
	{"ping answer", RPC_SERVER, f_ping_answer, "\"answer to no ping\""},
	{"second goaway", RPC_SERVER, f_second_goaway, "\"second goaway\""},
	{"request from the server", RPC_REQUESTER, f_request_from_server,
	 "\"request from the serving side\""},
	{"response to nothing", RPC_REQUESTER, f_response_unasked,
	 "\"response on a stream that is not open\""},
	{"response twice", RPC_REQUESTER, f_response_twice, "\"second response\""},
	{"response after the last", RPC_REQUESTER, f_response_after_the_end,
	 "\"response on a stream that is not open\""},
	{"data before the response", RPC_REQUESTER, f_data_before_response,
	 "\"data before the response\""},
	{"data after the last response", RPC_REQUESTER, f_data_after_last_response, NOT_OPEN},
	{"answer beyond credit", RPC_REQUESTER, f_answer_beyond_credit, "\"data beyond credit\""},
	{"unknown type to a requester", RPC_REQUESTER, f_unknown_type, "\"unknown frame type\""},
	{"second hello to a requester", RPC_REQUESTER, f_second_hello, "\"second hello\""},
};

static WAITS void one_fault(const struct fault *f)
{
	struct rpc_call *c = NULL;
	struct frame got;
	struct raw r;

	REQUIRE(raw_open(&r, f->side));
	if (f->side == RPC_REQUESTER) {
		CHECK_ERR(rpc_call_start(r.l, RIG_UPLOAD, SLICE_NONE, RPC_BODY, rig_soon(), &c),
			  E_OK);
		CHECK_ERR(rpc_call_send(c, SL("part")), E_OK);
		REQUIRE(raw_expect(&r, FRAME_REQUEST, 1, &got));
		REQUIRE(raw_expect(&r, FRAME_DATA, 1, &got));
	}
	rig_log_start();
	f->send(&r);
	CHECK_ERR(rpc_link_wait_closed(r.l, rig_soon()), E_OK);
	rig_log_stop();
	CHECK_STR(rig_log_fault(), f->why);
	CHECK_INT(rig_log_count("event=rpc.fault"), 1);
	CHECK(!rpc_link_usable(r.l));
	if (c != NULL && !c->responded)
		CHECK_ERR(rpc_call_response(c, NULL), E_RETRY);
	rpc_call_free(&c);
	/* Nothing of it stays, and the connection itself ends. */
	CHECK_INT(rpc_link_streams(r.l), 0);
	while (raw_get(&r, &got))
		;
	raw_close(&r);
}

TEST_FIBER(fault_closes_this_link_only)
{
	struct duo d;

	REQUIRE(duo_open(&d));
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		check_note("%s", faults[i].what);
		one_fault(&faults[i]);
	}
	bystander(&d);
}

/* ---- the hello ---- */

struct bad_hello {
	const char *what;
	void (*send)(struct raw *r);
	const char *why;
};

static void h_request(struct raw *r)
{
	raw_request(r, 1, RIG_ECHO, 0, SLICE_NONE);
}

static void h_garbage(struct raw *r)
{
	raw_put_bytes(r, SL("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
}

static void h_tls_again(struct raw *r)
{
	raw_put_bytes(r, SL("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00\x00"));
}

static void h_ping(struct raw *r)
{
	raw_put(r, FRAME_PING, 0, 0, 0, SL("01234567"));
}

static void h_malformed(struct raw *r)
{
	raw_put(r, FRAME_HELLO, 0, 0, 0,
		SL("\0\1\0\1\xff"
		   "frontend/fe1/smtp"));
}

static void h_other_name(struct raw *r)
{
	raw_hello(r, "backend/be1", 1, 1);
}

static void h_newer(struct raw *r)
{
	raw_hello(r, "frontend/fe1/smtp", RPC_LEVEL_MAX + 1, RPC_LEVEL_MAX + 2);
}

static void h_older(struct raw *r)
{
	raw_hello(r, "frontend/fe1/smtp", 0, RPC_LEVEL_MIN - 1);
}

static const struct bad_hello hellos[] = {
	{"a request", h_request, "\"frame before hello\""},
	{"garbage", h_garbage, "\"unknown frame type\""},
	{"TLS inside", h_tls_again, "\"unknown frame type\""},
	{"a ping", h_ping, "\"frame before hello\""},
	{"malformed", h_malformed, "\"malformed hello\""},
	{"another name", h_other_name, "\"hello and certificate name two peers\""},
	{"only newer levels", h_newer, "\"no protocol level in common\""},
	{"only older levels", h_older, "\"no protocol level in common\""},
};

TEST_FIBER(hello_faults)
{
	for (size_t i = 0; i < ARRAY_LEN(hellos); i++) {
		struct raw r;

		check_note("%s", hellos[i].what);
		REQUIRE(raw_open_silent(&r, RPC_SERVER));
		rig_log_start();
		hellos[i].send(&r);
		CHECK_ERR(event_wait(&r.started, "t.started", rig_soon()), E_OK);
		rig_log_stop();
		CHECK(r.hello == E_INVALID && r.l == NULL);
		CHECK_STR(rig_log_fault(), hellos[i].why);
		raw_close(&r);
	}
}

TEST_FIBER(hello_of_a_newer_peer_that_speaks_ours)
{
	struct raw r;

	REQUIRE(raw_open_silent(&r, RPC_SERVER));
	raw_hello(&r, "frontend/fe1/smtp", RPC_LEVEL_MIN, RPC_LEVEL_MAX + 1);
	CHECK_ERR(event_wait(&r.started, "t.started", rig_soon()), E_OK);
	CHECK_ERR(r.hello, E_OK);
	raw_close(&r);
}

TEST_FIBER(hello_that_never_comes)
{
	struct rpc_link_opts o = {.side = RPC_REQUESTER,
				  .self = {ROLE_FRONTEND, SERVICE_SMTP, "a"}};
	struct rpc_identity peer = {ROLE_BACKEND, SERVICE_NONE, "be1"};
	struct stream *a = NULL, *b = NULL;
	struct rpc_link *l = NULL;

	REQUIRE(rig_streams(&a, &b));
	CHECK_ERR(rpc_link_start_as(&a, &o, &peer, &(struct tls_facts){0}, deadline_in(50), &l),
		  E_TIMEOUT);
	CHECK(l == NULL && a == NULL);
	stream_close(&b, CLOSE_DONE);
	REQUIRE(rig_streams(&a, &b));
	stream_close(&b, CLOSE_DONE);
	CHECK_ERR(rpc_link_start_as(&a, &o, &peer, &(struct tls_facts){0}, rig_soon(), &l),
		  E_CLOSED);
	CHECK(l == NULL && a == NULL);
}

/* A stream without TLS has no identity to go by. */
TEST_FIBER(link_needs_an_identity)
{
	struct rpc_link_opts o = {.side = RPC_REQUESTER,
				  .self = {ROLE_FRONTEND, SERVICE_SMTP, "a"}};
	struct stream *a = NULL, *b = NULL;
	struct rpc_link *l = NULL;

	REQUIRE(rig_streams(&a, &b));
	CHECK_ERR(rpc_link_start(&a, &o, rig_soon(), &l), E_DENIED);
	CHECK(l == NULL && a == NULL);
	stream_close(&b, CLOSE_DONE);
}

/* ---- what is odd and legal ---- */

TEST_FIBER(races_are_legal)
{
	struct frame f;
	struct raw r;

	REQUIRE(raw_open(&r, RPC_SERVER));
	/* CANCEL and CREDIT that crossed the answer. */
	raw_request(&r, 1, RIG_ECHO, 0, SL("a"));
	REQUIRE(raw_expect(&r, FRAME_RESPONSE, 1, &f));
	raw_put(&r, FRAME_CANCEL, 0, 0, 1, SLICE_NONE);
	raw_put(&r, FRAME_CANCEL, 0, 0, 1, SLICE_NONE);
	raw_credit(&r, 1, 1000);
	raw_alive(&r, 2);
	/* DATA on its way when the answer came; the end closes the stream. */
	raw_request(&r, 3, RIG_EARLY, FRAME_BODY, SLICE_NONE);
	REQUIRE(raw_expect(&r, FRAME_RESPONSE, 3, &f));
	CHECK_INT(rpc_link_streams(r.l), 1);
	raw_put(&r, FRAME_DATA, 0, 0, 3, SL("late"));
	raw_put(&r, FRAME_DATA, FRAME_END, 0, 3, SL("late"));
	raw_alive(&r, 4);
	CHECK_INT(rpc_link_streams(r.l), 0);
	/* The same, closed by CANCEL: no answer, our direction was closed. */
	raw_request(&r, 5, RIG_EARLY, FRAME_BODY, SLICE_NONE);
	REQUIRE(raw_expect(&r, FRAME_RESPONSE, 5, &f));
	raw_put(&r, FRAME_CANCEL, 0, 0, 5, SLICE_NONE);
	raw_alive(&r, 6);
	/* CANCEL after our own END is answered in kind. */
	raw_request(&r, 7, RIG_HANG, 0, SLICE_NONE);
	raw_put(&r, FRAME_CANCEL, 0, 0, 7, SLICE_NONE);
	REQUIRE(raw_expect(&r, FRAME_CANCEL, 7, &f));
	raw_alive(&r, 8);
	CHECK_INT(rpc_link_streams(r.l), 0);
	/* A gap in the numbers. */
	raw_alive(&r, 100);
	raw_close(&r);
}

/* The asker cancelled; what the server had under way is swallowed until it answers. */
TEST_FIBER(late_answers_are_swallowed)
{
	struct rpc_call *c = NULL;
	struct frame f;
	struct raw r;

	REQUIRE(raw_open(&r, RPC_REQUESTER));
	CHECK_ERR(rpc_call_start(r.l, RIG_DOWNLOAD, SLICE_NONE, RPC_NO_BODY, rig_soon(), &c), E_OK);
	REQUIRE(raw_expect(&r, FRAME_REQUEST, 1, &f));
	rpc_call_free(&c);
	REQUIRE(raw_expect(&r, FRAME_CANCEL, 1, &f));
	CHECK_INT(rpc_link_streams(r.l), 1);
	raw_put(&r, FRAME_RESPONSE, FRAME_BODY, 0, 1, SL("head"));
	raw_put(&r, FRAME_DATA, 0, 0, 1, slice(zeros, 60000));
	raw_put(&r, FRAME_DATA, 0, 0, 1, slice(zeros, 60000));
	rig_turns(5);
	CHECK_INT(rpc_link_memory(r.l), 0);
	raw_put(&r, FRAME_CANCEL, 0, E_RETRY, 1, SLICE_NONE);
	rig_turns(5);
	CHECK_INT(rpc_link_streams(r.l), 0);
	CHECK(rpc_link_usable(r.l));
	raw_close(&r);
}

TEST_FIBER(unknown_status_is_a_failure)
{
	struct rpc_call *c = NULL;
	struct frame f;
	struct raw r;

	REQUIRE(raw_open(&r, RPC_REQUESTER));
	CHECK_ERR(rpc_call_start(r.l, RIG_ECHO, SLICE_NONE, RPC_NO_BODY, rig_soon(), &c), E_OK);
	REQUIRE(raw_expect(&r, FRAME_REQUEST, 1, &f));
	raw_put(&r, FRAME_RESPONSE, 0, 4711, 1, SLICE_NONE);
	CHECK_ERR(rpc_call_response(c, NULL), E_INTERNAL);
	rpc_call_free(&c);
	CHECK(rpc_link_usable(r.l));
	raw_close(&r);
}

TEST_FIBER(one_byte_at_a_time)
{
	static char bytes[64];
	struct frame f;
	struct raw r;

	REQUIRE(raw_open(&r, RPC_SERVER));
	for (uint32_t id = 1; id <= 3; id++) {
		frame_header_put(bytes, FRAME_REQUEST, 0, RIG_ECHO, id, 4 + 7);
		be32_put(bytes + 12, 5000);
		memcpy(bytes + 16, "trickle", 7);
		for (size_t i = 0; i < 23; i++) {
			raw_put_bytes(&r, slice(bytes + i, 1));
			fiber_yield();
			if (i % 4 == 0)
				rig_turns(1);
		}
		REQUIRE(raw_expect(&r, FRAME_RESPONSE, id, &f));
		CHECK_SLICE(f.payload, SL("trickle"));
	}
	raw_close(&r);
}

/* Cut anywhere, a request is not served, and leaves nothing. */
TEST_FIBER(half_frames)
{
	static char bytes[64];
	size_t n = 23;

	frame_header_put(bytes, FRAME_REQUEST, 0, RIG_ECHO, 1, 4 + 7);
	be32_put(bytes + 12, 5000);
	for (size_t i = 0; i < n; i++) {
		struct raw r;

		REQUIRE(raw_open(&r, RPC_SERVER));
		raw_put_bytes(&r, slice(bytes, i));
		rig_turns(1);
		stream_close(&r.s, CLOSE_DONE);
		CHECK_ERR(rpc_link_wait_closed(r.l, rig_soon()), E_OK);
		CHECK_INT(r.server.served, 0);
		raw_close(&r);
	}
}

/* ---- abuse within the rules ---- */

/* Ask and cancel, again and again, without ever having many streams open. */
TEST_FIBER(ask_and_cancel_gathers_nothing)
{
	unsigned most = 0;
	struct raw r;

	REQUIRE(raw_open(&r, RPC_SERVER));
	for (uint32_t i = 1; i <= 20000; i++) {
		raw_request(&r, i, RIG_HANG, 0, SL("work"));
		raw_put(&r, FRAME_CANCEL, 0, 0, i, SLICE_NONE);
		if (i % 500 == 0) {
			stream_consume(r.s, stream_peek(r.s).n);
			(void)!stream_fill(r.s, 0, "t.answers", rig_soon());
			most = MAX(most, r.l->serving);
		}
	}
	stream_consume(r.s, stream_peek(r.s).n);
	while (stream_fill(r.s, 0, "t.answers", deadline_in(200)) == E_OK)
		stream_consume(r.s, stream_peek(r.s).n);
	CHECK(rpc_link_usable(r.l));
	CHECK(most <= RPC_STREAMS_MAX);
	CHECK_INT(r.l->serving, 0);
	CHECK_INT(rpc_link_streams(r.l), 0);
	CHECK_INT(rpc_link_memory(r.l), 0);
	raw_close(&r);
}

/* One front-end with many links takes all the fibers it can get: others get theirs. */
TEST_FIBER(links_of_one_node_leave_fibers_to_others)
{
	unsigned serving = 0;
	struct raw r[12];
	struct duo d;

	fiber_capacity_limit(600);
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		REQUIRE(raw_open(&r[i], RPC_SERVER));
		for (uint32_t k = 1; k <= 300; k++)
			raw_request(&r[i], k, RIG_HANG, 0, SLICE_NONE);
		CHECK_ERR(stream_flush(r[i].s, rig_soon()), E_OK);
		rig_turns(5);
		serving += r[i].l->serving;
	}
	CHECK_INT(serving, 600 / RPC_PARTY_SHARE);
	/* Of another node. */
	rig_peer("fe2");
	REQUIRE(duo_open(&d));
	bystander(&d);
	rig_peer("fe1");
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		raw_close(&r[i]);
	fiber_capacity_limit(0);
}

/* The same with what they send. */
TEST_FIBER(links_of_one_node_leave_memory_to_others)
{
	struct budget all;
	struct raw r[4];
	struct duo d;

	budget_init(&all, 8 << 20, NULL);
	rig_budget(&all);
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		REQUIRE(raw_open(&r[i], RPC_SERVER));
		for (uint32_t k = 1; k <= 20; k++) {
			raw_request(&r[i], k, RIG_STALL, FRAME_BODY, SLICE_NONE);
			raw_put(&r[i], FRAME_DATA, 0, 0, k, slice(zeros, 65536));
			CHECK_ERR(stream_flush(r[i].s, rig_soon()), E_OK);
		}
		rig_turns(5);
		CHECK(rpc_link_usable(r[i].l));
	}
	CHECK(all.used > all.max / RPC_PARTY_SHARE - 2 * 65536);
	CHECK(all.used < all.max / RPC_PARTY_SHARE + 80 * sizeof(struct rpc_req));
	rig_peer("fe2");
	REQUIRE(duo_open(&d));
	CHECK_ERR(rig_echo(d.ask, slice(zeros, 60000)), E_OK);
	duo_close(&d);
	rig_peer("fe1");
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		raw_close(&r[i]);
	rig_budget(NULL);
	CHECK_INT(all.used, 0);
}

/* Asks for much and reads nothing: it gets slow service, then none; our memory stays. */
TEST_FIBER(asks_and_never_reads)
{
	static char sizes[8];
	size_t most = 0;
	struct duo d;
	struct raw r;

	REQUIRE(duo_open(&d));
	REQUIRE(raw_open(&r, RPC_SERVER));
	be32_put(sizes, 1 << 20);
	be32_put(sizes + 4, 65536);
	for (uint32_t i = 1; i <= 500; i++) {
		raw_request(&r, i, RIG_DOWNLOAD, 0, slice(sizes, 8));
		if (i % 50 == 0)
			rig_turns(2);
		most = MAX(most, stream_queued(r.l->s));
	}
	rig_turns(20);
	most = MAX(most, stream_queued(r.l->s));
	CHECK(most <= RPC_HIGH_WATER + RPC_PAYLOAD_MAX + FRAME_HEADER);
	CHECK(rpc_link_memory(r.l) < 500 * 1024);
	CHECK(r.server.active < 500);
	raw_close(&r);
	bystander(&d);
}

/* Control frames have no back-pressure: a peer that makes us write them and does not read ends. */
TEST_FIBER(control_frames_pile_up)
{
	struct duo d;
	struct raw r;

	REQUIRE(duo_open(&d));
	REQUIRE(raw_open(&r, RPC_SERVER));
	rig_log_start();
	for (uint32_t i = 1; i <= 2000000 && rpc_link_usable(r.l); i++) {
		raw_put(&r, FRAME_REQUEST, 0, RIG_DENIED, i, SL("0000"));
		if (i % 4000 == 0)
			CHECK_ERR(stream_flush(r.s, rig_soon()), E_OK);
	}
	CHECK(!rpc_link_usable(r.l));
	rig_log_stop();
	CHECK_INT(rig_log_count("event=rpc.stalled"), 1);
	raw_close(&r);
	bystander(&d);
}

/* Many streams that each fill their credit: the link's budget refuses some, the rest go on. */
TEST_FIBER(memory_of_a_link_is_bounded)
{
	uint32_t streams = 400, refused = 0;
	struct frame f;
	struct raw r;

	REQUIRE(raw_open(&r, RPC_SERVER));
	r.l->budget.max = 16 << 20;
	rig_log_start();
	for (uint32_t i = 1; i <= streams; i++) {
		raw_request(&r, i, RIG_STALL, FRAME_BODY, SLICE_NONE);
		for (int n = 0; n < 3; n++)
			raw_put(&r, FRAME_DATA, 0, 0, i, slice(zeros, 65536));
		CHECK_ERR(stream_flush(r.s, rig_soon()), E_OK);
	}
	rig_turns(20);
	rig_log_stop();
	CHECK(rpc_link_usable(r.l));
	/* Requests themselves are small and are never refused for what others hold. */
	CHECK(r.l->budget.peak <= (16 << 20) + streams * sizeof(struct rpc_req));
	while (stream_peek(r.s).n > 0 && raw_get(&r, &f)) {
		CHECK(f.type == FRAME_CANCEL || f.type == FRAME_RESPONSE);
		CHECK_INT(f.code, E_BUSY);
		refused++;
	}
	CHECK(refused > 300 && refused < streams);
	/* It is room again as soon as they are over. */
	for (uint32_t i = 1; i <= streams; i++)
		raw_put(&r, FRAME_CANCEL, 0, 0, i, SLICE_NONE);
	rig_turns(20);
	CHECK_INT(rpc_link_memory(r.l), 0);
	while (stream_peek(r.s).n > 0 && raw_get(&r, &f))
		CHECK_INT(f.type, FRAME_CANCEL);
	raw_alive(&r, streams + 1);
	raw_close(&r);
}

TEST_FIBER(silent_peer_is_pinged_then_closed)
{
	int64_t t = clock_mono_ms();
	struct frame f;
	struct raw r;

	REQUIRE(raw_open(&r, RPC_SERVER));
	r.l->ping_ms = 30;
	r.l->dead_ms = 90;
	raw_put(&r, FRAME_PING, 0, 0, 0, SL("token678"));
	REQUIRE(raw_expect(&r, FRAME_PING, 0, &f));
	CHECK_INT(f.flags, FRAME_ACK);
	CHECK_SLICE(f.payload, SL("token678"));
	REQUIRE(raw_expect(&r, FRAME_PING, 0, &f));
	CHECK_INT(f.flags, 0);
	/* Any byte counts as life. */
	raw_put(&r, FRAME_PING, FRAME_ACK, 0, 0, f.payload);
	REQUIRE(raw_expect(&r, FRAME_PING, 0, &f));
	CHECK_ERR(rpc_link_wait_closed(r.l, rig_soon()), E_OK);
	CHECK(clock_mono_ms() - t >= 120);
	raw_close(&r);
}

/* What links do when both ends are ours. */
#include "tests/unit/common/rpc/rig.h"

#include "common/base/asan.h"
#include "common/base/clock.h"
#include "common/base/num.h"

#define BIG     (3u << 20)
#define MANY    1000
#define SENDERS 50

static char pattern[BIG];

static uint32_t fill_pattern(void)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < BIG; i++) {
		pattern[i] = (char)(i * 7 + i / 251);
		sum = sum * 31 + (unsigned char)pattern[i];
	}
	return sum;
}

static struct rpc_call *start(struct duo *d, unsigned method, slice_t payload, enum rpc_body body)
{
	struct rpc_call *c = NULL;

	CHECK_ERR(rpc_call_start(d->ask, (uint16_t)method, payload, body, rig_soon(), &c), E_OK);
	return c;
}

static struct rpc_call *start_download(struct duo *d, uint32_t total, uint32_t frame)
{
	char sizes[8];

	be32_put(sizes, total);
	be32_put(sizes + 4, frame);
	return start(d, RIG_DOWNLOAD, slice(sizes, 8), RPC_NO_BODY);
}

/* Reads a download to its end and checks frames and bytes. */
static WAITS void read_download(struct rpc_call *c, uint32_t total, uint32_t frame)
{
	uint32_t left = total, n;
	slice_t part;
	enum err e;

	CHECK_ERR(rpc_call_response(c, NULL), E_OK);
	while ((e = rpc_call_recv(c, &part)) == E_OK) {
		n = MIN(left, frame);
		REQUIRE(part.n == n);
		REQUIRE(part.p[0] == (char)(left & 0xff) && part.p[n - 1] == part.p[0]);
		left -= n;
	}
	CHECK_ERR(e, E_CLOSED);
	CHECK_INT(left, 0);
	CHECK_ERR(rpc_call_recv(c, &part), E_CLOSED);
}

/* ---- plain calls ---- */

TEST_FIBER(link_hello)
{
	struct duo d;
	char name[RPC_IDENTITY_STR];

	REQUIRE(duo_open(&d));
	CHECK_STR(rpc_identity_str(rpc_link_peer(d.ask), name), "backend/be1");
	CHECK_STR(rpc_identity_str(rpc_link_peer(d.serve), name), "frontend/fe1/smtp");
	CHECK_SLICE(rpc_link_peer_serial(d.ask), SL("0b"));
	CHECK_INT(rpc_link_addr(d.ask)->family, 4);
	CHECK(rpc_link_usable(d.ask) && rpc_link_usable(d.serve));
	duo_close(&d);
}

TEST_FIBER(call_unary)
{
	struct duo d;

	fill_pattern();
	REQUIRE(duo_open(&d));
	CHECK_ERR(rig_echo(d.ask, SL("hello")), E_OK);
	CHECK_ERR(rig_echo(d.ask, SLICE_NONE), E_OK);
	CHECK_ERR(rig_echo(d.ask, slice(pattern, RPC_PAYLOAD_MAX - 4)), E_OK);
	CHECK_ERR(rig_echo(d.ask, slice(pattern, RPC_PAYLOAD_MAX - 3)), E_TOO_BIG);
	CHECK_INT(d.server.served, 3);
	rig_turns(2);
	CHECK_INT(rpc_link_streams(d.ask), 0);
	CHECK_INT(rpc_link_streams(d.serve), 0);
	CHECK_INT(rpc_link_memory(d.serve), 0);
	duo_close(&d);
}

TEST_FIBER(call_statuses)
{
	struct rpc_call *c;
	struct duo d;

	REQUIRE(duo_open(&d));
	rig_log_start();
	c = start(&d, RIG_SILENT, SLICE_NONE, RPC_NO_BODY);
	CHECK_ERR(rpc_call_response(c, NULL), E_INTERNAL);
	rpc_call_free(&c);
	c = start(&d, RIG_SMALL, SL("0123456789abcdef"), RPC_NO_BODY);
	CHECK_ERR(rpc_call_response(c, NULL), E_OK);
	rpc_call_free(&c);
	c = start(&d, RIG_SMALL, SL("0123456789abcdefg"), RPC_NO_BODY);
	CHECK_ERR(rpc_call_response(c, NULL), E_TOO_BIG);
	rpc_call_free(&c);
	/* Refused without a fiber; its body is swallowed; one log line for many. */
	for (int i = 0; i < 5; i++) {
		c = start(&d, RIG_DENIED, SLICE_NONE, RPC_BODY);
		CHECK_ERR(rpc_call_send(c, SL("some")), E_OK);
		CHECK_ERR(rpc_call_response(c, NULL), E_DENIED);
		CHECK_ERR(rpc_call_send(c, SL("more")), E_CLOSED);
		CHECK_ERR(rpc_call_send_end(c), E_CLOSED);
		rpc_call_free(&c);
	}
	rig_log_stop();
	CHECK_INT(rig_log_count("event=rpc.denied"), 1);
	CHECK_INT(d.server.served, 2);
	CHECK_ERR(rig_echo(d.ask, SL("and on")), E_OK);
	rig_turns(2);
	CHECK_INT(rpc_link_streams(d.serve), 0);
	duo_close(&d);
}

TEST_FIBER(call_many_at_once)
{
	static struct rpc_call *calls[MANY];
	static char text[MANY][8];
	struct duo d;

	REQUIRE(duo_open(&d));
	for (unsigned i = 0; i < MANY; i++) {
		be64_put(text[i], i * 1234567ull);
		calls[i] = start(&d, RIG_ECHO, slice(text[i], 8), RPC_NO_BODY);
	}
	for (unsigned i = 0; i < MANY; i++) {
		slice_t got;

		CHECK_ERR(rpc_call_response(calls[i], &got), E_OK);
		CHECK_SLICE(got, slice(text[i], 8));
		rpc_call_free(&calls[i]);
	}
	CHECK_INT(rpc_link_streams(d.ask), 0);
	duo_close(&d);
}

/* More REQUESTs in one turn than the output queue takes: they wait, in order, and arrive. */
TEST_FIBER(call_many_large_at_once)
{
	static struct rpc_call *calls[100];
	struct rpc_call *dropped;
	struct duo d;

	fill_pattern();
	REQUIRE(duo_open(&d));
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++)
		calls[i] = start(&d, RIG_ECHO, slice(pattern + i, 60000), RPC_NO_BODY);
	CHECK(d.ask->nparked > 50);
	CHECK(rpc_link_memory(d.ask) > 50 * 60000);
	/* One that waits may still be dropped, or end its body. */
	dropped = start(&d, RIG_HANG, SL("x"), RPC_NO_BODY);
	rpc_call_free(&dropped);
	dropped = start(&d, RIG_UPLOAD, SL("x"), RPC_BODY);
	CHECK_ERR(rpc_call_send_end(dropped), E_OK);
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		slice_t got;

		CHECK_ERR(rpc_call_response(calls[i], &got), E_OK);
		CHECK_SLICE(got, slice(pattern + i, 60000));
		rpc_call_free(&calls[i]);
	}
	CHECK_ERR(rpc_call_response(dropped, NULL), E_OK);
	rpc_call_free(&dropped);
	CHECK_INT(d.server.served, ARRAY_LEN(calls) + 1);
	duo_close(&d);
}

TEST_FIBER(call_parked_ends_with_the_link)
{
	static struct rpc_call *calls[20];
	struct duo d;

	fill_pattern();
	REQUIRE(duo_open(&d));
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++)
		calls[i] = start(&d, RIG_HANG, slice(pattern, 60000), RPC_NO_BODY);
	rpc_link_close(d.ask, CLOSE_DONE);
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		CHECK_ERR(rpc_call_response(calls[i], NULL), E_RETRY);
		rpc_call_free(&calls[i]);
	}
	duo_close(&d);
}

TEST_FIBER(call_too_many_streams)
{
	static struct rpc_call *calls[RPC_STREAMS_MAX];
	struct rpc_call *more = NULL;
	size_t per_watch;
	struct duo d;

	REQUIRE(duo_open(&d));
	for (unsigned i = 0; i < RPC_STREAMS_MAX; i++) {
		calls[i] = start(&d, RIG_WATCH, SL("0123456789012345678901234567890123456789"),
				 RPC_NO_BODY);
		if (i % 256 == 0)
			CHECK_ERR(rpc_call_response(calls[i], NULL), E_OK);
	}
	CHECK_ERR(rpc_call_response(calls[RPC_STREAMS_MAX - 1], NULL), E_OK);
	CHECK_ERR(rpc_call_start(d.ask, RIG_ECHO, SLICE_NONE, RPC_NO_BODY, rig_soon(), &more),
		  E_LIMIT);
	CHECK(more == NULL);
	/* None of them holds a fiber, nor much else. */
	CHECK_INT(d.serve->serving, 0);
	per_watch = rpc_link_memory(d.serve) / RPC_STREAMS_MAX;
	check_note("%zu bytes a watch", per_watch);
	CHECK(per_watch < 1024);
	rpc_call_free(&calls[0]);
	rig_turns(5);
	CHECK_ERR(rig_echo(d.ask, SL("room again")), E_OK);
	for (unsigned i = 0; i < RPC_STREAMS_MAX; i++)
		rpc_call_free(&calls[i]);
	rig_turns(20);
	CHECK_INT(d.server.gone, RPC_STREAMS_MAX);
	CHECK_INT(rpc_link_streams(d.serve), 0);
	duo_close(&d);
}

TEST_FIBER(call_numbers_wrap_around)
{
	struct rpc_call *old, *calls[40];
	struct duo d;

	REQUIRE(duo_open(&d));
	old = start(&d, RIG_WATCH, SLICE_NONE, RPC_NO_BODY);
	CHECK_ERR(rpc_call_response(old, NULL), E_OK);
	CHECK_INT(old->s.id, 1);
	d.ask->last_id = d.serve->last_id = UINT32_MAX - 20;
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++)
		calls[i] = start(&d, RIG_ECHO, SL("x"), RPC_NO_BODY);
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		CHECK(calls[i]->s.id > 1); /* neither 0 nor the one in use */
		CHECK_ERR(rpc_call_response(calls[i], NULL), E_OK);
		rpc_call_free(&calls[i]);
	}
	CHECK(d.ask->last_id < 30);
	rpc_call_free(&old);
	duo_close(&d);
}

/* ---- bodies ---- */

TEST_FIBER(body_up)
{
	uint32_t sum = fill_pattern();
	struct rpc_call *c;
	slice_t got;
	struct duo d;

	REQUIRE(duo_open(&d));
	c = start(&d, RIG_UPLOAD, SLICE_NONE, RPC_BODY);
	CHECK_ERR(rpc_call_send(c, slice(pattern, 1)), E_OK);
	CHECK_ERR(rpc_call_send(c, slice(pattern + 1, BIG - 1)), E_OK);
	CHECK_ERR(rpc_call_send_end(c), E_OK);
	CHECK_ERR(rpc_call_response(c, &got), E_OK);
	REQUIRE(got.n == 8);
	CHECK_INT(be32_get(got.p), BIG);
	CHECK_INT(be32_get(got.p + 4), sum);
	rpc_call_free(&c);
	duo_close(&d);
}

TEST_FIBER(body_down)
{
	static const uint32_t frames[] = {RPC_PAYLOAD_MAX, 65536, 4096, 7};
	struct duo d;

	REQUIRE(duo_open(&d));
	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		uint32_t total = frames[i] > 4000 ? BIG : 100000;
		struct rpc_call *c = start_download(&d, total, frames[i]);

		read_download(c, total, frames[i]);
		rpc_call_free(&c);
	}
	CHECK_INT(rpc_link_streams(d.ask), 0);
	duo_close(&d);
}

struct both {
	struct rpc_call *c;
	uint32_t n, sum;
	enum err end;
};

static WAITS void read_both(void *arg)
{
	struct both *b = arg;
	slice_t part;

	while ((b->end = rpc_call_recv(b->c, &part)) == E_OK) {
		b->n += (uint32_t)part.n;
		for (size_t i = 0; i < part.n; i++)
			b->sum = b->sum * 31 + (unsigned char)part.p[i];
	}
}

TEST_FIBER(a_payload_is_good_until_the_next)
{
	slice_t part, next, more;
	struct rpc_call *c;
	struct duo d;

	REQUIRE(duo_open(&d));
	c = start_download(&d, 2000, 1000);
	CHECK_ERR(rpc_call_response(c, NULL), E_OK);
	REQUIRE(rpc_call_recv(c, &part) == E_OK);
	rig_turns(2);
	CHECK(!asan_poisoned(part.p) && !asan_poisoned(part.p + 999));
	REQUIRE(rpc_call_recv(c, &next) == E_OK);
	CHECK_INT(asan_poisoned(part.p), ASAN_BUILD);
	CHECK_ERR(rpc_call_recv(c, &more), E_CLOSED);
	CHECK_INT(asan_poisoned(next.p), ASAN_BUILD);
	rpc_call_free(&c);
	duo_close(&d);
}

TEST_FIBER(body_both_ways)
{
	uint32_t sum = fill_pattern();
	struct both b = {0};
	struct scope sc;
	struct duo d;

	REQUIRE(duo_open(&d));
	b.c = start(&d, RIG_BOTH, SLICE_NONE, RPC_BODY);
	scope_init(&sc);
	CHECK_ERR(scope_start(&sc, "t.read", read_both, &b), E_OK);
	CHECK_ERR(rpc_call_send(b.c, slice(pattern, BIG)), E_OK);
	CHECK_ERR(rpc_call_send_end(b.c), E_OK);
	scope_join(&sc, rig_soon());
	CHECK_ERR(b.end, E_CLOSED);
	CHECK_INT(b.n, BIG);
	CHECK_INT(b.sum, sum);
	rpc_call_free(&b.c);
	duo_close(&d);
}

TEST_FIBER(body_refused_early)
{
	struct rpc_call *c;
	slice_t got;
	enum err e;
	struct duo d;

	fill_pattern();
	REQUIRE(duo_open(&d));
	c = start(&d, RIG_EARLY, SLICE_NONE, RPC_BODY);
	e = rpc_call_send(c, slice(pattern, BIG));
	CHECK_ERR(e, E_CLOSED);
	CHECK_ERR(rpc_call_response(c, &got), E_TOO_BIG);
	CHECK_SLICE(got, SL("no"));
	rpc_call_free(&c);
	CHECK_ERR(rig_echo(d.ask, SL("on")), E_OK);
	rig_turns(3);
	CHECK_INT(rpc_link_streams(d.serve), 0);
	duo_close(&d);
}

TEST_FIBER(body_given_up_by_the_server)
{
	static const enum rig_method methods[] = {RIG_ABORT, RIG_HALF};
	static const enum err ends[] = {E_QUOTA, E_INTERNAL};
	struct duo d;

	REQUIRE(duo_open(&d));
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		struct rpc_call *c = start(&d, methods[i], SLICE_NONE, RPC_BODY);
		slice_t got;

		CHECK_ERR(rpc_call_response(c, &got), E_OK);
		CHECK_SLICE(got, SL("head"));
		CHECK_ERR(rpc_call_recv(c, &got), E_OK);
		CHECK_SLICE(got, SL("part"));
		CHECK_ERR(rpc_call_recv(c, &got), ends[i]);
		CHECK_ERR(rpc_call_recv(c, &got), ends[i]);
		CHECK_ERR(rpc_call_send(c, SL("x")), ends[i]);
		rpc_call_free(&c);
	}
	rig_turns(3);
	CHECK_INT(rpc_link_streams(d.serve), 0);
	CHECK_INT(rpc_link_streams(d.ask), 0);
	duo_close(&d);
}

/* ---- back-pressure ---- */

TEST_FIBER(stalled_reader_holds_its_credit_only)
{
	struct rpc_call *c;
	struct duo d;

	REQUIRE(duo_open(&d));
	c = start_download(&d, BIG, 4096);
	CHECK_ERR(rpc_call_response(c, NULL), E_OK);
	rig_turns(50);
	CHECK(rpc_call_readable(c));
	CHECK(rpc_link_memory(d.ask) > RPC_CREDIT / 2);
	CHECK(rpc_link_memory(d.ask) <= RPC_CREDIT);
	CHECK_INT(d.server.active, 1);
	/* Nobody else waits for it. */
	CHECK_ERR(rig_echo(d.ask, SL("quick")), E_OK);
	read_download(c, BIG, 4096);
	rpc_call_free(&c);
	duo_close(&d);
}

TEST_FIBER(stalled_reader_of_tiny_frames)
{
	struct rpc_call *c;
	struct duo d;

	REQUIRE(duo_open(&d));
	c = start_download(&d, 100000, 1);
	CHECK_ERR(rpc_call_response(c, NULL), E_OK);
	rig_turns(50);
	CHECK(rpc_link_memory(d.ask) <= RPC_CREDIT);
	read_download(c, 100000, 1);
	rpc_call_free(&c);
	duo_close(&d);
}

static WAITS void send_all(void *arg)
{
	struct both *b = arg;

	b->end = rpc_call_send(b->c, slice(pattern, BIG));
	if (b->end == E_OK)
		b->end = rpc_call_send_end(b->c);
}

TEST_FIBER(stalled_server_stops_the_sender)
{
	uint32_t sum = fill_pattern();
	struct both b = {.end = E_INTERNAL};
	struct scope sc;
	slice_t got;
	struct duo d;

	REQUIRE(duo_open(&d));
	b.c = start(&d, RIG_STALL, SLICE_NONE, RPC_BODY);
	scope_init(&sc);
	CHECK_ERR(scope_start(&sc, "t.send", send_all, &b), E_OK);
	rig_turns(50);
	CHECK_ERR(b.end, E_INTERNAL);
	CHECK(rpc_link_memory(d.serve) <= RPC_CREDIT + 4096);
	CHECK_ERR(rig_echo(d.ask, SL("quick")), E_OK);
	waitq_wake_all(&d.server.go);
	CHECK_ERR(rpc_call_response(b.c, &got), E_OK);
	CHECK_INT(be32_get(got.p + 4), sum);
	scope_join(&sc, rig_soon());
	CHECK_ERR(b.end, E_OK);
	rpc_call_free(&b.c);
	duo_close(&d);
}

struct download {
	struct duo *d;
	bool done;
};

static WAITS void download(void *arg)
{
	struct download *dl = arg;
	struct rpc_call *c = start_download(dl->d, 1 << 20, 65536);

	read_download(c, 1 << 20, 65536);
	rpc_call_free(&c);
	dl->done = true;
}

/* Far more wants out than the queue holds: everybody gets a turn and nothing is lost. */
TEST_FIBER(many_senders_share_the_room)
{
	struct download dl[SENDERS];
	size_t most = 0;
	struct scope sc;
	unsigned done = 0;
	struct duo d;

	REQUIRE(duo_open(&d));
	scope_init(&sc);
	for (unsigned i = 0; i < SENDERS; i++) {
		dl[i] = (struct download){&d, false};
		CHECK_ERR(scope_start(&sc, "t.download", download, &dl[i]), E_OK);
	}
	while (sc.live > 0 && done++ < 100000) {
		most = MAX(most, stream_queued(d.serve->s));
		fiber_yield();
		if (done % 64 == 0)
			rig_turns(1);
	}
	scope_join(&sc, rig_soon());
	for (unsigned i = 0; i < SENDERS; i++)
		CHECK(dl[i].done);
	/* One frame at most above the high water. */
	CHECK(most <= RPC_HIGH_WATER + FRAME_HEADER + RPC_PAYLOAD_MAX);
	duo_close(&d);
}

/* ---- cancel and deadlines ---- */

TEST_FIBER(cancel_by_the_asker)
{
	struct rpc_call *c;
	struct duo d;

	REQUIRE(duo_open(&d));
	c = start(&d, RIG_HANG, SLICE_NONE, RPC_NO_BODY);
	rig_turns(3);
	CHECK_INT(d.server.active, 1);
	rpc_call_free(&c);
	rig_turns(3);
	CHECK_INT(d.server.active, 0);
	CHECK_INT(rpc_link_streams(d.ask), 0);
	CHECK_INT(rpc_link_streams(d.serve), 0);
	/* In the middle of a body, either way. */
	c = start_download(&d, BIG, 65536);
	CHECK_ERR(rpc_call_response(c, NULL), E_OK);
	rpc_call_free(&c);
	c = start(&d, RIG_UPLOAD, SLICE_NONE, RPC_BODY);
	CHECK_ERR(rpc_call_send(c, slice(pattern, 100000)), E_OK);
	rpc_call_free(&c);
	/* Before it was even sent. */
	c = start(&d, RIG_HANG, SLICE_NONE, RPC_BODY);
	rpc_call_free(&c);
	rig_turns(20);
	CHECK_INT(d.server.active, 0);
	CHECK_INT(rpc_link_streams(d.ask), 0);
	CHECK_INT(rpc_link_streams(d.serve), 0);
	CHECK_INT(rpc_link_memory(d.serve), 0);
	CHECK_ERR(rig_echo(d.ask, SL("on")), E_OK);
	duo_close(&d);
}

static WAITS void ask_and_wait(void *arg)
{
	struct both *b = arg;

	b->end = rpc_call_response(b->c, NULL);
}

TEST_FIBER(cancel_of_the_asking_fiber)
{
	struct both b = {.end = E_OK};
	struct scope sc;
	struct duo d;

	REQUIRE(duo_open(&d));
	b.c = start(&d, RIG_HANG, SLICE_NONE, RPC_NO_BODY);
	scope_init(&sc);
	CHECK_ERR(scope_start(&sc, "t.ask", ask_and_wait, &b), E_OK);
	rig_turns(2);
	scope_cancel(&sc);
	scope_join(&sc, rig_soon());
	CHECK_ERR(b.end, E_CANCELLED);
	rpc_call_free(&b.c);
	rig_turns(3);
	CHECK_INT(d.server.active, 0);
	duo_close(&d);
}

TEST_FIBER(deadline_of_the_asker)
{
	struct rpc_call *c = NULL;
	int64_t t = clock_mono_ms();
	struct duo d;

	REQUIRE(duo_open(&d));
	CHECK_ERR(rpc_call_start(d.ask, RIG_HANG, SLICE_NONE, RPC_NO_BODY, deadline_in(60), &c),
		  E_OK);
	CHECK_ERR(rpc_call_response(c, NULL), E_TIMEOUT);
	CHECK(clock_mono_ms() - t >= 60);
	CHECK_ERR(rpc_call_response(c, NULL), E_TIMEOUT);
	CHECK(rpc_link_doubtful(d.ask));
	rpc_call_free(&c);
	rig_turns(5);
	CHECK(!rpc_link_doubtful(d.ask)); /* the CANCEL was answered */
	CHECK_INT(d.server.active, 0);
	CHECK_INT(rpc_link_streams(d.ask), 0);
	CHECK_ERR(rpc_call_start(d.ask, RIG_ECHO, SLICE_NONE, RPC_NO_BODY, clock_mono_ms() - 1, &c),
		  E_TIMEOUT);
	CHECK(c == NULL);
	duo_close(&d);
}

/* Nobody waits for the call: the link itself notices, and tells. */
TEST_FIBER(deadline_of_a_call_left_alone)
{
	struct rpc_call *c = NULL;
	struct event e;
	struct duo d;

	REQUIRE(duo_open(&d));
	event_init(&e);
	CHECK_ERR(rpc_call_start(d.ask, RIG_HANG, SLICE_NONE, RPC_NO_BODY, deadline_in(60), &c),
		  E_OK);
	rpc_call_notify(c, &e);
	CHECK_ERR(event_wait(&e, "t.notify", deadline_in(5000)), E_OK);
	CHECK(rpc_call_readable(c));
	CHECK_ERR(rpc_call_response(c, NULL), E_TIMEOUT);
	rpc_call_free(&c);
	duo_close(&d);
}

TEST_FIBER(deadline_of_the_method)
{
	struct rpc_call *c;
	struct duo d;

	REQUIRE(duo_open(&d));
	c = start(&d, RIG_BRIEF, SLICE_NONE, RPC_NO_BODY);
	CHECK_ERR(rpc_call_response(c, NULL), E_RETRY);
	rpc_call_free(&c);
	rig_turns(3);
	CHECK_INT(d.server.active, 0);
	CHECK_INT(rpc_link_streams(d.serve), 0);
	duo_close(&d);
}

TEST_FIBER(notify_on_arrival)
{
	struct rpc_call *c;
	struct event e;
	struct duo d;

	REQUIRE(duo_open(&d));
	event_init(&e);
	c = start(&d, RIG_WATCH, SLICE_NONE, RPC_NO_BODY);
	CHECK_ERR(rpc_call_response(c, NULL), E_OK);
	rpc_call_notify(c, &e);
	CHECK(!rpc_call_readable(c));
	CHECK_ERR(rpc_req_send_now(d.server.watches[0], SL("news")), E_OK);
	CHECK_ERR(event_wait(&e, "t.news", rig_soon()), E_OK);
	CHECK(rpc_call_readable(c));
	rpc_call_notify(c, NULL);
	rpc_call_free(&c);
	duo_close(&d);
}

/* ---- requests without a fiber ---- */

TEST_FIBER(watch_sends_and_ends)
{
	struct rpc_call *c;
	slice_t got;
	struct duo d;

	REQUIRE(duo_open(&d));
	c = start(&d, RIG_WATCH, SL("ticket"), RPC_NO_BODY);
	CHECK_ERR(rpc_call_response(c, NULL), E_OK);
	CHECK_INT(d.serve->serving, 0);
	CHECK_ERR(rpc_req_send_now(d.server.watches[0], SL("one")), E_OK);
	CHECK_ERR(rpc_req_send_now(d.server.watches[0], SL("two")), E_OK);
	CHECK_ERR(rpc_call_recv(c, &got), E_OK);
	CHECK_SLICE(got, SL("one"));
	CHECK_ERR(rpc_call_recv(c, &got), E_OK);
	CHECK_SLICE(got, SL("two"));
	rpc_req_end(&d.server.watches[0]);
	CHECK_ERR(rpc_call_recv(c, &got), E_CLOSED);
	rpc_call_free(&c);
	CHECK_INT(d.server.gone, 0);
	CHECK_INT(rpc_link_streams(d.serve), 0);
	duo_close(&d);
}

TEST_FIBER(watch_without_credit_is_told_later)
{
	struct rpc_call *c;
	unsigned sent = 0;
	slice_t got;
	enum err e;
	struct duo d;

	fill_pattern();
	REQUIRE(duo_open(&d));
	c = start(&d, RIG_WATCH, SLICE_NONE, RPC_NO_BODY);
	CHECK_ERR(rpc_call_response(c, NULL), E_OK);
	while ((e = rpc_req_send_now(d.server.watches[0], slice(pattern, 1000))) == E_OK)
		sent++;
	CHECK_ERR(e, E_LIMIT);
	CHECK_INT(sent, RPC_CREDIT / (1000 + RPC_DATA_COST));
	rig_turns(5);
	CHECK_INT(d.server.writable, 0);
	for (unsigned i = 0; i < sent; i++)
		CHECK_ERR(rpc_call_recv(c, &got), E_OK);
	rig_turns(5);
	CHECK_INT(d.server.writable, 1);
	CHECK_ERR(rpc_req_send_now(d.server.watches[0], slice(pattern, 1000)), E_OK);
	rpc_call_free(&c);
	duo_close(&d);
}

TEST_FIBER(watch_without_room_is_told_later)
{
	struct rpc_call *c[8];
	unsigned refused = 0;
	struct duo d;

	fill_pattern();
	REQUIRE(duo_open(&d));
	for (unsigned i = 0; i < ARRAY_LEN(c); i++) {
		c[i] = start(&d, RIG_WATCH, SLICE_NONE, RPC_NO_BODY);
		CHECK_ERR(rpc_call_response(c[i], NULL), E_OK);
	}
	for (unsigned i = 0; i < ARRAY_LEN(c); i++)
		refused += rpc_req_send_now(d.server.watches[i], slice(pattern, 64000)) == E_LIMIT;
	CHECK(refused > 0 && refused < ARRAY_LEN(c));
	rig_turns(10);
	CHECK_INT(d.server.writable, refused);
	for (unsigned i = 0; i < ARRAY_LEN(c); i++)
		rpc_call_free(&c[i]);
	duo_close(&d);
}

TEST_FIBER(watch_gone_when_cancelled)
{
	struct rpc_call *c;
	struct duo d;

	REQUIRE(duo_open(&d));
	d.server.keep_gone = true;
	c = start(&d, RIG_WATCH, SLICE_NONE, RPC_NO_BODY);
	CHECK_ERR(rpc_call_response(c, NULL), E_OK);
	rpc_call_free(&c);
	rig_turns(3);
	CHECK_INT(d.server.gone, 1);
	CHECK_ERR(rpc_req_send_now(d.server.watches[0], SL("late")), E_CANCELLED);
	CHECK_INT(rpc_link_streams(d.serve), 0);
	rpc_req_end(&d.server.watches[0]);
	CHECK_INT(rpc_link_memory(d.serve), 0);
	duo_close(&d);
}

TEST_FIBER(watch_gone_with_the_link)
{
	struct rpc_call *c[3];
	slice_t got;
	struct duo d;

	REQUIRE(duo_open(&d));
	for (unsigned i = 0; i < ARRAY_LEN(c); i++) {
		c[i] = start(&d, RIG_WATCH, SLICE_NONE, RPC_NO_BODY);
		CHECK_ERR(rpc_call_response(c[i], NULL), E_OK);
	}
	rpc_link_close(d.serve, CLOSE_SHUTDOWN);
	for (unsigned i = 0; i < ARRAY_LEN(c); i++) {
		CHECK_ERR(rpc_call_recv(c[i], &got), E_RETRY);
		rpc_call_free(&c[i]);
	}
	rig_turns(3);
	CHECK_INT(d.server.gone, ARRAY_LEN(c));
	duo_close(&d);
}

/* ---- the link's end ---- */

TEST_FIBER(link_breaks_in_a_body)
{
	struct rpc_call *down, *up, *hang;
	unsigned frames = 0;
	slice_t got;
	enum err e;
	struct duo d;

	fill_pattern();
	REQUIRE(duo_open(&d));
	down = start_download(&d, BIG, 4096);
	up = start(&d, RIG_STALL, SLICE_NONE, RPC_BODY);
	hang = start(&d, RIG_HANG, SLICE_NONE, RPC_NO_BODY);
	CHECK_ERR(rpc_call_response(down, NULL), E_OK);
	CHECK_ERR(rpc_call_send(up, slice(pattern, 50000)), E_OK);
	rig_turns(20);
	CHECK_INT(d.server.active, 3);
	rpc_link_close(d.serve, CLOSE_IO);
	rig_turns(5);
	CHECK_INT(d.server.active, 0);
	CHECK(!rpc_link_usable(d.ask));
	/* What had arrived is still handed out. */
	while ((e = rpc_call_recv(down, &got)) == E_OK)
		frames++;
	CHECK_ERR(e, E_RETRY);
	CHECK_INT(frames, RPC_CREDIT / (4096 + RPC_DATA_COST));
	CHECK_ERR(rpc_call_send(up, SL("x")), E_RETRY);
	CHECK_ERR(rpc_call_send_end(up), E_RETRY);
	CHECK_ERR(rpc_call_response(up, NULL), E_RETRY);
	CHECK_ERR(rpc_call_response(hang, NULL), E_RETRY);
	rpc_call_free(&down);
	rpc_call_free(&up);
	rpc_call_free(&hang);
	CHECK_ERR(rig_echo(d.ask, SL("x")), E_RETRY);
	duo_close(&d);
}

TEST_FIBER(drain_by_the_server)
{
	struct rpc_call *c;
	struct duo d;

	REQUIRE(duo_open(&d));
	c = start_download(&d, BIG, 65536);
	CHECK_ERR(rpc_call_response(c, NULL), E_OK);
	rpc_link_drain(d.serve);
	/* This one crosses the GOAWAY. */
	CHECK_ERR(rig_echo(d.ask, SL("x")), E_RETRY);
	CHECK_INT(d.server.served, 1);
	CHECK(!rpc_link_usable(d.ask));
	CHECK(!rpc_link_usable(d.serve));
	rig_turns(5);
	CHECK(!d.ask->closed && !d.serve->closed);
	read_download(c, BIG, 65536);
	CHECK_ERR(rpc_link_wait_closed(d.ask, rig_soon()), E_OK);
	CHECK_ERR(rpc_link_wait_closed(d.serve, rig_soon()), E_OK);
	rpc_call_free(&c);
	duo_close(&d);
}

TEST_FIBER(drain_by_the_asker)
{
	struct rpc_call *c;
	struct duo d;

	REQUIRE(duo_open(&d));
	c = start(&d, RIG_UPLOAD, SLICE_NONE, RPC_BODY);
	rpc_link_drain(d.ask);
	rpc_link_drain(d.ask);
	CHECK_ERR(rig_echo(d.ask, SL("x")), E_RETRY);
	CHECK_ERR(rpc_call_send(c, SL("still")), E_OK);
	CHECK_ERR(rpc_call_send_end(c), E_OK);
	CHECK_ERR(rpc_call_response(c, NULL), E_OK);
	CHECK_ERR(rpc_link_wait_closed(d.ask, rig_soon()), E_OK);
	CHECK_ERR(rpc_link_wait_closed(d.serve, rig_soon()), E_OK);
	rpc_call_free(&c);
	duo_close(&d);
}

TEST_FIBER(drain_of_an_idle_link)
{
	struct duo d;

	REQUIRE(duo_open(&d));
	rpc_link_drain(d.serve);
	CHECK_ERR(rpc_link_wait_closed(d.ask, rig_soon()), E_OK);
	CHECK_ERR(rpc_link_wait_closed(d.serve, rig_soon()), E_OK);
	duo_close(&d);
}

TEST_FIBER(ping_keeps_a_silent_link)
{
	struct duo d;

	REQUIRE(duo_open(&d));
	d.ask->ping_ms = 100;
	d.ask->dead_ms = 500;
	CHECK_ERR(rig_echo(d.ask, SL("x")), E_OK); /* the readers take the new times */
	(void)fiber_sleep("test.silence", d.ask->dead_ms + 3 * d.ask->ping_ms);
	/* Doubtful it is only until the answer to a PING. */
	for (int i = 0; i < 1000 && rpc_link_doubtful(d.ask); i++)
		rig_turns(1);
	CHECK(rpc_link_usable(d.ask) && !rpc_link_doubtful(d.ask));
	duo_close(&d);
}

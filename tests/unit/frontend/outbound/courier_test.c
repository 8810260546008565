/* Jobs on their way through couriers, up to what a played back-end hears of them. */
#include "frontend/outbound/courier.h"

#include <time.h>

#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "frontend/core/policy.h"
#include "frontend/outbound/reports.h"
#include "frontend/outbound/send.h"
#include "proto/method.pb-c.h"
#include "proto/outbound.pb-c.h"
#include "tests/unit/frontend/outbound/client_lib.h"
#include "tests/unit/frontend/rpc/played.h"

#define NOBODY SL("[127.0.0.1]:1")

static const char *const map[] = {"be1"};

/* What the back-end heard last. */
struct heard {
	unsigned reports, results;
	unsigned refused; /* results of what nobody took */
	Postern__OutboundOutcome outcome;
	char status[16]; /* of the first recipient */
	char text[128], remote[64];
	struct event now;
	/* What its stream of work gives, and what ends that. */
	struct outbound_job *give;
	size_t ngive;
	bool refuses; /* a report does not count */
	struct event over;
};

static void hear(const char *said, char *out, size_t size)
{
	CHECK(slice_to_str(slice_str(said), out, size));
}

static ProtobufCBinaryData bytes(slice_t s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

/* So many jobs like the one, then nothing until it is over. */
WAITS static void work(struct heard *h, struct rpc_req *r)
{
	Postern__OutboundRecipient to = POSTERN__OUTBOUND_RECIPIENT__INIT, *list = &to;
	Postern__OutboundTls tls = POSTERN__OUTBOUND_TLS__INIT;
	Postern__OutboundJob m = POSTERN__OUTBOUND_JOB__INIT;
	char destination[OUTBOUND_TARGET_MAX];
	uint8_t packed[512];

	CHECK(slice_to_str(h->give->destination, destination, sizeof destination));
	to.address = bytes(h->give->rcpts[0].address);
	tls.level = POSTERN__OUTBOUND_TLS_LEVEL__OUTBOUND_TLS_NONE;
	m.tls = &tls;
	m.lease = bytes(h->give->lease);
	m.destination = destination;
	m.connections = 1;
	m.recipients = &list;
	m.n_recipients = 1;
	m.trace_id = bytes(slice(h->give->trace_id, sizeof h->give->trace_id));
	m.prefix = bytes(h->give->prefix);
	CHECK_ERR(rpc_req_reply(r, E_OK, SLICE_NONE, RPC_BODY), E_OK);
	for (size_t i = 0; i < h->ngive; i++)
		CHECK_ERR(rpc_req_send(r, slice(packed, postern__outbound_job__pack(&m, packed))),
			  E_OK);
	if (event_wait(&h->over, "test.over", NO_DEADLINE) == E_OK)
		CHECK_ERR(rpc_req_send_end(r), E_OK);
}

/* Reports count; a message cannot be read. */
WAITS static void answer(struct played_node *n, struct rpc_req *r)
{
	struct heard *h = n->arg;
	const Postern__OutboundReport *report;
	ProtobufCMessage *m;

	if (rpc_req_method(r) == POSTERN__METHOD__METHOD_OUTBOUND_WORK) {
		work(h, r);
		return;
	}
	if (rpc_req_method(r) != POSTERN__METHOD__METHOD_OUTBOUND_REPORT) {
		played_reply(r, E_BUSY, NULL);
		return;
	}
	h->reports++;
	if (h->refuses) {
		played_reply(r, E_RETRY, NULL);
		event_set(&h->now);
		return;
	}
	m = played_message(r, &postern__outbound_report__descriptor);
	report = (const Postern__OutboundReport *)m;
	for (size_t i = 0; i < report->n_results; i++) {
		const Postern__OutboundResult *one = report->results[i];

		h->outcome = one->outcome;
		if (one->n_results != 0) {
			hear(one->results[0]->status, h->status, sizeof h->status);
			hear(one->results[0]->text, h->text, sizeof h->text);
		}
		hear(one->remote, h->remote, sizeof h->remote);
		h->results++;
		h->refused += one->outcome != POSTERN__OUTBOUND_OUTCOME__OUTBOUND_TRIED;
	}
	protobuf_c_message_free_unpacked(m, NULL);
	played_reply(r, E_OK, NULL);
	event_set(&h->now);
}

static void begin(struct played_node *be, struct heard *h)
{
	*h = (struct heard){.results = 0};
	event_init(&h->now);
	event_init(&h->over);
	*be = (struct played_node){.name = map[0], .answer = answer, .arg = h};
	played_begin(map, ARRAY_LEN(map));
	policy_init("fe1.test");
	couriers_init(NULL);
}

WAITS static void end(struct played_node *be)
{
	couriers_stop(deadline_in(WIRE_MS));
	reports_flush(deadline_in(WIRE_MS));
	played_down(be);
	played_end();
}

/* A job that came so long ago. */
static struct outbound_job *job_of(int64_t ago_ms)
{
	struct outbound_job *j = xcalloc(1, sizeof *j);

	arena_init(&j->mem, NULL);
	list_init(&j->node);
	j->came_ms = clock_mono_ms() - ago_ms;
	j->lease = SL("lease");
	j->destination = j->route.target = NOBODY;
	j->route.helo = "";
	j->tls.level = OUTBOUND_TLS_NONE;
	j->connections = 1;
	j->n = 1;
	j->rcpts = arena_new(&j->mem, struct outbound_rcpt);
	j->rcpts[0].address = SL("x@elsewhere.test");
	return j;
}

/* What waited so long in line that its lease could end while it is sent is not begun. */
TEST_FIBER(courier_too_late)
{
	static const struct {
		int64_t ago_ms;
		Postern__OutboundOutcome outcome;
	} cases[] = {
		{0, POSTERN__OUTBOUND_OUTCOME__OUTBOUND_UNREACHABLE},
		{OUTBOUND_BEGIN_MS - 60000, POSTERN__OUTBOUND_OUTCOME__OUTBOUND_UNREACHABLE},
		{OUTBOUND_BEGIN_MS + 1000, POSTERN__OUTBOUND_OUTCOME__OUTBOUND_UNTRIED},
	};
	struct played_node be;
	struct heard h;

	begin(&be, &h);
	played_up(&be);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		couriers_take(job_of(cases[i].ago_ms));
		CHECK_ERR(event_wait(&h.now, "test.heard", deadline_in(WIRE_MS)), E_OK);
		CHECK_INT(h.results, i + 1);
		CHECK_INT(h.outcome, cases[i].outcome);
	}
	end(&be);
}

/* A server without 8BITMIME, while the message cannot be had: that passes. */
TEST_FIBER(courier_message_cannot_be_read)
{
	static const char *const script[] = {
		"> 220 mx.example.org ESMTP",
		"< EHLO me.example.net",
		"> 250 mx.example.org",
		"< QUIT",
		"> 221 bye",
		"!end",
		NULL,
	};
	struct outbound_job *j = job_of(0);
	struct smtp_result why;
	struct played_node be;
	struct heard h;
	struct rig r;

	begin(&be, &h);
	played_up(&be);
	rig_start(&r, script);
	CHECK_ERR(rig_open(&r), E_OK);
	REQUIRE(r.client != NULL);
	j->content = CONTENT_8BIT;
	j->plain_size = 100;
	CHECK_ERR(send_job(r.client, "mx.example.org [192.0.2.1]", j, &why), E_OK);
	CHECK(smtp_client_usable(r.client));
	smtp_client_quit(r.client);
	CHECK_ERR(event_wait(&h.now, "test.heard", deadline_in(WIRE_MS)), E_OK);
	CHECK_INT(h.outcome, POSTERN__OUTBOUND_OUTCOME__OUTBOUND_TRIED);
	CHECK_STR(h.status, "4.3.0");
	rig_end(&r);
	end(&be);
}

static void set_connections(const char *max)
{
	policy_begin();
	CHECK_ERR(policy_set(SL("outbound.connections"), slice_str(max)), E_OK);
	policy_apply();
}

/* For the server of a script. */
static struct outbound_job *job_for(const struct rig *r)
{
	struct outbound_job *j = job_of(0);
	struct buf b;

	buf_init(&b, OUTBOUND_TARGET_MAX, NULL);
	buf_printf(&b, "[127.0.0.1]:%u", (unsigned)r->opts.port);
	j->destination = j->route.target = arena_dup(&j->mem, buf_slice(&b));
	j->prefix = SL("Subject: x\r\n\r\n");
	buf_fini(&b);
	return j;
}

WAITS static bool comes_to(const struct rig *r, size_t step)
{
	int64_t deadline = deadline_in(WIRE_MS);

	while (r->done < step && clock_mono_ms() < deadline)
		fiber_yield();
	return r->done >= step;
}

/* A job comes for a courier that is leaving, and then there may be no other one: it goes back. */
TEST_FIBER(courier_without_another)
{
	static const char *const leaving[] = {
		"> 220 mx.example.org ESMTP",
		"~ EHLO ",
		"> 250 mx.example.org",
		"~ MAIL FROM:",
		"> 250 ok",
		"~ RCPT TO:",
		"> 250 ok",
		"< DATA",
		"> 354 go",
		"!body",
		"> 250 taken",
		"< QUIT",
		"!stall",
		"> 221 bye",
		"!end",
		NULL,
	};
	static const char *const busy[] = {"!stall", "!close", NULL};
	struct rig x, y;
	struct played_node be;
	struct heard h;

	begin(&be, &h);
	played_up(&be);
	rig_start(&x, leaving);
	rig_start(&y, busy);
	couriers_take(job_for(&y));
	couriers_take(job_for(&x));
	CHECK_ERR(event_wait(&h.now, "test.heard", deadline_in(WIRE_MS)), E_OK);
	CHECK_STR(h.status, "2.0.0");
	REQUIRE(comes_to(&x, ARRAY_LEN(leaving) - 4));
	couriers_take(job_for(&x));
	set_connections("1");
	event_set(&x.resume);
	CHECK_ERR(event_wait(&h.now, "test.heard", deadline_in(WIRE_MS)), E_OK);
	CHECK_INT(h.outcome, POSTERN__OUTBOUND_OUTCOME__OUTBOUND_UNTRIED);
	event_set(&y.resume);
	CHECK_ERR(event_wait(&h.now, "test.heard", deadline_in(WIRE_MS)), E_OK);
	CHECK_INT(h.outcome, POSTERN__OUTBOUND_OUTCOME__OUTBOUND_UNREACHABLE);
	rig_end(&x);
	rig_end(&y);
	end(&be);
}

/* ---- limits ---- */

WAITS static void hear_results(struct heard *h, unsigned n)
{
	int64_t deadline = deadline_in(WIRE_MS);

	while (h->results < n && event_wait(&h->now, "test.heard", deadline) == E_OK)
		continue;
	CHECK_INT(h->results, n);
}

/* Though there is more to send, a connection has had enough at some time. */
TEST_FIBER(courier_many_messages)
{
	enum { MESSAGES = 200 };
	static const char *const hello[] = {"> 220 mx.example.org ESMTP", "~ EHLO ",
					    "> 250 mx.example.org"};
	static const char *const message[] = {
		"~ MAIL FROM:", "> 250 ok", "~ RCPT TO:", "> 250 ok",
		"< DATA",       "> 354 go", "!body",      "> 250 taken"};
	static const char *const bye[] = {"< QUIT", "> 221 bye", "!end", NULL};
	static const char *script[3 + 8 * MESSAGES + 4];
	struct played_node be;
	struct heard h;
	struct rig r;
	size_t n = 3;

	memcpy(script, hello, sizeof hello);
	for (size_t i = 0; i < MESSAGES; i++, n += 8)
		memcpy(script + n, message, sizeof message);
	memcpy(script + n, bye, sizeof bye);
	begin(&be, &h);
	played_up(&be);
	rig_start(&r, script);
	for (size_t i = 0; i <= MESSAGES; i++)
		couriers_take(job_for(&r));
	/* The last one goes over a new connection, which this server does not take. */
	hear_results(&h, MESSAGES + 1);
	CHECK_INT(h.refused, 1);
	rig_end(&r);
	end(&be);
}

struct taking {
	struct outbound_job *job;
	bool over;
};

WAITS static void take_one(void *arg)
{
	struct taking *t = arg;

	couriers_take(t->job);
	t->over = true;
}

/* As much as may wait in line: what comes then waits outside, wherever it goes. */
TEST_FIBER(courier_holds_so_much)
{
	static const char *const script[] = {"!stall", "!close", NULL};
	static char byte;
	struct taking next = {.over = false};
	struct outbound_job *large;
	struct played_node be;
	struct scope scope;
	struct heard h;
	struct rig r;

	begin(&be, &h);
	played_up(&be);
	rig_start(&r, script);
	large = job_for(&r);
	large->stored = slice(&byte, (size_t)128 << 20); /* nobody will read it */
	couriers_take(job_for(&r));
	couriers_take(large);
	next.job = job_of(0);
	scope_init(&scope);
	REQUIRE(scope_start(&scope, "test.take", take_one, &next) == E_OK);
	for (unsigned i = 0; i < 10; i++)
		fiber_yield();
	CHECK(!next.over);
	CHECK_INT(h.results, 0);
	event_set(&r.resume);
	hear_results(&h, 3);
	CHECK(next.over);
	CHECK_ERR(scope_join(&scope, deadline_in(WIRE_MS)), E_OK);
	rig_end(&r);
	end(&be);
}

/* A connection that ends at MAIL tells how, and who the server was. */
TEST_FIBER(courier_how_it_ended)
{
	static const struct {
		const char *script[8];
		const char *status, *text;
	} cases[] = {
#define GREETED "> 220 mx.example.org ESMTP", "~ EHLO ", "> 250 mx.example.org", "~ MAIL FROM:"
		{{GREETED, "!close"}, "4.4.2", "the connection was lost (mail)"},
		{{GREETED, "> eh", "!end"},
		 "4.5.0",
		 "the host broke the protocol (mail): not a reply"},
		{{GREETED, "!flood 1024", "!end"},
		 "4.5.0",
		 "the host broke the protocol (mail): the reply has more than 100 lines"},
#undef GREETED
	};
	struct played_node be;
	struct heard h;

	begin(&be, &h);
	played_up(&be);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig r;

		check_note("case %zu", i);
		rig_start(&r, cases[i].script);
		couriers_take(job_for(&r));
		CHECK_ERR(event_wait(&h.now, "test.heard", deadline_in(WIRE_MS)), E_OK);
		CHECK_INT(h.outcome, POSTERN__OUTBOUND_OUTCOME__OUTBOUND_TRIED);
		CHECK_STR(h.status, cases[i].status);
		CHECK_STR(h.text, cases[i].text);
		CHECK_STR(h.remote, "mx.example.org [127.0.0.1]");
		rig_end(&r);
	}
	end(&be);
}

static int64_t ahead_us;

static int64_t moved_mono(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 + ahead_us;
}

/* A back-end that was away for long hears all the same what became of its jobs. */
TEST_FIBER(courier_report_after_an_outage)
{
	struct played_node be;
	struct heard h;

	ahead_us = 0;
	clock_replace(NULL, moved_mono);
	begin(&be, &h);
	reports_put_untried(job_of(0));
	ahead_us = 80 * 60 * 1000000LL;
	reports_flush(deadline_in(2500)); /* it is tried, and there is nobody */
	played_up(&be);
	CHECK_ERR(event_wait(&h.now, "test.heard", deadline_in(WIRE_MS)), E_OK);
	CHECK_INT(h.results, 1);
	end(&be);
	clock_replace(NULL, NULL);
}

WAITS static void take(struct outbound_job *j, void *arg)
{
	unsigned *came = arg;

	couriers_take(j);
	++*came;
}

struct worker {
	unsigned came;
	struct event ended;
};

WAITS static bool have_come(const struct worker *w, unsigned n)
{
	int64_t deadline = deadline_in(WIRE_MS);

	while (w->came < n && clock_mono_ms() < deadline)
		fiber_yield();
	return w->came == n;
}

WAITS static void worker_run(void *arg)
{
	struct worker *w = arg;

	CHECK(call_outbound_work(rpc_client_any(), take, &w->came) != E_OK);
	event_set(&w->ended);
}

WAITS static void server_ends(struct played_node *be)
{
	struct heard *h = be->arg;

	event_set(&h->over);
}

WAITS static void link_breaks(struct played_node *be)
{
	played_down(be);
	played_up(be);
}

/* What waits in line when its stream ends is given out anew by the back-end, so it is not sent from
 * here, and nothing is said of it; what is under way is finished, and told. */
TEST_FIBER(courier_line_of_a_lost_stream)
{
	static WAITS void (*const ends[])(struct played_node *) = {server_ends, link_breaks};
	static const char *const script[] = {
		"> 220 mx.example.org ESMTP",
		"~ EHLO ",
		"> 250 mx.example.org",
		"~ MAIL FROM:",
		"> 250 ok",
		"~ RCPT TO:",
		"> 250 ok",
		"< DATA",
		"> 354 go",
		"!body",
		"!stall",
		"> 250 taken",
		"< QUIT",
		"> 221 bye",
		"!end",
		NULL,
	};
	struct played_node be;
	struct heard h;

	begin(&be, &h);
	played_up(&be);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct worker w = {.came = 0};
		struct rig r;

		check_note("case %zu", i);
		event_init(&w.ended);
		h.results = 0;
		rig_start(&r, script);
		h.give = job_for(&r);
		h.ngive = 3;
		CHECK_ERR(fiber_start("test.worker", worker_run, &w, NULL), E_OK);
		REQUIRE(comes_to(&r, 10));
		REQUIRE(have_come(&w, 3));
		ends[i](&be);
		CHECK_ERR(event_wait(&w.ended, "test.ended", deadline_in(WIRE_MS)), E_OK);
		event_set(&r.resume);
		CHECK_ERR(event_wait(&h.now, "test.heard", deadline_in(WIRE_MS)), E_OK);
		CHECK(comes_to(&r, ARRAY_LEN(script) - 1));
		CHECK_INT(h.results, 1);
		CHECK_STR(h.status, "2.0.0");
		outbound_job_free(&h.give);
		rig_end(&r);
	}
	end(&be);
}

WAITS static void give_back(struct outbound_job *j, void *arg)
{
	reports_put_untried(j);
	event_set(arg);
}

WAITS static void giver_run(void *arg)
{
	CHECK_ERR(call_outbound_work(rpc_client_any(), give_back, arg), E_CLOSED);
	event_set(arg);
}

/* One that is given back, while that does not count yet, is not given back once more when its
 * stream has ended: it may have been leased again meanwhile. */
TEST_FIBER(courier_given_back_to_a_lost_stream)
{
	struct played_node be;
	struct event now;
	struct heard h;

	begin(&be, &h);
	played_up(&be);
	event_init(&now);
	h.give = job_of(0);
	h.ngive = 1;
	h.refuses = true;
	CHECK_ERR(fiber_start("test.giver", giver_run, &now, NULL), E_OK);
	CHECK_ERR(event_wait(&now, "test.given", deadline_in(WIRE_MS)), E_OK);
	CHECK_ERR(event_wait(&h.now, "test.heard", deadline_in(WIRE_MS)), E_OK);
	event_set(&h.over);
	CHECK_ERR(event_wait(&now, "test.ended", deadline_in(WIRE_MS)), E_OK);
	h.refuses = false;
	reports_flush(deadline_in(WIRE_MS));
	CHECK_INT(h.reports, 1);
	CHECK_INT(h.results, 0);
	outbound_job_free(&h.give);
	end(&be);
}

/* Jobs on their way through couriers, up to what a played back-end hears of them. */
#include "frontend/outbound/courier.h"

#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "frontend/core/policy.h"
#include "frontend/outbound/reports.h"
#include "proto/method.pb-c.h"
#include "proto/outbound.pb-c.h"
#include "tests/unit/frontend/rpc/played.h"

#define NOBODY SL("[127.0.0.1]:1")

static const char *const map[] = {"be1"};

/* What the back-end heard last. */
struct heard {
	unsigned results;
	Postern__OutboundOutcome outcome;
	struct event now;
};

WAITS static void answer(struct played_node *n, struct rpc_req *r)
{
	struct heard *h = n->arg;
	ProtobufCMessage *m = played_message(r, &postern__outbound_report__descriptor);
	const Postern__OutboundReport *report = (const Postern__OutboundReport *)m;

	for (size_t i = 0; i < report->n_results; i++) {
		h->outcome = report->results[i]->outcome;
		h->results++;
	}
	protobuf_c_message_free_unpacked(m, NULL);
	played_reply(r, E_OK, NULL);
	event_set(&h->now);
}

static void begin(struct played_node *be, struct heard *h)
{
	*h = (struct heard){.results = 0};
	event_init(&h->now);
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

/* Notices that come all at once: so many are composed, the others wait; at the end they go back. */
#include "frontend/outbound/notices.h"

#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "frontend/core/policy.h"
#include "frontend/outbound/reports.h"
#include "proto/method.pb-c.h"
#include "proto/outbound.pb-c.h"
#include "tests/lib/check.h"
#include "tests/unit/frontend/rpc/played.h"

#define AT_ONCE 16

static const char *const map[] = {"be1"};

struct desk {
	unsigned asked;          /* notices that have begun: they ask for the keys of our name */
	struct waitq asking;     /* ... and get no answer yet */
	unsigned tried, untried; /* as the back-end has heard */
	struct event now;
};

WAITS static void hear_report(struct desk *k, struct rpc_req *r)
{
	ProtobufCMessage *m = played_message(r, &postern__outbound_report__descriptor);
	const Postern__OutboundReport *report = (const Postern__OutboundReport *)m;

	for (size_t i = 0; i < report->n_results; i++) {
		if (report->results[i]->outcome == POSTERN__OUTBOUND_OUTCOME__OUTBOUND_UNTRIED)
			k->untried++;
		else
			k->tried++;
	}
	protobuf_c_message_free_unpacked(m, NULL);
	played_reply(r, E_OK, NULL);
	event_set(&k->now);
}

/* A question for keys is answered when the test says so: not now. */
WAITS static void answer(struct played_node *n, struct rpc_req *r)
{
	struct desk *k = n->arg;

	if (rpc_req_method(r) == POSTERN__METHOD__METHOD_OUTBOUND_REPORT) {
		hear_report(k, r);
		return;
	}
	k->asked++;
	event_set(&k->now);
	CHECK_ERR(waitq_wait(&k->asking, "test.asking", deadline_in(WIRE_MS)), E_OK);
	played_reply(r, E_INTERNAL, NULL);
}

static struct outbound_job *notice_job(void)
{
	struct outbound_job *j = xcalloc(1, sizeof *j);

	arena_init(&j->mem, NULL);
	list_init(&j->node);
	j->came_ms = clock_mono_ms();
	j->kind = OUTBOUND_NOTICE;
	j->lease = SL("lease");
	j->n = 1;
	j->rcpts = arena_new(&j->mem, struct outbound_rcpt);
	return j;
}

WAITS static void take_one(void *arg)
{
	unsigned *taken = arg;

	notices_take(notice_job());
	++*taken;
}

WAITS static bool comes_to(struct desk *k, const unsigned *what, unsigned n)
{
	int64_t deadline = deadline_in(WIRE_MS);

	while (*what < n && event_wait(&k->now, "test.desk", deadline) == E_OK)
		continue;
	return *what == n;
}

TEST_FIBER(notices_at_a_time)
{
	struct desk k = {.asked = 0};
	struct played_node be = {.name = map[0], .answer = answer, .arg = &k};
	struct scope scope;
	unsigned taken = 0;

	event_init(&k.now);
	waitq_init(&k.asking);
	played_begin(map, ARRAY_LEN(map));
	policy_init("fe1.test");
	notices_init();
	played_up(&be);
	scope_init(&scope);
	for (unsigned i = 0; i < AT_ONCE + 3; i++)
		CHECK_ERR(scope_start(&scope, "test.take", take_one, &taken), E_OK);
	REQUIRE(comes_to(&k, &k.asked, AT_ONCE));
	CHECK_INT(taken, AT_ONCE);
	/* One is over, and the next one begins. */
	waitq_wake_one(&k.asking);
	REQUIRE(comes_to(&k, &k.asked, AT_ONCE + 1));
	REQUIRE(comes_to(&k, &k.tried, 1));
	CHECK_INT(taken, AT_ONCE + 1);
	notices_stop();
	CHECK_ERR(scope_join(&scope, deadline_in(WIRE_MS)), E_OK);
	notices_take(notice_job());
	REQUIRE(comes_to(&k, &k.untried, 3));
	CHECK_INT(k.asked, AT_ONCE + 1);
	waitq_wake_all(&k.asking);
	REQUIRE(comes_to(&k, &k.tried, AT_ONCE + 1));
	reports_flush(deadline_in(WIRE_MS));
	played_down(&be);
	played_end();
}

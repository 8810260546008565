/* Questions of a played back-end: what is taken, how many at a time, and what the answer says. */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "frontend/outbound/questions.h"
#include "proto/dns.pb-c.h"
#include "proto/method.pb-c.h"
#include "tests/lib/dnstwin.h"
#include "tests/unit/frontend/rpc/played.h"

#define CROWD (QUESTIONS_MAX + 8)

static const char *const map[] = {"be1"};

struct asking_node {
	Postern__DnsQuestion questions[CROWD];
	char names[CROWD][DNS_NAME_MAX + 2];
	size_t n;
	bool stays; /* the stream goes on after them */
	struct event done;
	/* What was answered. */
	unsigned asked_before, answered, most, ids;
	Postern__DnsOutcome outcome;
	size_t records;
};

WAITS static void ask(struct asking_node *a, struct rpc_req *r)
{
	uint8_t bytes[512];

	CHECK_ERR(rpc_req_reply(r, E_OK, SLICE_NONE, RPC_BODY), E_OK);
	for (size_t i = 0; i < a->n; i++) {
		size_t n = postern__dns_question__pack(&a->questions[i], bytes);

		if (rpc_req_send(r, slice(bytes, n)) != E_OK)
			return;
	}
	if (a->stays)
		(void)fiber_sleep("test.stays", 60000);
	else
		(void)rpc_req_send_end(r);
}

WAITS static void hear(struct asking_node *a, struct rpc_req *r)
{
	Postern__DnsAnswer *m = (void *)played_message(r, &postern__dns_answer__descriptor);
	unsigned under_way = dnstwin_asked() - a->asked_before - a->answered;

	a->most = MAX(a->most, under_way);
	a->answered++;
	a->ids += (unsigned)m->id;
	a->outcome = m->outcome;
	a->records = m->n_records;
	protobuf_c_message_free_unpacked(&m->base, NULL);
	played_reply(r, E_OK, NULL);
	if (a->answered == a->n)
		event_set(&a->done);
}

WAITS static void answer(struct played_node *n, struct rpc_req *r)
{
	if (rpc_req_method(r) == POSTERN__METHOD__METHOD_DNS_WATCH)
		ask(n->arg, r);
	else
		hear(n->arg, r);
}

static void put(struct asking_node *a, const char *name, enum question_type type, uint32_t ms)
{
	Postern__DnsQuestion *q = &a->questions[a->n];

	postern__dns_question__init(q);
	CHECK(slice_to_str(slice_str(name), a->names[a->n], sizeof a->names[0]));
	q->id = a->n + 1;
	q->type = (Postern__DnsType)type;
	q->name = a->names[a->n];
	q->wait_ms = ms;
	a->n++;
}

static void keep(const struct question *q, void *arg)
{
	*(struct question *)arg = *q;
}

TEST_FIBER(questions_are_bounded)
{
	struct asking_node *a = xcalloc(1, sizeof *a);
	struct played_node be = {.name = "be1", .answer = answer, .arg = a};
	char name[DNS_NAME_MAX + 2];
	struct question q = {.id = 0};

	played_begin(map, 1);
	played_up(&be);
	memset(name, 'n', sizeof name);
	name[DNS_NAME_MAX] = '\0';
	put(a, name, QUESTION_MX, UINT32_MAX);
	CHECK_ERR(call_dns_watch(rpc_client_any(), SLICE_NONE, keep, &q), E_CLOSED);
	CHECK_INT(q.id, 1);
	CHECK_INT(q.type, QUESTION_MX);
	CHECK_STR(q.name, name);
	/* Whatever a back-end says. */
	CHECK(q.deadline_ms <= deadline_in(QUESTION_WAIT_MAX_MS));
	CHECK(q.deadline_ms > deadline_in(QUESTION_WAIT_MAX_MS / 2));
	/* One byte more ends the stream. */
	q.id = 0;
	a->n = 0;
	memset(name, 'n', sizeof name);
	name[DNS_NAME_MAX + 1] = '\0';
	put(a, name, QUESTION_MX, 1000);
	CHECK(call_dns_watch(rpc_client_any(), SLICE_NONE, keep, &q) != E_CLOSED);
	CHECK_INT(q.id, 0);
	played_down(&be);
	played_end();
	xfree(&a);
}

/* Serves the played back-end's questions until all are answered. */
WAITS static void serve_all(struct played_node *be)
{
	struct asking_node *a = be->arg;
	struct rpc_link *l;
	struct scope s;

	a->stays = true;
	a->asked_before = dnstwin_asked();
	event_init(&a->done);
	played_begin(map, 1);
	played_up(be);
	scope_init(&s);
	l = rpc_client_any();
	rpc_link_ref(l);
	CHECK_ERR(scope_start(&s, "test.questions", questions_run, l), E_OK);
	CHECK_ERR(event_wait(&a->done, "test.answers", deadline_in(WIRE_MS)), E_OK);
	scope_cancel(&s);
	(void)scope_join(&s, NO_DEADLINE);
	played_down(be);
	played_end();
}

TEST_FIBER(so_many_at_a_time)
{
	static struct dnstwin_rr silent[CROWD + 1];
	static char names[CROWD][16];
	struct asking_node *a = xcalloc(1, sizeof *a);
	struct played_node be = {.name = "be1", .answer = answer, .arg = a};

	for (unsigned i = 0; i < CROWD; i++) {
		snprintf(names[i], sizeof names[i], "q%u.test", i);
		silent[i] = (struct dnstwin_rr){names[i], "SILENT", ""};
		put(a, names[i], QUESTION_TXT, 1000);
	}
	resolver_replace(dnstwin(silent));
	serve_all(&be);
	CHECK_INT(a->most, QUESTIONS_MAX);
	CHECK_INT(a->ids, CROWD * (CROWD + 1) / 2);
	CHECK_INT(a->outcome, POSTERN__DNS_OUTCOME__DNS_OUTCOME_FAILED);
	resolver_replace(NULL);
	xfree(&a);
}

TEST_FIBER(answers)
{
	static const struct dnstwin_rr records[] = {
		{"o.test", "TXT", "x"}, {"o.test", "TXT", "y"}, {0}};
	struct asking_node *a = xcalloc(1, sizeof *a);
	struct played_node be = {.name = "be1", .answer = answer, .arg = a};

	resolver_replace(dnstwin(records));
	put(a, "o.test", QUESTION_TXT, 5000);
	serve_all(&be);
	CHECK_INT(a->outcome, POSTERN__DNS_OUTCOME__DNS_OUTCOME_OK);
	CHECK_INT(a->records, 2);
	/* What cannot be asked is answered, too: nobody waits for nothing. */
	a->n = a->answered = 0;
	put(a, "not a name", QUESTION_TXT, 5000);
	serve_all(&be);
	CHECK_INT(a->outcome, POSTERN__DNS_OUTCOME__DNS_OUTCOME_FAILED);
	a->n = a->answered = 0;
	put(a, "o.test", 77, 5000);
	serve_all(&be);
	CHECK_INT(a->outcome, POSTERN__DNS_OUTCOME__DNS_OUTCOME_FAILED);
	resolver_replace(NULL);
	xfree(&a);
}

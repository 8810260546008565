/* What workers tell of TLS and which back-end hears it; and the reports that it has sent, over
 * played back-ends. */
#include <stdio.h>

#include "frontend/outbound/tlsrpt_post.h"
#include "frontend/rpc/call_tls.h"
#include "proto/method.pb-c.h"
#include "proto/outbound.pb-c.h"
#include "proto/tls_results.h"
#include "tests/lib/dnstwin.h"
#include "tests/unit/frontend/rpc/played.h"

static const char *const map[] = {"be1", "be2"};

static struct {
	Postern__TlsReport report;
	Postern__TlsReportStep step; /* of the end */
	char text[200], address[100];
	unsigned resolved, committed, told;
	enum err resolve; /* what is answered */
	uint32_t content;
	size_t targets;
	struct event done;
} w;

WAITS static void work(struct rpc_req *r)
{
	uint8_t bytes[2048];
	size_t n = postern__tls_report__pack(&w.report, bytes);

	CHECK_ERR(rpc_req_reply(r, E_OK, SLICE_NONE, RPC_BODY), E_OK);
	CHECK_ERR(rpc_req_send(r, slice(bytes, n)), E_OK);
	CHECK_ERR(event_wait(&w.done, "test.over", deadline_in(5000)), E_OK);
	(void)rpc_req_send_end(r);
}

WAITS static void step(struct rpc_req *r)
{
	Postern__OutboundTlsStep *m =
		(void *)played_message(r, &postern__outbound_tls_step__descriptor);
	Postern__OutboundTlsStepReply reply = POSTERN__OUTBOUND_TLS_STEP_REPLY__INIT;
	Postern__Target t = POSTERN__TARGET__INIT, *targets[5] = {&t, &t, &t, &t, &t};

	CHECK_INT(m->id, w.report.id);
	if (m->step == POSTERN__TLS_REPORT_STEP__TLS_REPORT_RESOLVE) {
		w.resolved++;
		(void)snprintf(w.address, sizeof w.address, "%s", m->address);
		t.token = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t) "token"};
		t.backend = (char *)(uintptr_t) "be1";
		reply.targets = targets;
		reply.n_targets = w.targets;
		played_reply(r, w.resolve, w.resolve == E_OK ? &reply.base : NULL);
	} else {
		w.step = m->step;
		(void)snprintf(w.text, sizeof w.text, "%s", m->text);
		played_reply(r, E_OK, NULL);
		event_set(&w.done);
	}
	protobuf_c_message_free_unpacked(&m->base, NULL);
}

WAITS static void commit(struct rpc_req *r)
{
	Postern__DeliverCommit *m = (void *)played_message(r, &postern__deliver_commit__descriptor);
	Postern__DeliverReply reply = POSTERN__DELIVER_REPLY__INIT;
	Postern__RecipientResult ok = POSTERN__RECIPIENT_RESULT__INIT, *rows[] = {&ok};

	w.committed++;
	w.content = m->content;
	CHECK_INT(m->sender.len, 0);
	CHECK_INT(m->txid.len, DELIVER_TXID_BYTES);
	protobuf_c_message_free_unpacked(&m->base, NULL);
	reply.results = rows;
	reply.n_results = 1;
	played_reply(r, E_OK, &reply.base);
}

WAITS static void answer(struct played_node *n UNUSED, struct rpc_req *r)
{
	struct buf body;

	switch (rpc_req_method(r)) {
	case POSTERN__METHOD__METHOD_OUTBOUND_TLS_WORK:
		work(r);
		break;
	case POSTERN__METHOD__METHOD_OUTBOUND_TLS_STEP:
		step(r);
		break;
	case POSTERN__METHOD__METHOD_DELIVER_BEGIN:
		buf_init(&body, 1u << 20, NULL);
		CHECK_ERR(played_body(r, &body), E_CLOSED);
		buf_fini(&body);
		played_reply(r, E_OK, NULL);
		break;
	case POSTERN__METHOD__METHOD_DELIVER_COMMIT:
		commit(r);
		break;
	case POSTERN__METHOD__METHOD_SENDER_CHECK: /* there are no keys */
		played_reply(r, E_DENIED, NULL);
		break;
	default:
		w.told++;
		played_reply(r, E_OK, NULL);
		break;
	}
}

static struct played_node be1 = {.name = "be1", .answer = answer};
static struct played_node be2 = {.name = "be2", .answer = answer};

TEST_FIBER(one_domain_is_told_to_one_backend)
{
	struct tls_sessions v = {.domain = SL("a.test"), .type = TLS_POLICY_NONE, .count = 1};
	const char *first;
	unsigned moved = 0;
	char name[40];

	memset(&w, 0, sizeof w);
	played_begin(map, 2);
	CHECK(call_tls_backend(SL("a.test")) == NULL);
	played_up(&be1);
	played_up(&be2);
	first = rpc_link_peer(call_tls_backend(SL("a.test")))->name;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof name, "d%d.test", i);
		moved += call_tls_backend(slice_str(name)) == be2.ask;
	}
	CHECK(moved > 20 && moved < 80);
	CHECK_ERR(call_tls_put(call_tls_backend(v.domain), &v, 1, 0), E_OK);
	CHECK_INT(w.told, 1);
	/* When it goes away another is told. */
	if (slice_eq(slice_str(first), SL("be1")))
		played_down(&be1);
	else
		played_down(&be2);
	CHECK(call_tls_backend(SL("a.test")) != NULL);
	CHECK_ERR(call_tls_put(call_tls_backend(v.domain), &v, 1, 0), E_OK);
	CHECK_INT(w.told, 2);
	if (be1.ask != NULL)
		played_down(&be1);
	if (be2.ask != NULL)
		played_down(&be2);
	played_end();
}

static void one_report(void)
{
	static Postern__TlsReportPolicy policy, *policies[] = {&policy};

	memset(&w, 0, sizeof w);
	event_init(&w.done);
	w.targets = 1;
	postern__tls_report_policy__init(&policy);
	policy.type = TLS_POLICY_NONE;
	policy.successes = 1;
	postern__tls_report__init(&w.report);
	w.report.id = 7;
	w.report.domain = (char *)(uintptr_t) "a.test";
	w.report.report_id = (char *)(uintptr_t) "1@our.test";
	w.report.organization = (char *)(uintptr_t) "Our Test";
	w.report.contact = (char *)(uintptr_t) "tls@our.test";
	w.report.to_s = 86400;
	w.report.policies = policies;
	w.report.n_policies = 1;
}

WAITS static void send_report(const char *type, const char *record)
{
	struct dnstwin_rr zone[] = {{"_smtp._tls.a.test", type, record}, {0}};

	played_begin(map, 2);
	played_up(&be1);
	resolver_replace(dnstwin(zone));
	CHECK_ERR(call_tls_work(be1.ask, tlsrpt_post), E_CLOSED);
	resolver_replace(NULL);
	played_down(&be1);
	played_end();
}

TEST_FIBER(a_report_is_sent_to_who_asks)
{
	one_report();
	send_report("TXT", "v=TLSRPTv1; rua=mailto:r@a.test");
	CHECK_INT(w.step, POSTERN__TLS_REPORT_STEP__TLS_REPORT_SENT);
	CHECK_STR(w.address, "r@a.test");
	CHECK_INT(w.committed, 1);
	CHECK_INT(w.content, CONTENT_TLS_OPTIONAL | CONTENT_LOSABLE);
	one_report();
	send_report("TXT", "v=TLSRPTv1; rua=mailto:r@a.test,mailto:s@a.test");
	CHECK_INT(w.resolved, 2);
	CHECK_INT(w.committed, 2);
}

TEST_FIBER(a_report_that_is_not_sent)
{
	static const struct {
		const char *type, *record;
		enum err resolve;
		Postern__TlsReportStep step;
	} rows[] = {
		{"TXT", "v=spf1 -all", E_OK, POSTERN__TLS_REPORT_STEP__TLS_REPORT_UNWANTED},
		{"TXT", "v=TLSRPTv1;", E_OK, POSTERN__TLS_REPORT_STEP__TLS_REPORT_UNWANTED},
		{"FAIL", "", E_OK, POSTERN__TLS_REPORT_STEP__TLS_REPORT_LATER},
		{"BOGUS", "", E_OK, POSTERN__TLS_REPORT_STEP__TLS_REPORT_LATER},
		{"TXT", "v=TLSRPTv1;rua=mailto:r@a.test", E_NOT_FOUND,
		 POSTERN__TLS_REPORT_STEP__TLS_REPORT_FAILED},
		{"TXT", "v=TLSRPTv1;rua=mailto:r@a.test", E_RETRY,
		 POSTERN__TLS_REPORT_STEP__TLS_REPORT_LATER},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("row %zu", i);
		one_report();
		w.resolve = rows[i].resolve;
		send_report(rows[i].type, rows[i].record);
		CHECK_INT(w.step, rows[i].step);
		CHECK_INT(w.committed, 0);
	}
}

/* The interior may be hostile, too. */
TEST_FIBER(a_report_that_would_break_a_header)
{
	one_report();
	w.report.report_id = (char *)(uintptr_t) "1\r\nX: y@our.test";
	send_report("TXT", "v=TLSRPTv1; rua=mailto:r@a.test");
	CHECK_INT(w.step, POSTERN__TLS_REPORT_STEP__TLS_REPORT_FAILED);
	one_report();
	w.report.domain = (char *)(uintptr_t) "a test";
	send_report("TXT", "v=TLSRPTv1; rua=mailto:r@a.test");
	CHECK_INT(w.step, POSTERN__TLS_REPORT_STEP__TLS_REPORT_FAILED);
	one_report();
	w.targets = 5; /* more owners than there may be */
	send_report("TXT", "v=TLSRPTv1; rua=mailto:r@a.test");
	CHECK_INT(w.step, POSTERN__TLS_REPORT_STEP__TLS_REPORT_LATER);
	CHECK_INT(w.committed, 0);
}

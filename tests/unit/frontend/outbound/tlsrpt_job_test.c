/* Messages to the address for reports of TLS: who reads them, and what of it is a warning. */
#include "frontend/outbound/tlsrpt_job.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "frontend/core/policy.h"
#include "frontend/outbound/courier.h"
#include "frontend/outbound/reports.h"
#include "frontend/rpc/call_tls.h"
#include "proto/method.pb-c.h"
#include "proto/outbound.pb-c.h"
#include "tests/unit/frontend/rpc/played.h"

#define REPORT \
	"Content-Type: application/tlsrpt+json\r\n\r\n" \
	"{\"organization-name\":\"Their Org\",\"report-id\":\"r1\",\"date-range\":" \
	"{\"start-datetime\":\"2026-11-27T00:00:00Z\"," \
	"\"end-datetime\":\"2026-11-27T23:59:59Z\"}}"

static void note(void *arg)
{
	*(bool *)arg = true;
}

/* The loop goes on meanwhile. */
TEST_FIBER(a_thread_reads_reports)
{
	static const struct {
		slice_t message;
		enum err want;
	} rows[] = {
		{SL(REPORT), E_OK},
		{SL("Subject: x\r\n\r\nwords\r\n"), E_NOT_FOUND},
		{SL("Content-Type: application/tlsrpt+json\r\n\r\n{"), E_INVALID},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tls_received got;
		struct diag d = {""};
		bool others_ran = false;

		check_note("case %zu", i);
		REQUIRE(fiber_start("test.other", note, &others_ran, NULL) == E_OK);
		CHECK_ERR(tlsrpt_understand(rows[i].message, &got, &d), rows[i].want);
		CHECK(others_ran);
		CHECK((d.text[0] == '\0') == (rows[i].want == E_OK));
		CHECK(rows[i].want != E_OK || strcmp(got.organization, "Their Org") == 0);
	}
}

static const char *const map[] = {"be1"};

static struct {
	enum err keep; /* what the back-end answers to a report of TLS */
	char status[16];
	struct event heard;
} w;

WAITS static void answer(struct played_node *n UNUSED, struct rpc_req *r)
{
	const Postern__OutboundReport *report;
	ProtobufCMessage *m;

	if (rpc_req_method(r) != POSTERN__METHOD__METHOD_OUTBOUND_REPORT) {
		played_reply(r, w.keep, NULL);
		return;
	}
	m = played_message(r, &postern__outbound_report__descriptor);
	report = (const Postern__OutboundReport *)m;
	CHECK_INT(report->n_results, 1);
	CHECK(slice_to_str(slice_str(report->results[0]->results[0]->status), w.status,
			   sizeof w.status));
	protobuf_c_message_free_unpacked(m, NULL);
	played_reply(r, E_OK, NULL);
	event_set(&w.heard);
}

static struct outbound_job *job_of(slice_t message)
{
	struct outbound_job *j = xcalloc(1, sizeof *j);

	arena_init(&j->mem, NULL);
	list_init(&j->node);
	j->came_ms = clock_mono_ms();
	j->lease = SL("lease");
	j->destination = j->route.target = SL("tls-reports");
	j->route.helo = "";
	j->route.tls_report = true;
	j->connections = 1;
	j->n = 1;
	j->rcpts = arena_new(&j->mem, struct outbound_rcpt);
	j->rcpts[0].address = SL("tls-reports@example.org");
	j->prefix = message;
	return j;
}

/* Runs the job; the level that its line of the log has. */
WAITS static void run(slice_t message, char *level, size_t size)
{
	int saved = dup(STDERR_FILENO);
	FILE *f = tmpfile();
	char line[1024];

	level[0] = '\0';
	REQUIRE(f != NULL && saved >= 0 && dup2(fileno(f), STDERR_FILENO) >= 0);
	couriers_take(job_of(message));
	CHECK_ERR(event_wait(&w.heard, "test.heard", deadline_in(WIRE_MS)), E_OK);
	REQUIRE(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	rewind(f);
	while (fgets(line, sizeof line, f) != NULL) {
		slice_t s = slice_str(line), key = SL(" level=");

		if (slice_find(s, SL("event=outbound.tlsrpt_read")) == s.n)
			continue;
		s = slice_from(s, slice_find(s, key) + key.n);
		CHECK(slice_to_str(slice_sub(s, 0, slice_find_char(s, ' ')), level, size));
	}
	(void)fclose(f);
}

/* Anybody may send what is no report; that a report cannot be kept is another matter. */
TEST_FIBER(strangers_write_no_warnings)
{
	static const struct {
		slice_t message;
		enum err keep;
		const char *level, *status;
	} rows[] = {
		{SL(REPORT), E_OK, "info", "2.0.0"},
		{SL("Subject: x\r\n\r\nwords\r\n"), E_OK, "info", "2.0.0"},
		{SL("Content-Type: application/tlsrpt+json\r\n\r\n{"), E_OK, "info", "2.0.0"},
		{SL("Content-Type: application/tlsrpt+gzip\r\n\r\n{"), E_OK, "info", "2.0.0"},
		{SL(REPORT), E_BUSY, "warn", "4.3.0"},
	};
	struct played_node be = {.name = map[0], .answer = answer};

	event_init(&w.heard);
	played_begin(map, ARRAY_LEN(map));
	policy_init("fe1.test");
	couriers_init(NULL);
	played_up(&be);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char level[16];

		check_note("case %zu", i);
		w.keep = rows[i].keep;
		run(rows[i].message, level, sizeof level);
		CHECK_STR(level, rows[i].level);
		CHECK_STR(w.status, rows[i].status);
	}
	couriers_stop(deadline_in(WIRE_MS));
	reports_flush(deadline_in(WIRE_MS));
	played_down(&be);
	played_end();
}

#include "frontend/outbound/tlsrpt_job.h"

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/work.h"
#include "frontend/outbound/reports.h"
#include "frontend/outbound/tlsrpt_read.h"
#include "frontend/rpc/call_tls.h"

/* E_TOO_BIG: more than any report has. */
WAITS static enum err gather(const struct outbound_job *j, struct buf *out)
{
	struct outbound_body body;
	slice_t bytes;
	enum err e;

	outbound_body_init(&body, j);
	while ((e = outbound_body_read(&body, &bytes)) == E_OK) {
		buf_put(out, bytes);
		if (buf_failed(out)) {
			e = E_TOO_BIG;
			break;
		}
	}
	outbound_body_fini(&body);
	return e == E_CLOSED ? E_OK : e;
}

struct understanding {
	slice_t message;
	struct tls_received *out;
	struct diag *d;
	enum err result;
};

static void run_understand(void *arg)
{
	struct understanding *u = arg;
	struct buf text;

	buf_init(&text, TLSRPT_TEXT_MAX, NULL);
	u->result = tlsrpt_find(u->message, &text, u->d);
	if (u->result == E_OK)
		u->result = tlsrpt_read(buf_slice(&text), u->out, u->d);
	buf_fini(&text);
}

WAITS enum err tlsrpt_understand(slice_t message, struct tls_received *out, struct diag *d)
{
	struct understanding u = {.message = message, .out = out, .d = d};
	enum err e = work_run("outbound.tlsrpt", run_understand, &u);

	return e == E_OK ? u.result : e;
}

/* What it is not is said in the log; only what cannot be done now is tried again. */
WAITS static enum err read_report(const struct outbound_job *j, struct diag *d)
{
	struct tls_received *r = xcalloc(1, sizeof *r);
	struct buf message;
	enum err e;

	buf_init(&message, TLSRPT_MESSAGE_MAX, NULL);
	e = gather(j, &message);
	if (e == E_OK)
		e = tlsrpt_understand(buf_slice(&message), r, d);
	buf_fini(&message);
	if (e == E_OK)
		e = call_tls_received(j->partition, j->lease, r);
	xfree(&r);
	return e;
}

static bool is_over(enum err e)
{
	return e == E_OK || e == E_NOT_FOUND || e == E_INVALID || e == E_TOO_BIG;
}

static void report(struct outbound_job *j, bool over, int64_t begun_ms)
{
	struct outbound_rcpt_result *rows = arena_alloc(&j->mem, j->n * sizeof *rows);
	struct outbound_report r = {
		.end = OUTBOUND_TRIED,
		.results = rows,
		.n = j->n,
		.remote = j->destination,
		.no_dsn = true,
		.ms = (uint32_t)MIN(clock_mono_ms() - begun_ms, (int64_t)UINT32_MAX),
	};

	for (size_t i = 0; i < j->n; i++)
		rows[i] = over ? (struct outbound_rcpt_result){.code = 250,
							       .status = SL("2.0.0"),
							       .text = SL("250 2.0.0 Read")}
			       : (struct outbound_rcpt_result){
					 .code = 451,
					 .status = SL("4.3.0"),
					 .text = SL("The report cannot be kept now")};
	reports_put(j, &r);
}

WAITS void tlsrpt_job(struct outbound_job *j)
{
	int64_t begun_ms = clock_mono_ms();
	struct diag d = {""};
	enum err e = read_report(j, &d);

	/* Anybody may send what is no report, as often as he likes: no warning. */
	LOG(is_over(e) ? LOG_INFO : LOG_WARN, NULL, "outbound.tlsrpt_read",
	    LF_HEX("trace", slice(j->trace_id, sizeof j->trace_id)), LF_ERR("result", e),
	    LF_STR("why", d.text));
	report(j, is_over(e), begun_ms);
}

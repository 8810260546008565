#include "frontend/outbound/drop.h"

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/rpc/link.h"
#include "frontend/outbound/reports.h"
#include "frontend/rpc/call_ingest.h"

WAITS static enum err bring(struct rpc_call *call, struct outbound_job *j)
{
	struct outbound_body body;
	slice_t bytes;
	enum err e;

	outbound_body_init(&body, j);
	while ((e = outbound_body_read(&body, &bytes)) == E_OK) {
		e = rpc_call_send(call, bytes);
		if (e != E_OK)
			break;
	}
	outbound_body_fini(&body);
	if (e != E_CLOSED)
		return e;
	/* The end of the message; or the answer has come before it. */
	(void)rpc_call_send_end(call);
	return rpc_call_response(call, NULL);
}

static void report(struct outbound_job *j, enum err e, int64_t begun_ms)
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
	struct outbound_rcpt_result row = {
		.code = 250, .status = SL("2.0.0"), .text = SL("250 2.0.0 Written")};

	if (e == E_LIMIT)
		row = (struct outbound_rcpt_result){
			.code = 452,
			.status = SL("4.3.1"),
			.text = SL("The drop folder holds as much as it may"),
		};
	else if (e != E_OK)
		row = (struct outbound_rcpt_result){
			.code = 451,
			.status = SL("4.3.0"),
			.text = SL("The drop folder cannot be written to now"),
		};
	for (size_t i = 0; i < j->n; i++)
		rows[i] = row;
	reports_put(j, &r);
}

WAITS void drop_job(struct outbound_job *j)
{
	int64_t begun_ms = clock_mono_ms();
	struct rpc_call *call = NULL;
	enum err e = call_ingest_drop(j->partition, j->lease, &call);

	if (e == E_OK)
		e = bring(call, j);
	if (call != NULL)
		rpc_call_free(&call);
	LOG(e == E_OK ? LOG_INFO : LOG_WARN, NULL, "outbound.dropped",
	    LF_SLICE("destination", j->destination), LF_UINT("recipients", j->n),
	    LF_ERR("result", e));
	report(j, e, begun_ms);
}

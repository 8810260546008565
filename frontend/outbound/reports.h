/*
 * reports: results on their way back to the queue. Those of one partition go together, as many as
 * have come while the last report was under way, and are sent again until they count: a result that
 * is lost is a message that goes out twice.
 */
#ifndef FRONTEND_OUTBOUND_REPORTS_H
#define FRONTEND_OUTBOUND_REPORTS_H

#include "frontend/rpc/call_outbound.h"

/* What became of a job, which is owned from now on. The lease is the job's; what else the report
 * borrows lies in the job's arena, or is a literal. */
void reports_put(struct outbound_job *j, const struct outbound_report *r);
/* Given back as it was; one that is lost (outbound_job_is_lost) has gone back already. */
void reports_put_untried(struct outbound_job *j);
/* Waits until none is left, or the deadline. */
WAITS void reports_flush(int64_t deadline_ms);

#endif

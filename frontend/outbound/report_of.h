/* report_of: what became of a job, as its back-end is told: each takes the job and puts its report
 * among the others (reports). */
#ifndef FRONTEND_OUTBOUND_REPORT_OF_H
#define FRONTEND_OUTBOUND_REPORT_OF_H

#include "frontend/outbound/smtp_client.h"
#include "frontend/rpc/call_outbound.h"

/* It was sent, and each recipient has a result; in so many ms. */
void report_of_sent(struct outbound_job *j, const struct smtp_msg *m,
		    const struct smtp_client *client, const char *remote, int64_t ms);
/* Nobody was reached. crowded: others of ours are connected, so that this says little. */
void report_of_unreachable(struct outbound_job *j, const struct smtp_result *why, bool crowded);
/* It was not tried: one result for all. */
void report_of_refused(struct outbound_job *j, const struct smtp_result *why);
/* What send_job() said of a fresh connection, with E_NOT_FOUND. */
void report_of_untaken(struct outbound_job *j, const char *remote, const struct smtp_result *why);

#endif

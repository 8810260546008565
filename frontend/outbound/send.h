/*
 * send: one job over one connection, and what is reported of it.
 */
#ifndef FRONTEND_OUTBOUND_SEND_H
#define FRONTEND_OUTBOUND_SEND_H

#include "frontend/outbound/hosts.h"
#include "frontend/outbound/smtp_client.h"
#include "frontend/rpc/call_outbound.h"

/* "mx.example.org [192.0.2.1]": as a notice and `queue show` tell it. */
#define OUTBOUND_REMOTE_STR 320
void send_remote_name(const struct smtp_client *client, const struct host *h,
		      char out[OUTBOUND_REMOTE_STR]);

/* Sends and reports; takes the job. E_CLOSED, E_CANCELLED: the connection is over. E_NOT_FOUND: it
 * was over before the server answered anything about the message (*why says how), and the job is
 * still the caller's. */
WAITS enum err send_job(struct smtp_client *client, const char *remote, struct outbound_job *j,
			struct smtp_result *why) MUST_USE;

/* Reports without a try; they take the job. */
void send_report_unreachable(struct outbound_job *j, const struct smtp_result *why, bool crowded);
void send_report_refused(struct outbound_job *j, const struct smtp_result *why);
/* What send_job() said of a fresh connection, with E_NOT_FOUND. */
void send_report_untaken(struct outbound_job *j, const char *remote, const struct smtp_result *why);

#endif

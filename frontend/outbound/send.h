/* send: one job over one connection. What is reported of it: report_of. */
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

#endif

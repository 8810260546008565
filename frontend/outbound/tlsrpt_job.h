/*
 * tlsrpt_job: jobs whose message is read as a report of TLS (RFC 8460), and goes no further: what
 * it says goes to a back-end. One that is no report is done with, too: whoever sent it hears
 * nothing.
 */
#ifndef FRONTEND_OUTBOUND_TLSRPT_JOB_H
#define FRONTEND_OUTBOUND_TLSRPT_JOB_H

#include "frontend/rpc/call_outbound.h"

struct tls_received;

/* Reads it and reports; takes the job. */
WAITS void tlsrpt_job(struct outbound_job *j);
/* What the report in a message (at most TLSRPT_MESSAGE_MAX bytes) says. It is a stranger's and may
 * unpack to much: the work is done on a thread of the pool. Errors of tlsrpt_find, tlsrpt_read and
 * work_run. */
WAITS enum err tlsrpt_understand(slice_t message, struct tls_received *out,
				 struct diag *d) MUST_USE;

#endif

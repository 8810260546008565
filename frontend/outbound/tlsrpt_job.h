/*
 * tlsrpt_job: jobs whose message is read as a report of TLS (RFC 8460), and goes no further: what
 * it says goes to a back-end. One that is no report is done with, too: whoever sent it hears
 * nothing.
 */
#ifndef FRONTEND_OUTBOUND_TLSRPT_JOB_H
#define FRONTEND_OUTBOUND_TLSRPT_JOB_H

#include "frontend/rpc/call_outbound.h"

/* Reads it and reports; takes the job. */
WAITS void tlsrpt_job(struct outbound_job *j);

#endif

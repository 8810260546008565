/*
 * questions: what a back-end wants to know of DNS, which it cannot reach itself. Each question is a
 * fiber of its own, and its answer goes back as text (proto/dns.proto), bounded; nothing is decided
 * here.
 */
#ifndef FRONTEND_OUTBOUND_QUESTIONS_H
#define FRONTEND_OUTBOUND_QUESTIONS_H

#include "frontend/rpc/call_dns.h"

#define QUESTIONS_MAX 32 /* of one back-end at a time; then it waits */

/* The certificate that this front-end's listeners present from now on (PEM): the back-ends compare
 * its key with what DNS says of it, and are told anew. Empty: there is none. */
void questions_certificate(slice_t pem);
/* A fiber's body: serves the questions that come over the link (a reference to a struct rpc_link,
 * which it gives back) until the link ends or the fiber is cancelled. */
WAITS void questions_run(void *link);
/* Asks the resolver. The records lie in mem. E_CANCELLED; E_INVALID: no such type. */
WAITS enum err question_ask(const struct question *q, struct arena *mem,
			    struct question_answer *out) MUST_USE;

#endif

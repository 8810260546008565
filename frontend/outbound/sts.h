/*
 * sts: what domains' MTA-STS policies (RFC 8461) say of the servers that mail for them goes to.
 *
 * A policy is looked for each time: its record in DNS tells whether there is another one than the
 * one we know. What is known stays in force to the end of its time whatever becomes of record and
 * site (section 5.1): whoever stands between can make both go away. It is known to this worker, to
 * the back-ends, and so to every other worker. It is fetched again each day, so that what a
 * captured front-end may have put there is gone soon.
 */
#ifndef FRONTEND_OUTBOUND_STS_H
#define FRONTEND_OUTBOUND_STS_H

#include "frontend/outbound/sts_policy.h"
#include "frontend/rpc/call_sts.h"

#define STS_ENTRIES_MAX  4096            /* domains that a worker remembers, the newest used ones */
#define STS_REFRESH_S    (24 * 3600)     /* section 10.2 suggests a day */
#define STS_AGAIN_MS     (5 * 60 * 1000) /* after a failure, of the same id (section 3.3) */
/* For the record; and when nobody has answered, until the next question: mail does not wait for
 * each of its servers anew. */
#define STS_DNS_MS       10000
#define STS_DNS_AGAIN_MS 60000

/* Whom is asked; tests have their own. */
struct sts_ways {
	WAITS enum err (*get)(slice_t domain, struct arena *mem, struct call_sts *out);
	WAITS void (*put)(slice_t domain, const struct call_sts *p);
	WAITS enum err (*fetch)(slice_t domain, struct arena *mem, int64_t deadline_ms,
				struct sts_policy *out, struct diag *d);
};
/* The back-ends, and sites. */
extern const struct sts_ways sts_ways_real;

/* Once a process, or again after an end; ways are borrowed. */
void sts_init(const struct sts_ways *ways);
/* Forgets what nobody is looking at. */
void sts_fini(void);

enum sts_verdict {
	STS_SILENT,  /* no policy is in force, or one that enforces nothing */
	STS_UNKNOWN, /* no back-end says now whether one is in force that we would not find anew */
	STS_NAMED,   /* the server is the policy's: it must show a certificate for its name */
	STS_UNNAMED, /* the policy does not have it: no mail may go there (section 5.1) */
};

/* domain: of the recipients, in lower case; mx: the server's name. E_OK, E_CANCELLED. */
WAITS enum err sts_ask(slice_t domain, const char *mx, int64_t deadline_ms,
		       enum sts_verdict *out) MUST_USE;

/* What there is to tell of the last sts_ask() for the domain, for who reports on it. */
struct sts_about {
	enum sts_mode mode; /* STS_NONE: no policy is in force, or one that says so */
	bool names_host;    /* of one that is: it has the server */
	slice_t text;       /* its fields, a line each, joined by LF; in mem */
	enum err fault;     /* none is in force, though one was told of: E_TLS: its site is not
			       who it should be; E_INVALID: what it has is none; else: it cannot
			       be had */
};
void sts_tell(slice_t domain, const char *mx, struct arena *mem, struct sts_about *out);

#endif

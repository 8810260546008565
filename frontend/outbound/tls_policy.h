/*
 * tls_policy: what a connection to one host must have before mail goes over it. In this order:
 *
 *   1. what an administrator has set for the destination, exactly that
 *   2. what the message asks for: REQUIRETLS (RFC 8689), which raises what is below, or
 *      "TLS-Required: No", which makes 3 and 4 not count
 *   3. DANE (RFC 7672): what the host's own zone says, where DNSSEC proves it
 *   4. MTA-STS (RFC 8461): what the domain's site says
 *   5. TLS where it is offered, whoever is there (RFC 7435)
 *
 * Whoever stands between can take away STARTTLS, forge addresses and show a certificate of his own.
 * So what is demanded must come from where he cannot write, and what cannot be found out now is
 * never taken for "nothing is demanded": the host is left out, and the mail waits.
 */
#ifndef FRONTEND_OUTBOUND_TLS_POLICY_H
#define FRONTEND_OUTBOUND_TLS_POLICY_H

#include "common/net/tls_check.h"
#include "frontend/outbound/hosts.h"
#include "frontend/outbound/smtp_client.h"
#include "frontend/rpc/call_outbound.h"
#include "proto/mail_bits.h"
#include "proto/tls_results.h"

/* Where a demand comes from: for the log, and for who reports on it. */
enum tls_basis {
	TLS_BY_CHANCE, /* opportunistic */
	TLS_BY_ADMIN,
	TLS_BY_DANE,
	TLS_BY_STS,
	TLS_BY_MESSAGE, /* REQUIRETLS alone */
};
/* "opportunistic", "admin", "dane", "sts", "requiretls". */
const char *tls_basis_name(enum tls_basis b);

/* What a domain's MTA-STS policy says of a host. */
enum tls_sts {
	TLS_STS_NONE,     /* none is in force; one that only tests among it */
	TLS_STS_MATCH,    /* the host is one of the policy's: a certificate for its name */
	TLS_STS_MISMATCH, /* the policy is enforced and does not have the host */
	TLS_STS_UNKNOWN,  /* one may be in force that was seen before: not without knowing it */
};
/* What others are told of a session with a host (RFC 8460): under which policy it was to be. */
struct tls_told {
	enum tls_policy_type type;
	slice_t policy; /* its text (section 4.4): lines joined by LF; in the asker's arena */
	enum tls_result result; /* what was wrong before there was a session; OK: nothing */
	const char *why;        /* words for it, or NULL */
};

/* Who knows of them. */
struct tls_sts_source {
	/* E_OK, E_CANCELLED; what cannot be fetched is TLS_STS_NONE (RFC 8461 section 5.1). */
	WAITS enum err (*ask)(slice_t domain, const char *mx, int64_t deadline_ms,
			      enum tls_sts *out);
	/* After it: what is to be told, TLS_POLICY_NONE without a policy. *tests_out: the policy is
	 * in testing and has the host. May be NULL. */
	void (*tell)(slice_t domain, const char *mx, struct arena *mem, struct tls_told *out,
		     bool *tests_out);
};
/* Borrowed; NULL, as it is at first: no domain has one. */
void tls_policy_sts(const struct tls_sts_source *source);

/* One host at a time. All of it is borrowed, by the plan too. */
struct tls_ask {
	const struct outbound_tls *policy;
	enum tls_wish wish;
	const struct hosts *hosts;
	const struct host *host; /* one of them */
	struct arena *mem;
	int64_t deadline_ms;
};

struct tls_plan {
	enum tls_basis basis;
	bool barred;            /* nothing may be sent to this host: why; LATER, or REFUSED for what
				   only this message asks for */
	struct smtp_result why; /* filled when barred */
	enum smtp_tls_demand demand;
	struct tls_peer_check check;
	const char *sni; /* NULL: none */
	struct tls_told told;
};

/* E_CANCELLED; else E_OK. */
WAITS enum err tls_policy_plan(const struct tls_ask *ask, struct tls_plan *out) MUST_USE;

#endif

/*
 * tls_results: the words of TLS reports (RFC 8460) that front-ends and back-ends share: under which
 * policy a session with another system's server was to be, and what became of its TLS. The numbers
 * are those of the wire and of stored rows; none ever changes.
 */
#ifndef PROTO_TLS_RESULTS_H
#define PROTO_TLS_RESULTS_H

#include "common/base/slice.h"

/* Section 4.4, "policy-type". */
enum tls_policy_type {
	TLS_POLICY_UNTOLD =
		0, /* nobody is told of such sessions: what we demanded was our own idea */
	TLS_POLICY_TLSA = 1,
	TLS_POLICY_STS = 2,
	TLS_POLICY_NONE = 3,
	TLS_POLICY_LAST = TLS_POLICY_NONE,
};

/* Section 4.3, "result-type"; 0: a success. */
enum tls_result {
	TLS_RESULT_OK = 0,
	TLS_RESULT_STARTTLS_NOT_SUPPORTED = 1,
	TLS_RESULT_HOST_MISMATCH = 2,
	TLS_RESULT_EXPIRED = 3,
	TLS_RESULT_NOT_TRUSTED = 4,
	TLS_RESULT_VALIDATION_FAILURE = 5,
	TLS_RESULT_TLSA_INVALID = 6,
	TLS_RESULT_DNSSEC_INVALID = 7,
	TLS_RESULT_DANE_REQUIRED = 8,
	TLS_RESULT_STS_FETCH_ERROR = 9,
	TLS_RESULT_STS_INVALID = 10,
	TLS_RESULT_STS_WEBPKI_INVALID = 11,
	TLS_RESULT_LAST = TLS_RESULT_STS_WEBPKI_INVALID,
	TLS_RESULT_OTHER =
		12, /* of others' reports alone: of a kind that is unknown, or not said */
};

/* Limits of what is told of a session, on both sides of the wire: the text of a policy (its lines,
 * joined by LF; longer ones are left out), and the words for a failure. */
#define TLS_TOLD_POLICY_MAX 4096
#define TLS_TOLD_REASON_MAX 128

/* Limits of a report that another system has sent us: bytes of its organization's name and of its
 * id, policies, and sessions of one kind: more than any two systems have in a day. */
#define TLS_RECEIVED_TEXT_MAX     255
#define TLS_RECEIVED_POLICIES_MAX 32
#define TLS_RECEIVED_COUNT_MAX    1000000000

/* "tlsa", "sts", "no-policy-found"; "" for other numbers. */
const char *tls_policy_type_name(unsigned type);
/* "certificate-expired", ..., "other"; "" for other numbers, and for a success. */
const char *tls_result_name(unsigned result);
/* The number of such a name; another one is TLS_POLICY_UNTOLD, TLS_RESULT_OTHER. */
enum tls_policy_type tls_policy_type_parse(slice_t name);
enum tls_result tls_result_parse(slice_t name);

#endif

/*
 * zone: the records that a domain of ours needs, each with the value to paste, and what DNS says of
 * it now.
 *
 * What a host's address is to be nobody here knows: front-ends may stand behind a router that
 * translates. An address counts as right when it leads back to a name that leads to it (RFC 8601
 * calls that iprev); others refuse mail from one that does not.
 */
#ifndef BACKEND_DNS_ZONE_H
#define BACKEND_DNS_ZONE_H

#include "backend/directory/dir_dkim.h"
#include "backend/dns/asking.h"
#include "common/base/buf.h"
#include "common/net/ipaddr.h"

#define ZONE_HOSTS_MAX 16 /* as the setting dns.mx_hosts */
#define ZONE_KEYS_MAX  16 /* certificates of front-ends; what is beyond is not compared */
#define ZONE_ADDRS_MAX 32 /* of one host, what a front-end's resolver gives */

/* Name servers that leave the first questions open leave the others open too, each for seconds. */
#define ZONE_SILENT_MAX 3
/* Faults of one record that are told. */
#define ZONE_FAULTS_MAX 8

enum zone_verdict {
	ZONE_OK = 1,
	ZONE_MISSING,
	ZONE_DIFFERS,
	ZONE_UNKNOWN, /* DNS could not be asked */
};
enum zone_need {
	ZONE_REQUIRED = 1, /* mail suffers without */
	ZONE_OPTIONAL,
};

struct zone_row {
	enum zone_verdict verdict;
	enum zone_need need;
	const char *type; /* "MX", "A", "PTR", "TXT", "TLSA", "SRV" */
	/* Without a last dot; value empty: it is not for this side to say. */
	slice_t name, value;
	slice_t found; /* what DNS has, separated by " | " */
	slice_t note;  /* why it is not right, or what to do */
};

struct zone_wants {
	slice_t domain; /* in normalised form */
	enum dir_domain_kind kind;
	const slice_t *hosts; /* that take its mail, and send it */
	size_t nhosts;
	const struct dir_dkim_row *keys; /* of the domain */
	size_t nkeys;
	const uint8_t (*tls_keys)[SHA256_LEN]; /* of the certificates that front-ends present */
	size_t ntls_keys;                      /* 0: none is known */
	slice_t reports;     /* an address for reports of TLS; empty: the domain's postmaster */
	slice_t sts_id;      /* of its MTA-STS policy (dns/sts_own); empty: it has none */
	int64_t deadline_ms; /* of all questions */
	/* dns_ask(), or its like. */
	WAITS enum err (*ask)(void *arg, slice_t name, enum ask_type type, int64_t deadline_ms,
			      struct arena *mem, struct ask_answer *out, struct diag *d);
	void *arg;
};

struct zone_rows {
	struct zone_row *rows; /* in mem */
	size_t n;
};

/* Looks at all of them. What cannot be asked is ZONE_UNKNOWN, with the reason; after a question
 * that could not be asked no other is, nor when none of the first ZONE_SILENT_MAX was answered, nor
 * after the deadline.
 * E_CANCELLED. */
WAITS enum err zone_check(const struct zone_wants *w, struct arena *mem,
			  struct zone_rows *out) MUST_USE;

/* ---- what is judged without asking ---- */

/* What is wrong with a record, "TERM: what; TERM: what": the first ZONE_FAULTS_MAX of n. */
struct zone_faults {
	size_t n;
	struct buf text;
};
void zone_faults_init(struct zone_faults *f);
void zone_faults_fini(struct zone_faults *f);

/* The domain's SPF record (RFC 7208): its grammar, what is in vain, and whether it lets these
 * addresses, the MX hosts', send. a: all TXT of the domain, of which so many are SPF. Names of
 * others, includes and redirects are not followed: where there are any, nothing is said against
 * what they may decide. At most ZONE_HOSTS_MAX * ZONE_ADDRS_MAX addresses. */
size_t zone_spf_faults(const struct ask_answer *a, const struct ipaddr *addrs, size_t naddrs,
		       struct zone_faults *f) MUST_USE;
/* Of a record of _dmarc (RFC 7489 sections 6.3 and 6.4). */
void zone_dmarc_faults(slice_t record, struct zone_faults *f);
/* Of a record of _smtp._tls (RFC 8460 section 3). */
void zone_tlsrpt_faults(slice_t record, struct zone_faults *f);

#endif

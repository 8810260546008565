/*
 * tls_check: whom a client wants to find at the other end of a handshake. A demand is per
 * connection; the context (TLS_PUBLIC_CLIENT) is shared by all of them. A peer that is not whom
 * was demanded fails the handshake with E_TLS, and stream_diag() says why in words.
 */
#ifndef COMMON_NET_TLS_CHECK_H
#define COMMON_NET_TLS_CHECK_H

#include "common/base/err.h"
#include "common/base/slice.h"

enum tls_peer_kind {
	TLS_PEER_ANY,    /* whoever it is: secrecy from those who only listen */
	TLS_PEER_NAMED,  /* a certificate of the context's authorities, for one of the names (RFC
			   9525: DNS names of subjectAltName, a wildcard only as a whole label) */
	TLS_PEER_DANE,   /* one of the TLSA records matches (RFC 7672) */
	TLS_PEER_PINNED, /* the certificate or its public key has one of the fingerprints */
};

#define TLS_TLSA_MAX 100 /* records of one answer that are looked at: far above what there is */
#define TLS_PIN_LEN  32  /* SHA-256 */

/* The fields of a TLSA record (RFC 6698 section 2.1). */
struct tls_tlsa {
	uint8_t usage, selector, matching;
	slice_t data;
};

/* Everything is borrowed for the length of the handshake. */
struct tls_peer_check {
	enum tls_peer_kind kind;
	/* NAMED, and DANE with usage 2: reference names, at least one; with a dot before it: any
	 * name below. */
	const char *const *names;
	size_t nnames;
	/* DANE. Usages 0 and 1, and what cannot be used, are left out (RFC 7672 section 3.1.3);
	 * when nothing remains the peer is TLS_PEER_ANY (section 2.2). Usage 3 looks neither at
	 * names nor at dates. */
	const struct tls_tlsa *records;
	size_t nrecords;
	/* PINNED: SHA-256 of the certificate, or of its SubjectPublicKeyInfo, in DER. */
	const uint8_t (*pins)[TLS_PIN_LEN];
	size_t npins;
	/* NAMED: whoever is there may stay; the facts tell that it is another. */
	bool advisory;
};

/* Why a peer is not whom was demanded: what others are told in words of their own. */
enum tls_fault {
	TLS_FAULT_NONE,
	TLS_FAULT_NAME,      /* a certificate for other names */
	TLS_FAULT_EXPIRED,   /* or not valid yet */
	TLS_FAULT_UNTRUSTED, /* no authority that is believed */
	TLS_FAULT_OTHER,
};

/* How the peer of a finished handshake was verified. */
enum tls_verified {
	TLS_UNVERIFIED,
	TLS_VERIFIED_CA, /* the cluster's authority; no name */
	TLS_VERIFIED_NAME,
	TLS_VERIFIED_DANE_TA,
	TLS_VERIFIED_DANE_EE,
	TLS_VERIFIED_PIN,
};
/* "none", "ca", "name", "dane-ta", "dane-ee", "pin". */
const char *tls_verified_name(enum tls_verified v);

#endif

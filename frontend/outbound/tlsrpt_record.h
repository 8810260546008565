/*
 * tlsrpt_record: where a domain wants reports of TLS to be sent: the record at _smtp._tls.DOMAIN
 * (RFC 8460 section 3). Values; nothing waits here.
 */
#ifndef FRONTEND_OUTBOUND_TLSRPT_RECORD_H
#define FRONTEND_OUTBOUND_TLSRPT_RECORD_H

#include "common/base/arena.h"
#include "common/base/err.h"

#define TLSRPT_ADDRESSES_MAX 2 /* the first ones: one is usual, and nobody is to be flooded */
#define TLSRPT_SITES_MAX     2
#define TLSRPT_URIS_MAX      16  /* that are looked at */
#define TLSRPT_ADDRESS_MAX   320 /* RFC 5321 section 4.5.3.1 */

/* To post at: https at its own port. */
struct tlsrpt_site {
	slice_t host;     /* in lower case, ASCII */
	const char *path; /* and its query; "/" at least */
};

/* Addresses as they stand in an envelope, without quotes; all in mem. */
struct tlsrpt_wish {
	slice_t addresses[TLSRPT_ADDRESSES_MAX];
	size_t n;
	struct tlsrpt_site sites[TLSRPT_SITES_MAX];
	size_t nsites;
};

/* The TXT records, each with its strings joined: those that are none of TLSRPT are left out, and
 * one must remain. URIs that are neither a mailto of an address nor an https of a host by name are
 * skipped. E_NOT_FOUND: the domain wants none, or none that we can send; E_INVALID: several
 * records, or one that is malformed, which means the same. */
enum err tlsrpt_record_parse(const slice_t *records, size_t n, struct arena *mem,
			     struct tlsrpt_wish *out) MUST_USE;

#endif

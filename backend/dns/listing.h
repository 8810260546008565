/*
 * listing: does a block list of DNS (RFC 5782) name an address that our mail comes from, or a
 * domain of ours? Others refuse mail from what is named.
 *
 * What a list says was said by strangers: it is shown to people and told, no more.
 */
#ifndef BACKEND_DNS_LISTING_H
#define BACKEND_DNS_LISTING_H

#include "backend/directory/dir_admin.h"
#include "backend/dns/asking.h"
#include "common/conf/conf.h"
#include "common/net/ipaddr.h"

#define LISTING_LISTS_MAX  16  /* of addresses, and of domains; as the settings */
#define LISTING_ADDRS_MAX  128 /* that are asked for: all of blocklists.own, and as many more */
#define LISTING_REASON_MAX 300 /* bytes of what a list says */
#define LISTING_SILENT_MAX 3 /* questions in a row that a list leaves open; then it is left alone */

enum listing_verdict {
	LISTING_CLEAN = 1,
	LISTING_LISTED,
	LISTING_UNKNOWN, /* the list could not be asked, or does not answer us */
};

struct listing {
	slice_t what; /* an address, or a domain */
	slice_t list;
	enum listing_verdict verdict;
	slice_t reason; /* what the list says; of UNKNOWN: why */
};

/* Asks one list. The answer lies in mem. E_RETRY: no front-end is there to ask; E_CANCELLED. */
WAITS enum err listing_look(struct asking *a, slice_t what, slice_t list, int64_t deadline_ms,
			    struct arena *mem, struct listing *out, struct diag *d) MUST_USE;

struct listing_wants {
	struct dir *dir;
	struct asking *asking;
	const struct conf *settings;
	int64_t deadline_ms; /* of all */
};

/* Lives as long as the call. What it returns ends the rest. */
typedef WAITS enum err listing_fn(const struct listing *l, void *arg);

/* Addresses by the settings blocklists.addresses and blocklists.own, with those of the hosts that
 * take mail; domains by blocklists.domains. E_INVALID: no list is set, or no host known; E_RETRY:
 * no front-end is there to ask; E_TIMEOUT: not all of them; E_CANCELLED; the directory's errors. */
WAITS enum err listing_each(const struct listing_wants *w, listing_fn *fn, void *arg,
			    struct diag *d) MUST_USE;

/* ---- what is judged without asking ---- */

/* Appends the name to ask for: the octets of IPv4, or the nibbles of IPv6, from the last to the
 * first (RFC 5782 sections 2.1 and 2.4), or the domain (3), before the list's. */
void listing_name(slice_t what, slice_t list, struct buf *out);
/* What the addresses at that name mean (RFC 5782 section 2.1); *why_out: a literal, of UNKNOWN. */
enum listing_verdict listing_judge(const struct ask_answer *a, const char **why_out);

#endif

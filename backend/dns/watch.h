/*
 * watch: asks the block lists about our addresses and domains again and again, on whichever
 * back-end has the claim, and tells the log when one is named and when it is not any more.
 */
#ifndef BACKEND_DNS_WATCH_H
#define BACKEND_DNS_WATCH_H

#include "backend/dns/listing.h"

#define WATCH_NAMED_MAX 256 /* that are known to be named; more are told at each look */
#define WATCH_MS        (20 * 60 * 1000) /* a look */

struct watch;

/* Borrowed: all. overrides: settings (proto/settings.h) that win over the directory's. */
enum err watch_start(struct dir *dir, struct asking *asking, const struct conf *overrides,
		     struct watch **out) MUST_USE;
WAITS void watch_stop(struct watch **w);
/* One look; what the fiber does. E_BUSY: another node has the claim; E_OK also where no list is
 * set. Others: listing_each(). */
WAITS enum err watch_look(struct watch *w) MUST_USE;
/* How many are known to be named: an address or a domain counts once for each list. */
size_t watch_named(const struct watch *w);

#endif

/* dns listings: for scripts, the status says whether something is named. */
#include "backend/ctl/commands.h"
#include "backend/ctl/run.h"
#include "proto/admin.pb-c.h"

struct tally {
	size_t listed, unknown;
};

static void count(const ProtobufCMessage *page, void *arg)
{
	const Postern__AdminListingPage *m = (const void *)page;
	struct tally *t = arg;

	for (size_t i = 0; i < m->n_rows; i++) {
		Postern__ListingVerdict v = m->rows[i]->verdict;

		t->listed += v == POSTERN__LISTING_VERDICT__LISTING_VERDICT_LISTED;
		t->unknown += v == POSTERN__LISTING_VERDICT__LISTING_VERDICT_UNKNOWN;
	}
}

WAITS int listings_run(struct ctl *c, const struct ctl_args *a)
{
	Postern__AdminDnsListings m = POSTERN__ADMIN_DNS_LISTINGS__INIT;
	struct tally t = {0};
	int status = ctl_run_request(c, a, &m.base, count, &t);

	if (status != EX_OK)
		return status;
	if (t.listed > 0)
		return EX_DATAERR;
	return t.unknown > 0 ? EX_UNAVAILABLE : EX_OK;
}

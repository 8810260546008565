/* Management: what block lists say of our addresses and domains. */
#include "backend/dns/listing.h"
#include "backend/policy/live.h"
#include "backend/rpc/m_admin.h"
#include "common/base/clock.h"

#define LOOK_MS (8 * 60 * 1000) /* all questions; who waits sees the answers come */

WAITS static enum err send_row(const struct listing *l, void *arg)
{
	struct mcall *c = arg;
	Postern__AdminListing row = POSTERN__ADMIN_LISTING__INIT;
	ProtobufCMessage *rows[] = {&row.base};
	struct arena mem;
	enum err e = c->replied ? E_OK : mcall_reply(c, NULL, RPC_BODY);

	arena_init(&mem, NULL);
	row.verdict = (Postern__ListingVerdict)l->verdict;
	row.what = admin_str(&mem, l->what);
	row.list = admin_str(&mem, l->list);
	row.reason = admin_str(&mem, l->reason);
	if (e == E_OK)
		e = admin_send_rows(c, &postern__admin_listing_page__descriptor, 0, rows, 1);
	arena_reset(&mem);
	return e;
}

WAITS enum err m_admin_dns_listings(struct mcall *c)
{
	struct conf *settings = live_settings(c->be->dir, c->be->conf.pushed);
	struct listing_wants w = {
		.dir = c->be->dir,
		.asking = c->be->asking,
		.settings = settings,
		.deadline_ms = deadline_in(LOOK_MS),
	};
	struct admin_away away = {.n = 0};
	enum err e = listing_each(&w, send_row, c, &c->diag);

	conf_free(&settings);
	/* The answer has begun: why it is not whole is a part of it. */
	if (e != E_OK && e != E_CANCELLED && c->replied) {
		admin_away_add(c, &away, dir_node_name(c->be->dir), e, c->diag.text);
		e = E_OK;
	}
	if (e == E_OK && !c->replied) /* there is nothing to ask for */
		e = mcall_reply(c, NULL, RPC_BODY);
	return e == E_OK ? admin_end(c, &postern__admin_listing_page__descriptor, &away) : e;
}

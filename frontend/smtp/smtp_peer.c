/* The names of a client's address: where its virtual server lets in by names, or wants one. */
#include "common/loop/fiber.h"
#include "frontend/dns/resolver.h"
#include "frontend/smtp/smtp.h"

/* SAY_NOTHING: let in. */
static enum smtp_say judge(const struct smtp *s, const struct dns_names_answer *names)
{
	const struct server *sv = s->base.server;
	const struct ipaddr *peer = stream_peer(s->base.stream);
	bool by_name = server_admits(sv, peer) == SERVER_ASKS_NAME;
	bool wanted = server_reverse_lookup(sv) == SERVER_REVERSE_REQUIRED;

	if ((by_name || wanted) && names->status == DNS_TEMPFAIL)
		return SAY_NAME_LATER;
	if (!server_admits_names(sv, peer, names->list, names->n))
		return SAY_NO_SERVICE;
	return wanted && names->n == 0 ? SAY_NO_NAME : SAY_NOTHING;
}

static WAITS enum err ask(struct smtp *s, struct arena *mem, enum smtp_say *why_out)
{
	struct dns_names_answer names;
	enum err e =
		dns_names(stream_peer(s->base.stream), mem, deadline_in(SMTP_NAMES_MS), &names);

	if (e != E_OK)
		return e;
	*why_out = judge(s, &names);
	/* From the resolver: a host name of at most 253 characters. */
	if (names.n != 0 && !slice_to_str(names.list[0], s->peer_name, sizeof s->peer_name))
		s->peer_name[0] = '\0';
	LOG(*why_out == SAY_NOTHING ? LOG_INFO : LOG_WARN, &s->base.log, "smtp.peer_name",
	    LF_STR("name", s->peer_name), LF_UINT("names", names.n),
	    LF_STR("dns", dns_status_name(names.status)),
	    LF_STR("refused", *why_out == SAY_NOTHING ? "" : smtp_say_words(*why_out)));
	return E_OK;
}

WAITS enum err smtp_know_peer(struct smtp *s, enum smtp_say *why_out)
{
	struct arena mem;
	enum err e;

	*why_out = SAY_NOTHING;
	if (server_reverse_lookup(s->base.server) == SERVER_REVERSE_OFF &&
	    server_admits(s->base.server, stream_peer(s->base.stream)) == SERVER_ADMITS)
		return E_OK;
	arena_init(&mem, NULL);
	e = ask(s, &mem, why_out);
	arena_reset(&mem);
	return e;
}

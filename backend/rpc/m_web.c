/* Web.*: what front-ends serve to anybody. */
#include "backend/dns/autoconfig.h"
#include "backend/dns/hosts.h"
#include "backend/dns/sts_own.h"
#include "backend/policy/live.h"
#include "backend/rpc/rpc_methods.h"
#include "proto/web.pb-c.h"

static enum err find_hosts(struct mcall *c, slice_t hosts[ZONE_HOSTS_MAX], size_t *n_out)
{
	struct conf *settings = live_settings(c->be->dir, c->be->conf.pushed);
	enum err e = dns_hosts(settings, &c->mem, hosts, n_out, &c->diag);

	conf_free(&settings);
	return e;
}

WAITS enum err m_web_sts(struct mcall *c)
{
	const Postern__WebSts *m = (const void *)c->msg;
	Postern__WebStsReply reply = POSTERN__WEB_STS_REPLY__INIT;
	slice_t hosts[ZONE_HOSTS_MAX];
	enum dir_mta_sts mode;
	uint32_t age_s;
	struct buf text;
	size_t n;
	enum err e = dir_domain_mta_sts(c->be->dir, slice_str(m->domain), &mode, &age_s);

	if (e == E_OK)
		e = find_hosts(c, hosts, &n);
	if (e != E_OK)
		return e;
	buf_init(&text, STS_OWN_TEXT_MAX, NULL);
	sts_own_text(mode, age_s, hosts, n, &text);
	reply.text = arena_str(&c->mem, buf_slice(&text));
	buf_fini(&text);
	return mcall_reply(c, &reply.base, RPC_NO_BODY);
}

WAITS enum err m_web_autoconfig(struct mcall *c)
{
	const Postern__WebAutoconfig *m = (const void *)c->msg;
	Postern__WebAutoconfigReply reply = POSTERN__WEB_AUTOCONFIG_REPLY__INIT;
	slice_t hosts[ZONE_HOSTS_MAX];
	struct buf text;
	size_t n;
	enum err e = dir_domain_here(c->be->dir, slice_str(m->domain));

	if (e == E_OK)
		e = find_hosts(c, hosts, &n);
	if (e != E_OK)
		return e;
	buf_init(&text, AUTOCONFIG_TEXT_MAX, NULL);
	autoconfig_text(slice_str(m->domain), hosts[0], &text);
	reply.text = arena_str(&c->mem, buf_slice(&text));
	buf_fini(&text);
	return mcall_reply(c, &reply.base, RPC_NO_BODY);
}

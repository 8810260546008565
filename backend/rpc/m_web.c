/* Web.*: what front-ends serve to anybody. */
#include "backend/dns/hosts.h"
#include "backend/dns/sts_own.h"
#include "backend/policy/live.h"
#include "backend/rpc/rpc_methods.h"
#include "proto/web.pb-c.h"

WAITS enum err m_web_sts(struct mcall *c)
{
	const Postern__WebSts *m = (const void *)c->msg;
	Postern__WebStsReply reply = POSTERN__WEB_STS_REPLY__INIT;
	slice_t hosts[ZONE_HOSTS_MAX];
	struct conf *settings;
	enum dir_mta_sts mode;
	uint32_t age_s;
	struct buf text;
	size_t n;
	enum err e = dir_domain_mta_sts(c->be->dir, slice_str(m->domain), &mode, &age_s);

	if (e != E_OK)
		return e;
	settings = live_settings(c->be->dir, c->be->conf.pushed);
	e = dns_hosts(settings, &c->mem, hosts, &n, &c->diag);
	conf_free(&settings);
	if (e != E_OK)
		return e;
	buf_init(&text, STS_OWN_TEXT_MAX, NULL);
	sts_own_text(mode, age_s, hosts, n, &text);
	reply.text = arena_str(&c->mem, buf_slice(&text));
	buf_fini(&text);
	return mcall_reply(c, &reply.base, RPC_NO_BODY);
}

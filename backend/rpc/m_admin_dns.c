/* Management: the records that a domain needs. */
#include "backend/dns/hosts.h"
#include "backend/dns/sts_own.h"
#include "backend/dns/zone.h"
#include "backend/policy/live.h"
#include "backend/rpc/m_admin.h"

#define SHOW_MS (60 * 1000) /* all questions; a person waits */

WAITS static enum err ask(void *arg, slice_t name, enum ask_type type, int64_t deadline_ms,
			  struct arena *mem, struct ask_answer *out, struct diag *d)
{
	return dns_ask(arg, name, type, deadline_ms, mem, out, d);
}

static enum err find_hosts(struct mcall *c, slice_t hosts[ZONE_HOSTS_MAX], size_t *n_out)
{
	struct conf *s = live_settings(c->be->dir, c->be->conf.pushed);
	enum err e = dns_hosts(s, &c->mem, hosts, n_out, &c->diag);

	conf_free(&s);
	return e;
}

static ProtobufCMessage *pack(const struct zone_row *r, struct arena *mem)
{
	Postern__AdminDnsRow *m = arena_new(mem, Postern__AdminDnsRow);

	postern__admin_dns_row__init(m);
	m->state = (Postern__DnsState)r->verdict;
	m->need = (Postern__DnsNeed)r->need;
	m->type = admin_str(mem, slice_str(r->type));
	m->name = admin_str(mem, r->name);
	m->value = admin_str(mem, r->value);
	m->found = admin_str(mem, r->found);
	m->note = admin_str(mem, r->note);
	return &m->base;
}

WAITS static enum err show(struct mcall *c, const struct zone_rows *rows)
{
	ProtobufCMessage **packed = arena_alloc(&c->mem, (rows->n + 1) * sizeof *packed);
	enum err e;

	for (size_t i = 0; i < rows->n; i++)
		packed[i] = pack(&rows->rows[i], &c->mem);
	e = mcall_reply(c, NULL, RPC_BODY);
	if (e == E_OK)
		e = admin_send_rows(c, &postern__admin_dns_page__descriptor, 0, packed, rows->n);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

static slice_t policy_id(const struct dir_domain_row *d, const slice_t *hosts, size_t n,
			 struct arena *mem)
{
	char id[STS_OWN_ID_STR];
	struct buf text;

	buf_init(&text, STS_OWN_TEXT_MAX, NULL);
	sts_own_text(d->mta_sts, d->mta_sts_age_s, hosts, n, &text);
	sts_own_id(buf_slice(&text), id);
	buf_fini(&text);
	return arena_dup(mem, slice_str(id));
}

WAITS enum err m_admin_dns_show(struct mcall *c)
{
	const Postern__AdminDnsShow *m = (const void *)c->msg;
	slice_t hosts[ZONE_HOSTS_MAX];
	uint8_t(*tls_keys)[SHA256_LEN] = arena_alloc(&c->mem, ZONE_KEYS_MAX * SHA256_LEN);
	struct zone_wants w = {.hosts = hosts,
			       .deadline_ms = deadline_in(SHOW_MS),
			       .ask = ask,
			       .arg = c->be->asking};
	struct dir_domain_row domain;
	struct dir_dkim_page keys;
	struct zone_rows rows;
	enum err e = dir_domain_show(c->be->dir, slice_str(m->domain), &c->mem, &domain, &c->diag);

	if (e == E_OK)
		e = find_hosts(c, hosts, &w.nhosts);
	if (e == E_OK)
		e = dir_dkim_list(c->be->dir, domain.name, SLICE_NONE, DIR_DKIM_KEYS_MAX, &c->mem,
				  &keys, &c->diag);
	if (e != E_OK)
		return e;
	w.domain = domain.name;
	w.reports = arena_dup(&c->mem, dir_setting(c->be->dir, "tlsrpt.read"));
	w.kind = domain.kind;
	w.tls_keys = (const uint8_t(*)[SHA256_LEN])tls_keys;
	if (c->be->asking != NULL)
		w.ntls_keys = asking_keys(c->be->asking, tls_keys, ZONE_KEYS_MAX);
	w.keys = keys.rows;
	w.nkeys = keys.n;
	if (domain.kind != DIR_DOMAIN_REMOTE && domain.mta_sts != DIR_MTA_STS_NONE)
		w.sts_id = policy_id(&domain, hosts, w.nhosts, &c->mem);
	e = zone_check(&w, &c->mem, &rows);
	return e == E_OK ? show(c, &rows) : e;
}

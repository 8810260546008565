/* Management: what TLS did with other systems' servers, and the reports of it (RFC 8460). */
#include "backend/queue/tls_sums.h"
#include "backend/rpc/m_admin.h"
#include "common/parse/idn.h"
#include "proto/method.pb-c.h"

#define ASK_MS (60 * 1000)

static const char *node_of(const struct mcall *c)
{
	return dir_node_name(c->be->dir);
}

static ProtobufCMessage *pack_row(const struct mcall *c, const struct tls_row *r, struct arena *mem)
{
	Postern__AdminTlsReport *m = arena_new(mem, Postern__AdminTlsReport);

	postern__admin_tls_report__init(m);
	m->backend = admin_str(mem, slice_str(node_of(c)));
	m->domain = admin_str(mem, slice_str(r->domain));
	m->from_us = r->from_us;
	m->to_us = r->to_us;
	m->state = admin_str(mem, slice_str(tls_row_state_name(tls_row_state(r))));
	m->successes = r->successes;
	m->failures = r->failures;
	m->unlisted = r->unlisted;
	m->due_us = r->due_us;
	m->tries = r->tries;
	m->last = admin_str(mem, slice_str(r->last));
	return &m->base;
}

/* Of a detail, or of the successes that p has. */
static ProtobufCMessage *pack_result(const struct mcall *c, int64_t from_us,
				     const struct tls_policy_sum *p, const struct tls_sessions *d,
				     struct arena *mem)
{
	Postern__AdminTlsResult *m = arena_new(mem, Postern__AdminTlsResult);

	postern__admin_tls_result__init(m);
	m->backend = admin_str(mem, slice_str(node_of(c)));
	m->from_us = from_us;
	m->policy = admin_str(mem, slice_str(tls_policy_type_name(p->type)));
	m->result = admin_str(mem, SL("success"));
	m->count = p->successes;
	if (d == NULL)
		return &m->base;
	m->result = admin_str(mem, slice_str(tls_result_name(d->result)));
	m->count = d->count;
	m->host = admin_str(mem, d->host);
	m->remote = admin_str(mem, d->remote);
	m->local = admin_str(mem, d->local);
	m->why = admin_str(mem, d->why);
	return &m->base;
}

WAITS static enum err send_results(struct mcall *c, int64_t from_us, const struct tls_sum *sum,
				   struct arena *mem)
{
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < sum->n; i++) {
		const struct tls_policy_sum *p = &sum->policies[i];
		ProtobufCMessage **rows = arena_alloc(mem, (p->n + 1) * sizeof(ProtobufCMessage *));
		size_t n = 0;

		if (p->successes != 0)
			rows[n++] = pack_result(c, from_us, p, NULL, mem);
		for (size_t k = 0; k < p->n; k++)
			rows[n++] = pack_result(c, from_us, p, &p->details[k], mem);
		e = admin_send_rows(c, &postern__admin_tls_report_page__descriptor, 1, rows, n);
	}
	return e;
}

/* What each row of the domain has, after the rows themselves. */
WAITS static enum err details(struct mcall *c, slice_t domain)
{
	const struct tls_row *r;
	uint64_t at = 0;
	enum err e = E_OK;

	while (e == E_OK && (r = tls_sums_next(c->be->tls_sums, at)) != NULL) {
		int64_t from_us = r->from_us;
		struct tls_sum sum;
		struct arena mem;

		at = r->id;
		if (!slice_eq(slice_str(r->domain), domain))
			continue;
		arena_init(&mem, NULL);
		e = tls_sums_read(c->be->tls_sums, at, &mem, &sum);
		if (e == E_OK)
			e = send_results(c, from_us, &sum, &mem);
		else if (e == E_NOT_FOUND || e == E_CORRUPT)
			e = E_OK;
		arena_reset(&mem);
	}
	return e;
}

WAITS static enum err list_local(struct mcall *c)
{
	const Postern__AdminTlsReportList *m = (const void *)c->msg;
	slice_t domain = slice_str(m->domain);
	uint64_t at = 0;
	bool more = true;
	enum err e = E_OK;

	while (e == E_OK && more) {
		ProtobufCMessage *rows[ADMIN_PAGE];
		const struct tls_row *r;
		struct arena mem;
		size_t n = 0;

		arena_init(&mem, NULL);
		while (n < ADMIN_PAGE && (r = tls_sums_next(c->be->tls_sums, at)) != NULL) {
			at = r->id;
			if (domain.n == 0 || slice_eq(slice_str(r->domain), domain))
				rows[n++] = pack_row(c, r, &mem);
		}
		more = n == ADMIN_PAGE;
		e = admin_send_rows(c, &postern__admin_tls_report_page__descriptor, 0, rows, n);
		arena_reset(&mem);
	}
	return e == E_OK && domain.n != 0 ? details(c, domain) : e;
}

static enum err check_domain(struct mcall *c, const char *domain)
{
	char name[DOMAIN_MAX + 1];

	if (domain[0] == '\0' || (domain_normalise(slice_str(domain), name) == E_OK &&
				  slice_eq(slice_str(domain), slice_str(name))))
		return E_OK;
	return diag_set(&c->diag, E_INVALID, "a domain, in lower case and ASCII");
}

WAITS enum err m_admin_tls_report_list(struct mcall *c)
{
	const Postern__AdminTlsReportList *m = (const void *)c->msg;
	enum err e = check_domain(c, m->domain);

	return e == E_OK ? admin_fan_out(c, &postern__admin_tls_report_page__descriptor,
					 POSTERN__METHOD__METHOD_PEER_TLS_REPORT_LIST, NULL,
					 deadline_in(ASK_MS), list_local)
			 : e;
}

WAITS enum err m_peer_tls_report_list(struct mcall *c)
{
	return admin_local(c, list_local);
}

WAITS static enum err send_local(struct mcall *c)
{
	const Postern__AdminTlsReportSend *m = (const void *)c->msg;
	Postern__AdminTlsReportSent row = POSTERN__ADMIN_TLS_REPORT_SENT__INIT;
	ProtobufCMessage *rows[] = {&row.base};

	row.backend = admin_str(&c->mem, slice_str(node_of(c)));
	row.reports = tls_sums_send_now(c->be->tls_sums, slice_str(m->domain));
	return admin_send_rows(c, &postern__admin_tls_report_sent_page__descriptor, 0, rows, 1);
}

WAITS enum err m_admin_tls_report_send(struct mcall *c)
{
	const Postern__AdminTlsReportSend *m = (const void *)c->msg;
	enum err e = check_domain(c, m->domain);

	return e == E_OK ? admin_fan_out(c, &postern__admin_tls_report_sent_page__descriptor,
					 POSTERN__METHOD__METHOD_PEER_TLS_REPORT_SEND, NULL,
					 deadline_in(ASK_MS), send_local)
			 : e;
}

WAITS enum err m_peer_tls_report_send(struct mcall *c)
{
	return admin_local(c, send_local);
}

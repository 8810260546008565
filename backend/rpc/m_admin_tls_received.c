/* Management: what other systems' reports of TLS (RFC 8460) say of our servers. */
#include <stdio.h>

#include "backend/directory/dir_tls_received.h"
#include "backend/rpc/m_admin.h"

#define RESULT_TEXT 64 /* "certificate-host-mismatch=1000000000000000000" */

static void pack_results(const struct dir_tls_day *r, struct arena *mem,
			 Postern__AdminTlsReceived *m)
{
	m->results = arena_alloc(mem, ARRAY_LEN(r->counts) * sizeof *m->results);
	for (unsigned i = TLS_RESULT_OK + 1; i < ARRAY_LEN(r->counts); i++) {
		char text[RESULT_TEXT];

		if (r->counts[i] == 0)
			continue;
		m->failures += r->counts[i];
		snprintf(text, sizeof text, "%s=%llu", tls_result_name(i),
			 (unsigned long long)r->counts[i]);
		m->results[m->n_results++] = admin_str(mem, slice_str(text));
	}
}

static ProtobufCMessage *pack_row(const struct dir_tls_day *r, struct arena *mem)
{
	Postern__AdminTlsReceived *m = arena_new(mem, Postern__AdminTlsReceived);

	postern__admin_tls_received__init(m);
	m->day_us = r->from_us;
	m->organization = admin_str(mem, r->organization);
	m->domain = admin_str(mem, r->domain);
	m->reports = r->reports;
	m->successes = r->counts[TLS_RESULT_OK];
	pack_results(r, mem, m);
	return &m->base;
}

WAITS static enum err list_slice(struct mcall *c, slice_t after, struct arena *mem,
				 struct admin_slice *out)
{
	const Postern__AdminTlsReceivedList *m = (const void *)c->msg;
	struct dir_tls_days page;
	enum err e = dir_tls_received_list(c->be->dir, slice_str(m->domain), after, ADMIN_PAGE, mem,
					   &page, &c->diag);

	if (e != E_OK)
		return e;
	out->rows = arena_alloc(mem, (page.n + 1) * sizeof *out->rows);
	for (size_t i = 0; i < page.n; i++)
		out->rows[i] = pack_row(&page.rows[i], mem);
	out->n = page.n;
	out->more = page.n == ADMIN_PAGE;
	out->last = page.last;
	return E_OK;
}

WAITS enum err m_admin_tls_received_list(struct mcall *c)
{
	const Postern__AdminTlsReceivedList *m = (const void *)c->msg;
	enum err e = admin_domain_known(c, m->domain);

	return e == E_OK ? admin_list(c, &postern__admin_tls_received_page__descriptor, list_slice)
			 : e;
}

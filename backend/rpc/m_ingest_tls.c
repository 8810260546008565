/*
 * Ingest.TlsReport: what a message says that came to the address of the setting tlsrpt.read. A
 * worker of the way out has read it; that there was such a message its lease proves, and that is
 * all that is known of it here: what is kept is bounded, and nothing but people looks at it.
 */
#include "backend/directory/dir_tls_received.h"
#include "backend/rpc/leased.h"
#include "common/log/log.h"
#include "proto/ingest.pb-c.h"

static bool is_report(const struct leased *l)
{
	for (size_t i = 0; i < l->lease.n; i++) {
		if (l->jobs[i].kind != JOB_OUTSIDE || l->jobs[i].held ||
		    !slice_eq(l->jobs[i].route, JOB_TLS_REPORTS))
			return false;
	}
	return true;
}

static void take_sessions(const Postern__IngestTlsReport *m, struct arena *mem,
			  struct dir_tls_received *out)
{
	struct dir_tls_sessions *s = arena_alloc(mem, DIR_TLS_SESSIONS_MAX * sizeof *s);

	for (size_t i = 0; i < m->n_policies; i++) {
		const Postern__IngestTlsPolicy *p = m->policies[i];

		for (size_t k = 0; k < p->n_results; k++) {
			invariant(out->n < DIR_TLS_SESSIONS_MAX); /* rpc/limits.c */
			s[out->n++] = (struct dir_tls_sessions){
				.domain = slice_str(p->domain),
				.policy = p->type,
				.result = p->results[k]->result,
				.count = p->results[k]->count,
			};
		}
	}
	out->sessions = s;
}

static const char *word_of(enum dir_tls_kept kept)
{
	switch (kept) {
	case DIR_TLS_KEPT:
		return "kept";
	case DIR_TLS_KNOWN:
		return "known";
	case DIR_TLS_FOREIGN:
		return "foreign";
	case DIR_TLS_STRANGE:
		return "strange";
	}
	return "";
}

WAITS enum err m_ingest_tls_report(struct mcall *c)
{
	const Postern__IngestTlsReport *m = (const void *)c->msg;
	struct dir_tls_received r = {
		.organization = slice_str(m->organization),
		.report_id = slice_str(m->report_id),
		.from_s = m->from_s,
		.to_s = m->to_s,
	};
	enum dir_tls_kept kept;
	struct leased *l;
	enum err e = leased_load(c, MCALL_SLICE(m->lease), &l);

	if (e == E_OK && !is_report(l))
		e = diag_set(&c->diag, E_RETRY, "it goes elsewhere meanwhile");
	if (e != E_OK)
		return e;
	take_sessions(m, &c->mem, &r);
	e = dir_tls_received_put(c->be->dir, &r, &kept, &c->diag);
	LOG(LOG_INFO, NULL, "tlsrpt.received", LF_SLICE("organization", r.organization),
	    LF_SLICE("report", r.report_id), LF_HEX("trace", slice(l->jobs[0].trace_id, 16)),
	    LF_STR("result", e == E_OK ? word_of(kept) : err_name(e)));
	return e == E_OK ? mcall_reply(c, NULL, RPC_NO_BODY) : e;
}

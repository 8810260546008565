#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "frontend/outbound/smtp_client_priv.h"

#define HELP "Handshakes with other hosts by version, and whether the host was verified"
METRIC_COUNTER(m_12, "smtp_client_tls_total", HELP, {"version", "1.2"}, {"verified", "no"});
METRIC_COUNTER(m_12_verified, "smtp_client_tls_total", HELP, {"version", "1.2"},
	       {"verified", "yes"});
METRIC_COUNTER(m_13, "smtp_client_tls_total", HELP, {"version", "1.3"}, {"verified", "no"});
METRIC_COUNTER(m_13_verified, "smtp_client_tls_total", HELP, {"version", "1.3"},
	       {"verified", "yes"});
METRIC_COUNTER(m_failed, "smtp_client_tls_failed_total", "Handshakes with other hosts that failed");

static enum tls_peer_kind peer_kind(enum smtp_tls_demand demand)
{
	switch (demand) {
	case SMTP_TLS_NONE:
	case SMTP_TLS_MAY:
	case SMTP_TLS_ENCRYPT:
		return TLS_PEER_ANY;
	case SMTP_TLS_VERIFY:
		return TLS_PEER_NAMED;
	case SMTP_TLS_DANE:
		return TLS_PEER_DANE;
	case SMTP_TLS_PINNED:
		return TLS_PEER_PINNED;
	}
	return TLS_PEER_NAMED;
}

static void count(const struct tls_facts *f)
{
	bool v13 = slice_eq(slice_str(f->version), SL("TLSv1.3"));

	if (f->verified == TLS_UNVERIFIED)
		metric_add(v13 ? &m_13 : &m_12, 1);
	else
		metric_add(v13 ? &m_13_verified : &m_12_verified, 1);
}

/* Bytes in clear behind the go-ahead are somebody's attempt to have them taken for the encrypted
 * session's (RFC 3207 section 6): no reason to go on in clear. */
static enum err handshake_failed(struct smtp_client *c, enum err e, struct smtp_client_why *why)
{
	struct diag d;

	metric_add(&m_failed, 1);
	if (e == E_CANCELLED)
		return smtp_client_lost(c, SMTP_AT_TLS, e, &why->result);
	why->try_clear = c->opts->tls == SMTP_TLS_MAY && e != E_INVALID;
	if (e == E_INVALID)
		return smtp_client_broken(c, SMTP_AT_TLS, &why->result,
					  "bytes in clear before the handshake");
	stream_diag(c->s, &d);
	smtp_result_own(&why->result, SMTP_AT_TLS, SMTP_LATER, "4.7.5", "TLS failed: %s",
			e == E_TIMEOUT      ? "no answer in time"
			: d.text[0] != '\0' ? d.text
			: e == E_CLOSED     ? "the connection was closed"
					    : err_name(e));
	smtp_client_close(c, CLOSE_TLS);
	return E_CLOSED;
}

WAITS enum err smtp_client_handshake(struct smtp_client *c, struct smtp_client_why *why)
{
	struct tls_peer_check check = c->opts->check;
	enum err e;

	check.kind = peer_kind(c->opts->tls);
	if (c->opts->tls == SMTP_TLS_MAY && check.advisory)
		check.kind = TLS_PEER_NAMED;
	e = stream_tls_client_checked(c->s, c->opts->tls_ctx, c->opts->sni, &check,
				      deadline_in(c->wait->tls_ms));
	why->fault = stream_tls_fault(c->s, &why->fault_words);
	if (e != E_OK)
		return handshake_failed(c, e, why);
	count(stream_tls(c->s));
	return E_OK;
}

WAITS enum err smtp_client_starttls(struct smtp_client *c, bool *started_out,
				    struct smtp_client_why *why)
{
	bool may = c->opts->tls == SMTP_TLS_MAY;
	struct smtp_answer a;
	enum err e;

	*started_out = false;
	if (!smtp_offers(&c->offer, SMTP_EXT_STARTTLS)) {
		if (may)
			return E_OK;
		smtp_result_own(&why->result, SMTP_AT_STARTTLS, SMTP_LATER, "4.7.4",
				"TLS is required, and the host does not offer it");
		smtp_client_leave(c);
		return E_CLOSED;
	}
	e = smtp_client_ask(c, SMTP_AT_STARTTLS, SL("STARTTLS\r\n"), c->wait->hello_ms, &a,
			    &why->result);
	if (e == E_OK && a.code != 220)
		e = smtp_client_refused(c, SMTP_AT_STARTTLS, &a, &why->result);
	if (e != E_OK) {
		why->try_clear = may && e != E_CANCELLED;
		/* A 5yz is about TLS, not about the mail. */
		smtp_result_soften(&why->result);
		return e;
	}
	*started_out = true;
	return smtp_client_handshake(c, why);
}

/* RCPT (RFC 5321 section 4.1.1.3): each address is asked of a back-end. Guessing addresses is made
 * slow, then ended. */
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "common/parse/cclass.h"
#include "frontend/smtp/smtp.h"

METRIC_COUNTER(m_taken, "smtp_recipients_total", "Recipients by result", {"result", "accepted"});
METRIC_COUNTER(m_refused, "smtp_recipients_total", "Recipients by result", {"result", "refused"});
METRIC_COUNTER(m_later, "smtp_recipients_total", "Recipients by result", {"result", "later"});

static void log_rcpt(const struct smtp *s, const struct smtp_rcpt_args *r, enum smtp_say why)
{
	struct buf b;

	buf_init(&b, 2 * ADDR_PATH_MAX, NULL);
	addr_format(&r->to, &b);
	LOG(LOG_INFO, &s->base.log, "smtp.recipient_refused", LF_SLICE("to", buf_slice(&b)),
	    LF_SLICE("from", s->tx.meta.sender), LF_STR("helo", s->helo),
	    LF_UINT("code", smtp_say_code(why)), LF_STR("reason", smtp_say_words(why)));
	buf_fini(&b);
	metric_add(smtp_say_code(why) < 500 ? &m_later : &m_refused, 1);
}

/* Every refused recipient comes by here. */
static WAITS enum err say_refused(struct smtp *s, const struct smtp_rcpt_args *r, enum smtp_say why,
				  const char *extra)
{
	log_rcpt(s, r, why);
	if (++s->tx.refused > SMTP_RCPTS_REFUSED_MAX)
		return smtp_say(s, SAY_RCPT_ENOUGH);
	return smtp_say_with(s, why, extra);
}

/* Asked for once a transaction. A user's own notification (RFC 8098) has no sender: nobody wrote
 * it. */
static bool wants_copy(const struct smtp *s)
{
	return policy()->submission_save_sent && s->base.ticket != NULL && s->tx.nrcpts == 0 &&
	       s->tx.meta.sender.n != 0;
}

static WAITS enum err resolve(struct smtp *s, const struct smtp_rcpt_args *r,
			      struct deliver_target *targets, size_t *n_out,
			      struct deliver_target *sent, struct diag *d)
{
	struct resolve_query q = {
		.sender = s->tx.meta.sender,
		.size = s->tx.size,
		.relay = server_relays(s->base.server),
		.relay_server = smtp_relays_freely(s) ? server_name(s->base.server) : NULL,
		.sent_out = wants_copy(s) ? sent : NULL};
	const char *domain = server_default_domain(s->base.server);
	struct addr to = r->to;
	struct buf b;
	enum err e;

	if (addr_normalise(&to) != E_OK)
		return E_INVALID;
	buf_init(&b, ADDR_LOCAL_MAX + ADDR_DOMAIN_MAX + 2, NULL);
	buf_put(&b, addr_local(&to));
	/* <Postmaster> has no domain: the server's default is meant, or else the directory's (RFC
	 * 5321 section 4.5.1). */
	if (!(to.flags & ADDR_POSTMASTER) || domain[0] != '\0') {
		buf_putc(&b, '@');
		buf_put(&b, to.flags & ADDR_POSTMASTER ? slice_str(domain) : addr_domain(&to));
	}
	q.address = buf_slice(&b);
	e = call_resolve(&s->base, &q, &s->tx.arena, targets, n_out, d);
	buf_fini(&b);
	return e;
}

static WAITS enum err unknown_user(struct smtp *s, const struct smtp_rcpt_args *r)
{
	if (s->profile->lmtp)
		return say_refused(s, r, SAY_NO_SUCH_USER, NULL);
	s->unknown++;
	if (s->unknown > SMTP_UNKNOWN_MAX) {
		LOG(LOG_WARN, &s->base.log, "smtp.guessing", LF_UINT("unknown", s->unknown));
		return say_refused(s, r, SAY_GUESSING, NULL);
	}
	if (s->unknown > SMTP_UNKNOWN_FREE) {
		enum err e = fiber_sleep("smtp.slow_unknown", SMTP_UNKNOWN_DELAY_MS);

		if (e != E_TIMEOUT)
			return e;
	}
	return say_refused(s, r, SAY_NO_SUCH_USER, NULL);
}

/* What a failed question means for the client. */
static WAITS enum err refuse(struct smtp *s, const struct smtp_rcpt_args *r, enum err e)
{
	enum smtp_say why = smtp_say_for(AT_RCPT, e);

	if (why == SAY_NOTHING)
		return e;
	return why == SAY_NO_SUCH_USER ? unknown_user(s, r) : say_refused(s, r, why, NULL);
}

WAITS enum err smtp_rcpt(struct session *base, slice_t args, void *arg UNUSED)
{
	struct smtp *s = smtp_of(base);
	struct deliver_target targets[DELIVER_TARGETS_MAX], sent = {.token = SLICE_NONE};
	struct smtp_rcpt_args r;
	struct diag d = {""};
	enum smtp_say why;
	size_t n;
	enum err e;

	why = smtp_parse_rcpt(args, s->ehlo ? SMTP_PARAMS : SMTP_NO_PARAMS,
			      s->tx.utf8 ? ADDR_SMTPUTF8 : ADDR_ASCII, &r);
	if (why == SAY_NOTHING && s->tx.nrcpts >= smtp_limits(s)->recipients_max)
		why = SAY_RCPT_TOO_MANY;
	if (why != SAY_NOTHING)
		return say_refused(s, &r, why, NULL);
	e = resolve(s, &r, targets, &n, &sent, &d);
	if (e == E_RATE)
		s->limit = d;
	if (e != E_OK)
		return refuse(s, &r, e);
	if (smtp_tx_add(&s->tx, &r, targets, n) != E_OK)
		return say_refused(s, &r, SAY_RCPT_TOO_MANY, NULL);
	if (sent.token.n != 0)
		smtp_tx_keep(&s->tx, &sent);
	metric_add(&m_taken, 1);
	smtp_set_state(s, SMTP_RCPT);
	return smtp_say(s, SAY_RCPT_OK);
}

/* MAIL (RFC 5321 section 4.1.1.2) and its parameters. */
#include "common/base/clock.h"
#include "frontend/rpc/call_ticket.h"
#include "frontend/smtp/smtp.h"
#include "frontend/smtp/smtp_sender.h"

/* What the session's own limits say. */
static enum smtp_say limits_check(const struct smtp *s, const struct smtp_mail_args *m)
{
	const struct policy_smtp *p = smtp_limits(s);

	if (p->messages_max != 0 && s->messages >= p->messages_max)
		return SAY_MESSAGES;
	/* A session's first message has its own limit alone: in another it would fit no better. */
	if (s->bytes >= p->session_bytes_max ||
	    (s->bytes != 0 && m->size > p->session_bytes_max - s->bytes))
		return SAY_SESSION_BYTES;
	if (m->requiretls && !stream_is_tls(s->base.stream))
		return SAY_REQUIRETLS;
	return m->size > p->message_bytes_max ? SAY_TOO_BIG : SAY_NOTHING;
}

/* FUTURERELEASE (RFC 4865): a submission's alone. A time that is over holds nothing back. */
static enum smtp_say hold_check(const struct smtp *s, const struct smtp_mail_args *m,
				int64_t *release_us_out)
{
	int64_t max_s = policy()->submission_hold_max_s, now_s = clock_wall_s();
	int64_t until_s = m->hold == HOLD_FOR ? now_s + m->hold_s : m->hold_s;

	*release_us_out = 0;
	if (m->hold == HOLD_NONE)
		return SAY_NOTHING;
	if (s->profile->service != SERVICE_SUBMISSION || max_s == 0)
		return SAY_PARAMETER;
	if (!smtp_submits(s))
		return SAY_AUTH_FIRST;
	if (until_s - now_s > max_s)
		return SAY_HOLD_TOO_LONG;
	if (until_s > now_s)
		*release_us_out = until_s * 1000000;
	return SAY_NOTHING;
}

/* MT-PRIORITY (RFC 6710): a submission's alone, as is who may hurry others. */
static enum smtp_say priority_check(const struct smtp *s, const struct smtp_mail_args *m)
{
	if (!m->has_priority)
		return SAY_NOTHING;
	if (s->profile->service != SERVICE_SUBMISSION)
		return SAY_PARAMETER;
	return smtp_submits(s) ? SAY_NOTHING : SAY_AUTH_FIRST;
}

/* Section 5: what is more urgent than may be is taken, as urgent as may be. */
static void set_priority(struct smtp_tx *tx, const struct smtp_mail_args *m)
{
	tx->meta.priority = MIN(m->priority, policy()->submission_priority_max);
	tx->has_priority = m->has_priority;
	tx->lowered = tx->meta.priority < m->priority;
}

/* Who wants to have it delivered before it may go asks for too much. */
static enum smtp_say by_check(const struct smtp_mail_args *m, int64_t release_us,
			      int64_t *by_us_out)
{
	*by_us_out = m->by != 0 ? clock_wall_us() + m->by_s * 1000000LL : 0;
	return m->by != 0 && release_us != 0 && *by_us_out <= release_us ? SAY_BY_TOO_EARLY
									 : SAY_NOTHING;
}

static void log_refused(const struct smtp *s, slice_t args, enum smtp_say why)
{
	LOG(LOG_INFO, &s->base.log, "smtp.sender_refused",
	    LF_SLICE("args", slice_sub(args, 0, ADDR_PATH_MAX)), LF_STR("helo", s->helo),
	    LF_UINT("code", smtp_say_code(why)), LF_STR("reason", smtp_say_words(why)));
}

WAITS enum err smtp_mail(struct session *base, slice_t args, void *arg UNUSED)
{
	struct smtp *s = smtp_of(base);
	struct smtp_mail_args m;
	enum smtp_say why;
	int64_t release_us = 0, by_us = 0;
	enum err e = E_OK;

	why = smtp_parse_mail(args, s->ehlo ? SMTP_PARAMS : SMTP_NO_PARAMS, &m);
	if (why == SAY_NOTHING)
		why = limits_check(s, &m);
	if (why == SAY_NOTHING)
		why = hold_check(s, &m, &release_us);
	if (why == SAY_NOTHING)
		why = by_check(&m, release_us, &by_us);
	if (why == SAY_NOTHING)
		why = priority_check(s, &m);
	if (why != SAY_NOTHING) {
		log_refused(s, args, why);
		return smtp_say(s, why);
	}
	smtp_sender_masquerade(s, &m.from);
	if (smtp_submits(s))
		e = ticket_refresh(base->ticket);
	if (e == E_OK)
		e = smtp_sender_check(s, &m.from, &why);
	else
		why = smtp_say_for(AT_SENDER, e);
	if (why != SAY_NOTHING) {
		struct buf b;

		/* The line is gone: waiting moved the window. */
		buf_init(&b, 2 * ADDR_PATH_MAX, NULL);
		addr_format(&m.from, &b);
		log_refused(s, buf_slice(&b), why);
		buf_fini(&b);
		return smtp_say(s, why);
	}
	if (e != E_OK)
		return e;
	session_memory(base, SMTP_TX_MEMORY);
	smtp_tx_begin(&s->tx, base, &m);
	s->tx.meta.release_us = release_us;
	s->tx.meta.by = m.by;
	s->tx.meta.by_us = by_us;
	set_priority(&s->tx, &m);
	if (s->profile->lmtp)
		smtp_tx_tell_each(&s->tx);
	s->messages++;
	smtp_set_state(s, SMTP_MAIL);
	return smtp_say(s, SAY_SENDER_OK);
}

#include "frontend/smtp/smtp_lmtp.h"

#include "frontend/smtp/smtp.h"

/* SAY_NOTHING: taken. */
static enum smtp_say refusal_of(const struct smtp *s, unsigned rcpt)
{
	enum err e = smtp_tx_result(&s->tx, rcpt);
	enum smtp_say why;

	if (e == E_OK)
		return SAY_NOTHING;
	why = smtp_say_for(AT_MESSAGE, e);
	return why != SAY_NOTHING ? why : SAY_LATER;
}

WAITS enum err smtp_lmtp_refuse(struct smtp *s, enum smtp_say why)
{
	enum err e = E_OK;

	/* The last one counts, once, as one message by SMTP would. */
	for (unsigned i = 1; e == E_OK && i < s->tx.nrcpts; i++)
		e = smtp_say_row(s, why, NULL);
	return e == E_OK ? smtp_say(s, why) : e;
}

WAITS enum err smtp_lmtp_answer(struct smtp *s)
{
	enum err e = E_OK;

	for (unsigned i = 0; e == E_OK && i < s->tx.nrcpts; i++) {
		enum smtp_say why = refusal_of(s, i);

		e = why == SAY_NOTHING ? smtp_say_row(s, SAY_TAKEN, s->tx.trace_hex)
				       : smtp_say_row(s, why, NULL);
	}
	return e;
}

enum smtp_say smtp_lmtp_verdict(const struct smtp *s)
{
	for (unsigned i = 0; i < s->tx.nrcpts; i++) {
		if (refusal_of(s, i) == SAY_NOTHING)
			return SAY_NOTHING;
	}
	return refusal_of(s, 0);
}

#include "frontend/outbound/smtp_result.h"

#include <stdarg.h>
#include <stdio.h>

#include "frontend/outbound/smtp_answer.h"

const char *smtp_phase_name(enum smtp_phase p)
{
	switch (p) {
	case SMTP_AT_CONNECT:
		return "connect";
	case SMTP_AT_GREETING:
		return "greeting";
	case SMTP_AT_EHLO:
		return "ehlo";
	case SMTP_AT_STARTTLS:
		return "starttls";
	case SMTP_AT_TLS:
		return "tls";
	case SMTP_AT_AUTH:
		return "auth";
	case SMTP_AT_MAIL:
		return "mail";
	case SMTP_AT_RCPT:
		return "rcpt";
	case SMTP_AT_DATA:
		return "data";
	case SMTP_AT_BODY:
		return "body";
	case SMTP_AT_DOT:
		return "dot";
	}
	return "unknown";
}

void smtp_result_own(struct smtp_result *r, enum smtp_phase at, enum smtp_verdict verdict,
		     const char *status, const char *fmt, ...)
{
	va_list ap;

	*r = (struct smtp_result){.phase = at, .verdict = verdict};
	snprintf(r->status, sizeof r->status, "%s", status);
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof r->text, fmt, ap);
	va_end(ap);
	for (char *p = r->text; *p != '\0'; p++)
		*p = smtp_printable(*p);
}

void smtp_result_of(struct smtp_result *r, enum smtp_phase at, const struct smtp_answer *a)
{
	unsigned first = a->code / 100;

	*r = (struct smtp_result){.phase = at, .code = (uint16_t)a->code};
	r->verdict = first == 2 ? SMTP_TAKEN : first == 5 ? SMTP_REFUSED : SMTP_LATER;
	memcpy(r->status, a->status[0] != '\0' ? a->status : "x.0.0\0\0\0\0", sizeof r->status);
	r->status[0] = r->verdict == SMTP_TAKEN ? '2' : r->verdict == SMTP_REFUSED ? '5' : '4';
	memcpy(r->text, a->text, sizeof r->text);
}

void smtp_result_soften(struct smtp_result *r)
{
	if (r->verdict != SMTP_REFUSED)
		return;
	r->verdict = SMTP_LATER;
	r->status[0] = '4';
}

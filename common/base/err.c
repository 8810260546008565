#include "common/base/err.h"

#include <stdarg.h>
#include <stdio.h>

const char *err_name(enum err e)
{
	switch (e) {
	case E_OK:
		return "ok";
	case E_RETRY:
		return "retry";
	case E_DENIED:
		return "denied";
	case E_NO_TICKET:
		return "no-ticket";
	case E_NOT_FOUND:
		return "not-found";
	case E_EXISTS:
		return "exists";
	case E_QUOTA:
		return "quota";
	case E_TOO_BIG:
		return "too-big";
	case E_LIMIT:
		return "limit";
	case E_BUSY:
		return "busy";
	case E_WRONG_OWNER:
		return "wrong-owner";
	case E_INVALID:
		return "invalid";
	case E_INTERNAL:
		return "internal";
	case E_RATE:
		return "rate";
	case E_TIMEOUT:
		return "timeout";
	case E_CANCELLED:
		return "cancelled";
	case E_CLOSED:
		return "closed";
	case E_IO:
		return "io";
	case E_TLS:
		return "tls";
	case E_CORRUPT:
		return "corrupt";
	case E_FULL:
		return "full";
	}
	return "unknown";
}

enum err err_to_wire(enum err e)
{
	if (e <= E_WIRE_LAST)
		return e;
	switch ((int)e) {
	case E_TIMEOUT:
	case E_CANCELLED:
	case E_CLOSED:
	case E_FULL:
		return E_RETRY;
	default:
		return E_INTERNAL;
	}
}

enum err diag_set(struct diag *d, enum err e, const char *fmt, ...)
{
	va_list ap;

	if (d == NULL)
		return e;
	va_start(ap, fmt);
	if (vsnprintf(d->text, sizeof d->text, fmt, ap) < 0)
		d->text[0] = '\0';
	va_end(ap);
	return e;
}

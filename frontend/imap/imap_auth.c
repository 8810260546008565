/* STARTTLS, AUTHENTICATE (RFC 3501 section 6.2, SASL-IR: RFC 4959), LOGIN. */
#include "common/loop/fiber.h"
#include "frontend/core/line.h"
#include "frontend/imap/imap_caps.h"
#include "frontend/imap/imap_resp.h"
#include "frontend/imap/imap_server.h"
#include "frontend/rpc/call_auth.h"
#include "frontend/sasl/sasl.h"

WAITS enum err imap_run_starttls(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	enum err e;

	if (session_tls() == NULL)
		return imap_no(c, "UNAVAILABLE", "No certificate");
	(void)imap_ok(c, "Begin TLS");
	imap_put_tagged(&im->out, c);
	c->rc = IMAP_RC_ANSWERED;
	e = imap_push_all(im);
	if (e != E_OK)
		return e;
	/* What came in clear before the handshake is an injection: refused there. */
	e = session_starttls(s);
	im->idle_commands = 0;
	return e == E_OK || e == E_CANCELLED ? e : E_TLS;
}

WAITS static enum err io_challenge(void *arg, slice_t base64)
{
	struct imap *im = arg;

	buf_puts(&im->out, "+ ");
	buf_put(&im->out, base64);
	buf_puts(&im->out, "\r\n");
	return imap_push_all(im);
}

WAITS static enum err io_response(void *arg, slice_t *out)
{
	struct imap *im = arg;
	enum err e = line_read(im->s.stream, SASL_LINE_MAX, "imap.sasl", imap_deadline(im), out);

	return e == E_LIMIT ? E_TOO_BIG : e;
}

/* What a log-in that failed is answered (RFC 5530); the text is the same for all who may not. */
static enum err answer(struct imap *im, struct imap_cmd *c, enum err e)
{
	switch (e) {
	case E_OK:
		im->state = IMAP_AUTH;
		im->s.state = "authenticated";
		im->errors = 0;
		return imap_ok_code(c, imap_caps_code(im), "Logged in");
	case E_DENIED:
		im->errors++;
		return imap_no(c, "AUTHENTICATIONFAILED", "Authentication failed");
	case E_LIMIT:
		im->errors++;
		return imap_no(c, "LIMIT", "Too many attempts, try later");
	case E_INVALID:
		return imap_bad(c, "Cancelled, or malformed");
	case E_TOO_BIG:
		return imap_bad(c, "Too long");
	case E_RETRY:
	case E_BUSY:
	case E_WRONG_OWNER:
	case E_INTERNAL:
	case E_RATE:
	case E_CORRUPT:
	case E_FULL:
	case E_QUOTA:
	case E_NOT_FOUND:
	case E_EXISTS:
	case E_NO_TICKET:
		return imap_no(c, "UNAVAILABLE", "Not possible just now, try again");
	case E_TIMEOUT:
	case E_CANCELLED:
	case E_CLOSED:
	case E_IO:
	case E_TLS:
		return e;
	}
	return e;
}

WAITS enum err imap_run_authenticate(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	struct sasl_io io = {im, io_challenge, io_response};
	const struct sasl_mech *m;
	slice_t name, initial = SLICE_NONE;
	bool has_initial;

	if (!imap_atom(&c->args, &name))
		return imap_bad(c, "Mechanism expected");
	has_initial = imap_sp(&c->args);
	if (has_initial) {
		initial = cur_rest(&c->args.c);
		if (initial.n == 0 || slice_find_char(initial, ' ') != initial.n)
			return imap_bad(c, "Initial response expected");
	} else if (!imap_end(&c->args)) {
		return imap_bad(c, "Syntax error");
	}
	m = sasl_find(name, s->stream, NULL);
	if (m == NULL)
		return stream_is_tls(s->stream) ? imap_no(c, "CANNOT", "No such mechanism")
						: imap_no(c, "PRIVACYREQUIRED", "Not without TLS");
	return answer(im, c, call_auth_sasl(s, m, has_initial ? &initial : NULL, &io));
}

WAITS enum err imap_run_login(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	slice_t name, password;

	if (sasl_find(SL("PLAIN"), s->stream, NULL) == NULL)
		return imap_no(c, "PRIVACYREQUIRED", "Not without TLS");
	if (!imap_astring(&c->args, &name) || !imap_sp(&c->args) ||
	    !imap_astring(&c->args, &password) || !imap_end(&c->args))
		return imap_bad(c, "Name and password expected");
	return answer(im, c, call_auth_password(s, name, password));
}

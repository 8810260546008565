/*
 * call_auth: log-in of a session: the exchange of sasl relayed to the account's owner. Any back-end
 * is asked first; it names the owner when that is another.
 */
#ifndef FRONTEND_RPC_CALL_AUTH_H
#define FRONTEND_RPC_CALL_AUTH_H

#include "frontend/core/session.h"
#include "frontend/sasl/sasl.h"

/* Runs the exchange; on E_OK the session is logged in (session_logged_in). Errors as sasl_run; each
 * refusal is logged with who and why, never with what. */
WAITS enum err call_auth_sasl(struct session *s, const struct sasl_mech *m, const slice_t *initial,
			      const struct sasl_io *io) MUST_USE;
/* The same for a command that brings both (IMAP LOGIN, POP3 PASS). The password is the caller's to
 * wipe. */
WAITS enum err call_auth_password(struct session *s, slice_t name, slice_t password) MUST_USE;

#endif

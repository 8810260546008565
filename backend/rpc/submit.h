/* submit: what a user's message counts, before it is committed. */
#ifndef BACKEND_RPC_SUBMIT_H
#define BACKEND_RPC_SUBMIT_H

#include "backend/policy/guard.h"
#include "backend/rpc/mcall.h"

struct submit {
	struct rates_mail mail;
	bool counted;
};

/* Opens the recipients' tokens and asks the guard: E_OK, also for what no user submits; E_RATE with
 * the client's words in c->diag; or as rcpt_token_open. */
WAITS enum err submit_take(struct mcall *c, const struct deliver_msg *msg,
			   struct submit *out) MUST_USE;
/* It was not committed. */
void submit_give_back(struct mcall *c, const struct submit *s);

#endif

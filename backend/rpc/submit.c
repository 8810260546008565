#include "backend/rpc/submit.h"

#include "common/base/num.h"

/* Adds the addresses elsewhere. */
static enum err count(struct mcall *c, const struct deliver_rcpt *rcpts, size_t n,
		      uint64_t *outside, struct rates_mail *mail)
{
	struct rcpt_token t;

	for (size_t i = 0; i < n; i++) {
		enum err e = rcpt_token_open(c->be->tickets, rcpts[i].token, c->peer, &t, &c->diag);

		if (e != E_OK)
			return e;
		if (t.kind == RCPT_OUTSIDE)
			outside[mail->noutside++] = map_hash(slice(t.address, t.address_n));
	}
	mail->recipients += (uint32_t)n;
	return E_OK;
}

WAITS enum err submit_take(struct mcall *c, const struct deliver_msg *msg, struct submit *out)
{
	uint64_t *outside;
	enum err e;

	*out = (struct submit){.counted = false};
	if (c->claims.account == 0)
		return E_OK;
	outside = arena_alloc(&c->mem, msg->nrcpts * sizeof *outside);
	/* Its last bytes were drawn, the first ones tell the time. */
	out->mail.txid = be64_get((const char *)msg->txid + STORE_TXID_SIZE - 8);
	out->mail.outside = outside;
	e = count(c, msg->rcpts, msg->nrcpts, outside, &out->mail);
	if (e != E_OK)
		return e;
	/* The lead's commit is the whole message. */
	out->mail.recipients += (uint32_t)msg->nothers;
	return guard_take(c->be->guard, c->claims.account, &out->mail, &out->counted, &c->diag);
}

void submit_give_back(struct mcall *c, const struct submit *s)
{
	if (s->counted)
		guard_give_back(c->be->guard, c->claims.account, &s->mail);
}

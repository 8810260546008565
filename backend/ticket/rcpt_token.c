#include "backend/ticket/rcpt_token.h"

#include "backend/ticket/ticket_priv.h"
#include "common/base/clock.h"
#include "common/log/metric.h"

#define TOKEN_VERSION 1
#define TOKEN_AAD     "postern recipient token"
#define TOKEN_SEVERAL 1 /* a bit of the last byte, which is there if any is set */
#define PLAIN_MAX     (RCPT_TOKEN_MAX - SEAL_OVERHEAD)

METRIC_COUNTER(m_refused, "rcpt_tokens_refused_total", "Recipient tokens refused");

static void put_u16(struct buf *b, uint16_t v)
{
	uint8_t x[2];

	be16_put(x, v);
	buf_put(b, slice(x, sizeof(x)));
}

static void put_u64(struct buf *b, uint64_t v)
{
	uint8_t x[8];

	be64_put(x, v);
	buf_put(b, slice(x, sizeof(x)));
}

static void put_text(struct buf *b, slice_t s)
{
	put_u16(b, (uint16_t)s.n);
	buf_put(b, s);
}

enum err rcpt_token_seal(struct tickets *t, struct rcpt_token *r, struct buf *out)
{
	const struct seal_key *k = ticket_key_seal(t);
	struct buf plain;
	uint8_t partition[4];
	enum err e = E_OK;

	if (k == NULL)
		return E_RETRY;
	if (r->naccounts > RCPT_TOKEN_ACCOUNTS || r->address_n > sizeof(r->address) ||
	    r->detail_n > sizeof(r->detail) ||
	    (r->kind == RCPT_ACCOUNTS || r->kind == RCPT_SENT ? r->naccounts == 0
							      : r->address_n == 0))
		return E_INVALID;
	r->expires_s = clock_wall_s() + RCPT_TOKEN_LIFE_S;
	buf_init(&plain, PLAIN_MAX, NULL);
	buf_putc(&plain, TOKEN_VERSION);
	buf_putc(&plain, (char)r->kind);
	be32_put(partition, r->partition);
	buf_put(&plain, slice(partition, sizeof(partition)));
	put_u64(&plain, (uint64_t)r->expires_s);
	buf_putc(&plain, (char)r->naccounts);
	for (size_t i = 0; i < r->naccounts; i++)
		put_u64(&plain, r->accounts[i]);
	put_text(&plain, slice_str(r->frontend));
	put_text(&plain, slice(r->address, r->address_n));
	put_text(&plain, slice(r->detail, r->detail_n));
	if (r->several)
		buf_putc(&plain, TOKEN_SEVERAL);
	if (buf_failed(&plain))
		e = E_INVALID;
	else
		seal_box(k, SL(TOKEN_AAD), buf_slice(&plain), out);
	buf_fini(&plain);
	if (e == E_OK && buf_failed(out))
		e = E_LIMIT;
	return e;
}

static bool take_text(slice_t *s, size_t max, slice_t *out)
{
	size_t n;

	if (s->n < 2)
		return false;
	n = be16_get(s->p);
	if (n > max || s->n - 2 < n)
		return false;
	*out = slice_sub(*s, 2, n);
	*s = slice_from(*s, 2 + n);
	return true;
}

static bool take_flags(slice_t s, struct rcpt_token *r)
{
	r->several = s.n != 0;
	return s.n == 0 || (s.n == 1 && s.p[0] == TOKEN_SEVERAL);
}

static bool decode(slice_t s, struct rcpt_token *r)
{
	slice_t frontend, address, detail;
	size_t ids;

	*r = (struct rcpt_token){.naccounts = 0};
	if (s.n < 15 || s.p[0] != TOKEN_VERSION || s.p[1] < RCPT_ACCOUNTS || s.p[1] > RCPT_SENT)
		return false;
	r->kind = (enum rcpt_kind)s.p[1];
	r->partition = be32_get(s.p + 2);
	r->expires_s = (int64_t)be64_get(s.p + 6);
	r->naccounts = (uint8_t)s.p[14];
	s = slice_from(s, 15);
	ids = (size_t)r->naccounts * 8;
	if (r->naccounts > RCPT_TOKEN_ACCOUNTS || s.n < ids)
		return false;
	for (size_t i = 0; i < r->naccounts; i++)
		r->accounts[i] = be64_get(s.p + i * 8);
	s = slice_from(s, ids);
	if (!take_text(&s, sizeof(r->frontend) - 1, &frontend) ||
	    !take_text(&s, sizeof(r->address), &address) ||
	    !take_text(&s, sizeof(r->detail), &detail) || !take_flags(s, r) ||
	    !slice_to_str(frontend, r->frontend, sizeof(r->frontend)))
		return false;
	r->address_n = (uint16_t)address.n;
	memcpy(r->address, address.p, address.n);
	r->detail_n = (uint16_t)detail.n;
	memcpy(r->detail, detail.p, detail.n);
	return true;
}

static enum err refuse(const char *why, struct diag *d)
{
	metric_add(&m_refused, 1);
	return diag_set(d, E_NO_TICKET, "recipient token: %s", why);
}

enum err rcpt_token_open(struct tickets *t, slice_t bytes, const struct rpc_identity *peer,
			 struct rcpt_token *out, struct diag *d)
{
	const struct seal_key *k = NULL;
	struct buf plain;
	enum err e;

	if (bytes.n > RCPT_TOKEN_MAX)
		return refuse("forged", d);
	e = ticket_key_find(t, bytes, &k);
	if (e == E_RETRY)
		return diag_set(d, e, "sealed with a key that is not here yet");
	if (e != E_OK)
		return refuse("forged", d);
	buf_init(&plain, PLAIN_MAX, NULL);
	if (seal_open(k, SL(TOKEN_AAD), bytes, &plain) != E_OK || !decode(buf_slice(&plain), out))
		e = refuse("forged", d);
	else if (peer->role != ROLE_BACKEND &&
		 (peer->role != ROLE_FRONTEND || strcmp(peer->name, out->frontend) != 0))
		e = refuse("given to another front-end", d);
	else if (out->expires_s <= clock_wall_s())
		e = refuse("expired", d);
	buf_fini(&plain);
	return e;
}

#include "backend/ticket/lease_token.h"

#include "backend/ticket/ticket_priv.h"
#include "common/base/clock.h"
#include "common/log/metric.h"

#define TOKEN_VERSION 3
#define TOKEN_AAD     "postern lease"
#define PLAIN_MAX     (LEASE_TOKEN_MAX - SEAL_OVERHEAD)
#define TELLS_SUCCESS 0x80 /* in the kind's byte */
/* Version, kind, partition, record, expiry, route, lease, name's length, count; then the trace. */
#define FIXED_BYTES   40
#define HEAD_BYTES    (FIXED_BYTES + LEASE_TRACE_BYTES)

_Static_assert(HEAD_BYTES + RPC_NAME_MAX + LEASE_ITEMS_MAX * 8 <= PLAIN_MAX, "a full one fits");

METRIC_COUNTER(m_refused, "lease_tokens_refused_total", "Leases of the way out refused");

enum err lease_token_seal(struct tickets *t, struct lease_token *l, struct buf *out)
{
	const struct seal_key *k = ticket_key_seal(t);
	size_t name_n = strlen(l->frontend), n = HEAD_BYTES + name_n + l->n * 8;
	struct buf plain;
	char *p;

	if (k == NULL)
		return E_RETRY;
	if (l->n == 0 || l->n > LEASE_ITEMS_MAX)
		return E_INVALID;
	l->expires_s = clock_wall_s() + LEASE_TOKEN_LIFE_S;
	buf_init(&plain, PLAIN_MAX, NULL);
	p = buf_reserve(&plain, n);
	invariant(p != NULL);
	p[0] = TOKEN_VERSION;
	p[1] = (char)((uint8_t)l->kind | (l->tells_success ? TELLS_SUCCESS : 0));
	be32_put(p + 2, l->partition);
	be64_put(p + 6, l->record_no);
	be64_put(p + 14, (uint64_t)l->expires_s);
	be64_put(p + 22, l->route);
	be64_put(p + 30, (uint64_t)l->leased_us);
	p[38] = (char)name_n;
	p[39] = (char)l->n;
	memcpy(p + FIXED_BYTES, l->trace_id, LEASE_TRACE_BYTES);
	memcpy(p + HEAD_BYTES, l->frontend, name_n);
	for (size_t i = 0; i < l->n; i++)
		be64_put(p + HEAD_BYTES + name_n + i * 8, l->items[i]);
	buf_commit(&plain, n);
	seal_box(k, SL(TOKEN_AAD), buf_slice(&plain), out);
	buf_fini(&plain);
	return buf_failed(out) ? E_LIMIT : E_OK;
}

static bool decode(slice_t s, struct lease_token *l)
{
	unsigned kind;
	size_t name_n, n;

	*l = (struct lease_token){.n = 0};
	if (s.n < HEAD_BYTES || s.p[0] != TOKEN_VERSION)
		return false;
	kind = (uint8_t)s.p[1] & ~(unsigned)TELLS_SUCCESS;
	if (kind != LEASE_SEND && kind != LEASE_NOTICE)
		return false;
	l->kind = (enum lease_kind)kind;
	l->tells_success = ((uint8_t)s.p[1] & TELLS_SUCCESS) != 0;
	l->partition = be32_get(s.p + 2);
	l->record_no = be64_get(s.p + 6);
	l->expires_s = (int64_t)be64_get(s.p + 14);
	memcpy(l->trace_id, s.p + FIXED_BYTES, LEASE_TRACE_BYTES);
	l->route = be64_get(s.p + 22);
	l->leased_us = (int64_t)be64_get(s.p + 30);
	name_n = (uint8_t)s.p[38];
	l->n = (uint8_t)s.p[39];
	n = HEAD_BYTES + name_n + l->n * 8;
	if (l->n == 0 || l->n > LEASE_ITEMS_MAX || s.n != n ||
	    !slice_to_str(slice_sub(s, HEAD_BYTES, name_n), l->frontend, sizeof l->frontend))
		return false;
	for (size_t i = 0; i < l->n; i++)
		l->items[i] = be64_get(s.p + HEAD_BYTES + name_n + i * 8);
	return true;
}

static enum err refuse(const char *why, struct diag *d)
{
	metric_add(&m_refused, 1);
	return diag_set(d, E_NO_TICKET, "lease: %s", why);
}

enum err lease_token_open(struct tickets *t, slice_t bytes, const struct rpc_identity *peer,
			  struct lease_token *out, struct diag *d)
{
	const struct seal_key *k = NULL;
	struct buf plain;
	enum err e;

	if (bytes.n > LEASE_TOKEN_MAX)
		return refuse("forged", d);
	e = ticket_key_find(t, bytes, &k);
	if (e == E_RETRY)
		return diag_set(d, e, "sealed with a key that is not here yet");
	if (e != E_OK)
		return refuse("forged", d);
	buf_init(&plain, PLAIN_MAX, NULL);
	if (seal_open(k, SL(TOKEN_AAD), bytes, &plain) != E_OK || !decode(buf_slice(&plain), out))
		e = refuse("forged", d);
	else if (peer->role != ROLE_FRONTEND || strcmp(peer->name, out->frontend) != 0)
		e = refuse("given to another front-end", d);
	else if (out->expires_s <= clock_wall_s())
		e = refuse("expired", d);
	buf_fini(&plain);
	return e;
}

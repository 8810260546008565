/*
 * A row: version, state, closed, day, tries, five times, three counts; domain and the last try's
 * words, each with a byte of its length. Then its policies, one after the other: type, text with
 * two bytes of its length, successes, failures, and the number of details, each of them: result,
 * four texts, count.
 */
#include "backend/queue/tls_sum_pack.h"

#include "common/base/num.h"
#include "common/parse/idn.h"

#define VERSION      1
#define POLICY_BYTES (1 + 2 + 8 + 8 + 2)
#define DETAIL_BYTES (1 + 4 + 8)

/* ---- pieces ---- */

static void put_u64(struct buf *b, uint64_t v)
{
	char bytes[8];

	be64_put(bytes, v);
	buf_put(b, slice(bytes, sizeof bytes));
}

static void put_u16(struct buf *b, size_t v)
{
	char bytes[2];

	be16_put(bytes, (uint16_t)v);
	buf_put(b, slice(bytes, sizeof bytes));
}

static void put_short(struct buf *b, slice_t s)
{
	buf_putc(b, (char)s.n);
	buf_put(b, s);
}

static bool take(slice_t *in, size_t n, slice_t *out)
{
	if (in->n < n)
		return false;
	*out = slice_sub(*in, 0, n);
	*in = slice_from(*in, n);
	return true;
}

static bool take_u64(slice_t *in, uint64_t *out)
{
	slice_t s;

	if (!take(in, 8, &s) || s.p == NULL)
		return false;
	*out = be64_get(s.p);
	return true;
}

static bool take_u16(slice_t *in, size_t *out)
{
	slice_t s;

	if (!take(in, 2, &s) || s.p == NULL)
		return false;
	*out = be16_get(s.p);
	return true;
}

static bool take_u8(slice_t *in, unsigned *out)
{
	slice_t s;

	if (!take(in, 1, &s) || s.p == NULL)
		return false;
	*out = (unsigned char)s.p[0];
	return true;
}

static bool take_short(slice_t *in, slice_t *out)
{
	unsigned n;

	return take_u8(in, &n) && take(in, n, out);
}

/* ---- the head ---- */

void tls_sum_pack_head(const struct tls_row *r, int64_t tried_us, bool closed, struct buf *out)
{
	char head[TLS_SUM_HEAD] = {VERSION, (char)r->state, (char)closed};

	be32_put(head + 4, (uint32_t)r->day);
	be32_put(head + 8, r->tries);
	be64_put(head + 12, (uint64_t)r->from_us);
	be64_put(head + 20, (uint64_t)r->to_us);
	be64_put(head + 28, (uint64_t)r->due_us);
	be64_put(head + 36, (uint64_t)r->made_us);
	be64_put(head + 44, (uint64_t)tried_us);
	be64_put(head + 52, r->successes);
	be64_put(head + 60, r->failures);
	be64_put(head + 68, r->unlisted);
	buf_put(out, slice(head, sizeof head));
	put_short(out, slice_str(r->domain));
	put_short(out, slice_str(r->last));
}

enum err tls_sum_unpack_head(slice_t *in, struct tls_row *out, int64_t *tried_us, bool *closed,
			     slice_t *domain)
{
	slice_t h, last;

	if (!take(in, TLS_SUM_HEAD, &h) || h.p[0] != VERSION || h.p[1] < 0 ||
	    h.p[1] > TLS_ROW_FAILED || !take_short(in, domain) || !take_short(in, &last) ||
	    !slice_to_str(last, out->last, sizeof out->last))
		return E_CORRUPT;
	out->state = (enum tls_row_state)h.p[1];
	*closed = h.p[2] != 0;
	out->day = (int32_t)be32_get(h.p + 4);
	out->tries = be32_get(h.p + 8);
	out->from_us = (int64_t)be64_get(h.p + 12);
	out->to_us = (int64_t)be64_get(h.p + 20);
	out->due_us = (int64_t)be64_get(h.p + 28);
	out->made_us = (int64_t)be64_get(h.p + 36);
	*tried_us = (int64_t)be64_get(h.p + 44);
	out->successes = be64_get(h.p + 52);
	out->failures = be64_get(h.p + 60);
	out->unlisted = be64_get(h.p + 68);
	return E_OK;
}

/* ---- the content ---- */

static void pack_detail(const struct tls_sessions *d, struct buf *out)
{
	buf_putc(out, (char)d->result);
	put_short(out, d->host);
	put_short(out, d->remote);
	put_short(out, d->local);
	put_short(out, d->why);
	put_u64(out, d->count);
}

void tls_sum_pack(const struct tls_sum *s, struct buf *out)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct tls_policy_sum *p = &s->policies[i];

		buf_putc(out, (char)p->type);
		put_u16(out, p->policy.n);
		buf_put(out, p->policy);
		put_u64(out, p->successes);
		put_u64(out, p->failures);
		put_u16(out, p->n);
		for (size_t k = 0; k < p->n; k++)
			pack_detail(&p->details[k], out);
	}
}

static bool unpack_detail(slice_t *in, struct tls_sessions *d)
{
	return take_u8(in, &d->result) && d->result <= TLS_RESULT_LAST &&
	       take_short(in, &d->host) && take_short(in, &d->remote) &&
	       take_short(in, &d->local) && take_short(in, &d->why) && take_u64(in, &d->count);
}

static bool unpack_policy(slice_t *in, struct arena *mem, struct tls_policy_sum *p)
{
	size_t text_n, n;

	if (!take_u8(in, &p->type) || !take_u16(in, &text_n) || !take(in, text_n, &p->policy) ||
	    !take_u64(in, &p->successes) || !take_u64(in, &p->failures) || !take_u16(in, &n) ||
	    n > TLS_SUMS_DETAILS_MAX)
		return false;
	p->details = arena_alloc(mem, TLS_SUMS_DETAILS_MAX * sizeof *p->details);
	for (p->n = 0; p->n < n; p->n++) {
		if (!unpack_detail(in, &p->details[p->n]))
			return false;
	}
	return true;
}

enum err tls_sum_unpack(slice_t in, struct arena *mem, struct tls_sum *out)
{
	out->policies = arena_alloc(mem, TLS_SUMS_POLICIES_MAX * sizeof *out->policies);
	for (out->n = 0; in.n != 0; out->n++) {
		if (out->n == TLS_SUMS_POLICIES_MAX ||
		    !unpack_policy(&in, mem, &out->policies[out->n]))
			return E_CORRUPT;
	}
	return E_OK;
}

/* ---- sums ---- */

static struct tls_policy_sum *policy_of(struct tls_sum *s, const struct tls_sessions *v,
					enum tls_sum_room room, struct arena *mem, size_t *size)
{
	struct tls_policy_sum *p;

	for (size_t i = 0; i < s->n; i++) {
		p = &s->policies[i];
		if (p->type == v->type && slice_eq(p->policy, v->policy))
			return p;
	}
	if (room == TLS_SUM_FULL || s->n == TLS_SUMS_POLICIES_MAX ||
	    *size + POLICY_BYTES + v->policy.n > TLS_SUMS_ROW_MAX)
		return NULL;
	*size += POLICY_BYTES + v->policy.n;
	p = &s->policies[s->n++];
	*p = (struct tls_policy_sum){.type = v->type, .policy = v->policy};
	p->details = arena_alloc(mem, TLS_SUMS_DETAILS_MAX * sizeof *p->details);
	return p;
}

static bool is_alike(const struct tls_sessions *a, const struct tls_sessions *b)
{
	return a->result == b->result && slice_eq(a->host, b->host) &&
	       slice_eq(a->remote, b->remote) && slice_eq(a->local, b->local) &&
	       slice_eq(a->why, b->why);
}

static bool add_detail(struct tls_policy_sum *p, const struct tls_sessions *v,
		       enum tls_sum_room room, size_t *size)
{
	size_t bytes = DETAIL_BYTES + v->host.n + v->remote.n + v->local.n + v->why.n;

	for (size_t i = 0; i < p->n; i++) {
		if (is_alike(&p->details[i], v)) {
			p->details[i].count += v->count;
			return true;
		}
	}
	if (room == TLS_SUM_FULL || p->n == TLS_SUMS_DETAILS_MAX ||
	    *size + bytes > TLS_SUMS_ROW_MAX)
		return false;
	*size += bytes;
	p->details[p->n++] = *v;
	return true;
}

enum tls_sum_added tls_sum_add(struct tls_sum *s, const struct tls_sessions *v,
			       enum tls_sum_room room, struct arena *mem, size_t *size)
{
	struct tls_policy_sum *p = policy_of(s, v, room, mem, size);

	if (p == NULL)
		return TLS_SUM_NO_ROOM;
	if (v->result == TLS_RESULT_OK) {
		p->successes += v->count;
		return TLS_SUM_ADDED;
	}
	p->failures += v->count;
	return add_detail(p, v, room, size) ? TLS_SUM_ADDED : TLS_SUM_UNLISTED;
}

/* ---- what a report may say ---- */

static bool text_ok(slice_t s, size_t max)
{
	if (s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	}
	return true;
}

static bool policy_ok(slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((s.p[i] < 0x20 && s.p[i] != '\n') || s.p[i] > 0x7e)
			return false;
	}
	return s.n <= TLS_TOLD_POLICY_MAX;
}

bool tls_sum_may_say(const struct tls_sessions *v)
{
	char name[DOMAIN_MAX + 1];

	return v->type != TLS_POLICY_UNTOLD && v->type <= TLS_POLICY_LAST &&
	       v->result <= TLS_RESULT_LAST && v->count != 0 && v->count <= UINT32_MAX &&
	       domain_normalise(v->domain, name) == E_OK && slice_eq(v->domain, slice_str(name)) &&
	       policy_ok(v->policy) && text_ok(v->host, TLS_SUMS_TEXT_MAX) &&
	       text_ok(v->remote, TLS_SUMS_TEXT_MAX) && text_ok(v->local, TLS_SUMS_TEXT_MAX) &&
	       text_ok(v->why, TLS_TOLD_REASON_MAX);
}

#include "backend/delivery/srs.h"

#include "common/crypto/digest.h"
#include "common/crypto/secret.h"
#include "common/parse/addr.h"

#define HASH_CHARS 6
#define DAY_CHARS  2
#define DAYS       1024 /* two characters of base32 */
#define DAY_S      86400

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

void srs_key_make(const uint8_t secret[32], struct srs_key *out)
{
	hmac_sha256(slice(secret, 32), SL("postern srs"), out->bytes);
}

/* ---- parts ---- */

struct parts {
	slice_t local, domain;
};

static bool split(slice_t address, struct parts *out)
{
	const char *at = address.n != 0 ? memrchr(address.p, '@', address.n) : NULL;

	if (at == NULL)
		return false;
	out->local = slice_sub(address, 0, (size_t)(at - address.p));
	out->domain = slice_from(address, out->local.n + 1);
	return out->local.n != 0 && out->domain.n != 0;
}

/* SRS0 or SRS1 and one of the separators that the scheme knows. */
static bool begins(slice_t local, slice_t tag)
{
	return slice_istarts(local, tag) && local.n > tag.n &&
	       (local.p[tag.n] == '=' || local.p[tag.n] == '+' || local.p[tag.n] == '-');
}

bool srs_is(slice_t address)
{
	return begins(address, SL("SRS0")) || begins(address, SL("SRS1"));
}

/* Dot-string of RFC 5321 section 4.1.2: what needs no quotes. */
static bool is_plain(slice_t local)
{
	static const char marks[] = "!#$%&'*+-/=?^_`{|}~";
	char before = '.';

	for (size_t i = 0; i < local.n; before = local.p[i++]) {
		char c = ascii_lower(local.p[i]);

		if (c == '.' ? before == '.'
			     : (c < 'a' || c > 'z') && (c < '0' || c > '9') &&
				       (c == '\0' || strchr(marks, c) == NULL))
			return false;
	}
	return before != '.';
}

/* ---- hash and day ---- */

static void hash(const struct srs_key *k, slice_t tag, slice_t rest, char out[HASH_CHARS])
{
	uint8_t mac[SHA256_LEN];
	uint32_t bits;
	struct buf b;

	buf_init(&b, ADDR_PATH_MAX + 16, NULL);
	buf_put(&b, tag);
	for (size_t i = 0; i < rest.n; i++)
		buf_putc(&b, ascii_lower(rest.p[i]));
	hmac_sha256(slice(k->bytes, sizeof k->bytes), buf_slice(&b), mac);
	buf_fini(&b);
	bits = (uint32_t)mac[0] << 24 | (uint32_t)mac[1] << 16 | (uint32_t)mac[2] << 8 | mac[3];
	for (size_t i = 0; i < HASH_CHARS; i++)
		out[i] = alphabet[bits >> (27 - 5 * i) & 31];
}

/* Takes HHHHHH= from the front of what follows "SRSn=". */
static bool hash_fits(const struct srs_key *k, slice_t tag, slice_t *rest)
{
	char right[HASH_CHARS], given[HASH_CHARS];

	if (rest->n < HASH_CHARS + 1 || rest->p[HASH_CHARS] != '=')
		return false;
	for (size_t i = 0; i < HASH_CHARS; i++)
		given[i] = ascii_lower(rest->p[i]);
	*rest = slice_from(*rest, HASH_CHARS + 1);
	hash(k, tag, *rest, right);
	return secret_eq(slice(given, HASH_CHARS), slice(right, HASH_CHARS));
}

static void put_day(int64_t now_s, struct buf *out)
{
	uint32_t day = (uint32_t)(now_s / DAY_S % DAYS);

	buf_putc(out, alphabet[day / 32]);
	buf_putc(out, alphabet[day % 32]);
}

static int digit(char c)
{
	const char *p = c != '\0' ? strchr(alphabet, ascii_lower(c)) : NULL;

	return p != NULL ? (int)(p - alphabet) : -1;
}

static bool is_fresh(slice_t day, int64_t now_s)
{
	int high = digit(day.p[0]), low = digit(day.p[1]);
	int64_t age;

	if (high < 0 || low < 0)
		return false;
	age = (now_s / DAY_S - (high * 32 + low)) % DAYS;
	if (age < 0)
		age += DAYS;
	/* Clocks of two back-ends may stand at two sides of a midnight. */
	return age <= SRS_VALID_DAYS || age == DAYS - 1;
}

/* ---- there ---- */

/* What follows the hash. */
static void body_of(const struct parts *p, slice_t *tag, int64_t now_s, struct buf *out)
{
	if (begins(p->local, SL("SRS1"))) {
		slice_t rest = slice_from(p->local, 5);

		*tag = SL("SRS1=");
		buf_put(out, slice_from(rest, slice_find_char(rest, '=') + 1));
	} else if (begins(p->local, SL("SRS0"))) {
		*tag = SL("SRS1=");
		buf_put(out, p->domain);
		buf_putc(out, '=');
		buf_put(out, slice_from(p->local, 4));
	} else {
		*tag = SL("SRS0=");
		put_day(now_s, out);
		buf_putc(out, '=');
		buf_put(out, p->domain);
		buf_putc(out, '=');
		buf_put(out, p->local);
	}
}

enum err srs_forward(const struct srs_key *k, slice_t sender, slice_t domain, int64_t now_s,
		     struct buf *out)
{
	struct parts p;
	struct buf body;
	char h[HASH_CHARS];
	slice_t tag;
	enum err e = E_OK;

	if (!split(sender, &p) || slice_find_char(p.domain, '=') != p.domain.n)
		return E_INVALID;
	buf_init(&body, ADDR_PATH_MAX * 2, NULL);
	body_of(&p, &tag, now_s, &body);
	if (buf_failed(&body) || tag.n + HASH_CHARS + 1 + body.n > ADDR_LOCAL_MAX)
		e = E_TOO_BIG;
	if (!is_plain(buf_slice(&body)) || !is_plain(p.local))
		e = E_INVALID;
	if (e == E_OK) {
		hash(k, tag, buf_slice(&body), h);
		buf_put(out, tag);
		buf_put(out, slice(h, sizeof h));
		buf_putc(out, '=');
		buf_put(out, buf_slice(&body));
		buf_putc(out, '@');
		buf_put(out, domain);
	}
	buf_fini(&body);
	return e;
}

/* ---- and back ---- */

static enum err reverse_first(const struct srs_key *k, slice_t rest, int64_t now_s, struct buf *out)
{
	slice_t host;

	if (!hash_fits(k, SL("SRS0="), &rest) || rest.n < DAY_CHARS + 1 || rest.p[DAY_CHARS] != '=')
		return E_INVALID;
	if (!is_fresh(rest, now_s))
		return E_TIMEOUT;
	rest = slice_from(rest, DAY_CHARS + 1);
	host = slice_sub(rest, 0, slice_find_char(rest, '='));
	rest = slice_from(rest, host.n + 1);
	if (host.n == 0 || rest.n == 0)
		return E_INVALID;
	buf_put(out, rest);
	buf_putc(out, '@');
	buf_put(out, host);
	return E_OK;
}

static enum err reverse_further(const struct srs_key *k, slice_t rest, struct buf *out)
{
	slice_t host;

	if (!hash_fits(k, SL("SRS1="), &rest))
		return E_INVALID;
	host = slice_sub(rest, 0, slice_find_char(rest, '='));
	rest = slice_from(rest, host.n + 1);
	if (host.n == 0 || rest.n < 2)
		return E_INVALID;
	buf_puts(out, "SRS0");
	buf_put(out, rest);
	buf_putc(out, '@');
	buf_put(out, host);
	return E_OK;
}

enum err srs_reverse(const struct srs_key *k, slice_t address, int64_t now_s, struct buf *out)
{
	struct parts p;

	/* Ours have "=" behind the tag. */
	if (!split(address, &p) || p.local.n < 6 || p.local.p[4] != '=')
		return E_INVALID;
	return begins(p.local, SL("SRS0")) ? reverse_first(k, slice_from(p.local, 5), now_s, out)
					   : reverse_further(k, slice_from(p.local, 5), out);
}

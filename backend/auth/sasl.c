#include "backend/auth/sasl.h"

#include "common/base/codec.h"

static const char *const names[] = {
	[SASL_PLAIN] = "PLAIN",         [SASL_LOGIN] = "LOGIN",
	[SASL_SCRAM] = "SCRAM-SHA-256", [SASL_SCRAM_PLUS] = "SCRAM-SHA-256-PLUS",
	[SASL_GSSAPI] = "GSSAPI",
};

bool sasl_mech_parse(slice_t name, enum sasl_mech *out)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!slice_ieq(name, slice_str(names[i])))
			continue;
		*out = (enum sasl_mech)i;
		return true;
	}
	return false;
}

const char *sasl_mech_name(enum sasl_mech m)
{
	return names[m];
}

/* message = [authzid] UTF8NUL authcid UTF8NUL passwd */
bool sasl_plain_parse(slice_t message, struct sasl_plain *out)
{
	size_t first = slice_find_char(message, '\0'), second;
	slice_t rest = slice_from(message, first + 1);

	if (first == message.n)
		return false;
	second = slice_find_char(rest, '\0');
	out->authzid = slice_sub(message, 0, first);
	out->authcid = slice_sub(rest, 0, second);
	out->password = slice_from(rest, second + 1);
	return second < rest.n && out->authcid.n > 0 && out->password.n > 0 &&
	       slice_find_char(out->password, '\0') == out->password.n;
}

/* ---- SCRAM ---- */

/* Takes up to the next comma, and the comma; the last piece has none. */
static slice_t take_piece(slice_t *s)
{
	size_t n = slice_find_char(*s, ',');
	slice_t piece = slice_sub(*s, 0, n);

	*s = slice_from(*s, n + 1);
	return piece;
}

/* "x=value" */
static bool is_attr(slice_t piece, char name)
{
	return piece.n >= 2 && piece.p[0] == name && piece.p[1] == '=';
}

/* printable = %x21-2B / %x2D-7E */
static bool nonce_ok(slice_t s, size_t max)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7e)
			return false;
	return s.n > 0 && s.n <= max;
}

/* gs2-cbind-flag "," [authzid] "," */
static enum err take_gs2(slice_t *rest, struct scram_first *out, struct diag *d)
{
	slice_t all = *rest, flag, authzid;

	if (slice_find_char(*rest, ',') == rest->n)
		return diag_set(d, E_INVALID, "no gs2 header");
	flag = take_piece(rest);
	if (slice_eq(flag, SL("n")) || slice_eq(flag, SL("y")))
		out->cb = flag.p[0];
	else if (slice_eq(flag, SL("p=tls-exporter")))
		out->cb = 'p';
	else
		return diag_set(d, E_INVALID, "unsupported channel binding");
	if (slice_find_char(*rest, ',') == rest->n)
		return diag_set(d, E_INVALID, "no gs2 header");
	authzid = take_piece(rest);
	if (authzid.n > 0 && !is_attr(authzid, 'a'))
		return diag_set(d, E_INVALID, "not an authzid");
	out->authzid = slice_from(authzid, 2);
	out->gs2 = slice_sub(all, 0, all.n - rest->n);
	return E_OK;
}

enum err scram_first_parse(slice_t message, struct scram_first *out, struct diag *d)
{
	slice_t rest = message, piece;
	enum err e = take_gs2(&rest, out, d);

	if (e != E_OK)
		return e;
	out->bare = rest;
	piece = take_piece(&rest);
	if (is_attr(piece, 'm'))
		return diag_set(d, E_INVALID, "a mandatory extension that is not known");
	if (!is_attr(piece, 'n') || piece.n == 2)
		return diag_set(d, E_INVALID, "no user name");
	out->username = slice_from(piece, 2);
	piece = take_piece(&rest);
	out->nonce = slice_from(piece, 2);
	if (!is_attr(piece, 'r') || !nonce_ok(out->nonce, SCRAM_NONCE_MAX))
		return diag_set(d, E_INVALID, "no nonce");
	/* Further extensions are optional ones and are passed over. */
	return E_OK;
}

bool sasl_name_decode(slice_t s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == ',' || s.p[i] == '\0')
			return false;
		if (s.p[i] != '=') {
			buf_putc(out, s.p[i]);
			continue;
		}
		if (slice_starts(slice_from(s, i), SL("=2C")))
			buf_putc(out, ',');
		else if (slice_starts(slice_from(s, i), SL("=3D")))
			buf_putc(out, '=');
		else
			return false;
		i += 2;
	}
	return !buf_failed(out);
}

bool scram_final_parse(slice_t message, struct scram_final *out)
{
	slice_t rest = message, piece = take_piece(&rest);

	if (!is_attr(piece, 'c'))
		return false;
	out->channel = slice_from(piece, 2);
	piece = take_piece(&rest);
	if (!is_attr(piece, 'r'))
		return false;
	out->nonce = slice_from(piece, 2);
	/* The proof is the last attribute; extensions may stand before it. */
	do {
		out->without_proof = slice_sub(message, 0, (size_t)(piece.p - message.p) + piece.n);
		if (rest.n == 0)
			return false;
		piece = take_piece(&rest);
	} while (!is_attr(piece, 'p'));
	out->proof = slice_from(piece, 2);
	return out->proof.n > 0 && out->proof.p + out->proof.n == message.p + message.n;
}

bool scram_channel_matches(slice_t channel, slice_t gs2, char cb, slice_t binding)
{
	struct buf got;
	bool ok;

	buf_init(&got, 1024, NULL);
	ok = base64_decode(&got, channel) && slice_starts(buf_slice(&got), gs2) &&
	     slice_eq(slice_from(buf_slice(&got), gs2.n), cb == 'p' ? binding : SLICE_NONE);
	buf_fini(&got);
	return ok;
}

/* ---- GSSAPI ---- */

bool sasl_gssapi_choice(slice_t message, slice_t *authzid)
{
	*authzid = slice_from(message, SASL_GSSAPI_OFFER.n);
	/* The size is of a layer's packets: where there is no layer, some say one all the same. */
	return message.n >= SASL_GSSAPI_OFFER.n && message.p[0] == SASL_GSSAPI_OFFER.p[0] &&
	       slice_find_char(*authzid, '\0') == authzid->n;
}

bool sasl_gssapi_offers(slice_t message)
{
	return message.n == SASL_GSSAPI_OFFER.n && ((unsigned char)message.p[0] & 1) != 0;
}

bool sasl_principal_parse(slice_t principal, slice_t *name, slice_t *realm)
{
	size_t at = slice_find_char(principal, '@');

	*name = slice_sub(principal, 0, at);
	*realm = slice_from(principal, at + 1);
	for (size_t i = 0; i < principal.n; i++) {
		unsigned char c = (unsigned char)principal.p[i];

		/* '/' parts components; a backslash quotes; another @ is not where it seems. */
		if (c <= ' ' || c == 0x7f || c == '\\' || c == '/' || (c == '@' && i != at))
			return false;
	}
	return name->n > 0 && realm->n > 0;
}

#include "common/crypto/sign.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

const char *sign_name(enum sign_algorithm a)
{
	return a == SIGN_RSA_SHA256 ? "rsa-sha256" : "ed25519-sha256";
}

const char *sign_key_type(enum sign_algorithm a)
{
	return a == SIGN_RSA_SHA256 ? "rsa" : "ed25519";
}

static int type_of(enum sign_algorithm a)
{
	return a == SIGN_RSA_SHA256 ? EVP_PKEY_RSA : EVP_PKEY_ED25519;
}

static const unsigned char *bytes_of(slice_t s)
{
	return (const unsigned char *)(s.n != 0 ? s.p : "");
}

/* ---- making ---- */

static EVP_PKEY *make(enum sign_algorithm a)
{
	EVP_PKEY *k = a == SIGN_RSA_SHA256
			      ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)SIGN_RSA_BITS)
			      : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	invariant(k != NULL);
	return k;
}

static void take_private(EVP_PKEY *k, struct secret *out)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(k);
	unsigned char *der = NULL;
	int n;

	invariant(info != NULL);
	n = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	invariant(n > 0 && n <= SIGN_PRIVATE_MAX);
	invariant(secret_set(out, slice(der, (size_t)n)));
	OPENSSL_clear_free(der, (size_t)n);
	PKCS8_PRIV_KEY_INFO_free(info); /* wipes its octets */
}

static void take_public(enum sign_algorithm a, EVP_PKEY *k, struct buf *out)
{
	unsigned char *der = NULL, raw[32];
	size_t raw_n = sizeof raw;
	int n;

	if (a == SIGN_ED25519_SHA256) {
		invariant(EVP_PKEY_get_raw_public_key(k, raw, &raw_n) == 1);
		buf_put(out, slice(raw, raw_n));
		return;
	}
	n = i2d_PUBKEY(k, &der);
	invariant(n > 0 && n <= SIGN_PUBLIC_MAX);
	buf_put(out, slice(der, (size_t)n));
	OPENSSL_free(der);
}

void sign_key_make(enum sign_algorithm a, struct secret *private_out, struct buf *public_out)
{
	EVP_PKEY *k = make(a);

	take_private(k, private_out);
	take_public(a, k, public_out);
	EVP_PKEY_free(k);
}

/* ---- reading ---- */

struct sign_key {
	enum sign_algorithm algorithm;
	EVP_PKEY *pkey;
	_Atomic unsigned refs;
};

/* All of der, and a key of that kind; NULL: not. */
static EVP_PKEY *checked(enum sign_algorithm a, EVP_PKEY *k, bool all)
{
	bool ok = k != NULL && all && EVP_PKEY_get_base_id(k) == type_of(a);

	if (ok && a == SIGN_RSA_SHA256)
		ok = EVP_PKEY_get_bits(k) >= SIGN_RSA_BITS_MIN &&
		     EVP_PKEY_get_bits(k) <= SIGN_RSA_BITS_MAX;
	if (ok)
		return k;
	EVP_PKEY_free(k);
	ERR_clear_error();
	return NULL;
}

static EVP_PKEY *read_private(enum sign_algorithm a, slice_t der)
{
	const unsigned char *p = bytes_of(der), *end = p + der.n;
	PKCS8_PRIV_KEY_INFO *info = NULL;
	EVP_PKEY *k = NULL;

	if (der.n <= SIGN_PRIVATE_MAX)
		info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.n);
	if (info != NULL)
		k = EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	return checked(a, k, p == end);
}

static EVP_PKEY *read_public(enum sign_algorithm a, slice_t bytes)
{
	const unsigned char *p = bytes_of(bytes), *end = p + bytes.n;
	EVP_PKEY *k = NULL;

	if (bytes.n > SIGN_PUBLIC_MAX)
		return NULL;
	if (a == SIGN_ED25519_SHA256)
		return checked(a, EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, p, bytes.n),
			       true);
	k = d2i_PUBKEY(NULL, &p, (long)bytes.n);
	return checked(a, k, p == end);
}

enum err sign_key_open(enum sign_algorithm a, slice_t private_key, struct sign_key **out)
{
	EVP_PKEY *pkey = read_private(a, private_key);

	if (pkey == NULL)
		return E_INVALID;
	*out = xmalloc(sizeof **out);
	**out = (struct sign_key){.algorithm = a, .pkey = pkey, .refs = 1};
	return E_OK;
}

struct sign_key *sign_key_ref(struct sign_key *k)
{
	k->refs++;
	return k;
}

void sign_key_unref(struct sign_key **kp)
{
	struct sign_key *k = *kp;

	*kp = NULL;
	if (k == NULL || --k->refs != 0)
		return;
	EVP_PKEY_free(k->pkey); /* wipes it */
	xfree(&k);
}

/* ---- signing ---- */

/* RSA signs the digest as such; Ed25519 takes it as its message. */
static bool sign_rsa(EVP_PKEY_CTX *ctx, const uint8_t *digest, unsigned char *sig, size_t *n)
{
	return EVP_PKEY_sign_init(ctx) == 1 &&
	       EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
	       EVP_PKEY_sign(ctx, sig, n, digest, SHA256_LEN) == 1;
}

static bool sign_with(enum sign_algorithm a, EVP_PKEY *k, const uint8_t *digest, unsigned char *sig,
		      size_t *n)
{
	EVP_PKEY_CTX *rsa = NULL;
	EVP_MD_CTX *ed = NULL;
	bool ok;

	if (a == SIGN_RSA_SHA256) {
		rsa = EVP_PKEY_CTX_new(k, NULL);
		ok = rsa != NULL && sign_rsa(rsa, digest, sig, n);
	} else {
		ed = EVP_MD_CTX_new();
		ok = ed != NULL && EVP_DigestSignInit(ed, NULL, NULL, NULL, k) == 1 &&
		     EVP_DigestSign(ed, sig, n, digest, SHA256_LEN) == 1;
	}
	EVP_PKEY_CTX_free(rsa);
	EVP_MD_CTX_free(ed);
	return ok;
}

enum err sign_digest(const struct sign_key *k, const uint8_t digest[SHA256_LEN], struct buf *out)
{
	unsigned char sig[SIGN_SIGNATURE_MAX];
	size_t n = sizeof sig;

	if (!sign_with(k->algorithm, k->pkey, digest, sig, &n)) {
		ERR_clear_error();
		return E_INVALID;
	}
	buf_put(out, slice(sig, n));
	return buf_failed(out) ? E_LIMIT : E_OK;
}

static bool verify_rsa(EVP_PKEY_CTX *ctx, const uint8_t *digest, slice_t signature)
{
	return EVP_PKEY_verify_init(ctx) == 1 &&
	       EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
	       EVP_PKEY_verify(ctx, bytes_of(signature), signature.n, digest, SHA256_LEN) == 1;
}

enum err sign_verify(enum sign_algorithm a, slice_t public_key, const uint8_t digest[SHA256_LEN],
		     slice_t signature)
{
	EVP_PKEY *k = read_public(a, public_key);
	EVP_PKEY_CTX *rsa = NULL;
	EVP_MD_CTX *ed = NULL;
	bool ok;

	if (k == NULL)
		return E_INVALID;
	if (a == SIGN_RSA_SHA256) {
		rsa = EVP_PKEY_CTX_new(k, NULL);
		ok = rsa != NULL && verify_rsa(rsa, digest, signature);
	} else {
		ed = EVP_MD_CTX_new();
		ok = ed != NULL && EVP_DigestVerifyInit(ed, NULL, NULL, NULL, k) == 1 &&
		     EVP_DigestVerify(ed, bytes_of(signature), signature.n, digest, SHA256_LEN) ==
			     1;
	}
	EVP_PKEY_CTX_free(rsa);
	EVP_MD_CTX_free(ed);
	EVP_PKEY_free(k);
	ERR_clear_error();
	return ok ? E_OK : E_DENIED;
}

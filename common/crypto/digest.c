#include "common/crypto/digest.h"

#include <pthread.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* Fetched once: looking an algorithm up costs more than hashing a short message with it. */
static EVP_MD *md_sha256;
static EVP_MAC *mac_hmac;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void setup(void)
{
	md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	mac_hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	invariant(md_sha256 != NULL && mac_hmac != NULL);
}

static const void *bytes_of(slice_t s)
{
	return s.n != 0 ? (const void *)s.p : "";
}

void sha256(slice_t in, uint8_t out[SHA256_LEN])
{
	pthread_once(&once, setup);
	invariant(EVP_Digest(bytes_of(in), in.n, out, NULL, md_sha256, NULL) == 1);
}

void hmac_sha256(slice_t key, slice_t in, uint8_t out[SHA256_LEN])
{
	char name[] = "SHA256";
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
			       OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *ctx;
	size_t n = 0;

	pthread_once(&once, setup);
	ctx = EVP_MAC_CTX_new(mac_hmac);
	invariant(ctx != NULL);
	invariant(EVP_MAC_init(ctx, bytes_of(key), key.n, params) == 1);
	invariant(EVP_MAC_update(ctx, bytes_of(in), in.n) == 1);
	invariant(EVP_MAC_final(ctx, out, &n, SHA256_LEN) == 1 && n == SHA256_LEN);
	EVP_MAC_CTX_free(ctx);
}

void pbkdf2_sha256(slice_t password, slice_t salt, uint32_t iterations, uint8_t out[SHA256_LEN])
{
	invariant(iterations >= 1 && iterations <= INT32_MAX);
	invariant(password.n <= INT32_MAX && salt.n <= INT32_MAX);
	pthread_once(&once, setup);
	invariant(PKCS5_PBKDF2_HMAC(bytes_of(password), (int)password.n, bytes_of(salt),
				    (int)salt.n, (int)iterations, md_sha256, SHA256_LEN, out) == 1);
}

struct sha256 {
	EVP_MD_CTX *ctx;
};

struct sha256 *sha256_new(void)
{
	struct sha256 *h = xmalloc(sizeof *h);

	pthread_once(&once, setup);
	h->ctx = EVP_MD_CTX_new();
	invariant(h->ctx != NULL && EVP_DigestInit_ex(h->ctx, md_sha256, NULL) == 1);
	return h;
}

void sha256_add(struct sha256 *h, slice_t in)
{
	invariant(EVP_DigestUpdate(h->ctx, bytes_of(in), in.n) == 1);
}

void sha256_peek(const struct sha256 *h, uint8_t out[SHA256_LEN])
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();

	invariant(copy != NULL && EVP_MD_CTX_copy_ex(copy, h->ctx) == 1);
	invariant(EVP_DigestFinal_ex(copy, out, NULL) == 1);
	EVP_MD_CTX_free(copy);
}

void sha256_free(struct sha256 **h)
{
	if (*h == NULL)
		return;
	EVP_MD_CTX_free((*h)->ctx);
	xfree(h);
}

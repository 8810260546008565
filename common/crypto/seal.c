#include "common/crypto/seal.h"

#include <sodium.h>

#include "common/base/num.h"
#include "common/crypto/random.h"
#include "common/crypto/secret.h"

#define SEAL_VERSION 1
#define SEAL_HEAD    (1 + 4)
#define SEAL_NONCE   crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define SEAL_TAG     crypto_aead_xchacha20poly1305_ietf_ABYTES
#define SEAL_AAD_MAX 512 /* what binds a box: an identity and a few ids */

_Static_assert(SEAL_KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key size");
_Static_assert(SEAL_OVERHEAD == SEAL_HEAD + SEAL_NONCE + SEAL_TAG, "box layout");
_Static_assert(NODE_KEY_LEN == crypto_box_PUBLICKEYBYTES, "public key size");
_Static_assert(NODE_KEY_LEN == crypto_box_SECRETKEYBYTES, "secret key size");
_Static_assert(NODE_BOX_OVERHEAD == crypto_box_SEALBYTES, "sealed box layout");

static const unsigned char *bytes_of(slice_t s)
{
	return (const unsigned char *)(s.n != 0 ? s.p : "");
}

void seal_key_make(uint32_t id, struct seal_key *out)
{
	out->id = id;
	random_bytes(out->key, sizeof out->key);
}

/* What is authenticated beside the plain text: the box's head, then the caller's. */
static slice_t full_aad(unsigned char room[SEAL_HEAD + SEAL_AAD_MAX], const char *head, slice_t aad)
{
	invariant(aad.n <= SEAL_AAD_MAX);
	memcpy(room, head, SEAL_HEAD);
	if (aad.n != 0)
		memcpy(room + SEAL_HEAD, aad.p, aad.n);
	return slice(room, SEAL_HEAD + aad.n);
}

void seal_box(const struct seal_key *k, slice_t aad, slice_t plain, struct buf *out)
{
	unsigned char room[SEAL_HEAD + SEAL_AAD_MAX];
	unsigned char *p = (unsigned char *)buf_reserve(out, plain.n + SEAL_OVERHEAD);
	slice_t ad;

	if (p == NULL)
		return;
	p[0] = SEAL_VERSION;
	be32_put(p + 1, k->id);
	random_bytes(p + SEAL_HEAD, SEAL_NONCE);
	ad = full_aad(room, (const char *)p, aad);
	crypto_aead_xchacha20poly1305_ietf_encrypt(p + SEAL_HEAD + SEAL_NONCE, NULL,
						   bytes_of(plain), plain.n, bytes_of(ad), ad.n,
						   NULL, p + SEAL_HEAD, k->key);
	buf_commit(out, plain.n + SEAL_OVERHEAD);
}

enum err seal_key_id(slice_t box, uint32_t *id_out)
{
	if (box.n < SEAL_OVERHEAD || box.p[0] != SEAL_VERSION)
		return E_INVALID;
	*id_out = be32_get(box.p + 1);
	return E_OK;
}

enum err seal_open(const struct seal_key *k, slice_t aad, slice_t box, struct buf *out)
{
	unsigned char room[SEAL_HEAD + SEAL_AAD_MAX];
	unsigned char none[1], *p;
	size_t n;
	uint32_t id;
	slice_t ad;

	if (seal_key_id(box, &id) != E_OK || id != k->id)
		return E_INVALID;
	n = box.n - SEAL_OVERHEAD;
	p = n != 0 ? (unsigned char *)buf_reserve(out, n) : none;
	if (p == NULL)
		return E_LIMIT;
	ad = full_aad(room, box.p, aad);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    p, NULL, NULL, bytes_of(box) + SEAL_HEAD + SEAL_NONCE, n + SEAL_TAG,
		    bytes_of(ad), ad.n, bytes_of(box) + SEAL_HEAD, k->key) != 0)
		return E_INVALID;
	if (n != 0)
		buf_commit(out, n);
	return E_OK;
}

void node_key_make(struct node_key *out)
{
	uint8_t secret_key[NODE_KEY_LEN];

	random_bytes(secret_key, sizeof secret_key);
	node_key_from_secret(secret_key, out);
	secret_wipe(secret_key, sizeof secret_key);
}

void node_key_from_secret(const uint8_t secret_key[NODE_KEY_LEN], struct node_key *out)
{
	memcpy(out->secret_key, secret_key, NODE_KEY_LEN);
	invariant(crypto_scalarmult_base(out->public_key, out->secret_key) == 0);
}

enum err node_box(const uint8_t public_key[NODE_KEY_LEN], slice_t plain, struct buf *out)
{
	unsigned char *p = (unsigned char *)buf_reserve(out, plain.n + NODE_BOX_OVERHEAD);

	if (p == NULL)
		return E_LIMIT;
	if (crypto_box_seal(p, bytes_of(plain), plain.n, public_key) != 0)
		return E_INVALID;
	buf_commit(out, plain.n + NODE_BOX_OVERHEAD);
	return E_OK;
}

enum err node_box_open(const struct node_key *k, slice_t box, struct buf *out)
{
	unsigned char none[1], *p;
	size_t n;

	if (box.n < NODE_BOX_OVERHEAD)
		return E_INVALID;
	n = box.n - NODE_BOX_OVERHEAD;
	p = n != 0 ? (unsigned char *)buf_reserve(out, n) : none;
	if (p == NULL)
		return E_LIMIT;
	if (crypto_box_seal_open(p, bytes_of(box), box.n, k->public_key, k->secret_key) != 0)
		return E_INVALID;
	if (n != 0)
		buf_commit(out, n);
	return E_OK;
}

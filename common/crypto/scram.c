/*
 * RFC 5802 section 3, with H = SHA-256:
 *
 *   SaltedPassword  = Hi(password, salt, i)            (PBKDF2)
 *   ClientKey       = HMAC(SaltedPassword, "Client Key")
 *   StoredKey       = H(ClientKey)
 *   ClientSignature = HMAC(StoredKey, AuthMessage)
 *   ClientProof     = ClientKey XOR ClientSignature
 *   ServerKey       = HMAC(SaltedPassword, "Server Key")
 *   ServerSignature = HMAC(ServerKey, AuthMessage)
 */
#include "common/crypto/scram.h"

#include "common/base/codec.h"
#include "common/base/num.h"
#include "common/crypto/random.h"
#include "common/crypto/secret.h"

#define SCRAM_PREFIX SL("SCRAM-SHA-256$")

static slice_t key_slice(const uint8_t key[SCRAM_KEY_LEN])
{
	return slice(key, SCRAM_KEY_LEN);
}

static void stored_and_server(const uint8_t salted[SCRAM_KEY_LEN], struct scram_verifier *out)
{
	uint8_t client_key[SCRAM_KEY_LEN];

	hmac_sha256(key_slice(salted), SL("Client Key"), client_key);
	sha256(key_slice(client_key), out->stored_key);
	hmac_sha256(key_slice(salted), SL("Server Key"), out->server_key);
	secret_wipe(client_key, sizeof client_key);
}

enum err scram_make_salted(slice_t password, slice_t salt, uint32_t iterations,
			   struct scram_verifier *out)
{
	uint8_t salted[SCRAM_KEY_LEN];

	if (password.n > SCRAM_PASSWORD_MAX)
		return E_TOO_BIG;
	if (iterations < SCRAM_ITER_MIN || iterations > SCRAM_ITER_MAX || salt.n == 0 ||
	    salt.n > SCRAM_SALT_MAX)
		return E_INVALID;
	*out = (struct scram_verifier){.iterations = iterations, .salt_n = (uint8_t)salt.n};
	memcpy(out->salt, salt.p, salt.n);
	pbkdf2_sha256(password, salt, iterations, salted);
	stored_and_server(salted, out);
	secret_wipe(salted, sizeof salted);
	return E_OK;
}

enum err scram_make(slice_t password, uint32_t iterations, struct scram_verifier *out)
{
	uint8_t salt[SCRAM_SALT_LEN];

	random_bytes(salt, sizeof salt);
	return scram_make_salted(password, slice(salt, sizeof salt), iterations, out);
}

void scram_format(const struct scram_verifier *v, struct buf *out)
{
	buf_put(out, SCRAM_PREFIX);
	buf_put_u64(out, v->iterations);
	buf_putc(out, ':');
	base64_encode(out, slice(v->salt, v->salt_n));
	buf_putc(out, '$');
	base64_encode(out, key_slice(v->stored_key));
	buf_putc(out, ':');
	base64_encode(out, key_slice(v->server_key));
}

/* Takes the part of *s up to ch (or the end, for ch 0), and steps over ch. */
static bool part_until(slice_t *s, char ch, slice_t *out)
{
	size_t n = ch != 0 ? slice_find_char(*s, ch) : s->n;

	if (ch != 0 && n == s->n)
		return false;
	*out = slice_sub(*s, 0, n);
	*s = slice_from(*s, n + 1);
	return true;
}

static bool decode_part(slice_t text, size_t min, size_t max, uint8_t *out, size_t *n_out)
{
	struct buf b;
	bool ok;

	buf_init(&b, max, NULL);
	ok = base64_decode(&b, text) && b.n >= min;
	if (ok) {
		memcpy(out, b.p, b.n);
		*n_out = b.n;
	}
	secret_wipe_buf(&b);
	buf_fini(&b);
	return ok;
}

enum err scram_parse(slice_t text, struct scram_verifier *out)
{
	slice_t s = text, iter, salt, stored, server;
	uint64_t iterations;
	size_t salt_n, n;

	if (text.n > SCRAM_STR_MAX || !slice_starts(s, SCRAM_PREFIX))
		return E_CORRUPT;
	s = slice_from(s, SCRAM_PREFIX.n);
	if (!part_until(&s, ':', &iter) || !part_until(&s, '$', &salt) ||
	    !part_until(&s, ':', &stored) || !part_until(&s, 0, &server))
		return E_CORRUPT;
	if (!num_parse(iter, SCRAM_ITER_MAX, &iterations) || iterations < SCRAM_ITER_MIN)
		return E_CORRUPT;
	*out = (struct scram_verifier){.iterations = (uint32_t)iterations};
	if (!decode_part(salt, 1, SCRAM_SALT_MAX, out->salt, &salt_n) ||
	    !decode_part(stored, SCRAM_KEY_LEN, SCRAM_KEY_LEN, out->stored_key, &n) ||
	    !decode_part(server, SCRAM_KEY_LEN, SCRAM_KEY_LEN, out->server_key, &n))
		return E_CORRUPT;
	out->salt_n = (uint8_t)salt_n;
	return E_OK;
}

void scram_decoy(slice_t key, slice_t name, uint32_t iterations, struct scram_verifier *out)
{
	uint8_t mac[SHA256_LEN];

	hmac_sha256(key, name, mac);
	*out = (struct scram_verifier){.iterations = iterations, .salt_n = SCRAM_SALT_LEN};
	memcpy(out->salt, mac, SCRAM_SALT_LEN);
	random_bytes(out->stored_key, sizeof out->stored_key);
	random_bytes(out->server_key, sizeof out->server_key);
}

enum err scram_check_password(const struct scram_verifier *v, slice_t password)
{
	struct scram_verifier mine;
	enum err e;

	e = scram_make_salted(password, slice(v->salt, v->salt_n), v->iterations, &mine);
	if (e != E_OK)
		return e;
	/* Both keys, so that a verifier with one of them damaged accepts nobody. */
	e = secret_eq(key_slice(v->stored_key), key_slice(mine.stored_key)) &&
			    secret_eq(key_slice(v->server_key), key_slice(mine.server_key))
		    ? E_OK
		    : E_DENIED;
	secret_wipe(&mine, sizeof mine);
	return e;
}

enum err scram_check_proof(const struct scram_verifier *v, slice_t auth_message, slice_t proof)
{
	uint8_t signature[SCRAM_KEY_LEN], client_key[SCRAM_KEY_LEN], stored[SCRAM_KEY_LEN];
	bool same;

	if (proof.n != SCRAM_KEY_LEN)
		return E_DENIED;
	hmac_sha256(key_slice(v->stored_key), auth_message, signature);
	for (size_t i = 0; i < SCRAM_KEY_LEN; i++)
		client_key[i] = (uint8_t)((uint8_t)proof.p[i] ^ signature[i]);
	sha256(key_slice(client_key), stored);
	same = secret_eq(key_slice(stored), key_slice(v->stored_key));
	secret_wipe(client_key, sizeof client_key);
	return same ? E_OK : E_DENIED;
}

void scram_server_signature(const struct scram_verifier *v, slice_t auth_message,
			    uint8_t out[SCRAM_KEY_LEN])
{
	hmac_sha256(key_slice(v->server_key), auth_message, out);
}

enum err scram_client_proof(slice_t password, slice_t salt, uint32_t iterations,
			    slice_t auth_message, uint8_t proof_out[SCRAM_KEY_LEN],
			    uint8_t server_signature_out[SCRAM_KEY_LEN])
{
	uint8_t salted[SCRAM_KEY_LEN], signature[SCRAM_KEY_LEN];
	struct scram_verifier v;

	if (password.n > SCRAM_PASSWORD_MAX)
		return E_TOO_BIG;
	if (iterations < SCRAM_ITER_MIN || iterations > SCRAM_ITER_MAX || salt.n == 0 ||
	    salt.n > SCRAM_SALT_MAX)
		return E_INVALID;
	pbkdf2_sha256(password, salt, iterations, salted);
	stored_and_server(salted, &v);
	hmac_sha256(key_slice(salted), SL("Client Key"), proof_out);
	hmac_sha256(key_slice(v.stored_key), auth_message, signature);
	for (size_t i = 0; i < SCRAM_KEY_LEN; i++)
		proof_out[i] ^= signature[i];
	scram_server_signature(&v, auth_message, server_signature_out);
	secret_wipe(salted, sizeof salted);
	secret_wipe(&v, sizeof v);
	return E_OK;
}

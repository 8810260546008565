#include "common/crypto/pwhash.h"

#include <pthread.h>

#include <sodium.h>

#include "common/base/num.h"
#include "common/crypto/secret.h"

_Static_assert(PWHASH_STR_MAX >= crypto_pwhash_STRBYTES, "a verifier fits");

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void setup(void)
{
	invariant(sodium_init() >= 0);
}

static const char *password_of(slice_t s)
{
	return s.n != 0 ? s.p : "";
}

enum err pwhash_make(slice_t password, struct buf *out)
{
	char text[crypto_pwhash_STRBYTES];

	if (password.n > PWHASH_PASSWORD_MAX)
		return E_TOO_BIG;
	pthread_once(&once, setup);
	if (crypto_pwhash_str_alg(text, password_of(password), password.n, PWHASH_PASSES,
				  PWHASH_MEMORY, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return E_LIMIT;
	buf_puts(out, text);
	return buf_failed(out) ? E_LIMIT : E_OK;
}

/* The number between `key` and the next ',' or '$'. */
static bool param(slice_t text, slice_t key, uint64_t *out)
{
	slice_t s = slice_from(text, slice_find(text, key));
	size_t n = 0;

	if (s.n == 0)
		return false;
	s = slice_from(s, key.n);
	while (n < s.n && s.p[n] != ',' && s.p[n] != '$')
		n++;
	return num_parse(slice_sub(s, 0, n), UINT32_MAX, out);
}

/* Reads the work that a verifier asks for; false when it is not one of Argon2id. */
static bool params(slice_t verifier, uint64_t *kib, uint64_t *passes)
{
	uint64_t lanes;

	return slice_starts(verifier, SL("$argon2id$v=19$m=")) && param(verifier, SL("$m="), kib) &&
	       param(verifier, SL(",t="), passes) && param(verifier, SL(",p="), &lanes) &&
	       lanes == 1;
}

enum err pwhash_verify(slice_t verifier, slice_t password)
{
	char text[PWHASH_STR_MAX];
	uint64_t kib, passes;

	if (password.n > PWHASH_PASSWORD_MAX)
		return E_TOO_BIG;
	/* A verifier that came from elsewhere must not make one log-in cost seconds. */
	if (!slice_to_str(verifier, text, sizeof text) || !params(verifier, &kib, &passes) ||
	    kib > 8 * (PWHASH_MEMORY / 1024) || passes > 8 * PWHASH_PASSES)
		return E_CORRUPT;
	pthread_once(&once, setup);
	if (crypto_pwhash_str_verify(text, password_of(password), password.n) == 0)
		return E_OK;
	return E_DENIED;
}

void pwhash_decoy(slice_t password)
{
	static const unsigned char salt[crypto_pwhash_SALTBYTES];
	unsigned char key[32];

	if (password.n > PWHASH_PASSWORD_MAX)
		return;
	pthread_once(&once, setup);
	if (crypto_pwhash(key, sizeof key, password_of(password), password.n, salt, PWHASH_PASSES,
			  PWHASH_MEMORY, crypto_pwhash_ALG_ARGON2ID13) == 0)
		secret_wipe(key, sizeof key);
}

bool pwhash_outdated(slice_t verifier)
{
	uint64_t kib, passes;

	return !params(verifier, &kib, &passes) || kib != PWHASH_MEMORY / 1024 ||
	       passes != PWHASH_PASSES;
}

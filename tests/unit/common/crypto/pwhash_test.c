#include "common/crypto/pwhash.h"

#include "tests/lib/check.h"

TEST(pwhash_round_trip)
{
	struct buf a, b;

	buf_init(&a, PWHASH_STR_MAX, NULL);
	buf_init(&b, PWHASH_STR_MAX, NULL);
	CHECK_ERR(pwhash_make(SL("correct horse"), &a), E_OK);
	CHECK_ERR(pwhash_make(SL("correct horse"), &b), E_OK);
	CHECK(!slice_eq(buf_slice(&a), buf_slice(&b))); /* salted */
	CHECK(slice_starts(buf_slice(&a), SL("$argon2id$v=19$m=19456,t=2,p=1$")));
	CHECK_ERR(pwhash_verify(buf_slice(&a), SL("correct horse")), E_OK);
	CHECK_ERR(pwhash_verify(buf_slice(&a), SL("correct horsf")), E_DENIED);
	CHECK_ERR(pwhash_verify(buf_slice(&a), SLICE_NONE), E_DENIED);
	CHECK(!pwhash_outdated(buf_slice(&a)));
	buf_fini(&a);
	buf_fini(&b);
}

TEST(pwhash_empty_password)
{
	struct buf a;

	buf_init(&a, PWHASH_STR_MAX, NULL);
	CHECK_ERR(pwhash_make(SLICE_NONE, &a), E_OK);
	CHECK_ERR(pwhash_verify(buf_slice(&a), SL("")), E_OK);
	CHECK_ERR(pwhash_verify(buf_slice(&a), SL("x")), E_DENIED);
	buf_fini(&a);
}

TEST(pwhash_limits)
{
	static char big[PWHASH_PASSWORD_MAX + 1];
	struct buf a;

	memset(big, 'x', sizeof big);
	buf_init(&a, PWHASH_STR_MAX, NULL);
	CHECK_ERR(pwhash_make(slice(big, sizeof big), &a), E_TOO_BIG);
	CHECK_INT(a.n, 0);
	CHECK_ERR(pwhash_make(slice(big, PWHASH_PASSWORD_MAX), &a), E_OK);
	CHECK_ERR(pwhash_verify(buf_slice(&a), slice(big, PWHASH_PASSWORD_MAX)), E_OK);
	CHECK_ERR(pwhash_verify(buf_slice(&a), slice(big, sizeof big)), E_TOO_BIG);
	pwhash_decoy(SL("whatever"));
	pwhash_decoy(slice(big, sizeof big));
	buf_fini(&a);

	buf_init(&a, 8, NULL);
	CHECK_ERR(pwhash_make(SL("x"), &a), E_LIMIT);
	buf_fini(&a);
}

TEST(pwhash_refuses_what_is_no_verifier)
{
	static const char *const bad[] = {
		"",
		"secret",
		"$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",
		"$argon2id$v=19$m=,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",
		"$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",
		"$argon2id$v=19$m=19456,t=2000,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",
		"$argon2id$v=19$m=19456,t=2,p=64$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("%s", bad[i]);
		CHECK_ERR(pwhash_verify(slice_str(bad[i]), SL("x")), E_CORRUPT);
	}
	CHECK(pwhash_outdated(SL("$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA")));
	CHECK(pwhash_outdated(SL("plain")));
}

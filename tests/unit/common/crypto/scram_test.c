#include "common/crypto/scram.h"

#include "common/base/codec.h"
#include "tests/lib/check.h"

/* The exchange of RFC 7677 section 3. */
#define SALT_B64  SL("W22ZaJ0SNY7soEsUEjb6gQ==")
#define PROOF_B64 SL("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
#define SIGN_B64  SL("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
#define AUTH_MESSAGE \
	SL("n=user,r=rOprNGfwEbeRWgbNEkqO," \
	   "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," \
	   "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096," \
	   "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")

static void decode(slice_t b64, struct buf *out)
{
	buf_init(out, 128, NULL);
	CHECK(base64_decode(out, b64));
}

TEST(scram_rfc7677)
{
	uint8_t proof_made[SCRAM_KEY_LEN], signature[SCRAM_KEY_LEN], theirs[SCRAM_KEY_LEN];
	struct buf salt, proof, sign;
	struct scram_verifier v;

	decode(SALT_B64, &salt);
	decode(PROOF_B64, &proof);
	decode(SIGN_B64, &sign);
	CHECK_ERR(scram_make_salted(SL("pencil"), buf_slice(&salt), 4096, &v), E_OK);
	CHECK_ERR(scram_check_proof(&v, AUTH_MESSAGE, buf_slice(&proof)), E_OK);
	scram_server_signature(&v, AUTH_MESSAGE, signature);
	CHECK_SLICE(slice(signature, sizeof signature), buf_slice(&sign));

	CHECK_ERR(scram_client_proof(SL("pencil"), buf_slice(&salt), 4096, AUTH_MESSAGE, proof_made,
				     theirs),
		  E_OK);
	CHECK_SLICE(slice(proof_made, sizeof proof_made), buf_slice(&proof));
	CHECK_SLICE(slice(theirs, sizeof theirs), buf_slice(&sign));

	CHECK_ERR(scram_check_password(&v, SL("pencil")), E_OK);
	CHECK_ERR(scram_check_password(&v, SL("Pencil")), E_DENIED);
	CHECK_ERR(scram_check_password(&v, SLICE_NONE), E_DENIED);
	for (size_t i = 0; i < SCRAM_KEY_LEN; i++) {
		proof.p[i] ^= 1;
		CHECK_ERR(scram_check_proof(&v, AUTH_MESSAGE, buf_slice(&proof)), E_DENIED);
		proof.p[i] ^= 1;
	}
	CHECK_ERR(scram_check_proof(&v, SL("n=other"), buf_slice(&proof)), E_DENIED);
	CHECK_ERR(scram_check_proof(&v, AUTH_MESSAGE, SLICE_NONE), E_DENIED);
	CHECK_ERR(scram_check_proof(&v, AUTH_MESSAGE, slice_sub(buf_slice(&proof), 0, 31)),
		  E_DENIED);
	buf_fini(&salt);
	buf_fini(&proof);
	buf_fini(&sign);
}

TEST(scram_text_round_trip)
{
	struct scram_verifier v, back;
	struct buf text;

	buf_init(&text, SCRAM_STR_MAX, NULL);
	CHECK_ERR(scram_make(SL("p\xc3\xa4ssword"), SCRAM_ITER_MIN, &v), E_OK);
	scram_format(&v, &text);
	CHECK(slice_starts(buf_slice(&text), SL("SCRAM-SHA-256$4096:")));
	CHECK_ERR(scram_parse(buf_slice(&text), &back), E_OK);
	CHECK_INT(back.iterations, SCRAM_ITER_MIN);
	CHECK_SLICE(slice(back.salt, back.salt_n), slice(v.salt, v.salt_n));
	CHECK_ERR(scram_check_password(&back, SL("p\xc3\xa4ssword")), E_OK);
	for (size_t cut = 0; cut < text.n; cut++)
		CHECK_ERR(scram_parse(slice_sub(buf_slice(&text), 0, cut), &back), E_CORRUPT);
	buf_putc(&text, '=');
	CHECK_ERR(scram_parse(buf_slice(&text), &back), E_CORRUPT);
	buf_fini(&text);
}

TEST(scram_parse_refuses)
{
#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	static const char *const bad[] = {
		"SCRAM-SHA-1$4096:AAAA$" KEY ":" KEY,
		"SCRAM-SHA-256$4095:AAAA$" KEY ":" KEY,
		"SCRAM-SHA-256$2000001:AAAA$" KEY ":" KEY,
		"SCRAM-SHA-256$99999999999999999999:AAAA$" KEY ":" KEY,
		"SCRAM-SHA-256$-1:AAAA$" KEY ":" KEY,
		"SCRAM-SHA-256$4096:$" KEY ":" KEY,
		"SCRAM-SHA-256$4096:AA*A$" KEY ":" KEY,
		"SCRAM-SHA-256$4096:AAAA$AAAA:" KEY,
		"SCRAM-SHA-256$4096:AAAA$" KEY ":AAAA",
		"SCRAM-SHA-256$4096:AAAA$" KEY,
	};
	struct scram_verifier v;

	CHECK_ERR(scram_parse(SL("SCRAM-SHA-256$4096:AAAA$" KEY ":" KEY), &v), E_OK);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("%s", bad[i]);
		CHECK_ERR(scram_parse(slice_str(bad[i]), &v), E_CORRUPT);
	}
}

TEST(scram_bounds)
{
	static char big[SCRAM_PASSWORD_MAX + 1];
	uint8_t a[SCRAM_KEY_LEN], b[SCRAM_KEY_LEN];
	struct scram_verifier v;

	memset(big, 'x', sizeof big);
	CHECK_ERR(scram_make(slice(big, sizeof big), SCRAM_ITER_MIN, &v), E_TOO_BIG);
	CHECK_ERR(scram_make(slice(big, sizeof big - 1), SCRAM_ITER_MIN, &v), E_OK);
	CHECK_ERR(scram_check_password(&v, slice(big, sizeof big)), E_TOO_BIG);
	CHECK_ERR(scram_make(SL("x"), SCRAM_ITER_MIN - 1, &v), E_INVALID);
	CHECK_ERR(scram_make(SL("x"), SCRAM_ITER_MAX + 1, &v), E_INVALID);
	CHECK_ERR(scram_make_salted(SL("x"), SLICE_NONE, SCRAM_ITER_MIN, &v), E_INVALID);
	CHECK_ERR(scram_make_salted(SL("x"), slice(big, SCRAM_SALT_MAX + 1), SCRAM_ITER_MIN, &v),
		  E_INVALID);
	CHECK_ERR(
		scram_client_proof(slice(big, sizeof big), SL("s"), SCRAM_ITER_MIN, SL("m"), a, b),
		E_TOO_BIG);
	CHECK_ERR(scram_client_proof(SL("x"), SL("s"), SCRAM_ITER_MAX + 1, SL("m"), a, b),
		  E_INVALID);
}

TEST(scram_decoy_is_steady)
{
	struct scram_verifier a, b, c;

	scram_decoy(SL("key"), SL("nobody@example.org"), SCRAM_ITER_DEFAULT, &a);
	scram_decoy(SL("key"), SL("nobody@example.org"), SCRAM_ITER_DEFAULT, &b);
	scram_decoy(SL("key"), SL("nobody2@example.org"), SCRAM_ITER_DEFAULT, &c);
	CHECK_INT(a.salt_n, SCRAM_SALT_LEN);
	CHECK_SLICE(slice(a.salt, a.salt_n), slice(b.salt, b.salt_n));
	CHECK(!slice_eq(slice(a.salt, a.salt_n), slice(c.salt, c.salt_n)));
	CHECK(!slice_eq(slice(a.stored_key, 32), slice(b.stored_key, 32)));
}

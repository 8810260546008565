/* DKIM's signatures; the vectors are those of RFC 8463 appendix A. */
#include "common/crypto/sign.h"

#include "common/base/codec.h"
#include "tests/lib/check.h"

#define HEAD \
	"from:Joe SixPack <joe@football.example.com>\r\n" \
	"to:Suzie Q <suzie@shopping.example.net>\r\n" \
	"subject:Is dinner ready?\r\n" \
	"date:Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" \
	"message-id:<20030712040037.46341.5F8J@football.example.com>\r\n"
/* What is hashed, in relaxed form: the fields and the signature itself without its b=. */
#define HASHED(alg, selector, h) \
	HEAD "dkim-signature:v=1; a=" alg "; c=relaxed/relaxed; d=football.example.com;" \
	     " i=@football.example.com; q=dns/txt; s=" selector "; t=1528637909; h=" h ";" \
	     " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b="
#define H_LIST "from : to : subject : date : message-id : from : subject : date"

static const char ed_public[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
/* PKCS#8 of nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A= (RFC 8410 section 7). */
static const char ed_private[] = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
static const char ed_signature[] = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus"
				   "Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
static const char rsa_public[] =
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi"
	"Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZy"
	"VYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
static const char rsa_signature[] = "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3"
				    "DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz"
				    "dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=";

static slice_t decode(struct buf *b, const char *text)
{
	buf_init(b, SIGN_PRIVATE_MAX, NULL);
	CHECK(base64_decode(b, slice_str(text)));
	return buf_slice(b);
}

/* Opens and signs. */
static enum err sign(enum sign_algorithm a, slice_t private, const uint8_t digest[SHA256_LEN],
		     struct buf *out)
{
	struct sign_key *k = NULL, *again;
	enum err e = sign_key_open(a, private, &k);

	if (e != E_OK)
		return e;
	again = sign_key_ref(k);
	sign_key_unref(&k);
	CHECK(k == NULL);
	e = sign_digest(again, digest, out);
	sign_key_unref(&again);
	return e;
}

TEST(sign_rfc8463_ed25519)
{
	uint8_t digest[SHA256_LEN];
	struct buf public, private, want, got;

	decode(&public, ed_public);
	decode(&private, ed_private);
	decode(&want, ed_signature);
	buf_init(&got, SIGN_SIGNATURE_MAX, NULL);
	sha256(SL(HASHED("ed25519-sha256", "brisbane", H_LIST)), digest);
	CHECK_ERR(sign(SIGN_ED25519_SHA256, buf_slice(&private), digest, &got), E_OK);
	CHECK_SLICE(buf_slice(&got), buf_slice(&want));
	CHECK_ERR(sign_verify(SIGN_ED25519_SHA256, buf_slice(&public), digest, buf_slice(&want)),
		  E_OK);
	digest[0] ^= 1;
	CHECK_ERR(sign_verify(SIGN_ED25519_SHA256, buf_slice(&public), digest, buf_slice(&want)),
		  E_DENIED);
	buf_fini(&public);
	buf_fini(&private);
	buf_fini(&want);
	buf_fini(&got);
}

TEST(sign_rfc8463_rsa)
{
	uint8_t digest[SHA256_LEN];
	struct buf public, want;

	decode(&public, rsa_public);
	decode(&want, rsa_signature);
	sha256(SL(HASHED("rsa-sha256", "test", H_LIST)), digest);
	CHECK_ERR(sign_verify(SIGN_RSA_SHA256, buf_slice(&public), digest, buf_slice(&want)), E_OK);
	digest[31] ^= 0x80;
	CHECK_ERR(sign_verify(SIGN_RSA_SHA256, buf_slice(&public), digest, buf_slice(&want)),
		  E_DENIED);
	buf_fini(&public);
	buf_fini(&want);
}

struct pair {
	struct secret private;
	struct buf public;
};

static void pair_make(struct pair *p, enum sign_algorithm a)
{
	p->private = SECRET_NONE;
	buf_init(&p->public, SIGN_PUBLIC_MAX, NULL);
	sign_key_make(a, &p->private, &p->public);
}

static void pair_fini(struct pair *p)
{
	secret_clear(&p->private);
	buf_fini(&p->public);
}

TEST(sign_made_keys)
{
	static const struct {
		enum sign_algorithm a;
		size_t public_n, signature_n;
		const char *name, *type;
	} cases[] = {
		{SIGN_RSA_SHA256, 294, 256, "rsa-sha256", "rsa"},
		{SIGN_ED25519_SHA256, 32, 64, "ed25519-sha256", "ed25519"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum sign_algorithm a = cases[i].a, other = cases[1 - i].a;
		uint8_t digest[SHA256_LEN];
		struct pair p;
		struct buf sig, again;

		pair_make(&p, a);
		buf_init(&sig, SIGN_SIGNATURE_MAX, NULL);
		buf_init(&again, SIGN_SIGNATURE_MAX, NULL);
		sha256(SL("some header"), digest);
		CHECK_STR(sign_name(a), cases[i].name);
		CHECK_STR(sign_key_type(a), cases[i].type);
		CHECK_INT(p.public.n, cases[i].public_n);
		CHECK(p.private.n > 0 && p.private.n <= SIGN_PRIVATE_MAX);
		CHECK_ERR(sign(a, secret_slice(&p.private), digest, &sig), E_OK);
		CHECK_ERR(sign(a, secret_slice(&p.private), digest, &again), E_OK);
		CHECK_INT(sig.n, cases[i].signature_n);
		CHECK_SLICE(buf_slice(&again), buf_slice(&sig));
		CHECK_ERR(sign_verify(a, buf_slice(&p.public), digest, buf_slice(&sig)), E_OK);
		/* Another kind of key is refused, not misread. */
		CHECK_ERR(sign(other, secret_slice(&p.private), digest, &sig), E_INVALID);
		CHECK_ERR(sign_verify(other, buf_slice(&p.public), digest, buf_slice(&again)),
			  E_INVALID);
		buf_fini(&sig);
		buf_fini(&again);
		pair_fini(&p);
	}
}

TEST(sign_refuses_what_is_no_key)
{
	uint8_t digest[SHA256_LEN] = {0};
	struct pair p;
	struct buf out, der;

	pair_make(&p, SIGN_ED25519_SHA256);
	buf_init(&out, SIGN_SIGNATURE_MAX, NULL);
	buf_init(&der, SIGN_PRIVATE_MAX + 2, NULL);
	for (size_t cut = 0; cut < p.private.n; cut++)
		CHECK_ERR(sign(SIGN_ED25519_SHA256, slice_sub(secret_slice(&p.private), 0, cut),
			       digest, &out),
			  E_INVALID);
	/* Nothing may follow it, and it has a limit. */
	buf_put(&der, secret_slice(&p.private));
	buf_putc(&der, 'x');
	CHECK_ERR(sign(SIGN_ED25519_SHA256, buf_slice(&der), digest, &out), E_INVALID);
	while (der.n < SIGN_PRIVATE_MAX + 1)
		buf_putc(&der, 'x');
	CHECK_ERR(sign(SIGN_ED25519_SHA256, buf_slice(&der), digest, &out), E_INVALID);
	CHECK_ERR(sign_verify(SIGN_RSA_SHA256, buf_slice(&der), digest, SL("x")), E_INVALID);
	CHECK_INT(out.n, 0);
	buf_fini(&out);
	buf_fini(&der);
	pair_fini(&p);
}

/* RFC 8301 section 3.2: 512 bits are no signature, whatever they verify. */
TEST(sign_small_rsa_is_refused)
{
	static const char small[] =
		"MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANJBacwgfS+FavCWGa/gF1LuLDlZBAXLnEh+aI"
		"00Xthmw3GM93Ph"
		"WTb75UL3h2hJ0cOqWiKFYLPWBhB05WzyqscCAwEAAQ==";
	uint8_t digest[SHA256_LEN] = {0};
	struct buf public;

	decode(&public, small);
	CHECK_ERR(sign_verify(SIGN_RSA_SHA256, buf_slice(&public), digest, SL("x")), E_INVALID);
	buf_fini(&public);
}

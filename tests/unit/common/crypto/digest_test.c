#include "common/crypto/digest.h"

#include "common/base/codec.h"
#include "tests/lib/check.h"

static void check_hex(const uint8_t *p, const char *want)
{
	struct buf b;

	buf_init(&b, 128, NULL);
	hex_encode(&b, slice(p, SHA256_LEN));
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	buf_fini(&b);
}

/* FIPS 180-2, appendix B. */
TEST(sha256_vectors)
{
	uint8_t out[SHA256_LEN];

	sha256(SL("abc"), out);
	check_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sha256(SLICE_NONE, out);
	check_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256(SL("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), out);
	check_hex(out, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(sha256_stream_splits)
{
	slice_t text = SL("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
	uint8_t want[SHA256_LEN], got[SHA256_LEN];

	sha256(text, want);
	for (size_t cut = 0; cut <= text.n; cut++) {
		struct sha256 *h = sha256_new();

		sha256_add(h, slice_sub(text, 0, cut));
		sha256_peek(h, got);
		sha256_add(h, slice_from(text, cut));
		sha256_peek(h, got);
		CHECK_SLICE(slice(got, sizeof got), slice(want, sizeof want));
		sha256_free(&h);
		CHECK(h == NULL);
	}
}

/* RFC 4231, cases 1, 2 and 6 (a key longer than the block). */
TEST(hmac_vectors)
{
	uint8_t out[SHA256_LEN];
	char key[131];

	memset(key, 0x0b, 20);
	hmac_sha256(slice(key, 20), SL("Hi There"), out);
	check_hex(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_sha256(SL("Jefe"), SL("what do ya want for nothing?"), out);
	check_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof key);
	hmac_sha256(slice(key, sizeof key),
		    SL("Test Using Larger Than Block-Size Key - Hash Key First"), out);
	check_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* RFC 7914 section 11 has the first 32 bytes of the first. */
TEST(pbkdf2_vectors)
{
	uint8_t out[SHA256_LEN];

	pbkdf2_sha256(SL("passwd"), SL("salt"), 1, out);
	check_hex(out, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
	pbkdf2_sha256(SL("password"), SL("salt"), 4096, out);
	check_hex(out, "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
	CHECK_DIES(pbkdf2_sha256(SL("x"), SL("y"), 0, out));
}

/* What is hashed for DKIM: the same for any cut; a field that the other side knows again; and of
 * the body what a plain reading of RFC 6376 section 3.4.4 says. */
#include "common/base/buf.h"
#include "common/base/codec.h"
#include "frontend/mailauth/dkim_canon.h"
#include "frontend/mailauth/dkim_hash.h"
#include "tests/fuzz/fuzz.h"

/* A line without its CRLF: runs of white space become one space, at the end none. */
static void put_line(struct buf *out, slice_t line)
{
	while (line.n > 0 && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
		line.n--;
	for (size_t i = 0; i < line.n; i++) {
		bool space = line.p[i] == ' ' || line.p[i] == '\t';

		if (!space)
			buf_putc(out, line.p[i]);
		else if (i == 0 || (line.p[i - 1] != ' ' && line.p[i - 1] != '\t'))
			buf_putc(out, ' ');
	}
	buf_puts(out, "\r\n");
}

/* The body as a whole, the slow way. */
static void relaxed(slice_t body, uint8_t out[SHA256_LEN])
{
	struct buf b;

	buf_init(&b, SIZE_MAX / 2, NULL);
	while (body.n > 0) {
		size_t n = slice_find(body, SL("\r\n"));

		put_line(&b, slice_sub(body, 0, n));
		body = slice_from(body, n + 2);
	}
	while (b.n >= 4 && slice_ends(buf_slice(&b), SL("\r\n\r\n")))
		b.n -= 2;
	if (slice_eq(buf_slice(&b), SL("\r\n")))
		b.n = 0;
	sha256(buf_slice(&b), out);
	buf_fini(&b);
}

static void check_body(slice_t body, size_t step)
{
	uint8_t want[SHA256_LEN], got[SHA256_LEN];
	struct dkim_body b;

	relaxed(body, want);
	dkim_body_init(&b, DKIM_RELAXED);
	for (; body.n > 0; body = slice_from(body, step))
		dkim_body_feed(&b, slice_sub(body, 0, step));
	dkim_body_end(&b, got);
	dkim_body_fini(&b);
	FUZZ_CHECK(memcmp(want, got, sizeof got) == 0);
}

/* The open field and the digest, as one text; empty: not to be signed. */
static void hash(slice_t message, size_t step, struct buf *out)
{
	struct dkim_sig sig = {"ed25519-sha256", SL("example.org"), SL("sel"), 1};
	struct dkim_hash *h = dkim_hash_new(NULL);
	uint8_t digest[SHA256_LEN];

	for (; message.n > 0; message = slice_from(message, step))
		dkim_hash_feed(h, slice_sub(message, 0, step));
	dkim_hash_add_field(h, SL("Date: now\r\n"));
	if (dkim_hash_end(h) == E_OK) {
		dkim_hash_sig(h, &sig, out, digest);
		FUZZ_CHECK(!buf_failed(out));
		FUZZ_CHECK(
			dkim_sig_is_open(buf_slice(out), sig.algorithm, sig.domain, sig.selector));
		hex_encode(out, slice(digest, sizeof digest));
	}
	dkim_hash_free(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, size);
	size_t step = 1 + fuzz_byte(&in) % 64;
	struct buf whole, cut;

	check_body(in, step);
	buf_init(&whole, DKIM_OPEN_MAX + 2 * SHA256_LEN, NULL);
	buf_init(&cut, DKIM_OPEN_MAX + 2 * SHA256_LEN, NULL);
	hash(in, MAX(in.n, (size_t)1), &whole);
	hash(in, step, &cut);
	FUZZ_CHECK(slice_eq(buf_slice(&whole), buf_slice(&cut)));
	buf_fini(&whole);
	buf_fini(&cut);
	return 0;
}

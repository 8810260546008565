/* Senders that stand for others: whatever is rewritten comes back as it was and fits where a local
 * part must, and nothing that we have not made is taken for ours. */
#include "backend/delivery/srs.h"
#include "common/parse/addr.h"
#include "tests/fuzz/fuzz.h"

#define NOW_S (20000LL * 86400)

static void there_and_back(const struct srs_key *k, slice_t sender)
{
	struct buf there, back;

	buf_init(&there, 1024, NULL);
	buf_init(&back, 1024, NULL);
	if (srs_forward(k, sender, SL("us.test"), NOW_S, &there) == E_OK) {
		FUZZ_CHECK(srs_is(buf_slice(&there)));
		FUZZ_CHECK(there.n <= ADDR_LOCAL_MAX + sizeof "@us.test" - 1);
		FUZZ_CHECK(srs_reverse(k, buf_slice(&there), NOW_S, &back) == E_OK ||
			   srs_is(sender));
		FUZZ_CHECK(srs_is(sender) || slice_eq(buf_slice(&back), sender));
	} else {
		FUZZ_CHECK(there.n == 0);
	}
	buf_fini(&back);
	buf_fini(&there);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[32] = "a secret that no input knows....";
	slice_t in = slice(data, size);
	struct srs_key k;
	struct buf out;

	srs_key_make(secret, &k);
	buf_init(&out, 1024, NULL);
	FUZZ_CHECK(srs_reverse(&k, in, NOW_S, &out) != E_OK);
	FUZZ_CHECK(out.n == 0);
	buf_fini(&out);
	there_and_back(&k, in);
	return 0;
}

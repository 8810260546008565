#include "common/crypto/random.h"

#include <errno.h>
#include <sys/random.h>

#include "common/base/clock.h"

static void (*fake_fill)(void *p, size_t n);

void random_replace(void (*fill)(void *p, size_t n))
{
	fake_fill = fill;
}

void random_bytes(void *p, size_t n)
{
	unsigned char *at = p;

	if (fake_fill != NULL) {
		fake_fill(p, n);
		return;
	}
	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		invariant(got > 0 || errno == EINTR);
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		}
	}
}

uint64_t random_u64(void)
{
	uint64_t v;

	random_bytes(&v, sizeof v);
	return v;
}

void random_uuid7(unsigned char out[UUID_BYTES])
{
	uint64_t ms = (uint64_t)clock_wall_us() / 1000;

	random_bytes(out + 6, UUID_BYTES - 6);
	for (unsigned i = 0; i < 6; i++)
		out[i] = (unsigned char)(ms >> (40 - 8 * i));
	out[6] = (unsigned char)(0x70 | (out[6] & 0x0f)); /* version */
	out[8] = (unsigned char)(0x80 | (out[8] & 0x3f)); /* variant */
}

uint32_t random_below(uint32_t n)
{
	/* Values below this would make the first remainders more likely than the last. */
	uint32_t uneven = n != 0 ? (0u - n) % n : 0;
	uint32_t v;

	invariant(n > 0);
	do
		random_bytes(&v, sizeof v);
	while (v < uneven);
	return v % n;
}

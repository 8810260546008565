#include "common/crypto/random.h"

#include <errno.h>
#include <sys/random.h>

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

/*
 * fuzz: the frame of every fuzz target. A target X is one file, tests/fuzz/X_fuzz.c, that defines
 * LLVMFuzzerTestOneInput; its seeds lie in tests/fuzz/corpus/X/, its tokens in tests/fuzz/X.dict.
 * Nothing else has to be registered: what it is linked with follows from its includes.
 *
 *   make fuzz          builds all with clang, ASan and UBSan, runs each for FUZZ_SECS seconds
 *   make fuzz-X        the same for one
 *   make fuzz-replay   with the ordinary compiler: every seed once; part of `make test`
 *
 * A target checks properties, not only that nothing crashes: FUZZ_CHECK what the module promises
 * (what was parsed and written parses to the same; limits hold). It must give back all memory, and
 * carry nothing from one input to the next.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "common/base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise of the code under test. */
#define FUZZ_CHECK(x) invariant(x)

/* Takes the first byte off the input, as a choice among cases; 0 when there is none. */
static inline unsigned fuzz_byte(slice_t *in)
{
	unsigned b = in->n != 0 && in->p != NULL ? (unsigned char)in->p[0] : 0;

	*in = slice_from(*in, 1);
	return b;
}

/* Takes what stands before the first NUL off the input (all, when there is none): for targets
 * that want several texts. */
static inline slice_t fuzz_text(slice_t *in)
{
	size_t n = slice_find_char(*in, '\0');
	slice_t s = slice_sub(*in, 0, n);

	*in = slice_from(*in, n + 1);
	return s;
}

#endif

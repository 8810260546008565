/* random: bytes from the kernel's generator. Thread-safe, never fails, safe after fork. */
#ifndef COMMON_CRYPTO_RANDOM_H
#define COMMON_CRYPTO_RANDOM_H

#include "common/base/base.h"

void random_bytes(void *p, size_t n);
uint64_t random_u64(void);
/* An id that sorts by the time at which it was made, with 74 random bits (UUID version 7, RFC 9562
 * 5.7): rows kept under such ids are written side by side. */
#define UUID_BYTES 16
void random_uuid7(unsigned char out[UUID_BYTES]);
/* Evenly 0 .. n-1; n > 0. */
uint32_t random_below(uint32_t n);

/* Bytes from a function of the caller's; NULL goes back. For tests and simulations only. */
void random_replace(void (*fill)(void *p, size_t n));

#endif

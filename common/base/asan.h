/* asan: what AddressSanitizer is told of memory whose use is up to us. In other builds all of it is
 * empty, and nothing is poisoned. */
#ifndef COMMON_BASE_ASAN_H
#define COMMON_BASE_ASAN_H

#include "common/base/base.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#define ASAN_BUILD true
#else
#define ASAN_BUILD false
#endif

/* A use of these bytes is reported from now on, until they are unpoisoned or freed. */
static inline void asan_poison(const void *p UNUSED, size_t n UNUSED)
{
#ifdef WITH_ASAN
	__asan_poison_memory_region(p, n);
#endif
}

static inline void asan_unpoison(const void *p UNUSED, size_t n UNUSED)
{
#ifdef WITH_ASAN
	__asan_unpoison_memory_region(p, n);
#endif
}

/* Whether a use of this byte would be reported. */
static inline bool asan_poisoned(const void *p UNUSED)
{
#ifdef WITH_ASAN
	return __asan_address_is_poisoned(p) != 0;
#else
	return false;
#endif
}

#endif

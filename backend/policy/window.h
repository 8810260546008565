/*
 * window: how much happened lately, in a few numbers. Time is cut into buckets; what is asked for
 * is the sum of those that the span touches, so never less than what happened within it, and at
 * most one bucket more. A clock that steps back counts as one that stands.
 */
#ifndef BACKEND_POLICY_WINDOW_H
#define BACKEND_POLICY_WINDOW_H

#include "common/base/base.h"

#define WINDOW_BUCKETS 13 /* twelve make the span; the thirteenth has partly left it */

enum window_span { WINDOW_MINUTE, WINDOW_TEN_MINUTES, WINDOW_HOUR, WINDOW_DAY };

/* Zeroed: nothing happened. */
struct window {
	int64_t slot; /* of the newest bucket: time divided by its width */
	uint32_t v[WINDOW_BUCKETS];
};

void window_add(struct window *w, enum window_span span, int64_t now_us, uint32_t n);
/* Takes back what was added; as far as the newest buckets have it. */
void window_take_back(struct window *w, enum window_span span, int64_t now_us, uint32_t n);
uint64_t window_sum(const struct window *w, enum window_span span, int64_t now_us);
/* When n more are within max, if nothing else happens: now_us when they are; INT64_MAX: never. */
int64_t window_room_at(const struct window *w, enum window_span span, int64_t now_us, uint64_t max,
		       uint64_t n);

#endif

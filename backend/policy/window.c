#include "backend/policy/window.h"

#define SECOND_US 1000000LL

static int64_t width_us(enum window_span span)
{
	switch (span) {
	case WINDOW_MINUTE:
		return 5 * SECOND_US;
	case WINDOW_TEN_MINUTES:
		return 50 * SECOND_US;
	case WINDOW_HOUR:
		return 300 * SECOND_US;
	case WINDOW_DAY:
		return 7200 * SECOND_US;
	}
	invariant(!"a span");
	return 1;
}

/* The newest bucket there is, or would be now. One that lies ahead by more than a span is of a
 * clock that went wrong, and nothing. */
static int64_t slot_of(const struct window *w, enum window_span span, int64_t now_us)
{
	int64_t slot = now_us / width_us(span);

	return w->slot - slot >= WINDOW_BUCKETS ? slot : MAX(w->slot, slot);
}

/* The bucket of a slot; what it had of older times is not asked for. */
static size_t place(int64_t slot)
{
	return (size_t)(slot % WINDOW_BUCKETS);
}

static uint32_t count_at(const struct window *w, int64_t slot)
{
	return slot <= w->slot && slot > w->slot - WINDOW_BUCKETS && slot >= 0 ? w->v[place(slot)]
									       : 0;
}

void window_add(struct window *w, enum window_span span, int64_t now_us, uint32_t n)
{
	int64_t slot = slot_of(w, span, now_us);
	uint32_t *v;

	if (slot - w->slot >= WINDOW_BUCKETS || slot < w->slot)
		*w = (struct window){.slot = slot};
	while (w->slot < slot)
		w->v[place(++w->slot)] = 0;
	v = &w->v[place(slot)];
	*v = n > UINT32_MAX - *v ? UINT32_MAX : *v + n;
}

void window_take_back(struct window *w, enum window_span span, int64_t now_us, uint32_t n)
{
	int64_t slot = slot_of(w, span, now_us);

	for (int64_t s = slot; n != 0 && s > slot - WINDOW_BUCKETS; s--) {
		uint32_t part = MIN(count_at(w, s), n);

		if (part != 0)
			w->v[place(s)] -= part;
		n -= part;
	}
}

uint64_t window_sum(const struct window *w, enum window_span span, int64_t now_us)
{
	int64_t slot = slot_of(w, span, now_us);
	uint64_t sum = 0;

	for (int64_t s = slot - WINDOW_BUCKETS + 1; s <= slot; s++)
		sum += count_at(w, s);
	return sum;
}

int64_t window_room_at(const struct window *w, enum window_span span, int64_t now_us, uint64_t max,
		       uint64_t n)
{
	int64_t slot = slot_of(w, span, now_us);
	uint64_t sum = window_sum(w, span, now_us);

	if (n > max)
		return INT64_MAX;
	if (sum + n <= max)
		return now_us;
	for (int64_t s = slot - WINDOW_BUCKETS + 1; s <= slot; s++) {
		sum -= count_at(w, s);
		if (sum + n <= max)
			return (s + WINDOW_BUCKETS) * width_us(span);
	}
	return INT64_MAX;
}

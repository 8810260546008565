#include "common/base/num.h"

bool num_parse(slice_t s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v) || v > max)
			return false;
	}
	*out = v;
	return true;
}

static size_t digits_of(slice_t s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

struct unit {
	const char *name;
	uint64_t times;
};

static bool parse_unit(slice_t s, const struct unit *units, size_t nunits, uint64_t *out)
{
	size_t n = digits_of(s);
	slice_t unit = slice_from(s, n);
	uint64_t v;

	if (!num_parse(slice_sub(s, 0, n), UINT64_MAX, &v))
		return false;
	for (size_t i = 0; i < nunits; i++) {
		if (slice_ieq(unit, slice_str(units[i].name)))
			return !__builtin_mul_overflow(v, units[i].times, out);
	}
	return false;
}

bool num_parse_bytes(slice_t s, uint64_t *out)
{
	static const struct unit units[] = {
		{"", 1}, {"k", 1024}, {"m", 1024 * 1024}, {"g", 1024 * 1024 * 1024}};

	return parse_unit(s, units, ARRAY_LEN(units), out);
}

bool num_parse_ms(slice_t s, uint64_t *out)
{
	static const struct unit units[] = {{"", 1000},   {"ms", 1},      {"s", 1000},
					    {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

	return parse_unit(s, units, ARRAY_LEN(units), out);
}

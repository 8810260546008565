/* The set of pattern positions that the text so far can have reached is carried along, so that no
 * pattern makes the work grow beyond pattern times path. */
#include "frontend/imap/imap_match.h"

#define INBOX_BYTES 5

struct states {
	bool at[IMAP_PATTERN_MAX + 1];
};

/* A wildcard may stand for nothing. */
static void skip_wildcards(struct states *s, slice_t pattern)
{
	for (size_t i = 0; i < pattern.n; i++) {
		if (s->at[i] && (pattern.p[i] == '*' || pattern.p[i] == '%'))
			s->at[i + 1] = true;
	}
}

static bool same(char pattern, char c, bool any_case)
{
	return pattern == c || (any_case && ascii_upper(pattern) == ascii_upper(c));
}

bool imap_match(slice_t pattern, slice_t path, uint64_t *steps)
{
	struct states a, b, *now = &a, *next = &b;
	size_t inbox = slice_starts(path, SL("INBOX")) &&
				       (path.n == INBOX_BYTES || path.p[INBOX_BYTES] == '/')
			       ? INBOX_BYTES
			       : 0;

	if (pattern.n > IMAP_PATTERN_MAX)
		return false;
	memset(now->at, 0, pattern.n + 1);
	now->at[0] = true;
	skip_wildcards(now, pattern);
	for (size_t k = 0; k < path.n; k++) {
		struct states *t = now;
		bool any = false;

		*steps += pattern.n;
		memset(next->at, 0, pattern.n + 1);
		for (size_t i = 0; i < pattern.n; i++) {
			char p = pattern.p[i];

			if (!now->at[i])
				continue;
			if (p == '*' || (p == '%' && path.p[k] != '/'))
				any = next->at[i] = true;
			else if (p != '%' && same(p, path.p[k], k < inbox))
				any = next->at[i + 1] = true;
		}
		if (!any)
			return false;
		skip_wildcards(next, pattern);
		now = next;
		next = t;
	}
	return now->at[pattern.n];
}

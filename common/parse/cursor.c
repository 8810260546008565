#include "common/parse/cursor.h"

#include "common/base/num.h"

bool cur_char(struct cursor *c, char ch)
{
	if (c->at == c->s.n || c->s.p[c->at] != ch)
		return false;
	c->at++;
	return true;
}

bool cur_word(struct cursor *c, slice_t word)
{
	if (!slice_istarts(cur_rest(c), word))
		return false;
	c->at += word.n;
	return true;
}

static size_t span(const struct cursor *c, uint32_t classes)
{
	size_t i = c->at;

	while (i < c->s.n && cclass(c->s.p[i], classes))
		i++;
	return i - c->at;
}

bool cur_span(struct cursor *c, uint32_t classes, size_t max, slice_t *out)
{
	size_t n = span(c, classes);

	if (n == 0 || n > max)
		return false;
	*out = slice_sub(c->s, c->at, n);
	c->at += n;
	return true;
}

void cur_skip(struct cursor *c, uint32_t classes)
{
	c->at += span(c, classes);
}

bool cur_until(struct cursor *c, char ch, size_t max, slice_t *out)
{
	slice_t rest = cur_rest(c);
	size_t n = slice_find_char(rest, ch);

	if (n == rest.n || n > max)
		return false;
	*out = slice_sub(rest, 0, n);
	c->at += n;
	return true;
}

bool cur_take(struct cursor *c, size_t n, slice_t *out)
{
	if (n > c->s.n - c->at)
		return false;
	*out = slice_sub(c->s, c->at, n);
	c->at += n;
	return true;
}

bool cur_number(struct cursor *c, uint64_t max, uint64_t *out)
{
	size_t n = span(c, CC_DIGIT);

	if (!num_parse(slice_sub(c->s, c->at, n), max, out))
		return false;
	c->at += n;
	return true;
}

bool cur_digits(struct cursor *c, unsigned n, unsigned *out)
{
	uint64_t v;

	invariant(n <= 9);
	if (!num_parse(slice_sub(c->s, c->at, n), 999999999, &v) || n > c->s.n - c->at)
		return false;
	*out = (unsigned)v;
	c->at += n;
	return true;
}

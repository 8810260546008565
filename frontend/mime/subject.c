#include "frontend/mime/subject.h"

static slice_t skip_spaces(slice_t s)
{
	while (s.n != 0 && s.p[0] == ' ')
		s = slice_from(s, 1);
	return s;
}

/* subj-blob = "[" *BLOBCHAR "]" *WSP */
static bool skip_blob(slice_t *s)
{
	if (s->n == 0 || s->p[0] != '[')
		return false;
	for (size_t i = 1; i < s->n && s->p[i] != '['; i++) {
		if (s->p[i] == ']') {
			*s = skip_spaces(slice_from(*s, i + 1));
			return true;
		}
	}
	return false;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static bool skip_refwd(slice_t *s)
{
	slice_t rest;

	if (slice_istarts(*s, SL("re")))
		rest = slice_from(*s, 2);
	else if (slice_istarts(*s, SL("fwd")))
		rest = slice_from(*s, 3);
	else if (slice_istarts(*s, SL("fw")))
		rest = slice_from(*s, 2);
	else
		return false;
	rest = skip_spaces(rest);
	(void)skip_blob(&rest);
	if (rest.n == 0 || rest.p[0] != ':')
		return false;
	*s = slice_from(rest, 1);
	return true;
}

/* subj-leader = (*subj-blob subj-refwd) / WSP */
static bool skip_leader(slice_t *s)
{
	slice_t rest = *s;

	if (rest.n != 0 && rest.p[0] == ' ') {
		*s = slice_from(rest, 1);
		return true;
	}
	while (skip_blob(&rest))
		;
	if (!skip_refwd(&rest))
		return false;
	*s = rest;
	return true;
}

/* subj-trailer = "(fwd)" / WSP */
static slice_t cut_trailers(slice_t s)
{
	for (;;) {
		if (s.n != 0 && s.p[s.n - 1] == ' ')
			s.n--;
		else if (s.n >= 5 && slice_ieq(slice_from(s, s.n - 5), SL("(fwd)")))
			s.n -= 5;
		else
			return s;
	}
}

/* Steps 3 to 5. */
static slice_t cut_leaders(slice_t s)
{
	for (;;) {
		slice_t rest;

		while (skip_leader(&s))
			;
		rest = s;
		if (!skip_blob(&rest) || rest.n == 0)
			return s;
		s = rest;
	}
}

void subject_base(slice_t subject, struct buf *out, size_t max)
{
	size_t start = out->n;
	slice_t s;
	char last = ' ';

	/* Step 1, written to the end of out: white space runs become one space. The cut comes
	 * first: a longer subject differs early enough. */
	if (subject.n > max) {
		for (subject.n = max;
		     subject.n != 0 && ((unsigned char)subject.p[subject.n] & 0xc0) == 0x80;)
			subject.n--;
	}
	for (size_t i = 0; i < subject.n; i++) {
		char c = subject.p[i] == '\t' ? ' ' : ascii_lower(subject.p[i]);

		if (c != ' ' || last != ' ')
			buf_putc(out, c);
		last = c;
	}
	if (buf_failed(out))
		return;
	s = slice_from(buf_slice(out), start);
	for (;;) {
		s = cut_leaders(cut_trailers(s));
		/* Step 6: subj-fwd-hdr subject subj-fwd-trl */
		if (!slice_starts(s, SL("[fwd:")) || s.p[s.n - 1] != ']')
			break;
		s = slice_sub(s, 5, s.n - 6);
	}
	if (s.n != 0)
		memmove(out->p + start, s.p, s.n);
	out->n = start + s.n;
}

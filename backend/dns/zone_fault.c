/* What is wrong with a record, each fault with the words that have it. */
#include "backend/dns/zone_priv.h"

#define TERM_SHOWN 60 /* of a term; of its beginning */
#define TEXT_MAX   (ZONE_FAULTS_MAX * (TERM_SHOWN + 200))

void zone_faults_init(struct zone_faults *f)
{
	*f = (struct zone_faults){.n = 0};
	buf_init(&f->text, TEXT_MAX, NULL);
}

void zone_faults_fini(struct zone_faults *f)
{
	buf_fini(&f->text);
}

void zone_fault(struct zone_faults *f, slice_t term, const char *what)
{
	if (f->n++ >= ZONE_FAULTS_MAX)
		return;
	if (f->text.n != 0)
		buf_puts(&f->text, "; ");
	if (term.n != 0) {
		buf_put(&f->text, slice_sub(term, 0, TERM_SHOWN));
		buf_puts(&f->text, term.n > TERM_SHOWN ? "...: " : ": ");
	}
	buf_puts(&f->text, what);
}

bool zone_uri(slice_t uri, const char *scheme)
{
	slice_t s = slice_str(scheme), rest = slice_from(uri, s.n);

	/* RFC 3986: no other bytes stand for themselves, and these lists take , ; ! for theirs. */
	for (size_t i = 0; i < uri.n; i++) {
		if (uri.p[i] <= ' ' || uri.p[i] > '~' ||
		    slice_find_char(SL("\"<>\\^`{|},;!"), uri.p[i]) < 12)
			return false;
	}
	return slice_istarts(uri, s) && rest.n > 0;
}

bool zone_mailto(slice_t uri)
{
	slice_t to = slice_from(uri, SL("mailto:").n);
	size_t at;

	to = slice_sub(to, 0, slice_find_char(to, '?'));
	at = slice_find_char(to, '@');
	return zone_uri(uri, "mailto:") && at > 0 && at + 1 < to.n;
}

bool zone_tag_next(slice_t *rest, struct zone_tag *out)
{
	while (rest->n > 0) {
		size_t end = slice_find_char(*rest, ';'), is;

		out->whole = slice_trim(slice_sub(*rest, 0, end));
		*rest = slice_from(*rest, end + 1);
		out->empty = out->whole.n == 0;
		if (out->empty && slice_trim(*rest).n == 0)
			return false; /* one may stand at the end */
		is = slice_find_char(out->whole, '=');
		out->name = slice_trim(slice_sub(out->whole, 0, is));
		out->value = slice_trim(slice_from(out->whole, is + 1));
		out->pair = is < out->whole.n && out->name.n > 0;
		return true;
	}
	return false;
}

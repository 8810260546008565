#include "frontend/outbound/notice_text.h"

#include "common/parse/cursor.h"

const struct notice_language *const notice_languages[] = {&notice_en, &notice_de, &notice_ru, NULL};

const struct notice_language *notice_language(const slice_t *tags, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		slice_t primary = slice_sub(tags[i], 0, slice_find_char(tags[i], '-'));

		for (size_t k = 0; notice_languages[k] != NULL; k++) {
			if (slice_ieq(primary, slice_str(notice_languages[k]->tag)))
				return notice_languages[k];
		}
	}
	return &notice_en;
}

bool notice_status_parse(slice_t s, struct notice_status *out)
{
	struct cursor c = cursor(s);
	uint64_t klass, subject, detail;

	/* status-code = ("2" / "4" / "5") "." 1*3DIGIT "." 1*3DIGIT (RFC 3463 section 2) */
	if (s.n > sizeof "5.999.999" - 1 || !cur_number(&c, 5, &klass) || !cur_char(&c, '.') ||
	    !cur_number(&c, 999, &subject) || !cur_char(&c, '.') || !cur_number(&c, 999, &detail) ||
	    !cur_end(&c) || s.p[1] != '.')
		return false;
	if (klass != 2 && klass != 4 && klass != 5)
		return false;
	*out = (struct notice_status){(unsigned)klass, (unsigned)subject, (unsigned)detail};
	return true;
}

/* Registered codes (RFC 3463, 7372, 7505, 6531, 8689 and others of IANA's list); the first row that
 * holds the code counts. */
static const struct {
	unsigned subject, from, to; /* details */
	enum notice_why why;
} reasons[] = {
	{1, 2, 2, WHY_NO_DOMAIN},  {1, 7, 9, WHY_SENDER},    {1, 10, 10, WHY_NO_MAIL},
	{1, 0, 999, WHY_UNKNOWN},  {2, 1, 1, WHY_DISABLED},  {2, 2, 2, WHY_FULL},
	{2, 3, 3, WHY_TOO_BIG},    {2, 0, 999, WHY_MAILBOX}, {3, 4, 4, WHY_TOO_BIG},
	{3, 0, 999, WHY_SYSTEM},   {4, 4, 4, WHY_NO_DOMAIN}, {4, 5, 5, WHY_SYSTEM},
	{4, 6, 6, WHY_LOOP},       {4, 7, 7, WHY_EXPIRED},   {4, 0, 999, WHY_UNREACHABLE},
	{5, 0, 999, WHY_PROTOCOL}, {6, 7, 10, WHY_UTF8},     {6, 0, 999, WHY_CONTENT},
	{7, 4, 6, WHY_TLS},        {7, 10, 11, WHY_TLS},     {7, 20, 26, WHY_AUTH},
	{7, 27, 27, WHY_SENDER},   {7, 30, 30, WHY_TLS},     {7, 0, 999, WHY_POLICY},
};

static enum notice_why why_of(struct notice_status s)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (s.subject == reasons[i].subject && s.detail >= reasons[i].from &&
		    s.detail <= reasons[i].to)
			return reasons[i].why;
	}
	return WHY_UNCLEAR;
}

enum notice_why notice_why(const struct notice_recipient *r)
{
	enum notice_why why = WHY_UNCLEAR;
	struct notice_status s;

	if (notice_status_parse(r->status, &s))
		why = why_of(s);
	if (why == WHY_EXPIRED && s.klass == 4)
		return WHY_LATE;
	if (why == WHY_EXPIRED && r->senders_time)
		return WHY_BY;
	return why == WHY_POLICY && r->mta.n == 0 ? WHY_OURS : why;
}

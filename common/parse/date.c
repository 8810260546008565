#include "common/parse/date.h"

#include "common/base/civil.h"
#include "common/parse/cursor.h"

#define COMMENT_DEPTH 8 /* nested comments in a date: nobody writes one */

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

static bool take_month(struct cursor *c, unsigned *out)
{
	for (unsigned i = 0; i < 12; i++) {
		if (cur_word(c, slice(month_names[i], 3))) {
			*out = i + 1;
			return true;
		}
	}
	return false;
}

/* False when a comment does not close, or nests too deep. */
static bool skip_cfws(struct cursor *c)
{
	unsigned depth = 0;

	for (int ch = cur_peek(c); ch >= 0; ch = cur_peek(c)) {
		if (ch == '(' && ++depth > COMMENT_DEPTH)
			return false;
		if (depth == 0 && ch != ' ' && ch != '\t' && ch != '\r' && ch != '\n')
			return true;
		if (ch == ')')
			depth--;
		else if (ch == '\\')
			c->at++;
		if (c->at < c->s.n)
			c->at++;
	}
	return depth == 0;
}

/* A number of min to max digits. */
static bool take_digits(struct cursor *c, unsigned min, unsigned max, unsigned *digits,
			unsigned *out)
{
	slice_t s;
	struct cursor number;

	if (!cur_span(c, CC_DIGIT, max, &s) || s.n < min)
		return false;
	number = cursor(s);
	*digits = (unsigned)s.n;
	return cur_digits(&number, *digits, out);
}

/* year = 4*DIGIT, obs-year = 2*DIGIT (RFC 5322 4.3: 00-49 are 2000 on, the rest 1900 on). */
static bool take_year(struct cursor *c, int *out)
{
	unsigned digits, year;

	if (!take_digits(c, 2, 4, &digits, &year))
		return false;
	if (digits == 2 && year < 50)
		year += 2000;
	else if (digits < 4)
		year += 1900;
	*out = (int)year;
	return true;
}

/* ("+" / "-") 4DIGIT */
static bool take_offset(struct cursor *c, int16_t *out)
{
	bool west = cur_peek(c) == '-';
	unsigned hours, minutes;

	if (!cur_char(c, '+') && !cur_char(c, '-'))
		return false;
	if (!cur_digits(c, 2, &hours) || !cur_digits(c, 2, &minutes) || minutes > 59)
		return false;
	*out = (int16_t)((west ? -1 : 1) * (int)(hours * 60 + minutes));
	return true;
}

/* zone or obs-zone. Names that RFC 5322 4.3 does not know, the military letters among them, say
 * nothing and count as -0000. */
static bool take_zone(struct cursor *c, int16_t *out)
{
	static const struct {
		const char *name;
		int hours;
	} zones[] = {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
		     {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};
	slice_t name;

	*out = 0;
	if (cur_end(c))
		return true;
	if (cur_peek(c) == '+' || cur_peek(c) == '-')
		return take_offset(c, out);
	if (!cur_span(c, CC_ALPHA, SIZE_MAX, &name))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
		if (slice_ieq(name, slice_str(zones[i].name)))
			*out = (int16_t)(zones[i].hours * 60);
	}
	return true;
}

static bool make_date(const struct civil *f, int16_t zone_min, struct date *out)
{
	int64_t s;

	if (!civil_valid(f->year, f->month, f->day) || f->hour > 23 || f->min > 59 || f->sec > 60)
		return false;
	s = (int64_t)civil_days(f->year, f->month, f->day) * 86400;
	s += f->hour * 3600 + f->min * 60 + MIN(f->sec, 59u);
	*out = (struct date){.utc_s = s - zone_min * 60, .zone_min = zone_min};
	return true;
}

static bool skip_day_name(struct cursor *c)
{
	slice_t name;

	if (!cur_is(c, CC_ALPHA))
		return true;
	return cur_span(c, CC_ALPHA, 9, &name) && skip_cfws(c) && cur_char(c, ',');
}

/* hour ":" minute [":" second] */
static bool take_time(struct cursor *c, struct civil *f)
{
	unsigned digits;

	if (!take_digits(c, 1, 2, &digits, &f->hour) || !skip_cfws(c) || !cur_char(c, ':') ||
	    !skip_cfws(c) || !take_digits(c, 1, 2, &digits, &f->min) || !skip_cfws(c))
		return false;
	if (!cur_char(c, ':'))
		return true;
	return skip_cfws(c) && take_digits(c, 1, 2, &digits, &f->sec) && skip_cfws(c);
}

bool date_parse_rfc5322(slice_t s, struct date *out)
{
	struct cursor c = cursor(s);
	struct civil f = {0};
	unsigned digits;
	int16_t zone;

	if (!skip_cfws(&c) || !skip_day_name(&c) || !skip_cfws(&c))
		return false;
	if (!take_digits(&c, 1, 2, &digits, &f.day) || !skip_cfws(&c) ||
	    !take_month(&c, &f.month) || !skip_cfws(&c) || !take_year(&c, &f.year) ||
	    !skip_cfws(&c))
		return false;
	return take_time(&c, &f) && take_zone(&c, &zone) && make_date(&f, zone, out);
}

/* "-" date-month "-" date-year */
static bool take_imap_month_year(struct cursor *c, struct civil *f)
{
	unsigned year;

	if (!cur_char(c, '-') || !take_month(c, &f->month) || !cur_char(c, '-') ||
	    !cur_digits(c, 4, &year))
		return false;
	f->year = (int)year;
	return true;
}

bool date_parse_imap(slice_t s, struct date *out)
{
	struct cursor c = cursor(s);
	struct civil f = {0};
	int16_t zone;
	unsigned n = cur_char(&c, ' ') ? 1 : 2;

	if (!cur_digits(&c, n, &f.day) || !take_imap_month_year(&c, &f) || !cur_char(&c, ' '))
		return false;
	if (!cur_digits(&c, 2, &f.hour) || !cur_char(&c, ':') || !cur_digits(&c, 2, &f.min) ||
	    !cur_char(&c, ':') || !cur_digits(&c, 2, &f.sec) || !cur_char(&c, ' '))
		return false;
	return take_offset(&c, &zone) && cur_end(&c) && make_date(&f, zone, out);
}

bool date_parse_imap_day(slice_t s, int32_t *days_out)
{
	struct cursor c = cursor(s);
	struct civil f = {0};
	unsigned digits;

	if (!take_digits(&c, 1, 2, &digits, &f.day) || !take_imap_month_year(&c, &f) ||
	    !cur_end(&c) || !civil_valid(f.year, f.month, f.day))
		return false;
	*days_out = civil_days(f.year, f.month, f.day);
	return true;
}

/* full-date "T" */
static bool take_rfc3339_day(struct cursor *c, struct civil *f)
{
	unsigned year;

	if (!cur_digits(c, 4, &year) || !cur_char(c, '-') || !cur_digits(c, 2, &f->month) ||
	    !cur_char(c, '-') || !cur_digits(c, 2, &f->day))
		return false;
	f->year = (int)year;
	return cur_word(c, SL("T"));
}

/* time-hour ":" time-minute ":" time-second [time-secfrac] */
static bool take_rfc3339_time(struct cursor *c, struct civil *f)
{
	slice_t fraction;

	if (!cur_digits(c, 2, &f->hour) || !cur_char(c, ':') || !cur_digits(c, 2, &f->min) ||
	    !cur_char(c, ':') || !cur_digits(c, 2, &f->sec))
		return false;
	return !cur_char(c, '.') || cur_span(c, CC_DIGIT, SIZE_MAX, &fraction);
}

/* time-offset */
static bool take_rfc3339_zone(struct cursor *c, int16_t *out)
{
	bool west = cur_peek(c) == '-';
	unsigned hours, minutes;

	*out = 0;
	if (cur_word(c, SL("Z")))
		return true;
	if (!cur_char(c, '+') && !cur_char(c, '-'))
		return false;
	if (!cur_digits(c, 2, &hours) || !cur_char(c, ':') || !cur_digits(c, 2, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	*out = (int16_t)((west ? -1 : 1) * (int)(hours * 60 + minutes));
	return true;
}

bool date_parse_rfc3339(slice_t s, struct date *out)
{
	struct cursor c = cursor(s);
	struct civil f = {0};
	int16_t zone;

	return take_rfc3339_day(&c, &f) && take_rfc3339_time(&c, &f) &&
	       take_rfc3339_zone(&c, &zone) && cur_end(&c) && make_date(&f, zone, out);
}

/* ---- writing ---- */

static char *put_digits(char *p, unsigned v, unsigned n)
{
	for (unsigned i = n; i > 0; i--) {
		p[i - 1] = (char)('0' + v % 10);
		v /= 10;
	}
	return p + n;
}

static char *put_str(char *p, const char *s)
{
	size_t n = strlen(s);

	memcpy(p, s, n);
	return p + n;
}

/* "17-Jul-1996" with the given separator. */
static char *put_day(char *p, const struct civil *f, const char *sep)
{
	p = put_digits(p, f->day, 2);
	p = put_str(p, sep);
	p = put_str(p, month_names[f->month - 1]);
	p = put_str(p, sep);
	return put_digits(p, (unsigned)f->year, 4);
}

/* " 02:44:25 -0700" and a NUL */
static void put_time(char *p, const struct civil *f, int zone_min)
{
	unsigned zone = (unsigned)(zone_min < 0 ? -zone_min : zone_min);

	*p++ = ' ';
	p = put_digits(p, f->hour, 2);
	*p++ = ':';
	p = put_digits(p, f->min, 2);
	*p++ = ':';
	p = put_digits(p, f->sec, 2);
	p = put_str(p, zone_min < 0 ? " -" : " +");
	p = put_digits(p, zone / 60 % 100, 2);
	p = put_digits(p, zone % 60, 2);
	*p = '\0';
}

/* Seconds since 1970 as a clock in the date's zone shows them; clamped to the calendar. */
static int64_t local_s(struct date d)
{
	int64_t zone_s = (int64_t)d.zone_min * 60;

	if (d.utc_s < CIVIL_MIN_S - zone_s)
		return CIVIL_MIN_S;
	return d.utc_s > CIVIL_MAX_S - zone_s ? CIVIL_MAX_S : d.utc_s + zone_s;
}

const char *date_format_imap(struct date d, char buf[DATE_STR_MAX])
{
	struct civil f;

	civil_of(local_s(d), &f);
	put_time(put_day(buf, &f, "-"), &f, d.zone_min);
	return buf;
}

const char *date_format_rfc5322(struct date d, char buf[DATE_STR_MAX])
{
	struct civil f;
	char *p;

	civil_of(local_s(d), &f);
	p = put_str(buf, day_names[civil_weekday(date_local_day(d))]);
	p = put_str(p, ", ");
	put_time(put_day(p, &f, " "), &f, d.zone_min);
	return buf;
}

const char *date_format_rfc3339(struct date d, char buf[DATE_STR_MAX])
{
	char *p = buf;
	struct civil f;

	civil_of(local_s((struct date){.utc_s = d.utc_s}), &f);
	p = put_digits(p, (unsigned)f.year, 4);
	p = put_str(p, "-");
	p = put_digits(p, f.month, 2);
	p = put_str(p, "-");
	p = put_digits(p, f.day, 2);
	p = put_str(p, "T");
	p = put_digits(p, f.hour, 2);
	p = put_str(p, ":");
	p = put_digits(p, f.min, 2);
	p = put_str(p, ":");
	p = put_digits(p, f.sec, 2);
	*put_str(p, "Z") = '\0';
	return buf;
}

int32_t date_local_day(struct date d)
{
	int64_t s = local_s(d) - CIVIL_MIN_S;

	return (int32_t)(s / 86400 + CIVIL_MIN_S / 86400);
}

/*
 * Years are counted from 1 March, so that the leap day is a year's last, and in eras of 400 years
 * (146,097 days), which are all alike. The month's first day is then a linear function of its
 * number.
 */
#include "common/base/civil.h"

#define ERA_DAYS   146097
#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

bool civil_valid(int year, unsigned month, unsigned day)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1)
		return false;
	return day <= days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

int32_t civil_days(int year, unsigned month, unsigned day)
{
	int y = month <= 2 ? year - 1 : year; /* never negative: year >= 1 */
	int month_of_year = (int)(month > 2 ? month - 3 : month + 9);
	int era = y / 400, year_of_era = y % 400;
	int day_of_year = (153 * month_of_year + 2) / 5 + (int)day - 1;
	int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	invariant(civil_valid(year, month, day));
	return era * ERA_DAYS + day_of_era - EPOCH_DAYS;
}

void civil_of(int64_t s, struct civil *out)
{
	int64_t since, era, doe, yoe, doy, m, rest;

	s = MIN(MAX(s, (int64_t)CIVIL_MIN_S), (int64_t)CIVIL_MAX_S);
	/* From year 0 on nothing is negative, so that division rounds down. */
	since = s + (int64_t)EPOCH_DAYS * 86400;
	era = since / 86400 / ERA_DAYS;
	doe = since / 86400 % ERA_DAYS;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	m = (5 * doy + 2) / 153;
	rest = since % 86400;
	*out = (struct civil){
		.year = (int)(yoe + era * 400 + (m >= 10 ? 1 : 0)),
		.month = (unsigned)(m < 10 ? m + 3 : m - 9),
		.day = (unsigned)(doy - (153 * m + 2) / 5 + 1),
		.hour = (unsigned)(rest / 3600),
		.min = (unsigned)(rest / 60 % 60),
		.sec = (unsigned)(rest % 60),
	};
}

unsigned civil_weekday(int32_t days)
{
	/* 1970-01-01 was a Thursday. */
	return (unsigned)(((int64_t)days % 7 + 7 + 4) % 7);
}

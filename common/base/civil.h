/* civil: the proleptic Gregorian calendar, years 1 to 9999. Without the C library's, which takes
 * locks and reads time zones. */
#ifndef COMMON_BASE_CIVIL_H
#define COMMON_BASE_CIVIL_H

#include "common/base/base.h"

struct civil {
	int year;       /* 1..9999 */
	unsigned month; /* 1..12 */
	unsigned day;   /* 1..31 */
	unsigned hour, min, sec;
};

/* The first second of year 1, and the last of year 9999, as seconds since 1970-01-01. */
#define CIVIL_MIN_S (-62135596800LL)
#define CIVIL_MAX_S 253402300799LL

bool civil_valid(int year, unsigned month, unsigned day);
/* Days since 1970-01-01 of a valid day. */
int32_t civil_days(int year, unsigned month, unsigned day);
/* The calendar's view of a second since 1970-01-01; clamped to CIVIL_MIN_S..CIVIL_MAX_S. */
void civil_of(int64_t s, struct civil *out);
/* Of days since 1970-01-01; 0: Sunday. */
unsigned civil_weekday(int32_t days);

#endif

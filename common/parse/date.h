/*
 * date: dates as mail writes them. A point in time is seconds since 1970-01-01 UTC, with the zone
 * in which it was written. Years 1 to 9999.
 */
#ifndef COMMON_PARSE_DATE_H
#define COMMON_PARSE_DATE_H

#include "common/base/slice.h"

struct date {
	int64_t utc_s;
	int16_t zone_min; /* east of UTC, up to 99:59 as the grammars allow; "-0000" is 0 */
};

/* date-time of RFC 5322 3.3 and 4.3: folds and comments, two and three digit years, named and
 * military zones, missing seconds, missing zone (taken as UTC). A wrong day name is ignored; a
 * leap second becomes the one before; what follows the zone is ignored. */
bool date_parse_rfc5322(slice_t s, struct date *out) MUST_USE;
/* date-time of RFC 3501 9 without its quotes: "17-Jul-1996 02:44:25 -0700"; day may be SP DIGIT. */
bool date_parse_imap(slice_t s, struct date *out) MUST_USE;
/* date-text of RFC 3501 9: "1-Feb-1994". Days since 1970-01-01. */
bool date_parse_imap_day(slice_t s, int32_t *days_out) MUST_USE;
/* date-time of RFC 3339 5.6: "1996-07-17T09:44:25.5Z", with an offset for Z too; fractions of a
 * second are dropped. */
bool date_parse_rfc3339(slice_t s, struct date *out) MUST_USE;

#define DATE_STR_MAX 40
/* "17-Jul-1996 02:44:25 -0700", as INTERNALDATE without quotes; returns buf. */
const char *date_format_imap(struct date d, char buf[DATE_STR_MAX]);
/* "Wed, 17 Jul 1996 02:44:25 -0700". */
const char *date_format_rfc5322(struct date d, char buf[DATE_STR_MAX]);
/* "1996-07-17T09:44:25Z": of RFC 3339, in UTC. */
const char *date_format_rfc3339(struct date d, char buf[DATE_STR_MAX]);

/* The day (since 1970-01-01) of a date in its own zone: what IMAP's SENTSINCE compares. */
int32_t date_local_day(struct date d);

#endif

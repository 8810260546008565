#include "common/parse/date.h"

#include "tests/lib/check.h"

TEST(date_rfc5322_good)
{
	static const struct {
		const char *text;
		int64_t utc_s;
		int zone;
	} rows[] = {
		/* RFC 5322 appendix A. */
		{"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360},
		{"Tue, 1 Jul 2003 10:52:37 +0200", 1057049557, 120},
		{"Thu, 13 Feb 1969 23:32:54 -0330", -27723426, -210},
		{"Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n"
		 "               -0330 (Newfoundland Time)",
		 -27723480, -210},
		{"21 Nov 97 09:55:06 GMT", 880106106, 0},
		{"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, -360},
		{"1 Jan 1970 00:00:00 +0000", 0, 0},
		{"1 Jan 1970 00:00:00 -0000", 0, 0},
		{"1 Jan 70 00:00", 0, 0},
		{"1 jan 00 00:00 ut", 946684800, 0},
		{"1 Jan 49 00:00 UT", 2493072000, 0},
		{"1 Jan 50 00:00 UT", -631152000, 0},
		{"1 Jan 102 00:00 UT", 1009843200, 0},
		{"1 Jan 1970 00:00:00 EST", 18000, -300},
		{"1 Jan 1970 00:00:00 pdt", 25200, -420},
		{"1 Jan 1970 00:00:00 A", 0, 0},
		{"1 Jan 1970 00:00:00 CEST", 0, 0},
		{"31 Dec 2016 23:59:60 +0000", 1483228799, 0},
		{"29 Feb 2000 00:00 +0000", 951782400, 0},
		{"Xyz, 1 Jan 1970 00:00:00 +0000", 0, 0},
		{"Friday, 1 Jan 1970 00:00:00 +0000", 0, 0},
		{"1 Jan 1970 00:00:00 +0000 trailing", 0, 0},
		{"31 Dec 9999 23:59:59 +0000", 253402300799, 0},
		{"1 Jan 1970 00:00 +9959", -359940, 5999},
		{"(a(b)c) 1 Jan 1970 00:00:00 +0000", 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct date d = {0};

		check_note("%s", rows[i].text);
		CHECK(date_parse_rfc5322(slice_str(rows[i].text), &d));
		CHECK_INT(d.utc_s, rows[i].utc_s);
		CHECK_INT(d.zone_min, rows[i].zone);
	}
}

TEST(date_rfc5322_bad)
{
	static const char *const rows[] = {
		"",
		"Fri",
		"Fri, ",
		"1 Jan",
		"0 Jan 1970 00:00 +0000",
		"32 Jan 1970 00:00 +0000",
		"29 Feb 1900 00:00 +0000",
		"31 Apr 1970 00:00 +0000",
		"1 Foo 1970 00:00 +0000",
		"1 Jan 5 00:00 +0000",
		"1 Jan 10000 00:00 +0000",
		"1 Jan 0000 00:00 +0000",
		"1 Jan 1970 24:00 +0000",
		"1 Jan 1970 00:60 +0000",
		"1 Jan 1970 00:00:61 +0000",
		"1 Jan 1970 0000 +0000",
		"1 Jan 1970 00:00 +000",
		"1 Jan 1970 00:00 +0060",
		"1 Jan 1970 00:00 ?",
		"111 Jan 1970 00:00 +0000",
		"Jan 1 1970 00:00 +0000",
		"Fri 1 Jan 1970 00:00 +0000",
		"1 Jan 1970 (unclosed 00:00 +0000",
		"((((((((( 1 Jan 1970 00:00 +0000",
		"1 Jan 1970 00:00 (\\",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct date d;

		check_note("%s", rows[i]);
		CHECK(!date_parse_rfc5322(slice_str(rows[i]), &d));
	}
}

TEST(date_imap)
{
	static const char *const bad[] = {
		"",
		"7-Jul-1996 02:44:25 -0700",
		" 17-Jul-1996 02:44:25 -0700",
		"17-Jul-96 02:44:25 -0700",
		"17-Jul-1996 2:44:25 -0700",
		"17-Jul-1996 02:44 -0700",
		"17-Jul-1996 02:44:25 GMT",
		"17-Jul-1996 02:44:25 -0700 ",
		"17-Jul-1996 02:44:25",
		"31-Jun-1996 02:44:25 -0700",
		"17-Jul-0000 02:44:25 -0700",
	};
	char text[DATE_STR_MAX];
	struct date d;
	int32_t day;

	/* RFC 3501 6.3.11 and 6.4.5. */
	CHECK(date_parse_imap(SL("17-Jul-1996 02:44:25 -0700"), &d));
	CHECK_INT(d.utc_s, 837596665);
	CHECK_STR(date_format_imap(d, text), "17-Jul-1996 02:44:25 -0700");
	CHECK_STR(date_format_rfc5322(d, text), "Wed, 17 Jul 1996 02:44:25 -0700");
	CHECK(date_parse_imap(SL(" 7-feb-1994 21:52:25 +0000"), &d));
	CHECK_STR(date_format_imap(d, text), "07-Feb-1994 21:52:25 +0000");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("%s", bad[i]);
		CHECK(!date_parse_imap(slice_str(bad[i]), &d));
	}
	CHECK(date_parse_imap_day(SL("1-Feb-1994"), &day));
	CHECK_INT(day, 8797);
	CHECK(date_parse_imap_day(SL("01-FEB-1994"), &day));
	CHECK(!date_parse_imap_day(SL("1-Feb-94"), &day));
	CHECK(!date_parse_imap_day(SL("30-Feb-1994"), &day));
	CHECK(!date_parse_imap_day(SL("1-Feb-1994 "), &day));
	CHECK(!date_parse_imap_day(SL("001-Feb-1994"), &day));
}

TEST(date_rfc3339)
{
	static const struct {
		const char *text;
		int64_t utc_s;
	} good[] = {
		{"1996-07-17T09:44:25Z", 837596665},        {"1996-07-17t09:44:25z", 837596665},
		{"1996-07-17T02:44:25-07:00", 837596665},   {"1996-07-17T09:44:25.123Z", 837596665},
		{"1996-07-17T15:14:25.0+05:30", 837596665}, {"1990-12-31T23:59:60Z", 662687999},
		{"0001-01-01T00:00:00Z", -62135596800},     {"9999-12-31T23:59:59Z", 253402300799},
	};
	static const char *const bad[] = {
		"",
		"1996-07-17",
		"1996-07-17 09:44:25Z",
		"1996-07-17T09:44:25",
		"1996-07-17T09:44:25.Z",
		"1996-07-17T09:44Z",
		"1996-07-17T09:44:25Zx",
		"1996-07-17T09:44:25Z ",
		"1996-13-17T09:44:25Z",
		"1996-02-30T09:44:25Z",
		"1996-07-17T24:00:00Z",
		"1996-07-17T09:44:25-0700",
		"1996-07-17T09:44:25+24:00",
		"1996-07-17T09:44:25+01:60",
		"96-07-17T09:44:25Z",
		"0000-01-01T00:00:00Z",
		"-996-07-17T09:44:25Z",
	};
	char text[DATE_STR_MAX];
	struct date d;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		check_note("%s", good[i].text);
		CHECK(date_parse_rfc3339(slice_str(good[i].text), &d));
		CHECK_INT(d.utc_s, good[i].utc_s);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("%s", bad[i]);
		CHECK(!date_parse_rfc3339(slice_str(bad[i]), &d));
	}
	d = (struct date){.utc_s = 837596665, .zone_min = -420};
	CHECK_STR(date_format_rfc3339(d, text), "1996-07-17T09:44:25Z");
}

TEST(date_every_prefix_is_refused_or_shorter)
{
	slice_t text = SL("17-Jul-1996 02:44:25 -0700");
	struct date d;

	for (size_t n = 0; n < text.n; n++)
		CHECK(!date_parse_imap(slice_sub(text, 0, n), &d));
}

TEST(date_local_days)
{
	struct date d;

	CHECK(date_parse_rfc5322(SL("1 Jan 1970 23:30 -0200"), &d));
	CHECK_INT(date_local_day(d), 0);
	CHECK(date_parse_rfc5322(SL("1 Jan 1970 00:30 +0200"), &d));
	CHECK_INT(date_local_day(d), 0);
	CHECK(date_parse_rfc5322(SL("31 Dec 1969 23:59:59 +0000"), &d));
	CHECK_INT(date_local_day(d), -1);
	d = (struct date){.utc_s = INT64_MIN};
	CHECK_INT(date_local_day(d), -719162);
	d = (struct date){.utc_s = INT64_MAX, .zone_min = 5999};
	CHECK_INT(date_local_day(d), 2932896);
}

TEST(date_round_trips)
{
	char text[DATE_STR_MAX];

	for (int64_t s = -62135500000; s < 253402200000; s += 77777777771) {
		for (int zone = -720; zone <= 840; zone += 210) {
			struct date d = {.utc_s = s, .zone_min = (int16_t)zone}, back;

			CHECK(date_parse_imap(slice_str(date_format_imap(d, text)), &back));
			CHECK_INT(back.utc_s, s);
			CHECK_INT(back.zone_min, zone);
			CHECK(date_parse_rfc5322(slice_str(date_format_rfc5322(d, text)), &back));
			CHECK_INT(back.utc_s, s);
		}
	}
}

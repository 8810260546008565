/* Our own MTA-STS policies: the text by the letter, and an id that follows it. */
#include "backend/dns/sts_own.h"

#include <stdio.h>

#include "backend/dns/zone.h"
#include "tests/lib/check.h"

static void make(enum dir_mta_sts mode, uint32_t age_s, size_t nhosts, struct buf *text,
		 char id[STS_OWN_ID_STR])
{
	static const slice_t hosts[] = {SL("mx1.our.test"), SL("mx2.our.test")};

	buf_reset(text);
	sts_own_text(mode, age_s, hosts, nhosts, text);
	sts_own_id(buf_slice(text), id);
}

TEST(sts_own_by_the_letter)
{
	char id[STS_OWN_ID_STR], other[STS_OWN_ID_STR];
	struct buf text;

	buf_init(&text, STS_OWN_TEXT_MAX, NULL);
	make(DIR_MTA_STS_ENFORCE, 604800, 2, &text, id);
	CHECK_SLICE(buf_slice(&text), SL("version: STSv1\r\nmode: enforce\r\nmx: mx1.our.test\r\n"
					 "mx: mx2.our.test\r\nmax_age: 604800\r\n"));
	CHECK_INT(strlen(id), STS_OWN_ID_STR - 1);
	for (size_t i = 0; id[i] != '\0'; i++)
		CHECK(strchr("0123456789abcdef", id[i]) != NULL);
	make(DIR_MTA_STS_ENFORCE, 604800, 2, &text, other);
	CHECK_STR(other, id);
	make(DIR_MTA_STS_ENFORCE, 604801, 2, &text, other);
	CHECK(strcmp(other, id) != 0);
	make(DIR_MTA_STS_ENFORCE, 604800, 1, &text, other);
	CHECK(strcmp(other, id) != 0);
	make(DIR_MTA_STS_TESTING, 604800, 2, &text, other);
	CHECK(strcmp(other, id) != 0);
	make(DIR_MTA_STS_NONE, 60, 0, &text, other);
	CHECK_SLICE(buf_slice(&text), SL("version: STSv1\r\nmode: none\r\nmax_age: 60\r\n"));
	buf_fini(&text);
}

TEST(sts_own_has_room)
{
	slice_t hosts[ZONE_HOSTS_MAX];
	char name[256];
	struct buf text;

	memset(name, 'x', sizeof name);
	for (size_t i = 0; i < ZONE_HOSTS_MAX; i++)
		hosts[i] = slice(name, 255);
	buf_init(&text, STS_OWN_TEXT_MAX, NULL);
	sts_own_text(DIR_MTA_STS_TESTING, DIR_MTA_STS_AGE_MAX, hosts, ZONE_HOSTS_MAX, &text);
	CHECK(!buf_failed(&text));
	buf_fini(&text);
}

TEST(sts_own_records)
{
	static const struct {
		const char *record;
		bool right;
	} rows[] = {
		{"v=STSv1; id=abc;", true},       {"v=STSv1;id=abc", true},
		{"v=STSv1 ; x=y ; id=abc", true}, {"v=STSv1; id=abcd;", false},
		{"v=STSv1; id=;", false},         {"v=STSv1;", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("%s", rows[i].record);
		CHECK((sts_own_fault(slice_str(rows[i].record), SL("abc")) == NULL) ==
		      rows[i].right);
	}
}

#include "common/base/fold.h"
#include "tests/lib/check.h"

static void fold_case(const char *in, const char *want)
{
	struct buf b;

	buf_init(&b, 1000, NULL);
	utf8_fold(&b, slice_str(in));
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	buf_fini(&b);
}

TEST(fold)
{
	fold_case("", "");
	fold_case("Hello 123 [Z]", "hello 123 [z]");
	fold_case("\xc3\x84\xc3\x96\xc3\x9c\xc3\xa4", "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4"); /* AOU */
	fold_case("Stra\xc3\x9f"
		  "e STRA\xe1\xba\x9e"
		  "E",
		  "strasse strasse");                                      /* sharp s */
	fold_case("\xce\xa3\xcf\x82\xcf\x83", "\xcf\x83\xcf\x83\xcf\x83"); /* sigmas */
	fold_case("\xd0\x94\xd0\xb4", "\xd0\xb4\xd0\xb4");                 /* Cyrillic */
	fold_case("\xf0\x90\x90\x80", "\xf0\x90\x90\xa8");                 /* Deseret */
	fold_case("\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac"); /* no case */
	fold_case("a\xff"
		  "B",
		  "a\xef\xbf\xbd"
		  "b");
	fold_case("\xc4\x80\xc4\x81\xc4\x82", "\xc4\x81\xc4\x81\xc4\x83"); /* every second */
}

TEST(fold_limit)
{
	struct buf b;

	buf_init(&b, 3, NULL);
	utf8_fold(&b, SL("ABCD"));
	CHECK(buf_failed(&b));
	buf_fini(&b);
}

#include "common/crypto/password.h"

#include "common/crypto/scram.h"
#include "tests/lib/check.h"

static void prepares(slice_t in, slice_t want)
{
	struct buf b;

	buf_init(&b, 1000, NULL);
	CHECK_ERR(password_prepare(in, &b), E_OK);
	CHECK_SLICE(slice(b.p, b.n), want);
	buf_fini(&b);
}

TEST(password_forms)
{
	prepares(SL("pass word"), SL("pass word"));
	prepares(SL("cafe\xcc\x81"), SL("caf\xc3\xa9"));
	prepares(SL("caf\xc3\xa9"), SL("caf\xc3\xa9"));
	prepares(SL("\xc2\xaa"), SL("a"));
	prepares(SL("a\xc2\xa0\xe3\x80\x80z"), SL("a  z"));
	prepares(SL("\xff\xcc\x81"), SL("\xff\xcc\x81"));
}

TEST(password_forms_verify_each_other)
{
	struct scram_verifier v;
	struct buf made, typed;

	buf_init(&made, 100, NULL);
	buf_init(&typed, 100, NULL);
	CHECK_ERR(password_prepare(SL("cafe\xcc\x81-secret"), &made), E_OK);
	CHECK_ERR(password_prepare(SL("caf\xc3\xa9-secret"), &typed), E_OK);
	CHECK_ERR(scram_make(slice(made.p, made.n), SCRAM_ITER_MIN, &v), E_OK);
	CHECK_ERR(scram_check_password(&v, slice(typed.p, typed.n)), E_OK);
	buf_fini(&made);
	buf_fini(&typed);
}

TEST(password_bound)
{
	struct buf b;

	buf_init(&b, 4, NULL);
	CHECK_ERR(password_prepare(SL("caf\xc3\xa9"), &b), E_TOO_BIG);
	buf_fini(&b);
}

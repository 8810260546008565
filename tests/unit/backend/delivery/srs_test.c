/* SRS: there and back; what others make of it on the way; what is refused. */
#include "backend/delivery/srs.h"

#include "tests/lib/check.h"

#define DAY 86400
#define NOW (20000LL * DAY)

static struct srs_key key(char seed)
{
	uint8_t secret[32];
	struct srs_key k;

	memset(secret, seed, sizeof secret);
	srs_key_make(secret, &k);
	return k;
}

static slice_t forward(const char *sender, const char *domain, int64_t now_s, struct buf *out)
{
	struct srs_key k = key(1);

	buf_reset(out);
	CHECK_ERR(srs_forward(&k, slice_str(sender), slice_str(domain), now_s, out), E_OK);
	return buf_slice(out);
}

static enum err reverse(slice_t address, int64_t now_s, struct buf *out)
{
	struct srs_key k = key(1);

	buf_reset(out);
	return srs_reverse(&k, address, now_s, out);
}

TEST(srs_there_and_back)
{
	static const char *const senders[] = {"a@b.test",     "A.b+c=d@sub.domain.test",
					      "x=y=z@h.test", "SRS2=no@h.test",
					      "srs0@h.test",  "SRS0x=y@h.test"};
	struct buf there, back;

	buf_init(&there, 400, NULL);
	buf_init(&back, 400, NULL);
	for (size_t i = 0; i < ARRAY_LEN(senders); i++) {
		check_note("%s", senders[i]);
		CHECK(!srs_is(slice_str(senders[i])));
		CHECK(srs_is(forward(senders[i], "us.test", NOW, &there)));
		CHECK(slice_starts(buf_slice(&there), SL("SRS0=")));
		CHECK_ERR(reverse(buf_slice(&there), NOW, &back), E_OK);
		CHECK_SLICE(buf_slice(&back), slice_str(senders[i]));
		/* Case is anybody's to change. */
		for (size_t k = 0; k < there.n; k++)
			there.p[k] = k % 2 ? ascii_upper(there.p[k]) : ascii_lower(there.p[k]);
		CHECK_ERR(reverse(buf_slice(&there), NOW, &back), E_OK);
		CHECK(slice_ieq(buf_slice(&back), slice_str(senders[i])));
	}
	buf_fini(&back);
	buf_fini(&there);
}

TEST(srs_of_srs)
{
	static const struct {
		const char *sender, *shape, *back;
	} cases[] = {
		{"SRS0=HHH=TT=o.test=u@f1.test", "=f1.test==HHH=TT=o.test=u@us.test",
		 "SRS0=HHH=TT=o.test=u@f1.test"},
		{"srs0+HHH=TT=o.test=u@f1.test", "=f1.test=+HHH=TT=o.test=u@us.test",
		 "SRS0+HHH=TT=o.test=u@f1.test"},
		/* A third hop leaves out the second. */
		{"SRS1=GGGG=f1.test==HHH=TT=o.test=u@f2.test", "=f1.test==HHH=TT=o.test=u@us.test",
		 "SRS0=HHH=TT=o.test=u@f1.test"},
	};
	struct buf there, back;

	buf_init(&there, 400, NULL);
	buf_init(&back, 400, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("%s", cases[i].sender);
		CHECK(slice_starts(forward(cases[i].sender, "us.test", NOW, &there), SL("SRS1=")));
		CHECK(slice_ends(buf_slice(&there), slice_str(cases[i].shape)));
		/* It has no day of its own. */
		CHECK_ERR(reverse(buf_slice(&there), NOW + 400 * DAY, &back), E_OK);
		CHECK_SLICE(buf_slice(&back), slice_str(cases[i].back));
	}
	buf_fini(&back);
	buf_fini(&there);
}

TEST(srs_time)
{
	static const struct {
		int64_t days;
		enum err e;
	} cases[] = {{0, E_OK},
		     {1, E_OK},
		     {SRS_VALID_DAYS, E_OK},
		     {SRS_VALID_DAYS + 1, E_TIMEOUT},
		     {500, E_TIMEOUT},
		     {1022, E_TIMEOUT},
		     {-1, E_OK},
		     {-2, E_TIMEOUT}};
	struct buf there, back;

	buf_init(&there, 400, NULL);
	buf_init(&back, 400, NULL);
	/* Where the day's number begins anew, too. */
	for (int64_t begin = NOW; begin < NOW + 1024 * DAY; begin += 31 * DAY) {
		forward("a@b.test", "us.test", begin, &there);
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			check_note("%d days", (int)cases[i].days);
			CHECK_ERR(reverse(buf_slice(&there), begin + cases[i].days * DAY, &back),
				  cases[i].e);
		}
	}
	buf_fini(&back);
	buf_fini(&there);
}

TEST(srs_forged)
{
	static const char *const never[] = {"SRS0=",
					    "SRS0=@us.test",
					    "SRS0=aaaaaa=aa=h=l@us.test",
					    "SRS0=aaaaaa@us.test",
					    "SRS1=aaaaaa=h==x@us.test",
					    "SRS1=aaaaaa=@us.test",
					    "SRS0+aaaaaa=aa=h=l@us.test",
					    "SRS0=aaaaaa=aa==@us.test",
					    "SRS0"};
	struct buf there, back;
	struct srs_key other = key(2);

	buf_init(&there, 400, NULL);
	buf_init(&back, 400, NULL);
	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		check_note("%s", never[i]);
		CHECK_ERR(reverse(slice_str(never[i]), NOW, &back), E_INVALID);
	}
	/* Any one character that is another one; but for the domain, which is the caller's to look
	 * at, and the "=" behind the tag. */
	for (size_t i = 5; forward("user@h.test", "us.test", NOW, &there).p[i] != '@'; i++) {
		there.p[i] = there.p[i] == 'b' ? 'c' : 'b';
		check_note("at %zu", i);
		CHECK_ERR(reverse(buf_slice(&there), NOW, &back), E_INVALID);
		CHECK_INT(back.n, 0);
	}
	/* Any one cut. */
	for (size_t n = forward("user@h.test", "us.test", NOW, &there).n - 8; n-- > 0;) {
		struct buf cut;

		buf_init(&cut, 400, NULL);
		buf_put(&cut, slice_sub(buf_slice(&there), 0, n));
		buf_puts(&cut, "@us.test");
		CHECK_ERR(reverse(buf_slice(&cut), NOW, &back), E_INVALID);
		buf_fini(&cut);
	}
	buf_reset(&there);
	CHECK_ERR(srs_forward(&other, SL("user@h.test"), SL("us.test"), NOW, &there), E_OK);
	CHECK_ERR(reverse(buf_slice(&there), NOW, &back), E_INVALID);
	buf_fini(&back);
	buf_fini(&there);
}

TEST(srs_what_cannot_be_rewritten)
{
	static const struct {
		const char *sender;
		enum err e;
	} cases[] = {
		{"", E_INVALID},
		{"nobody", E_INVALID},
		{"@h.test", E_INVALID},
		{"a b@h.test", E_INVALID},
		{"\"a\"@h.test", E_INVALID},
		{"a@[192.0.2.1]", E_INVALID},
		{"a@h=x.test", E_INVALID},
		{"\xc3\xa4@h.test", E_INVALID},
		{"a..b@h.test", E_INVALID},
		/* 5 + 6 + 1 + 2 + 1 + 6 + 1 + 42 octets of 64 */
		{"123456789012345678901234567890123456789012@h.test", E_OK},
		{"1234567890123456789012345678901234567890123@h.test", E_TOO_BIG},
	};
	struct srs_key k = key(1);
	struct buf out;

	buf_init(&out, 400, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("%s", cases[i].sender);
		buf_reset(&out);
		CHECK_ERR(srs_forward(&k, slice_str(cases[i].sender), SL("us.test"), NOW, &out),
			  cases[i].e);
		CHECK_INT(out.n != 0, cases[i].e == E_OK);
	}
	buf_fini(&out);
}

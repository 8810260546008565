/* A key's record: what verifiers would say of what DNS has. */
#include "backend/dns/dkim_text.h"

#include "tests/lib/check.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define B64 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static const struct dir_dkim_row rsa = {
	.domain = {"example.org", 11},
	.selector = {"p1", 2},
	.algorithm = SIGN_RSA_SHA256,
	.public_key = {KEY, 32},
};

static enum dkim_sight judge(const struct dir_dkim_row *k, const char *record)
{
	slice_t s = slice_str(record);
	struct ask_answer a = {.outcome = ASK_OK, .records = &s, .n = 1};
	const char *why;
	enum dkim_sight sight = dkim_text_judge(k, &a, &why);

	CHECK((why != NULL) == (sight == DKIM_OTHER));
	return sight;
}

TEST(what_is_made_is_there)
{
	struct buf b;

	buf_init(&b, 4096, NULL);
	dkim_text_name(&rsa, &b);
	CHECK_SLICE(buf_slice(&b), SL("p1._domainkey.example.org"));
	buf_reset(&b);
	dkim_text_record(&rsa, &b);
	CHECK_SLICE(buf_slice(&b), SL("v=DKIM1; k=rsa; p=" B64));
	buf_putc(&b, '\0');
	CHECK_INT(judge(&rsa, b.p), DKIM_THERE);
	buf_fini(&b);
}

TEST(records_of_others)
{
	static const struct {
		const char *record;
		enum dkim_sight rsa, ed25519;
	} cases[] = {
		{"p=" B64, DKIM_THERE, DKIM_OTHER},
		{"k=ed25519; p=" B64, DKIM_OTHER, DKIM_THERE},
		{" v = DKIM1 ;k=rsa;; p = MDEyMzQ1 Njc4OWFiY2RlZjAxMjM0NTY3ODlh\tYmNkZWY= ; ",
		 DKIM_THERE, DKIM_OTHER},
		{"k=rsa; v=DKIM1; p=" B64, DKIM_OTHER, DKIM_OTHER},
		{"v=DKIM2; p=" B64, DKIM_OTHER, DKIM_OTHER},
		{"p=", DKIM_OTHER, DKIM_OTHER},
		{"p=" B64 "A", DKIM_OTHER, DKIM_OTHER},
		{"p=MDEy", DKIM_OTHER, DKIM_OTHER},
		{"k=rsa", DKIM_OTHER, DKIM_OTHER},
		{"", DKIM_OTHER, DKIM_OTHER},
		{"h=sha1; p=" B64, DKIM_OTHER, DKIM_OTHER},
		{"h=sha1:sha256; p=" B64, DKIM_THERE, DKIM_OTHER},
		{"s=tlsrpt; p=" B64, DKIM_OTHER, DKIM_OTHER},
		{"s=tlsrpt:email; t=y:s; n=note; p=" B64, DKIM_THERE, DKIM_OTHER},
		{";;;=;=x;p", DKIM_OTHER, DKIM_OTHER},
	};
	struct dir_dkim_row ed = rsa;

	ed.algorithm = SIGN_ED25519_SHA256;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("%s", cases[i].record);
		CHECK_INT(judge(&rsa, cases[i].record), cases[i].rsa);
		CHECK_INT(judge(&ed, cases[i].record), cases[i].ed25519);
	}
}

TEST(answers)
{
	slice_t twice[] = {SL("p=" B64), SL("p=" B64)};
	struct ask_answer a = {.outcome = ASK_OK, .records = twice, .n = 2};
	const char *why;

	CHECK_INT(dkim_text_judge(&rsa, &a, &why), DKIM_OTHER);
	a.n = 1;
	CHECK_INT(dkim_text_judge(&rsa, &a, &why), DKIM_THERE);
	a.cut = true;
	CHECK_INT(dkim_text_judge(&rsa, &a, &why), DKIM_OTHER);
	a = (struct ask_answer){.outcome = ASK_ABSENT};
	CHECK_INT(dkim_text_judge(&rsa, &a, &why), DKIM_MISSING);
	for (enum ask_outcome o = ASK_FAILED; o <= ASK_UNUSABLE; o++) {
		a.outcome = o;
		CHECK_INT(dkim_text_judge(&rsa, &a, &why), DKIM_UNKNOWN);
	}
}

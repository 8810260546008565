/* Records of DNS as a back-end judges them. First byte: which. A record of DKIM that counts holds
 * the key; an SPF record that lets the MX hosts send is not said to refuse them; a policy without
 * faults has two parts at least. */
#include "backend/dns/dkim_text.h"
#include "backend/dns/zone.h"
#include "common/base/buf.h"
#include "tests/fuzz/fuzz.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define B64 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static size_t records_of(slice_t *in, slice_t *out)
{
	size_t n = 0;

	while (in->n > 0 && n < ASKING_RECORDS_MAX)
		out[n++] = fuzz_text(in);
	return n;
}

/* Are the letters of B64 there, in order? */
static bool holds_key(slice_t record)
{
	size_t at = 0;

	for (size_t i = 0; i < record.n && at < sizeof B64 - 1; i++)
		at += record.p[i] == B64[at];
	return at == sizeof B64 - 1;
}

static void fuzz_dkim(const struct ask_answer *a)
{
	static const struct dir_dkim_row key = {.algorithm = SIGN_ED25519_SHA256,
						.public_key = {KEY, 32}};
	const char *why;
	enum dkim_sight sight = dkim_text_judge(&key, a, &why);

	FUZZ_CHECK(sight == DKIM_THERE || sight == DKIM_OTHER);
	FUZZ_CHECK((why == NULL) == (sight == DKIM_THERE));
	FUZZ_CHECK(sight == DKIM_OTHER || (a->n == 1 && holds_key(a->records[0])));
}

/* What is wrong is said; nothing is said of what is right. */
static void check_told(const struct zone_faults *f)
{
	FUZZ_CHECK((f->n == 0) == (f->text.n == 0));
	FUZZ_CHECK(!buf_failed(&f->text));
}

static void fuzz_spf(const struct ask_answer *a)
{
	struct ask_answer more = {.outcome = ASK_OK, .n = 1};
	struct ipaddr addr = {.family = 4, .b = {192, 0, 2, 1}};
	slice_t refused = SL("does not let our hosts send"), s;
	struct zone_faults f;
	struct buf b;

	zone_faults_init(&f);
	FUZZ_CHECK(zone_spf_faults(a, &addr, 1, &f) <= a->n);
	check_told(&f);
	zone_faults_fini(&f);
	/* What stands before everything decides. */
	buf_init(&b, 1u << 20, NULL);
	buf_puts(&b, "v=spf1 mx ");
	buf_put(&b, a->records[0]);
	s = buf_slice(&b);
	more.records = &s;
	zone_faults_init(&f);
	FUZZ_CHECK(zone_spf_faults(&more, &addr, 1, &f) == 1);
	check_told(&f);
	FUZZ_CHECK(slice_find(buf_slice(&f.text), refused) == f.text.n ||
		   slice_find(a->records[0], refused) < a->records[0].n);
	zone_faults_fini(&f);
	buf_fini(&b);
}

static void fuzz_policy(slice_t record, void (*faults)(slice_t record, struct zone_faults *f))
{
	struct zone_faults f;

	zone_faults_init(&f);
	faults(record, &f);
	check_told(&f);
	FUZZ_CHECK(f.n != 0 || slice_find_char(record, ';') < record.n);
	zone_faults_fini(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, size), records[ASKING_RECORDS_MAX];
	unsigned which = fuzz_byte(&in);
	struct ask_answer a = {.outcome = ASK_OK, .records = records};

	a.n = records_of(&in, records);
	if (a.n == 0)
		return 0;
	switch (which % 4) {
	case 0:
		fuzz_dkim(&a);
		break;
	case 1:
		fuzz_spf(&a);
		break;
	case 2:
		fuzz_policy(a.records[0], zone_dmarc_faults);
		break;
	default:
		fuzz_policy(a.records[0], zone_tlsrpt_faults);
	}
	return 0;
}

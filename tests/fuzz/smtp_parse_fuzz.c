/* Arguments of SMTP commands. First byte: which. What was read keeps its limits, and what was
 * refused says so with a reply of its own. */
#include "common/base/buf.h"
#include "common/base/utf8.h"
#include "frontend/smtp/smtp_parse.h"
#include "tests/fuzz/fuzz.h"

static void check_say(enum smtp_say say)
{
	FUZZ_CHECK(say == SAY_NOTHING || smtp_say_code(say) >= 500);
}

/* An address that was taken is written and taken again as the same. */
static void check_addr(const struct addr *a)
{
	struct addr again;
	struct buf b;

	FUZZ_CHECK(a->local_n <= ADDR_LOCAL_MAX && a->domain_n <= ADDR_DOMAIN_MAX);
	if (a->flags & (ADDR_NULL | ADDR_POSTMASTER))
		return;
	buf_init(&b, 4096, NULL);
	addr_format(a, &b);
	FUZZ_CHECK(addr_parse(buf_slice(&b), ADDR_SMTPUTF8, &again) == E_OK);
	FUZZ_CHECK(addr_eq(a, &again));
	buf_fini(&b);
}

static void fuzz_mail(slice_t in, enum smtp_params p)
{
	struct smtp_mail_args m;
	enum smtp_say say = smtp_parse_mail(in, p, &m);

	check_say(say);
	FUZZ_CHECK(m.envid_n <= SMTP_ENVID_MAX);
	if (say != SAY_NOTHING)
		return;
	check_addr(&m.from);
	FUZZ_CHECK(m.utf8 || !(m.from.flags & ADDR_UTF8));
	FUZZ_CHECK(p == SMTP_PARAMS || (m.size == 0 && m.ret == 0 && m.envid_n == 0));
}

static void fuzz_rcpt(slice_t in, enum smtp_params p, enum addr_charset cs)
{
	struct smtp_rcpt_args r;
	enum smtp_say say = smtp_parse_rcpt(in, p, cs, &r);

	check_say(say);
	FUZZ_CHECK(r.orcpt_n <= SMTP_ORCPT_MAX);
	if (say != SAY_NOTHING)
		return;
	check_addr(&r.to);
	FUZZ_CHECK(!(r.to.flags & ADDR_NULL));
	FUZZ_CHECK(cs == ADDR_SMTPUTF8 || !(r.to.flags & ADDR_UTF8));
	FUZZ_CHECK(!(r.notify & NOTIFY_NEVER) || r.notify == NOTIFY_NEVER);
	FUZZ_CHECK(utf8_valid(slice(r.orcpt, r.orcpt_n)));
}

/* Of ETRN and of ATRN. */
static void fuzz_domains(slice_t in)
{
	struct smtp_etrn_args e;
	struct smtp_atrn_args a;
	char again[DOMAIN_MAX + 1];

	check_say(smtp_parse_etrn(in, &e));
	check_say(smtp_parse_atrn(in, &a));
	FUZZ_CHECK(a.n <= SMTP_ATRN_DOMAINS_MAX);
	for (size_t i = 0; i < a.n; i++) {
		FUZZ_CHECK(domain_normalise(slice_str(a.domains[i]), again) == E_OK);
		FUZZ_CHECK(strcmp(a.domains[i], again) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, size);
	unsigned how = fuzz_byte(&in);
	char helo[SMTP_HELO_MAX + 1];
	uint64_t n;
	bool last;

	switch (how % 5) {
	case 0:
		fuzz_mail(in, how & 64 ? SMTP_NO_PARAMS : SMTP_PARAMS);
		break;
	case 1:
		fuzz_rcpt(in, how & 64 ? SMTP_NO_PARAMS : SMTP_PARAMS,
			  how & 128 ? ADDR_SMTPUTF8 : ADDR_ASCII);
		break;
	case 2:
		check_say(smtp_parse_bdat(in, &n, &last));
		break;
	case 3:
		fuzz_domains(in);
		if (smtp_parse_helo(in, helo) == SAY_NOTHING)
			FUZZ_CHECK(slice_eq(slice_str(helo), in) && utf8_valid(in));
		break;
	case 4: {
		struct buf out;
		size_t decoded = 0;

		buf_init(&out, size + 1, NULL);
		if (smtp_xtext_decode(in, buf_reserve(&out, size + 1), &decoded))
			FUZZ_CHECK(decoded <= in.n && utf8_is_ascii(slice(out.p, decoded)));
		buf_fini(&out);
		break;
	}
	}
	return 0;
}

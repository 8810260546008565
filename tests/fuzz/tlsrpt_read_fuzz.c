/* A message to the address for reports of TLS, and a report by itself: whatever is read of them is
 * within what a back-end takes. */
#include "common/base/utf8.h"
#include "frontend/outbound/tlsrpt_read.h"
#include "frontend/rpc/call_tls.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *text)
{
	slice_t s = slice_str(text);

	FUZZ_CHECK(s.n != 0 && s.n <= TLS_RECEIVED_TEXT_MAX && utf8_valid(s));
	for (size_t i = 0; i < s.n; i++)
		FUZZ_CHECK((unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7f);
}

static void check_report(slice_t json)
{
	struct tls_received *r = xcalloc(1, sizeof *r);
	struct diag d = {""};

	if (tlsrpt_read(json, r, &d) == E_OK) {
		check_text(r->organization);
		check_text(r->report_id);
		FUZZ_CHECK(r->from_s < r->to_s && r->n <= TLS_RECEIVED_POLICIES_MAX);
		for (size_t i = 0; i < r->n; i++) {
			const struct tls_received_policy *p = &r->policies[i];
			char name[DOMAIN_MAX + 1];

			FUZZ_CHECK(p->type <= TLS_POLICY_LAST);
			FUZZ_CHECK(domain_normalise(slice_str(p->domain), name) == E_OK &&
				   strcmp(name, p->domain) == 0);
			for (size_t k = 0; k < ARRAY_LEN(p->counts); k++)
				FUZZ_CHECK(p->counts[k] <= TLS_RECEIVED_COUNT_MAX);
		}
	}
	xfree(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, size);
	struct diag d = {""};
	struct buf text;

	if (size > TLSRPT_MESSAGE_MAX)
		return 0;
	check_report(in);
	buf_init(&text, TLSRPT_TEXT_MAX, NULL);
	if (tlsrpt_find(in, &text, &d) == E_OK) {
		FUZZ_CHECK(text.n <= TLSRPT_TEXT_MAX);
		check_report(buf_slice(&text));
	}
	buf_fini(&text);
	return 0;
}

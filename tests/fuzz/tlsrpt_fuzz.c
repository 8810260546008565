/* The record that says who wants reports of TLS: limits hold, whom it names can be written to, and
 * nothing that it says ends a line of the report's header. */
#include "common/parse/idn.h"
#include "frontend/outbound/https.h"
#include "frontend/outbound/tlsrpt_mail.h"
#include "frontend/outbound/tlsrpt_record.h"
#include "frontend/rpc/call_tls.h"
#include "tests/fuzz/fuzz.h"

#define RECORDS 4

static size_t lines(slice_t s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\r' || s.p[i] == '\n';
	return n;
}

static void check_address(slice_t address)
{
	static const struct tls_report r = {
		.domain = {"a.test", 6}, .report_id = {"1@b.test", 8}, .contact = {"c@b.test", 8}};
	struct buf b, other;

	FUZZ_CHECK(address.n <= TLSRPT_ADDRESS_MAX);
	buf_init(&b, TLSRPT_MAIL_MAX, NULL);
	buf_init(&other, TLSRPT_MAIL_MAX, NULL);
	FUZZ_CHECK(tlsrpt_mail(&r, address, SLICE_NONE, &b) == E_OK);
	FUZZ_CHECK(tlsrpt_mail(&r, SL("x@y.test"), SLICE_NONE, &other) == E_OK);
	FUZZ_CHECK(lines(buf_slice(&b)) == lines(buf_slice(&other)));
	buf_fini(&b);
	buf_fini(&other);
}

static void check_site(const struct tlsrpt_site *s)
{
	char name[DOMAIN_MAX + 1];
	slice_t path = slice_str(s->path);

	FUZZ_CHECK(domain_normalise(s->host, name) == E_OK && slice_eq(s->host, slice_str(name)));
	FUZZ_CHECK(path.n <= HTTPS_PATH_MAX + 1 && path.p[0] == '/');
	for (size_t i = 0; i < path.n; i++)
		FUZZ_CHECK(path.p[i] > ' ' && path.p[i] < 0x7f && path.p[i] != '#');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, size), records[RECORDS];
	struct tlsrpt_wish w;
	struct arena mem;
	size_t n = 0;

	arena_init(&mem, NULL);
	while (n < RECORDS && in.n != 0)
		records[n++] = fuzz_text(&in);
	if (tlsrpt_record_parse(records, n, &mem, &w) == E_OK) {
		FUZZ_CHECK(w.n + w.nsites != 0);
		FUZZ_CHECK(w.n <= TLSRPT_ADDRESSES_MAX && w.nsites <= TLSRPT_SITES_MAX);
		for (size_t i = 0; i < w.n; i++)
			check_address(w.addresses[i]);
		for (size_t i = 0; i < w.nsites; i++)
			check_site(&w.sites[i]);
	}
	arena_reset(&mem);
	return 0;
}

/* Records of RFC 8460 section 3: which are some, and whom they name. */
#include "frontend/outbound/tlsrpt_record.h"

#include "common/base/buf.h"
#include "frontend/outbound/https.h"
#include "tests/lib/check.h"

TEST(tlsrpt_record_table)
{
	static const struct {
		const char *record;
		enum err want;
		const char *whom; /* addresses, sites; with a space between them */
	} rows[] = {
		{"v=TLSRPTv1; rua=mailto:a@b.test", E_OK, "a@b.test"},
		{"v=TLSRPTv1;rua=mailto:a@b.test;", E_OK, "a@b.test"},
		{"v=TLSRPTv1 ; rua=mailto:a@b.test ; x=y;", E_OK, "a@b.test"},
		{"v=TLSRPTv1;x=y;rua=MAILTO:a@B.test", E_OK, "a@b.test"},
		{"v=TLSRPTv1;rua=mailto:a@b.test, mailto:c@d.test", E_OK, "a@b.test c@d.test"},
		{"v=TLSRPTv1;rua=https://b.test/v1,mailto:a@b.test", E_OK, "a@b.test b.test/v1"},
		{"v=TLSRPTv1;rua=mailto:a@b.test,mailto:c@d.test,mailto:e@f.test", E_OK,
		 "a@b.test c@d.test"},
		{"v=TLSRPTv1;rua=mailto:a%2Cx@b.test", E_NOT_FOUND, ""}, /* not quoted */
		{"v=TLSRPTv1;rua=mailto:a%21x@b.test?subject=y", E_OK, "a!x@b.test"},
		{"v=TLSRPTv1;rua=mailto:%22a%20b%22@b.test", E_OK, "a b@b.test"},
		{"v=TLSRPTv1;rua=mailto:a@b.test!10m", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=mailto:a%0d%0aX: y@b.test", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=mailto:a%2@b.test", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=mailto:a@[192.0.2.1]", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=mailto:postmaster", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=mailto:", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=https://b.test/v1?d=%2C&e", E_OK, "b.test/v1?d=%2C&e"},
		{"v=TLSRPTv1;rua=HTTPS://B.test:443", E_OK, "b.test/"},
		{"v=TLSRPTv1;rua=https://b.test?x", E_OK, "b.test/?x"},
		{"v=TLSRPTv1;rua=https://b.test/1,https://c.test/2,https://d.test/3", E_OK,
		 "b.test/1 c.test/2"},
		{"v=TLSRPTv1;rua=http://b.test/v1", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=https://b.test:25/v1", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=https://u:p@b.test/v1", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=https://192.0.2.1/v1", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=https://[::1]/v1", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=https:///v1", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=https://b.test/a b", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=https://b.test/a#b", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=https://b.test/\xc3\xa4", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;rua=", E_NOT_FOUND, ""},
		{"v=TLSRPTv1;", E_INVALID, ""},
		{"v=TLSRPTv1", E_INVALID, ""},
		{"v=TLSRPTv1;rua=mailto:a@b.test;rua=mailto:c@d.test", E_INVALID, ""},
		{"v=TLSRPTv11;rua=mailto:a@b.test", E_NOT_FOUND, ""},
		{"V=TLSRPTv1;rua=mailto:a@b.test", E_NOT_FOUND, ""},
		{"rua=mailto:a@b.test;v=TLSRPTv1", E_NOT_FOUND, ""},
		{"", E_NOT_FOUND, ""},
	};
	struct arena mem;

	arena_init(&mem, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		slice_t record = slice_str(rows[i].record);
		struct tlsrpt_wish w;
		struct buf b;

		check_note("%s", rows[i].record);
		buf_init(&b, 1024, NULL);
		CHECK_ERR(tlsrpt_record_parse(&record, 1, &mem, &w), rows[i].want);
		for (size_t k = 0; rows[i].want == E_OK && k < w.n; k++) {
			buf_puts(&b, k != 0 ? " " : "");
			buf_put(&b, w.addresses[k]);
		}
		for (size_t k = 0; rows[i].want == E_OK && k < w.nsites; k++) {
			buf_puts(&b, b.n != 0 ? " " : "");
			buf_put(&b, w.sites[k].host);
			buf_puts(&b, w.sites[k].path);
		}
		CHECK_SLICE(buf_slice(&b), slice_str(rows[i].whom));
		buf_fini(&b);
	}
	arena_reset(&mem);
}

TEST(tlsrpt_record_is_one_of_several)
{
	slice_t records[] = {SL("v=spf1 -all"), SL("v=TLSRPTv1;rua=mailto:a@b.test"),
			     SL("v=TLSRPTv1;rua=mailto:c@d.test")};
	struct tlsrpt_wish w;
	struct arena mem;

	arena_init(&mem, NULL);
	CHECK_ERR(tlsrpt_record_parse(records, 1, &mem, &w), E_NOT_FOUND);
	CHECK_ERR(tlsrpt_record_parse(records, 2, &mem, &w), E_OK);
	CHECK_ERR(tlsrpt_record_parse(records, 3, &mem, &w), E_INVALID);
	CHECK_ERR(tlsrpt_record_parse(NULL, 0, &mem, &w), E_NOT_FOUND);
	arena_reset(&mem);
}

TEST(tlsrpt_record_is_bounded)
{
	struct tlsrpt_wish w;
	struct arena mem;
	slice_t record;
	struct buf b;

	arena_init(&mem, NULL);
	buf_init(&b, 65536, NULL);
	buf_puts(&b, "v=TLSRPTv1;rua=");
	for (size_t i = 0; i < TLSRPT_URIS_MAX; i++)
		buf_puts(&b, "ftp://b.test/,");
	buf_puts(&b, "mailto:a@b.test");
	record = buf_slice(&b);
	CHECK_ERR(tlsrpt_record_parse(&record, 1, &mem, &w), E_NOT_FOUND);
	buf_reset(&b);
	buf_puts(&b, "v=TLSRPTv1;rua=mailto:a@");
	for (size_t i = 0; i < TLSRPT_ADDRESS_MAX; i++)
		buf_putc(&b, 'x');
	record = buf_slice(&b);
	CHECK_ERR(tlsrpt_record_parse(&record, 1, &mem, &w), E_NOT_FOUND);
	buf_reset(&b);
	buf_puts(&b, "v=TLSRPTv1;rua=https://b.test/");
	for (size_t i = 1; i < HTTPS_PATH_MAX; i++)
		buf_putc(&b, 'x');
	record = buf_slice(&b);
	CHECK_ERR(tlsrpt_record_parse(&record, 1, &mem, &w), E_OK);
	buf_putc(&b, 'x');
	record = buf_slice(&b);
	CHECK_ERR(tlsrpt_record_parse(&record, 1, &mem, &w), E_NOT_FOUND);
	buf_fini(&b);
	arena_reset(&mem);
}

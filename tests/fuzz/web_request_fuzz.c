/* A request to the site of our policies, line by line: what it asks for is a domain in its normal
 * form, and each end has its words. */
#include "frontend/web/web_request.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, size), domain = SLICE_NONE;
	struct web_request r = {.head = false};
	enum web_page page = WEB_PAGE_STS;
	enum web_status s = WEB_OK;

	for (unsigned n = 0; s == WEB_OK && in.n != 0; n++) {
		size_t end = slice_find_char(in, '\n');
		slice_t line = slice_sub(in, 0, end);

		in = slice_from(in, end + 1);
		s = n == 0 ? web_request_line(line, &r) : web_request_field(line, &r);
	}
	if (s == WEB_OK)
		s = web_request_end(&r, &page, &domain);
	FUZZ_CHECK(web_status_text(s)[0] != '\0');
	if (s == WEB_OK) {
		char name[DOMAIN_MAX + 1];

		FUZZ_CHECK(domain_normalise(domain, name) == E_OK);
		FUZZ_CHECK(slice_eq(domain, slice_str(name)));
		FUZZ_CHECK(r.place != NULL && r.hosts == 1);
	}
	return 0;
}

/* Snapshots of metrics, as a captured front-end could send them: what metric_check accepts can be
 * rendered, and the text holds one sample or comment a line, whatever the names were. */
#include "common/base/utf8.h"
#include "common/log/metric.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX (8 * 1024 * 1024)

static void check_text(slice_t text)
{
	FUZZ_CHECK(utf8_valid(text));
	while (text.n != 0) {
		size_t n = slice_find_char(text, '\n');
		slice_t line = slice_sub(text, 0, n);

		FUZZ_CHECK(n < text.n);
		FUZZ_CHECK(slice_starts(line, SL("postern_")) ||
			   slice_starts(line, SL("# HELP postern_")) ||
			   slice_starts(line, SL("# TYPE postern_")));
		FUZZ_CHECK(line.p[0] == '#' || slice_find(line, SL("node=\"fe1\"")) < line.n);
		text = slice_from(text, n + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct metric_part p = {.snapshot = slice(data, size), .labels = {{"node", "fe1"}}};
	struct buf out;
	enum err e;

	buf_init(&out, TEXT_MAX, NULL);
	e = metric_render(&out, &p, 1, NULL);
	FUZZ_CHECK((metric_check(p.snapshot, NULL) == E_OK) == (e == E_OK || e == E_LIMIT));
	if (e == E_OK)
		check_text(buf_slice(&out));
	else if (e == E_INVALID)
		FUZZ_CHECK(out.n == 0);
	buf_fini(&out);
	return 0;
}

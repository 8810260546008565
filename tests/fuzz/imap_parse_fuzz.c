/* Commands of IMAP: gathering with literals, and the readers of arguments. First byte: which. */
#include "frontend/imap/imap.h"
#include "frontend/imap/imap_cut.h"
#include "frontend/imap/imap_flags.h"
#include "frontend/imap/imap_match.h"
#include "frontend/imap/imap_search_prog.h"
#include "frontend/imap/imap_seq.h"
#include "frontend/imap/imap_utf7.h"
#include "tests/fuzz/fuzz.h"

/* The same command, its literals cut anywhere, is the same text. */
static void gather(slice_t in, size_t chunk, struct buf *out)
{
	struct imap_text t;
	struct imap_literal lit;
	bool announced = true;

	imap_text_init(&t, NULL);
	imap_text_reset(&t, IMAP_TEXT_MAX);
	while (announced) {
		size_t eol = slice_find(in, SL("\r\n"));

		if (eol == in.n ||
		    imap_text_line(&t, slice_sub(in, 0, eol), &announced, &lit) != E_OK)
			break;
		in = slice_from(in, eol + 2);
		if (!announced || imap_text_literal(&t, lit.size) != E_OK || lit.size > in.n)
			break;
		for (size_t at = 0; at < lit.size; at += chunk) {
			slice_t part = slice_sub(in, at, MIN(chunk, (size_t)lit.size - at));

			FUZZ_CHECK(imap_text_bytes(&t, part) == E_OK);
		}
		in = slice_from(in, (size_t)lit.size);
	}
	FUZZ_CHECK(t.b.n <= IMAP_TEXT_MAX && t.literals <= IMAP_LITERALS_MAX);
	buf_put(out, buf_slice(&t.b));
	imap_text_fini(&t);
}

static void fuzz_command(slice_t in)
{
	struct buf a, b;

	buf_init(&a, 2 * IMAP_TEXT_MAX, NULL);
	buf_init(&b, 2 * IMAP_TEXT_MAX, NULL);
	gather(in, 1, &a);
	gather(in, 4096, &b);
	FUZZ_CHECK(slice_eq(buf_slice(&a), buf_slice(&b)));
	buf_fini(&a);
	buf_fini(&b);
}

/* A message of two parts, of which one is a message. */
static const struct mime_part parts[] = {
	{.kind = MIME_MULTIPART, .body_off = 100, .body_end = 5000},
	{.cte = MIME_CTE_BASE64, .header_off = 110, .body_off = 200, .body_end = 3000},
	{.kind = MIME_MESSAGE, .header_off = 3100, .body_off = 3200, .body_end = 4900},
	{.parent = 2,
	 .cte = MIME_CTE_OTHER,
	 .header_off = 3200,
	 .body_off = 3300,
	 .body_end = 4900},
};

static void fuzz_fetch(struct imap_args *a)
{
	struct imap_fetch_items items;
	size_t nbinary = 0;

	if (!imap_fetch_parse(a, IMAP_FETCH_NO_UID, &items))
		return;
	FUZZ_CHECK(items.n != 0 && items.n <= IMAP_FETCH_ITEMS_MAX && items.ndata <= items.n);
	for (size_t i = 0; i < items.n; i++) {
		const struct imap_fetch_item *item = &items.items[i];
		struct imap_layout m = {SL("A: b\r\n"), 5000, parts, ARRAY_LEN(parts)};
		struct imap_span s;

		if (item->kind != IMAP_FETCH_DATA)
			continue;
		FUZZ_CHECK(item->label.n != 0);
		s = imap_cut(item, &m);
		FUZZ_CHECK(s.off <= s.end && s.end <= m.size && s.prefix.n <= m.prefix.n);
		if (item->form == IMAP_FORM_STORED)
			continue;
		nbinary++;
		FUZZ_CHECK(item->section == SECTION_BODY && item->fields == IMAP_FIELDS_ALL);
		FUZZ_CHECK(!imap_needs_bytes(item, &s) ||
			   (s.off < s.end && s.cte != MIME_CTE_OTHER));
	}
	FUZZ_CHECK(nbinary == items.nbinary);
}

/* Another cut, the same bytes. */
static void fuzz_decode(slice_t in)
{
	enum mime_cte cte = (enum mime_cte)(fuzz_byte(&in) % (MIME_CTE_OTHER + 1));
	size_t step = 1 + fuzz_byte(&in) % 100;
	char room[DECODE_OUT_MIN];
	struct decode whole, cut;
	struct buf a, b;
	slice_t rest = in;

	buf_init(&a, in.n + 1, NULL);
	buf_init(&b, in.n + 1, NULL);
	decode_init(&whole, cte);
	decode_init(&cut, cte);
	while (rest.n != 0)
		buf_put(&a, slice(room, decode_feed(&whole, &rest, room, sizeof room)));
	buf_put(&a, slice(room, decode_end(&whole, room)));
	for (; in.n != 0; in = slice_from(in, step)) {
		rest = slice_sub(in, 0, step);
		while (rest.n != 0)
			buf_put(&b, slice(room, decode_feed(&cut, &rest, room, sizeof room)));
	}
	buf_put(&b, slice(room, decode_end(&cut, room)));
	/* Never more than there was: there was room. */
	FUZZ_CHECK(!buf_failed(&a) && !buf_failed(&b));
	FUZZ_CHECK(slice_eq(buf_slice(&a), buf_slice(&b)));
	buf_fini(&a);
	buf_fini(&b);
}

static void fuzz_append(const struct imap_args *a)
{
	slice_t s = cur_rest(&a->c);
	struct imap_literal lit;

	/* As the server asks: at the end of a line that announces a literal. */
	if (imap_announced(s, &lit) && imap_append_at(a) != IMAP_APPEND_NOTHING)
		FUZZ_CHECK(slice_ends(s, SL("}")));
}

static void fuzz_search(struct imap_args *a)
{
	static const struct uid_range have[] = {{1, 3}, {7, 9}, {20, 4000000000}};
	struct imap_view v;
	struct uid_set recent;
	struct imap_search_env env = {&v, &recent};
	struct imap_search s;

	imap_view_init(&v, NULL);
	uid_set_init(&recent, NULL);
	FUZZ_CHECK(imap_view_load(&v, have, ARRAY_LEN(have)) == E_OK);
	if (imap_search_compile(a, &env, &s) == IMAP_SEARCH_OK) {
		size_t depth = 0;

		/* A program: never less than an operator needs, one set at the end. */
		for (size_t i = 0; i < s.nkeys; i++) {
			switch ((unsigned)s.keys[i].op) {
			case SEARCH_AND:
			case SEARCH_OR:
				FUZZ_CHECK(depth >= 2);
				depth--;
				break;
			case SEARCH_NOT:
				FUZZ_CHECK(depth >= 1);
				break;
			default:
				depth++;
			}
		}
		FUZZ_CHECK(depth == 1 && s.nkeys <= SEARCH_KEYS_MAX);
	}
	imap_view_fini(&v);
	uid_set_fini(&recent);
}

static void fuzz_seq(struct imap_args *a)
{
	static const struct uid_range have[] = {{1, 3}, {7, 9}, {20, 4000000000}};
	struct imap_seq seq;
	struct imap_view v;
	struct uid_set seqs, uids;

	if (!imap_seq_parse(a, &seq))
		return;
	imap_view_init(&v, NULL);
	uid_set_init(&seqs, NULL);
	uid_set_init(&uids, NULL);
	FUZZ_CHECK(imap_view_load(&v, have, ARRAY_LEN(have)) == E_OK);
	if (imap_seq_resolve(&seq, IMAP_NUMBERS_UID, &v, &seqs) == E_OK) {
		FUZZ_CHECK(uid_set_count(&seqs) <= v.count);
		FUZZ_CHECK(imap_view_to_uids(&v, uid_set_ranges(&seqs), uid_set_n(&seqs), &uids) ==
			   E_OK);
	}
	imap_view_fini(&v);
	uid_set_fini(&seqs);
	uid_set_fini(&uids);
}

/* A name that is taken has one spelling. */
static void fuzz_name(slice_t in)
{
	struct buf path, name;
	uint64_t steps = 0;

	buf_init(&path, IMAP_PATH_MAX, NULL);
	buf_init(&name, 8 * (size_t)IMAP_PATH_MAX, NULL);
	if (imap_utf7_decode(&path, in)) {
		imap_utf7_encode(&name, buf_slice(&path));
		FUZZ_CHECK(slice_eq(buf_slice(&name), in));
	}
	(void)imap_match(in, SL("INBOX/a/b"), &steps);
	buf_fini(&path);
	buf_fini(&name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, size), s;
	unsigned how = fuzz_byte(&in);
	struct imap_flags flags;
	struct arena arena;
	struct imap_args a;
	const char *why;
	int64_t us;

	arena_init(&arena, NULL);
	a = imap_args(in, &arena);
	switch (how % 10) {
	case 0:
		fuzz_command(in);
		break;
	case 1:
		fuzz_fetch(&a);
		break;
	case 2:
		fuzz_search(&a);
		break;
	case 3:
		fuzz_seq(&a);
		break;
	case 4:
		fuzz_name(in);
		break;
	case 5:
		if (imap_flags_parse_store(&a, &flags, &why))
			FUZZ_CHECK(flags.nkeywords <= IMAP_KEYWORDS_MAX);
		break;
	case 6:
		while (imap_astring(&a, &s) && imap_sp(&a))
			FUZZ_CHECK(s.n <= in.n);
		break;
	case 7:
		(void)imap_date_time(&a, &us);
		break;
	case 8:
		fuzz_decode(in);
		break;
	case 9:
		fuzz_append(&a);
		break;
	}
	arena_reset(&arena);
	return 0;
}

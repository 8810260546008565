/* What a FETCH asks for, and which bytes that is. */
#include <stdio.h>

#include "common/record/record.h"
#include "frontend/imap/imap_cut.h"
#include "frontend/mime/mime.h"
#include "frontend/rpc/call_message.h"
#include "tests/lib/check.h"

static void label_case(const char *in, const char *want)
{
	struct imap_fetch_items items;
	struct arena arena;
	struct imap_args a;
	struct buf b;

	arena_init(&arena, NULL);
	buf_init(&b, 10000, NULL);
	a = imap_args(slice_str(in), &arena);
	check_note("%s", in);
	if (imap_fetch_parse(&a, IMAP_FETCH_NO_UID, &items) && imap_end(&a)) {
		static const char *const kinds[] = {"UID", "FLAGS", "DATE",      "SIZE",
						    "ENV", "BODY",  "STRUCTURE", ""};

		for (size_t i = 0; i < items.n; i++) {
			if (i != 0)
				buf_putc(&b, '|');
			buf_puts(&b, kinds[items.items[i].kind]);
			buf_put(&b, items.items[i].label);
		}
		buf_puts(&b, items.sets_seen ? " seen" : "");
	} else {
		buf_puts(&b, "BAD");
	}
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	buf_fini(&b);
	arena_reset(&arena);
}

TEST(fetch_items)
{
	label_case("ALL", "FLAGS|DATE|SIZE|ENV");
	label_case("fast", "FLAGS|DATE|SIZE");
	label_case("FULL", "FLAGS|DATE|SIZE|ENV|BODY");
	label_case("(ALL)", "BAD");
	label_case("ALLX", "BAD");
	label_case("FLAGS", "FLAGS");
	label_case("(FLAGS UID FLAGS)", "FLAGS|UID");
	label_case("()", "BAD");
	label_case("(FLAGS", "BAD");
	label_case("FLAGS UID", "BAD");
	label_case("BODY", "BODY");
	label_case("BODYSTRUCTURE", "STRUCTURE");
	label_case("RFC822", "RFC822 seen");
	label_case("RFC822.TEXT", "RFC822.TEXT seen");
	label_case("RFC822.HEADER", "RFC822.HEADER");
	label_case("RFC822.SIZE", "SIZE");
	label_case("RFC822.X", "BAD");
	label_case("BODY[]", "BODY[] seen");
	label_case("body.peek[]", "BODY[]");
	label_case("BODY.PEEK", "BAD");
	label_case("BODY[TEXT]<0.10>", "BODY[TEXT]<0> seen");
	label_case("BODY[]<5.0>", "BAD");
	label_case("BODY[]<5>", "BAD");
	label_case("BODY.PEEK[1.2.3]", "BODY[1.2.3]");
	label_case("BODY.PEEK[1.2.MIME]", "BODY[1.2.MIME]");
	label_case("BODY.PEEK[1.header]", "BODY[1.HEADER]");
	label_case("BODY.PEEK[1.HEADER.FIELDS (A b)]", "BODY[1.HEADER.FIELDS (A b)]");
	label_case("BODY.PEEK[HEADER.FIELDS.NOT (\"A b\")]", "BODY[HEADER.FIELDS.NOT (\"A b\")]");
	label_case("BODY.PEEK[HEADER.FIELDS ({3}\r\na\"b x)]<3.4>",
		   "BODY[HEADER.FIELDS (\"a\\\"b\" x)]<3>");
	label_case("BODY[HEADER.FIELDS ()]", "BAD");
	label_case("BODY[HEADER.FIELDS (\"\")]", "BAD");
	label_case("BODY[MIME]", "BAD");
	label_case("BODY[0]", "BAD");
	label_case("BODY[1.]", "BAD");
	label_case("BODY[1.0]", "BAD");
	label_case("BODY[1", "BAD");
	label_case("BODY[HEADERS]", "BAD");
	label_case("(BODY.PEEK[1] BODY.PEEK[2])", "BODY[1]|BODY[2]");
	/* RFC 3516 section 7 */
	label_case("BINARY[]", "BINARY[] seen");
	label_case("binary[1.2]<3.4>", "BINARY[1.2]<3> seen");
	label_case("BINARY.PEEK[1]<0.1>", "BINARY[1]<0>");
	label_case("BINARY.SIZE[1.2]", "BINARY.SIZE[1.2]");
	label_case("BINARY.SIZE[]", "BINARY.SIZE[]");
	label_case("BINARY.SIZE[1]<0.1>", "BAD");
	label_case("BINARY", "BAD");
	label_case("BINARY.PEEK", "BAD");
	label_case("BINARY[HEADER]", "BAD");
	label_case("BINARY[TEXT]", "BAD");
	label_case("BINARY[1.MIME]", "BAD");
	label_case("BINARY[1.HEADER.FIELDS (A)]", "BAD");
	label_case("BINARY[0]", "BAD");
	label_case("BINARY[1]<0.0>", "BAD");
	label_case("(BINARY.SIZE[1] BINARY.SIZE[2] BINARY.SIZE[1] BINARY[1] BINARY[1])",
		   "BINARY.SIZE[1]|BINARY.SIZE[2]|BINARY[1]|BINARY[1] seen");
}

TEST(fetch_limits)
{
	struct imap_fetch_items items;
	struct arena arena;
	struct imap_args a;
	struct buf b;

	arena_init(&arena, NULL);
	buf_init(&b, 100000, NULL);
	for (unsigned i = 0; i <= IMAP_FETCH_ITEMS_MAX; i++)
		buf_printf(&b, "%sBODY.PEEK[%u]", i == 0 ? "(" : " ", i + 1);
	buf_puts(&b, ")");
	a = imap_args(buf_slice(&b), &arena);
	CHECK(!imap_fetch_parse(&a, IMAP_FETCH_NO_UID, &items));
	buf_reset(&b);
	buf_puts(&b, "BODY[1");
	for (unsigned i = 0; i < SUMMARY_DEPTH_MAX; i++)
		buf_puts(&b, ".1");
	buf_puts(&b, "]");
	a = imap_args(buf_slice(&b), &arena);
	CHECK(!imap_fetch_parse(&a, IMAP_FETCH_NO_UID, &items));
	buf_reset(&b);
	buf_puts(&b, "BODY[HEADER.FIELDS (");
	for (unsigned i = 0; i <= IMAP_FETCH_NAMES_MAX; i++)
		buf_puts(&b, i == 0 ? "a" : " a");
	buf_puts(&b, ")]");
	a = imap_args(buf_slice(&b), &arena);
	CHECK(!imap_fetch_parse(&a, IMAP_FETCH_NO_UID, &items));
	for (unsigned n = IMAP_FETCH_NAMES_ALL_MAX / 64; n <= IMAP_FETCH_NAMES_ALL_MAX / 64 + 1;
	     n++) {
		buf_reset(&b);
		for (unsigned i = 0; i < 64; i++) {
			buf_puts(&b, i == 0 ? "(BODY[HEADER.FIELDS (" : " BODY[HEADER.FIELDS (");
			for (unsigned k = 0; k < n; k++)
				buf_puts(&b, k == 0 ? "a" : " a");
			buf_puts(&b, ")]");
		}
		buf_puts(&b, ")");
		a = imap_args(buf_slice(&b), &arena);
		CHECK(imap_fetch_parse(&a, IMAP_FETCH_NO_UID, &items) ==
		      (n * 64 <= IMAP_FETCH_NAMES_ALL_MAX));
	}
	buf_fini(&b);
	arena_reset(&arena);
}

static const char message[] =
	"Subject: Hi\r\nX-A: 1\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	"--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n"
	"--b\r\nContent-Type: message/rfc822\r\n\r\n"
	"Subject: inner\r\nFrom: x@y\r\n\r\ninner text\r\n"
	"--b--\r\n";
static const char prefix[] = "Return-Path: <a@b>\r\nReceived: here\r\n";

/* The bytes of one item, "NIL", or for header fields what the filter leaves. */
static void cut_case(const char *item, const char *want)
{
	struct imap_layout m = {.prefix = slice_str(prefix), .size = sizeof message - 1};
	struct mime_parser *p = mime_parser_new(NULL, NULL);
	struct imap_fetch_items items;
	struct mime_summary sum;
	struct imap_span span;
	struct arena arena;
	struct imap_args a;
	struct buf b;

	arena_init(&arena, NULL);
	buf_init(&b, 10000, NULL);
	check_note("%s", item);
	mime_parser_feed(p, slice_str(message));
	CHECK_ERR(mime_parser_end(p, &sum), E_OK);
	m.parts = sum.parts;
	m.nparts = sum.nparts;
	a = imap_args(slice_str(item), &arena);
	CHECK(imap_fetch_parse(&a, IMAP_FETCH_NO_UID, &items) && items.n == 1);
	span = imap_cut(&items.items[0], &m);
	if (span.nil) {
		buf_puts(&b, "NIL");
	} else if (items.items[0].fields != IMAP_FIELDS_ALL) {
		imap_filter_header(&items.items[0], span.prefix, &b);
		imap_filter_header(&items.items[0],
				   slice(message + span.off, (size_t)(span.end - span.off)), &b);
	} else {
		CHECK_INT(imap_span_size(&span), span.prefix.n + (span.end - span.off));
		buf_put(&b, span.prefix);
		buf_put(&b, slice(message + span.off, (size_t)(span.end - span.off)));
	}
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	mime_parser_free(&p);
	buf_fini(&b);
	arena_reset(&arena);
}

static const char whole_header[] =
	"Return-Path: <a@b>\r\nReceived: here\r\n"
	"Subject: Hi\r\nX-A: 1\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";

TEST(cut_sections)
{
	char whole[1000];

	snprintf(whole, sizeof whole, "%s%s", prefix, message);
	cut_case("BODY[]", whole);
	cut_case("BODY[HEADER]", whole_header);
	cut_case("RFC822.HEADER", whole_header);
	cut_case("BODY[TEXT]", strstr(message, "--b\r\n"));
	cut_case("BODY[1]", "first");
	cut_case("BODY[1.MIME]", "Content-Type: text/plain\r\n\r\n");
	cut_case("BODY[2]", "Subject: inner\r\nFrom: x@y\r\n\r\ninner text");
	cut_case("BODY[2.HEADER]", "Subject: inner\r\nFrom: x@y\r\n\r\n");
	cut_case("BODY[2.TEXT]", "inner text");
	cut_case("BODY[2.1]", "inner text");
	cut_case("BODY[2.2]", "NIL");
	cut_case("BODY[3]", "NIL");
	cut_case("BODY[1.1]", "NIL");
	cut_case("BODY[HEADER.FIELDS (x-a RECEIVED)]", "Received: here\r\nX-A: 1\r\n");
	cut_case("BODY[HEADER.FIELDS (nothing)]", "");
	cut_case("BODY[HEADER.FIELDS.NOT (received content-type X-A)]",
		 "Return-Path: <a@b>\r\nSubject: Hi\r\n");
	cut_case("BODY[2.HEADER.FIELDS (From)]", "From: x@y\r\n");
}

TEST(cut_partials_of_prefix_and_record)
{
	char whole[1000], item[64];
	size_t n;

	snprintf(whole, sizeof whole, "%s%s", prefix, message);
	n = strlen(whole);
	for (size_t first = 0; first <= n + 2; first++) {
		for (size_t count = 1; count < n + 2; count += 7) {
			char want[1000] = "";

			if (first < n)
				memcpy(want, whole + first, MIN(count, n - first));
			snprintf(item, sizeof item, "BODY[]<%zu.%zu>", first, count);
			cut_case(item, want);
		}
	}
	cut_case("BODY[1]<1.3>", "irs");
	cut_case("BODY[1]<4294967295.4294967295>", "");
}

/* The guess holds the bytes whatever the prefix is, or says "to the end". */
TEST(cut_guess)
{
	static const struct {
		const char *item;
		uint64_t from, to;
	} cases[] = {
		{"BODY[]", 0, UINT64_MAX},
		{"BODY[HEADER]", 0, RECORD_BLOCK},
		{"BODY[TEXT]", 0, UINT64_MAX},
		{"BODY[1]", 0, UINT64_MAX},
		{"BODY[]<0.100>", 0, 100},
		{"BODY[]<100000.100>", 100000 - MESSAGE_PREFIX_MAX, 100100},
		{"BODY[TEXT]<10.100>", 10, 110 + RECORD_BLOCK},
		{"BODY[1]<10.100>", 0, UINT64_MAX},
		{"BINARY[]<100.100>", 0, 200},
		{"BINARY[1]<10.100>", 0, UINT64_MAX},
		{"BINARY.SIZE[1]", 0, UINT64_MAX},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct imap_fetch_items items;
		struct arena arena;
		struct imap_args a;
		uint64_t from, to;

		arena_init(&arena, NULL);
		a = imap_args(slice_str(cases[i].item), &arena);
		check_note("%s", cases[i].item);
		CHECK(imap_fetch_parse(&a, IMAP_FETCH_NO_UID, &items));
		imap_guess(&items.items[0], &from, &to);
		CHECK(from == cases[i].from && to == cases[i].to);
		arena_reset(&arena);
	}
}

TEST(cut_fields_kept)
{
	static const struct {
		const char *item;
		bool kept;
	} cases[] = {
		{"BODY[HEADER.FIELDS (From To Subject Date Message-ID List-Id)]", true},
		{"BODY[HEADER.FIELDS (From X-Spam)]", false},
		{"BODY[HEADER.FIELDS.NOT (From)]", false},
		{"BODY[1.HEADER.FIELDS (From)]", false},
		{"BODY[HEADER]", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct imap_fetch_items items;
		struct arena arena;
		struct imap_args a;
		uint64_t mask = 0;

		arena_init(&arena, NULL);
		a = imap_args(slice_str(cases[i].item), &arena);
		check_note("%s", cases[i].item);
		CHECK(imap_fetch_parse(&a, IMAP_FETCH_NO_UID, &items));
		CHECK(imap_fields_kept(&items.items[0], &mask) == cases[i].kept);
		CHECK((mask != 0) == cases[i].kept);
		arena_reset(&arena);
	}
}

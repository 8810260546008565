/* The bounds check of a summary that came back from a store. */
#include "frontend/mime/summary.h"
#include "tests/lib/check.h"

/* message: header 0-20; multipart of a leaf, a message with a leaf in it, and a leaf. */
static const struct mime_part good_parts[] = {
	{0, MIME_MULTIPART, MIME_CTE_7BIT, 0, 20, 200, 10},
	{0, MIME_LEAF, MIME_CTE_7BIT, 25, 30, 50, 1},
	{0, MIME_MESSAGE, MIME_CTE_7BIT, 60, 70, 120, 3},
	{2, MIME_LEAF, MIME_CTE_QP, 70, 90, 120, 2},
	{0, MIME_LEAF, MIME_CTE_BASE64, 130, 140, 190, 1},
};
#define NPARTS ARRAY_LEN(good_parts)

static void check_bad(size_t i, struct mime_part changed, const char *what)
{
	struct mime_part parts[NPARTS];
	struct diag d = {""};

	memcpy(parts, good_parts, sizeof parts);
	parts[i] = changed;
	check_note("part %zu: %s", i, what);
	CHECK_ERR(summary_parts_check(parts, NPARTS, 200, &d), E_CORRUPT);
	CHECK(d.text[0] != '\0');
}

#define BAD(i, field, value) \
	do { \
		struct mime_part changed_ = good_parts[i]; \
		changed_.field = (value); \
		check_bad((i), changed_, #field " = " #value); \
	} while (0)

TEST(parts_good)
{
	struct diag d;

	CHECK_ERR(summary_parts_check(good_parts, NPARTS, 200, &d), E_OK);
}

TEST(parts_bad)
{
	struct diag d;

	BAD(0, header_off, 1);
	BAD(0, body_end, 199);
	BAD(0, body_end, 201);
	BAD(0, body_off, 201);
	BAD(0, parent, 1);
	BAD(0, kind, MIME_LEAF);
	BAD(0, kind, MIME_MESSAGE);
	BAD(1, body_off, 24);
	BAD(1, body_off, 51);
	BAD(1, header_off, 19);
	BAD(1, body_end, 61);
	BAD(1, lines, 21);
	BAD(1, kind, MIME_MULTIPART);
	BAD(1, kind, (enum mime_kind)7);
	BAD(1, cte, (enum mime_cte)9);
	BAD(1, parent, 1);
	BAD(1, parent, 4);
	BAD(2, header_off, 45);
	BAD(2, kind, MIME_LEAF);
	BAD(3, parent, 0);
	BAD(3, parent, 1);
	BAD(3, header_off, 71);
	BAD(3, body_end, 119);
	BAD(3, body_end, UINT64_MAX);
	BAD(4, parent, 2);
	BAD(4, parent, 3);
	BAD(4, header_off, 119);
	BAD(4, kind, MIME_MULTIPART);
	BAD(4, kind, MIME_MESSAGE);
	CHECK_ERR(summary_parts_check(good_parts, 0, 200, &d), E_CORRUPT);
	CHECK_ERR(summary_parts_check(good_parts, SUMMARY_PARTS_MAX + 1, 200, &d), E_CORRUPT);
	CHECK_ERR(summary_parts_check(good_parts, 2, 200, &d), E_OK);
	CHECK_ERR(summary_parts_check(good_parts, 3, 200, &d), E_CORRUPT);
}

TEST(parts_depth)
{
	struct mime_part parts[SUMMARY_DEPTH_MAX + 1];
	struct diag d;

	for (uint32_t i = 0; i < ARRAY_LEN(parts); i++)
		parts[i] = (struct mime_part){
			i != 0 ? i - 1 : 0, MIME_MULTIPART, MIME_CTE_7BIT, 0, 0, 10, 0};
	parts[SUMMARY_DEPTH_MAX - 1].kind = MIME_LEAF;
	CHECK_ERR(summary_parts_check(parts, SUMMARY_DEPTH_MAX, 10, &d), E_OK);
	parts[SUMMARY_DEPTH_MAX - 1].kind = MIME_MULTIPART;
	parts[SUMMARY_DEPTH_MAX].kind = MIME_LEAF;
	CHECK_ERR(summary_parts_check(parts, SUMMARY_DEPTH_MAX + 1, 10, &d), E_CORRUPT);
}

struct whole {
	struct mime_summary s;
	struct mime_part parts[NPARTS];
	struct mime_field fields[2];
};

static void make(struct whole *w)
{
	memcpy(w->parts, good_parts, sizeof w->parts);
	w->fields[0] = (struct mime_field){SL("Subject"), SL("Subject: a\r\n b\r\n")};
	w->fields[1] = (struct mime_field){SL("to"), SL("to : x\n")};
	w->s = (struct mime_summary){
		.size = 200,
		.header_size = 20,
		.lines = 10,
		.envelope = SL("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"),
		.bodystructure = SL("(\"A\" \"B\" NIL NIL NIL \"7BIT\" 1)"),
		.parts = w->parts,
		.nparts = NPARTS,
		.fields = w->fields,
		.nfields = 2,
		.subject = SL("a b"),
	};
}

static void check_whole(const struct whole *w, enum err want, const char *what)
{
	struct diag d = {""};

	check_note("%s", what);
	CHECK_ERR(summary_check(&w->s, &d), want);
}

TEST(summary_bounds)
{
	static char big[SUMMARY_TEXT_MAX + 1];
	struct whole w;

	memset(big, 'x', sizeof big);
#define CASE(want, ...) \
	do { \
		make(&w); \
		__VA_ARGS__; \
		check_whole(&w, (want), #__VA_ARGS__); \
	} while (0)
	CASE(E_OK, (void)0);
	CASE(E_CORRUPT, w.s.header_size = 21);
	CASE(E_CORRUPT, w.s.lines = 11);
	CASE(E_CORRUPT, w.s.size = 201);
	CASE(E_CORRUPT, w.s.envelope = SLICE_NONE);
	CASE(E_CORRUPT, w.s.envelope = SL("(NIL"));
	CASE(E_CORRUPT, w.s.envelope = SL("(NIL)\r\nA1 OK"));
	CASE(E_CORRUPT, w.s.bodystructure = SL("(\"a\r\n\")"));
	CASE(E_CORRUPT, w.fields[0].raw = SL("Subject: a"));
	CASE(E_CORRUPT, w.fields[0].raw = SL("Subject: a\r\nX: b\r\n"));
	CASE(E_CORRUPT, w.fields[0].raw = SL("Subject: a\r\n\r\n"));
	CASE(E_CORRUPT, w.fields[0].raw = SL("Subject: a\0\r\n"));
	CASE(E_CORRUPT, w.fields[0].raw = SL("Subjects: a\r\n"));
	CASE(E_CORRUPT, w.fields[0].raw = SLICE_NONE);
	CASE(E_CORRUPT, w.fields[0] = ((struct mime_field){SL("X"), SL("X: a\r\n")}));
	CASE(E_CORRUPT, w.s.nfields = SUMMARY_FIELDS_MAX + 1);
	CASE(E_CORRUPT, w.s.subject = SL("\xff"));
	CASE(E_CORRUPT, w.s.subject = slice(big, SUMMARY_COLUMN_MAX + 1));
	CASE(E_OK, w.s.subject = slice(big, SUMMARY_COLUMN_MAX));
	CASE(E_CORRUPT, w.s.base_subject = slice(big, SUMMARY_BASE_SUBJECT_MAX + 1));
	CASE(E_CORRUPT, w.s.text = slice(big, SUMMARY_TEXT_MAX + 1));
	CASE(E_OK, w.s.text = slice(big, SUMMARY_TEXT_MAX));
	CASE(E_CORRUPT, w.s.message_id = slice(big, SUMMARY_MESSAGE_ID_MAX + 1));
	CASE(E_CORRUPT, w.s.nreferences = SUMMARY_REFERENCES_MAX + 1);
	CASE(E_CORRUPT, w.s.sent_zone_min = 6000);
	CASE(E_CORRUPT, w.s.sent_us = INT64_MAX);
	CASE(E_CORRUPT, w.s.nparts = 0);
#undef CASE
}

TEST(summary_rendered_lengths)
{
	static char list[SUMMARY_STRUCTURE_MAX + 2];
	struct whole w;

	memset(list, 'x', sizeof list);
	list[0] = '(';
	make(&w);
	list[SUMMARY_ENVELOPE_MAX - 1] = ')';
	w.s.envelope = slice(list, SUMMARY_ENVELOPE_MAX);
	check_whole(&w, E_OK, "longest envelope");
	list[SUMMARY_ENVELOPE_MAX - 1] = 'x';
	list[SUMMARY_ENVELOPE_MAX] = ')';
	w.s.envelope = slice(list, SUMMARY_ENVELOPE_MAX + 1);
	check_whole(&w, E_CORRUPT, "longer envelope");
	make(&w);
	list[SUMMARY_ENVELOPE_MAX] = 'x';
	list[SUMMARY_STRUCTURE_MAX] = ')';
	w.s.bodystructure = slice(list, SUMMARY_STRUCTURE_MAX + 1);
	check_whole(&w, E_CORRUPT, "longer structure");
}

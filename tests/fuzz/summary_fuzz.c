/*
 * What comes back from a store: the bounds check of a summary, and what is done with one that
 * passes. The input: number of parts, 8 bytes a part (parent, kind, encoding, header_off, body_off,
 * body_end, lines, unused), message size, then texts that end in 0xfe: envelope, structure, and
 * fields.
 */
#include "common/base/buf.h"
#include "frontend/mime/hdr.h"
#include "frontend/mime/imaptext.h"
#include "frontend/mime/structure.h"
#include "frontend/mime/summary.h"
#include "tests/fuzz/fuzz.h"

#define PARTS  64
#define FIELDS 16

struct input {
	struct mime_summary s;
	struct mime_part parts[PARTS];
	struct mime_field fields[FIELDS];
};

static slice_t take_text(slice_t *in)
{
	slice_t s = slice_sub(*in, 0, slice_find_char(*in, (char)0xfe));

	*in = slice_from(*in, s.n + 1);
	return s;
}

static void decode(slice_t in, struct input *out)
{
	struct mime_summary *s = &out->s;

	*s = (struct mime_summary){.parts = out->parts, .fields = out->fields};
	s->nparts = fuzz_byte(&in) % (PARTS + 1);
	for (size_t i = 0; i < s->nparts; i++) {
		struct mime_part *p = &out->parts[i];

		p->parent = fuzz_byte(&in);
		p->kind = (enum mime_kind)fuzz_byte(&in);
		p->cte = (enum mime_cte)fuzz_byte(&in);
		p->header_off = fuzz_byte(&in);
		p->body_off = fuzz_byte(&in);
		p->body_end = fuzz_byte(&in);
		p->lines = fuzz_byte(&in);
		(void)fuzz_byte(&in);
	}
	s->size = fuzz_byte(&in);
	s->header_size = s->nparts != 0 ? out->parts[0].body_off : 0;
	s->lines = s->nparts != 0 ? out->parts[0].lines : 0;
	s->envelope = take_text(&in);
	s->bodystructure = take_text(&in);
	while (in.n != 0 && s->nfields < FIELDS) {
		slice_t raw = take_text(&in);

		out->fields[s->nfields++] = (struct mime_field){hdr_field_name(raw), raw};
	}
}

static void use(const struct mime_summary *s)
{
	static const enum summary_section sections[] = {SECTION_BODY, SECTION_MIME, SECTION_HEADER,
							SECTION_TEXT};
	uint32_t path[3];

	for (uint32_t i = 0; i < 4 * 4 * 4 * 4 * 4; i++) {
		uint64_t off, end;

		path[0] = i / 16 % 4;
		path[1] = i / 64 % 4;
		path[2] = i / 256 % 4;
		if (summary_section_range(s, path, i / 4 % 4, sections[i % 4], &off, &end))
			FUZZ_CHECK(off <= end && end <= s->size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	slice_t in = slice(data, n);
	struct input input;
	struct diag d;
	struct buf body;

	decode(in, &input);
	if (summary_check(&input.s, &d) == E_OK)
		use(&input.s);
	/* The text alone: what passes can be cut down, and still passes then. */
	buf_init(&body, n + 1, NULL);
	for (slice_t rest = in; rest.n != 0;) {
		slice_t text = take_text(&rest);

		buf_reset(&body);
		if (imaptext_list_check(text, SUMMARY_LIST_DEPTH_MAX) &&
		    structure_to_body(text, &body))
			FUZZ_CHECK(imaptext_list_check(buf_slice(&body), SUMMARY_LIST_DEPTH_MAX));
	}
	buf_fini(&body);
	return 0;
}

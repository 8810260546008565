#include "frontend/mime/mime_priv.h"

static enum err finish_structure(struct mime_parser *p, struct mime_summary *out)
{
	static const enum structure_form forms[] = {STRUCTURE_FULL, STRUCTURE_LEAN,
						    STRUCTURE_OPAQUE};
	struct buf text;

	buf_init(&text, SUMMARY_STRUCTURE_MAX, p->budget);
	for (size_t i = p->content.over ? 1 : 0; i < ARRAY_LEN(forms); i++) {
		structure_render(mime_part_at(p, 0), mime_info_at(p, 0), mime_part_count(p),
				 forms[i], &text);
		if (!buf_failed(&text)) {
			if (forms[i] == STRUCTURE_OPAQUE) {
				mime_part_at(p, 0)->kind = MIME_LEAF;
				mime_part_at(p, 0)->cte = MIME_CTE_BINARY;
				out->nparts = 1;
			}
			break;
		}
		/* Too long, or no memory? With all memory that it may take, it was too long. */
		buf_reset(&text);
		if (buf_reserve(&text, SUMMARY_STRUCTURE_MAX) == NULL)
			break;
	}
	if (buf_failed(&text) || !arena_try_dup(&p->mem, buf_slice(&text), &out->bodystructure))
		p->err = E_LIMIT;
	buf_fini(&text);
	return p->err;
}

static enum err finish_fields(struct mime_parser *p, struct mime_summary *out)
{
	const struct mime_kept *at = (const struct mime_kept *)(const void *)p->kept_at.p;
	size_t n = p->kept_at.n / sizeof *at;

	out->fields_complete = p->kept_all;
	out->nfields = n;
	out->fields = arena_try(&p->mem, MAX(n, (size_t)1) * sizeof *out->fields);
	if (out->fields == NULL)
		return E_LIMIT;
	for (size_t i = 0; i < n; i++) {
		slice_t raw = slice_sub(buf_slice(&p->kept), at[i].off, at[i].len);

		out->fields[i] = (struct mime_field){hdr_field_name(raw), raw};
	}
	return E_OK;
}

enum err mime_parser_end(struct mime_parser *p, struct mime_summary *out)
{
	mime_close_all(p);
	if (p->err == E_OK && buf_failed(&p->text.out))
		p->err = E_LIMIT;
	if (p->err != E_OK)
		return p->err;
	*out = (struct mime_summary){.parser_version = SUMMARY_PARSER_VERSION, .size = p->off};
	out->parts = mime_part_at(p, 0);
	out->nparts = mime_part_count(p);
	out->header_size = out->parts[0].body_off;
	out->lines = out->parts[0].lines;
	out->envelope = p->rendered_envelope;
	columns_finish(&p->columns, out);
	out->text = buf_slice(&p->text.out);
	out->text_cut = p->text.cut;
	if (finish_structure(p, out) != E_OK || finish_fields(p, out) != E_OK)
		return E_LIMIT;
	out->big = out->envelope.n + out->bodystructure.n + p->kept.n > SUMMARY_BIG;
	return E_OK;
}

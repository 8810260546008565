#include "frontend/imap/imap_cut.h"

#include "common/record/record.h"
#include "frontend/mime/hdr.h"
#include "frontend/rpc/call_message.h"

bool imap_needs_parts(const struct imap_fetch_item *item)
{
	return item->kind == IMAP_FETCH_DATA && (item->npath != 0 || item->section != SECTION_BODY);
}

bool imap_needs_bytes(const struct imap_fetch_item *item, const struct imap_span *s)
{
	if (s->nil || s->off == s->end || s->cte == MIME_CTE_OTHER)
		return false;
	return item->form != IMAP_FORM_SIZE || decode_needed(s->cte);
}

/* What a BINARY's section is encoded in. The message as a whole is in nothing. */
static enum mime_cte section_cte(const struct imap_fetch_item *item, const struct imap_layout *m)
{
	size_t i;

	if (item->npath == 0 ||
	    !summary_part_find(m->parts, m->nparts, item->path, item->npath, &i))
		return MIME_CTE_BINARY;
	return m->parts[i].cte;
}

/* The partial, on the bytes of both parts. */
static void clip_span(const struct imap_fetch_item *item, struct imap_span *s)
{
	uint64_t first, n, in_prefix;

	imap_clip(item, imap_span_size(s), &first, &n);
	in_prefix = MIN(first, (uint64_t)s->prefix.n);
	s->prefix = slice_sub(s->prefix, (size_t)in_prefix, (size_t)MIN(n, (uint64_t)SIZE_MAX));
	s->off += first - in_prefix;
	s->end = s->off + (n - s->prefix.n);
}

struct imap_span imap_cut(const struct imap_fetch_item *item, const struct imap_layout *m)
{
	struct imap_span s = {.end = m->size};
	struct mime_summary sum = {.size = m->size};

	if (imap_needs_parts(item)) {
		invariant(m->nparts != 0);
		/* The table is not written to; the type is a parser's, too. */
		sum.parts = (struct mime_part *)(uintptr_t)m->parts;
		sum.nparts = m->nparts;
		sum.header_size = m->parts[0].body_off;
		s.nil = !summary_section_range(&sum, item->path, item->npath, item->section, &s.off,
					       &s.end);
		if (s.nil || s.end < s.off || s.end > m->size)
			return (struct imap_span){.nil = true};
	}
	if (item->npath == 0 && (item->section == SECTION_BODY || item->section == SECTION_HEADER))
		s.prefix = m->prefix;
	if (item->form != IMAP_FORM_STORED)
		s.cte = section_cte(item, m);
	if (item->fields != IMAP_FIELDS_ALL)
		s.end = MIN(s.end, s.off + IMAP_HEADER_MAX);
	else if (!decode_needed(s.cte))
		clip_span(item, &s);
	return s;
}

void imap_clip(const struct imap_fetch_item *item, uint64_t n, uint64_t *first_out, uint64_t *n_out)
{
	*first_out = item->partial ? MIN((uint64_t)item->first, n) : 0;
	*n_out = item->partial ? MIN((uint64_t)item->count, n - *first_out) : n;
}

void imap_guess(const struct imap_fetch_item *item, uint64_t *from_out, uint64_t *to_out)
{
	uint64_t first = item->partial ? item->first : 0;
	uint64_t end = first + item->count;

	*from_out = 0;
	*to_out = UINT64_MAX;
	if (item->npath != 0 || item->section == SECTION_MIME)
		return;
	if (item->section == SECTION_HEADER) {
		*to_out = RECORD_BLOCK;
	} else if (item->partial && item->section == SECTION_BODY) {
		/* The prefix comes before it, of unknown length. */
		*from_out = first - MIN(first, (uint64_t)MESSAGE_PREFIX_MAX);
		*to_out = end;
	} else if (item->partial) {
		/* So does the header. */
		*from_out = first;
		*to_out = end + RECORD_BLOCK;
	}
}

static bool wanted(const struct imap_fetch_item *item, slice_t name)
{
	for (size_t i = 0; i < item->nnames; i++) {
		if (slice_ieq(item->names[i], name))
			return item->fields == IMAP_FIELDS_ONLY;
	}
	return item->fields == IMAP_FIELDS_NOT;
}

void imap_filter_field(const struct imap_fetch_item *item, slice_t raw, struct buf *out)
{
	slice_t name = hdr_field_name(raw);

	if (name.n == 0 || !wanted(item, name))
		return;
	buf_put(out, raw);
	if (!slice_ends(raw, SL("\n")))
		buf_puts(out, "\r\n");
}

void imap_filter_header(const struct imap_fetch_item *item, slice_t header, struct buf *out)
{
	struct hdr_iter it;
	slice_t name, raw;

	hdr_iter_init(&it, header);
	while (hdr_iter_next(&it, &name, &raw))
		imap_filter_field(item, raw, out);
}

bool imap_fields_kept(const struct imap_fetch_item *item, uint64_t *mask)
{
	uint64_t m = 0;

	if (item->npath != 0 || item->fields != IMAP_FIELDS_ONLY)
		return false;
	for (size_t i = 0; i < item->nnames; i++) {
		if (!hdr_name_kept(item->names[i]))
			return false;
		m |= (uint64_t)1 << hdr_id(item->names[i]);
	}
	*mask |= m;
	return true;
}

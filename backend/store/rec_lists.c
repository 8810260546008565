/* Rows with lists: ranges, keyword names, the summary. */
#include "backend/store/rec.h"

#define REC_VERSION 1

static void put_var(struct buf *b, uint64_t v)
{
	unsigned char tmp[10];
	struct rec_w w = {tmp, 0, sizeof(tmp)};

	rec_wvar(&w, v);
	buf_put(b, rec_w_slice(&w));
}

static void put_bytes(struct buf *b, slice_t s)
{
	put_var(b, s.n);
	buf_put(b, s);
}

/* Small numbers of either sign become small ones. */
static uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

void ranges_encode(const struct uid_range *v, size_t n, struct buf *out)
{
	uint32_t last = 0;

	for (size_t i = 0; i < n; i++) {
		put_var(out, v[i].first - last);
		put_var(out, v[i].last - v[i].first);
		last = v[i].last;
	}
}

bool ranges_next(struct rec_r *r, uint32_t *last_io, struct uid_range *out)
{
	uint64_t gap, more;

	if (r->bad || r->p == r->end)
		return false;
	gap = rec_rvar(r);
	more = rec_rvar(r);
	if (r->bad || gap == 0 || gap > UINT32_MAX - *last_io ||
	    more > UINT32_MAX - *last_io - gap) {
		r->bad = true;
		return false;
	}
	out->first = *last_io + (uint32_t)gap;
	out->last = out->first + (uint32_t)more;
	*last_io = out->last;
	return true;
}

enum err names_decode(slice_t in, slice_t *names, unsigned *n_out)
{
	struct rec_r r;
	unsigned n = 0;

	rec_r_init(&r, in);
	while (!r.bad && r.p != r.end && n < STORE_KEYWORDS_MAX)
		names[n++] = rec_rraw(&r, rec_r8(&r));
	*n_out = r.bad ? 0 : n;
	return rec_r_end(&r);
}

void row_summary_encode(const struct summary *s, struct buf *out)
{
	buf_putc(out, REC_VERSION);
	put_var(out, s->parser_version);
	put_var(out, s->header_size);
	put_var(out, s->lines);
	put_bytes(out, s->envelope);
	put_bytes(out, s->bodystructure);
}

enum err row_summary_decode(slice_t in, struct row_summary *out)
{
	struct rec_r r;

	rec_r_init(&r, in);
	if (rec_r8(&r) != REC_VERSION)
		return E_CORRUPT;
	out->parser_version = (uint32_t)rec_rvar(&r);
	out->header_size = rec_rvar(&r);
	out->lines = rec_rvar(&r);
	out->envelope = rec_rbytes(&r);
	out->bodystructure = rec_rbytes(&r);
	return rec_r_end(&r);
}

static void put_part(struct buf *out, const struct summary_part *p)
{
	put_var(out, p->parent);
	put_var(out, p->kind);
	put_var(out, p->encoding);
	put_var(out, p->lines);
	put_var(out, p->header_off);
	put_var(out, p->body_off - p->header_off);
	put_var(out, p->body_end - p->body_off);
}

bool detail_part(struct rec_r *r, struct summary_part *out)
{
	out->parent = (uint32_t)rec_rvar(r);
	out->kind = (uint32_t)rec_rvar(r);
	out->encoding = (uint32_t)rec_rvar(r);
	out->lines = (uint32_t)rec_rvar(r);
	out->header_off = rec_rvar(r);
	out->body_off = out->header_off + rec_rvar(r);
	out->body_end = out->body_off + rec_rvar(r);
	return !r->bad;
}

void row_detail_encode(const struct summary *s, struct buf *out)
{
	buf_putc(out, REC_VERSION);
	put_var(out, zigzag(s->sent_us));
	put_var(out, zigzag(s->sent_zone_min));
	put_bytes(out, s->subject);
	put_bytes(out, s->base_subject);
	put_bytes(out, s->from);
	put_bytes(out, s->to);
	put_bytes(out, s->cc);
	put_bytes(out, s->bcc);
	put_bytes(out, s->message_id);
	put_var(out, s->nreferences);
	for (size_t i = 0; i < s->nreferences; i++)
		put_bytes(out, s->references[i]);
	put_var(out, s->nparts);
	for (size_t i = 0; i < s->nparts; i++)
		put_part(out, &s->parts[i]);
}

enum err row_detail_decode(slice_t in, struct row_detail *out)
{
	struct rec_r r;

	rec_r_init(&r, in);
	if (rec_r8(&r) != REC_VERSION)
		return E_CORRUPT;
	out->sent_us = unzigzag(rec_rvar(&r));
	out->sent_zone_min = (int32_t)unzigzag(rec_rvar(&r));
	out->subject = rec_rbytes(&r);
	out->base_subject = rec_rbytes(&r);
	out->from = rec_rbytes(&r);
	out->to = rec_rbytes(&r);
	out->cc = rec_rbytes(&r);
	out->bcc = rec_rbytes(&r);
	out->message_id = rec_rbytes(&r);
	out->nreferences = (uint32_t)rec_rvar(&r);
	if (out->nreferences > SUMMARY_REFERENCES_MAX)
		return E_CORRUPT;
	out->references = r;
	for (uint32_t i = 0; i < out->nreferences; i++)
		(void)rec_rbytes(&r);
	out->nparts = (uint32_t)rec_rvar(&r);
	out->parts = r;
	return r.bad || out->nparts > SUMMARY_PARTS_MAX ? E_CORRUPT : E_OK;
}

void row_fields_encode(const struct summary *s, struct buf *out)
{
	buf_putc(out, REC_VERSION);
	buf_putc(out, s->fields_complete ? 1 : 0);
	put_var(out, s->nfields);
	for (size_t i = 0; i < s->nfields; i++) {
		buf_putc(out, (char)s->fields[i].id);
		put_bytes(out, s->fields[i].raw);
	}
}

enum err row_fields_decode(slice_t in, struct row_fields *out)
{
	struct rec_r r;

	rec_r_init(&r, in);
	if (rec_r8(&r) != REC_VERSION)
		return E_CORRUPT;
	out->complete = rec_r8(&r) != 0;
	out->n = (uint32_t)rec_rvar(&r);
	out->fields = r;
	return r.bad || out->n > SUMMARY_FIELDS_MAX ? E_CORRUPT : E_OK;
}

bool fields_next(struct rec_r *r, struct summary_field *out)
{
	out->id = rec_r8(r);
	out->raw = rec_rbytes(r);
	return !r->bad;
}

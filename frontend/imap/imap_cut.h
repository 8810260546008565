/*
 * imap_cut: which bytes of a message an item is. A message is its prefix followed by its record
 * (docs/decisions/0004: the prefix belongs to the copy); its header is the prefix' lines followed
 * by the record's header. A span says both parts without having the bytes.
 */
#ifndef FRONTEND_IMAP_IMAP_CUT_H
#define FRONTEND_IMAP_IMAP_CUT_H

#include "frontend/imap/imap_fetch_att.h"
#include "frontend/mime/decode.h"

/* Of a header this much is looked at for HEADER.FIELDS; the largest real ones are a tenth. */
#define IMAP_HEADER_MAX (256u * 1024)

struct imap_span {
	slice_t prefix;    /* first these bytes */
	uint64_t off, end; /* then these of the record */
	bool nil;          /* the message has no such section */
	enum mime_cte cte; /* of a BINARY: what these bytes are encoded in. The partial is of what
			      comes out, so they are all of the section where decode_needed */
};

static inline uint64_t imap_span_size(const struct imap_span *s)
{
	return s->prefix.n + (s->end - s->off);
}

/* What is known of a message without its bytes. parts may be NULL when imap_needs_parts says that
 * no item needs them; else they have passed summary_parts_check. */
struct imap_layout {
	slice_t prefix;
	uint64_t size; /* of the record */
	const struct mime_part *parts;
	size_t nparts;
};

bool imap_needs_parts(const struct imap_fetch_item *item);
/* The item's bytes; for HEADER.FIELDS the whole header (at most IMAP_HEADER_MAX of it), from which
 * imap_filter_header takes what was asked for. */
struct imap_span imap_cut(const struct imap_fetch_item *item, const struct imap_layout *m);
/* Is a look at the span's bytes needed to tell the item? */
bool imap_needs_bytes(const struct imap_fetch_item *item, const struct imap_span *s);
/* The partial's part of n bytes: from *first_out, *n_out bytes. */
void imap_clip(const struct imap_fetch_item *item, uint64_t n, uint64_t *first_out,
	       uint64_t *n_out);
/* Without knowing the message: bytes [*from_out, *to_out) of the record that most likely hold the
 * item; *to_out = UINT64_MAX: to the end. */
void imap_guess(const struct imap_fetch_item *item, uint64_t *from_out, uint64_t *to_out);

/* Appends the fields of a header that the item asks for; no blank line. */
void imap_filter_header(const struct imap_fetch_item *item, slice_t header, struct buf *out);
/* One whole field, if it is asked for. */
void imap_filter_field(const struct imap_fetch_item *item, slice_t raw, struct buf *out);
/* Can the item be answered from the fields that a store keeps? Adds them to the mask. */
bool imap_fields_kept(const struct imap_fetch_item *item, uint64_t *mask);

#endif

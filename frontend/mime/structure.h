/* structure: BODYSTRUCTURE of RFC 3501 sections 7.4.2 and 9, rendered from the part tree; and BODY
 * made from it. */
#ifndef FRONTEND_MIME_STRUCTURE_H
#define FRONTEND_MIME_STRUCTURE_H

#include "common/base/buf.h"
#include "frontend/mime/summary.h"

/* What is said of a part besides struct mime_part. All but the flags is text in IMAP's syntax. */
struct structure_part {
	slice_t media;    /* "TEXT" "PLAIN"; of a multipart only its subtype */
	slice_t params;   /* list or NIL */
	slice_t id;       /* Content-ID and Content-Description: two nstrings. Not for multiparts */
	slice_t encoding; /* a string. Not for multiparts */
	slice_t extension; /* md5 (not for multiparts), disposition, language, location */
	slice_t envelope;  /* of a MIME_MESSAGE: its message's */
	bool text;         /* a leaf whose lines are counted */
};

enum structure_form {
	STRUCTURE_FULL,   /* all there is */
	STRUCTURE_LEAN,   /* media, encoding, size: no parameters, ids, extensions, envelopes */
	STRUCTURE_OPAQUE, /* one part of application/octet-stream, whatever is in it */
};

/* Appends the body structure; info has an entry for each of the n parts. */
void structure_render(const struct mime_part *parts, const struct structure_part *info, size_t n,
		      enum structure_form form, struct buf *out);

/* Appends the non-extensible form of a body structure: the same text without extension data. The
 * text must have passed imaptext_list_check. False (and out as it was): it is no body
 * structure. */
bool structure_to_body(slice_t bodystructure, struct buf *out) MUST_USE;

#endif

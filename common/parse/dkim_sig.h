/*
 * dkim_sig: the frame of the DKIM-Signature fields that we make (RFC 6376 section 3.5). A front-end
 * writes a field with an empty b= and hashes it with the message; the back-end that holds the key
 * compares the frame's beginning with what it would have written, and puts the signature behind its
 * end. Nobody parses anything.
 *
 *	DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 *		d=example.org; s=p20261128r; t=1795862400;
 *		h=From:From:To: ... ;
 *		bh=...;
 *		b=
 */
#ifndef COMMON_PARSE_DKIM_SIG_H
#define COMMON_PARSE_DKIM_SIG_H

#include "common/base/buf.h"

#define DKIM_SELECTOR_MAX 63  /* one label; longer ones only make the name longer */
#define DKIM_DOMAIN_MAX   253 /* RFC 1035 section 2.3.4, as text */
/* A field without its signature: the longest names and every field that may be signed are 1.5 KiB
 * (a test counts). */
#define DKIM_OPEN_MAX     2048
/* What a signature of 4096 bits and its folding add. */
#define DKIM_SIGNED_MAX   (DKIM_OPEN_MAX + 768)
/* Of one message: two algorithms, and two more while keys change. */
#define DKIM_SIGS_MAX     4

/* Appends the beginning, up to the value of t=, which the caller goes on with. */
void dkim_sig_begin(struct buf *out, const char *algorithm, slice_t domain, slice_t selector);
/* Appends "; b=" in the form that dkim_sig_is_open looks for. */
void dkim_sig_end(struct buf *out);
/* Is it a field of these, with nothing behind b= yet, of printable ASCII and folded lines? */
bool dkim_sig_is_open(slice_t field, const char *algorithm, slice_t domain,
		      slice_t selector) MUST_USE;
/* Appends the open field and its signature, as base64 in folded lines (RFC 6376 section 3.5, b=
 * may hold white space), and the line's end. */
void dkim_sig_close(struct buf *out, slice_t open, slice_t signature);

/* A selector of ours: a label of a-z, 0-9 and hyphens, with neither end a hyphen. */
bool dkim_selector_valid(slice_t s) MUST_USE;

#endif

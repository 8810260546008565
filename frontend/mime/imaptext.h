/* imaptext: strings and lists in the syntax of RFC 3501 section 9, written and checked. */
#ifndef FRONTEND_MIME_IMAPTEXT_H
#define FRONTEND_MIME_IMAPTEXT_H

#include "common/base/buf.h"

/* A quoted string is used up to this length, a literal above it. */
#define IMAPTEXT_QUOTED_MAX 1000

/* "string": quoted if it can be, else a literal {n}CRLF. NULs are left out: no form holds one. */
void imaptext_string(struct buf *out, slice_t s);
/* "nstring": NIL for an empty s. */
void imaptext_nstring(struct buf *out, slice_t s);

/*
 * A fast pass over text that came back from a store and is to be sent as it stands: exactly one
 * parenthesised list; balanced, at most max_depth deep; quoted strings of 7-bit characters without
 * CR, LF and NUL; literals inside the text and without NUL; otherwise only atoms (letters, digits
 * and a few signs) and single spaces. A text that passes cannot break the client's view of
 * where a response ends.
 */
bool imaptext_list_check(slice_t s, unsigned max_depth);

/* Passes over the quoted string or literal that *s begins with. False: it is not well-formed. */
bool imaptext_skip_quoted(slice_t *s) MUST_USE;
bool imaptext_skip_literal(slice_t *s) MUST_USE;

#endif

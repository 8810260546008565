/*
 * downgrade: an 8-bit or binary message made into a 7-bit one, for a server without 8BITMIME (RFC
 * 6152 section 3) or BINARYMIME (RFC 3030 section 3). Leaf parts that need it become
 * quoted-printable (text) or base64 (anything else), containers say 7bit, and unstructured fields
 * with 8-bit bytes become encoded words (RFC 2047). What is inside stays the same, byte by byte,
 * once decoded. Lines have at most 998 bytes.
 *
 * It cannot be done where something would be broken or guessed: inside multipart/signed and
 * multipart/encrypted (RFC 1847 section 2: not a byte may change), in structured fields, where the
 * encoding that is declared is not the one that is there, in message types that must not be encoded
 * (RFC 2046 section 5.2), and where a header's line is too long. Then the message bounces (5.6.3).
 * A DKIM signature of the message is not looked at; it will not hold (RFC 6376 section 5.3), and
 * whoever made it here leaves it out before.
 *
 * What a part needs must be known before its header is written. So the message is read three times:
 * by the parser, for the tree of parts; by us, for what each needs; and to be written. Memory: the
 * parser's in the first, then one field, a piece to be written and a row a part, whatever the
 * message's size.
 */
#ifndef FRONTEND_MIME_DOWNGRADE_H
#define FRONTEND_MIME_DOWNGRADE_H

#include "common/base/budget.h"
#include "common/base/err.h"
#include "common/base/slice.h"

/* A field that is written anew: a subject never has so much. */
#define DOWNGRADE_FIELD_MAX 8192
/* A piece that is written at once: such a field, every byte three of UTF-8, in encoded words. */
#define DOWNGRADE_CHUNK_MAX (128u * 1024)

/* The message, in pieces that live until the next call; E_CLOSED at its end. restart goes back to
 * its beginning, and must give the same bytes again. */
struct downgrade_source {
	WAITS enum err (*read)(void *arg, slice_t *out);
	WAITS enum err (*restart)(void *arg);
	void *arg;
};

struct downgrade;

/* Reads the message twice, from where it is (its beginning); the source is borrowed until
 * downgrade_free. E_INVALID: it cannot be done, the diag says why; E_LIMIT: the budget (may be
 * NULL); or what the source returned. */
WAITS enum err downgrade_new(const struct downgrade_source *source, struct budget *budget,
			     struct downgrade **out, struct diag *diag) MUST_USE;
void downgrade_free(struct downgrade **d);
/* False: the message can go as it is. */
bool downgrade_is_needed(const struct downgrade *d);
/* Restarts the source and writes the message anew, in pieces of at most DOWNGRADE_CHUNK_MAX bytes.
 * Returns the first error of the source or of write; E_CORRUPT if the bytes were not the same. */
WAITS enum err downgrade_write(struct downgrade *d,
			       WAITS enum err (*write)(void *arg, slice_t bytes),
			       void *arg) MUST_USE;

#endif

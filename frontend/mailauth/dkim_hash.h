/*
 * dkim_hash: one message on its way out, hashed for DKIM-Signature fields (RFC 6376 section 3.7,
 * relaxed/relaxed). The body is hashed as it streams by; of the header the fields worth signing are
 * kept in canonical form until the end, since h= names the lowest of several first.
 *
 * Signed is what a reader acts on (section 5.4.1). Of each name the lowest DKIM_SAME_MAX fields are
 * named in h=, and of those that a stranger must not add (From, To, Subject, ...) one more, which
 * is not there. No l=: what is behind the signed part of a body would be anybody's.
 */
#ifndef FRONTEND_MAILAUTH_DKIM_HASH_H
#define FRONTEND_MAILAUTH_DKIM_HASH_H

#include "common/base/err.h"
#include "common/crypto/digest.h"
#include "common/parse/dkim_sig.h"

/* Fields worth signing of one message, in canonical form: a hundred recipients with their names are
 * 10 KiB. A message with more of it leaves without a signature. */
#define DKIM_HEADER_MAX (128u * 1024)
#define DKIM_FIELDS_MAX 128
/* Of one name; RFC 5322 section 3.6 knows none of these more than once. */
#define DKIM_SAME_MAX   3

struct dkim_hash;

/* budget: borrowed, may be NULL; charged with what the header takes. */
struct dkim_hash *dkim_hash_new(struct budget *budget);
void dkim_hash_free(struct dkim_hash **h);
/* The message's own bytes, header and body, in any pieces. */
void dkim_hash_feed(struct dkim_hash *h, slice_t bytes);
/* A field that is put in front of it, whole, with its line end; when the message's own header is
 * over, or all there is. */
void dkim_hash_add_field(struct dkim_hash *h, slice_t field);
/* All bytes are there. E_LIMIT: its header cannot be signed; E_INVALID: it has no From, which has
 * to be (section 5.4). */
enum err dkim_hash_end(struct dkim_hash *h) MUST_USE;

struct dkim_sig {
	const char *algorithm; /* the a= */
	slice_t domain, selector;
	int64_t now_s; /* t= */
};
/* Appends the field with an empty b= (common/parse/dkim_sig), and the digest to be signed: of the
 * message and of that field. After dkim_hash_end; once for each signature. */
void dkim_hash_sig(const struct dkim_hash *h, const struct dkim_sig *s, struct buf *out,
		   uint8_t digest_out[SHA256_LEN]);

#endif

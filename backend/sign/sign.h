/*
 * backend/sign: DKIM signatures (RFC 6376) by the keys of our domains.
 *
 *   sign        which keys there are, and signing with them
 *   sign_share  new keys; and handing keys to nodes that have just joined
 *
 * The side that reads mail has no keys, and the side that has them reads no mail: a front-end
 * brings the field that is to be signed and the digest, and gets nothing back. What was signed goes
 * into the prefix of the message that is being committed, and nowhere else.
 *
 * Keys come with the directory's image, in a box for this node, so that signing needs no
 * PostgreSQL. A box is opened when its key is first needed, and the key stays open. Opening and
 * signing happen on a worker thread: together they are some hundred microseconds to a millisecond.
 */
#ifndef BACKEND_SIGN_SIGN_H
#define BACKEND_SIGN_SIGN_H

#include "backend/directory/dir_dkim.h"

/* A key that was retired signs what was on its way: front-ends remember keys for less. */
#define SIGN_GRACE_S 300

struct signer;

struct signer_conf {
	struct dir *dir;          /* borrowed; outlives the signer */
	struct node_key node_key; /* as in dir_conf */
};

enum err signer_open(const struct signer_conf *c, struct signer **out, struct diag *d) MUST_USE;
WAITS void signer_close(struct signer **s);

struct signer_key {
	enum sign_algorithm algorithm;
	char selector[DKIM_SELECTOR_MAX + 1];
	enum dir_dkim_origin origin; /* signer_make's */
};
/* The active keys of a domain (in normalised form) that this node has, the newest first. */
size_t signer_keys(const struct signer *s, slice_t domain, struct signer_key out[DKIM_SIGS_MAX]);

struct sign_ask {
	enum sign_algorithm algorithm;
	slice_t selector;
	slice_t open;          /* the field with an empty b= (common/parse/dkim_sig) */
	const uint8_t *digest; /* SHA256_LEN */
};
/* Appends the signed fields. An ask that this node's keys cannot answer (no such key, or none that
 * is active, is published and so may be active elsewhere already, or was until a moment ago; a
 * field that is not as it should be) is logged, counted and left out: a message without a signature
 * is better than none. At most DKIM_SIGS_MAX asks. E_BUSY, E_CANCELLED: nothing
 * was appended. */
WAITS enum err signer_fields(struct signer *s, slice_t domain, const struct sign_ask *asks,
			     size_t n, struct buf *out) MUST_USE;

/* New keys of a domain, one for each algorithm in keys, which get their selectors; with their rows
 * in the directory. Errors are those of dir_dkim_add. selector empty: by date; it names one key, so
 * it comes with one algorithm. */
WAITS enum err signer_make(struct dir *dir, const struct dir_actor *by, slice_t domain,
			   slice_t selector, struct signer_key *keys, size_t n,
			   struct diag *diag) MUST_USE;

#endif

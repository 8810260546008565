/*
 * seal: authenticated encryption of small things that leave the process and come back (tickets,
 * tokens), and boxes that only one node can open (ticket keys in the directory).
 *
 * Box: version u8 (1), key id u32 big-endian, nonce 24 bytes, XChaCha20-Poly1305 of the plain
 * text with its 16 byte tag. The version and key id are authenticated too. Nonces are random: at
 * 192 bits they do not repeat.
 */
#ifndef COMMON_CRYPTO_SEAL_H
#define COMMON_CRYPTO_SEAL_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define SEAL_KEY_LEN  32
#define SEAL_OVERHEAD (1 + 4 + 24 + 16)

struct seal_key {
	uint32_t id;
	uint8_t key[SEAL_KEY_LEN];
};

void seal_key_make(uint32_t id, struct seal_key *out);
/* Appends a box (plain.n + SEAL_OVERHEAD bytes). */
void seal_box(const struct seal_key *k, slice_t aad, slice_t plain, struct buf *out);
/* Which key a box asks for, before it is opened. E_INVALID: not a box. */
enum err seal_key_id(slice_t box, uint32_t *id_out) MUST_USE;
/* Appends the plain text. E_INVALID: not a box, another key's, another aad's, or tampered with;
 * E_LIMIT: no room in out. Nothing is appended then. */
enum err seal_open(const struct seal_key *k, slice_t aad, slice_t box, struct buf *out) MUST_USE;

/* X25519. */
#define NODE_KEY_LEN      32
#define NODE_BOX_OVERHEAD 48

struct node_key {
	uint8_t public_key[NODE_KEY_LEN];
	uint8_t secret_key[NODE_KEY_LEN];
};

void node_key_make(struct node_key *out);
/* The pair of a stored secret key. */
void node_key_from_secret(const uint8_t secret_key[NODE_KEY_LEN], struct node_key *out);
/* Appends a box that only the holder of the secret key opens; the sender stays unknown. E_INVALID:
 * a public key of low order; E_LIMIT: no room. */
enum err node_box(const uint8_t public_key[NODE_KEY_LEN], slice_t plain, struct buf *out) MUST_USE;
enum err node_box_open(const struct node_key *k, slice_t box, struct buf *out) MUST_USE;

#endif

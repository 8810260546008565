/*
 * sasl: the server's side of the mechanisms, bytes only: it asks nobody and decides nothing.
 * PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login), SCRAM-SHA-256 and -PLUS (RFC 5802, RFC
 * 7677; channel binding tls-exporter, RFC 9266), GSSAPI (RFC 4752). Slices of results lie in the
 * message.
 */
#ifndef BACKEND_AUTH_SASL_H
#define BACKEND_AUTH_SASL_H

#include "common/base/buf.h"
#include "common/base/err.h"

enum sasl_mech { SASL_PLAIN, SASL_LOGIN, SASL_SCRAM, SASL_SCRAM_PLUS, SASL_GSSAPI };

bool sasl_mech_parse(slice_t name, enum sasl_mech *out) MUST_USE;
const char *sasl_mech_name(enum sasl_mech m);

struct sasl_plain {
	slice_t authzid; /* may be empty */
	slice_t authcid, password;
};
/* False: not such a message. */
bool sasl_plain_parse(slice_t message, struct sasl_plain *out) MUST_USE;

#define SCRAM_NONCE_MAX 256 /* of the client's part; ours adds 24 */

struct scram_first {
	char cb;          /* 'n': none, 'y': thinks we have none, 'p': tls-exporter */
	slice_t gs2;      /* the header with both commas: what `c=` must repeat */
	slice_t bare;     /* client-first-message-bare */
	slice_t authzid;  /* encoded */
	slice_t username; /* encoded */
	slice_t nonce;
};
/* E_INVALID: malformed; an unknown channel binding type; a mandatory extension. */
enum err scram_first_parse(slice_t message, struct scram_first *out, struct diag *d) MUST_USE;
/* saslname: =2C and =3D. Appends. */
bool sasl_name_decode(slice_t encoded, struct buf *out) MUST_USE;

struct scram_final {
	slice_t channel; /* base64 */
	slice_t nonce;
	slice_t without_proof; /* client-final-message-without-proof */
	slice_t proof;         /* base64 */
};
bool scram_final_parse(slice_t message, struct scram_final *out) MUST_USE;
/* Is `channel` the base64 of the gs2 header and, for 'p', the binding's bytes? */
bool scram_channel_matches(slice_t channel, slice_t gs2, char cb, slice_t binding) MUST_USE;

/* GSSAPI: what stands signed in the server's last message, and in the client's (RFC 4752 section
 * 3.3): the security layers, 1 being none, and the most bytes of one of their packets. We have
 * none: the stream is under TLS. */
#define SASL_GSSAPI_OFFER SL("\x01\0\0\0")
/* False: another layer. authzid may be empty. */
bool sasl_gssapi_choice(slice_t message, slice_t *authzid) MUST_USE;
/* The offer of a server that we log in to has no layer among its layers. */
bool sasl_gssapi_offers(slice_t message) MUST_USE;
/* "alice@EXAMPLE.ORG": a user's principal has one component, and no sign that would be quoted.
 * False: it is another's, as host/mail.example.org@EXAMPLE.ORG, or the name of nobody. */
bool sasl_principal_parse(slice_t principal, slice_t *name, slice_t *realm) MUST_USE;

#endif

/* codec: base64 (RFC 4648 section 4), hex. Quoted-printable lives with MIME in the front-end. */
#ifndef COMMON_BASE_CODEC_H
#define COMMON_BASE_CODEC_H

#include "common/base/buf.h"

void base64_encode(struct buf *out, slice_t in);
/* Strict: canonical alphabet, right padding, no white space. False leaves out as it was. */
bool base64_decode(struct buf *out, slice_t in) MUST_USE;
void hex_encode(struct buf *out, slice_t in); /* lower case */
bool hex_decode(struct buf *out, slice_t in) MUST_USE;
/* The value 0..63 of a base64 character, or -1. */
int base64_value(char c);

#endif

/*
 * password: one form for the same password, however it was typed (RFC 4013, RFC 8265 section 4.2):
 * spaces other than U+0020 become that, then NFKC. Whoever makes a verifier and whoever checks
 * against one goes through here.
 */
#ifndef COMMON_CRYPTO_PASSWORD_H
#define COMMON_CRYPTO_PASSWORD_H

#include "common/base/buf.h"
#include "common/base/err.h"

/* Appends the prepared form. What is not UTF-8 stays as it is. E_TOO_BIG: beyond out's limit;
 * E_LIMIT: no memory. The caller wipes out. */
enum err password_prepare(slice_t password, struct buf *out) MUST_USE;

#endif

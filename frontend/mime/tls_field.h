/*
 * tls_field: the body of a field TLS-Required (RFC 8689 section 3): [FWS] "No" [FWS], in any case,
 * says that TLS is of no importance to the message. Anything else says nothing. Of several fields
 * the last counts.
 */
#ifndef FRONTEND_MIME_TLS_FIELD_H
#define FRONTEND_MIME_TLS_FIELD_H

#include "common/base/slice.h"

enum tls_field { TLS_FIELD_EMPTY, TLS_FIELD_N, TLS_FIELD_NO, TLS_FIELD_ELSE };

/* What the body says with one more byte; it begins as TLS_FIELD_EMPTY. */
enum tls_field tls_field_byte(enum tls_field so_far, char c);
/* What it says, whole. */
enum tls_field tls_field_read(slice_t body);

#endif

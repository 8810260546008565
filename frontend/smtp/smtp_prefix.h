/* smtp_prefix: what we put in front of a message: the trace field (RFC 5321 section 4.4) and what a
 * submission lacks (RFC 6409 section 8). Return-Path is the owner's, for each copy. */
#ifndef FRONTEND_SMTP_SMTP_PREFIX_H
#define FRONTEND_SMTP_SMTP_PREFIX_H

#include "common/base/buf.h"

struct smtp;

/* Who wrote a submission without From: its sender, or who logged in. */
slice_t smtp_prefix_author(const struct smtp *s);
/* The fields that a submission lacks, a line each; nothing on 25. Once: the next would differ. */
void smtp_prefix_lacking(const struct smtp *s, struct buf *out);
/* The whole, with the intake's added fields. */
void smtp_prefix(const struct smtp *s, struct buf *out);

#endif

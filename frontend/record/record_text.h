/* record_text: a message's search text as one compressed value, for the store's pending list. */
#ifndef FRONTEND_RECORD_RECORD_TEXT_H
#define FRONTEND_RECORD_RECORD_TEXT_H

#include "common/base/buf.h"
#include "common/base/err.h"

/* Appends the zstd frame of text (at most SUMMARY_TEXT_MAX bytes); nothing for an empty one.
 * E_LIMIT: the buffer refused. */
enum err record_text_pack(slice_t text, struct buf *out) MUST_USE;

#endif

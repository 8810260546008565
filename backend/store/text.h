/* text: opens a message's stored search text (zstd; made by a front-end, so hostile). */
#ifndef BACKEND_STORE_TEXT_H
#define BACKEND_STORE_TEXT_H

#include "common/base/buf.h"
#include "common/base/err.h"

/* Plain bytes at most: what the front-end's extraction is cut at, with room. */
#define TEXT_PLAIN_MAX (128u * 1024)

struct text_opener;
struct text_opener *text_opener_new(void);
void text_opener_free(struct text_opener **t);
/* Replaces out's bytes. An empty text is empty. E_CORRUPT: not zstd, or longer than it may be. */
enum err text_open(struct text_opener *t, slice_t stored, struct buf *out) MUST_USE;

#endif

/*
 * charset: mail's charsets to UTF-8, streaming. A fixed list is known (those that mail uses, and
 * none of the C library's odder ones, which have a history of faults); a name outside of it, ASCII
 * and UTF-8 are read as UTF-8 in which a byte that does not belong is taken for windows-1252.
 */
#ifndef FRONTEND_MIME_CHARSET_H
#define FRONTEND_MIME_CHARSET_H

#include "common/base/slice.h"

/* iconv is given blocks of this size, at the same places of the text however it comes in: some of
 * its converters do not give the same result for any cut. */
#define CHARSET_BLOCK    256
/* The longest sequence that iconv may leave unread at the end of a block. */
#define CHARSET_TAIL_MAX 16
/* Room that a converter needs to make progress: a block, every byte four bytes of UTF-8, and what a
 * converter kept back. */
#define CHARSET_OUT_MIN  (4 * CHARSET_BLOCK + 64)

enum charset_kind { CHARSET_UTF8, CHARSET_CP1252, CHARSET_ICONV };

struct charset {
	enum charset_kind kind;
	void *cd; /* iconv_t, for CHARSET_ICONV */
	unsigned held_n;
	char held[CHARSET_BLOCK]; /* not converted yet */
};

/* Loads the converters of the whole list, and keeps them: for a process that will soon not be
 * allowed to open files. Without it they are loaded when first asked for. */
void charset_preload(void);

/* Opens a converter. Never fails. */
void charset_open(struct charset *c, slice_t name);
/* Converts from *in (advancing it) into out, at most out_max (>= CHARSET_OUT_MIN) bytes; returns
 * how many. Call again while *in is not empty. Whole characters only. */
size_t charset_feed(struct charset *c, slice_t *in, char *out, size_t out_max);
/* The end of input: what an unfinished character becomes; out has CHARSET_OUT_MIN bytes. */
size_t charset_end(struct charset *c, char *out);
/* After an open, always. */
void charset_close(struct charset *c);

#endif

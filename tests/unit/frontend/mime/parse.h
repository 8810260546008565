/* parse: shared by the tests of whole messages. */
#ifndef TESTS_UNIT_FRONTEND_MIME_PARSE_H
#define TESTS_UNIT_FRONTEND_MIME_PARSE_H

#include "common/base/buf.h"
#include "frontend/mime/mime.h"

/* Parses a whole message fed in pieces of `step` bytes (0: at once). *p_out owns the summary. */
enum err parse_steps(slice_t message, size_t step, const struct mime_limits *limits,
		     struct budget *budget, struct mime_parser **p_out, struct mime_summary *out);
/* All that a summary says, as text: two summaries with the same text are the same. */
void parse_print(const struct mime_summary *s, struct buf *out);
/* The part tree: "multipart(leaf,message(leaf))". */
void parse_shape(const struct mime_summary *s, struct buf *out);

#endif

/*
 * ctype: Content-Type (RFC 2045 section 5.1) and Content-Disposition (RFC 2183), with parameters
 * continued and encoded as RFC 2231 has it. Tolerant: what is wrong is passed over.
 */
#ifndef FRONTEND_MIME_CTYPE_H
#define FRONTEND_MIME_CTYPE_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

/* Pieces of parameters looked at in one field: joining them is quadratic. */
#define CTYPE_PARAMS_MAX 64
/* A type or a subtype: RFC 6838 section 4.2 allows 127. */
#define CTYPE_NAME_MAX   127
/* A disposition's or a parameter's name. */
#define CTYPE_TOKEN_MAX  127

struct ctype_param {
	slice_t name;
	/* As meant: quotes, backslashes, folds, comments taken out, pieces joined. When extended,
	 * in the form charset'language'percent-encoded, whatever the pieces were. */
	slice_t value;
	bool extended;
};

/* Slices lie in the field's body or in the arena that the parser was given. */
struct ctype {
	bool valid; /* there was a type and a subtype (a disposition) */
	slice_t type;
	slice_t subtype; /* empty for a disposition */
	size_t nparams;
	struct ctype_param params[CTYPE_PARAMS_MAX];
};

/* Reads a field's body, folds included. Parameters are read even if the type is not valid. The
 * only error is E_LIMIT: the arena's budget. */
enum err ctype_parse(slice_t body, struct arena *mem, struct ctype *out) MUST_USE;
enum err ctype_parse_disposition(slice_t body, struct arena *mem, struct ctype *out) MUST_USE;

/* The parameter of that name, in any case, or NULL. */
const struct ctype_param *ctype_param(const struct ctype *t, slice_t name);
/* Appends a parameter's value as UTF-8: RFC 2231 charset and percents, or (against the standard,
 * but usual) RFC 2047 words. At most max bytes. */
void ctype_param_text(const struct ctype_param *p, struct buf *out, size_t max);

#endif

/*
 * content: the Content-* fields of one part, gathered while its header streams by, and what
 * becomes of them in BODYSTRUCTURE. One struct serves one header after the other; what it renders
 * lies in the parser's arena, within an allowance for the whole message.
 */
#ifndef FRONTEND_MIME_CONTENT_H
#define FRONTEND_MIME_CONTENT_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "frontend/mime/ctype.h"
#include "frontend/mime/hdr.h"
#include "frontend/mime/mime.h"
#include "frontend/mime/structure.h"

/* A charset's or encoding's name that is looked at. */
#define CONTENT_NAME_MAX      40
/* Languages of one part. */
#define CONTENT_LANGUAGES_MAX 16
/* An attachment's name, decoded, in the search text. */
#define CONTENT_FILENAME_MAX  512

struct content {
	struct arena *mem;     /* borrowed: of what is rendered */
	struct arena *scratch; /* borrowed */
	size_t left;           /* allowance, of the whole message, for what is rendered */
	bool over;             /* something was left out for the allowance */

	/* Of the header at hand. */
	bool typed;    /* there was a Content-Type */
	bool has_name; /* filename is from Content-Disposition */
	enum mime_cte cte;
	size_t type_n, subtype_n, charset_n, boundary_n, encoding_n;
	char type[CTYPE_NAME_MAX], subtype[CTYPE_NAME_MAX];
	char charset[CONTENT_NAME_MAX], encoding[CONTENT_NAME_MAX];
	char boundary[MIME_BOUNDARY_MAX]; /* empty: there is none that can be used */
	slice_t params, id, description, md5, disposition, language, location; /* rendered */
	struct buf filename;                                                   /* UTF-8 */
	struct buf render;                                                     /* scratch */
	struct buf value; /* scratch: an unfolded value */
};

void content_init(struct content *c, struct arena *mem, struct arena *scratch,
		  struct budget *budget);
/* For the next header. */
void content_reset(struct content *c);
void content_fini(struct content *c);

/* Takes a Content-* field's body, folds included. The first of a name counts. E_LIMIT: the
 * budget. */
enum err content_field(struct content *c, enum hdr_id id, slice_t body) MUST_USE;

static inline slice_t content_type(const struct content *c)
{
	return slice(c->type, c->type_n);
}

static inline slice_t content_subtype(const struct content *c)
{
	return slice(c->subtype, c->subtype_n);
}

/* Sets another type, and takes the parameters away. */
void content_set_type(struct content *c, slice_t type, slice_t subtype);
/* Is it type/subtype, in any case? An empty subtype: any. */
bool content_is(const struct content *c, slice_t type, slice_t subtype);
/* Renders what BODYSTRUCTURE says of the part; the envelope is not touched. E_LIMIT: the budget. */
enum err content_structure(struct content *c, enum mime_kind kind,
			   struct structure_part *out) MUST_USE;
/* Keeps a rendered text in the arena; NIL when the allowance is used up. False: the budget. */
bool content_keep(struct content *c, slice_t rendered, slice_t *out) MUST_USE;

#endif

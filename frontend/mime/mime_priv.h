/* mime_priv: the parser's own state, between mime.c (bytes, lines, delimiters), mime_head.c
 * (headers) and mime_end.c (the summary). */
#ifndef FRONTEND_MIME_MIME_PRIV_H
#define FRONTEND_MIME_MIME_PRIV_H

#include "common/base/arena.h"
#include "frontend/mime/columns.h"
#include "frontend/mime/content.h"
#include "frontend/mime/envelope.h"
#include "frontend/mime/hdr.h"
#include "frontend/mime/mime.h"
#include "frontend/mime/structure.h"
#include "frontend/mime/text.h"

enum mime_state { MIME_STATE_HEADER, MIME_STATE_BODY };

/* Whose header is read: what matters in it differs. */
enum mime_header { MIME_HEADER_MESSAGE, MIME_HEADER_EMBEDDED, MIME_HEADER_PART };

struct mime_level {
	uint32_t part;
	uint32_t children;
	bool delimited; /* an open multipart: its boundary is looked for */
	bool digest;    /* RFC 2046 section 5.1.5: its parts are messages by default */
	size_t boundary_n;
	char *boundary; /* MIME_BOUNDARY_MAX bytes in the arena, used again */
	uint64_t lines; /* of the message before the body */
};

struct mime_kept {
	uint32_t off, len; /* in kept */
};

struct mime_parser {
	struct mime_limits limits;
	struct budget *budget;
	enum err err;         /* E_LIMIT once memory was refused: nothing is parsed any more */
	struct arena mem;     /* results */
	struct arena scratch; /* one field's */
	struct buf parts;     /* struct mime_part */
	struct buf info;      /* struct structure_part */
	struct buf kept;      /* raw fields kept */
	struct buf kept_at;   /* struct mime_kept */
	bool kept_all;
	struct buf render;
	struct envelope envelope;
	slice_t rendered_envelope; /* the message's own, in mem */
	struct columns columns;
	struct content content;
	struct text text;

	enum mime_state state;
	unsigned depth;     /* levels in use */
	unsigned delimited; /* of them with a boundary to look for */
	struct mime_level levels[SUMMARY_DEPTH_MAX];

	/* Where in the message. */
	uint64_t off;
	uint64_t lines; /* line breaks before off */
	unsigned eol;   /* bytes of the line break just before off */
	char last;      /* the byte before off */
	bool mid_line;  /* off is inside a line whose beginning was dealt with */
	unsigned held_n;
	char held[MIME_DELIMITER_MAX];

	/* The header at hand. */
	enum mime_header header_kind;
	uint64_t header_off;
	uint32_t fields;
	bool gather;    /* the field at hand is gathered */
	bool field_cut; /* it was longer than is looked at */
	enum hdr_id field_id;
	struct buf field; /* its bytes */
};

static inline struct mime_part *mime_part_at(const struct mime_parser *p, size_t i)
{
	return (struct mime_part *)(void *)p->parts.p + i;
}

static inline struct structure_part *mime_info_at(const struct mime_parser *p, size_t i)
{
	return (struct structure_part *)(void *)p->info.p + i;
}

static inline size_t mime_part_count(const struct mime_parser *p)
{
	return p->parts.n / sizeof(struct mime_part);
}

static inline struct mime_level *mime_top(struct mime_parser *p)
{
	return &p->levels[p->depth - 1];
}

static inline void mime_note(struct mime_parser *p, enum err err)
{
	if (err != E_OK)
		p->err = err;
}

/* mime.c: begins a part whose header starts at off, as a child of the innermost one. */
void mime_part_open(struct mime_parser *p, uint64_t off, enum mime_header kind);
/* mime.c: the innermost part ends at `end`, with `lines` line breaks of the message before it. */
void mime_part_close(struct mime_parser *p, uint64_t end, uint64_t lines);
/* mime.c: everything that is held or open ends where the message ends. */
void mime_close_all(struct mime_parser *p);

/* mime_head.c: a field begins; line may be only its first part, at least MIME_DELIMITER_MAX bytes
 * then. */
void mime_field_start(struct mime_parser *p, slice_t line);
/* mime_head.c: more of the field at hand. */
void mime_field_add(struct mime_parser *p, slice_t bytes);
/* mime_head.c: the field at hand is complete. */
void mime_field_done(struct mime_parser *p);
/* mime_head.c: the header is over; the body starts at off. */
void mime_header_end(struct mime_parser *p, uint64_t off);

#endif

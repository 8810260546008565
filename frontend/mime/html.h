/*
 * html: takes markup out of HTML, streaming: tags, comments, scripts and styles go, entities become
 * characters, white space runs become one space, block elements a line break. For search, not for
 * display: it understands enough of the syntax not to lose text, and nothing of the structure.
 */
#ifndef FRONTEND_MIME_HTML_H
#define FRONTEND_MIME_HTML_H

#include "common/base/slice.h"

/* Longest name or number between "&" and ";" that is looked up. */
#define HTML_ENTITY_MAX 10
/* Longest element name that is told from others. */
#define HTML_TAG_MAX    12
/* Room for one step. */
#define HTML_OUT_MIN    32

enum html_state {
	HTML_TEXT,
	HTML_ENTITY,  /* after "&" */
	HTML_OPEN,    /* after "<": the name, or "!" or "/" */
	HTML_TAG,     /* in attributes */
	HTML_QUOTED,  /* in an attribute's quotes */
	HTML_COMMENT, /* after "<!--" */
	HTML_DECL,    /* after "<!" or "<?" */
	HTML_RAW,     /* in script or style */
};

struct html {
	enum html_state state;
	char quote;
	char raw[HTML_TAG_MAX]; /* "script" or "style" while its content is passed over */
	unsigned raw_n;
	char name[HTML_TAG_MAX]; /* entity or element being read */
	unsigned name_n;
	unsigned dashes; /* before a ">" that may end a comment */
	char gap;        /* 0, ' ' or '\n': white space not written yet */
	bool started;    /* text was written: leading white space is left out */
};

void html_init(struct html *h);
/* Takes from *in (advancing it), writes at most out_max (>= HTML_OUT_MIN) bytes of UTF-8, returns
 * how many. Call again while *in is not empty. The input is UTF-8. */
size_t html_feed(struct html *h, slice_t *in, char *out, size_t out_max);
/* The end: an entity without its end. At most HTML_OUT_MIN bytes. */
size_t html_end(struct html *h, char *out);

#endif

/*
 * json: JSON (RFC 8259) as tokens, one after the other, over a text that lies in memory. There is
 * no tree: who reads asks for the next token, takes what he knows, and passes over the rest. Depth
 * and number of values are bounded; the reader keeps no memory, and nothing recurses.
 *
 *	struct json j;
 *	struct json_token t;
 *
 *	json_init(&j, text);
 *	if (json_next(&j, &t) != JSON_OBJECT)
 *		...
 *	while (json_next(&j, &t) != JSON_END && t.kind != JSON_BAD) {
 *		if (slice_eq(t.key, SL("name")) && t.kind == JSON_STRING)
 *			...
 *		else
 *			json_skip(&j, &t);
 *	}
 */
#ifndef COMMON_PARSE_JSON_H
#define COMMON_PARSE_JSON_H

#include "common/base/buf.h"

#define JSON_DEPTH_MAX  32     /* of objects and arrays: a bit each in struct json */
#define JSON_VALUES_MAX 100000 /* of one text */

enum json_kind {
	JSON_OBJECT, /* begins */
	JSON_ARRAY,  /* begins */
	JSON_END,    /* of the innermost of them */
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
	JSON_OVER, /* the text is, after one value */
	JSON_BAD,  /* it is no JSON, or more than is read; and so for ever */
};

struct json_token {
	enum json_kind kind;
	slice_t key;  /* of a member of an object, as it stands between its quotes; borrowed */
	slice_t text; /* of a string likewise, of a number its digits */
};

struct json {
	slice_t in;
	size_t at;
	uint32_t values;
	unsigned depth;
	uint32_t objects; /* bit i: level i + 1 is an object */
	bool first;       /* nothing has stood in the innermost one yet */
	bool begun, bad;
};

/* text: borrowed for as long as the reader is used. */
void json_init(struct json *j, slice_t text);
/* Returns out->kind. */
enum json_kind json_next(struct json *j, struct json_token *out);
/* After a token that begins an object or an array: passes over all that is in it. */
void json_skip(struct json *j, const struct json_token *t);
/* Appends what a string's text means, in UTF-8. False: an escape or a character is none, or stands
 * for NUL; or the buffer is full. */
bool json_unescape(slice_t text, struct buf *out) MUST_USE;

#endif

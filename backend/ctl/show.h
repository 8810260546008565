/* show: answers as people and programs read them. */
#ifndef BACKEND_CTL_SHOW_H
#define BACKEND_CTL_SHOW_H

#include <protobuf-c/protobuf-c.h>

#include "backend/ctl/ctl.h"

#define SHOW_COLUMNS_MAX 32

/* A value as JSON: names are the fields', without _us; times are RFC 3339 text or null; what is
 * absent is null; enums are their words. */
void show_json(FILE *out, const ProtobufCMessage *m);
void show_json_string(FILE *out, slice_t s);
/* Text for a terminal: nothing that was typed or that an answer holds may steer it. */
void show_clean(struct buf *b, slice_t s);
/* Lines of name and value. */
void show_lines(FILE *out, const ProtobufCMessage *m);

/* A table that is printed as its rows come: a column grows with what is in it, and never shrinks
 * again. */
struct show_table {
	FILE *out;
	const ProtobufCFieldDescriptor *columns[SHOW_COLUMNS_MAX];
	size_t width[SHOW_COLUMNS_MAX];
	size_t n;
	bool headed;
};
/* columns: names of fields, in order, separated by spaces, of which the row has some; NULL: all. */
void show_table_init(struct show_table *t, FILE *out, const ProtobufCMessageDescriptor *row,
		     const char *columns);
void show_table_rows(struct show_table *t, ProtobufCMessage *const *rows, size_t n);

#endif

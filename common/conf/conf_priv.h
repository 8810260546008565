/* What conf's files share. A setting has three layers: the default, what files say, what the
 * command line says; the last that is there counts. */
#ifndef COMMON_CONF_CONF_PRIV_H
#define COMMON_CONF_CONF_PRIV_H

#include "common/conf/conf.h"

struct conf_value {
	char *where;  /* "FILE:LINE", "command line", "default"; NULL: not set in this layer */
	char **items; /* the text; one for what is no list */
	size_t n;
	int64_t num; /* INT, BOOL, BYTES, DURATION */
};

struct conf {
	const struct conf_def *table;
	size_t n;
	char *path; /* of the last conf_load, or NULL */
	/* n each */
	struct conf_value *defaults, *files, *line;
};

#define CONF_NAME_MAX 128 /* bytes of a dotted name */

/* conf_value.c: parses texts into *v (which is empty). where is copied. */
enum err conf_value_parse(const struct conf_def *def, const slice_t *texts, size_t n,
			  const char *where, struct conf_value *v, struct diag *d) MUST_USE;
/* From one text: lists are split at commas. */
enum err conf_value_parse_text(const struct conf_def *def, slice_t text, const char *where,
			       struct conf_value *v, struct diag *d) MUST_USE;
void conf_value_clear(struct conf_value *v);
bool conf_value_eq(const struct conf_def *def, const struct conf_value *a,
		   const struct conf_value *b);
void conf_value_format(const struct conf_def *def, const struct conf_value *v, struct buf *out);
bool conf_type_is_list(enum conf_type t);
bool conf_is_word_of(slice_t s, slice_t words);
bool conf_addr_parse(slice_t text, struct conf_addr *out) MUST_USE;

/* conf_form.c: does s, a string's value or one of a list, have the row's form? */
enum err conf_form_check(const struct conf_def *def, slice_t s, const char *where,
			 struct diag *d) MUST_USE;
/* The form that the row names, if any, exists. */
bool conf_form_known(const struct conf_def *def);

/* conf_file.c: reads path and its drop-ins into values (c->n of them, empty at first). */
enum err conf_file_read(const struct conf *c, const char *path, struct conf_value *values,
			struct diag *d) MUST_USE;

/* conf.c: the row of a name, or c->n. */
size_t conf_find(const struct conf *c, slice_t name);
/* E_INVALID for a name that is not in the table, with the nearest that is. */
enum err conf_unknown(const struct conf *c, slice_t name, const char *where, struct diag *d);

#endif

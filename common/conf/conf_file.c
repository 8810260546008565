/*
 * Files are read by libconfig into its tree, and the tree is walked with a stack of our own. All
 * the drop-ins of FILE.d are looked at, so that a directory of packages' settings works as
 * elsewhere on the system.
 */
#include "common/conf/conf_priv.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <libconfig.h>

#define CONF_DEPTH_MAX 8   /* groups in groups; the tables have two or three levels */
#define CONF_WHERE_MAX 512 /* FILE:LINE; a longer path is cut */

struct reader {
	const struct conf *c;
	const char *path;
	struct conf_value *values;
	struct diag *d;
};

static const char *place(const struct reader *r, const config_setting_t *s, char *room, size_t size)
{
	const char *file = config_setting_source_file(s);

	(void)snprintf(room, size, "%s:%u", file != NULL ? file : r->path,
		       config_setting_source_line(s));
	return room;
}

/* Is a scalar of libconfig's type right for the setting's? Numbers with units are strings. */
static bool type_fits(const struct conf_def *def, int type)
{
	bool number = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;

	switch (def->type) {
	case CONF_STRING:
	case CONF_WORD:
	case CONF_ADDRS:
	case CONF_STRINGS:
		return type == CONFIG_TYPE_STRING;
	case CONF_INT:
		return number;
	case CONF_BOOL:
		return type == CONFIG_TYPE_BOOL;
	case CONF_BYTES:
	case CONF_DURATION:
		return number || type == CONFIG_TYPE_STRING;
	}
	return false;
}

#define NUMBER_STR 24

/* The text of a scalar; numbers are rendered into room. */
static slice_t scalar_text(const config_setting_t *s, char room[NUMBER_STR])
{
	int type = config_setting_type(s);
	int n;

	if (type == CONFIG_TYPE_STRING)
		return slice_str(config_setting_get_string(s));
	if (type == CONFIG_TYPE_BOOL)
		return config_setting_get_bool(s) ? SL("true") : SL("false");
	n = snprintf(room, NUMBER_STR, "%lld", config_setting_get_int64(s));
	return slice(room, (size_t)n);
}

static enum err read_setting(struct reader *r, const struct conf_def *def, struct conf_value *v,
			     const config_setting_t *s)
{
	int type = config_setting_type(s);
	bool many = type == CONFIG_TYPE_LIST || type == CONFIG_TYPE_ARRAY;
	int n = many ? config_setting_length(s) : 1;
	char where[CONF_WHERE_MAX], room[NUMBER_STR];
	slice_t texts[CONF_LIST_MAX];

	place(r, s, where, sizeof where);
	if (many && !conf_type_is_list(def->type))
		return diag_set(r->d, E_INVALID, "%s: %s: wants one value, not a list", where,
				def->name);
	if (n > CONF_LIST_MAX)
		return diag_set(r->d, E_INVALID, "%s: %s: the list is too long", where, def->name);
	for (int i = 0; i < n; i++) {
		const config_setting_t *e = many ? config_setting_get_elem(s, (unsigned)i) : s;

		if (!type_fits(def, config_setting_type(e)))
			return diag_set(r->d, E_INVALID,
					"%s: %s: wrong type of value (strings stand in quotes, "
					"numbers and true, false do not)",
					where, def->name);
		texts[i] = scalar_text(e, room);
	}
	conf_value_clear(v);
	return conf_value_parse(def, texts, (size_t)n, where, v, r->d);
}

struct level {
	const config_setting_t *group;
	int next;        /* its child to read next */
	size_t prefix_n; /* of the dotted name */
};

/* Appends ".name" to the dotted name; false when it gets too long. */
static bool extend_name(char name[CONF_NAME_MAX], size_t prefix_n, const char *child)
{
	int n = snprintf(name + prefix_n, CONF_NAME_MAX - prefix_n, "%s%s",
			 prefix_n != 0 ? "." : "", child);

	return n > 0 && (size_t)n < CONF_NAME_MAX - prefix_n;
}

/* One child of the deepest group: a setting, or a group to go into. */
static enum err read_child(struct reader *r, const config_setting_t *child, const char *name,
			   struct level *stack, size_t *depth)
{
	size_t row = conf_find(r->c, slice_str(name));
	char where[CONF_WHERE_MAX];

	if (config_setting_type(child) == CONFIG_TYPE_GROUP && row == r->c->n) {
		if (*depth == CONF_DEPTH_MAX)
			return diag_set(r->d, E_INVALID, "%s: groups are nested too deep",
					place(r, child, where, sizeof where));
		stack[(*depth)++] = (struct level){.group = child, .prefix_n = strlen(name)};
		return E_OK;
	}
	if (row == r->c->n)
		return conf_unknown(r->c, slice_str(name), place(r, child, where, sizeof where),
				    r->d);
	return read_setting(r, &r->c->table[row], &r->values[row], child);
}

static enum err walk(struct reader *r, const config_setting_t *root)
{
	struct level stack[CONF_DEPTH_MAX] = {{.group = root}};
	char name[CONF_NAME_MAX] = "", where[CONF_WHERE_MAX];
	size_t depth = 1;
	enum err e = E_OK;

	while (depth > 0 && e == E_OK) {
		struct level *l = &stack[depth - 1];
		const config_setting_t *child;

		if (l->next >= config_setting_length(l->group)) {
			depth--;
			continue;
		}
		child = config_setting_get_elem(l->group, (unsigned)l->next++);
		if (extend_name(name, l->prefix_n, config_setting_name(child)))
			e = read_child(r, child, name, stack, &depth);
		else
			e = diag_set(r->d, E_INVALID, "%s: the name is too long",
				     place(r, child, where, sizeof where));
	}
	return e;
}

/* Reads one file into values that are its own (so that a setting twice in one file is seen by
 * libconfig, and one in a later file wins). */
static enum err read_one(struct reader *r)
{
	config_t cfg;
	struct stat st;
	enum err e;

	if (stat(r->path, &st) != 0)
		return diag_set(r->d, errno == ENOENT ? E_NOT_FOUND : E_IO, "%s: %s", r->path,
				strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > CONF_FILE_MAX)
		return diag_set(r->d, E_INVALID, "%s: not a file, or a very large one", r->path);
	config_init(&cfg);
	if (config_read_file(&cfg, r->path) == CONFIG_TRUE) {
		e = walk(r, config_root_setting(&cfg));
	} else if (config_error_type(&cfg) == CONFIG_ERR_FILE_IO) {
		e = diag_set(r->d, E_IO, "%s: cannot be read", r->path);
	} else {
		const char *file = config_error_file(&cfg);

		e = diag_set(r->d, E_INVALID, "%s:%d: %s", file != NULL ? file : r->path,
			     config_error_line(&cfg), config_error_text(&cfg));
	}
	config_destroy(&cfg);
	return e;
}

static int is_drop_in(const struct dirent *e)
{
	return e->d_name[0] != '.' && slice_ends(slice_str(e->d_name), SL(".conf"));
}

static int byte_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum err read_drop_ins(struct reader *r, const char *dir)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_drop_in, byte_order);
	enum err e = E_OK;

	if (n < 0)
		return errno == ENOENT ? E_OK
				       : diag_set(r->d, E_IO, "%s: %s", dir, strerror(errno));
	if (n > CONF_FILES_MAX)
		e = diag_set(r->d, E_INVALID, "%s: more than %d files", dir, CONF_FILES_MAX);
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];
		int len = snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);

		r->path = path;
		if (e == E_OK && (len < 0 || (size_t)len >= sizeof path))
			e = diag_set(r->d, E_INVALID, "%s: the path is too long", dir);
		if (e == E_OK)
			e = read_one(r);
		xfree(&names[i]);
	}
	xfree(&names);
	return e;
}

enum err conf_file_read(const struct conf *c, const char *path, struct conf_value *values,
			struct diag *d)
{
	struct reader r = {.c = c, .path = path, .values = values, .d = d};
	char dir[PATH_MAX];
	int n = snprintf(dir, sizeof dir, "%s.d", path);
	enum err e = read_one(&r);

	if (e != E_OK)
		return e;
	if (n < 0 || (size_t)n >= sizeof dir)
		return diag_set(d, E_INVALID, "%s: the path is too long", path);
	return read_drop_ins(&r, dir);
}

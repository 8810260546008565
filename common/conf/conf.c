#include "common/conf/conf_priv.h"

#define WHERE_LINE    "command line"
#define WHERE_DEFAULT "default"

static struct conf_value *values_new(size_t n)
{
	return xcalloc(n, sizeof(struct conf_value));
}

static void values_free(struct conf_value **values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		conf_value_clear(&(*values)[i]);
	xfree(values);
}

static void check_words(const struct conf_def *def)
{
	bool string = def->type == CONF_STRING || def->type == CONF_STRINGS;

	invariant(string ? conf_form_known(def) : (def->type == CONF_WORD) == (def->words != NULL));
}

struct conf *conf_new(const struct conf_def *table, size_t n)
{
	struct conf *c = xcalloc(1, sizeof *c);

	*c = (struct conf){.table = table,
			   .n = n,
			   .defaults = values_new(n),
			   .files = values_new(n),
			   .line = values_new(n)};
	for (size_t i = 0; i < n; i++) {
		const char *text = table[i].value;
		struct conf_def def = table[i];
		struct diag d;

		invariant(strlen(table[i].name) < CONF_NAME_MAX);
		invariant(conf_find(c, slice_str(table[i].name)) == i);
		check_words(&def);
		/* "No value" may lie outside of the bounds for values. */
		if (text == NULL || *text == '\0')
			def.min = def.max = 0;
		if (text == NULL && !conf_type_is_list(def.type) && def.type != CONF_WORD)
			text = def.type == CONF_STRING ? "" : "0";
		if (text == NULL && def.type == CONF_WORD) {
			def.type = CONF_STRING;
			def.words = NULL;
			text = "";
		}
		invariant(conf_value_parse_text(&def, slice_str(text), WHERE_DEFAULT,
						&c->defaults[i], &d) == E_OK);
	}
	return c;
}

void conf_free(struct conf **pc)
{
	struct conf *c = *pc;

	if (c == NULL)
		return;
	values_free(&c->defaults, c->n);
	values_free(&c->files, c->n);
	values_free(&c->line, c->n);
	xfree(&c->path);
	xfree(pc);
}

size_t conf_find(const struct conf *c, slice_t name)
{
	size_t i = 0;

	while (i < c->n && !slice_eq(slice_str(c->table[i].name), name))
		i++;
	return i;
}

/* Levenshtein's distance, one row at a time. */
static size_t distance(slice_t a, slice_t b)
{
	size_t row[CONF_NAME_MAX + 1];

	invariant(b.n <= CONF_NAME_MAX);
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t change = diagonal + (a.p[i - 1] != b.p[j - 1]);

			diagonal = row[j];
			row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[b.n];
}

enum err conf_unknown(const struct conf *c, slice_t name, const char *where, struct diag *d)
{
	const char *nearest = NULL;
	size_t best;

	name = slice_sub(name, 0, CONF_NAME_MAX);
	best = name.n / 3 + 2;
	for (size_t i = 0; i < c->n; i++) {
		size_t far = distance(slice_str(c->table[i].name), name);

		if (far < best) {
			best = far;
			nearest = c->table[i].name;
		}
	}
	return diag_set(d, E_INVALID, "%s: unknown setting %.*s%s%s%s", where, (int)name.n, name.p,
			nearest != NULL ? " (did you mean " : "", nearest != NULL ? nearest : "",
			nearest != NULL ? "?)" : "");
}

enum err conf_load(struct conf *c, const char *path, struct diag *d)
{
	struct conf_value *values = values_new(c->n);
	char *path_copy = xstrdup(path);
	enum err e = conf_file_read(c, path, values, d);

	if (e != E_OK) {
		values_free(&values, c->n);
		xfree(&path_copy);
		return e;
	}
	values_free(&c->files, c->n);
	xfree(&c->path);
	c->files = values;
	c->path = path_copy;
	return E_OK;
}

enum err conf_set(struct conf *c, slice_t assignment, struct diag *d)
{
	size_t eq = slice_find_char(assignment, '=');
	slice_t name = slice_trim(slice_sub(assignment, 0, eq));
	struct conf_value v = {0};
	size_t row;
	enum err e;

	if (eq == assignment.n)
		return diag_set(d, E_INVALID, WHERE_LINE ": wants NAME=VALUE, not %.*s",
				(int)MIN(assignment.n, 100u), assignment.p);
	row = conf_find(c, name);
	if (row == c->n)
		return conf_unknown(c, name, WHERE_LINE, d);
	e = conf_value_parse_text(&c->table[row], slice_from(assignment, eq + 1), WHERE_LINE, &v,
				  d);
	if (e != E_OK)
		return e;
	conf_value_clear(&c->line[row]);
	c->line[row] = v;
	return E_OK;
}

static const struct conf_value *effective(const struct conf *c, const struct conf_value *files,
					  size_t row)
{
	if (c->line[row].where != NULL)
		return &c->line[row];
	return files[row].where != NULL ? &files[row] : &c->defaults[row];
}

static enum err check_required(const struct conf *c, const struct conf_value *files, struct diag *d)
{
	for (size_t i = 0; i < c->n; i++) {
		if ((c->table[i].flags & CONF_REQUIRED) != 0 &&
		    effective(c, files, i) == &c->defaults[i])
			return diag_set(d, E_INVALID, "%s: %s must be set (%s)",
					c->path != NULL ? c->path : WHERE_LINE, c->table[i].name,
					c->table[i].help);
	}
	return E_OK;
}

enum err conf_check(const struct conf *c, struct diag *d)
{
	return check_required(c, c->files, d);
}

static bool is_same(const struct conf *c, const struct conf_value *values, size_t row)
{
	return conf_value_eq(&c->table[row], effective(c, c->files, row),
			     effective(c, values, row));
}

/* Swaps what may change while the program runs; twice, and all is as it was. */
static void swap_live(struct conf *c, struct conf_value *values)
{
	for (size_t i = 0; i < c->n; i++) {
		struct conf_value old = c->files[i];

		if ((c->table[i].flags & CONF_LIVE) == 0 && !is_same(c, values, i))
			continue;
		c->files[i] = values[i];
		values[i] = old;
	}
}

static void tell_changes(const struct conf *c, const struct conf_value *old,
			 const struct conf_follower *f)
{
	for (size_t i = 0; i < c->n && f->each != NULL; i++) {
		if (!is_same(c, old, i))
			f->each(&c->table[i], (c->table[i].flags & CONF_LIVE) != 0, f->arg);
	}
}

enum err conf_reload(struct conf *c, const struct conf_follower *f, struct diag *d)
{
	struct conf_value *values;
	enum err e;

	if (c->path == NULL)
		return E_OK;
	values = values_new(c->n);
	e = conf_file_read(c, c->path, values, d);
	if (e == E_OK)
		e = check_required(c, values, d);
	if (e == E_OK) {
		swap_live(c, values);
		e = f->accept != NULL ? f->accept(f->arg, d) : E_OK;
		if (e != E_OK)
			swap_live(c, values);
		else
			tell_changes(c, values, f);
	}
	values_free(&values, c->n);
	return e;
}

/* ---- values ---- */

static const struct conf_value *get(const struct conf *c, const char *name, enum conf_type type)
{
	size_t row = conf_find(c, slice_str(name));

	invariant(row < c->n && c->table[row].type == type);
	return effective(c, c->files, row);
}

const char *conf_str(const struct conf *c, const char *name)
{
	size_t row = conf_find(c, slice_str(name));

	invariant(row < c->n);
	invariant(c->table[row].type == CONF_STRING || c->table[row].type == CONF_WORD);
	return effective(c, c->files, row)->items[0];
}

int64_t conf_int(const struct conf *c, const char *name)
{
	return get(c, name, CONF_INT)->num;
}

bool conf_bool(const struct conf *c, const char *name)
{
	return get(c, name, CONF_BOOL)->num != 0;
}

uint64_t conf_bytes(const struct conf *c, const char *name)
{
	return (uint64_t)get(c, name, CONF_BYTES)->num;
}

int64_t conf_ms(const struct conf *c, const char *name)
{
	return get(c, name, CONF_DURATION)->num;
}

static const struct conf_value *get_list(const struct conf *c, const char *name)
{
	size_t row = conf_find(c, slice_str(name));

	invariant(row < c->n && conf_type_is_list(c->table[row].type));
	return effective(c, c->files, row);
}

size_t conf_count(const struct conf *c, const char *name)
{
	return get_list(c, name)->n;
}

const char *conf_item(const struct conf *c, const char *name, size_t i)
{
	const struct conf_value *v = get_list(c, name);

	invariant(i < v->n);
	return v->items[i];
}

struct conf_addr conf_addr(const struct conf *c, const char *name, size_t i)
{
	const struct conf_value *v = get(c, name, CONF_ADDRS);
	struct conf_addr a;

	invariant(i < v->n && conf_addr_parse(slice_str(v->items[i]), &a));
	return a;
}

bool conf_is_set(const struct conf *c, const char *name)
{
	size_t row = conf_find(c, slice_str(name));

	invariant(row < c->n);
	return effective(c, c->files, row) != &c->defaults[row];
}

/* ---- dump ---- */

static void dump_about(const struct conf *c, size_t row, struct buf *out)
{
	const struct conf_def *def = &c->table[row];

	buf_printf(out, "# %s", def->help);
	if (def->words != NULL)
		buf_printf(out, " (%s)", def->words);
	if (def->min != 0 || def->max != 0)
		buf_printf(out, " (%lld to %lld)", (long long)def->min, (long long)def->max);
	buf_puts(out, "; default ");
	conf_value_format(def, &c->defaults[row], out);
	buf_puts(out, (def->flags & CONF_LIVE) != 0 ? "; live\n" : "\n");
}

void conf_text(const struct conf *c, const char *name, struct buf *out)
{
	size_t i = conf_find(c, slice_str(name));

	const struct conf_value *v;

	invariant(i < c->n);
	v = effective(c, c->files, i);
	for (size_t k = 0; k < v->n; k++) {
		if (k != 0)
			buf_putc(out, ',');
		buf_puts(out, v->items[k]);
	}
}

void conf_dump(const struct conf *c, enum conf_dump what, struct buf *out)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct conf_value *v = effective(c, c->files, i);

		if (what == CONF_DUMP_CHANGED && v == &c->defaults[i])
			continue;
		if (what == CONF_DUMP_ALL)
			dump_about(c, i, out);
		buf_printf(out, "%s = ", c->table[i].name);
		conf_value_format(&c->table[i], v, out);
		if (v != &c->defaults[i])
			buf_printf(out, " # %s", v->where);
		buf_putc(out, '\n');
	}
}

/*
 * LIST and LSUB (RFC 3501 sections 6.3.8-9) with the extended syntax of RFC 5258, CHILDREN (RFC
 * 3348), SPECIAL-USE (RFC 6154) and STATUS (RFC 5819).
 *
 * The back-end names all mailboxes of the account; here they are sorted so that children follow
 * their parent, what is below each is marked in one pass, and those that match are written.
 */
#include <stdlib.h>

#include "common/loop/fiber.h"
#include "frontend/imap/imap_match.h"
#include "frontend/imap/imap_resp.h"
#include "frontend/imap/imap_special.h"
#include "frontend/imap/imap_status.h"

/* Rows of one account: far above what a back-end lets it have. */
#define LIST_ROWS_MAX     100000u
/* Patterns of one command. */
#define LIST_PATTERNS_MAX 32u
/* Steps of matching, all patterns and names of one command: a second at most. Ten thousand names
 * of usual length take a hundredth of it. */
#define LIST_STEPS_MAX    (256u * 1024 * 1024)
/* So many before others have their turn. */
#define LIST_TURN_STEPS   (1024u * 1024)

enum {
	SEL_SUBSCRIBED = 1 << 0,
	SEL_REMOTE = 1 << 1,
	SEL_RECURSIVE = 1 << 2,
	SEL_SPECIAL = 1 << 3,
	RET_SUBSCRIBED = 1 << 4,
	RET_CHILDREN = 1 << 5,
	RET_SPECIAL = 1 << 6,
	RET_STATUS = 1 << 7,
};

struct list_row {
	struct mailbox_row row;    /* its path in the command's arena */
	const struct list_row *up; /* the nearest row above it in the tree */
	bool has_child, has_subscribed;
};

struct listing {
	struct imap *im;
	bool lsub;
	unsigned options; /* SEL_, RET_ */
	unsigned status;  /* items */
	slice_t patterns[LIST_PATTERNS_MAX];
	size_t npatterns;
	struct buf rows;     /* of struct list_row */
	uint64_t steps;      /* of matching so far */
	uint64_t turn;       /* of them when others had theirs */
	slice_t parent_told; /* LSUB: the level named last for what is below it */
};

static const struct {
	const char *name;
	enum special_use use;
} specials[] = {
	{"\\Drafts", SPECIAL_USE_DRAFTS},   {"\\Sent", SPECIAL_USE_SENT},
	{"\\Junk", SPECIAL_USE_JUNK},       {"\\Trash", SPECIAL_USE_TRASH},
	{"\\Archive", SPECIAL_USE_ARCHIVE},
};

bool imap_special_parse(slice_t name, enum special_use *out)
{
	for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
		if (slice_ieq(name, slice_str(specials[i].name + 1))) {
			*out = specials[i].use;
			return true;
		}
	}
	return false;
}

const char *imap_special_name(enum special_use u)
{
	for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
		if (specials[i].use == u)
			return specials[i].name;
	}
	return NULL;
}

/* ---- arguments ---- */

static const struct {
	const char *name;
	unsigned select, ret;
} options[] = {
	{"SUBSCRIBED", SEL_SUBSCRIBED, RET_SUBSCRIBED},
	{"REMOTE", SEL_REMOTE, 0},
	{"RECURSIVEMATCH", SEL_RECURSIVE, 0},
	{"SPECIAL-USE", SEL_SPECIAL, RET_SPECIAL},
	{"CHILDREN", 0, RET_CHILDREN},
	{"STATUS", 0, RET_STATUS},
};

static bool one_option(struct imap_args *a, struct listing *l, bool ret)
{
	slice_t name;

	if (!imap_atom(a, &name))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		unsigned bit = ret ? options[i].ret : options[i].select;

		if (bit == 0 || !slice_ieq(name, slice_str(options[i].name)))
			continue;
		l->options |= bit;
		return bit != RET_STATUS || (imap_sp(a) && imap_status_items(a, &l->status));
	}
	return false;
}

/* "(" [option *(SP option)] ")" */
static bool option_list(struct imap_args *a, struct listing *l, bool ret)
{
	if (!imap_char(a, '('))
		return false;
	if (imap_char(a, ')'))
		return true;
	do {
		if (!one_option(a, l, ret))
			return false;
	} while (imap_sp(a));
	return imap_char(a, ')');
}

/* A pattern with its reference in front, as UTF-8; one that no name can match becomes long. */
static bool add_pattern(struct imap_args *a, struct listing *l, slice_t ref, slice_t pattern)
{
	char *p;
	slice_t path;

	if (l->npatterns == LIST_PATTERNS_MAX)
		return false;
	p = arena_try(a->arena, ref.n + pattern.n + 1);
	if (p == NULL)
		return false;
	if (ref.n != 0)
		memcpy(p, ref.p, ref.n);
	if (pattern.n != 0)
		memcpy(p + ref.n, pattern.p, pattern.n);
	path = imap_path(a->arena, slice(p, ref.n + pattern.n));
	/* Not modified UTF-7: such a name cannot be. */
	if (path.n != 0)
		l->patterns[l->npatterns++] = path;
	return true;
}

static bool parse_patterns(struct imap_args *a, struct listing *l, slice_t ref, bool *root_out)
{
	slice_t pattern;

	*root_out = false;
	if (!imap_char(a, '(')) {
		if (!imap_list_mailbox(a, &pattern))
			return false;
		*root_out = pattern.n == 0;
		return add_pattern(a, l, ref, pattern);
	}
	do {
		if (!imap_list_mailbox(a, &pattern) || !add_pattern(a, l, ref, pattern))
			return false;
	} while (imap_sp(a));
	return imap_char(a, ')');
}

static bool parse_list(struct imap_args *a, struct listing *l, bool *root_out)
{
	slice_t ref;

	if (!l->lsub && cur_peek(&a->c) == '(' && (!option_list(a, l, false) || !imap_sp(a)))
		return false;
	if (!imap_astring(a, &ref) || !imap_sp(a))
		return false;
	if (l->lsub) {
		slice_t pattern;

		*root_out = false;
		return imap_list_mailbox(a, &pattern) && add_pattern(a, l, ref, pattern);
	}
	if (!parse_patterns(a, l, ref, root_out))
		return false;
	if (imap_sp(a) && (!imap_word(a, "RETURN") || !imap_sp(a) || !option_list(a, l, true)))
		return false;
	/* RFC 5258 section 3.1: RECURSIVEMATCH is nothing by itself. */
	return (l->options & SEL_RECURSIVE) == 0 || (l->options & (SEL_SUBSCRIBED | SEL_SPECIAL));
}

/* ---- rows ---- */

static enum err take_row(void *arg, const struct mailbox_row *row)
{
	struct listing *l = arg;
	struct list_row r = {.row = *row};
	char *p;

	if (l->rows.n / sizeof r >= LIST_ROWS_MAX)
		return E_LIMIT;
	p = arena_try(&l->im->arena, row->path.n + 1);
	if (p == NULL)
		return E_LIMIT;
	memcpy(p, row->path.p, row->path.n);
	r.row.path = slice(p, row->path.n);
	buf_put(&l->rows, slice(&r, sizeof r));
	return buf_failed(&l->rows) ? E_LIMIT : E_OK;
}

/* '/' before everything else: what is below a mailbox follows it. */
static int row_cmp(const void *a, const void *b)
{
	slice_t x = ((const struct list_row *)a)->row.path;
	slice_t y = ((const struct list_row *)b)->row.path;
	size_t n = MIN(x.n, y.n);

	for (size_t i = 0; i < n; i++) {
		unsigned char p = x.p[i] == '/' ? 0 : (unsigned char)x.p[i];
		unsigned char q = y.p[i] == '/' ? 0 : (unsigned char)y.p[i];

		if (p != q)
			return p < q ? -1 : 1;
	}
	return x.n < y.n ? -1 : x.n > y.n;
}

static bool is_below(slice_t path, slice_t above)
{
	return path.n > above.n && path.p[above.n] == '/' && slice_starts(path, above);
}

static void mark_tree(struct list_row *rows, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct list_row *up = &rows[i - 1];

		while (up != NULL && !is_below(rows[i].row.path, up->row.path))
			up = up->up != NULL ? &rows[up->up - rows] : NULL;
		rows[i].up = up;
		for (; up != NULL; up = up->up != NULL ? &rows[up->up - rows] : NULL) {
			up->has_child = up->has_child || rows[i].row.id != 0;
			up->has_subscribed = up->has_subscribed || rows[i].row.subscribed;
		}
	}
}

/* False for all that comes once the command has taken too long. */
WAITS static bool matches(struct listing *l, slice_t path)
{
	for (size_t i = 0; i < l->npatterns && l->steps <= LIST_STEPS_MAX; i++) {
		if (l->steps - l->turn >= LIST_TURN_STEPS) {
			fiber_yield();
			l->turn = l->steps;
		}
		if (imap_match(l->patterns[i], path, &l->steps))
			return true;
	}
	return false;
}

/* ---- answers ---- */

static void put_attribute(struct buf *out, const char **sep, const char *name)
{
	buf_puts(out, *sep);
	buf_puts(out, name);
	*sep = " ";
}

static void put_list_row(struct listing *l, const struct list_row *r)
{
	const char *special = imap_special_name(r->row.special);
	struct buf *out = &l->im->out;
	const char *sep = "";
	bool extended = (l->options & (SEL_SUBSCRIBED | RET_SUBSCRIBED)) != 0;

	buf_puts(out, "* LIST (");
	if (r->row.id == 0)
		put_attribute(out, &sep, "\\NonExistent");
	else if (r->row.noselect)
		put_attribute(out, &sep, "\\Noselect");
	put_attribute(out, &sep, r->has_child ? "\\HasChildren" : "\\HasNoChildren");
	if (extended && r->row.subscribed)
		put_attribute(out, &sep, "\\Subscribed");
	if (special != NULL)
		put_attribute(out, &sep, special);
	buf_puts(out, ") \"/\" ");
	imap_put_mailbox(out, r->row.path);
	if ((l->options & SEL_RECURSIVE) && (l->options & SEL_SUBSCRIBED) && r->has_subscribed)
		buf_puts(out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	buf_puts(out, "\r\n");
	if ((l->options & RET_STATUS) && r->row.id != 0 && !r->row.noselect)
		imap_put_status(out, r->row.path, l->status, &r->row);
}

static bool selected(const struct listing *l, const struct list_row *r)
{
	if (l->options & SEL_SUBSCRIBED) {
		if (!r->row.subscribed && !((l->options & SEL_RECURSIVE) && r->has_subscribed))
			return false;
	} else if (r->row.id == 0) {
		return false;
	}
	return (l->options & SEL_SPECIAL) == 0 || r->row.special != SPECIAL_USE_NONE;
}

static void put_lsub(struct listing *l, slice_t path, bool noselect)
{
	struct buf *out = &l->im->out;

	buf_puts(out, noselect ? "* LSUB (\\Noselect) \"/\" " : "* LSUB () \"/\" ");
	imap_put_mailbox(out, path);
	buf_puts(out, "\r\n");
}

/* With "%", a level that is not subscribed to itself stands for what is below it (RFC 3501 section
 * 6.3.9). */
WAITS static void put_lsub_parent(struct listing *l, const struct list_row *r)
{
	slice_t pattern = l->npatterns != 0 ? l->patterns[0] : SLICE_NONE;
	slice_t level = r->row.path;

	if (pattern.n == 0 || pattern.p[pattern.n - 1] != '%')
		return;
	for (;;) {
		while (level.n != 0 && level.p[level.n - 1] != '/')
			level.n--;
		if (level.n == 0)
			return;
		level.n--;
		if (matches(l, level))
			break;
	}
	for (const struct list_row *up = r->up; up != NULL; up = up->up) {
		if (slice_eq(up->row.path, level) && up->row.subscribed)
			return;
	}
	if (slice_eq(level, l->parent_told))
		return;
	l->parent_told = level;
	put_lsub(l, level, true);
}

/* RFC 5258 section 3.5: RECURSIVEMATCH also tells of levels that are nothing but above what is
 * subscribed to. Rows in order: those below a level follow each other. */
WAITS static void put_levels(struct listing *l, const struct list_row *r, slice_t before)
{
	slice_t path = r->row.path;

	for (size_t n = r->up != NULL ? r->up->row.path.n + 1 : 0; n < path.n; n++) {
		slice_t level = slice_sub(path, 0, n);

		if (path.p[n] != '/' || is_below(before, level) || !matches(l, level))
			continue;
		buf_puts(&l->im->out, "* LIST (\\NonExistent) \"/\" ");
		imap_put_mailbox(&l->im->out, level);
		buf_puts(&l->im->out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n");
	}
}

WAITS static enum err put_rows(struct listing *l)
{
	struct list_row *rows = (struct list_row *)(void *)l->rows.p;
	size_t n = l->rows.n / sizeof *rows;
	unsigned recursive = SEL_RECURSIVE | SEL_SUBSCRIBED;

	if (n > 1)
		qsort(rows, n, sizeof *rows, row_cmp);
	mark_tree(rows, n);
	for (size_t i = 0; i < n && l->steps <= LIST_STEPS_MAX; i++) {
		const struct list_row *r = &rows[i];
		enum err e;

		if ((l->options & recursive) == recursive && r->row.subscribed)
			put_levels(l, r, i != 0 ? rows[i - 1].row.path : SLICE_NONE);
		if (!l->lsub && selected(l, r) && matches(l, r->row.path))
			put_list_row(l, r);
		else if (l->lsub && r->row.subscribed && matches(l, r->row.path))
			put_lsub(l, r->row.path, r->row.noselect || r->row.id == 0);
		else if (l->lsub && r->row.subscribed)
			put_lsub_parent(l, r);
		e = imap_push(l->im);
		if (e != E_OK)
			return e;
	}
	return E_OK;
}

WAITS static enum err list(struct imap *im, struct imap_cmd *c, bool lsub)
{
	struct listing *l = arena_new(&im->arena, struct listing);
	struct diag d = {""};
	bool root;
	enum err e;

	l->im = im;
	l->lsub = lsub;
	if (!parse_list(&c->args, l, &root) || !imap_end(&c->args))
		return imap_bad(c, "Reference and pattern expected");
	if (root) {
		buf_puts(&im->out, "* LIST (\\Noselect) \"/\" \"\"\r\n");
		return imap_ok(c, "Done");
	}
	buf_init(&l->rows, LIST_ROWS_MAX * sizeof(struct list_row), &im->s.budget);
	e = call_mailbox_list(im->s.ticket,
			      (l->options & RET_STATUS) ? MAILBOX_NAMES_AND_STATUS : MAILBOX_NAMES,
			      take_row, l, &d);
	if (e == E_OK) {
		e = put_rows(l);
		if (e == E_OK)
			e = l->steps > LIST_STEPS_MAX ? imap_no(c, "LIMIT", "Too much for one list")
						      : imap_ok(c, "Done");
	} else {
		e = imap_fail(im, c, e, &d);
	}
	buf_fini(&l->rows);
	return e;
}

WAITS enum err imap_run_list(struct session *s, slice_t args UNUSED, void *arg)
{
	return list(imap_of(s), arg, false);
}

WAITS enum err imap_run_lsub(struct session *s, slice_t args UNUSED, void *arg)
{
	return list(imap_of(s), arg, true);
}

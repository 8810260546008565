#include "backend/directory/dir_dkim.h"

#include "backend/directory/dir_call.h"
#include "common/base/civil.h"
#include "common/base/clock.h"

/* ---- the image ---- */

size_t dir_dkim_count(const struct dir *d)
{
	return d->image.dkim.n;
}

static void key_fill(slice_t key, slice_t value, struct dir_dkim_key *out)
{
	struct dir_rec_dkim r;

	invariant(dir_rec_dkim(value, &r));
	*out = (struct dir_dkim_key){
		.id = dir_key_id(key),
		.algorithm = r.algorithm,
		.state = r.state,
		.retired_s = r.retired_s,
		.domain = r.domain,
		.selector = r.selector,
		.box = r.box,
	};
}

void dir_dkim_at(const struct dir *d, size_t i, struct dir_dkim_key *out)
{
	invariant(i < d->image.dkim.n);
	key_fill(dir_row_key(d->image.dkim.v[i]), dir_row_value(d->image.dkim.v[i]), out);
}

bool dir_dkim_find(const struct dir *d, uint64_t id, struct dir_dkim_key *out)
{
	struct dir_key k;
	slice_t key = dir_key_u64(&k, DIR_K_DKIM, id);
	slice_t value = dir_image_get(&d->image, key);

	if (value.p == NULL)
		return false;
	key_fill(key, value, out);
	return true;
}

/* ---- boxes ---- */

WAITS enum err dir_dkim_lacking(struct dir *d, struct dir_dkim_lack *out, size_t max, size_t *n_out,
				struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	*n_out = 0;
	pg_text(&a, slice_str(d->node));
	pg_u64(&a, max);
	e = pg_query(d->pool, dir_sql_dkim_lacking, &a, deadline_in(DIR_CALL_MS), &r, diag);
	if (e != E_OK)
		return e;
	for (size_t i = 0; i < pg_rows(r) && i < max; i++) {
		out[i].key = pg_get_u64(r, i, 4);
		dir_node_of_row(r, i, &out[i].node);
		(*n_out)++;
	}
	pg_result_free(&r);
	return E_OK;
}

WAITS enum err dir_dkim_put(struct dir *d, uint64_t key, slice_t node, slice_t box,
			    struct diag *diag)
{
	struct pg_args a = {.n = 0};

	pg_u64(&a, key);
	pg_text(&a, node);
	pg_bytes(&a, box);
	return pg_query(d->pool, dir_sql_dkim_box_put, &a, deadline_in(DIR_CALL_MS), NULL, diag);
}

/* ---- adding ---- */

struct adding {
	struct dir_call *c;
	uint64_t domain_id;
	struct pg_result *nodes;
};

WAITS static enum err find_domain(struct dir_call *c, const char *name, uint64_t *id_out,
				  struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	pg_text(&a, slice_str(name));
	e = dir_call_query(c, dir_sql_domain_for_add, &a, &r, diag);
	if (e != E_OK)
		return e;
	if (pg_rows(r) == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no domain %s", name);
	else if (pg_get_u64(r, 0, 1) == DIR_DOMAIN_REMOTE)
		e = diag_set(diag, E_INVALID, "%s is remote: its mail is written elsewhere", name);
	else
		*id_out = pg_get_u64(r, 0, 0);
	pg_result_free(&r);
	return e;
}

/* p20261128r, p20261128r2, ...: the first that this domain does not have among `taken`. */
static void name_by_date(const struct pg_result *taken, enum sign_algorithm algorithm,
			 struct buf *out)
{
	struct civil t;
	bool free = false;

	civil_of(clock_wall_s(), &t);
	for (unsigned n = 1; !free; n++) {
		buf_reset(out);
		buf_printf(out, "p%04d%02u%02u%c", t.year, t.month, t.day,
			   algorithm == SIGN_RSA_SHA256 ? 'r' : 'e');
		if (n > 1)
			buf_put_u64(out, n);
		free = true;
		for (size_t i = 0; i < pg_rows(taken); i++)
			free = free && !slice_eq(pg_get(taken, i, 0), buf_slice(out));
	}
}

WAITS static enum err pick_selector(struct adding *x, const struct dir_dkim_spec *s,
				    struct buf *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *taken = NULL;
	enum err e;

	if (s->selector.n != 0 && !dkim_selector_valid(s->selector))
		return diag_set(diag, E_INVALID,
				"a selector is a label of at most %d letters a-z, digits and "
				"hyphens",
				DKIM_SELECTOR_MAX);
	pg_u64(&a, x->domain_id);
	e = dir_call_query(x->c, dir_sql_dkim_selectors, &a, &taken, diag);
	if (e != E_OK)
		return e;
	if (pg_rows(taken) >= DIR_DKIM_KEYS_MAX)
		e = diag_set(diag, E_INVALID, "the domain has %d keys: remove some",
			     DIR_DKIM_KEYS_MAX);
	else if (s->selector.n != 0)
		buf_put(out, s->selector);
	else
		name_by_date(taken, s->algorithm, out);
	pg_result_free(&taken);
	return e;
}

WAITS static enum err put_boxes(struct adding *x, uint64_t key, const struct dir_dkim_spec *s,
				struct diag *diag)
{
	struct buf box;
	enum err e = E_OK;

	buf_init(&box, DIR_DKIM_BOX_MAX, NULL);
	for (size_t i = 0; e == E_OK && i < pg_rows(x->nodes); i++) {
		struct pg_args a = {.n = 0};
		struct dir_node n;

		dir_node_of_row(x->nodes, i, &n);
		buf_reset(&box);
		if (!s->seal(&n, &box, s->arg) || buf_failed(&box))
			continue;
		pg_u64(&a, key);
		pg_text(&a, slice_str(n.name));
		pg_bytes(&a, buf_slice(&box));
		e = dir_call_exec(x->c, dir_sql_dkim_box_put, &a, NULL, diag);
	}
	buf_fini(&box);
	return e;
}

WAITS static enum err add_one(struct adding *x, const struct dir_dkim_spec *s, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct buf selector;
	uint64_t key = 0;
	enum err e;

	buf_init(&selector, DKIM_SELECTOR_MAX, NULL);
	e = pick_selector(x, s, &selector, diag);
	if (e == E_OK) {
		pg_u64(&a, x->domain_id);
		pg_text(&a, buf_slice(&selector));
		pg_u64(&a, s->algorithm);
		pg_bytes(&a, s->public_key);
		pg_u64(&a, s->origin == DIR_DKIM_SUCCESSOR);
		e = dir_call_query(x->c, dir_sql_dkim_add, &a, &r, diag);
		if (e == E_EXISTS)
			diag_set(diag, e, "the domain has a key of that selector already");
	}
	if (e == E_OK) {
		key = pg_get_u64(r, 0, 0);
		if (s->chosen_out != NULL)
			invariant(slice_to_str(buf_slice(&selector), s->chosen_out,
					       DKIM_SELECTOR_MAX + 1));
		buf_printf(&x->c->detail, "%s%.*s=%s", x->c->detail.n > 0 ? " " : "",
			   (int)selector.n, selector.p, sign_name(s->algorithm));
	}
	pg_result_free(&r);
	buf_fini(&selector);
	return e == E_OK ? put_boxes(x, key, s, diag) : e;
}

WAITS static enum err add_all(struct dir_call *c, slice_t domain, const struct dir_dkim_spec *specs,
			      size_t n, struct diag *diag)
{
	struct adding x = {.c = c};
	char name[256];
	enum err e = dir_check_domain(domain, name, diag);

	if (e == E_OK)
		e = find_domain(c, name, &x.domain_id, diag);
	if (e == E_OK)
		e = dir_call_query(c, dir_sql_node_all, PG_NO_ARGS, &x.nodes, diag);
	for (size_t i = 0; e == E_OK && i < n; i++)
		e = add_one(&x, &specs[i], diag);
	pg_result_free(&x.nodes);
	return e;
}

WAITS enum err dir_dkim_add(struct dir *d, const struct dir_actor *by, slice_t domain,
			    const struct dir_dkim_spec *specs, size_t n, struct diag *diag)
{
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "dkim.add", domain, diag);

	if (e == E_OK)
		e = add_all(&c, domain, specs, n, diag);
	return dir_call_end(&c, e, diag);
}

/* ---- states ---- */

/* Runs a statement on (domain, selector); *touched: rows. */
WAITS static enum err change(struct dir_call *c, const char *sql, slice_t domain, slice_t selector,
			     char name[256], uint64_t *touched, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	enum err e = dir_check_domain(domain, name, diag);

	if (e != E_OK)
		return e;
	if (selector.n != 0 && !dkim_selector_valid(selector))
		return diag_set(diag, E_NOT_FOUND, "no key can have that selector");
	buf_printf(&c->detail, "selector=%.*s", (int)selector.n, selector.n != 0 ? selector.p : "");
	pg_text(&a, slice_str(name));
	pg_text(&a, selector);
	return dir_call_exec(c, sql, &a, touched, diag);
}

WAITS static enum err few_active(struct dir_call *c, const char *name, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	pg_text(&a, slice_str(name));
	e = dir_call_query(c, dir_sql_dkim_active, &a, &r, diag);
	if (e == E_OK && pg_get_u64(r, 0, 0) > DKIM_SIGS_MAX)
		e = diag_set(diag, E_INVALID, "at most %d keys of a domain are active: retire some",
			     DKIM_SIGS_MAX);
	pg_result_free(&r);
	return e;
}

WAITS enum err dir_dkim_activate(struct dir *d, const struct dir_actor *by, slice_t domain,
				 slice_t selector, struct diag *diag)
{
	struct dir_call c;
	uint64_t touched = 0, id;
	char name[256];
	enum err e = dir_call_begin(&c, d, by, "dkim.activate", domain, diag);

	if (e == E_OK)
		e = change(&c, dir_sql_dkim_activate, domain, selector, name, &touched, diag);
	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_NOT_FOUND,
			     selector.n != 0 ? "the domain has no key of that selector"
					     : "the domain has no key that waits");
	/* The domain's lock keeps two activations apart. */
	if (e == E_OK)
		e = find_domain(&c, name, &id, diag);
	if (e == E_OK)
		e = few_active(&c, name, diag);
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_dkim_sight(struct dir *d, const struct dir_actor *by, slice_t domain,
			      slice_t selector, enum dir_dkim_sight sight, struct diag *diag)
{
	bool seen = sight == DIR_DKIM_SEEN;
	struct dir_call c;
	uint64_t touched = 0;
	char name[256];
	enum err e = dir_call_begin(&c, d, by, seen ? "dkim.seen" : "dkim.gone", domain, diag);

	if (e == E_OK)
		e = change(&c, seen ? dir_sql_dkim_seen : dir_sql_dkim_gone, domain, selector, name,
			   &touched, diag);
	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_NOT_FOUND, "the domain has no such key in that state");
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_dkim_retire(struct dir *d, const struct dir_actor *by, slice_t domain,
			       slice_t selector, struct diag *diag)
{
	struct dir_call c;
	uint64_t touched = 0;
	char name[256];
	enum err e = dir_call_begin(&c, d, by, "dkim.retire", domain, diag);

	if (e == E_OK)
		e = change(&c, dir_sql_dkim_retire, domain, selector, name, &touched, diag);
	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_NOT_FOUND, "the domain has no active key of that selector");
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_dkim_remove(struct dir *d, const struct dir_actor *by, slice_t domain,
			       slice_t selector, struct diag *diag)
{
	struct dir_call c;
	uint64_t touched = 0;
	char name[256];
	enum err e = dir_call_begin(&c, d, by, "dkim.remove", domain, diag);

	if (e == E_OK)
		e = change(&c, dir_sql_dkim_remove, domain, selector, name, &touched, diag);
	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_NOT_FOUND,
			     "the domain has no key of that selector that is not active: retire it "
			     "first");
	return dir_call_end(&c, e, diag);
}

/* ---- lists ---- */

static slice_t page_bytes(struct arena *mem, const struct pg_result *r, size_t row, unsigned col)
{
	struct buf b;
	slice_t s;

	buf_init(&b, SIGN_PUBLIC_MAX, NULL);
	pg_get_bytes(r, row, col, &b);
	s = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
	return s;
}

WAITS enum err dir_dkim_list(struct dir *d, slice_t domain, slice_t after, size_t limit,
			     struct arena *mem, struct dir_dkim_page *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	char name[256] = "";
	enum err e = domain.n != 0 ? dir_check_domain(domain, name, diag) : E_OK;

	if (e != E_OK)
		return e;
	dir_page_args(&a, slice_str(name), after, limit);
	e = dir_ask(d, dir_sql_dkim_list, &a, &r, diag);
	if (e != E_OK)
		return e;
	out->n = pg_rows(r);
	out->rows = arena_alloc(mem, (out->n + 1) * sizeof(*out->rows));
	for (size_t i = 0; i < out->n; i++)
		out->rows[i] = (struct dir_dkim_row){
			.domain = dir_page_text(mem, r, i, 0),
			.selector = dir_page_text(mem, r, i, 1),
			.algorithm = (enum sign_algorithm)pg_get_u64(r, i, 2),
			.state = (enum dir_dkim_state)pg_get_u64(r, i, 3),
			.public_key = page_bytes(mem, r, i, 4),
			.created_us = pg_get_i64(r, i, 5),
			.published_us = pg_get_i64(r, i, 6),
			.activated_us = pg_get_i64(r, i, 7),
			.retired_us = pg_get_i64(r, i, 8),
			.origin = pg_get_u64(r, i, 9) != 0 ? DIR_DKIM_SUCCESSOR : DIR_DKIM_ASKED,
		};
	pg_result_free(&r);
	return E_OK;
}

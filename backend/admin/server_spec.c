#include "backend/admin/server_spec.h"

static void put_line(struct buf *out, slice_t line)
{
	if (out->n > 0)
		buf_putc(out, '\n');
	buf_put(out, line);
}

enum err server_spec_listeners(struct server_texts t, struct buf *out, struct diag *d)
{
	struct server_listener seen[SERVER_LISTENERS_MAX];

	if (t.n > SERVER_LISTENERS_MAX)
		return diag_set(d, E_INVALID, "at most %d listeners", SERVER_LISTENERS_MAX);
	for (size_t i = 0; i < t.n; i++) {
		if (!server_listener_parse(slice_str(t.v[i]), &seen[i]))
			return diag_set(d, E_INVALID, "%.80s is not [FRONTEND/][ADDRESS]:PORT",
					t.v[i]);
		for (size_t k = 0; k < i; k++) {
			if (seen[i].port == seen[k].port &&
			    strcmp(seen[i].frontend, seen[k].frontend) == 0 &&
			    ipaddr_eq(&seen[i].address, &seen[k].address))
				return diag_set(d, E_INVALID, "%.80s is given twice", t.v[i]);
		}
		if (out->n > 0)
			buf_putc(out, '\n');
		server_listener_format(&seen[i], out);
	}
	return buf_failed(out) ? diag_set(d, E_INVALID, "listeners: too long") : E_OK;
}

enum err server_spec_operators(struct server_texts t, struct buf *out, struct diag *d)
{
	if (t.n > SERVER_OPERATORS_MAX)
		return diag_set(d, E_INVALID, "at most %d operators", SERVER_OPERATORS_MAX);
	for (size_t i = 0; i < t.n; i++) {
		if (!servers_name_ok(slice_str(t.v[i])))
			return diag_set(d, E_INVALID,
					"%.80s: an operator is the NAME of a certificate "
					"operator/NAME",
					t.v[i]);
		put_line(out, slice_str(t.v[i]));
	}
	return buf_failed(out) ? diag_set(d, E_INVALID, "operators: too long") : E_OK;
}

static enum err set_one(struct conf *c, slice_t assignment, struct diag *d)
{
	const slice_t said = SL("command line: ");
	slice_t key = servers_key(assignment, NULL);
	enum err e;

	if (key.n == assignment.n)
		return diag_set(d, E_INVALID, "%.*s is not KEY=VALUE", (int)MIN(key.n, 80u), key.p);
	if (servers_find_setting(key) == NULL)
		return diag_set(d, E_INVALID, "a server has no setting %.*s", (int)MIN(key.n, 80u),
				key.p);
	e = conf_set(c, assignment, d);
	/* It did not come from one. */
	if (e != E_OK && slice_starts(slice_str(d->text), said))
		memmove(d->text, d->text + said.n, strlen(d->text + said.n) + 1);
	return e;
}

static bool is_among(struct server_texts t, slice_t key)
{
	for (size_t i = 0; i < t.n; i++) {
		if (slice_eq(slice_str(t.v[i]), key))
			return true;
	}
	return false;
}

static enum err fill(struct conf *c, slice_t before, struct server_texts set,
		     struct server_texts unset, struct diag *d)
{
	struct diag ignored;
	enum err e = E_OK;

	while (before.n > 0) {
		size_t n = slice_find_char(before, '\n');
		slice_t line = slice_sub(before, 0, n);

		before = slice_from(before, n + 1);
		if (!is_among(unset, servers_key(line, NULL)))
			(void)set_one(c, line, &ignored);
	}
	for (size_t i = 0; e == E_OK && i < unset.n; i++) {
		if (servers_find_setting(slice_str(unset.v[i])) == NULL)
			e = diag_set(d, E_INVALID, "a server has no setting %.80s", unset.v[i]);
	}
	for (size_t i = 0; e == E_OK && i < set.n; i++)
		e = set_one(c, slice_str(set.v[i]), d);
	return e;
}

enum err server_spec_settings(enum rpc_service service, slice_t before, struct server_texts set,
			      struct server_texts unset, struct buf *out, struct diag *d)
{
	struct conf *c = conf_new(servers_table, servers_table_len);
	enum err e = fill(c, before, set, unset, d);

	if (e == E_OK)
		e = servers_check(c, service, d);
	for (size_t i = 0; e == E_OK && i < servers_table_len; i++) {
		const char *name = servers_table[i].name;
		struct buf value;

		if (!conf_is_set(c, name))
			continue;
		buf_init(&value, SERVER_SETTING_MAX, NULL);
		buf_printf(&value, "%s=", name);
		conf_text(c, name, &value);
		put_line(out, buf_slice(&value));
		if (buf_failed(&value) || buf_failed(out))
			e = diag_set(d, E_INVALID, "%s: too long", name);
		buf_fini(&value);
	}
	conf_free(&c);
	return e;
}

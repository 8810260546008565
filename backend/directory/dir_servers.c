#include "backend/directory/dir_servers.h"

#include "backend/directory/dir_call.h"
#include "common/log/log.h"

/* ---- the image ---- */

size_t dir_server_count(const struct dir *d)
{
	return d->image.servers.n;
}

void dir_server_at(const struct dir *d, size_t i, struct dir_server *out)
{
	const struct dir_row *row = d->image.servers.v[i];

	invariant(i < d->image.servers.n);
	invariant(dir_rec_server(dir_row_value(row), out));
	out->id = dir_key_id(dir_row_key(row));
}

enum err dir_server_find(const struct dir *d, slice_t name, struct dir_server *out,
			 struct diag *diag)
{
	for (size_t i = 0; i < dir_server_count(d); i++) {
		dir_server_at(d, i, out);
		if (slice_eq(out->name, name))
			return E_OK;
	}
	return diag_set(diag, E_NOT_FOUND, "there is no server %.*s", (int)MIN(name.n, 63u),
			name.n > 0 ? name.p : "");
}

bool dir_server_line(slice_t *list, slice_t *out)
{
	size_t n = slice_find_char(*list, '\n');

	if (list->n == 0)
		return false;
	*out = slice_sub(*list, 0, n);
	*list = slice_from(*list, n + 1);
	return true;
}

bool dir_server_has_line(slice_t list, slice_t line)
{
	slice_t one;

	while (dir_server_line(&list, &one)) {
		if (slice_eq(one, line))
			return true;
	}
	return false;
}

slice_t dir_server_home(slice_t name, slice_t settings)
{
	slice_t line, value;

	while (dir_server_line(&settings, &line)) {
		if (slice_eq(servers_key(line, &value), SL("home")) && value.n != 0)
			return value;
	}
	return name;
}

bool dir_servers_anonymous(const struct dir *d, enum rpc_service service)
{
	for (size_t i = 0; i < dir_server_count(d); i++) {
		struct dir_server s;

		dir_server_at(d, i, &s);
		if (s.service == service && (dir_server_has_line(s.settings, SL("auth=allowed")) ||
					     dir_server_has_line(s.settings, SL("auth=none"))))
			return true;
	}
	return false;
}

struct conf *dir_server_conf(const struct dir_server *s)
{
	struct conf *c = conf_new(servers_table, servers_table_len);
	slice_t lines = s->settings, line;
	struct diag ignored;

	while (dir_server_line(&lines, &line)) {
		if (servers_find_setting(servers_key(line, NULL)) == NULL ||
		    conf_set(c, line, &ignored) != E_OK)
			LOG_SELDOM(LOG_WARN, NULL, "server.setting_ignored",
				   LF_SLICE("server", s->name), LF_SLICE("setting", line));
	}
	return c;
}

/* Borrowed until the next call. */
static const struct conf *conf_of(struct dir *d, const struct dir_server *s)
{
	struct dir_server_read *r = &d->servers_read[s->id % ARRAY_LEN(d->servers_read)];

	if (r->conf == NULL || r->id != s->id || r->version != s->version) {
		conf_free(&r->conf);
		*r = (struct dir_server_read){s->id, s->version, dir_server_conf(s)};
	}
	return r->conf;
}

bool dir_server_relays_from(struct dir *d, slice_t name, const struct ipaddr *client)
{
	struct dir_server s;
	struct diag ignored;

	return dir_server_find(d, name, &s, &ignored) == E_OK &&
	       servers_relay_from(conf_of(d, &s), s.service, client);
}

void dir_servers_fini(struct dir *d)
{
	for (size_t i = 0; i < ARRAY_LEN(d->servers_read); i++)
		conf_free(&d->servers_read[i].conf);
}

/* ---- changes ---- */

static void bind_lines(struct pg_args *a, struct buf *array, slice_t lines)
{
	slice_t line;

	buf_init(array, 4 * DIR_SERVER_TEXT_MAX, NULL);
	while (dir_server_line(&lines, &line))
		pg_array_add(array, line);
	pg_array_end(array);
	pg_text(a, buf_slice(array));
}

/* After the change, under the table's lock: all of them together. */
WAITS static enum err check_all(struct dir_call *c, const struct dir_server_spec *s,
				struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	pg_text(&a, s->name);
	e = dir_call_query(c, dir_sql_server_check, &a, &r, diag);
	if (e != E_OK)
		return e;
	if (pg_get_u64(r, 0, 0) > SERVERS_MAX)
		e = diag_set(diag, E_TOO_BIG, "a cluster has at most %d servers", SERVERS_MAX);
	else if (pg_get_u64(r, 0, 1) > SERVERS_BYTES_MAX)
		e = diag_set(diag, E_TOO_BIG,
			     "all servers together have more than %d bytes of text",
			     SERVERS_BYTES_MAX);
	else if (pg_get(r, 0, 2).n > 0)
		e = diag_set(diag, E_EXISTS, "the server %.*s has one of these listeners",
			     (int)pg_get(r, 0, 2).n, pg_get(r, 0, 2).p);
	else if (pg_get(r, 0, 3).n > 0)
		e = diag_set(diag, E_EXISTS,
			     "home: the folder of the server %.*s is the same, in it, or around it",
			     (int)pg_get(r, 0, 3).n, pg_get(r, 0, 3).p);
	pg_result_free(&r);
	return e;
}

static enum err check_lengths(const struct dir_server_spec *s, struct diag *diag)
{
	if (s->listeners.n > DIR_SERVER_TEXT_MAX || s->settings.n > DIR_SERVER_TEXT_MAX ||
	    s->operators.n > DIR_SERVER_TEXT_MAX)
		return diag_set(diag, E_TOO_BIG, "a list of a server is longer than %d bytes",
				DIR_SERVER_TEXT_MAX);
	return E_OK;
}

/* For the audit, in one line. */
static void put_detail(struct dir_call *c, const char *what, slice_t lines)
{
	slice_t line;

	while (dir_server_line(&lines, &line))
		buf_printf(&c->detail, "%s%s %.*s", c->detail.n > 0 ? "; " : "", what,
			   (int)MIN(line.n, 200u), line.p);
}

WAITS static enum err write_server(struct dir_call *c, const char *sql,
				   const struct dir_server_spec *s, uint64_t number,
				   uint64_t *touched, struct diag *diag)
{
	struct buf listeners, settings, operators;
	struct pg_args a = {.n = 0};
	enum err e = check_lengths(s, diag);

	if (e != E_OK)
		return e;
	put_detail(c, "listen", s->listeners);
	put_detail(c, "set", s->settings);
	put_detail(c, "operator", s->operators);
	pg_text(&a, s->name);
	pg_u64(&a, number);
	bind_lines(&a, &listeners, s->listeners);
	bind_lines(&a, &settings, s->settings);
	bind_lines(&a, &operators, s->operators);
	e = dir_call_exec(c, dir_sql_server_lock, PG_NO_ARGS, NULL, diag);
	if (e == E_OK)
		e = dir_call_exec(c, sql, &a, touched, diag);
	buf_fini(&listeners);
	buf_fini(&settings);
	buf_fini(&operators);
	return e;
}

WAITS enum err dir_server_add(struct dir *d, const struct dir_actor *by,
			      const struct dir_server_spec *s, struct diag *diag)
{
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "server.add", s->name, diag);

	if (e == E_OK) {
		buf_printf(&c.detail, "service %s", rpc_service_name(s->service));
		e = write_server(&c, dir_sql_server_add, s, s->service, NULL, diag);
	}
	if (e == E_EXISTS)
		diag_set(diag, e, "a server of that name is there already");
	if (e == E_OK)
		e = check_all(&c, s, diag);
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_server_edit(struct dir *d, const struct dir_actor *by,
			       const struct dir_server_spec *s, struct diag *diag)
{
	struct dir_call c;
	uint64_t touched = 0;
	enum err e = dir_call_begin(&c, d, by, "server.edit", s->name, diag);

	if (e == E_OK)
		e = write_server(&c, dir_sql_server_edit, s, s->version, &touched, diag);
	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_RETRY, "somebody else has changed it just now: look again");
	if (e == E_OK)
		e = check_all(&c, s, diag);
	return dir_call_end(&c, e, diag);
}

static const char *state_method(enum server_state state)
{
	switch (state) {
	case SERVER_RUNNING:
		return "server.start";
	case SERVER_PAUSED:
		return "server.pause";
	case SERVER_STOPPED:
		return "server.stop";
	}
	return "server.state";
}

WAITS enum err dir_server_set_state(struct dir *d, const struct dir_actor *by, slice_t name,
				    enum server_state state, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct dir_call c;
	uint64_t touched = 0;
	enum err e = dir_call_begin(&c, d, by, state_method(state), name.n > 0 ? name : SL("(all)"),
				    diag);

	pg_text(&a, name);
	pg_u64(&a, state);
	if (e == E_OK)
		e = dir_call_exec(&c, dir_sql_server_state, &a, &touched, diag);
	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no such server");
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_server_remove(struct dir *d, const struct dir_actor *by, slice_t name,
				 struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct dir_call c;
	uint64_t touched = 0;
	enum err e = dir_call_begin(&c, d, by, "server.remove", name, diag);

	pg_text(&a, name);
	if (e == E_OK)
		e = dir_call_exec(&c, dir_sql_server_remove, &a, &touched, diag);
	if (e == E_OK && touched == 0)
		e = diag_set(
			diag, E_NOT_FOUND,
			"there is no such server, but for those that install made, which stay");
	return dir_call_end(&c, e, diag);
}

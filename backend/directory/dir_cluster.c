/* dir_cluster: management of partitions, nodes, settings and certificates. */
#include "backend/directory/dir_call.h"

#include <stdio.h>

static enum err check_node_name(slice_t name, struct diag *diag)
{
	bool ok = name.n >= 1 && name.n <= DIR_NODE_MAX;

	for (size_t i = 0; i < name.n && ok; i++)
		ok = (name.p[i] >= 'a' && name.p[i] <= 'z') ||
		     (name.p[i] >= '0' && name.p[i] <= '9') || name.p[i] == '-';
	return ok ? E_OK
		  : diag_set(diag, E_INVALID, "a node's name is 1 to 63 of a-z, 0-9 and '-'");
}

WAITS enum err dir_partition_assign(struct dir *d, const struct dir_actor *by, uint32_t id,
				    slice_t node, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct dir_call c;
	char target[16];
	enum err e;

	snprintf(target, sizeof(target), "%u", id);
	e = dir_call_begin(&c, d, by, "partition.assign", slice_str(target), diag);
	if (e == E_OK && id > UINT16_MAX)
		e = diag_set(diag, E_INVALID, "a partition's number is at most 65535");
	if (e == E_OK)
		e = check_node_name(node, diag);
	if (e == E_OK) {
		buf_printf(&c.detail, "node=%.*s", (int)node.n, node.p);
		pg_u64(&a, id);
		pg_text(&a, node);
		e = dir_call_exec(&c, dir_sql_partition_assign, &a, NULL, diag);
		if (e == E_NOT_FOUND)
			diag_set(diag, e, "there is no node %.*s", (int)node.n, node.p);
	}
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_partition_bootstrap(struct dir *d, uint32_t n, struct diag *diag)
{
	const struct dir_actor by = {.who = SL("backend")};
	struct pg_args a = {.n = 0};
	struct dir_call c;
	uint64_t made = 0;
	enum err e = dir_call_begin(&c, d, &by, "partition.bootstrap", slice_str(d->node), diag);

	if (e == E_OK && (n == 0 || n > UINT16_MAX))
		e = diag_set(diag, E_INVALID, "1 to 65535 partitions");
	if (e == E_OK)
		e = dir_call_exec(&c, dir_sql_partition_lock, PG_NO_ARGS, NULL, diag);
	if (e == E_OK) {
		pg_u64(&a, n);
		pg_text(&a, slice_str(d->node));
		e = dir_call_exec(&c, dir_sql_partition_bootstrap, &a, &made, diag);
		if (e == E_NOT_FOUND)
			diag_set(diag, e, "this node is not registered");
	}
	buf_printf(&c.detail, "made=%llu", (unsigned long long)made);
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_partition_made(struct dir *d, uint32_t id, struct diag *diag)
{
	const struct dir_actor by = {.who = SL("backend")};
	struct pg_args a = {.n = 0};
	char target[16];
	struct dir_call c;
	enum err e;

	(void)snprintf(target, sizeof(target), "%u", id);
	e = dir_call_begin(&c, d, &by, "partition.made", slice_str(target), diag);
	pg_u64(&a, id);
	if (e == E_OK)
		e = dir_call_exec(&c, dir_sql_partition_made, &a, NULL, diag);
	return dir_call_end(&c, e, diag);
}

WAITS static enum err node_register(struct dir_call *c, const struct dir_node *n, struct diag *diag)
{
	struct pg_args a = {.n = 0}, b = {.n = 0};
	struct pg_result *r = NULL;
	bool rekeyed = false;
	enum err e;

	buf_printf(&c->detail, "address=%s port=%u", n->address, n->port);
	pg_text(&a, slice_str(n->name));
	pg_text(&a, slice_str(n->address));
	pg_u64(&a, n->port);
	pg_bytes(&a, slice(n->public_key, sizeof(n->public_key)));
	e = dir_call_query(c, dir_sql_node_register, &a, &r, diag);
	if (e == E_OK && pg_rows(r) == 1)
		rekeyed = pg_get_bool(r, 0, 0);
	pg_result_free(&r);
	/* What was sealed to the former key is of no use; others seal it anew. */
	if (e == E_OK && rekeyed) {
		pg_text(&b, slice_str(n->name));
		e = dir_call_exec(c, dir_sql_node_forget_keys, &b, NULL, diag);
	}
	return e;
}

WAITS enum err dir_node_register(struct dir *d, const struct dir_actor *by,
				 const struct dir_node *n, struct diag *diag)
{
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "node.register", slice_str(n->name), diag);

	if (e == E_OK)
		e = check_node_name(slice_str(n->name), diag);
	if (e == E_OK && (n->port == 0 || n->address[0] == '\0'))
		e = diag_set(diag, E_INVALID, "a node has an address and a port");
	if (e == E_OK)
		e = node_register(&c, n, diag);
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_node_remove(struct dir *d, const struct dir_actor *by, slice_t name,
			       struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct dir_call c;
	uint64_t touched = 0;
	enum err e = dir_call_begin(&c, d, by, "node.remove", name, diag);

	pg_text(&a, name);
	if (e == E_OK)
		e = dir_call_query(&c, dir_sql_node_owns, &a, &r, diag);
	if (e == E_OK && pg_get_u64(r, 0, 0) > 0)
		e = diag_set(diag, E_INVALID, "the node owns partitions");
	pg_result_free(&r);
	if (e == E_OK)
		e = dir_call_exec(&c, dir_sql_node_remove, &a, &touched, diag);
	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no such node");
	return dir_call_end(&c, e, diag);
}

/* ---- settings ---- */

static enum err check_key(slice_t key, struct diag *diag)
{
	bool ok = key.n >= 1 && key.n <= DIR_SETTING_KEY_MAX;

	for (size_t i = 0; i < key.n && ok; i++)
		ok = (key.p[i] >= 'a' && key.p[i] <= 'z') || (key.p[i] >= '0' && key.p[i] <= '9') ||
		     key.p[i] == '.' || key.p[i] == '_' || key.p[i] == '-';
	return ok ? E_OK
		  : diag_set(diag, E_INVALID, "a key is 1 to 128 of a-z, 0-9, '.', '_', '-'");
}

WAITS enum err dir_setting_set(struct dir *d, const struct dir_actor *by, slice_t key,
			       slice_t value, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "setting.set", key, diag);

	if (e == E_OK)
		e = check_key(key, diag);
	if (e == E_OK && value.n > DIR_SETTING_VALUE_MAX)
		e = diag_set(diag, E_INVALID, "the value is longer than %d bytes",
			     DIR_SETTING_VALUE_MAX);
	if (e == E_OK) {
		buf_put(&c.detail, slice_sub(value, 0, 500));
		pg_text(&a, key);
		pg_text(&a, value);
		e = dir_call_exec(&c, dir_sql_setting_set, &a, NULL, diag);
	}
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_setting_unset(struct dir *d, const struct dir_actor *by, slice_t key,
				 struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct dir_call c;
	uint64_t touched = 0;
	enum err e = dir_call_begin(&c, d, by, "setting.unset", key, diag);

	if (e == E_OK)
		e = check_key(key, diag);
	if (e == E_OK) {
		pg_text(&a, key);
		e = dir_call_exec(&c, dir_sql_setting_unset, &a, &touched, diag);
	}
	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_NOT_FOUND, "the setting is not set");
	return dir_call_end(&c, e, diag);
}

/* ---- certificates ---- */

static enum err check_serial(slice_t serial, struct diag *diag)
{
	bool ok = serial.n >= 1 && serial.n <= 40;

	for (size_t i = 0; i < serial.n && ok; i++)
		ok = (serial.p[i] >= '0' && serial.p[i] <= '9') ||
		     (serial.p[i] >= 'a' && serial.p[i] <= 'f');
	return ok ? E_OK : diag_set(diag, E_INVALID, "a serial is 1 to 40 lower-case hex digits");
}

WAITS enum err dir_cert_issued(struct dir *d, const struct dir_actor *by, slice_t serial,
			       slice_t name, int64_t expires_us, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "cert.issued", serial, diag);

	if (e == E_OK)
		e = check_serial(serial, diag);
	if (e == E_OK) {
		buf_printf(&c.detail, "name=%.*s", (int)MIN(name.n, 200u), name.p);
		pg_text(&a, serial);
		pg_text(&a, name);
		pg_i64(&a, expires_us);
		e = dir_call_exec(&c, dir_sql_cert_issued, &a, NULL, diag);
		if (e == E_EXISTS)
			diag_set(diag, e, "that serial is registered already");
	}
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_cert_seen(struct dir *d, const struct dir_cert_row *cert, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	enum err e = check_serial(cert->serial, diag);

	if (e != E_OK)
		return e;
	pg_text(&a, cert->serial);
	pg_text(&a, cert->name);
	pg_i64(&a, cert->issued_us);
	pg_i64(&a, cert->expires_us);
	return pg_query(d->pool, dir_sql_cert_seen, &a, deadline_in(DIR_CALL_MS), NULL, diag);
}

WAITS enum err dir_cert_revoke(struct dir *d, const struct dir_actor *by, slice_t serial,
			       slice_t name, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "cert.revoke", serial, diag);

	if (e == E_OK)
		e = check_serial(serial, diag);
	if (e == E_OK) {
		pg_text(&a, serial);
		pg_text(&a, name);
		e = dir_call_exec(&c, dir_sql_cert_revoke, &a, NULL, diag);
	}
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_cert_list(struct dir *d, slice_t after, size_t limit, struct arena *mem,
			     struct dir_cert_page *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	pg_text(&a, after);
	pg_u64(&a, MIN(MAX(limit, 1u), DIR_PAGE_MAX));
	e = dir_ask(d, dir_sql_cert_list, &a, &r, diag);
	if (e != E_OK)
		return e;
	out->n = pg_rows(r);
	out->rows = arena_alloc(mem, (out->n + 1) * sizeof(*out->rows));
	for (size_t i = 0; i < out->n; i++)
		out->rows[i] = (struct dir_cert_row){
			.serial = dir_page_text(mem, r, i, 0),
			.name = dir_page_text(mem, r, i, 1),
			.issued_us = pg_get_i64(r, i, 2),
			.expires_us = pg_get_i64(r, i, 3),
			.revoked_us = pg_get_i64(r, i, 4),
		};
	pg_result_free(&r);
	return E_OK;
}

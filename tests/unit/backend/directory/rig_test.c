#include "tests/unit/backend/directory/rig.h"

#include <stdio.h>

#include "backend/directory/dir_priv.h"

const struct dir_actor rig_actor = {.who = {"admin/test", 10}, .from = {"127.0.0.1", 9}};

WAITS bool rig_start(struct rig *r, const char *node)
{
	struct diag diag = {.text = ""};
	struct dir_conf c = {
		.conninfo = r->conninfo,
		.sql_dir = "deploy/sql",
		.kv = dir_kv_mem_ops(r->kv),
		.node = node,
		.node_address = "127.0.0.1",
		.node_port = 7411,
		.node_key = r->key,
		.poll_ms = 200,
	};

	check_note("dir_open: %s", diag.text);
	return dir_open(&c, &r->d, &diag) == E_OK;
}

WAITS bool rig_synced(struct rig *r)
{
	enum err e = dir_wait_synced(r->d, deadline_in(20000));

	if (e != E_OK) {
		struct dir_status s;

		dir_get_status(r->d, &s);
		check_note("sync: %s: %s", err_name(e), s.error);
	}
	return e == E_OK;
}

WAITS enum err rig_domain(struct rig *r, const char *name, enum dir_domain_kind kind,
			  const char *target, const char *catch_all)
{
	struct dir_domain_spec s = {.name = slice_str(name),
				    .kind = kind,
				    .target = slice_str(target),
				    .catch_all = slice_str(catch_all)};
	struct diag diag = {.text = ""};
	enum err e = dir_domain_add(r->d, &rig_actor, &s, &diag);

	check_note("domain %s: %s", name, diag.text);
	return e;
}

WAITS enum err rig_account(struct rig *r, const char *address, uint64_t *id)
{
	struct dir_account_spec s = {.address = slice_str(address),
				     .quota_bytes = DIR_QUOTA_DEFAULT,
				     .quota_messages = DIR_QUOTA_DEFAULT,
				     .partition = DIR_PARTITION_ANY};
	struct diag diag = {.text = ""};
	enum err e = dir_account_add(r->d, &rig_actor, &s, id, &diag);

	check_note("account %s: %s", address, diag.text);
	return e;
}

WAITS enum err rig_alias(struct rig *r, const char *address, enum dir_alias_kind kind,
			 const char *members)
{
	slice_t m[8], rest = slice_str(members);
	struct dir_alias_spec s = {.address = slice_str(address), .kind = kind, .members = m};
	struct diag diag = {.text = ""};
	enum err e;

	while (rest.n > 0 && s.nmembers < ARRAY_LEN(m)) {
		size_t n = slice_find_char(rest, ' ');

		m[s.nmembers++] = slice_sub(rest, 0, n);
		rest = slice_from(rest, n + 1);
	}
	e = dir_alias_add(r->d, &rig_actor, &s, &diag);
	check_note("alias %s: %s", address, diag.text);
	return e;
}

/* The schema and nothing else: no node, which is why no directory is opened. */
WAITS static void fill(const char *conninfo)
{
	struct pg_conf c = {.conninfo = conninfo};
	struct dir d = {.sql_dir = xstrdup("deploy/sql"), .pool = pg_pool_new(&c)};
	struct diag diag = {.text = ""};

	check_note("schema: %s", diag.text);
	CHECK_ERR(dir_schema_apply(&d, &diag), E_OK);
	pg_pool_free(&d.pool);
	xfree(&d.sql_dir);
}

WAITS bool rig_open(struct rig *r)
{
	struct diag diag = {.text = ""};

	*r = (struct rig){.kv = dir_kv_mem_new()};
	snprintf(r->conninfo, sizeof r->conninfo, "%s", pgserver_copy(fill));
	node_key_make(&r->key);
	return rig_start(r, "be1") && rig_synced(r) &&
	       dir_partition_bootstrap(r->d, 1, &diag) == E_OK &&
	       rig_domain(r, "example.org", DIR_DOMAIN_LOCAL, "", "") == E_OK;
}

WAITS void rig_close(struct rig *r)
{
	dir_close(&r->d);
	dir_kv_mem_free(&r->kv);
}

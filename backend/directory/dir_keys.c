#include "backend/directory/dir_keys.h"

#include "backend/directory/dir_call.h"

/* ---- credentials ---- */

WAITS enum err dir_credential_get(struct dir *d, uint64_t account, int64_t deadline_ms,
				  struct dir_credential *out, uint32_t *epoch_out,
				  enum dir_account_state *state_out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	slice_t verifier;
	enum err e;

	if (account > INT64_MAX)
		return E_NOT_FOUND;
	pg_u64(&a, account);
	e = pg_query(d->pool, dir_sql_credential_get, &a, deadline_ms, &r, diag);
	if (e != E_OK)
		return e;
	if (pg_rows(r) == 0) {
		pg_result_free(&r);
		return E_NOT_FOUND;
	}
	verifier = pg_get(r, 0, 1);
	out->kind = (enum dir_cred_kind)pg_get_u64(r, 0, 0);
	out->n = MIN(verifier.n, sizeof(out->verifier));
	memcpy(out->verifier, verifier.p, out->n);
	*epoch_out = (uint32_t)pg_get_u64(r, 0, 2);
	*state_out = (enum dir_account_state)pg_get_u64(r, 0, 3);
	pg_result_free(&r);
	return out->kind == DIR_CRED_NONE ? E_NOT_FOUND : E_OK;
}

WAITS enum err dir_credential_upgrade(struct dir *d, uint64_t account, uint32_t epoch,
				      const struct dir_credential *cred, struct diag *diag)
{
	struct pg_args a = {.n = 0};

	pg_u64(&a, account);
	pg_u64(&a, epoch);
	pg_u64(&a, cred->kind);
	pg_text(&a, slice(cred->verifier, cred->n));
	return pg_query(d->pool, dir_sql_credential_upgrade, &a, deadline_in(DIR_CALL_MS), NULL,
			diag);
}

/* ---- ticket keys ---- */

WAITS static enum err key_is_due(struct pg_tx *t, int64_t max_age_s, bool *out, struct diag *diag)
{
	struct pg_result *r = NULL;
	enum err e = pg_tx_query(t, dir_sql_key_lock, PG_NO_ARGS, NULL, diag);

	if (e == E_OK)
		e = pg_tx_query(t, dir_sql_key_youngest, PG_NO_ARGS, &r, diag);
	if (e == E_OK)
		*out = pg_is_null(r, 0, 0) || pg_get_i64(r, 0, 0) >= max_age_s;
	pg_result_free(&r);
	return e;
}

WAITS static enum err key_put(struct pg_tx *t, uint32_t id, slice_t node, slice_t box,
			      int64_t drop_age_s, struct diag *diag)
{
	struct pg_args a = {.n = 0};

	pg_u64(&a, id);
	pg_text(&a, node);
	pg_bytes(&a, box);
	pg_i64(&a, drop_age_s);
	return pg_tx_query(t, dir_sql_key_put, &a, NULL, diag);
}

void dir_node_of_row(const struct pg_result *r, size_t i, struct dir_node *out)
{
	struct buf key;

	*out = (struct dir_node){.port = (uint16_t)pg_get_u64(r, i, 2)};
	buf_init(&key, NODE_KEY_LEN, NULL);
	pg_get_bytes(r, i, 3, &key);
	if (key.n == NODE_KEY_LEN)
		memcpy(out->public_key, key.p, NODE_KEY_LEN);
	buf_fini(&key);
	if (!slice_to_str(pg_get(r, i, 0), out->name, sizeof(out->name)) ||
	    !slice_to_str(pg_get(r, i, 1), out->address, sizeof(out->address)))
		out->name[0] = '\0';
}

WAITS static enum err key_make(struct pg_tx *t, int64_t drop_age_s, const struct dir_key_maker *m,
			       struct diag *diag)
{
	struct pg_result *next = NULL, *nodes = NULL;
	struct buf box;
	uint32_t id = 0;
	enum err e = pg_tx_query(t, dir_sql_key_drop, PG_NO_ARGS, NULL, diag);

	if (e == E_OK)
		e = pg_tx_query(t, dir_sql_key_next, PG_NO_ARGS, &next, diag);
	if (e == E_OK)
		id = (uint32_t)pg_get_u64(next, 0, 0);
	pg_result_free(&next);
	if (e == E_OK)
		e = pg_tx_query(t, dir_sql_node_all, PG_NO_ARGS, &nodes, diag);
	buf_init(&box, DIR_KEY_BOX_MAX, NULL);
	for (size_t i = 0; e == E_OK && i < pg_rows(nodes); i++) {
		struct dir_node n;

		dir_node_of_row(nodes, i, &n);
		buf_reset(&box);
		if (m->seal(id, &n, &box, m->arg) && !buf_failed(&box))
			e = key_put(t, id, slice_str(n.name), buf_slice(&box), drop_age_s, diag);
	}
	buf_fini(&box);
	pg_result_free(&nodes);
	return e;
}

WAITS enum err dir_ticket_key_make(struct dir *d, int64_t max_age_s, int64_t drop_age_s,
				   const struct dir_key_maker *m, bool *made_out, struct diag *diag)
{
	struct pg_tx *t = NULL;
	bool due = false;
	enum err e = pg_begin(d->pool, PG_READ_COMMITTED, deadline_in(DIR_CALL_MS), &t, diag);

	*made_out = false;
	if (e != E_OK)
		return e;
	e = key_is_due(t, max_age_s, &due, diag);
	if (e == E_OK && due)
		e = key_make(t, drop_age_s, m, diag);
	if (e == E_OK && due)
		e = pg_commit(&t, diag);
	else
		pg_rollback(&t);
	*made_out = e == E_OK && due;
	dir_nudge(d);
	return e;
}

WAITS enum err dir_ticket_key_missing(struct dir *d, slice_t node, uint32_t *ids, size_t max,
				      size_t *n_out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	*n_out = 0;
	pg_text(&a, node);
	pg_text(&a, slice_str(d->node));
	pg_u64(&a, max);
	e = pg_query(d->pool, dir_sql_key_missing, &a, deadline_in(DIR_CALL_MS), &r, diag);
	if (e != E_OK)
		return e;
	for (size_t i = 0; i < pg_rows(r) && i < max; i++)
		ids[(*n_out)++] = (uint32_t)pg_get_u64(r, i, 0);
	pg_result_free(&r);
	return E_OK;
}

WAITS enum err dir_ticket_key_put(struct dir *d, slice_t node, uint32_t id, slice_t box,
				  struct diag *diag)
{
	struct pg_args a = {.n = 0};

	pg_u64(&a, id);
	pg_text(&a, node);
	pg_bytes(&a, box);
	return pg_query(d->pool, dir_sql_key_copy, &a, deadline_in(DIR_CALL_MS), NULL, diag);
}

/* ---- ended sessions ---- */

WAITS enum err dir_session_end(struct dir *d, const uint8_t session[DIR_SESSION_LEN],
			       int64_t until_s, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	enum err e;

	pg_bytes(&a, slice(session, DIR_SESSION_LEN));
	pg_i64(&a, until_s);
	e = pg_query(d->pool, dir_sql_session_end, &a, deadline_in(DIR_CALL_MS), NULL, diag);
	dir_nudge(d);
	return e;
}

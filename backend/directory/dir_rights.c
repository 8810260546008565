/* dir_rights: management of rights. What they mean is in dir_resolve. */
#include "backend/directory/dir_rights.h"

#include "backend/directory/dir_call.h"

/* Locks the row of an account, so that two grants do not both fit under the limit. */
WAITS static enum err lock_account(struct dir_call *c, slice_t address, uint64_t *id_out,
				   struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct dir_name n;
	enum err e = dir_find_name(c->d, address, &n, diag);

	if (e != E_OK)
		return e;
	pg_text(&a, slice_str(n.domain));
	pg_text(&a, slice_str(n.local));
	e = dir_call_query(c, dir_sql_account_lock, &a, &r, diag);
	if (e == E_OK && pg_rows(r) == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no account %s@%s", n.local, n.domain);
	else if (e == E_OK)
		*id_out = pg_get_u64(r, 0, 0);
	pg_result_free(&r);
	return e;
}

WAITS static enum err count_rights(struct dir_call *c, const struct pg_args *pair,
				   struct diag *diag)
{
	struct pg_result *r = NULL;
	enum err e = dir_call_query(c, dir_sql_right_count, pair, &r, diag);

	if (e == E_OK && pg_get_u64(r, 0, 0) > DIR_RIGHTS_MAX)
		e = diag_set(diag, E_INVALID, "at most %d accounts may have a right to one",
			     DIR_RIGHTS_MAX);
	else if (e == E_OK && pg_get_u64(r, 0, 1) > DIR_RIGHTS_MAX)
		e = diag_set(diag, E_INVALID, "an account may have a right to at most %d",
			     DIR_RIGHTS_MAX);
	pg_result_free(&r);
	return e;
}

/* The ids of both, in the order of the statements. */
WAITS static enum err lock_pair(struct dir_call *c, slice_t user, struct pg_args *out,
				struct diag *diag)
{
	uint64_t owner_id = 0, user_id = 0;
	enum err e = lock_account(c, c->target, &owner_id, diag);

	if (e == E_OK)
		e = lock_account(c, user, &user_id, diag);
	if (e == E_OK && owner_id == user_id)
		e = diag_set(diag, E_INVALID, "an account needs no right to itself");
	pg_u64(out, owner_id);
	pg_u64(out, user_id);
	return e;
}

WAITS enum err dir_right_grant(struct dir *d, const struct dir_actor *by, slice_t owner,
			       slice_t user, enum dir_right_kind kind, struct diag *diag)
{
	struct pg_args pair = {.n = 0}, a;
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "account.grant", owner, diag);

	buf_puts(&c.detail, kind == DIR_SEND_AS ? "send-as " : "on-behalf ");
	buf_put(&c.detail, slice_sub(user, 0, DIR_ADDRESS_MAX));
	if (e == E_OK && kind != DIR_SEND_AS && kind != DIR_ON_BEHALF)
		e = diag_set(diag, E_INVALID, "unknown right");
	if (e == E_OK)
		e = lock_pair(&c, user, &pair, diag);
	a = pair;
	pg_u64(&a, kind);
	if (e == E_OK)
		e = dir_call_exec(&c, dir_sql_right_put, &a, NULL, diag);
	if (e == E_OK)
		e = count_rights(&c, &pair, diag);
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_right_revoke(struct dir *d, const struct dir_actor *by, slice_t owner,
				slice_t user, struct diag *diag)
{
	struct pg_args pair = {.n = 0};
	uint64_t touched = 0;
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "account.revoke", owner, diag);

	buf_put(&c.detail, slice_sub(user, 0, DIR_ADDRESS_MAX));
	if (e == E_OK)
		e = lock_pair(&c, user, &pair, diag);
	if (e == E_OK)
		e = dir_call_exec(&c, dir_sql_right_drop, &pair, &touched, diag);
	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_NOT_FOUND, "it has no such right");
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_right_list(struct dir *d, uint64_t account, struct arena *mem,
			      struct dir_rights *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	*out = (struct dir_rights){.nusers = 0};
	pg_u64(&a, account);
	e = dir_ask(d, dir_sql_right_list, &a, &r, diag);
	if (e != E_OK)
		return e;
	out->users = arena_alloc(mem, (pg_rows(r) + 1) * sizeof *out->users);
	out->owners = arena_alloc(mem, (pg_rows(r) + 1) * sizeof *out->owners);
	for (size_t i = 0; i < pg_rows(r); i++) {
		struct dir_right_row row = {
			.address = dir_page_text(mem, r, i, 1),
			.kind = (enum dir_right_kind)pg_get_u64(r, i, 2),
		};

		if (pg_get_bool(r, i, 0))
			out->users[out->nusers++] = row;
		else
			out->owners[out->nowners++] = row;
	}
	pg_result_free(&r);
	return E_OK;
}

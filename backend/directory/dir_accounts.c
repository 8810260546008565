/* dir_accounts: management of accounts. */
#include "backend/directory/dir_call.h"
#include "common/crypto/random.h"

/* What an account add needs to know of its domain. */
struct home {
	uint64_t id, quota_bytes;
};

WAITS static enum err home_find(struct dir_call *c, const char *domain, struct home *out,
				struct diag *diag)
{
	struct pg_args a = {.n = 0}, b = {.n = 0};
	struct pg_result *r = NULL, *count = NULL;
	uint64_t max = 0;
	enum err e;

	pg_text(&a, slice_str(domain));
	e = dir_call_query(c, dir_sql_domain_for_add, &a, &r, diag);
	if (e != E_OK)
		return e;
	if (pg_rows(r) == 0) {
		e = diag_set(diag, E_NOT_FOUND, "there is no domain %s", domain);
	} else if (pg_get_u64(r, 0, 1) != DIR_DOMAIN_LOCAL) {
		e = diag_set(diag, E_INVALID, "the domain %s is not a local one", domain);
	} else {
		out->id = pg_get_u64(r, 0, 0);
		max = pg_get_u64(r, 0, 2);
		out->quota_bytes = pg_get_u64(r, 0, 3);
	}
	pg_result_free(&r);
	if (e != E_OK || max == 0)
		return e;
	pg_u64(&b, out->id);
	e = dir_call_query(c, dir_sql_domain_accounts, &b, &count, diag);
	if (e == E_OK && pg_get_u64(count, 0, 0) >= max)
		e = diag_set(diag, E_INVALID, "the domain %s may have %llu accounts", domain,
			     (unsigned long long)max);
	pg_result_free(&count);
	return e;
}

WAITS static enum err partition_choose(struct dir_call *c, uint32_t asked, uint32_t *out,
				       struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	/* Evenly enough by chance, without a counter that every addition would wait for. */
	pg_u64(&a, asked == DIR_PARTITION_ANY ? random_below(1u << 30) : asked);
	e = dir_call_query(
		c, asked == DIR_PARTITION_ANY ? dir_sql_partition_pick : dir_sql_partition_has, &a,
		&r, diag);
	if (e == E_OK && pg_rows(r) == 0)
		e = diag_set(diag, E_INVALID,
			     asked == DIR_PARTITION_ANY ? "no partition has an owner yet"
							: "there is no such partition");
	if (e == E_OK)
		*out = asked == DIR_PARTITION_ANY ? (uint32_t)pg_get_u64(r, 0, 0) : asked;
	pg_result_free(&r);
	return e;
}

WAITS static enum err credential_set(struct dir_call *c, uint64_t id,
				     const struct dir_credential *cred, struct diag *diag)
{
	struct pg_args a = {.n = 0};

	if (cred->kind == DIR_CRED_NONE || cred->n == 0 || cred->n > DIR_VERIFIER_MAX)
		return diag_set(diag, E_INVALID, "not a verifier");
	pg_u64(&a, id);
	pg_u64(&a, cred->kind);
	pg_text(&a, slice(cred->verifier, cred->n));
	return dir_call_exec(c, dir_sql_credential_set, &a, NULL, diag);
}

WAITS static enum err account_rows(struct dir_call *c, const struct dir_account_spec *s,
				   const struct dir_name *n, const struct home *home,
				   uint32_t partition, uint64_t *id_out, struct diag *diag)
{
	struct pg_args a = {.n = 0}, b = {.n = 0};
	struct pg_result *r = NULL;
	struct buf address;
	enum err e;

	buf_init(&address, DIR_ADDRESS_MAX, NULL);
	buf_printf(&address, "%s@%s", n->local, n->domain);
	pg_u64(&a, home->id);
	pg_text(&a, slice_str(n->local));
	pg_text(&a, buf_slice(&address));
	pg_u64(&a, s->quota_bytes == DIR_QUOTA_DEFAULT ? home->quota_bytes : s->quota_bytes);
	pg_u64(&a, s->quota_messages == DIR_QUOTA_DEFAULT ? 0 : s->quota_messages);
	pg_u64(&a, partition);
	pg_text(&a, s->display_name);
	e = dir_call_query(c, dir_sql_account_add, &a, &r, diag);
	if (e == E_OK) {
		*id_out = pg_get_u64(r, 0, 0);
		pg_u64(&b, home->id);
		pg_text(&b, slice_str(n->local));
		pg_u64(&b, *id_out);
		e = dir_call_exec(c, dir_sql_account_address_add, &b, NULL, diag);
	}
	if (e == E_EXISTS)
		diag_set(diag, e, "the address %s@%s is taken", n->local, n->domain);
	pg_result_free(&r);
	buf_fini(&address);
	return e;
}

static enum err quota_check(uint64_t bytes, uint64_t messages, struct diag *diag)
{
	if ((bytes > INT64_MAX && bytes != DIR_QUOTA_DEFAULT) ||
	    (messages > INT64_MAX && messages != DIR_QUOTA_DEFAULT))
		return diag_set(diag, E_INVALID, "a quota is too large");
	return E_OK;
}

static enum err display_name_check(slice_t s, struct diag *diag)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f)
			return diag_set(diag, E_INVALID, "a name holds no control characters");
		n += (c & 0xc0) != 0x80;
	}
	if (n > DIR_DISPLAY_NAME_MAX)
		return diag_set(diag, E_INVALID, "a name has at most %d characters",
				DIR_DISPLAY_NAME_MAX);
	return E_OK;
}

WAITS static enum err account_add(struct dir_call *c, const struct dir_account_spec *s,
				  uint64_t *id_out, struct diag *diag)
{
	struct dir_name n;
	struct home home = {.id = 0};
	uint32_t partition = 0;
	enum err e = dir_check_own(c->d, s->address, &n, diag);

	/* It would be read as user+detail by everyone but us. */
	if (e == E_OK && strchr(n.local, '+') != NULL)
		e = diag_set(diag, E_INVALID, "an account's name may not hold a '+'");
	if (e == E_OK)
		e = display_name_check(s->display_name, diag);
	if (e == E_OK)
		e = quota_check(s->quota_bytes, s->quota_messages, diag);
	if (e == E_OK)
		e = home_find(c, n.domain, &home, diag);
	if (e == E_OK)
		e = partition_choose(c, s->partition, &partition, diag);
	if (e == E_OK)
		e = account_rows(c, s, &n, &home, partition, id_out, diag);
	if (e == E_OK && s->cred != NULL)
		e = credential_set(c, *id_out, s->cred, diag);
	if (e == E_OK)
		buf_printf(&c->detail, "id=%llu partition=%u", (unsigned long long)*id_out,
			   partition);
	return e;
}

WAITS enum err dir_account_add(struct dir *d, const struct dir_actor *by,
			       const struct dir_account_spec *s, uint64_t *id_out,
			       struct diag *diag)
{
	struct dir_call c;
	uint64_t id = 0;
	enum err e = dir_call_begin(&c, d, by, "account.add", s->address, diag);

	if (e == E_OK)
		e = account_add(&c, s, &id, diag);
	e = dir_call_end(&c, e, diag);
	if (e == E_OK && id_out != NULL)
		*id_out = id;
	return e;
}

/* ---- lists ---- */

static void account_row(const struct pg_result *r, size_t i, struct arena *mem,
			struct dir_account_row *out)
{
	*out = (struct dir_account_row){
		.id = pg_get_u64(r, i, 0),
		.address = dir_page_text(mem, r, i, 1),
		.display_name = dir_page_text(mem, r, i, 2),
		.state = (enum dir_account_state)pg_get_u64(r, i, 3),
		.quota_bytes = pg_get_u64(r, i, 4),
		.quota_messages = pg_get_u64(r, i, 5),
		.partition = (uint32_t)pg_get_u64(r, i, 6),
		.epoch = (uint32_t)pg_get_u64(r, i, 7),
		.cred = (enum dir_cred_kind)pg_get_u64(r, i, 8),
		.created_us = pg_get_i64(r, i, 9),
		.password_us = pg_get_i64(r, i, 10),
		.held_us = pg_get_i64(r, i, 11 + DIR_SENDS),
		.held_why = dir_page_text(mem, r, i, 12 + DIR_SENDS),
	};
	for (unsigned k = 0; k < DIR_SENDS; k++)
		out->send[k] = (uint32_t)pg_get_u64(r, i, 11 + k);
}

WAITS enum err dir_account_list(struct dir *d, slice_t domain, slice_t match, unsigned which,
				slice_t after, size_t limit, struct arena *mem,
				struct dir_account_page *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	char norm[256] = "";
	enum err e = domain.n > 0 ? dir_check_domain(domain, norm, diag) : E_OK;

	if (e != E_OK)
		return e;
	dir_page_args(&a, slice_str(norm), after, limit);
	pg_text(&a, match);
	pg_u64(&a, which);
	e = dir_ask(d, dir_sql_account_list, &a, &r, diag);
	if (e != E_OK)
		return e;
	out->n = pg_rows(r);
	out->rows = arena_alloc(mem, (out->n + 1) * sizeof(*out->rows));
	for (size_t i = 0; i < out->n; i++)
		account_row(r, i, mem, &out->rows[i]);
	pg_result_free(&r);
	return E_OK;
}

static void name_args(struct pg_args *a, const struct dir_name *n)
{
	pg_text(a, slice_str(n->domain));
	pg_text(a, slice_str(n->local));
}

WAITS enum err dir_account_show(struct dir *d, slice_t address, struct arena *mem,
				struct dir_account_row *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct dir_name n;
	enum err e = dir_find_name(d, address, &n, diag);

	if (e != E_OK)
		return e;
	name_args(&a, &n);
	e = dir_ask(d, dir_sql_account_show, &a, &r, diag);
	if (e != E_OK)
		return e;
	if (pg_rows(r) == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no account %s@%s", n.local, n.domain);
	else
		account_row(r, 0, mem, out);
	pg_result_free(&r);
	return e;
}

/* ---- changes of one account ---- */

/* Locks its row. */
WAITS static enum err account_lock_row(struct dir_call *c, uint64_t *id_out,
				       enum dir_account_state *state_out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct dir_name n;
	enum err e = dir_find_name(c->d, c->target, &n, diag);

	if (e != E_OK)
		return e;
	name_args(&a, &n);
	e = dir_call_query(c, dir_sql_account_lock, &a, &r, diag);
	if (e != E_OK)
		return e;
	if (pg_rows(r) == 0) {
		e = diag_set(diag, E_NOT_FOUND, "there is no account %s@%s", n.local, n.domain);
	} else {
		*id_out = pg_get_u64(r, 0, 0);
		*state_out = (enum dir_account_state)pg_get_u64(r, 0, 1);
	}
	pg_result_free(&r);
	return e;
}

WAITS static enum err set_state(struct dir_call *c, uint64_t id, enum dir_account_state state,
				unsigned epoch_step, struct diag *diag)
{
	struct pg_args a = {.n = 0};

	pg_u64(&a, id);
	pg_u64(&a, state);
	pg_u64(&a, epoch_step);
	return dir_call_exec(c, dir_sql_account_state, &a, NULL, diag);
}

WAITS static enum err change_state(struct dir *d, const struct dir_actor *by, const char *method,
				   slice_t address, enum dir_account_state to, unsigned epoch_step,
				   struct diag *diag)
{
	struct dir_call c;
	enum dir_account_state now = DIR_ACTIVE;
	uint64_t id = 0;
	enum err e = dir_call_begin(&c, d, by, method, address, diag);

	if (e == E_OK)
		e = account_lock_row(&c, &id, &now, diag);
	if (e == E_OK && now != to)
		e = set_state(&c, id, to, epoch_step, diag);
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_account_lock(struct dir *d, const struct dir_actor *by, slice_t address,
				struct diag *diag)
{
	return change_state(d, by, "account.lock", address, DIR_LOCKED, 1, diag);
}

WAITS enum err dir_account_unlock(struct dir *d, const struct dir_actor *by, slice_t address,
				  struct diag *diag)
{
	return change_state(d, by, "account.unlock", address, DIR_ACTIVE, 0, diag);
}

WAITS enum err dir_account_passwd(struct dir *d, const struct dir_actor *by, slice_t address,
				  const struct dir_credential *cred, struct diag *diag)
{
	struct dir_call c;
	enum dir_account_state now = DIR_ACTIVE;
	uint64_t id = 0;
	enum err e = dir_call_begin(&c, d, by, "account.passwd", address, diag);

	if (e == E_OK)
		e = account_lock_row(&c, &id, &now, diag);
	if (e == E_OK)
		e = credential_set(&c, id, cred, diag);
	if (e == E_OK)
		e = set_state(&c, id, now, 1, diag);
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_account_quota(struct dir *d, const struct dir_actor *by, slice_t address,
				 uint64_t bytes, uint64_t messages, struct diag *diag)
{
	struct dir_call c;
	struct pg_args a = {.n = 0};
	enum dir_account_state now = DIR_ACTIVE;
	uint64_t id = 0;
	enum err e = dir_call_begin(&c, d, by, "account.quota", address, diag);

	if (e == E_OK && (bytes > INT64_MAX || messages > INT64_MAX))
		e = diag_set(diag, E_INVALID, "a quota is too large");
	if (e == E_OK)
		e = account_lock_row(&c, &id, &now, diag);
	if (e == E_OK) {
		buf_printf(&c.detail, "bytes=%llu messages=%llu", (unsigned long long)bytes,
			   (unsigned long long)messages);
		pg_u64(&a, id);
		pg_u64(&a, bytes);
		pg_u64(&a, messages);
		e = dir_call_exec(&c, dir_sql_account_quota, &a, NULL, diag);
	}
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_account_limit(struct dir *d, const struct dir_actor *by, slice_t address,
				 const uint32_t send[DIR_SENDS], struct diag *diag)
{
	static const char *const names[DIR_SENDS] = {"messages/minute", "messages/hour",
						     "messages/day",    "recipients/hour",
						     "recipients/day",  "burst"};
	struct dir_call c;
	struct pg_args a = {.n = 0};
	enum dir_account_state now = DIR_ACTIVE;
	uint64_t id = 0;
	enum err e = dir_call_begin(&c, d, by, "account.limit", address, diag);

	if (e == E_OK)
		e = account_lock_row(&c, &id, &now, diag);
	pg_u64(&a, id);
	for (size_t i = 0; i < DIR_SENDS; i++) {
		pg_u64(&a, send[i]);
		if (send[i] != DIR_SEND_DEFAULT)
			buf_printf(&c.detail, "%s%s=%u", c.detail.n != 0 ? " " : "", names[i],
				   send[i]);
	}
	if (e == E_OK)
		e = dir_call_exec(&c, dir_sql_account_limit, &a, NULL, diag);
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_account_hold(struct dir *d, const struct dir_actor *by, slice_t address,
				slice_t why, struct diag *diag)
{
	struct dir_call c;
	struct pg_args a = {.n = 0};
	enum dir_account_state now = DIR_ACTIVE;
	uint64_t id = 0;
	enum err e = dir_call_begin(&c, d, by, "account.hold", address, diag);

	if (e == E_OK)
		e = account_lock_row(&c, &id, &now, diag);
	if (e == E_OK) {
		buf_put(&c.detail, why);
		pg_u64(&a, id);
		pg_text(&a, why);
		e = dir_call_exec(&c, dir_sql_account_hold, &a, NULL, diag);
	}
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_account_release(struct dir *d, const struct dir_actor *by, slice_t address,
				   struct diag *diag)
{
	struct dir_call c;
	struct pg_args a = {.n = 0};
	enum dir_account_state now = DIR_ACTIVE;
	uint64_t id = 0;
	enum err e = dir_call_begin(&c, d, by, "account.release", address, diag);

	if (e == E_OK)
		e = account_lock_row(&c, &id, &now, diag);
	if (e == E_OK) {
		pg_u64(&a, id);
		e = dir_call_exec(&c, dir_sql_account_release, &a, NULL, diag);
	}
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_account_remove(struct dir *d, const struct dir_actor *by, slice_t address,
				  struct diag *diag)
{
	struct dir_call c;
	struct pg_args a = {.n = 0};
	enum dir_account_state now = DIR_ACTIVE;
	uint64_t id = 0;
	enum err e = dir_call_begin(&c, d, by, "account.remove", address, diag);

	if (e == E_OK)
		e = account_lock_row(&c, &id, &now, diag);
	if (e == E_OK) {
		buf_printf(&c.detail, "id=%llu", (unsigned long long)id);
		pg_u64(&a, id);
		e = dir_call_exec(&c, dir_sql_account_unname, &a, NULL, diag);
	}
	if (e == E_OK)
		e = dir_call_exec(&c, dir_sql_account_uncred, &a, NULL, diag);
	if (e == E_OK)
		e = dir_call_exec(&c, dir_sql_account_unright, &a, NULL, diag);
	if (e == E_OK)
		e = dir_call_exec(&c, dir_sql_account_remove, &a, NULL, diag);
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_account_purged(struct dir *d, uint64_t id, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	if (id > INT64_MAX)
		return diag_set(diag, E_NOT_FOUND, "there is no such removed account");
	pg_u64(&a, id);
	e = pg_query(d->pool, dir_sql_account_purged, &a, deadline_in(DIR_CALL_MS), &r, diag);
	if (e == E_OK && pg_touched(r) == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no such removed account");
	pg_result_free(&r);
	dir_nudge(d);
	return e;
}

/* Management of accounts. Their sizes and last log-ins come from their owners. */
#include "backend/rpc/m_admin.h"

#include "backend/auth/passwd.h"
#include "backend/directory/dir_rights.h"
#include "backend/rpc/usage.h"
#include "common/crypto/secret.h"

/* The verifier of a new password, which is wiped. */
WAITS static enum err make_credential(struct mcall *c, const char *address, char *password,
				      struct dir_credential *out)
{
	slice_t text = slice_str(password);
	enum err e = passwd_make(slice_str(address), text, passwd_kind(c->be->dir), out, &c->diag);

	secret_wipe(password, text.n);
	return e;
}

WAITS enum err m_admin_account_add(struct mcall *c)
{
	const Postern__AdminAccountAdd *m = (const void *)c->msg;
	Postern__AdminAccountAdded reply = POSTERN__ADMIN_ACCOUNT_ADDED__INIT;
	struct dir_actor by = admin_actor(c);
	struct dir_credential cred;
	struct dir_account_spec s = {
		.address = slice_str(m->address),
		.display_name = slice_str(m->display_name),
		.quota_bytes = m->has_quota_bytes ? m->quota_bytes : DIR_QUOTA_DEFAULT,
		.quota_messages = m->quota_items,
		.partition = m->has_partition ? m->partition : DIR_PARTITION_ANY,
	};
	enum err e = E_OK;

	if (m->password[0] != '\0') {
		e = make_credential(c, m->address, m->password, &cred);
		s.cred = &cred;
	}
	if (e == E_OK)
		e = dir_account_add(c->be->dir, &by, &s, &reply.id, &c->diag);
	secret_wipe(&cred, sizeof cred);
	return e == E_OK ? mcall_reply(c, &reply.base, RPC_NO_BODY) : e;
}

/* Fields of the contract that are there together, by enum dir_send. */
#define SEND_FIELDS(m, has, value) \
	protobuf_c_boolean *const has[DIR_SENDS] = { \
		&(m)->has_messages_minute, &(m)->has_messages_hour,  &(m)->has_messages_day, \
		&(m)->has_recipients_hour, &(m)->has_recipients_day, &(m)->has_burst}; \
	uint32_t *const value[DIR_SENDS] = {&(m)->messages_minute, &(m)->messages_hour, \
					    &(m)->messages_day,    &(m)->recipients_hour, \
					    &(m)->recipients_day,  &(m)->burst}

static void pack_sending(const struct dir_account_row *r, struct arena *mem,
			 Postern__AdminAccount *m)
{
	SEND_FIELDS(m, has, value);

	m->held_us = r->held_us;
	m->held_why = admin_str(mem, r->held_why);
	if (r->held_us != 0 && r->state == DIR_ACTIVE)
		m->state = POSTERN__ACCOUNT_STATE__ACCOUNT_STATE_HELD;
	for (size_t i = 0; i < DIR_SENDS; i++) {
		*has[i] = r->send[i] != DIR_SEND_DEFAULT;
		*value[i] = *has[i] ? r->send[i] : 0;
	}
}

static Postern__AdminAccount *pack_account(struct mcall *c, const struct dir_account_row *r,
					   const struct usage_row *u, struct arena *mem)
{
	Postern__AdminAccount *m = arena_new(mem, Postern__AdminAccount);
	struct dir_partition p;

	postern__admin_account__init(m);
	m->address = admin_str(mem, r->address);
	m->state = (Postern__AccountState)r->state;
	m->quota_bytes = r->quota_bytes;
	m->quota_items = r->quota_messages;
	m->display_name = admin_str(mem, r->display_name);
	m->id = r->id;
	m->partition = r->partition;
	m->credential = (Postern__CredentialKind)r->cred;
	m->created_us = r->created_us;
	m->password_us = r->password_us;
	pack_sending(r, mem, m);
	if (dir_partition_get(c->be->dir, r->partition, &p) == E_OK)
		m->backend = admin_str(mem, slice_str(p.node));
	if (u->known) {
		m->has_size_bytes = m->has_items = true;
		m->size_bytes = u->bytes;
		m->items = u->items;
		m->last_login_us = u->last.when_us;
		m->last_login_from = admin_str(mem, slice_str(u->last_from));
		m->last_login_service = admin_str(mem, slice_str(u->last_service));
	}
	return m;
}

WAITS static enum err pack_accounts(struct mcall *c, const struct dir_account_page *page,
				    struct arena *mem, struct admin_away *away,
				    ProtobufCMessage **rows)
{
	struct usage_row *usage = arena_alloc(mem, page->n * sizeof(*usage));
	enum err e;

	for (size_t i = 0; i < page->n; i++) {
		usage[i].account = page->rows[i].id;
		usage[i].partition = page->rows[i].partition;
	}
	e = usage_all(c, usage, page->n, mem, away);
	for (size_t i = 0; e == E_OK && i < page->n; i++)
		rows[i] = &pack_account(c, &page->rows[i], &usage[i], mem)->base;
	return e;
}

/* One page of the list; *after becomes its last address, or empty after the last one. */
WAITS static enum err list_page(struct mcall *c, struct buf *after, struct admin_away *away)
{
	const Postern__AdminAccountList *m = (const void *)c->msg;
	ProtobufCMessage *rows[ADMIN_PAGE];
	struct dir_account_page page;
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	e = dir_account_list(c->be->dir, slice_str(m->domain), slice_str(m->match),
			     (unsigned)m->state, buf_slice(after), ADMIN_PAGE, &mem, &page,
			     &c->diag);
	if (e == E_OK && !c->replied)
		e = mcall_reply(c, NULL, RPC_BODY);
	if (e == E_OK)
		e = pack_accounts(c, &page, &mem, away, rows);
	if (e == E_OK)
		e = admin_send_rows(c, &postern__admin_account_page__descriptor, 0, rows, page.n);
	buf_reset(after);
	if (e == E_OK && page.n == ADMIN_PAGE)
		buf_put(after, page.rows[page.n - 1].address);
	arena_reset(&mem);
	return e;
}

WAITS enum err m_admin_account_list(struct mcall *c)
{
	const Postern__AdminAccountList *m = (const void *)c->msg;
	struct admin_away away = {0};
	struct buf after;
	enum err e = admin_domain_known(c, m->domain);

	if (e != E_OK)
		return e;
	buf_init(&after, DIR_ADDRESS_MAX, NULL);
	do
		e = list_page(c, &after, &away);
	while (e == E_OK && after.n != 0);
	buf_fini(&after);
	return e == E_OK ? admin_end(c, &postern__admin_account_page__descriptor, &away) : e;
}

/* The addresses of one kind. */
static char **pack_rights(const struct dir_right_row *rows, size_t n, enum dir_right_kind kind,
			  struct arena *mem, size_t *n_out)
{
	char **v = arena_alloc(mem, n * sizeof *v);

	*n_out = 0;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].kind == kind)
			v[(*n_out)++] = admin_str(mem, rows[i].address);
	}
	return v;
}

WAITS static enum err add_rights(struct mcall *c, Postern__AdminAccount *m)
{
	struct arena *mem = &c->mem;
	struct dir_rights r;
	enum err e = dir_right_list(c->be->dir, m->id, mem, &r, &c->diag);

	if (e != E_OK)
		return e;
	m->send_as = pack_rights(r.users, r.nusers, DIR_SEND_AS, mem, &m->n_send_as);
	m->on_behalf = pack_rights(r.users, r.nusers, DIR_ON_BEHALF, mem, &m->n_on_behalf);
	m->sends_as = pack_rights(r.owners, r.nowners, DIR_SEND_AS, mem, &m->n_sends_as);
	m->sends_on_behalf =
		pack_rights(r.owners, r.nowners, DIR_ON_BEHALF, mem, &m->n_sends_on_behalf);
	return E_OK;
}

WAITS enum err m_admin_account_show(struct mcall *c)
{
	const Postern__AdminAccountName *m = (const void *)c->msg;
	struct admin_away away = {0};
	struct dir_account_row row;
	struct dir_account_page page = {.rows = &row, .n = 1};
	ProtobufCMessage *packed;
	enum err e = dir_account_show(c->be->dir, slice_str(m->address), &c->mem, &row, &c->diag);

	if (e == E_OK)
		e = pack_accounts(c, &page, &c->mem, &away, &packed);
	if (e == E_OK) {
		Postern__AdminAccount *reply = (void *)packed;

		reply->away = away.rows;
		reply->n_away = away.n;
		e = add_rights(c, reply);
	}
	return e == E_OK ? mcall_reply(c, packed, RPC_NO_BODY) : e;
}

WAITS enum err m_admin_account_grant(struct mcall *c)
{
	const Postern__AdminAccountGrant *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	bool send_as = m->send_as[0] != '\0';

	if (send_as == (m->on_behalf[0] != '\0'))
		return diag_set(&c->diag, E_INVALID, "either to send as, or on behalf");
	return dir_right_grant(c->be->dir, &by, slice_str(m->address),
			       slice_str(send_as ? m->send_as : m->on_behalf),
			       send_as ? DIR_SEND_AS : DIR_ON_BEHALF, &c->diag);
}

WAITS enum err m_admin_account_revoke(struct mcall *c)
{
	const Postern__AdminAccountRevoke *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_right_revoke(c->be->dir, &by, slice_str(m->address), slice_str(m->user),
				&c->diag);
}

WAITS enum err m_admin_account_lock(struct mcall *c)
{
	const Postern__AdminAccountName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_account_lock(c->be->dir, &by, slice_str(m->address), &c->diag);
}

WAITS enum err m_admin_account_unlock(struct mcall *c)
{
	const Postern__AdminAccountName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_account_unlock(c->be->dir, &by, slice_str(m->address), &c->diag);
}

WAITS enum err m_admin_account_passwd(struct mcall *c)
{
	const Postern__AdminAccountPassword *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	struct dir_credential cred;
	enum err e = make_credential(c, m->address, m->password, &cred);

	if (e == E_OK)
		e = dir_account_passwd(c->be->dir, &by, slice_str(m->address), &cred, &c->diag);
	secret_wipe(&cred, sizeof cred);
	return e;
}

WAITS enum err m_admin_account_quota(struct mcall *c)
{
	const Postern__AdminAccountQuota *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	struct dir_account_row row;
	struct dir_domain_row home;
	uint64_t bytes = m->quota_bytes;
	enum err e = dir_account_show(c->be->dir, slice_str(m->address), &c->mem, &row, &c->diag);

	if (e == E_OK && !m->has_quota_bytes) {
		bytes = row.quota_bytes;
	} else if (e == E_OK && bytes == DIR_QUOTA_DEFAULT) {
		slice_t domain = slice_from(row.address, slice_find_char(row.address, '@') + 1);

		e = dir_domain_show(c->be->dir, domain, &c->mem, &home, &c->diag);
		bytes = e == E_OK ? home.quota_bytes : 0;
	}
	if (e != E_OK)
		return e;
	return dir_account_quota(c->be->dir, &by, row.address, bytes,
				 m->has_quota_items ? m->quota_items : row.quota_messages,
				 &c->diag);
}

WAITS enum err m_admin_account_limit(struct mcall *c)
{
	Postern__AdminAccountLimit *m = (void *)(uintptr_t)c->msg;
	SEND_FIELDS(m, has, value);
	struct dir_actor by = admin_actor(c);
	struct dir_account_row row;
	enum err e = dir_account_show(c->be->dir, slice_str(m->address), &c->mem, &row, &c->diag);

	if (e != E_OK)
		return e;
	for (size_t i = 0; i < DIR_SENDS; i++) {
		if (*has[i])
			row.send[i] = *value[i];
		else if (m->default_)
			row.send[i] = DIR_SEND_DEFAULT;
	}
	return dir_account_limit(c->be->dir, &by, row.address, row.send, &c->diag);
}

WAITS enum err m_admin_account_hold(struct mcall *c)
{
	const Postern__AdminAccountHold *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	slice_t why = m->why[0] != '\0' ? slice_str(m->why) : SL("by hand");
	enum err e = admin_check_line(c, "why", why, DIR_HELD_WHY_MAX);

	if (e != E_OK)
		return e;
	return dir_account_hold(c->be->dir, &by, slice_str(m->address), why, &c->diag);
}

WAITS enum err m_admin_account_release(struct mcall *c)
{
	const Postern__AdminAccountName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_account_release(c->be->dir, &by, slice_str(m->address), &c->diag);
}

WAITS enum err m_admin_account_remove(struct mcall *c)
{
	const Postern__AdminAccountName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_account_remove(c->be->dir, &by, slice_str(m->address), &c->diag);
}

/* Management of the keys that sign mail. */
#include "backend/rpc/m_admin.h"
#include "common/base/codec.h"

/* The text of the key's TXT record (RFC 6376 section 3.6.1, RFC 8463 section 4). */
static char *record_text(const struct dir_dkim_row *r, struct arena *mem)
{
	struct buf b;
	char *text;

	buf_init(&b, 64 + 2 * SIGN_PUBLIC_MAX, NULL);
	buf_printf(&b, "v=DKIM1; k=%s; p=", sign_key_type(r->algorithm));
	base64_encode(&b, r->public_key);
	text = admin_str(mem, buf_slice(&b));
	buf_fini(&b);
	return text;
}

static char *record_name(const struct dir_dkim_row *r, struct arena *mem)
{
	struct buf b;
	char *name;

	buf_init(&b, 512, NULL);
	buf_put(&b, r->selector);
	buf_puts(&b, "._domainkey.");
	buf_put(&b, r->domain);
	name = admin_str(mem, buf_slice(&b));
	buf_fini(&b);
	return name;
}

static Postern__AdminDkim *pack_key(const struct dir_dkim_row *r, struct arena *mem)
{
	Postern__AdminDkim *m = arena_new(mem, Postern__AdminDkim);

	postern__admin_dkim__init(m);
	m->domain = admin_str(mem, r->domain);
	m->selector = admin_str(mem, r->selector);
	m->algorithm = (Postern__DkimAlgorithm)r->algorithm;
	m->state = (Postern__DkimState)r->state;
	m->created_us = r->created_us;
	m->published_us = r->published_us;
	m->activated_us = r->activated_us;
	m->retired_us = r->retired_us;
	m->record_name = record_name(r, mem);
	m->record = record_text(r, mem);
	return m;
}

WAITS static enum err list_slice(struct mcall *c, slice_t after, struct arena *mem,
				 struct admin_slice *out)
{
	const Postern__AdminDkimList *m = (const void *)c->msg;
	struct dir_dkim_page page;
	struct buf last;
	enum err e = dir_dkim_list(c->be->dir, slice_str(m->domain), after, ADMIN_PAGE, mem, &page,
				   &c->diag);

	if (e != E_OK)
		return e;
	out->rows = arena_alloc(mem, page.n * sizeof(*out->rows));
	for (size_t i = 0; i < page.n; i++)
		out->rows[i] = &pack_key(&page.rows[i], mem)->base;
	out->n = page.n;
	out->more = page.n == ADMIN_PAGE;
	if (page.n == 0)
		return E_OK;
	buf_init(&last, 512, NULL);
	buf_put(&last, page.rows[page.n - 1].selector);
	buf_putc(&last, '@');
	buf_put(&last, page.rows[page.n - 1].domain);
	out->last = arena_dup(mem, buf_slice(&last));
	buf_fini(&last);
	return E_OK;
}

WAITS enum err m_admin_dkim_list(struct mcall *c)
{
	const Postern__AdminDkimList *m = (const void *)c->msg;
	enum err e = admin_domain_known(c, m->domain);

	return e == E_OK ? admin_list(c, &postern__admin_dkim_page__descriptor, list_slice) : e;
}

WAITS enum err m_admin_dkim_add(struct mcall *c)
{
	const Postern__AdminDkimAdd *m = (const void *)c->msg;
	Postern__AdminDkimAdded reply = POSTERN__ADMIN_DKIM_ADDED__INIT;
	struct signer_key keys[] = {{.algorithm = SIGN_RSA_SHA256},
				    {.algorithm = SIGN_ED25519_SHA256}};
	char *names[ARRAY_LEN(keys)];
	struct dir_actor by = admin_actor(c);
	size_t n = ARRAY_LEN(keys);
	enum err e;

	switch (m->algorithm) {
	case POSTERN__DKIM_ALGORITHM__DKIM_ALGORITHM_NONE:
		break;
	case POSTERN__DKIM_ALGORITHM__DKIM_ALGORITHM_RSA:
	case POSTERN__DKIM_ALGORITHM__DKIM_ALGORITHM_ED25519:
		keys[0].algorithm = (enum sign_algorithm)m->algorithm;
		n = 1;
		break;
	case _POSTERN__DKIM_ALGORITHM_IS_INT_SIZE:
	default:
		return diag_set(&c->diag, E_INVALID, "unknown algorithm");
	}
	e = signer_make(c->be->dir, &by, slice_str(m->domain), slice_str(m->selector), keys, n,
			&c->diag);
	if (e != E_OK)
		return e;
	for (size_t i = 0; i < n; i++)
		names[i] = keys[i].selector;
	reply.selectors = names;
	reply.n_selectors = n;
	return mcall_reply(c, &reply.base, RPC_NO_BODY);
}

WAITS enum err m_admin_dkim_activate(struct mcall *c)
{
	const Postern__AdminDkimName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_dkim_activate(c->be->dir, &by, slice_str(m->domain), slice_str(m->selector),
				 &c->diag);
}

WAITS enum err m_admin_dkim_retire(struct mcall *c)
{
	const Postern__AdminDkimName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_dkim_retire(c->be->dir, &by, slice_str(m->domain), slice_str(m->selector),
			       &c->diag);
}

WAITS enum err m_admin_dkim_remove(struct mcall *c)
{
	const Postern__AdminDkimName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);

	return dir_dkim_remove(c->be->dir, &by, slice_str(m->domain), slice_str(m->selector),
			       &c->diag);
}

/* Management of the keys that sign mail. */
#include "backend/dns/rotate.h"
#include "backend/rpc/m_admin.h"
#include "common/base/clock.h"

#define ACTIVATE_ASK_MS (20 * 1000) /* of a person who waits, for one record */
#define TEXT_BYTES      8192

/* What write appends for a row. */
static char *text_of(const struct dir_dkim_row *r,
		     void (*write)(const struct dir_dkim_row *key, struct buf *out),
		     struct arena *mem)
{
	struct buf b;
	char *text;

	buf_init(&b, TEXT_BYTES, NULL);
	write(r, &b);
	text = admin_str(mem, buf_slice(&b));
	buf_fini(&b);
	return text;
}

static char *note_of(const struct dir_dkim_row *r, struct arena *mem)
{
	int64_t waits_us = clock_wall_us() - r->created_us;
	struct buf b;
	char *text;

	buf_init(&b, TEXT_BYTES, NULL);
	if (rotate_late(r, clock_wall_us()))
		buf_printf(&b, "waits for its record in DNS for %d days",
			   (int)(waits_us / (24 * 3600 * 1000000LL)));
	text = admin_str(mem, buf_slice(&b));
	buf_fini(&b);
	return text;
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
	m->record_name = text_of(r, dkim_text_name, mem);
	m->record = text_of(r, dkim_text_record, mem);
	m->note = note_of(r, mem);
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

/* Nobody could verify what it signs. */
WAITS static enum err check_record(struct mcall *c, const struct dir_dkim_row *key)
{
	char *name = text_of(key, dkim_text_name, &c->mem);
	enum dkim_sight sight;
	struct diag why = {"no name server has answered"};
	enum err e = dkim_text_look(c->be->asking, key, deadline_in(ACTIVATE_ASK_MS), &sight, &why);

	if (e == E_CANCELLED)
		return e;
	switch (e == E_OK ? sight : DKIM_UNKNOWN) {
	case DKIM_THERE:
		return E_OK;
	case DKIM_UNKNOWN:
		if (key->state == DIR_DKIM_PUBLISHED)
			return E_OK;
		return diag_set(&c->diag, E_RETRY, "%.100s cannot be looked up: %.60s (--force?)",
				name, why.text);
	case DKIM_MISSING:
	case DKIM_OTHER:
		break;
	}
	return diag_set(&c->diag, E_INVALID, "DNS has no record of this key at %.120s (--force?)",
			name);
}

WAITS static enum err check_records(struct mcall *c, slice_t domain, slice_t selector)
{
	struct dir_dkim_page page;
	enum err e = dir_dkim_list(c->be->dir, domain, SLICE_NONE, DIR_DKIM_KEYS_MAX, &c->mem,
				   &page, &c->diag);

	for (size_t i = 0; e == E_OK && i < page.n; i++) {
		const struct dir_dkim_row *k = &page.rows[i];

		if (selector.n != 0 ? slice_eq(selector, k->selector) : rotate_asks(k))
			e = check_record(c, k);
	}
	return e;
}

WAITS enum err m_admin_dkim_activate(struct mcall *c)
{
	const Postern__AdminDkimActivate *m = (const void *)c->msg;
	slice_t domain = slice_str(m->domain), selector = slice_str(m->selector);
	struct dir_actor by = admin_actor(c);
	enum err e = E_OK;

	if (!m->force)
		e = check_records(c, domain, selector);
	return e == E_OK ? dir_dkim_activate(c->be->dir, &by, domain, selector, &c->diag) : e;
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

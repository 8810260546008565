/*
 * dir_resolve: from an address to the accounts and outside addresses that its mail goes to.
 *
 * One name is looked up in this order: as written; without its detail ("user+detail"); postmaster
 * (RFC 5321 4.5.1) by the setting directory.postmaster; the domain's catch-all. An alias that is
 * switched off is an address that does not exist, catch-all or not.
 *
 * Expansion is a queue, not a recursion: each address row is taken once, so loops end by
 * themselves; depth and number are limited.
 */
#include "backend/directory/dir_priv.h"
#include "common/log/log.h"
#include "common/parse/idn.h"

/* Members that were looked at; also those that led nowhere. A group of groups of strangers. */
#define STEPS_MAX (10 * DIR_MEMBERS_MAX)

struct step {
	struct step *next;
	slice_t address; /* row bytes: no wait happens during a walk */
	unsigned depth;
};

struct walk {
	const struct dir *d;
	struct arena *mem;
	struct map seen; /* address rows, catch-alls, targets */
	struct step *head, **tail;
	unsigned steps;
	struct dir_resolved *out;
	size_t cap;
	bool unsure; /* something was not found in an image that may lack it */
};

enum found { FOUND_ROW, FOUND_CATCH_ALL, FOUND_REMOTE, FOUND_OFF, FOUND_NOTHING, FOUND_NOT_OURS };

struct place {
	uint64_t domain_id;
	struct dir_rec_domain domain;
	struct dir_rec_address row; /* FOUND_ROW */
	slice_t detail;             /* in the dir_name */
	slice_t other;              /* FOUND_CATCH_ALL: where to go instead */
};

/* True once for each key. */
static bool first_time(struct walk *w, slice_t key)
{
	return map_put(&w->seen, key, w) == NULL;
}

static bool find_row(const struct dir *d, const struct dir_name *n, struct place *p)
{
	slice_t local = slice_str(n->local), plus = dir_setting(d, "directory.plus");
	char sep = '+';
	size_t at;

	p->detail = SLICE_NONE;
	if (dir_image_address(&d->image, p->domain_id, local, &p->row))
		return true;
	if (plus.p != NULL) {
		if (plus.n != 1)
			return false;
		sep = plus.p[0];
	}
	at = slice_find_char(local, sep);
	if (at == 0 || at == local.n ||
	    !dir_image_address(&d->image, p->domain_id, slice_sub(local, 0, at), &p->row))
		return false;
	p->detail = slice_from(local, at + 1);
	return true;
}

static enum found find(const struct dir *d, const struct dir_name *n, struct place *p)
{
	slice_t postmaster;

	if (!dir_image_domain(&d->image, slice_str(n->domain), &p->domain_id, &p->domain))
		return FOUND_NOT_OURS;
	if (p->domain.kind == DIR_DOMAIN_REMOTE)
		return FOUND_REMOTE;
	if (p->domain.kind == DIR_DOMAIN_ALIAS) {
		p->domain_id = p->domain.target;
		if (!dir_image_domain_id(&d->image, p->domain_id, &p->domain))
			return FOUND_NOTHING;
	}
	if (find_row(d, n, p))
		return p->row.enabled ? FOUND_ROW : FOUND_OFF;
	postmaster = dir_setting(d, "directory.postmaster");
	p->other = strcmp(n->local, "postmaster") == 0 && postmaster.n > 0 ? postmaster
									   : p->domain.catch_all;
	return p->other.n > 0 ? FOUND_CATCH_ALL : FOUND_NOTHING;
}

/* ---- targets ---- */

static enum err add_target(struct walk *w, const struct dir_target *t)
{
	struct dir_resolved *out = w->out;

	if (out->ntargets == DIR_MEMBERS_MAX)
		return E_LIMIT;
	if (out->ntargets == w->cap) {
		struct dir_target *v;

		w->cap = w->cap == 0 ? 4 : w->cap * 4;
		v = arena_alloc(w->mem, w->cap * sizeof(*v));
		if (out->ntargets > 0)
			memcpy(v, out->targets, out->ntargets * sizeof(*v));
		out->targets = v;
	}
	out->targets[out->ntargets++] = *t;
	if (t->kind == DIR_TO_ACCOUNT)
		out->naccounts++;
	else
		out->noutside++;
	return E_OK;
}

static enum err add_account(struct walk *w, uint64_t id)
{
	struct dir_rec_account a;
	struct dir_target t = {.kind = DIR_TO_ACCOUNT, .account = id};
	struct dir_key k;

	if (!dir_image_account(&w->d->image, id, &a) || a.state == DIR_REMOVED) {
		w->unsure = true;
		return E_OK;
	}
	if (!first_time(w, dir_key_u64(&k, DIR_K_ACCOUNT, id)))
		return E_OK;
	t.partition = a.partition;
	t.quota_bytes = a.quota_bytes;
	t.quota_messages = a.quota_messages;
	t.address = arena_dup(w->mem, a.address);
	return add_target(w, &t);
}

static enum err add_outside(struct walk *w, slice_t address)
{
	struct dir_target t = {.kind = DIR_TO_OUTSIDE};

	if (!first_time(w, address))
		return E_OK;
	t.address = arena_dup(w->mem, address);
	return add_target(w, &t);
}

/* ---- the walk ---- */

static enum err push(struct walk *w, slice_t address, unsigned depth)
{
	struct step *s;

	if (depth > DIR_DEPTH_MAX || w->steps == STEPS_MAX)
		return E_LIMIT;
	w->steps++;
	s = arena_new(w->mem, struct step);
	*s = (struct step){.address = address, .depth = depth};
	*w->tail = s;
	w->tail = &s->next;
	return E_OK;
}

/* True once for each address row. */
static bool first_time_row(struct walk *w, uint64_t domain_id, slice_t local)
{
	char key[1 + 8 + 64];

	key[0] = 'R';
	be64_put(key + 1, domain_id);
	memcpy(key + 9, local.p, local.n);
	return first_time(w, slice(key, 9 + local.n));
}

static enum err push_members(struct walk *w, const struct place *p, unsigned depth)
{
	slice_t rest = p->row.members, member;
	enum err e = E_OK;

	if (!first_time_row(w, p->domain_id, p->row.local))
		return E_OK;
	while (e == E_OK && dir_rec_member(&rest, &member))
		e = push(w, member, depth + 1);
	return e;
}

static enum err push_catch_all(struct walk *w, const struct place *p, unsigned depth)
{
	struct dir_key k;

	if (!first_time(w, dir_key_u64(&k, DIR_K_DOMAIN, p->domain_id)))
		return E_OK;
	return push(w, p->other, depth + 1);
}

/* What one name leads to: targets, or further steps. */
static enum err take(struct walk *w, enum found f, const struct place *p, slice_t address,
		     unsigned depth)
{
	switch (f) {
	case FOUND_ROW:
		if (p->row.kind == DIR_ADDR_ACCOUNT)
			return add_account(w, p->row.account);
		return push_members(w, p, depth);
	case FOUND_CATCH_ALL:
		return push_catch_all(w, p, depth);
	case FOUND_REMOTE:
		return add_outside(w, address);
	case FOUND_NOT_OURS:
		/* In an image that lacks domains a neighbour would look like a stranger. */
		if (!w->d->complete) {
			w->unsure = true;
			return E_OK;
		}
		return add_outside(w, address);
	case FOUND_OFF:
	case FOUND_NOTHING:
		w->unsure = true;
		return E_OK;
	}
	return E_OK;
}

static enum err run(struct walk *w)
{
	enum err e = E_OK;

	for (const struct step *s = w->head; s != NULL && e == E_OK; s = s->next) {
		struct dir_name n;
		struct place p;

		/* Address literals and the like are nobody's here. */
		if (dir_name_parse(w->d, s->address, &n) != E_OK)
			e = add_outside(w, s->address);
		else
			e = take(w, find(w->d, &n, &p), &p, s->address, s->depth);
	}
	return e;
}

static void walk_init(struct walk *w, const struct dir *d, struct arena *mem,
		      struct dir_resolved *out)
{
	*w = (struct walk){.d = d, .mem = mem, .out = out};
	w->tail = &w->head;
	map_init(&w->seen);
	*out = (struct dir_resolved){.ntargets = 0};
}

static enum dir_via via_of(enum found f, const struct place *p)
{
	switch (f) {
	case FOUND_CATCH_ALL:
		return DIR_VIA_CATCH_ALL;
	case FOUND_REMOTE:
		return DIR_VIA_REMOTE;
	case FOUND_ROW:
		if (p->row.kind == DIR_ADDR_ALIAS)
			return DIR_VIA_ALIAS;
		if (p->row.kind == DIR_ADDR_GROUP)
			return DIR_VIA_GROUP;
		return DIR_VIA_ACCOUNT;
	case FOUND_OFF:
	case FOUND_NOTHING:
	case FOUND_NOT_OURS:
		break;
	}
	return DIR_VIA_ACCOUNT;
}

static enum err outcome(const struct dir *d, const struct walk *w, enum err e, struct diag *diag)
{
	if (e == E_LIMIT)
		return diag_set(diag, E_TOO_BIG, "the address expands to too many recipients");
	if (e != E_OK)
		return e;
	/* Some of a group may be missing from an image that is not whole. */
	if (w->unsure && !d->complete)
		return diag_set(diag, E_RETRY, "the directory's copy is incomplete");
	if (w->out->ntargets > 0)
		return E_OK;
	e = dir_absent(d, E_NOT_FOUND);
	return diag_set(diag, e,
			e == E_RETRY ? "the directory's copy is too old to tell"
				     : "no such address");
}

/* An address literal (RFC 5321 section 4.1.3): no mailbox of ours has one. */
static bool is_literal(slice_t address)
{
	return slice_ends(address, SL("]")) && slice_find(address, SL("@[")) != address.n;
}

enum err dir_resolve(const struct dir *d, slice_t address, struct arena *mem,
		     struct dir_resolved *out, struct diag *diag)
{
	struct dir_name n;
	struct place p;
	struct walk w;
	enum found f;
	enum err e;
	char whole[DIR_ADDRESS_MAX + 1];

	walk_init(&w, d, mem, out);
	if (is_literal(address))
		return diag_set(diag, E_DENIED, "not a domain of ours");
	if (dir_name_parse(d, address, &n) != E_OK || dir_name_normalise(d, address, whole) != E_OK)
		return diag_set(diag, E_INVALID, "not an address");
	f = find(d, &n, &p);
	if (f == FOUND_NOT_OURS) {
		e = dir_absent(d, E_DENIED);
		return diag_set(diag, e,
				e == E_DENIED ? "not a domain of ours"
					      : "the directory's copy is too old to tell");
	}
	out->via = via_of(f, &p);
	out->address = arena_dup(mem, slice_str(whole));
	out->detail = f == FOUND_ROW ? arena_dup(mem, p.detail) : SLICE_NONE;
	e = take(&w, f, &p, out->address, 0);
	if (e == E_OK)
		e = run(&w);
	map_fini(&w.seen);
	e = outcome(d, &w, e, diag);
	if (e == E_NOT_FOUND && strcmp(n.local, "postmaster") == 0 && f == FOUND_CATCH_ALL) {
		/* Mail for a postmaster must not be refused (RFC 5321 4.5.1): it waits. */
		LOG_SELDOM(LOG_ERROR, NULL, "directory.postmaster_leads_nowhere",
			   LF_SLICE("to", p.other));
		return diag_set(diag, E_RETRY, "the postmaster's address leads nowhere");
	}
	return e;
}

enum err dir_check_expansion(const struct dir *d, const struct dir_name *n, const slice_t *members,
			     size_t nmembers, struct diag *diag)
{
	struct dir_resolved r;
	struct arena mem;
	struct place p;
	struct walk w;
	enum err e = E_OK;

	arena_init(&mem, NULL);
	walk_init(&w, d, &mem, &r);
	if (find(d, n, &p) != FOUND_NOT_OURS) /* its members so far count no more */
		(void)first_time_row(&w, p.domain_id, slice_str(n->local));
	for (size_t i = 0; i < nmembers && e == E_OK; i++)
		e = push(&w, members[i], 1);
	if (e == E_OK)
		e = run(&w);
	map_fini(&w.seen);
	arena_reset(&mem);
	if (e != E_LIMIT)
		return e;
	return diag_set(diag, E_INVALID,
			"it would expand to more than %d recipients, or through more than %d"
			" addresses in a row",
			DIR_MEMBERS_MAX, DIR_DEPTH_MAX);
}

/* ---- senders ---- */

/* What an account may do with the address of another, or of itself. */
static enum err sender_of(const struct dir *d, uint64_t owner, uint64_t account,
			  enum dir_sender own, enum dir_sender *out)
{
	struct dir_rec_right right;

	if (owner == account)
		*out = own;
	else if (dir_image_right(&d->image, owner, account, &right))
		*out = right.kind == DIR_SEND_AS ? DIR_SENDER_SEND_AS : DIR_SENDER_ON_BEHALF;
	else
		return dir_absent(d, E_DENIED);
	return E_OK;
}

/* An alias or group: whose address is it, of those that it leads to? */
static enum err sender_of_targets(const struct dir *d, const struct place *p,
				  const struct dir_resolved *r, uint64_t account,
				  enum dir_sender *out)
{
	bool among = false;

	for (size_t i = 0; i < r->ntargets; i++)
		among = among || r->targets[i].account == account;
	if (p->row.senders == DIR_SENDERS_ALONE && p->row.kind == DIR_ADDR_ALIAS &&
	    r->ntargets == 1 && r->naccounts == 1)
		return sender_of(d, r->targets[0].account, account, DIR_SENDER_ALIAS, out);
	*out = DIR_SENDER_ALIAS;
	return p->row.senders == DIR_SENDERS_MEMBERS && among ? E_OK : dir_absent(d, E_DENIED);
}

static enum err sender_of_alias(const struct dir *d, const struct place *p, uint64_t account,
				enum dir_sender *out)
{
	struct dir_resolved r;
	struct arena mem;
	struct walk w;
	enum err e;

	if (p->row.senders == DIR_SENDERS_NOBODY)
		return dir_absent(d, E_DENIED);
	arena_init(&mem, NULL);
	walk_init(&w, d, &mem, &r);
	e = push_members(&w, p, 0);
	if (e == E_OK)
		e = run(&w);
	map_fini(&w.seen);
	/* What an image lacks might be one more that it leads to. */
	if (w.unsure && !d->complete)
		e = E_RETRY;
	if (e == E_OK)
		e = sender_of_targets(d, p, &r, account, out);
	arena_reset(&mem);
	return e == E_LIMIT ? E_DENIED : e;
}

enum err dir_sender(const struct dir *d, uint64_t account, slice_t address, enum dir_sender *out)
{
	struct dir_name n;
	struct place p;

	*out = DIR_SENDER_MAIN;
	if (slice_find_char(address, '@') == address.n || dir_name_parse(d, address, &n) != E_OK)
		return E_DENIED;
	/* What a catch-all gets is for anybody's names: nobody's address. */
	if (find(d, &n, &p) != FOUND_ROW)
		return dir_absent(d, E_DENIED);
	if (p.row.kind == DIR_ADDR_ACCOUNT)
		return sender_of(d, p.row.account, account, DIR_SENDER_MAIN, out);
	return sender_of_alias(d, &p, account, out);
}

enum err dir_domain_is_ours(const struct dir *d, slice_t domain)
{
	struct dir_rec_domain r;
	char name[256];

	if (domain_normalise(domain, name) == E_OK &&
	    dir_image_domain(&d->image, slice_str(name), NULL, &r))
		return r.kind == DIR_DOMAIN_REMOTE ? E_DENIED : E_OK;
	/* A whole image, however old, has every domain that was ours when PostgreSQL went away:
	 * strangers' mail for known accounts goes on. */
	return d->complete ? E_DENIED : E_RETRY;
}

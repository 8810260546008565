#include "backend/delivery/resolve.h"

#include "backend/delivery/rewrite.h"
#include "common/log/log.h"
#include "common/loop/work.h"

static enum err seal(struct deliver *d, struct rcpt_token *t, const struct rpc_identity *peer,
		     const struct dir_resolved *r, struct arena *mem, slice_t *out)
{
	struct buf b;
	enum err e;

	invariant(slice_to_str(slice_str(peer->name), t->frontend, sizeof t->frontend));
	t->several = r->ntargets > 1;
	if (r->address.n > sizeof t->address)
		return E_INVALID;
	t->address_n = (uint16_t)r->address.n;
	if (t->address_n != 0)
		memcpy(t->address, r->address.p, r->address.n);
	t->detail_n = (uint16_t)MIN(r->detail.n, sizeof t->detail);
	if (t->detail_n != 0)
		memcpy(t->detail, r->detail.p, t->detail_n);
	buf_init(&b, RCPT_TOKEN_MAX, NULL);
	e = rcpt_token_seal(d->tickets, t, &b);
	if (e == E_OK)
		*out = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
	return e;
}

static enum err set_owner(const struct dir *dir, uint32_t partition, struct resolve_target *t)
{
	struct dir_partition row;
	enum err e = dir_partition_get(dir, partition, &row);

	if (e != E_OK || row.node[0] == '\0')
		return E_RETRY;
	t->partition = partition;
	memcpy(t->backend, row.node, sizeof t->backend);
	return E_OK;
}

/* The whole address as one job of a partition. */
static enum err as_job_of(struct deliver *d, uint32_t partition, const struct rpc_identity *peer,
			  const struct dir_resolved *r, struct arena *mem, struct resolved *out)
{
	struct rcpt_token t = {.kind = RCPT_ADDRESS, .partition = partition};
	enum err e = set_owner(d->dir, t.partition, &out->targets[0]);
	if (e == E_OK)
		e = seal(d, &t, peer, r, mem, &out->targets[0].token);
	out->n = e == E_OK;
	return e;
}

/* Of this node. */
static enum err as_job(struct deliver *d, const struct rpc_identity *peer,
		       const struct dir_resolved *r, struct arena *mem, struct resolved *out)
{
	if (partitions_count(d->parts) == 0)
		return E_RETRY;
	return as_job_of(d, partition_id(partitions_at(d->parts, 0)), peer, r, mem, out);
}

/* Accounts by partition; false when they are too many for tokens. */
static bool group(const struct dir_resolved *r, struct rcpt_token *tokens, size_t *n_out)
{
	size_t n = 0;

	for (size_t i = 0; i < r->ntargets; i++) {
		const struct dir_target *t = &r->targets[i];
		size_t k = 0;

		if (t->kind == DIR_TO_OUTSIDE)
			return false;
		while (k < n && tokens[k].partition != t->partition)
			k++;
		if (k == RESOLVE_OWNERS_MAX)
			return false;
		if (k == n)
			tokens[n++] = (struct rcpt_token){.kind = RCPT_ACCOUNTS,
							  .partition = t->partition};
		if (tokens[k].naccounts == RCPT_TOKEN_ACCOUNTS)
			return false;
		tokens[k].accounts[tokens[k].naccounts++] = t->account;
	}
	*n_out = n;
	return n != 0;
}

struct usage {
	struct partition *part;
	uint64_t account, bytes, messages;
	enum err result;
};

static void read_usage(void *arg)
{
	struct usage *u = arg;

	u->result = partition_usage(u->part, u->account, &u->bytes, &u->messages);
}

/* A full mailbox is refused at RCPT, so that no bounce has to be sent. */
WAITS static enum err check_quota(struct deliver *d, const struct dir_target *t, uint64_t size,
				  struct resolved *out)
{
	struct usage u = {.account = t->account};
	enum err e;

	if (t->quota_bytes == 0 && t->quota_messages == 0)
		return E_OK;
	u.part = partitions_get(d->parts, t->partition);
	if (u.part == NULL) {
		out->wrong_owner = t->partition;
		return dir_owns(d->dir, t->partition) ? E_RETRY : E_WRONG_OWNER;
	}
	e = work_run("resolve.quota", read_usage, &u);
	if (e != E_OK)
		return e;
	if (u.result == E_NOT_FOUND)
		return t->quota_bytes != 0 && size > t->quota_bytes ? E_QUOTA : E_OK;
	if (u.result != E_OK)
		return E_RETRY;
	if (t->quota_messages != 0 && u.messages >= t->quota_messages)
		return E_QUOTA;
	if (t->quota_bytes != 0 && (u.bytes >= t->quota_bytes || size > t->quota_bytes - u.bytes))
		return E_QUOTA;
	return E_OK;
}

/* An address elsewhere: an item of the way out, beside whatever else the asker's account sends. */
static enum err outside(struct deliver *d, const struct resolve_ask *ask, struct arena *mem,
			struct resolved *out)
{
	struct rcpt_token t = {.kind = RCPT_OUTSIDE, .partition = ask->partition};
	struct dir_resolved r = {.address = ask->address};
	enum err e = ask->held ? E_RATE : set_owner(d->dir, t.partition, &out->targets[0]);

	if (e == E_OK)
		e = seal(d, &t, ask->peer, &r, mem, &out->targets[0].token);
	out->targets[0].passing = true;
	out->n = e == E_OK;
	return e;
}

WAITS static enum err inside(struct deliver *d, const struct resolve_ask *ask,
			     const struct dir_resolved *r, struct arena *mem, struct resolved *out,
			     struct diag *diag)
{
	struct rcpt_token tokens[RESOLVE_OWNERS_MAX];
	enum err e = E_OK;
	size_t n = 0;

	if (!ask->no_quota && r->ntargets == 1 && r->targets[0].kind == DIR_TO_ACCOUNT)
		e = check_quota(d, &r->targets[0], ask->size, out);
	if (e != E_OK)
		return e == E_QUOTA ? diag_set(diag, e, "mailbox full") : e;
	if (!group(r, tokens, &n))
		return as_job(d, ask->peer, r, mem, out);
	for (size_t i = 0; i < n && e == E_OK; i++) {
		e = set_owner(d->dir, tokens[i].partition, &out->targets[i]);
		if (e == E_OK)
			e = seal(d, &tokens[i], ask->peer, r, mem, &out->targets[i].token);
	}
	out->n = n;
	return e;
}

/* A bounce to a sender of ours that stands for another: one job, which finds out for whom. */
static enum err bounce(struct deliver *d, const struct resolve_ask *ask, struct arena *mem,
		       struct resolved *out, struct diag *diag)
{
	struct dir_resolved r = {.address = ask->address};
	slice_t who;
	enum err e = rewrite_back(d->dir, ask->address, mem, &who);

	if (e == E_NOT_FOUND)
		return diag_set(diag, e, "no such address");
	return e == E_OK ? as_job(d, ask->peer, &r, mem, out) : e;
}

WAITS enum err resolve_address(struct deliver *d, const struct resolve_ask *ask, struct arena *mem,
			       struct resolved *out, struct diag *diag)
{
	struct dir_resolved r;
	enum err e;

	*out = (struct resolved){0};
	if (!ask->as_job && dir_is_tls_reports(d->dir, ask->address)) {
		r = (struct dir_resolved){.address = ask->address};
		return as_job(d, ask->peer, &r, mem, out);
	}
	if (ask->null_sender && rewrite_is_ours(d->dir, ask->address))
		return bounce(d, ask, mem, out, diag);
	e = dir_resolve(d->dir, ask->address, mem, &r, diag);
	if (e == E_TOO_BIG)
		LOG_SELDOM(LOG_WARN, NULL, "resolve.too_many", LF_SLICE("address", ask->address));
	if (ask->relay && (e == E_DENIED || (e == E_OK && r.via == DIR_VIA_REMOTE)))
		return outside(d, ask, mem, out);
	if (e == E_NOT_FOUND && ask->as_job && ask->unknown) {
		r = (struct dir_resolved){.address = ask->address};
		e = E_OK;
	}
	if (e == E_OK && ask->as_job)
		return as_job_of(d, ask->partition, ask->peer, &r, mem, out);
	return e == E_OK ? inside(d, ask, &r, mem, out, diag) : e;
}

enum err resolve_sent(struct deliver *d, const struct rpc_identity *peer, uint64_t account,
		      uint32_t partition, struct arena *mem, struct resolve_target *out)
{
	struct rcpt_token t = {
		.kind = RCPT_SENT, .partition = partition, .naccounts = 1, .accounts = {account}};
	struct dir_resolved r = {.address = SLICE_NONE};
	enum err e = set_owner(d->dir, partition, out);

	return e == E_OK ? seal(d, &t, peer, &r, mem, &out->token) : e;
}

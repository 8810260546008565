#include "frontend/smtp/smtp_tx.h"

#include "common/base/codec.h"
#include "common/crypto/random.h"
#include "frontend/smtp/smtp_intake.h"

#define RCPTS_FIRST 4

void smtp_tx_begin(struct smtp_tx *tx, struct session *s, const struct smtp_mail_args *m)
{
	struct buf b;

	*tx = (struct smtp_tx){.utf8 = m->utf8,
			       .requiretls = m->requiretls,
			       .binary = m->body_binary,
			       .size = m->size};
	tx->utf8_addr = (m->from.flags & ADDR_UTF8) != 0;
	arena_init(&tx->arena, &s->budget);
	tx->owners = arena_alloc(&tx->arena, SMTP_OWNERS_MAX * sizeof *tx->owners);
	random_uuid7(tx->meta.txid);
	random_bytes(tx->meta.trace_id, sizeof tx->meta.trace_id);
	buf_init(&b, sizeof tx->trace_hex, NULL);
	hex_encode(&b, slice(tx->meta.trace_id, sizeof tx->meta.trace_id));
	invariant(slice_to_str(buf_slice(&b), tx->trace_hex, sizeof tx->trace_hex));
	buf_fini(&b);
	buf_init(&b, 2 * ADDR_PATH_MAX, NULL);
	addr_format(&m->from, &b);
	tx->meta.sender = arena_dup(&tx->arena, buf_slice(&b));
	buf_fini(&b);
	tx->meta.envid = arena_dup(&tx->arena, slice(m->envid, m->envid_n));
	/* RFC 8689 section 5: a notice may go where TLS does not. */
	tx->meta.ret = m->requiretls ? RET_HDRS : m->ret;
	tx->meta.ticket = s->ticket;
}

void smtp_tx_tell_each(struct smtp_tx *tx)
{
	tx->answers = arena_alloc(&tx->arena, SMTP_ANSWERS_MAX * sizeof *tx->answers);
}

enum err smtp_tx_result(const struct smtp_tx *tx, unsigned n)
{
	const struct smtp_answer *a = &tx->answers[n];
	enum err e = E_OK;

	for (size_t i = 0; i < a->n; i++) {
		const struct smtp_owner *o = &tx->owners[a->at[i].owner];

		e = o->results != NULL ? o->results[a->at[i].rcpt] : E_OK;
		if (e == E_OK)
			break;
	}
	return e;
}

/* Room for k more recipients of the owner. */
static enum err owner_room(struct smtp_tx *tx, struct smtp_owner *o, size_t k)
{
	size_t cap = o->cap == 0 ? RCPTS_FIRST : o->cap * 2;
	struct deliver_rcpt *rows;

	if (o->n + k > SMTP_OWNER_RCPTS_MAX)
		return E_LIMIT;
	if (o->n + k <= o->cap)
		return E_OK;
	rows = arena_try(&tx->arena, cap * sizeof *rows);
	if (rows == NULL)
		return E_LIMIT;
	if (o->n > 0)
		memcpy(rows, o->rcpts, o->n * sizeof *rows);
	o->rcpts = rows;
	o->cap = cap;
	return E_OK;
}

/* The owner of a target; NULL: too many. A new one counts in *nowners alone until it is taken. */
static struct smtp_owner *owner_get(struct smtp_tx *tx, const struct deliver_target *t,
				    size_t *nowners)
{
	struct smtp_owner *o;

	for (size_t i = 0; i < *nowners; i++) {
		if (tx->owners[i].deliver.group.partition == t->partition)
			return &tx->owners[i];
	}
	if (*nowners == SMTP_OWNERS_MAX)
		return NULL;
	o = &tx->owners[(*nowners)++];
	*o = (struct smtp_owner){.n = 0};
	o->deliver.group.partition = t->partition;
	o->deliver.group.backend = arena_dup(&tx->arena, t->backend);
	return o;
}

/* Before its targets are added to their owners. */
static struct smtp_answer answer_of(const struct smtp_tx *tx, struct smtp_owner *const *owners,
				    size_t n)
{
	struct smtp_answer a = {.n = (uint8_t)n};

	for (size_t i = 0; i < n; i++) {
		a.at[i].owner = (uint16_t)(owners[i] - tx->owners);
		a.at[i].rcpt = (uint16_t)owners[i]->n;
		for (size_t k = 0; k < i; k++) {
			if (owners[k] == owners[i])
				a.at[i].rcpt++;
		}
	}
	return a;
}

enum err smtp_tx_add(struct smtp_tx *tx, const struct smtp_rcpt_args *r,
		     const struct deliver_target *targets, size_t n)
{
	struct smtp_owner *owners[DELIVER_TARGETS_MAX];
	size_t nowners = tx->nowners;
	slice_t orcpt = arena_dup(&tx->arena, slice(r->orcpt, r->orcpt_n));

	invariant(n >= 1 && n <= DELIVER_TARGETS_MAX);
	if (tx->answers != NULL && tx->nrcpts == SMTP_ANSWERS_MAX)
		return E_LIMIT;
	for (size_t i = 0; i < n; i++) {
		size_t same = 1;

		owners[i] = owner_get(tx, &targets[i], &nowners);
		for (size_t k = 0; k < i; k++)
			same += owners[k] == owners[i];
		if (owners[i] == NULL || owner_room(tx, owners[i], same) != E_OK)
			return E_LIMIT;
	}
	if (tx->answers != NULL)
		tx->answers[tx->nrcpts] = answer_of(tx, owners, n);
	for (size_t i = 0; i < n; i++) {
		owners[i]->rcpts[owners[i]->n++] = (struct deliver_rcpt){
			.token = arena_dup(&tx->arena, targets[i].token),
			.orcpt = orcpt,
			.notify = r->notify,
			.told = tx->answers != NULL && n == 1,
		};
		tx->kept = tx->kept || !targets[i].passing;
	}
	tx->nowners = nowners;
	tx->utf8_addr = tx->utf8_addr || (r->to.flags & ADDR_UTF8) != 0;
	for (size_t i = 0; i < nowners; i++) {
		tx->owners[i].deliver.group.rcpts = tx->owners[i].rcpts;
		tx->owners[i].deliver.group.n = tx->owners[i].n;
	}
	if (tx->nrcpts++ == 0) {
		struct buf b;

		buf_init(&b, 2 * ADDR_PATH_MAX, NULL);
		addr_format(&r->to, &b);
		tx->first_rcpt = arena_dup(&tx->arena, buf_slice(&b));
		buf_fini(&b);
	}
	return E_OK;
}

void smtp_tx_keep(struct smtp_tx *tx, const struct deliver_target *sent)
{
	struct smtp_owner *o = owner_get(tx, sent, &tx->nowners);

	invariant(o != NULL); /* an address has fewer owners than a transaction */
	o->deliver.group.sent = arena_dup(&tx->arena, sent->token);
	tx->kept = true;
}

WAITS void smtp_tx_reset(struct smtp_tx *tx)
{
	for (size_t i = 0; i < tx->nowners; i++)
		deliver_end(&tx->owners[i].deliver, &tx->meta);
	smtp_intake_free(&tx->in);
	arena_reset(&tx->arena);
	*tx = (struct smtp_tx){.nrcpts = 0};
}

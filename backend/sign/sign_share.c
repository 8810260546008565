/*
 * sign_share: where keys come from. An administrator has one made here; it goes into the directory
 * in a box for every node there is. A node that joins later, or has a new key of its own, lacks
 * boxes: whoever has one opens it and makes the other's, a few at a time.
 */
#include "backend/sign/sign_priv.h"
#include "common/log/log.h"
#include "common/loop/work.h"

#define TEND_MS    (60 * 1000)
#define ROUND_KEYS 32 /* boxes made between two looks at what is lacking: 5 ms of the loop */

/* ---- sharing ---- */

/* Opens this node's box of a key and seals what is in it for the other; false: not here. */
static bool reseal(const struct signer *s, const struct dir_dkim_lack *l, struct buf *box)
{
	struct dir_dkim_key row;
	struct buf plain;
	enum err e = E_NOT_FOUND;

	buf_init(&plain, SIGN_PRIVATE_MAX, NULL);
	if (dir_dkim_find(s->dir, l->key, &row) && row.box.n != 0 &&
	    buf_reserve(&plain, SIGN_PRIVATE_MAX) != NULL)
		e = node_box_open(&s->node_key, row.box, &plain);
	if (e == E_OK)
		e = node_box(l->node.public_key, buf_slice(&plain), box);
	secret_wipe_buf(&plain);
	buf_fini(&plain);
	return e == E_OK;
}

/* *made_out: boxes; fewer than ROUND_KEYS: all that this node can. */
WAITS static enum err share(const struct signer *s, size_t *made_out)
{
	struct dir_dkim_lack *lacks = xcalloc(ROUND_KEYS, sizeof *lacks);
	struct buf box;
	size_t n;
	enum err e = dir_dkim_lacking(s->dir, lacks, ROUND_KEYS, &n, NULL);

	*made_out = 0;
	buf_init(&box, DIR_DKIM_BOX_MAX, NULL);
	for (size_t i = 0; e == E_OK && i < n; i++) {
		buf_reset(&box);
		if (!reseal(s, &lacks[i], &box))
			continue;
		e = dir_dkim_put(s->dir, lacks[i].key, slice_str(lacks[i].node.name),
				 buf_slice(&box), NULL);
		*made_out += e == E_OK;
	}
	buf_fini(&box);
	xfree(&lacks);
	return e;
}

WAITS void sign_share_main(void *arg)
{
	struct signer *s = arg;

	while (event_wait(&s->nudge, "dkim.share", deadline_in(TEND_MS)) != E_CANCELLED) {
		struct dir_status st;
		size_t made = ROUND_KEYS;
		enum err e = E_OK;

		/* Without PostgreSQL it fails at once, and the next round tries again. */
		dir_get_status(s->dir, &st);
		if (!st.connected || dir_dkim_count(s->dir) == 0)
			continue;
		while (e == E_OK && made == ROUND_KEYS)
			e = share(s, &made);
		if (made > 0)
			LOG(LOG_INFO, NULL, "dkim.shared", LF_ERR("status", e));
		if (e == E_CANCELLED)
			break;
	}
	s->fiber = NULL;
	event_set(&s->closed);
}

/* ---- making ---- */

struct pair {
	enum sign_algorithm algorithm;
	struct secret private;
	struct buf public;
};

static void make_pair(void *arg)
{
	struct pair *p = arg;

	sign_key_make(p->algorithm, &p->private, &p->public);
}

static bool seal_pair(const struct dir_node *n, struct buf *out, void *arg)
{
	const struct pair *p = arg;

	return node_box(n->public_key, secret_slice(&p->private), out) == E_OK;
}

WAITS static enum err make_all(struct dir *dir, const struct dir_actor *by, slice_t domain,
			       slice_t selector, struct pair *pairs, struct signer_key *keys,
			       size_t n, struct diag *diag)
{
	struct dir_dkim_spec specs[DKIM_SIGS_MAX];
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < n; i++) {
		e = work_run("dkim.make", make_pair, &pairs[i]);
		specs[i] = (struct dir_dkim_spec){
			.selector = selector,
			.algorithm = pairs[i].algorithm,
			.origin = keys[i].origin,
			.public_key = buf_slice(&pairs[i].public),
			.seal = seal_pair,
			.arg = &pairs[i],
			.chosen_out = keys[i].selector,
		};
	}
	return e == E_OK ? dir_dkim_add(dir, by, domain, specs, n, diag) : e;
}

WAITS enum err signer_make(struct dir *dir, const struct dir_actor *by, slice_t domain,
			   slice_t selector, struct signer_key *keys, size_t n, struct diag *diag)
{
	struct pair pairs[DKIM_SIGS_MAX];
	enum err e;

	invariant(n >= 1 && n <= DKIM_SIGS_MAX);
	if (selector.n != 0 && n != 1)
		return diag_set(diag, E_INVALID,
				"a selector names one key: say of which algorithm");
	for (size_t i = 0; i < n; i++) {
		pairs[i] = (struct pair){.algorithm = keys[i].algorithm, .private = SECRET_NONE};
		buf_init(&pairs[i].public, SIGN_PUBLIC_MAX, NULL);
	}
	e = make_all(dir, by, domain, selector, pairs, keys, n, diag);
	for (size_t i = 0; i < n; i++) {
		secret_clear(&pairs[i].private);
		buf_fini(&pairs[i].public);
	}
	return e;
}

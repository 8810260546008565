#include "frontend/outbound/mail_sign.h"

#include "common/base/clock.h"

static void sign_with(const struct dkim_hash *h, slice_t domain, const struct signing_key *key,
		      struct arena *mem, struct deliver_sig *out)
{
	struct dkim_sig sig = {
		.algorithm = sign_name(key->algorithm),
		.domain = domain,
		.selector = slice_str(key->selector),
		.now_s = clock_wall_s(),
	};
	struct buf b;

	buf_init(&b, DKIM_OPEN_MAX, NULL);
	dkim_hash_sig(h, &sig, &b, out->digest);
	invariant(!buf_failed(&b)); /* all of its parts are bounded */
	out->algorithm = key->algorithm;
	out->selector = arena_dup(mem, sig.selector);
	out->field = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
}

void mail_sign(const struct dkim_hash *h, slice_t domain, const struct signing_keys *keys,
	       struct arena *mem, struct deliver_meta *m)
{
	struct deliver_sig *sigs = arena_alloc(mem, keys->n * sizeof *sigs);

	for (size_t i = 0; i < keys->n; i++)
		sign_with(h, domain, &keys->v[i], mem, &sigs[i]);
	m->sigs = sigs;
	m->nsigs = keys->n;
}

#include "frontend/outbound/notice_sign.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "frontend/mailauth/dkim_hash.h"

WAITS enum err notice_sign_init(struct notice_sign *s, slice_t host, struct diag *d)
{
	char domain[DOMAIN_MAX + 1], author[sizeof "MAILER-DAEMON@" + DOMAIN_MAX];

	*s = (struct notice_sign){.hash = NULL};
	if (domain_normalise(host, domain) != E_OK)
		return E_OK;
	snprintf(author, sizeof author, "MAILER-DAEMON@%s", domain);
	return notice_sign_init_as(s, slice_str(author), d);
}

WAITS enum err notice_sign_init_as(struct notice_sign *s, slice_t author, struct diag *d)
{
	enum err e;

	*s = (struct notice_sign){.hash = NULL};
	if (!slice_to_str(author, s->author, sizeof s->author))
		return E_OK;
	e = call_notice_keys(slice_str(s->author), s->domain, &s->keys, d);
	if (e == E_OK && s->keys.n != 0)
		s->hash = dkim_hash_new(NULL);
	return e == E_DENIED ? E_OK : e; /* a back-end of before tells none */
}

void notice_sign_feed(struct notice_sign *s, slice_t bytes)
{
	if (s->hash != NULL)
		dkim_hash_feed(s->hash, bytes);
}

static void sign_with(struct notice_sign *s, const struct signing_key *key, struct arena *mem,
		      struct deliver_sig *out)
{
	struct dkim_sig sig = {
		.algorithm = sign_name(key->algorithm),
		.domain = slice_str(s->domain),
		.selector = slice_str(key->selector),
		.now_s = clock_wall_s(),
	};
	struct buf b;

	buf_init(&b, DKIM_OPEN_MAX, NULL);
	dkim_hash_sig(s->hash, &sig, &b, out->digest);
	invariant(!buf_failed(&b)); /* all of its parts are bounded */
	out->algorithm = key->algorithm;
	out->selector = sig.selector;
	out->field = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
}

void notice_sign_end(struct notice_sign *s, struct deliver_meta *m, struct arena *mem)
{
	struct deliver_sig *sigs;

	if (s->hash == NULL)
		return;
	if (dkim_hash_end(s->hash) != E_OK) {
		LOG_SELDOM(LOG_WARN, NULL, "outbound.notice_unsigned", LF_STR("from", s->author));
		return;
	}
	sigs = arena_alloc(mem, s->keys.n * sizeof *sigs);
	for (size_t i = 0; i < s->keys.n; i++)
		sign_with(s, &s->keys.v[i], mem, &sigs[i]);
	m->author = slice_str(s->author);
	m->sigs = sigs;
	m->nsigs = s->keys.n;
}

void notice_sign_fini(struct notice_sign *s)
{
	dkim_hash_free(&s->hash);
}

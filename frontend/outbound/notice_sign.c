#include "frontend/outbound/notice_sign.h"

#include <stdio.h>

#include "common/log/log.h"
#include "frontend/outbound/mail_sign.h"

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

void notice_sign_end(struct notice_sign *s, struct deliver_meta *m, struct arena *mem)
{
	if (s->hash == NULL)
		return;
	if (dkim_hash_end(s->hash) != E_OK) {
		LOG_SELDOM(LOG_WARN, NULL, "outbound.notice_unsigned", LF_STR("from", s->author));
		return;
	}
	m->author = slice_str(s->author);
	mail_sign(s->hash, slice_str(s->domain), &s->keys, mem, m);
}

void notice_sign_fini(struct notice_sign *s)
{
	dkim_hash_free(&s->hash);
}

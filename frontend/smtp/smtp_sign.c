#include "frontend/smtp/smtp_sign.h"

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/log/metric.h"
#include "frontend/outbound/mail_sign.h"
#include "frontend/smtp/smtp.h"
#include "frontend/smtp/smtp_intake.h"

#define DOMAINS 256 /* a power of two; 80 KiB a worker */

METRIC_COUNTER(m_unsigned, "smtp_dkim_unsigned_total",
	       "Submissions whose header is too long to be signed");

/* Direct-mapped, by a keyed hash: nobody outside can choose collisions. */
static struct {
	uint64_t hash;
	int64_t until_ms;
	struct signing_keys keys;
} domains[DOMAINS];

/* In the form that keys are named after; empty: the address has none. */
static slice_t domain_of(slice_t address, char room[DOMAIN_MAX + 1])
{
	const char *at = address.n != 0 ? memrchr(address.p, '@', address.n) : NULL;

	if (at == NULL ||
	    domain_normalise(slice_from(address, (size_t)(at - address.p) + 1), room) != E_OK)
		return SLICE_NONE;
	return slice_str(room);
}

void smtp_sign_learn(slice_t address, const struct signing_keys *keys)
{
	char room[DOMAIN_MAX + 1];
	uint64_t h = map_hash(domain_of(address, room));
	size_t i = h & (DOMAINS - 1);

	domains[i].hash = h;
	domains[i].until_ms = clock_mono_ms() + SMTP_KEYS_TTL_MS;
	domains[i].keys = *keys;
}

static bool recall(slice_t domain, struct signing_keys *out)
{
	uint64_t h = map_hash(domain);
	size_t i = h & (DOMAINS - 1);

	if (domains[i].hash != h || domains[i].until_ms <= clock_mono_ms())
		return false;
	*out = domains[i].keys;
	return true;
}

static WAITS enum err find_keys(struct smtp *s, slice_t domain, struct signing_keys *out)
{
	struct sender_answer answer;
	struct diag d;
	enum err e;

	if (recall(domain, out))
		return E_OK;
	e = call_sender_check(s->base.ticket, s->tx.meta.author, &answer, &d);
	if (e == E_OK)
		smtp_sign_learn(s->tx.meta.author, &answer.keys);
	*out = answer.keys;
	return e;
}

WAITS enum err smtp_sign(struct smtp *s, enum smtp_say *why_out)
{
	char room[DOMAIN_MAX + 1];
	slice_t domain = domain_of(s->tx.meta.author, room);
	struct signing_keys keys;
	enum err e;

	*why_out = SAY_NOTHING;
	if (s->tx.in->dkim == NULL || domain.n == 0)
		return E_OK;
	e = find_keys(s, domain, &keys);
	if (e != E_OK) {
		*why_out = smtp_say_for(AT_SENDER, e);
		return *why_out == SAY_NOTHING ? e : E_OK;
	}
	if (keys.n == 0)
		return E_OK;
	if (dkim_hash_end(s->tx.in->dkim) == E_OK) {
		mail_sign(s->tx.in->dkim, domain, &keys, &s->tx.arena, &s->tx.meta);
	} else {
		metric_add(&m_unsigned, 1);
		LOG(LOG_WARN, &s->base.log, "smtp.unsigned", LF_STR("trace", s->tx.trace_hex));
	}
	return E_OK;
}

#include "backend/delivery/rewrite.h"

#include "backend/delivery/srs.h"
#include "backend/directory/dir_keys.h"
#include "common/base/clock.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/parse/addr.h"

METRIC_COUNTER(m_forward, "srs_rewritten_total", "Senders that were rewritten for a forward");
METRIC_COUNTER(m_left, "srs_left_total", "Strangers' senders that could not be rewritten");
METRIC_COUNTER(m_back, "srs_returned_total", "Addresses of rewritten senders that mail came to");
METRIC_COUNTER(m_refused, "srs_refused_total", "Such addresses that were forged or too old");

static slice_t domain_of(slice_t address)
{
	const char *at = address.n != 0 ? memrchr(address.p, '@', address.n) : NULL;

	return at != NULL ? slice_from(address, (size_t)(at - address.p) + 1) : SLICE_NONE;
}

static bool make_key(const struct dir *dir, struct srs_key *out)
{
	uint8_t secret[32];

	if (!dir_cluster_secret(dir, secret))
		return false;
	srs_key_make(secret, out);
	secret_wipe(secret, sizeof secret);
	return true;
}

/* The domain's normalised, since it becomes a part of what is hashed. */
static bool plain(slice_t path, struct buf *out)
{
	struct addr a;

	if (addr_parse(path, ADDR_ASCII, &a) != E_OK || addr_normalise(&a) != E_OK ||
	    (a.flags & ADDR_LITERAL) != 0)
		return false;
	buf_put(out, addr_local(&a));
	buf_putc(out, '@');
	buf_put(out, addr_domain(&a));
	return true;
}

static enum err forward(const struct dir *dir, slice_t sender, slice_t domain, struct arena *mem,
			slice_t *out)
{
	struct buf from, to;
	struct srs_key key;
	enum err e = E_INVALID;

	if (!make_key(dir, &key))
		return E_RETRY;
	buf_init(&from, DIR_ADDRESS_MAX, NULL);
	buf_init(&to, DIR_ADDRESS_MAX, NULL);
	if (plain(sender, &from))
		e = srs_forward(&key, buf_slice(&from), domain, clock_wall_s(), &to);
	if (e == E_OK && !buf_failed(&to)) {
		metric_add(&m_forward, 1);
		*out = arena_dup(mem, buf_slice(&to));
	} else {
		metric_add(&m_left, 1);
		LOG_SELDOM(LOG_INFO, NULL, "srs.left", LF_SLICE("sender", sender),
			   LF_ERR("why", e));
	}
	secret_wipe(&key, sizeof key);
	buf_fini(&to);
	buf_fini(&from);
	return E_OK;
}

enum err rewrite_sender(const struct dir *dir, slice_t sender, slice_t alias, struct arena *mem,
			slice_t *out)
{
	slice_t domain = dir_setting(dir, "srs.domain");
	enum err e;

	*out = sender;
	if (sender.n == 0 || slice_ieq(domain, SL("off")))
		return E_OK;
	/* One that is passed on as it is: we are a server of its domain, and forward nothing. */
	e = dir_domain_is_ours(dir, domain_of(alias));
	if (e != E_OK)
		return e == E_RETRY ? e : E_OK;
	e = dir_domain_is_ours(dir, domain_of(sender));
	if (e != E_DENIED)
		return e;
	return forward(dir, sender, domain.n != 0 ? domain : domain_of(alias), mem, out);
}

bool rewrite_is_ours(const struct dir *dir, slice_t address)
{
	return srs_is(address) && dir_domain_is_ours(dir, domain_of(address)) == E_OK;
}

enum err rewrite_back(const struct dir *dir, slice_t address, struct arena *mem, slice_t *out)
{
	struct srs_key key;
	struct buf to;
	enum err e;

	if (!make_key(dir, &key))
		return E_RETRY;
	buf_init(&to, DIR_ADDRESS_MAX, NULL);
	e = srs_reverse(&key, address, clock_wall_s(), &to);
	secret_wipe(&key, sizeof key);
	if (e == E_OK && !buf_failed(&to)) {
		metric_add(&m_back, 1);
		*out = arena_dup(mem, buf_slice(&to));
	} else {
		metric_add(&m_refused, 1);
		LOG_SELDOM(LOG_INFO, NULL, "srs.refused", LF_SLICE("address", address),
			   LF_ERR("why", e));
		e = E_NOT_FOUND;
	}
	buf_fini(&to);
	return e;
}

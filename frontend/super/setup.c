#include "frontend/super/setup.h"

#include "common/base/num.h"
#include "common/crypto/secret.h"

static void put_u32(struct buf *b, uint32_t v)
{
	char bytes[4];

	be32_put(bytes, v);
	buf_put(b, slice(bytes, sizeof bytes));
}

static void put_slice(struct buf *b, slice_t s)
{
	put_u32(b, (uint32_t)s.n);
	buf_put(b, s);
}

static bool take_u32(slice_t *in, uint32_t *out)
{
	if (in->n < 4)
		return false;
	*out = be32_get(in->p);
	*in = slice_from(*in, 4);
	return true;
}

static bool take_slice(slice_t *in, slice_t *out)
{
	uint32_t n;

	if (!take_u32(in, &n) || in->n < n)
		return false;
	*out = slice_sub(*in, 0, n);
	*in = slice_from(*in, n);
	return true;
}

static void put_list(struct buf *b, const slice_t *list, size_t n)
{
	put_u32(b, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		put_slice(b, list[i]);
}

static bool take_list(slice_t *in, slice_t *list, size_t max, size_t *n_out)
{
	uint32_t n;

	if (!take_u32(in, &n) || n > max)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (!take_slice(in, &list[i]))
			return false;
	}
	*n_out = n;
	return true;
}

void setup_encode(const struct worker_setup *s, struct buf *out)
{
	size_t begin = out->n;

	put_u32(out, 0);
	put_slice(out, s->node);
	put_u32(out, (uint32_t)s->service);
	put_u32(out, s->worker);
	put_u32(out, s->uid);
	put_u32(out, s->gid);
	put_slice(out, s->log_level);
	put_slice(out, s->ca_pem);
	put_slice(out, s->cert_pem);
	put_slice(out, s->key_pem);
	put_list(out, s->tls_cert_pem, s->ncerts);
	put_list(out, s->tls_key_pem, s->ncerts);
	put_slice(out, s->own_cert_pem);
	put_slice(out, s->dns_server);
	put_slice(out, s->dns_anchors);
	put_slice(out, s->trust_path);
	put_u32(out, s->sts_port);
	put_u32(out, s->rpc_listen);
	put_list(out, s->listeners, s->nlisteners);
	put_list(out, s->backends, s->nbackends);
	if (!buf_failed(out))
		be32_put(out->p + begin, (uint32_t)(out->n - begin - 4));
}

enum err setup_decode(slice_t in, struct worker_setup *out)
{
	uint32_t length, service, rpc_listen;
	size_t nkeys;
	struct worker_setup s = {0};

	if (!take_u32(&in, &length) || length != in.n || !take_slice(&in, &s.node) ||
	    !take_u32(&in, &service) || !take_u32(&in, &s.worker) || !take_u32(&in, &s.uid) ||
	    !take_u32(&in, &s.gid) || !take_slice(&in, &s.log_level) ||
	    !take_slice(&in, &s.ca_pem) || !take_slice(&in, &s.cert_pem) ||
	    !take_slice(&in, &s.key_pem) ||
	    !take_list(&in, s.tls_cert_pem, TLS_CERTS_MAX, &s.ncerts) ||
	    !take_list(&in, s.tls_key_pem, TLS_CERTS_MAX, &nkeys) || nkeys != s.ncerts ||
	    !take_slice(&in, &s.own_cert_pem) || !take_slice(&in, &s.dns_server) ||
	    !take_slice(&in, &s.dns_anchors) || !take_slice(&in, &s.trust_path) ||
	    !take_u32(&in, &s.sts_port) || !take_u32(&in, &rpc_listen) ||
	    !take_list(&in, s.listeners, SETUP_LISTENERS_MAX, &s.nlisteners) ||
	    !take_list(&in, s.backends, SETUP_BACKENDS_MAX, &s.nbackends) || in.n != 0 ||
	    service > SERVICE_LAST)
		return E_INVALID;
	s.service = (enum rpc_service)service;
	s.rpc_listen = rpc_listen != 0;
	*out = s;
	return E_OK;
}

static void wipe(slice_t *key)
{
	if (key->n != 0)
		secret_wipe((void *)(uintptr_t)key->p, key->n);
	*key = SLICE_NONE;
}

void setup_wipe_keys(struct worker_setup *s)
{
	wipe(&s->key_pem);
	for (size_t i = 0; i < s->ncerts; i++)
		wipe(&s->tls_key_pem[i]);
}

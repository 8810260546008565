/* What a worker is told at its start: back as it went in, and no part of it alone. */
#include "frontend/super/setup.h"

#include "tests/lib/check.h"

static struct worker_setup sample(void)
{
	return (struct worker_setup){
		.node = SL("fe1"),
		.service = SERVICE_IMAP,
		.worker = 17,
		.uid = 64803,
		.gid = UINT32_MAX,
		.log_level = SL("debug"),
		.ca_pem = SL("-----CA-----\n"),
		.cert_pem = SL("cert\0with a NUL"),
		.key_pem = SL("key"),
		.tls_cert_pem = {SLICE_NONE, SL("another")},
		.tls_key_pem = {SL("public key"), SL("its key")},
		.ncerts = 2,
		.own_cert_pem = SL("what is told of"),
		.rpc_listen = true,
		.listeners = {SL("imap"), SL("imaps")},
		.nlisteners = 2,
		.backends = {SL("127.0.0.1:7411"), SLICE_NONE, SL("[::1]:7411")},
		.nbackends = 3,
		.dns_server = SL("127.0.0.1:5353"),
		.dns_anchors = SL(". IN DS 1 13 2 00\n"),
		.trust_path = SL("/etc/ssl/all.pem"),
		.sts_port = 443,
	};
}

static void check_same(const struct worker_setup *a, const struct worker_setup *b)
{
	CHECK_SLICE(a->node, b->node);
	CHECK_INT(a->service, b->service);
	CHECK_INT(a->worker, b->worker);
	CHECK_INT(a->uid, b->uid);
	CHECK_INT(a->gid, b->gid);
	CHECK_SLICE(a->log_level, b->log_level);
	CHECK_SLICE(a->ca_pem, b->ca_pem);
	CHECK_SLICE(a->cert_pem, b->cert_pem);
	CHECK_SLICE(a->key_pem, b->key_pem);
	CHECK_INT(a->ncerts, b->ncerts);
	for (size_t i = 0; i < b->ncerts; i++) {
		CHECK_SLICE(a->tls_cert_pem[i], b->tls_cert_pem[i]);
		CHECK_SLICE(a->tls_key_pem[i], b->tls_key_pem[i]);
	}
	CHECK_SLICE(a->own_cert_pem, b->own_cert_pem);
	CHECK_INT(a->rpc_listen, b->rpc_listen);
	CHECK_INT(a->nlisteners, b->nlisteners);
	for (size_t i = 0; i < b->nlisteners; i++)
		CHECK_SLICE(a->listeners[i], b->listeners[i]);
	CHECK_INT(a->nbackends, b->nbackends);
	for (size_t i = 0; i < b->nbackends; i++)
		CHECK_SLICE(a->backends[i], b->backends[i]);
	CHECK_SLICE(a->dns_server, b->dns_server);
	CHECK_SLICE(a->dns_anchors, b->dns_anchors);
	CHECK_SLICE(a->trust_path, b->trust_path);
	CHECK_INT(a->sts_port, b->sts_port);
}

TEST(setup_round_trip)
{
	struct worker_setup in = sample(), out, least = {.service = SERVICE_NONE};
	struct buf b;

	buf_init(&b, SETUP_BYTES_MAX, NULL);
	setup_encode(&in, &b);
	CHECK_ERR(setup_decode(buf_slice(&b), &out), E_OK);
	check_same(&out, &in);
	buf_reset(&b);
	setup_encode(&least, &b);
	CHECK_ERR(setup_decode(buf_slice(&b), &out), E_OK);
	check_same(&out, &least);
	/* As many as there may be. */
	in.nlisteners = SETUP_LISTENERS_MAX;
	in.nbackends = SETUP_BACKENDS_MAX;
	in.ncerts = TLS_CERTS_MAX;
	buf_reset(&b);
	setup_encode(&in, &b);
	CHECK_ERR(setup_decode(buf_slice(&b), &out), E_OK);
	check_same(&out, &in);
	buf_fini(&b);
}

/* What is not secret stays: a worker goes on to borrow from it. */
TEST(setup_keys_are_wiped)
{
	struct worker_setup in = sample(), out;
	struct buf b;

	buf_init(&b, SETUP_BYTES_MAX, NULL);
	setup_encode(&in, &b);
	CHECK_ERR(setup_decode(buf_slice(&b), &out), E_OK);
	setup_wipe_keys(&out);
	CHECK_INT(slice_find(buf_slice(&b), SL("public key")), b.n);
	CHECK_INT(slice_find(buf_slice(&b), SL("its key")), b.n);
	in.key_pem = in.tls_key_pem[0] = in.tls_key_pem[1] = SLICE_NONE;
	check_same(&out, &in);
	CHECK_ERR(setup_decode(buf_slice(&b), &out), E_OK);
	CHECK_SLICE(out.key_pem, SL("\0\0\0"));
	buf_fini(&b);
}

/* In memory of exactly its size, so that a read beyond it is found. */
static enum err decode_copy(slice_t bytes)
{
	struct worker_setup out;
	char *copy = xmalloc(bytes.n + 1);
	enum err e;

	if (bytes.n != 0)
		memcpy(copy, bytes.p, bytes.n);
	e = setup_decode(slice(copy, bytes.n), &out);
	xfree(&copy);
	return e;
}

TEST(setup_refuses_every_truncation)
{
	struct worker_setup in = sample();
	struct buf b;

	buf_init(&b, SETUP_BYTES_MAX, NULL);
	setup_encode(&in, &b);
	for (size_t n = 0; n < b.n; n++) {
		check_note("%zu bytes", n);
		CHECK_ERR(decode_copy(slice_sub(buf_slice(&b), 0, n)), E_INVALID);
		/* With a length that says that this is all. */
		if (n >= 4) {
			char *copy = xmalloc(n);

			memcpy(copy, b.p, n);
			copy[0] = copy[1] = 0;
			copy[2] = (char)((n - 4) >> 8);
			copy[3] = (char)((n - 4) & 0xff);
			CHECK_ERR(decode_copy(slice(copy, n)), E_INVALID);
			xfree(&copy);
		}
	}
	buf_putc(&b, 'x');
	CHECK_ERR(decode_copy(buf_slice(&b)), E_INVALID);
	buf_fini(&b);
}

/* Any one byte changed: refused, or another whole set-up; never read outside. */
TEST(setup_changed_bytes)
{
	struct worker_setup in = sample();
	struct buf b;

	buf_init(&b, SETUP_BYTES_MAX, NULL);
	setup_encode(&in, &b);
	for (size_t i = 0; i < b.n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			enum err e;

			b.p[i] = (char)((unsigned char)b.p[i] ^ 1u << bit);
			e = decode_copy(buf_slice(&b));
			CHECK(e == E_OK || e == E_INVALID);
			b.p[i] = (char)((unsigned char)b.p[i] ^ 1u << bit);
		}
	}
	CHECK_ERR(decode_copy(buf_slice(&b)), E_OK);
	buf_fini(&b);
}

TEST(setup_limits)
{
	struct worker_setup in = sample();
	struct buf b;

	buf_init(&b, SETUP_BYTES_MAX, NULL);
	in.service = (enum rpc_service)(SERVICE_LAST + 1);
	setup_encode(&in, &b);
	CHECK_ERR(decode_copy(buf_slice(&b)), E_INVALID);
	/* The list of listeners says one more than there may be. */
	in = (struct worker_setup){.service = SERVICE_SMTP};
	buf_reset(&b);
	setup_encode(&in, &b);
	b.p[b.n - 5] = SETUP_LISTENERS_MAX + 1;
	for (unsigned i = 0; i < 4 * (SETUP_LISTENERS_MAX + 1); i++)
		buf_putc(&b, 0);
	b.p[2] = (char)((b.n - 4) >> 8);
	b.p[3] = (char)((b.n - 4) & 0xff);
	CHECK_ERR(decode_copy(buf_slice(&b)), E_INVALID);
	b.p[b.n - 4 * (SETUP_LISTENERS_MAX + 1) - 5] = SETUP_LISTENERS_MAX;
	b.n -= 4;
	b.p[2] = (char)((b.n - 4) >> 8);
	b.p[3] = (char)((b.n - 4) & 0xff);
	CHECK_ERR(decode_copy(buf_slice(&b)), E_OK);
	buf_fini(&b);
}

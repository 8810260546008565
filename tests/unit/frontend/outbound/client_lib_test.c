#include "tests/unit/frontend/outbound/client_lib.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "common/base/num.h"
#include "common/crypto/digest.h"
#include "frontend/core/line.h"

/* ---- certificates ---- */

static void add_ext(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	invariant(e != NULL);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static void digests(X509 *x, struct cert *out)
{
	unsigned char *p = out->der, *spki = NULL;
	int n = i2d_X509(x, NULL);

	invariant(n > 0 && (size_t)n <= sizeof out->der);
	out->der_n = (size_t)i2d_X509(x, &p);
	sha256(slice(out->der, out->der_n), out->sha256);
	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
	invariant(n > 0);
	sha256(slice(spki, (size_t)n), out->key_sha256);
	OPENSSL_free(spki);
}

static void to_pem(X509 *x, EVP_PKEY *key, struct cert *out)
{
	BIO *b = BIO_new(BIO_s_mem());
	int n;

	PEM_write_bio_X509(b, x);
	n = BIO_read(b, out->pem, sizeof out->pem - 1);
	out->pem[n] = '\0';
	PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
	n = BIO_read(b, out->key, sizeof out->key - 1);
	out->key[n] = '\0';
	BIO_free(b);
}

void cert_make(struct cert *out, const struct cert *ca, const char *san, long from_s, long until_s)
{
	static long serial = 1000;
	BIO *b = BIO_new_mem_buf(ca != NULL ? ca->pem : "", -1);
	X509 *issuer = ca != NULL ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key = EVP_EC_gen("P-256"), *signer = NULL;
	X509 *x = X509_new();
	char cn[32] = "cn.example.net";

	BIO_free(b);
	if (san == NULL)
		snprintf(cn, sizeof cn, "authority %ld", serial);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), from_s);
	X509_gmtime_adj(X509_getm_notAfter(x), until_s);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
				   (const unsigned char *)cn, -1, -1, 0);
	X509_set_pubkey(x, key);
	X509_set_issuer_name(x, X509_get_subject_name(issuer != NULL ? issuer : x));
	if (san == NULL)
		add_ext(x, NID_basic_constraints, "critical,CA:TRUE");
	else
		add_ext(x, NID_subject_alt_name, san);
	if (ca != NULL) {
		b = BIO_new_mem_buf(ca->key, -1);
		signer = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
		BIO_free(b);
	}
	invariant(X509_sign(x, signer != NULL ? signer : key, EVP_sha256()) > 0);
	to_pem(x, key, out);
	digests(x, out);
	X509_free(x);
	X509_free(issuer);
	EVP_PKEY_free(key);
	EVP_PKEY_free(signer);
}

void rig_cert(struct rig *r, const struct cert *c, const struct cert *ca)
{
	struct tls_config conf = {.profile = TLS_PUBLIC_SERVER, .key_pem = c->key};
	struct diag d;
	struct buf chain;

	buf_init(&chain, 2 * sizeof c->pem, NULL);
	buf_puts(&chain, c->pem);
	buf_puts(&chain, ca != NULL ? ca->pem : "");
	buf_putc(&chain, '\0');
	conf.cert_pem = chain.p;
	tls_ctx_unref(&r->server_tls);
	invariant(tls_ctx_new(&conf, &r->server_tls, &d) == E_OK);
	buf_fini(&chain);
}

/* ---- the script ---- */

WAITS static bool expect_line(struct rig *r, const char *want, bool whole)
{
	slice_t got;
	enum err e = line_read(r->s, 8000, "t.line", deadline_in(SOON), &got);

	if (e == E_OK &&
	    (whole ? slice_eq(got, slice_str(want)) : slice_starts(got, slice_str(want))))
		return true;
	check_note("step %zu, \"%s\": %s \"%.*s\"", r->done, want, err_name(e), (int)got.n,
		   got.n > 0 ? got.p : "");
	return false;
}

/* The bytes as they come, up to the line with one dot. */
WAITS static bool read_body(struct rig *r)
{
	for (;;) {
		slice_t got;
		enum err e = line_read(r->s, 16000, "t.body", deadline_in(SOON), &got);

		if (e != E_OK) {
			check_note("step %zu, body: %s", r->done, err_name(e));
			return false;
		}
		if (slice_eq(got, SL(".")))
			return true;
		buf_put(&r->body, got);
		buf_puts(&r->body, "\r\n");
	}
}

WAITS static bool read_bytes(struct rig *r, uint64_t n)
{
	while (n > 0) {
		slice_t got;

		if (stream_fill(r->s, 0, "t.bytes", deadline_in(SOON)) != E_OK)
			return false;
		got = slice_sub(stream_peek(r->s), 0, n);
		buf_put(&r->body, got);
		stream_consume(r->s, got.n);
		n -= got.n;
	}
	return true;
}

WAITS static bool flood(struct rig *r, uint64_t kib)
{
	for (uint64_t i = 0; i < kib * 16; i++) {
		char line[65];

		snprintf(line, sizeof line, "250-%058d\r\n", (int)i);
		if (stream_write(r->s, slice(line, 64), deadline_in(SOON)) != E_OK)
			return true; /* it had enough */
	}
	return true;
}

WAITS static bool expect_end(struct rig *r)
{
	slice_t got;
	enum err e = line_read(r->s, 8000, "t.end", deadline_in(SOON), &got);

	if (e == E_OK)
		check_note("step %zu, the end: \"%.*s\"", r->done, (int)got.n, got.p);
	return e == E_CLOSED || e == E_IO || e == E_TLS;
}

WAITS static bool special(struct rig *r, const char *what)
{
	slice_t s = slice_str(what);
	uint64_t n = 0;

	if (slice_eq(s, SL("tls")))
		return stream_tls_server(r->s, r->server_tls, deadline_in(SOON)) == E_OK;
	if (slice_eq(s, SL("tlsbad")))
		return stream_tls_server(r->s, r->server_tls, deadline_in(SOON)) != E_OK;
	if (slice_eq(s, SL("body")))
		return read_body(r);
	if (slice_eq(s, SL("drain")))
		return !read_bytes(r, UINT64_MAX);
	if (slice_eq(s, SL("some")))
		return stream_fill(r->s, 0, "t.some", deadline_in(SOON)) == E_OK;
	if (slice_eq(s, SL("stall")))
		return event_wait(&r->resume, "t.stall", deadline_in(SOON)) == E_OK;
	if (slice_eq(s, SL("call"))) {
		r->call(r->call_arg);
		return true;
	}
	if (slice_eq(s, SL("end")))
		return expect_end(r);
	if (slice_starts(s, SL("bytes ")))
		return num_parse(slice_from(s, 6), 1 << 30, &n) && read_bytes(r, n);
	if (slice_starts(s, SL("flood ")))
		return num_parse(slice_from(s, 6), 1 << 20, &n) && flood(r, n);
	invariant(slice_eq(s, SL("close")));
	return true;
}

WAITS static bool step(struct rig *r, const char *s)
{
	enum err e = E_OK;

	switch (s[0]) {
	case '<':
		return expect_line(r, s + 2, true);
	case '~':
		return expect_line(r, s + 2, false);
	case '!':
		return special(r, s + 1);
	case '>':
	case '=':
		e = stream_write(r->s, slice_str(s + 2), deadline_in(SOON));
		if (e == E_OK && s[0] == '>')
			e = stream_write(r->s, SL("\r\n"), deadline_in(SOON));
		return e == E_OK;
	}
	return false;
}

WAITS static void serve(void *arg)
{
	struct rig *r = arg;

	if (event_wait(&r->accepted, "t.accept", deadline_in(SOON)) != E_OK) {
		r->failed = r->script[0] != NULL;
		return;
	}
	while (r->script[r->done] != NULL && !r->failed) {
		r->failed = !step(r, r->script[r->done]);
		r->done++;
	}
	stream_close(&r->s, CLOSE_DONE);
}

static void on_accept(struct stream *s, void *arg)
{
	struct rig *r = arg;

	if (r->s != NULL) {
		stream_close(&s, CLOSE_DONE);
		return;
	}
	r->s = s;
	event_set(&r->accepted);
}

/* ---- the rig ---- */

WAITS void rig_start(struct rig *r, const char *const *script)
{
	static const struct stream_opts server = {.window_max = 64 * 1024};
	struct tls_config conf = {.profile = TLS_PUBLIC_CLIENT};
	struct tls_ctx *client_tls = NULL;
	struct diag d;
	int fd = -1;

	memset(r, 0, sizeof *r);
	r->script = script;
	buf_init(&r->body, 16 * 1024 * 1024, NULL);
	arena_init(&r->arena, NULL);
	event_init(&r->accepted);
	event_init(&r->resume);
	r->timeouts = smtp_timeouts_default;
	invariant(tls_ctx_new(&conf, &client_tls, &d) == E_OK);
	r->opts = (struct smtp_client_opts){
		.helo = "me.example.net", .tls_ctx = client_tls, .timeouts = &r->timeouts};
	invariant(ipaddr_parse(SL("127.0.0.1"), &r->opts.addr));
	invariant(listen_socket(&r->opts.addr, 0, LISTEN_ALONE, &fd, &d) == E_OK);
	r->opts.port = listen_port(fd);
	invariant(listen_fd(fd, &server, on_accept, r, &r->listener) == E_OK);
	cert_make(&r->chain, NULL, "DNS:mx.example.org", -3600, 3600);
	rig_cert(r, &r->chain, NULL);
	scope_init(&r->scope);
	CHECK_ERR(scope_start(&r->scope, "t.serve", serve, r), E_OK);
}

WAITS enum err rig_open(struct rig *r)
{
	return smtp_client_open(&r->opts, &r->client, &r->why);
}

WAITS void rig_end(struct rig *r)
{
	smtp_client_free(&r->client);
	CHECK_ERR(scope_join(&r->scope, deadline_in(SOON)), E_OK);
	CHECK(!r->failed);
	CHECK(r->script[r->done] == NULL);
	listener_close(&r->listener);
	tls_ctx_unref(&r->server_tls);
	tls_ctx_unref(&r->opts.tls_ctx);
	buf_fini(&r->body);
	arena_reset(&r->arena);
}

/* ---- messages ---- */

WAITS static enum err give(void *arg, slice_t *out)
{
	struct mail *m = arg;
	size_t n = m->chunk != 0 ? m->chunk : m->bytes.n;

	fiber_yield();
	if (m->fail != E_OK && m->at >= m->fail_at)
		return m->fail;
	if (m->at == m->bytes.n)
		return E_CLOSED;
	*out = slice_sub(m->bytes, m->at, n);
	m->at += out->n;
	return E_OK;
}

void mail_init(struct mail *m, struct rig *r, size_t nrcpts, slice_t bytes)
{
	memset(m, 0, sizeof *m);
	m->bytes = bytes;
	m->rcpts = arena_alloc(&r->arena, nrcpts * sizeof *m->rcpts);
	for (size_t i = 0; i < nrcpts; i++) {
		char text[64];

		snprintf(text, sizeof text, "r%zu@example.org", i);
		m->rcpts[i].address = arena_dup(&r->arena, slice_str(text));
	}
	m->msg = (struct smtp_msg){.sender = SL("s@example.net"),
				   .rcpts = m->rcpts,
				   .n = nrcpts,
				   .read = give,
				   .arg = m,
				   .arena = &r->arena};
}

void mail_again(struct mail *m)
{
	m->at = 0;
	for (size_t i = 0; i < m->msg.n; i++)
		m->rcpts[i].result = NULL;
}

void check_result(const struct smtp_result *r, enum smtp_phase phase, enum smtp_verdict verdict,
		  unsigned code, const char *status, const char *text_has, int line)
{
	bool ok;

	if (!check_true(r != NULL, "a result", __FILE__, line))
		return;
	ok = r->phase == phase && r->verdict == verdict && r->code == code &&
	     slice_eq(slice_str(r->status), slice_str(status)) && strstr(r->text, text_has) != NULL;
	if (!ok)
		check_note("%s verdict %d code %u status %s text \"%s\"", smtp_phase_name(r->phase),
			   (int)r->verdict, (unsigned)r->code, r->status, r->text);
	check_true(ok, "the result", __FILE__, line);
}

#include "tests/unit/common/net/net_lib.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ipaddr localhost(void)
{
	struct ipaddr a;

	invariant(ipaddr_parse(SL("127.0.0.1"), &a));
	return a;
}

static int listening(uint16_t *port)
{
	struct ipaddr a = localhost();
	struct diag d;
	int fd = -1;

	invariant(listen_socket(&a, 0, LISTEN_ALONE, &fd, &d) == E_OK);
	*port = listen_port(fd);
	return fd;
}

WAITS void net_pair(const struct stream_opts *opts, struct stream **a, struct stream **b)
{
	struct ipaddr addr = localhost();
	uint16_t port;
	int fd = listening(&port), got;

	invariant(stream_connect(&addr, port, NULL, opts, deadline_in(SOON), a) == E_OK);
	got = accept(fd, NULL, NULL);
	invariant(got >= 0);
	close(fd);
	invariant(stream_from_fd(got, opts, b) == E_OK);
}

WAITS int net_raw_pair(const struct stream_opts *opts, struct stream **s)
{
	struct ipaddr addr = localhost();
	uint16_t port;
	int fd = listening(&port), got;

	invariant(stream_connect(&addr, port, NULL, opts, deadline_in(SOON), s) == E_OK);
	got = accept(fd, NULL, NULL);
	invariant(got >= 0);
	close(fd);
	return got;
}

/* ---- certificates ---- */

static void to_pem(X509 *cert, EVP_PKEY *key, struct pem *out)
{
	BIO *b = BIO_new(BIO_s_mem());
	int n;

	PEM_write_bio_X509(b, cert);
	n = BIO_read(b, out->cert, sizeof out->cert - 1);
	out->cert[n] = '\0';
	PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
	n = BIO_read(b, out->key, sizeof out->key - 1);
	out->key[n] = '\0';
	BIO_free(b);
}

static X509 *new_cert(const char *cn, const char *serial_hex, EVP_PKEY *key)
{
	X509 *x = X509_new();
	BIGNUM *serial = NULL;

	X509_set_version(x, 2);
	BN_hex2bn(&serial, serial_hex);
	BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x));
	BN_free(serial);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
				   (const unsigned char *)cn, -1, -1, 0);
	X509_set_pubkey(x, key);
	return x;
}

static void self_signed(struct pem *out, const char *cn, int extension, const char *value)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = new_cert(cn, "01", key);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, extension, value);

	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	invariant(X509_sign(x, key, EVP_sha256()) > 0);
	to_pem(x, key, out);
	X509_free(x);
	EVP_PKEY_free(key);
}

void net_pki_ca(struct pem *out, const char *name)
{
	self_signed(out, name, NID_basic_constraints, "critical,CA:TRUE");
}

void net_pki_site(struct pem *out, const char *cn, const char *names)
{
	self_signed(out, cn, NID_subject_alt_name, names);
}

void net_pki_issue(const struct pem *ca, const char *cn, const char *serial_hex, struct pem *out)
{
	BIO *b = BIO_new_mem_buf(ca->cert, -1);
	X509 *ca_cert = PEM_read_bio_X509(b, NULL, NULL, NULL);
	EVP_PKEY *ca_key, *key = EVP_EC_gen("P-256");
	X509 *x = new_cert(cn, serial_hex, key);

	BIO_free(b);
	b = BIO_new_mem_buf(ca->key, -1);
	ca_key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	BIO_free(b);
	X509_set_issuer_name(x, X509_get_subject_name(ca_cert));
	invariant(X509_sign(x, ca_key, EVP_sha256()) > 0);
	to_pem(x, key, out);
	X509_free(x);
	X509_free(ca_cert);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
}

struct tls_ctx *net_pki_ctx(enum tls_profile profile, const struct pem *own, const struct pem *ca)
{
	struct tls_config conf = {
		.profile = profile,
		.cert_pem = own != NULL ? own->cert : NULL,
		.key_pem = own != NULL ? own->key : NULL,
		.ca_pem = ca != NULL ? ca->cert : NULL,
	};
	struct tls_ctx *c = NULL;
	struct diag d = {""};

	CHECK_ERR(tls_ctx_new(&conf, &c, &d), E_OK);
	CHECK_STR(d.text, "");
	invariant(c != NULL);
	return c;
}

static SSL *raw_client(const struct raw_tls *r, SSL_CTX *ctx)
{
	SSL *ssl;

	SSL_CTX_set_security_level(ctx, 0);
	if (r->version == RAW_TLS12)
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	if (r->version == RAW_TLS11) {
		SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	}
	if (r->ciphers != NULL)
		invariant(SSL_CTX_set_cipher_list(ctx, r->ciphers) == 1);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, r->fd);
	return ssl;
}

static void raw_talk(struct raw_tls *r, SSL *ssl)
{
	int n, at = 0;

	r->connected = SSL_connect(ssl) == 1;
	if (!r->connected)
		return;
	snprintf(r->version_name, sizeof r->version_name, "%s", SSL_get_version(ssl));
	snprintf(r->cipher, sizeof r->cipher, "%s", SSL_get_cipher_name(ssl));
	if (r->renegotiate)
		SSL_renegotiate(ssl);
	if (SSL_write(ssl, "hello", 5) != 5)
		return;
	while ((n = SSL_read(ssl, r->got + at, (int)sizeof r->got - 1 - at)) > 0)
		at += n;
	r->clean_end = SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN;
	SSL_shutdown(ssl);
}

static void *raw_main(void *arg)
{
	struct raw_tls *r = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = raw_client(r, ctx);

	raw_talk(r, ssl);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(r->fd);
	return NULL;
}

void raw_tls_start(struct raw_tls *r)
{
	invariant(pthread_create(&r->thread, NULL, raw_main, r) == 0);
}

void raw_tls_join(struct raw_tls *r)
{
	pthread_join(r->thread, NULL);
}

struct server_side {
	struct stream *s;
	struct tls_ctx *ctx;
	enum err result;
};

WAITS static void server_main(void *arg)
{
	struct server_side *t = arg;

	t->result = stream_tls_server(t->s, t->ctx, deadline_in(SOON));
}

WAITS void tls_pair(struct stream *client, struct tls_ctx *client_ctx, struct stream *server,
		    struct tls_ctx *server_ctx, enum err *client_out, enum err *server_out)
{
	struct server_side t = {server, server_ctx, E_INTERNAL};
	struct scope scope;

	scope_init(&scope);
	CHECK_ERR(scope_start(&scope, "t.tls_server", server_main, &t), E_OK);
	*client_out = stream_tls_client(client, client_ctx, "mail.example.org", deadline_in(SOON));
	CHECK_ERR(scope_join(&scope, deadline_in(SOON)), E_OK);
	*server_out = t.result;
}

/* ---- bytes ---- */

char pattern(size_t i)
{
	return (char)((i * 2654435761u) >> 13);
}

bool is_pattern(slice_t got, size_t at)
{
	for (size_t i = 0; i < got.n; i++)
		if (got.p[i] != pattern(at + i))
			return false;
	return true;
}

WAITS enum err write_pattern(struct stream *s, size_t n, size_t piece)
{
	char *bytes = xmalloc(piece);
	enum err e = E_OK;

	for (size_t at = 0; at < n && e == E_OK; at += piece) {
		size_t k = MIN(piece, n - at);

		for (size_t i = 0; i < k; i++)
			bytes[i] = pattern(at + i);
		e = stream_write(s, slice(bytes, k), deadline_in(SOON));
	}
	xfree(&bytes);
	return e;
}

WAITS size_t read_pattern(struct stream *s, size_t n)
{
	size_t at = 0;

	while (at < n && stream_fill(s, 0, "t.read", deadline_in(SOON)) == E_OK) {
		slice_t got = slice_sub(stream_peek(s), 0, n - at);

		if (!is_pattern(got, at))
			break;
		at += got.n;
		stream_consume(s, got.n);
	}
	return at;
}

WAITS enum err read_exactly(struct stream *s, size_t n, struct buf *b)
{
	while (n > 0) {
		slice_t got;
		enum err e = stream_fill(s, 0, "t.read", deadline_in(SOON));

		if (e != E_OK)
			return e;
		got = slice_sub(stream_peek(s), 0, n);
		buf_put(b, got);
		stream_consume(s, got.n);
		n -= got.n;
	}
	return E_OK;
}

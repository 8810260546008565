#include "common/net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "common/net/tls_priv.h"

/* Certificates a peer may send, in bytes. The cluster's CA signs nodes directly, so a chain is
 * one certificate; a public server's may be a few. */
#define CLUSTER_CHAIN_MAX (16 * 1024)
#define PUBLIC_CHAIN_MAX  (64 * 1024)
#define CLUSTER_DEPTH     1

static char groups[] = "X25519:P-256";
/* RFC 7525/9325: ephemeral keys and AEAD only. */
#define CIPHERS_AES \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_CHACHA \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
#define SUITES_AES    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define SUITES_CHACHA "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"

static bool has_aes(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
	return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
	return false;
#endif
}

void tls_error_text(struct diag *d)
{
	unsigned long code = ERR_get_error();
	const char *reason = ERR_reason_error_string(code);

	if (code == 0)
		(void)diag_set(d, E_TLS, "no detail");
	else if (reason != NULL)
		(void)diag_set(d, E_TLS, "%s", reason);
	else
		(void)diag_set(d, E_TLS, "error %lx", code);
	ERR_clear_error();
}

static enum err refuse(struct diag *d, const char *what)
{
	struct diag why;

	tls_error_text(&why);
	return diag_set(d, E_INVALID, "%s: %s", what, why.text);
}

static bool is_cluster(const struct tls_ctx *c)
{
	return c->profile == TLS_CLUSTER_SERVER || c->profile == TLS_CLUSTER_CLIENT;
}

static bool is_server(const struct tls_ctx *c)
{
	return c->profile == TLS_PUBLIC_SERVER || c->profile == TLS_CLUSTER_SERVER;
}

/* ---- certificates ---- */

bool tls_serial(const X509 *cert, char text[TLS_SERIAL_STR])
{
	static const char hex[] = "0123456789abcdef";
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	const unsigned char *p = ASN1_STRING_get0_data(serial);
	int n = ASN1_STRING_length(serial);
	size_t k = 0;

	while (n > 1 && *p == 0) {
		p++;
		n--;
	}
	if (n > (TLS_SERIAL_STR - 1) / 2)
		return false;
	for (int i = 0; i < n; i++) {
		text[k++] = hex[p[i] >> 4];
		text[k++] = hex[p[i] & 15];
	}
	text[k] = '\0';
	return true;
}

static int on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_ctx *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	char serial[TLS_SERIAL_STR];
	bool revoked;

	if (!ok || X509_STORE_CTX_get_error_depth(store) != 0)
		return ok;
	if (!tls_serial(X509_STORE_CTX_get_current_cert(store), serial)) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
		return 0;
	}
	pthread_mutex_lock(&c->lock);
	revoked = map_get(&c->revoked, slice_str(serial)) != NULL;
	pthread_mutex_unlock(&c->lock);
	if (revoked) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REVOKED);
		return 0;
	}
	return 1;
}

void tls_ctx_revoke(struct tls_ctx *c, const slice_t *serials, size_t n)
{
	pthread_mutex_lock(&c->lock);
	map_fini(&c->revoked);
	map_init(&c->revoked);
	for (size_t i = 0; i < n; i++)
		map_put(&c->revoked, serials[i], c);
	pthread_mutex_unlock(&c->lock);
}

void tls_ctx_revoke_as(struct tls_ctx *c, struct tls_ctx *other)
{
	struct map_iter it = {0};
	slice_t serial;
	void *value;

	invariant(c != other);
	pthread_mutex_lock(&other->lock);
	pthread_mutex_lock(&c->lock);
	map_fini(&c->revoked);
	map_init(&c->revoked);
	while (map_next(&other->revoked, &it, &serial, &value))
		map_put(&c->revoked, serial, c);
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_unlock(&other->lock);
}

static BIO *pem_bio(const char *pem)
{
	return BIO_new_mem_buf(pem, -1);
}

/* No pass phrase is ever asked for. */
static int no_password(char *buf UNUSED, int size UNUSED, int rwflag UNUSED, void *arg UNUSED)
{
	return -1;
}

static enum err use_chain(SSL_CTX *ctx, const char *pem, struct diag *d)
{
	BIO *b = pem_bio(pem);
	X509 *cert = PEM_read_bio_X509(b, NULL, no_password, NULL);
	bool ok = cert != NULL && SSL_CTX_use_certificate(ctx, cert) == 1;

	X509_free(cert);
	while (ok && (cert = PEM_read_bio_X509(b, NULL, no_password, NULL)) != NULL)
		ok = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
	BIO_free(b);
	if (!ok)
		return refuse(d, "certificate");
	ERR_clear_error(); /* the end of the PEM text is an error to the reader */
	return E_OK;
}

static enum err use_key(SSL_CTX *ctx, const char *pem, struct diag *d)
{
	BIO *b = pem_bio(pem);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
	bool ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
		  SSL_CTX_check_private_key(ctx) == 1;

	EVP_PKEY_free(key);
	BIO_free(b);
	return ok ? E_OK : refuse(d, "private key");
}

static enum err use_ca(SSL_CTX *ctx, const char *pem, struct diag *d)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *b = pem_bio(pem);
	X509 *cert;
	unsigned n = 0;

	while ((cert = PEM_read_bio_X509(b, NULL, no_password, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	BIO_free(b);
	if (n == 0)
		return refuse(d, "CA certificate");
	ERR_clear_error();
	return E_OK;
}

/* ---- contexts ---- */

static enum err set_policy(struct tls_ctx *c, struct diag *d)
{
	SSL_CTX *ctx = c->ssl_ctx;
	bool aes = has_aes();

	SSL_CTX_set_app_data(ctx, c);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_max_cert_list(ctx, is_cluster(c) ? CLUSTER_CHAIN_MAX : PUBLIC_CHAIN_MAX);
	if (SSL_CTX_set_min_proto_version(ctx, is_cluster(c) ? TLS1_3_VERSION : TLS1_2_VERSION) !=
		    1 ||
	    SSL_CTX_set_cipher_list(ctx, aes ? CIPHERS_AES : CIPHERS_CHACHA) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, aes ? SUITES_AES : SUITES_CHACHA) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, groups) != 1)
		return refuse(d, "TLS policy");
	if (c->profile == TLS_PUBLIC_CLIENT)
		invariant(SSL_CTX_dane_enable(ctx) == 1);
	if (is_cluster(c)) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   on_verify);
		SSL_CTX_set_verify_depth(ctx, CLUSTER_DEPTH);
	} else {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	}
	return E_OK;
}

static enum err set_credentials(struct tls_ctx *c, const struct tls_config *conf, struct diag *d)
{
	enum err e;

	if (conf->cert_pem != NULL && conf->key_pem != NULL) {
		e = use_chain(c->ssl_ctx, conf->cert_pem, d);
		if (e == E_OK)
			e = use_key(c->ssl_ctx, conf->key_pem, d);
		if (e != E_OK)
			return e;
	} else if (c->profile != TLS_PUBLIC_CLIENT) {
		return diag_set(d, E_INVALID, "a certificate and a key are needed");
	}
	if (!is_cluster(c))
		return E_OK;
	if (conf->ca_pem == NULL)
		return diag_set(d, E_INVALID, "the cluster's CA certificate is needed");
	return use_ca(c->ssl_ctx, conf->ca_pem, d);
}

enum err tls_ctx_new(const struct tls_config *conf, struct tls_ctx **out, struct diag *d)
{
	struct tls_ctx *c = xcalloc(1, sizeof *c);
	enum err e;

	atomic_init(&c->refs, 1);
	c->profile = conf->profile;
	map_init(&c->revoked);
	map_init(&c->named);
	invariant(pthread_mutex_init(&c->lock, NULL) == 0);
	c->ssl_ctx = SSL_CTX_new(is_server(c) ? TLS_server_method() : TLS_client_method());
	invariant(c->ssl_ctx != NULL);
	ERR_clear_error();
	e = set_policy(c, d);
	if (e == E_OK)
		e = set_credentials(c, conf, d);
	if (e != E_OK) {
		tls_ctx_unref(&c);
		return e;
	}
	*out = c;
	return E_OK;
}

enum err tls_ctx_trust_file(struct tls_ctx *c, const char *path, struct diag *d)
{
	invariant(c->profile == TLS_PUBLIC_CLIENT);
	ERR_clear_error();
	if (SSL_CTX_load_verify_file(c->ssl_ctx, path) != 1)
		return refuse(d, path);
	ERR_clear_error();
	return E_OK;
}

void tls_ctx_share_trust(struct tls_ctx *c, void *ssl_ctx)
{
	invariant(c->profile == TLS_PUBLIC_CLIENT);
	SSL_CTX_set1_cert_store(ssl_ctx, SSL_CTX_get_cert_store(c->ssl_ctx));
	SSL_CTX_set_max_cert_list(ssl_ctx, PUBLIC_CHAIN_MAX);
	invariant(SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_2_VERSION) == 1);
}

void tls_ctx_ref(struct tls_ctx *c)
{
	atomic_fetch_add(&c->refs, 1);
}

void tls_ctx_unref(struct tls_ctx **cp)
{
	struct tls_ctx *c = *cp;

	*cp = NULL;
	if (c == NULL || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	SSL_CTX_free(c->ssl_ctx);
	map_fini(&c->revoked);
	map_fini(&c->named);
	for (size_t i = 0; i < c->nmore; i++)
		tls_ctx_unref(&c->more[i]);
	pthread_mutex_destroy(&c->lock);
	xfree(&c);
}

/*
 * Which of a server's certificates a client gets: it names in its first message whom it wants to
 * find (SNI, RFC 6066 section 3), and the names of all certificates lie in one map. A name that a
 * certificate has as it is comes before one that it covers by a wildcard, which stands for one
 * label (RFC 9525 section 6.3); of two certificates with one name the earlier has it.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/net/tls_priv.h"

/* With dots and without the last one (RFC 1035 section 2.3.4). */
#define HOST_NAME_MAX_BYTES 253

/* In lower case. E_LIMIT: no name is so long. */
static enum err lower(const char *from, size_t n, char out[HOST_NAME_MAX_BYTES])
{
	if (n == 0 || n > HOST_NAME_MAX_BYTES)
		return E_LIMIT;
	for (size_t i = 0; i < n; i++)
		out[i] = ascii_lower(from[i]);
	return E_OK;
}

/* The DNS names of owner's certificate; how many there are. */
static size_t add_names(struct tls_ctx *c, struct tls_ctx *owner)
{
	const X509 *cert = SSL_CTX_get0_certificate(owner->ssl_ctx);
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	size_t found = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		char text[HOST_NAME_MAX_BYTES];
		size_t n;

		if (name->type != GEN_DNS)
			continue;
		n = (size_t)ASN1_STRING_length(name->d.dNSName);
		if (lower((const char *)ASN1_STRING_get0_data(name->d.dNSName), n, text) != E_OK)
			continue;
		found++;
		if (map_get(&c->named, slice(text, n)) == NULL)
			(void)map_put(&c->named, slice(text, n), owner);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return found;
}

/* NULL: no certificate is for it. */
static const struct tls_ctx *find(const struct tls_ctx *c, const char *name)
{
	char text[1 + HOST_NAME_MAX_BYTES] = "*";
	size_t n = strlen(name);
	const struct tls_ctx *found;
	size_t label;

	if (lower(name, n, text + 1) != E_OK)
		return NULL;
	found = map_get(&c->named, slice(text + 1, n));
	label = slice_find_char(slice(text + 1, n), '.');
	if (found != NULL || label == n)
		return found;
	text[label] = '*';
	return map_get(&c->named, slice(text + label, n - label + 1));
}

/* A name that is nobody's is no reason to part: section 3 leaves that open, and many a client sends
 * one that its administrator made up. */
static int on_name(SSL *ssl, int *alert UNUSED, void *arg)
{
	const struct tls_ctx *c = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_ctx *chosen = name != NULL ? find(c, name) : NULL;

	if (chosen == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	if (chosen != c)
		SSL_set_SSL_CTX(ssl, chosen->ssl_ctx);
	return SSL_TLSEXT_ERR_OK;
}

enum err tls_ctx_add(struct tls_ctx *c, const struct tls_config *conf, struct diag *d)
{
	struct tls_ctx *more = NULL;
	enum err e;

	invariant(c->profile == TLS_PUBLIC_SERVER && conf->profile == TLS_PUBLIC_SERVER);
	if (c->nmore == ARRAY_LEN(c->more))
		return diag_set(d, E_LIMIT, "more than %d certificates", TLS_CERTS_MAX);
	e = tls_ctx_new(conf, &more, d);
	if (e != E_OK)
		return e;
	if (c->nmore == 0) {
		(void)add_names(c, c);
		SSL_CTX_set_tlsext_servername_callback(c->ssl_ctx, on_name);
		SSL_CTX_set_tlsext_servername_arg(c->ssl_ctx, c);
	}
	if (add_names(c, more) == 0) {
		tls_ctx_unref(&more);
		return diag_set(d, E_INVALID, "certificate: it has no DNS name to be chosen by");
	}
	c->more[c->nmore++] = more;
	return E_OK;
}

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/base/buf.h"
#include "common/net/tls_priv.h"

/* What a peer's certificate says of itself, for the log. */
#define NAMES_TEXT_MAX 200

enum { USAGE_TA = 2, USAGE_EE = 3, SELECT_CERT = 0, SELECT_KEY = 1, MATCH_SHA256 = 1 };

const char *tls_verified_name(enum tls_verified v)
{
	switch (v) {
	case TLS_UNVERIFIED:
		return "none";
	case TLS_VERIFIED_CA:
		return "ca";
	case TLS_VERIFIED_NAME:
		return "name";
	case TLS_VERIFIED_DANE_TA:
		return "dane-ta";
	case TLS_VERIFIED_DANE_EE:
		return "dane-ee";
	case TLS_VERIFIED_PIN:
		return "pin";
	}
	return "unknown";
}

/* ---- words for a refusal ---- */

static void put_name(struct buf *b, slice_t name)
{
	buf_puts(b, b->n > 0 ? ", " : "");
	for (size_t i = 0; i < name.n; i++)
		buf_putc(b, name.p[i] > 32 && name.p[i] < 127 ? name.p[i] : '?');
}

/* The DNS names of a certificate, as many as fit. */
static void name_mismatch(X509 *cert, struct diag *why)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	struct buf b;

	buf_init(&b, NAMES_TEXT_MAX, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !buf_failed(&b); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

		if (n->type == GEN_DNS)
			put_name(&b, slice(ASN1_STRING_get0_data(n->d.dNSName),
					   (size_t)ASN1_STRING_length(n->d.dNSName)));
	}
	(void)diag_set(why, E_TLS, "certificate is for other names: %.*s", (int)b.n,
		       b.n > 0 ? b.p : "");
	buf_fini(&b);
	GENERAL_NAMES_free(names);
}

static enum tls_fault fault_of(int error)
{
	switch (error) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return TLS_FAULT_NAME;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_FAULT_EXPIRED;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED:
		return TLS_FAULT_UNTRUSTED;
	default:
		return TLS_FAULT_OTHER;
	}
}

static int on_peer(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_checked *checked = SSL_get_app_data(ssl);
	int error = X509_STORE_CTX_get_error(store);

	if (ok && checked->unnamed) { /* OpenSSL takes no name for any name */
		X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
		(void)diag_set(&checked->why, E_TLS, "no name to be verified");
		checked->fault = TLS_FAULT_OTHER;
		return checked->advisory;
	}
	if (ok || checked->why.text[0] != '\0')
		return ok || checked->advisory;
	checked->fault = fault_of(error);
	if (error == X509_V_ERR_HOSTNAME_MISMATCH)
		name_mismatch(X509_STORE_CTX_get0_cert(store), &checked->why);
	else if (error == X509_V_ERR_DANE_NO_MATCH)
		(void)diag_set(&checked->why, E_TLS, "%s",
			       checked->kind == TLS_PEER_PINNED ? "no pinned fingerprint matches"
								: "no TLSA record matches");
	else
		(void)diag_set(&checked->why, E_TLS, "%s", X509_verify_cert_error_string(error));
	return checked->advisory;
}

/* ---- demands ---- */

static bool add_names(SSL *ssl, const struct tls_peer_check *check)
{
	size_t n = 0;

	for (size_t i = 0; i < check->nnames; i++)
		n += check->names[i][0] != '\0' && SSL_add1_host(ssl, check->names[i]) == 1;
	ERR_clear_error();
	return n > 0;
}

static bool add_record(SSL *ssl, const struct tls_tlsa *r)
{
	bool usable = r->usage == USAGE_TA || r->usage == USAGE_EE;

	return usable && SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching,
					   (const unsigned char *)r->data.p, r->data.n) == 1;
}

/* How many of the records can be used. */
static size_t add_records(SSL *ssl, const struct tls_peer_check *check)
{
	size_t used = 0;

	for (size_t i = 0; i < MIN(check->nrecords, (size_t)TLS_TLSA_MAX); i++)
		used += add_record(ssl, &check->records[i]);
	ERR_clear_error(); /* what was not usable */
	return used;
}

/* A fingerprint is a TLSA record of usage 3, of either selector. */
static size_t add_pins(SSL *ssl, const struct tls_peer_check *check)
{
	size_t used = 0;

	for (size_t i = 0; i < MIN(check->npins, (size_t)TLS_TLSA_MAX); i++) {
		struct tls_tlsa r = {USAGE_EE, SELECT_CERT, MATCH_SHA256,
				     slice(check->pins[i], TLS_PIN_LEN)};

		used += add_record(ssl, &r);
		r.selector = SELECT_KEY;
		used += add_record(ssl, &r);
	}
	return used;
}

struct tls_checked *tls_check_begin(SSL *ssl, const struct tls_peer_check *check)
{
	bool named = check->kind == TLS_PEER_NAMED, dane = check->kind == TLS_PEER_DANE;
	struct tls_checked *checked;

	if (check->kind == TLS_PEER_ANY)
		return NULL;
	if (!named) {
		invariant(SSL_dane_enable(ssl, NULL) == 1);
		SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
		if (dane && add_records(ssl, check) == 0)
			return NULL;
		if (!dane)
			invariant(add_pins(ssl, check) > 0);
	}
	checked = xcalloc(1, sizeof *checked);
	checked->kind = check->kind;
	checked->advisory = named && check->advisory;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
				       (named ? X509_CHECK_FLAG_NEVER_CHECK_SUBJECT : 0));
	if (named || dane)
		checked->unnamed = !add_names(ssl, check);
	SSL_set_app_data(ssl, checked);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, on_peer);
	return checked;
}

enum tls_verified tls_check_result(SSL *ssl, const struct tls_checked *checked)
{
	uint8_t usage = 0, selector, matching;

	if (SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE ||
	    SSL_get_verify_result(ssl) != X509_V_OK || SSL_get0_peer_certificate(ssl) == NULL)
		return TLS_UNVERIFIED;
	if (checked == NULL)
		return TLS_VERIFIED_CA;
	switch (checked->kind) {
	case TLS_PEER_ANY:
		return TLS_UNVERIFIED;
	case TLS_PEER_NAMED:
		return checked->fault == TLS_FAULT_NONE ? TLS_VERIFIED_NAME : TLS_UNVERIFIED;
	case TLS_PEER_DANE:
		if (SSL_get0_dane_tlsa(ssl, &usage, &selector, &matching, NULL, NULL) < 0)
			return TLS_UNVERIFIED;
		return usage == USAGE_TA ? TLS_VERIFIED_DANE_TA : TLS_VERIFIED_DANE_EE;
	case TLS_PEER_PINNED:
		return TLS_VERIFIED_PIN;
	}
	return TLS_UNVERIFIED;
}

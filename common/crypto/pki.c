/*
 * X.509 through OpenSSL. Extensions are built from typed values, never from text in OpenSSL's
 * configuration syntax, so that no name can smuggle another extension in.
 */
#include "common/crypto/pki.h"

#include <arpa/inet.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/crypto/random.h"
#include "common/crypto/secret.h"

#define PKI_CLOCK_SLACK_S 3600 /* nodes' clocks may differ by this when a certificate is made */
#define PKI_SERIAL_LEN    16

enum pki_kind { PKI_CA, PKI_LEAF };

static enum err openssl_failed(struct diag *d, const char *what)
{
	char text[160];
	unsigned long code = ERR_get_error();

	ERR_error_string_n(code, text, sizeof text);
	ERR_clear_error();
	return diag_set(d, E_INVALID, "%s: %s", what, code != 0 ? text : "not what it should be");
}

/* ---- PEM ---- */

static enum err put_bio(BIO *bio, struct buf *out, struct diag *d)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);

	buf_put(out, slice(p, n > 0 ? (size_t)n : 0));
	if (n > 0)
		secret_wipe(p, (size_t)n);
	return buf_failed(out) ? diag_set(d, E_INVALID, "no room for PEM text") : E_OK;
}

static enum err put_cert(X509 *x, struct buf *out, struct diag *d)
{
	BIO *bio = BIO_new(BIO_s_mem());
	enum err e;

	invariant(bio != NULL && PEM_write_bio_X509(bio, x) == 1);
	e = put_bio(bio, out, d);
	BIO_free(bio);
	return e;
}

static enum err put_key(EVP_PKEY *key, struct buf *out, struct diag *d)
{
	BIO *bio = BIO_new(BIO_s_mem());
	enum err e;

	invariant(bio != NULL);
	invariant(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
	e = put_bio(bio, out, d);
	BIO_free(bio);
	return e;
}

static BIO *pem_bio(slice_t pem)
{
	BIO *bio;

	if (pem.n == 0 || pem.n > PKI_PEM_MAX)
		return NULL;
	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	invariant(bio != NULL);
	return bio;
}

static X509 *read_cert(slice_t pem)
{
	BIO *bio = pem_bio(pem);
	X509 *x = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return x;
}

/* Answers a question for a pass phrase: there is none, and nobody to ask. */
static int no_pass_phrase(char *room, int size, int rwflag, void *arg)
{
	(void)room;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

static EVP_PKEY *read_key(slice_t pem)
{
	BIO *bio = pem_bio(pem);
	EVP_PKEY *k = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL) : NULL;

	BIO_free(bio);
	return k;
}

/* ---- names ---- */

static bool name_is_printable(slice_t s, size_t max)
{
	if (s.n == 0 || s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	}
	return true;
}

static enum err check_names(const struct pki_names *names, struct diag *d)
{
	if (!name_is_printable(names->cn, PKI_CN_MAX))
		return diag_set(d, E_INVALID, "certificate name: 1 to %d printable characters",
				PKI_CN_MAX);
	if (names->days == 0 || names->days > PKI_DAYS_MAX)
		return diag_set(d, E_INVALID, "certificate life: 1 to %d days", PKI_DAYS_MAX);
	if (names->ndns > PKI_NAMES_MAX || names->nips > PKI_NAMES_MAX - names->ndns)
		return diag_set(d, E_INVALID, "more than %d alternative names", PKI_NAMES_MAX);
	return E_OK;
}

static void push_name(GENERAL_NAMES *list, int type, ASN1_STRING *value)
{
	GENERAL_NAME *g = GENERAL_NAME_new();

	invariant(g != NULL);
	GENERAL_NAME_set0_value(g, type, value);
	invariant(sk_GENERAL_NAME_push(list, g) > 0);
}

static enum err push_dns(GENERAL_NAMES *list, slice_t dns, struct diag *d)
{
	ASN1_IA5STRING *s;

	if (!name_is_printable(dns, 253) || slice_find_char(dns, ' ') != dns.n)
		return diag_set(d, E_INVALID, "not a DNS name: %.*s", (int)MIN(dns.n, 100u), dns.p);
	s = ASN1_IA5STRING_new();
	invariant(s != NULL && ASN1_STRING_set(s, dns.p, (int)dns.n) == 1);
	push_name(list, GEN_DNS, s);
	return E_OK;
}

static enum err push_ip(GENERAL_NAMES *list, slice_t text, struct diag *d)
{
	char z[INET6_ADDRSTRLEN];
	unsigned char b[16];
	ASN1_OCTET_STRING *s;
	int n = 0;

	if (slice_to_str(text, z, sizeof z)) {
		if (inet_pton(AF_INET, z, b) == 1)
			n = 4;
		else if (inet_pton(AF_INET6, z, b) == 1)
			n = 16;
	}
	if (n == 0)
		return diag_set(d, E_INVALID, "not an IP address: %.*s", (int)MIN(text.n, 100u),
				text.p);
	s = ASN1_OCTET_STRING_new();
	invariant(s != NULL && ASN1_OCTET_STRING_set(s, b, n) == 1);
	push_name(list, GEN_IPADD, s);
	return E_OK;
}

static enum err add_san(X509 *x, const struct pki_names *names, struct diag *d)
{
	GENERAL_NAMES *list;
	enum err e = E_OK;

	if (names->ndns + names->nips == 0)
		return E_OK;
	list = sk_GENERAL_NAME_new_null();
	invariant(list != NULL);
	for (size_t i = 0; i < names->ndns && e == E_OK; i++)
		e = push_dns(list, names->dns[i], d);
	for (size_t i = 0; i < names->nips && e == E_OK; i++)
		e = push_ip(list, names->ips[i], d);
	if (e == E_OK)
		invariant(X509_add1_ext_i2d(x, NID_subject_alt_name, list, 0, X509V3_ADD_DEFAULT) ==
			  1);
	GENERAL_NAMES_free(list);
	return e;
}

/* ---- making ---- */

static void set_serial(X509 *x)
{
	unsigned char b[PKI_SERIAL_LEN];
	BIGNUM *bn;

	random_bytes(b, sizeof b);
	/* Positive, and of one length in every text form. */
	b[0] = (unsigned char)((b[0] & 0x3f) | 0x40);
	bn = BN_bin2bn(b, sizeof b, NULL);
	invariant(bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL);
	BN_free(bn);
}

static void set_life(X509 *x, unsigned days)
{
	time_t from = (time_t)(clock_wall_s() - PKI_CLOCK_SLACK_S);

	invariant(X509_time_adj_ex(X509_getm_notBefore(x), 0, 0, &from) != NULL);
	invariant(X509_time_adj_ex(X509_getm_notAfter(x), (int)days, PKI_CLOCK_SLACK_S, &from) !=
		  NULL);
}

static void add_usage(X509 *x, enum pki_kind kind)
{
	BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
	ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
	EXTENDED_KEY_USAGE *eku = sk_ASN1_OBJECT_new_null();

	invariant(bc != NULL && usage != NULL && eku != NULL);
	if (kind == PKI_CA) {
		bc->ca = 0xff;
		bc->pathlen = ASN1_INTEGER_new();
		invariant(bc->pathlen != NULL && ASN1_INTEGER_set(bc->pathlen, 0) == 1);
		/* Bits of RFC 5280 4.2.1.3: keyCertSign, cRLSign. */
		invariant(ASN1_BIT_STRING_set_bit(usage, 5, 1) == 1 &&
			  ASN1_BIT_STRING_set_bit(usage, 6, 1) == 1);
	} else {
		invariant(ASN1_BIT_STRING_set_bit(usage, 0, 1) == 1); /* digitalSignature */
		invariant(sk_ASN1_OBJECT_push(eku, OBJ_nid2obj(NID_server_auth)) > 0 &&
			  sk_ASN1_OBJECT_push(eku, OBJ_nid2obj(NID_client_auth)) > 0);
		invariant(X509_add1_ext_i2d(x, NID_ext_key_usage, eku, 0, X509V3_ADD_DEFAULT) == 1);
	}
	invariant(X509_add1_ext_i2d(x, NID_basic_constraints, bc, 1, X509V3_ADD_DEFAULT) == 1);
	invariant(X509_add1_ext_i2d(x, NID_key_usage, usage, 1, X509V3_ADD_DEFAULT) == 1);
	BASIC_CONSTRAINTS_free(bc);
	ASN1_BIT_STRING_free(usage);
	sk_ASN1_OBJECT_free(eku); /* its objects are OpenSSL's own */
}

/* Subject and authority key identifiers (RFC 5280 4.2.1.1, 4.2.1.2), which let a verifier tell
 * an old CA of the same name from a new one. */
static void add_key_ids(X509 *x, X509 *issuer)
{
	unsigned char id[SHA256_DIGEST_LENGTH];
	unsigned n = 0;
	ASN1_OCTET_STRING *ski = ASN1_OCTET_STRING_new();
	AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();
	const ASN1_OCTET_STRING *theirs;

	invariant(ski != NULL && aki != NULL);
	invariant(X509_pubkey_digest(x, EVP_sha256(), id, &n) == 1);
	invariant(ASN1_OCTET_STRING_set(ski, id, 20) == 1);
	invariant(X509_add1_ext_i2d(x, NID_subject_key_identifier, ski, 0, X509V3_ADD_DEFAULT) ==
		  1);
	theirs = issuer == x ? ski : X509_get0_subject_key_id(issuer);
	if (theirs != NULL) {
		aki->keyid = ASN1_OCTET_STRING_dup(theirs);
		invariant(aki->keyid != NULL && X509_add1_ext_i2d(x, NID_authority_key_identifier,
								  aki, 0, X509V3_ADD_DEFAULT) == 1);
	}
	ASN1_OCTET_STRING_free(ski);
	AUTHORITY_KEYID_free(aki);
}

/* Makes a certificate for `key`, signed by issuer (NULL: by itself). */
static enum err make_cert(const struct pki_names *names, enum pki_kind kind, EVP_PKEY *key,
			  X509 *issuer, EVP_PKEY *issuer_key, X509 **out, struct diag *d)
{
	X509 *x = X509_new();
	X509_NAME *subject;
	enum err e;

	invariant(x != NULL && X509_set_version(x, X509_VERSION_3) == 1);
	set_serial(x);
	set_life(x, names->days);
	subject = X509_get_subject_name(x);
	invariant(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
					     (const unsigned char *)names->cn.p, (int)names->cn.n,
					     -1, 0) == 1);
	invariant(X509_set_issuer_name(x, issuer != NULL ? X509_get_subject_name(issuer)
							 : subject) == 1);
	invariant(X509_set_pubkey(x, key) == 1);
	add_usage(x, kind);
	add_key_ids(x, issuer != NULL ? issuer : x);
	e = add_san(x, names, d);
	if (e == E_OK && X509_sign(x, issuer_key, EVP_sha256()) == 0)
		e = openssl_failed(d, "signing a certificate");
	if (e == E_OK)
		*out = x;
	else
		X509_free(x);
	return e;
}

static enum err make_self_signed(const struct pki_names *names, enum pki_kind kind,
				 struct buf *cert_pem, struct buf *key_pem, struct diag *d)
{
	EVP_PKEY *key;
	X509 *x;
	enum err e = check_names(names, d);

	if (e != E_OK)
		return e;
	key = EVP_EC_gen("P-256");
	invariant(key != NULL);
	e = make_cert(names, kind, key, NULL, key, &x, d);
	if (e == E_OK) {
		e = put_cert(x, cert_pem, d);
		if (e == E_OK)
			e = put_key(key, key_pem, d);
		X509_free(x);
	}
	EVP_PKEY_free(key);
	return e;
}

enum err pki_make_ca(slice_t cn, unsigned days, struct buf *cert_pem, struct buf *key_pem,
		     struct diag *d)
{
	struct pki_names names = {.cn = cn, .days = days};

	return make_self_signed(&names, PKI_CA, cert_pem, key_pem, d);
}

enum err pki_self_signed(const struct pki_names *names, struct buf *cert_pem, struct buf *key_pem,
			 struct diag *d)
{
	return make_self_signed(names, PKI_LEAF, cert_pem, key_pem, d);
}

/* ---- reading ---- */

static enum err read_time(const ASN1_TIME *t, int64_t *out, struct diag *d)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return openssl_failed(d, "a certificate's dates");
	*out = (int64_t)timegm(&tm);
	return E_OK;
}

static enum err read_info(X509 *x, struct pki_info *out, struct diag *d)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	char hex[2 * 20];
	struct buf b;
	int cn_n;
	enum err e;

	*out = (struct pki_info){0};
	cn_n = X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out->cn,
					 sizeof out->cn);
	if (cn_n >= (int)sizeof out->cn || (cn_n >= 0 && strlen(out->cn) != (size_t)cn_n))
		return diag_set(d, E_INVALID, "a certificate's name is too long or holds a NUL");
	if (serial == NULL || ASN1_STRING_length(serial) > 20)
		return diag_set(d, E_INVALID, "a certificate's serial number is too long");
	buf_init(&b, sizeof hex, NULL);
	hex_encode(&b, slice(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial)));
	invariant(slice_to_str(buf_slice(&b), out->serial, sizeof out->serial));
	buf_fini(&b);
	out->is_ca = X509_check_ca(x) == 1;
	e = read_time(X509_get0_notBefore(x), &out->not_before_s, d);
	return e == E_OK ? read_time(X509_get0_notAfter(x), &out->not_after_s, d) : e;
}

enum err pki_parse(slice_t cert_pem, struct pki_info *out, struct diag *d)
{
	X509 *x = read_cert(cert_pem);
	enum err e;

	if (x == NULL)
		return openssl_failed(d, "reading a certificate");
	e = read_info(x, out, d);
	X509_free(x);
	return e;
}

/* Reads the CA's two halves and sees that they belong together. */
static enum err read_ca(slice_t cert_pem, slice_t key_pem, X509 **cert_out, EVP_PKEY **key_out,
			struct diag *d)
{
	X509 *x = read_cert(cert_pem);
	EVP_PKEY *key = x != NULL ? read_key(key_pem) : NULL;
	enum err e = E_OK;

	if (x == NULL)
		e = openssl_failed(d, "reading the CA's certificate");
	else if (key == NULL)
		e = openssl_failed(d, "reading the CA's key");
	else if (X509_check_private_key(x, key) != 1)
		e = openssl_failed(d, "the CA's certificate and key");
	else if (X509_check_ca(x) != 1)
		e = diag_set(d, E_INVALID, "that certificate is not a CA's");
	if (e != E_OK) {
		X509_free(x);
		EVP_PKEY_free(key);
		return e;
	}
	*cert_out = x;
	*key_out = key;
	return E_OK;
}

enum err pki_issue(slice_t ca_cert_pem, slice_t ca_key_pem, const struct pki_names *names,
		   struct buf *cert_pem, struct buf *key_pem, struct pki_info *info, struct diag *d)
{
	EVP_PKEY *ca_key = NULL, *key;
	X509 *ca = NULL, *x = NULL;
	enum err e = check_names(names, d);

	if (e == E_OK)
		e = read_ca(ca_cert_pem, ca_key_pem, &ca, &ca_key, d);
	if (e != E_OK)
		return e;
	key = EVP_EC_gen("P-256");
	invariant(key != NULL);
	e = make_cert(names, PKI_LEAF, key, ca, ca_key, &x, d);
	if (e == E_OK)
		e = put_cert(x, cert_pem, d);
	if (e == E_OK)
		e = put_key(key, key_pem, d);
	if (e == E_OK && info != NULL)
		e = read_info(x, info, d);
	X509_free(x);
	EVP_PKEY_free(key);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	return e;
}

static enum err verify_chain(X509 *ca, X509 *x, struct diag *d)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	enum err e = E_OK;

	invariant(store != NULL && ctx != NULL && X509_STORE_add_cert(store, ca) == 1);
	invariant(X509_STORE_CTX_init(ctx, store, x, NULL) == 1);
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t)clock_wall_s());
	if (X509_verify_cert(ctx) != 1)
		e = diag_set(d, E_DENIED, "certificate refused: %s",
			     X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return e;
}

enum err pki_key_sha256(slice_t cert_pem, uint8_t out[SHA256_LEN], struct diag *d)
{
	X509 *x = read_cert(cert_pem);
	unsigned char *der = NULL;
	int n;

	if (x == NULL)
		return openssl_failed(d, "reading a certificate");
	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	invariant(n > 0);
	sha256(slice(der, (size_t)n), out);
	OPENSSL_free(der);
	X509_free(x);
	return E_OK;
}

enum err pki_verify(slice_t ca_cert_pem, slice_t cert_pem, struct diag *d)
{
	X509 *ca = read_cert(ca_cert_pem), *x = read_cert(cert_pem);
	enum err e;

	if (ca == NULL || x == NULL)
		e = openssl_failed(d, "reading a certificate");
	else
		e = verify_chain(ca, x, d);
	X509_free(ca);
	X509_free(x);
	return e;
}

/* Which certificate a client gets, by the name that it asks for. Who presents what is seen by the
 * common name, by a client that believes all of them. */
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/common/net/net_lib.h"

static struct tls_config config_of(const struct pem *p)
{
	return (struct tls_config){
		.profile = TLS_PUBLIC_SERVER, .cert_pem = p->cert, .key_pem = p->key};
}

static void add(struct tls_ctx *c, const char *cn, const char *names)
{
	struct pem p;
	struct tls_config conf;
	struct diag d = {""};

	net_pki_site(&p, cn, names);
	conf = config_of(&p);
	CHECK_ERR(tls_ctx_add(c, &conf, &d), E_OK);
	CHECK_STR(d.text, "");
}

static struct tls_ctx *server(const char *cn, const char *names)
{
	struct pem p;

	net_pki_site(&p, cn, names);
	return net_pki_ctx(TLS_PUBLIC_SERVER, &p, NULL);
}

/* A blocking client on a thread, for names that ours would not send. */
struct asker {
	int fd;
	const char *name; /* NULL: none */
	char cn[64];
	pthread_t thread;
};

static void *ask_main(void *arg)
{
	struct asker *a = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);

	SSL_set_fd(ssl, a->fd);
	if (a->name != NULL)
		invariant(SSL_set_tlsext_host_name(ssl, (char *)(uintptr_t)a->name) == 1);
	if (SSL_connect(ssl) == 1)
		X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(ssl)),
					  NID_commonName, a->cn, sizeof a->cn);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(a->fd);
	return NULL;
}

WAITS static void check_gets(struct tls_ctx *c, const char *name, const char *cn)
{
	struct asker a = {.name = name};
	struct stream *s;

	check_note("%s", name != NULL ? name : "no name");
	a.fd = net_raw_pair(NULL, &s);
	invariant(pthread_create(&a.thread, NULL, ask_main, &a) == 0);
	CHECK_ERR(stream_tls_server(s, c, deadline_in(SOON)), E_OK);
	pthread_join(a.thread, NULL);
	stream_close(&s, CLOSE_DONE);
	CHECK_STR(a.cn, cn);
}

TEST_FIBER(the_name_that_is_asked_for_chooses)
{
	struct tls_ctx *c = server("first", "DNS:mail.example.org,DNS:*.wild.example");

	check_gets(c, "b.example", "first");
	add(c, "second", "DNS:a.example,DNS:B.Example,IP:192.0.2.1");
	add(c, "third", "DNS:*.a.example,DNS:a.example,DNS:mta-sts.wild.example");
	check_gets(c, "mail.example.org", "first");
	check_gets(c, "a.example", "second");
	check_gets(c, "b.example", "second");
	check_gets(c, "A.EXAMPLE", "second");
	check_gets(c, "mta-sts.a.example", "third");
	/* A wildcard is one label, and no part of one; what is written out comes before it. */
	check_gets(c, "x.mta-sts.a.example", "first");
	check_gets(c, "xa.example", "first");
	check_gets(c, "any.wild.example", "first");
	check_gets(c, "mta-sts.wild.example", "third");
	tls_ctx_unref(&c);
}

TEST_FIBER(who_asks_for_nobody_gets_the_first)
{
	char longest[254];
	struct tls_ctx *c = server("first", "DNS:mail.example.org");

	memset(longest, 'x', sizeof longest);
	memcpy(longest + sizeof longest - sizeof ".a.example", ".a.example", sizeof ".a.example");
	add(c, "second", "DNS:a.example,DNS:*.a.example");
	check_gets(c, NULL, "first");
	check_gets(c, "unknown.example", "first");
	check_gets(c, "example", "first");
	check_gets(c, ".a.example", "second");
	check_gets(c, "..", "first");
	check_gets(c, longest, "second");
	tls_ctx_unref(&c);
}

/* One character more is no name. */
TEST_FIBER(a_name_that_is_too_long)
{
	char name[255];
	struct tls_ctx *c = server("first", "DNS:mail.example.org");

	memset(name, 'x', sizeof name);
	memcpy(name + sizeof name - sizeof ".a.example", ".a.example", sizeof ".a.example");
	add(c, "second", "DNS:*.a.example");
	check_gets(c, name, "first");
	tls_ctx_unref(&c);
}

TEST(what_cannot_be_added)
{
	struct pem nameless, site, other;
	struct tls_ctx *c = server("first", "DNS:mail.example.org");
	struct tls_config conf;
	struct diag d = {""};

	net_pki_ca(&nameless, "a.example");
	net_pki_site(&site, "site", "DNS:a.example");
	net_pki_site(&other, "other", "DNS:b.example");
	conf = config_of(&nameless);
	CHECK_ERR(tls_ctx_add(c, &conf, &d), E_INVALID);
	CHECK_STR(d.text, "certificate: it has no DNS name to be chosen by");
	conf = config_of(&site);
	conf.key_pem = other.key;
	CHECK_ERR(tls_ctx_add(c, &conf, &d), E_INVALID);
	CHECK_STR(d.text, "private key: key values mismatch");
	conf.key_pem = site.key;
	for (int i = 1; i < TLS_CERTS_MAX; i++)
		CHECK_ERR(tls_ctx_add(c, &conf, &d), E_OK);
	CHECK_ERR(tls_ctx_add(c, &conf, &d), E_LIMIT);
	tls_ctx_unref(&c);
}

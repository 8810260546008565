/*
 * OpenSSL between a stream's socket and its windows, without memory BIOs: the BIO below reads
 * cipher text straight from the slice that libuv handed over, and writes it into the scratch
 * buffer that all streams of the loop share. An idle connection therefore keeps OpenSSL's own
 * state and nothing else; its record buffers are released when empty (SSL_MODE_RELEASE_BUFFERS).
 *
 * Everything here that calls OpenSSL runs on the loop's stack, whole: the BIO is valid only
 * between enter() and leave().
 *
 * Input stops when the window is full. Cipher text that was read but not yet used then waits in
 * `left` (less than one read, see on_alloc in stream.c), what is decrypted but not yet taken
 * waits in OpenSSL's record buffer.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "common/net/net_priv.h"
#include "common/net/tls_priv.h"

/* Cipher text that a handshake may take: the largest chain accepted, and the rest. */
#define HANDSHAKE_BYTES_MAX (96 * 1024)
#define SERIAL_MAX          TLS_SERIAL_STR
#define NAME_MAX_BYTES      256 /* of a peer's CN; longer is none */
#define EXPORTER_BYTES      32  /* RFC 9266 2 */

static const char exporter_label[] = "EXPORTER-Channel-Binding";

struct tls_facts_own {
	struct tls_facts facts;
	unsigned char *name; /* OpenSSL's memory, or NULL */
	char serial[SERIAL_MAX];
	unsigned char exporter[EXPORTER_BYTES];
};

struct tls_conn {
	SSL *ssl;
	struct tls_ctx *ctx;
	struct stream *s;
	slice_t rd;      /* cipher text being consumed; between enter() and leave() */
	struct buf left; /* cipher text that waits for room in the window */
	size_t handshake_bytes;
	bool ready, begun, said_bye;
	struct tls_checked *checked; /* a demand on the peer, or NULL */
	struct tls_facts_own *facts; /* made by the first stream_tls() */
};

/* ---- the BIO ---- */

static int bio_read(BIO *b, char *to, size_t want, size_t *got)
{
	struct tls_conn *c = BIO_get_data(b);
	size_t n = MIN(want, c->rd.n);

	BIO_clear_retry_flags(b);
	*got = n;
	if (n == 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	memcpy(to, c->rd.p, n);
	c->rd = slice_from(c->rd, n);
	return 1;
}

static void send_scratch(struct tls_conn *c)
{
	struct net_scratch *scratch = net_scratch();

	stream_send(c->s, slice(scratch->out, scratch->out_n));
	scratch->out_n = 0;
}

static int bio_write(BIO *b, const char *from, size_t n, size_t *written)
{
	struct tls_conn *c = BIO_get_data(b);
	struct net_scratch *scratch = net_scratch();

	BIO_clear_retry_flags(b);
	if (n > sizeof scratch->out - scratch->out_n)
		send_scratch(c);
	n = MIN(n, sizeof scratch->out - scratch->out_n);
	memcpy(scratch->out + scratch->out_n, from, n);
	scratch->out_n += n;
	*written = n;
	return 1;
}

static long bio_ctrl(BIO *b UNUSED, int cmd, long num UNUSED, void *ptr UNUSED)
{
	return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
	invariant(bio_method != NULL);
	BIO_meth_set_read_ex(bio_method, bio_read);
	BIO_meth_set_write_ex(bio_method, bio_write);
	BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

/* ---- life ---- */

static bool is_server(const struct tls_ctx *ctx)
{
	return ctx->profile == TLS_PUBLIC_SERVER || ctx->profile == TLS_CLUSTER_SERVER;
}

static struct tls_conn *conn_new(struct stream *s, struct tls_ctx *ctx, const char *name,
				 const struct tls_peer_check *check)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct tls_conn *c = xcalloc(1, sizeof *c);
	BIO *b;

	pthread_once(&once, make_bio_method);
	ERR_clear_error();
	c->s = s;
	c->ctx = ctx;
	tls_ctx_ref(ctx);
	buf_init(&c->left, SIZE_MAX / 4, s->budget); /* bounded by one read */
	c->ssl = SSL_new(ctx->ssl_ctx);
	b = BIO_new(bio_method);
	invariant(c->ssl != NULL && b != NULL);
	BIO_set_data(b, c);
	BIO_set_init(b, 1);
	SSL_set_bio(c->ssl, b, b);
	if (is_server(ctx))
		SSL_set_accept_state(c->ssl);
	else
		SSL_set_connect_state(c->ssl);
	if (name != NULL && !SSL_set_tlsext_host_name(c->ssl, (char *)(uintptr_t)name))
		ERR_clear_error(); /* too long to be sent: then without */
	if (check != NULL)
		c->checked = tls_check_begin(c->ssl, check);
	return c;
}

void tls_conn_free(struct tls_conn **cp)
{
	struct tls_conn *c = *cp;

	if (c == NULL)
		return;
	SSL_free(c->ssl);
	tls_ctx_unref(&c->ctx);
	xfree(&c->checked);
	buf_fini(&c->left);
	if (c->facts != NULL)
		OPENSSL_free(c->facts->name);
	xfree(&c->facts);
	xfree(cp);
}

bool tls_conn_ready(const struct tls_conn *c)
{
	return c->ready;
}

bool tls_conn_pending(const struct tls_conn *c)
{
	return c->left.n > 0 || SSL_pending(c->ssl) > 0;
}

static void enter(struct tls_conn *c, slice_t cipher)
{
	invariant(fiber_self() == NULL && net_scratch()->out_n == 0);
	ERR_clear_error();
	c->rd = cipher;
}

/* Sends what OpenSSL had to say. */
static void leave(struct tls_conn *c)
{
	c->rd = SLICE_NONE;
	if (net_scratch()->out_n > 0)
		send_scratch(c);
}

static void fail(struct tls_conn *c, enum err e, const char *why)
{
	struct stream *s = c->s;

	stream_set_why(s, why);
	send_scratch(c); /* the alert */
	stream_end_output(s, e);
	stream_end_input(s, e);
}

static void fail_tls(struct tls_conn *c)
{
	long verify = SSL_get_verify_mode(c->ssl) == SSL_VERIFY_NONE
			      ? X509_V_OK
			      : SSL_get_verify_result(c->ssl);
	struct diag why;

	tls_error_text(&why);
	if (!c->ready && c->checked != NULL && c->checked->why.text[0] != '\0')
		why = c->checked->why;
	else if (!c->ready && verify != X509_V_OK)
		(void)diag_set(&why, E_TLS, "%s", X509_verify_cert_error_string(verify));
	fail(c, E_TLS, why.text);
}

/* ---- input ---- */

static void do_handshake(struct tls_conn *c)
{
	int rc = SSL_do_handshake(c->ssl);

	if (rc == 1) {
		c->ready = true;
		stream_wake_reader(c->s);
	} else if (SSL_get_error(c->ssl, rc) != SSL_ERROR_WANT_READ) {
		fail_tls(c);
	} else if (c->handshake_bytes > HANDSHAKE_BYTES_MAX) {
		fail(c, E_LIMIT, "too many bytes for a handshake");
	}
}

/* Decrypts into the window until it is full or nothing is left. */
static void fill_window(struct tls_conn *c)
{
	struct stream *s = c->s;
	bool some = false;

	while (s->in_err == E_OK) {
		size_t room = stream_room(s);
		size_t pending = (size_t)SSL_pending(c->ssl);
		size_t want = MIN(room, pending != 0 ? pending : c->rd.n);
		size_t n = 0;
		char *to;
		int rc;

		if (want == 0)
			break;
		to = stream_window_reserve(s, want);
		if (to == NULL) {
			fail(c, E_LIMIT, "the memory budget is used up");
			break;
		}
		rc = SSL_read_ex(c->ssl, to, want, &n);
		if (rc == 1) {
			buf_commit(&s->in, n);
			some = true;
			continue;
		}
		rc = SSL_get_error(c->ssl, rc);
		if (rc == SSL_ERROR_ZERO_RETURN)
			stream_end_input(s, E_CLOSED);
		else if (rc != SSL_ERROR_WANT_READ)
			fail_tls(c);
		else
			break;
	}
	if (s->in.n == 0)
		buf_trim(&s->in);
	if (some)
		stream_wake_reader(s);
}

static void pump(struct tls_conn *c)
{
	if (!c->ready)
		do_handshake(c);
	if (c->ready)
		fill_window(c);
}

void tls_conn_input(struct stream *s, slice_t cipher)
{
	struct tls_conn *c = s->tls;

	if (!c->ready)
		c->handshake_bytes += cipher.n;
	enter(c, cipher);
	pump(c);
	if (s->in_err == E_OK && c->rd.n > 0) {
		buf_put(&c->left, c->rd);
		if (buf_failed(&c->left))
			fail(c, E_LIMIT, "the memory budget is used up");
	}
	leave(c);
}

void tls_conn_continue(struct stream *s)
{
	struct tls_conn *c = s->tls;

	if (c->begun && !tls_conn_pending(c))
		return;
	c->begun = true;
	enter(c, buf_slice(&c->left));
	pump(c);
	buf_drop(&c->left, c->left.n - c->rd.n);
	buf_trim(&c->left);
	leave(c);
}

/* ---- output ---- */

size_t tls_conn_output(struct stream *s, slice_t plain)
{
	struct tls_conn *c = s->tls;
	size_t done = 0;

	enter(c, SLICE_NONE);
	while (done < plain.n && s->out_err == E_OK && s->inflight == 0) {
		size_t n = 0;

		if (SSL_write_ex(c->ssl, plain.p + done, MIN(plain.n - done, TLS_RECORD_MAX), &n) !=
		    1) {
			fail_tls(c);
			break;
		}
		done += n;
		if (sizeof net_scratch()->out - net_scratch()->out_n <
		    TLS_RECORD_MAX + TLS_RECORD_OVER)
			send_scratch(c);
	}
	leave(c);
	return done;
}

bool tls_conn_bye(struct stream *s)
{
	struct tls_conn *c = s->tls;

	if (c->said_bye)
		return false;
	c->said_bye = true;
	enter(c, SLICE_NONE);
	SSL_shutdown(c->ssl);
	leave(c);
	return true;
}

/* ---- handshakes ---- */

WAITS static enum err handshake(struct stream *s, struct tls_ctx *ctx, const char *name,
				const struct tls_peer_check *check, int64_t deadline_ms)
{
	enum err e;

	/* What comes from now on is cipher text and stays in the kernel until we are ready. */
	stream_read_stop(s);
	s->read_wanted = false;
	if (s->tls != NULL || s->in.n != s->in_off)
		return E_INVALID;
	if (s->in_err != E_OK)
		return s->in_err;
	e = stream_flush(s, deadline_ms);
	if (e != E_OK)
		return e;
	s->tls = conn_new(s, ctx, name, check);
	s->tls->begun = is_server(ctx);
	s->read_wanted = true;
	loop_at_turn_end(&s->hook);
	while (!s->tls->ready && s->in_err == E_OK) {
		stream_wait_begin(s);
		e = event_wait(&s->readable, "tls.handshake", deadline_ms);
		if (stream_wait_end(s))
			return E_CLOSED;
		if (e != E_OK)
			return e;
	}
	return s->tls->ready ? E_OK : s->in_err;
}

WAITS enum err stream_tls_server(struct stream *s, struct tls_ctx *ctx, int64_t deadline_ms)
{
	invariant(is_server(ctx));
	return handshake(s, ctx, NULL, NULL, deadline_ms);
}

WAITS enum err stream_tls_client(struct stream *s, struct tls_ctx *ctx, const char *name,
				 int64_t deadline_ms)
{
	invariant(!is_server(ctx));
	return handshake(s, ctx, name, NULL, deadline_ms);
}

WAITS enum err stream_tls_client_checked(struct stream *s, struct tls_ctx *ctx, const char *name,
					 const struct tls_peer_check *check, int64_t deadline_ms)
{
	invariant(ctx->profile == TLS_PUBLIC_CLIENT);
	return handshake(s, ctx, name, check, deadline_ms);
}

/* ---- facts ---- */

/* The subject's one CN; a second one, or a NUL inside, makes it no name at all. */
static slice_t common_name(const X509 *cert, unsigned char **own)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	int n;

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return SLICE_NONE;
	n = ASN1_STRING_to_UTF8(own, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (n <= 0 || n > NAME_MAX_BYTES || memchr(*own, 0, (size_t)n) != NULL)
		return SLICE_NONE;
	return slice(*own, (size_t)n);
}

/* RFC 9266 1: TLS 1.2 has a safe exporter only with the extended master secret. */
static bool has_exporter(SSL *ssl)
{
	return SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1;
}

/* RFC 5280 4.1.2.5; a date that no calendar has is 0. */
static int64_t seconds_of(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void learn_peer(struct tls_conn *c, struct tls_facts_own *own)
{
	X509 *cert;

	if (SSL_get_verify_mode(c->ssl) == SSL_VERIFY_NONE ||
	    SSL_get_verify_result(c->ssl) != X509_V_OK)
		return;
	cert = SSL_get0_peer_certificate(c->ssl);
	if (cert == NULL)
		return;
	own->facts.peer_name = common_name(cert, &own->name);
	if (tls_serial(cert, own->serial))
		own->facts.peer_serial = slice_str(own->serial);
	own->facts.peer_from_s = seconds_of(X509_get0_notBefore(cert));
	own->facts.peer_until_s = seconds_of(X509_get0_notAfter(cert));
}

const struct tls_facts *stream_tls(const struct stream *s)
{
	struct tls_conn *c = s->tls;
	struct tls_facts_own *own;
	const char *group;

	if (c == NULL || !c->ready)
		return NULL;
	if (c->facts != NULL)
		return &c->facts->facts;
	own = c->facts = xcalloc(1, sizeof *own);
	ERR_clear_error();
	group = SSL_group_to_name(c->ssl, (int)SSL_get_negotiated_group(c->ssl));
	own->facts.version = SSL_get_version(c->ssl);
	own->facts.cipher = SSL_get_cipher_name(c->ssl);
	own->facts.group = group != NULL ? group : "";
	own->facts.verified = tls_check_result(c->ssl, c->checked);
	learn_peer(c, own);
	if (has_exporter(c->ssl) &&
	    SSL_export_keying_material(c->ssl, own->exporter, EXPORTER_BYTES, exporter_label,
				       sizeof exporter_label - 1, NULL, 0, 0) == 1)
		own->facts.exporter = slice(own->exporter, EXPORTER_BYTES);
	return &own->facts;
}

enum tls_fault stream_tls_fault(const struct stream *s, struct diag *words)
{
	const struct tls_conn *c = s->tls;

	if (c == NULL || c->checked == NULL)
		return TLS_FAULT_NONE;
	if (words != NULL && c->checked->fault != TLS_FAULT_NONE)
		*words = c->checked->why;
	return c->checked->fault;
}

bool stream_tls_names(const struct stream *s, slice_t host, enum tls_naming how)
{
	X509 *own = s->tls != NULL ? SSL_get_certificate(s->tls->ssl) : NULL;
	unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

	if (how == TLS_NAMED)
		flags |= X509_CHECK_FLAG_NO_WILDCARDS;
	return own != NULL && host.n != 0 && X509_check_host(own, host.p, host.n, flags, NULL) == 1;
}

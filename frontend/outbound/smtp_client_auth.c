/*
 * AUTH (RFC 4954), only under TLS. SCRAM-SHA-256 (RFC 7677) where it is offered: it shows nothing
 * of the password, and proves that the peer knows it. Else PLAIN (RFC 4616); LOGIN for the few
 * that have nothing else. Where GSSAPI (RFC 4752) is demanded, it is that or nothing.
 *
 * A refused log-in is our configuration's fault, not the message's: always LATER.
 */
#include "common/base/codec.h"
#include "common/base/num.h"
#include "common/crypto/random.h"
#include "common/crypto/scram.h"
#include "common/crypto/secret.h"
#include "common/loop/fiber.h"
#include "common/loop/work.h"
#include "frontend/outbound/smtp_client_priv.h"

#define AUTH_LINE_MAX 12288 /* RFC 4954 section 4 */
#define NONCE_BYTES   18
#define TICKET_STEPS  3 /* of Kerberos: the ticket; that its proof is good; the layer */

static enum err give_up(struct smtp_client *c, struct smtp_result *why, const char *words)
{
	smtp_result_own(why, SMTP_AT_AUTH, SMTP_LATER, "4.7.0", "%s", words);
	smtp_client_leave(c);
	return E_CLOSED;
}

static enum err auth_refused(struct smtp_client *c, const struct smtp_answer *a,
			     struct smtp_result *why)
{
	enum err e = smtp_client_refused(c, SMTP_AT_AUTH, a, why);

	smtp_result_soften(why);
	return e;
}

/* Says `before` and the secret in base64; both are wiped by whoever has them. */
WAITS static enum err say(struct smtp_client *c, const char *before, slice_t clear,
			  struct smtp_answer *a, struct smtp_result *why)
{
	struct buf line;
	enum err e;

	buf_init(&line, AUTH_LINE_MAX, NULL);
	/* At once, so that no growth leaves a copy behind. */
	if (buf_reserve(&line, MIN(strlen(before) + 2 * clear.n + 8, (size_t)AUTH_LINE_MAX)) ==
	    NULL)
		return give_up(c, why, "name or password is too long");
	buf_puts(&line, before);
	base64_encode(&line, clear);
	buf_puts(&line, "\r\n");
	if (buf_failed(&line))
		e = give_up(c, why, "name or password is too long");
	else
		e = smtp_client_ask(c, SMTP_AT_AUTH, buf_slice(&line), c->wait->hello_ms, a, why);
	secret_wipe_buf(&line);
	buf_fini(&line);
	return e;
}

/* The last answer of an exchange. */
static enum err verdict(struct smtp_client *c, const struct smtp_answer *a, struct smtp_result *why)
{
	return a->code == 235 ? E_OK : auth_refused(c, a, why);
}

/* ---- PLAIN and LOGIN ---- */

WAITS static enum err auth_plain(struct smtp_client *c, struct smtp_result *why)
{
	const struct smtp_client_opts *o = c->opts;
	struct smtp_answer a;
	struct buf clear;
	enum err e;

	buf_init(&clear, AUTH_LINE_MAX, NULL);
	if (buf_reserve(&clear, MIN(o->user.n + o->password.n + 2, (size_t)AUTH_LINE_MAX)) == NULL)
		return give_up(c, why, "name or password is too long");
	buf_putc(&clear, '\0');
	buf_put(&clear, o->user);
	buf_putc(&clear, '\0');
	buf_put(&clear, o->password);
	if (buf_failed(&clear))
		e = give_up(c, why, "name or password is too long");
	else
		e = say(c, "AUTH PLAIN ", buf_slice(&clear), &a, why);
	secret_wipe_buf(&clear);
	buf_fini(&clear);
	return e == E_OK ? verdict(c, &a, why) : e;
}

WAITS static enum err auth_login(struct smtp_client *c, struct smtp_result *why)
{
	struct smtp_answer a;
	enum err e = say(c, "AUTH LOGIN ", c->opts->user, &a, why);

	if (e == E_OK && a.code == 334)
		e = say(c, "", c->opts->password, &a, why);
	return e == E_OK ? verdict(c, &a, why) : e;
}

/* ---- SCRAM-SHA-256 ---- */

struct scram {
	char nonce[2 * NONCE_BYTES + 1];
	struct buf first; /* client-first-message, with its GS2 header */
	struct buf heard; /* the peer's last challenge, decoded */
	struct buf final; /* client-final-message */
	struct buf both;  /* AuthMessage */
	slice_t password;
	struct buf salt;
	uint32_t iterations;
	uint8_t proof[SCRAM_KEY_LEN], signature[SCRAM_KEY_LEN];
	enum err result;
};

static void scram_init(struct scram *x, slice_t user, slice_t password)
{
	uint8_t random[NONCE_BYTES];
	struct buf hex;

	*x = (struct scram){.password = password};
	buf_init(&x->first, AUTH_LINE_MAX, NULL);
	buf_init(&x->heard, AUTH_LINE_MAX, NULL);
	buf_init(&x->final, AUTH_LINE_MAX, NULL);
	buf_init(&x->both, 3 * AUTH_LINE_MAX, NULL);
	buf_init(&x->salt, SCRAM_SALT_MAX, NULL);
	random_bytes(random, sizeof random);
	buf_init(&hex, sizeof x->nonce, NULL);
	hex_encode(&hex, slice(random, sizeof random));
	invariant(slice_to_str(buf_slice(&hex), x->nonce, sizeof x->nonce));
	buf_fini(&hex);
	buf_puts(&x->first, "n,,n=");
	for (size_t i = 0; i < user.n; i++) {
		/* saslname (RFC 5802 section 5.1) */
		if (user.p[i] == ',')
			buf_puts(&x->first, "=2C");
		else if (user.p[i] == '=')
			buf_puts(&x->first, "=3D");
		else
			buf_putc(&x->first, user.p[i]);
	}
	buf_puts(&x->first, ",r=");
	buf_puts(&x->first, x->nonce);
}

static void scram_fini(struct scram *x)
{
	secret_wipe(x->proof, sizeof x->proof);
	secret_wipe(x->signature, sizeof x->signature);
	buf_fini(&x->first);
	buf_fini(&x->heard);
	buf_fini(&x->final);
	buf_fini(&x->both);
	buf_fini(&x->salt);
}

/* What an answer of 334 carries. */
static bool take_challenge(struct scram *x, const struct smtp_answer *a)
{
	buf_reset(&x->heard);
	return a->code == 334 && a->text_n < SMTP_TEXT_MAX &&
	       base64_decode(&x->heard, slice(a->text, a->text_n));
}

/* server-first-message = "r=" nonce ",s=" salt ",i=" iterations (RFC 5802 section 7); makes
 * client-final-message without its proof of it, and AuthMessage. */
static bool read_first(struct scram *x)
{
	slice_t s = buf_slice(&x->heard), nonce;
	size_t salt = slice_find(s, SL(",s=")), iter = slice_find(s, SL(",i="));
	uint64_t n;

	if (!slice_starts(s, SL("r=")) || salt >= iter || iter == s.n)
		return false;
	nonce = slice_sub(s, 2, salt - 2);
	/* A cost below the RFC's least would make the password cheap to guess from the proof. */
	if (!slice_starts(nonce, slice_str(x->nonce)) || nonce.n == strlen(x->nonce) ||
	    !num_parse(slice_from(s, iter + 3), SCRAM_ITER_MAX, &n) || n < SCRAM_ITER_MIN ||
	    !base64_decode(&x->salt, slice_sub(s, salt + 3, iter - salt - 3)))
		return false;
	x->iterations = (uint32_t)n;
	buf_puts(&x->final, "c=biws,r=");
	buf_put(&x->final, nonce);
	buf_put(&x->both, slice_from(buf_slice(&x->first), strlen("n,,")));
	buf_puts(&x->both, ",");
	buf_put(&x->both, s);
	buf_puts(&x->both, ",");
	buf_put(&x->both, buf_slice(&x->final));
	return !buf_failed(&x->both) && !buf_failed(&x->final);
}

/* As much arithmetic as the peer asks for: on a thread of the pool. */
static void scram_compute(void *arg)
{
	struct scram *x = arg;

	x->result = scram_client_proof(x->password, buf_slice(&x->salt), x->iterations,
				       buf_slice(&x->both), x->proof, x->signature);
}

static bool is_signature(const struct scram *x)
{
	slice_t s = buf_slice(&x->heard);
	struct buf sig;
	bool ok;

	buf_init(&sig, 2 * SCRAM_KEY_LEN, NULL);
	ok = slice_starts(s, SL("v=")) && base64_decode(&sig, slice_from(s, 2)) &&
	     secret_eq(buf_slice(&sig), slice(x->signature, SCRAM_KEY_LEN));
	buf_fini(&sig);
	return ok;
}

WAITS static enum err scram_exchange(struct smtp_client *c, struct scram *x, struct smtp_answer *a,
				     struct smtp_result *why)
{
	enum err e = say(c, "AUTH SCRAM-SHA-256 ", buf_slice(&x->first), a, why);

	if (e != E_OK)
		return e;
	if (a->code != 334)
		return auth_refused(c, a, why);
	if (!take_challenge(x, a) || !read_first(x))
		return give_up(c, why, "the host's challenge cannot be used");
	if (work_run("smtp_client.scram", scram_compute, x) != E_OK || x->result != E_OK)
		return give_up(c, why, "the log-in cannot be computed now");
	buf_puts(&x->final, ",p=");
	base64_encode(&x->final, slice(x->proof, sizeof x->proof));
	e = say(c, "", buf_slice(&x->final), a, why);
	if (e != E_OK)
		return e;
	if (a->code != 334)
		return auth_refused(c, a, why); /* 235 without a signature: it does not know us */
	if (!take_challenge(x, a) || !is_signature(x))
		return give_up(c, why, "the host does not know our password");
	return smtp_client_ask(c, SMTP_AT_AUTH, SL("\r\n"), c->wait->hello_ms, a, why);
}

WAITS static enum err auth_scram(struct smtp_client *c, struct smtp_result *why)
{
	struct smtp_answer a;
	struct scram x;
	enum err e;

	scram_init(&x, c->opts->user, c->opts->password);
	e = scram_exchange(c, &x, &a, why);
	scram_fini(&x);
	return e == E_OK ? verdict(c, &a, why) : e;
}

/* ---- GSSAPI ---- */

/* The next thing to say, from whoever has the ticket. */
WAITS static enum err ticket_step(struct smtp_client *c, slice_t challenge, struct buf *token,
				  bool *done, struct smtp_result *why)
{
	const struct smtp_gssapi *g = c->opts->gssapi;
	struct diag d = {""};
	enum err e;

	buf_reset(token);
	e = g->step(g->arg, challenge, token, done, &d);
	if (e == E_CANCELLED)
		return smtp_client_lost(c, SMTP_AT_AUTH, e, why);
	if (e == E_OK && !buf_failed(token))
		return E_OK;
	smtp_result_own(why, SMTP_AT_AUTH, SMTP_LATER, "4.7.0", "GSSAPI: %s",
			e == E_OK           ? "a token that is too long"
			: d.text[0] != '\0' ? d.text
					    : "no answer of the back-end");
	smtp_client_leave(c);
	return E_CLOSED;
}

WAITS static enum err ticket_exchange(struct smtp_client *c, struct buf *heard, struct buf *token,
				      struct smtp_answer *a, struct smtp_result *why)
{
	bool done = false;
	enum err e = ticket_step(c, SLICE_NONE, token, &done, why);

	for (unsigned i = 1; e == E_OK; i++) {
		e = say(c, i == 1 ? "AUTH GSSAPI " : "", buf_slice(token), a, why);
		if (e != E_OK || a->code != 334)
			break;
		buf_reset(heard);
		if (done || i == TICKET_STEPS)
			return give_up(c, why, "GSSAPI: the host finds no end");
		if (a->text_n >= SMTP_TEXT_MAX || a->text_n == 0 ||
		    !base64_decode(heard, slice(a->text, a->text_n)))
			return give_up(c, why, "GSSAPI: the host's challenge cannot be used");
		e = ticket_step(c, buf_slice(heard), token, &done, why);
	}
	if (e == E_OK && a->code == 235 && !done)
		return give_up(c, why, "GSSAPI: the host has not proven who it is");
	return e;
}

WAITS static enum err auth_gssapi(struct smtp_client *c, struct smtp_result *why)
{
	struct smtp_answer a;
	struct buf heard, token;
	enum err e;

	if ((c->offer.mechs & SMTP_MECH_GSSAPI) == 0)
		return give_up(c, why, "the host does not offer GSSAPI");
	buf_init(&heard, SMTP_TEXT_MAX, NULL);
	buf_init(&token, SMTP_TOKEN_MAX, NULL);
	e = ticket_exchange(c, &heard, &token, &a, why);
	secret_wipe_buf(&token);
	buf_fini(&heard);
	buf_fini(&token);
	return e == E_OK ? verdict(c, &a, why) : e;
}

WAITS enum err smtp_client_auth(struct smtp_client *c, struct smtp_result *why)
{
	uint32_t mechs = c->offer.mechs;

	if (!stream_is_tls(c->s))
		return give_up(c, why, "a log-in needs TLS");
	if (c->opts->gssapi != NULL)
		return auth_gssapi(c, why);
	if (mechs & SMTP_MECH_SCRAM_SHA_256)
		return auth_scram(c, why);
	if (mechs & SMTP_MECH_PLAIN)
		return auth_plain(c, why);
	if (mechs & SMTP_MECH_LOGIN)
		return auth_login(c, why);
	return give_up(c, why, "the host offers no log-in that we know");
}

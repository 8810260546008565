#include "frontend/sasl/sasl.h"

#include "common/base/codec.h"
#include "common/crypto/secret.h"
#include "frontend/core/line.h"
#include "frontend/core/policy.h"
#include "frontend/core/servers.h"

/* The strongest first: simple clients take the first that they know. */
static const struct sasl_mech mechs[] = {
	{.name = "GSSAPI", .wire = "GSSAPI", .tickets = true},
	{.name = "SCRAM-SHA-256-PLUS", .wire = "SCRAM-SHA-256-PLUS", .binding = true},
	{.name = "SCRAM-SHA-256", .wire = "SCRAM-SHA-256"},
	{.name = "PLAIN", .wire = "PLAIN", .clear = true},
	{.name = "LOGIN", .wire = "PLAIN", .clear = true, .prompts = true},
};

bool sasl_offered(const struct sasl_mech *m, const struct stream *s, const struct server *sv)
{
	const struct tls_facts *f = stream_is_tls(s) ? stream_tls(s) : NULL;

	if (f == NULL || !server_offers(sv, m->name))
		return false;
	if (m->binding)
		return f->exporter.n > 0 && strcmp(f->version, "TLSv1.3") == 0;
	if (m->tickets)
		return policy()->auth_gssapi;
	return !m->clear || policy()->auth_plain;
}

const struct sasl_mech *sasl_find(slice_t name, const struct stream *s, const struct server *sv)
{
	for (size_t i = 0; i < ARRAY_LEN(mechs); i++) {
		if (slice_ieq(name, slice_str(mechs[i].name)))
			return sasl_offered(&mechs[i], s, sv) ? &mechs[i] : NULL;
	}
	return NULL;
}

void sasl_list(struct buf *out, const char *before, const struct stream *s, const struct server *sv)
{
	for (size_t i = 0; i < ARRAY_LEN(mechs); i++) {
		if (!sasl_offered(&mechs[i], s, sv))
			continue;
		buf_puts(out, before);
		buf_puts(out, mechs[i].name);
	}
}

struct exchange {
	const struct sasl_mech *mech;
	const struct sasl_io *io;
	struct buf response; /* decoded; wiped */
	struct sasl_answer answer;
};

/* Appends the bytes of a client's line, and wipes it. */
static enum err decode(struct buf *out, slice_t base64)
{
	bool ok = base64.n == 0 || slice_eq(base64, SL("=")) || base64_decode(out, base64);

	line_wipe(base64);
	if (ok)
		return E_OK;
	return buf_failed(out) ? E_TOO_BIG : E_INVALID;
}

/* Sends a challenge and appends the response. */
static WAITS enum err prompt(struct exchange *x, slice_t challenge)
{
	struct buf b64;
	slice_t line;
	enum err e;

	buf_init(&b64, SASL_RESPONSE_MAX * 2, x->response.budget);
	base64_encode(&b64, challenge);
	e = buf_failed(&b64) ? E_RETRY : x->io->challenge(x->io->arg, buf_slice(&b64));
	buf_fini(&b64);
	if (e == E_OK)
		e = x->io->response(x->io->arg, &line);
	if (e != E_OK)
		return e == E_LIMIT ? E_TOO_BIG : e;
	if (slice_eq(line, SL("*")))
		return E_INVALID;
	return decode(&x->response, line);
}

/* LOGIN: name, password, made into PLAIN's message. */
static WAITS enum err prompt_login(struct exchange *x, const slice_t *initial)
{
	enum err e;

	buf_putc(&x->response, '\0');
	e = initial != NULL ? decode(&x->response, *initial) : prompt(x, SL("Username:"));
	if (e != E_OK)
		return e;
	if (x->response.n == 1 || memchr(x->response.p + 1, '\0', x->response.n - 1) != NULL)
		return E_INVALID;
	buf_putc(&x->response, '\0');
	e = prompt(x, SL("Password:"));
	/* A NUL inside the password would make another message of it: the owner refuses that. */
	return e == E_OK && buf_failed(&x->response) ? E_TOO_BIG : e;
}

enum err sasl_plain(struct buf *out, slice_t name, slice_t password)
{
	if (name.n == 0 || memchr(name.p, '\0', name.n) != NULL ||
	    (password.n > 0 && memchr(password.p, '\0', password.n) != NULL))
		return E_INVALID;
	buf_putc(out, '\0');
	buf_put(out, name);
	buf_putc(out, '\0');
	buf_put(out, password);
	return buf_failed(out) ? E_TOO_BIG : E_OK;
}

/* The client's first message. All our mechanisms begin with the client; without an initial
 * response an empty challenge asks for it (RFC 4422 section 3). */
static WAITS enum err first_message(struct exchange *x, const slice_t *initial)
{
	if (x->mech->prompts)
		return prompt_login(x, initial);
	return initial != NULL ? decode(&x->response, *initial) : prompt(x, SLICE_NONE);
}

static WAITS enum err exchange_run(struct exchange *x, const slice_t *initial,
				   const struct sasl_ask *ask)
{
	enum err e = first_message(x, initial);

	if (e == E_OK)
		e = ask->start(ask->arg, x->mech->wire, buf_slice(&x->response), &x->answer);
	for (unsigned i = 0; e == E_OK; i++) {
		secret_wipe_buf(&x->response);
		if (x->answer.challenge.n == 0 && x->answer.ticket != NULL)
			return E_OK;
		if (i == SASL_STEPS_MAX)
			return E_INTERNAL;
		e = prompt(x, buf_slice(&x->answer.challenge));
		if (e != E_OK)
			break;
		if (x->answer.ticket != NULL) /* the client's empty answer to the last word */
			return x->response.n == 0 ? E_OK : E_INVALID;
		buf_reset(&x->answer.challenge);
		e = ask->step(ask->arg, buf_slice(&x->response), &x->answer);
	}
	return e;
}

WAITS enum err sasl_run(const struct sasl_mech *m, const slice_t *initial, const struct sasl_io *io,
			const struct sasl_ask *ask, struct budget *budget, struct ticket **out)
{
	struct exchange x = {.mech = m, .io = io};
	enum err e = E_LIMIT;

	*out = NULL;
	buf_init(&x.response, m->tickets ? SASL_TOKEN_MAX : SASL_RESPONSE_MAX, budget);
	buf_init(&x.answer.challenge, SASL_RESPONSE_MAX, budget);
	/* All at once: growing would leave copies of the secret behind. A token is none, and mostly
	 * a tenth of what it may be. */
	if (m->tickets || buf_reserve(&x.response, SASL_RESPONSE_MAX) != NULL)
		e = exchange_run(&x, initial, ask);
	else
		e = E_BUSY;
	secret_wipe_buf(&x.response);
	buf_fini(&x.response);
	secret_wipe_buf(&x.answer.challenge);
	buf_fini(&x.answer.challenge);
	if (e == E_OK) {
		*out = x.answer.ticket;
		x.answer.ticket = NULL;
	} else if (x.answer.ticket != NULL) {
		ticket_free(&x.answer.ticket);
	}
	return e;
}

#include "frontend/sasl/sasl.h"

#include "common/base/codec.h"
#include "common/loop/fiber.h"
#include "common/net/tls.h"
#include "frontend/core/policy.h"
#include "tests/lib/check.h"
#include "tests/lib/wire.h"

/* A client that answers with fixed lines, and an owner that plays a mechanism. */
struct play {
	const char *const *lines; /* base64, ends with NULL: the client is gone */
	char said[8][256];        /* challenges, base64 */
	size_t nsaid;
	slice_t expect[4];    /* what the owner wants to hear */
	slice_t challenge[4]; /* and says then */
	size_t turn, turns;   /* the ticket comes with the last */
	char wire[32];
	char line[SASL_LINE_MAX + 1];
};

static WAITS enum err on_challenge(void *arg, slice_t base64)
{
	struct play *p = arg;

	CHECK(p->nsaid < ARRAY_LEN(p->said));
	CHECK(slice_to_str(base64, p->said[p->nsaid++], sizeof p->said[0]));
	return E_OK;
}

static WAITS enum err on_response(void *arg, slice_t *out)
{
	struct play *p = arg;

	if (*p->lines == NULL)
		return E_CLOSED;
	CHECK(slice_to_str(slice_str(*p->lines++), p->line, sizeof p->line));
	*out = slice_str(p->line);
	return E_OK;
}

static enum err owner(struct play *p, slice_t in, struct sasl_answer *a)
{
	size_t i = p->turn++;

	if (i >= p->turns || !slice_eq(in, p->expect[i]))
		return E_DENIED;
	buf_put(&a->challenge, p->challenge[i]);
	if (p->turn == p->turns)
		a->ticket = ticket_new(SL("t"), 900, 0, SL("alice@example.org"));
	return E_OK;
}

static WAITS enum err on_start(void *arg, const char *mech, slice_t initial, struct sasl_answer *a)
{
	struct play *p = arg;

	CHECK(slice_to_str(slice_str(mech), p->wire, sizeof p->wire));
	return owner(p, initial, a);
}

static WAITS enum err on_step(void *arg, slice_t response, struct sasl_answer *a)
{
	return owner(arg, response, a);
}

static struct tls_ctx *contexts[2];

struct shake {
	struct wire *w;
};

static WAITS void client_main(void *arg)
{
	struct shake *h = arg;

	CHECK_ERR(stream_tls_client(h->w->client, contexts[1], NULL, deadline_in(WIRE_MS)), E_OK);
}

/* A stream under TLS, for what may be offered. */
static WAITS void open_tls(struct wire *w)
{
	struct shake h = {w};
	struct scope scope;

	policy_init("fe1");
	wire_open(w, NULL);
	contexts[0] = wire_server_tls();
	contexts[1] = wire_client_tls();
	scope_init(&scope);
	CHECK_ERR(scope_start(&scope, "client", client_main, &h), E_OK);
	CHECK_ERR(stream_tls_server(w->server, contexts[0], deadline_in(WIRE_MS)), E_OK);
	CHECK_ERR(scope_join(&scope, deadline_in(WIRE_MS)), E_OK);
}

static WAITS void close_tls(struct wire *w)
{
	wire_close(w);
	tls_ctx_unref(&contexts[0]);
	tls_ctx_unref(&contexts[1]);
}

static WAITS enum err run(struct play *p, const char *mech, const char *initial)
{
	struct sasl_io io = {.arg = p, .challenge = on_challenge, .response = on_response};
	struct sasl_ask ask = {.arg = p, .start = on_start, .step = on_step};
	const struct sasl_mech *m;
	char first[256];
	slice_t given;
	struct ticket *t;
	struct wire w;
	enum err e;

	open_tls(&w);
	m = sasl_find(slice_str(mech), w.server, NULL);
	invariant(m != NULL);
	if (initial != NULL) { /* wiped by the driver: not a literal */
		CHECK(slice_to_str(slice_str(initial), first, sizeof first));
		given = slice_str(first);
	}
	e = sasl_run(m, initial != NULL ? &given : NULL, &io, &ask, NULL, &t);
	CHECK((t != NULL) == (e == E_OK));
	if (initial != NULL && initial[0] != '\0')
		CHECK(first[0] == '\0');
	ticket_free(&t);
	close_tls(&w);
	return e;
}

#define LINES(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}
#define NO_LINES \
	(const char *const[]) \
	{ \
		NULL \
	}

TEST_FIBER(sasl_plain_both_ways)
{
	struct play p = {.lines = NO_LINES, .expect = {SL("\0alice\0secret")}, .turns = 1};

	CHECK_ERR(run(&p, "PLAIN", "AGFsaWNlAHNlY3JldA=="), E_OK);
	CHECK_INT(p.nsaid, 0);
	CHECK_STR(p.wire, "PLAIN");
	p = (struct play){.lines = LINES("AGFsaWNlAHNlY3JldA=="),
			  .expect = {SL("\0alice\0secret")},
			  .turns = 1};
	CHECK_ERR(run(&p, "plain", NULL), E_OK);
	CHECK_INT(p.nsaid, 1);
	CHECK_STR(p.said[0], "");
	p = (struct play){.lines = NO_LINES, .expect = {SL("x")}, .turns = 1};
	CHECK_ERR(run(&p, "PLAIN", "AGFsaWNlAHdyb25n"), E_DENIED);
}

TEST_FIBER(sasl_login_becomes_plain)
{
	struct play p = {.lines = LINES("YWxpY2U=", "c2VjcmV0"),
			 .expect = {SL("\0alice\0secret")},
			 .turns = 1};

	CHECK_ERR(run(&p, "LOGIN", NULL), E_OK);
	CHECK_STR(p.wire, "PLAIN");
	CHECK_STR(p.said[0], "VXNlcm5hbWU6");
	CHECK_STR(p.said[1], "UGFzc3dvcmQ6");
	p = (struct play){.lines = LINES("AGI=", "c2VjcmV0"), .turns = 1};
	CHECK_ERR(run(&p, "LOGIN", NULL), E_INVALID); /* a NUL in the name */
	p = (struct play){.lines = LINES("", "c2VjcmV0"), .turns = 1};
	CHECK_ERR(run(&p, "LOGIN", NULL), E_INVALID);
}

/* The client's and the owner's messages are moved through unread. */
TEST_FIBER(sasl_scram_relayed)
{
	struct play p = {
		.lines = LINES("Yz1iaXdzLHI9MTIz", ""),
		.expect = {SL("n,,n=user,r=abc"), SL("c=biws,r=123")},
		.challenge = {SL("r=abc123,s=c2FsdA==,i=4096"), SL("v=6rriTRBi")},
		.turns = 2,
	};

	CHECK_ERR(run(&p, "SCRAM-SHA-256", "biwsbj11c2VyLHI9YWJj"), E_OK);
	CHECK_STR(p.wire, "SCRAM-SHA-256");
	CHECK_INT(p.nsaid, 2);
	CHECK_STR(p.said[0], "cj1hYmMxMjMscz1jMkZzZEE9PSxpPTQwOTY=");
	CHECK_STR(p.said[1], "dj02cnJpVFJCaQ==");
	/* The client has to answer the last word with nothing; else it is not logged in. */
	p.lines = LINES("Yz1iaXdzLHI9MTIz", "*");
	p.turn = p.nsaid = 0;
	CHECK_ERR(run(&p, "SCRAM-SHA-256-PLUS", "biwsbj11c2VyLHI9YWJj"), E_INVALID);
	CHECK_STR(p.wire, "SCRAM-SHA-256-PLUS");
	p.lines = LINES("Yz1iaXdzLHI9MTIz", "eA==");
	p.turn = p.nsaid = 0;
	CHECK_ERR(run(&p, "SCRAM-SHA-256", "biwsbj11c2VyLHI9YWJj"), E_INVALID);
}

TEST_FIBER(sasl_bad_clients)
{
	struct play p = {.lines = LINES("*"), .turns = 1};
	static char longest[SASL_LINE_MAX + 1];

	CHECK_ERR(run(&p, "PLAIN", NULL), E_INVALID);
	p.lines = LINES("not base64");
	CHECK_ERR(run(&p, "PLAIN", NULL), E_INVALID);
	p.lines = NO_LINES;
	CHECK_ERR(run(&p, "PLAIN", NULL), E_CLOSED);
	memset(longest, 'A', SASL_LINE_MAX - SASL_LINE_MAX % 4);
	p.lines = LINES(longest);
	CHECK_ERR(run(&p, "PLAIN", NULL), E_TOO_BIG);
	CHECK_INT(p.turn, 0);
}

/* A ticket may be long, as long as a line holds; what others send may not. */
TEST_FIBER(sasl_long_tokens)
{
	static char token[SASL_TOKEN_MAX], line[SASL_LINE_MAX + 1];
	static const struct sasl_mech m = {.name = "GSSAPI", .wire = "GSSAPI", .tickets = true};
	struct play p = {.lines = LINES(line), .expect = {slice(token, sizeof token)}, .turns = 1};
	struct sasl_io io = {.arg = &p, .challenge = on_challenge, .response = on_response};
	struct sasl_ask ask = {.arg = &p, .start = on_start, .step = on_step};
	struct ticket *t;

	memset(line, 'A', (sizeof token + 2) / 3 * 4);
	CHECK_ERR(sasl_run(&m, NULL, &io, &ask, NULL, &t), E_OK);
	ticket_free(&t);
	/* No line can hold four characters more, and be base64. */
	CHECK((sizeof token + 2) / 3 * 4 + 4 > SASL_LINE_MAX);
}

static WAITS enum err more(void *arg UNUSED, slice_t response UNUSED, struct sasl_answer *a)
{
	buf_puts(&a->challenge, "more");
	return E_OK;
}

static WAITS enum err more_start(void *arg, const char *mech UNUSED, slice_t initial,
				 struct sasl_answer *a)
{
	return more(arg, initial, a);
}

/* An owner that never comes to an end does not keep the client for ever. */
TEST_FIBER(sasl_endless_owner)
{
	static const char *const many[] = {"", "", "", "", "", "", "", "", "", "", "", NULL};
	struct play p = {.lines = many};
	struct sasl_io io = {.arg = &p, .challenge = on_challenge, .response = on_response};
	struct sasl_ask ask = {.arg = &p, .start = more_start, .step = more};
	struct sasl_mech m = {.name = "X", .wire = "X"};
	slice_t none = SLICE_NONE;
	struct ticket *t;

	CHECK_ERR(sasl_run(&m, &none, &io, &ask, NULL, &t), E_INTERNAL);
	CHECK_INT(p.nsaid, SASL_STEPS_MAX);
	CHECK(t == NULL);
}

TEST_FIBER(sasl_offers)
{
	struct wire w;
	struct buf b;

	buf_init(&b, 256, NULL);
	policy_init("fe1");
	wire_open(&w, NULL);
	sasl_list(&b, " ", w.server, NULL);
	CHECK_INT(b.n, 0);
	CHECK(sasl_find(SL("PLAIN"), w.server, NULL) == NULL);
	CHECK(sasl_find(SL("SCRAM-SHA-256"), w.server, NULL) == NULL);
	wire_close(&w);
	open_tls(&w);
	sasl_list(&b, " ", w.server, NULL);
	CHECK_SLICE(buf_slice(&b), SL(" SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"));
	CHECK(sasl_find(SL("GSSAPI"), w.server, NULL) == NULL);
	/* There are realms: they are pushed where there is a keytab. */
	policy_begin();
	CHECK_ERR(policy_set(SL("auth.gssapi_realms"), SL("EXAMPLE.ORG")), E_OK);
	policy_apply();
	buf_reset(&b);
	sasl_list(&b, " ", w.server, NULL);
	CHECK_SLICE(buf_slice(&b), SL(" GSSAPI SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"));
	CHECK(sasl_find(SL("gssapi"), w.server, NULL) != NULL);
	policy_begin();
	CHECK_ERR(policy_set(SL("auth.plain"), SL("false")), E_OK);
	policy_apply();
	buf_reset(&b);
	sasl_list(&b, " AUTH=", w.server, NULL);
	CHECK_SLICE(buf_slice(&b), SL(" AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256"));
	CHECK(sasl_find(SL("PLAIN"), w.server, NULL) == NULL);
	CHECK(sasl_find(SL("NTLM"), w.server, NULL) == NULL);
	close_tls(&w);
	buf_fini(&b);
}

TEST(sasl_plain_message)
{
	struct buf b;

	buf_init(&b, SASL_RESPONSE_MAX, NULL);
	CHECK_ERR(sasl_plain(&b, SL("alice"), SL("secret")), E_OK);
	CHECK_SLICE(buf_slice(&b), SL("\0alice\0secret"));
	CHECK_ERR(sasl_plain(&b, SL(""), SL("secret")), E_INVALID);
	CHECK_ERR(sasl_plain(&b, SL("a\0b"), SL("secret")), E_INVALID);
	CHECK_ERR(sasl_plain(&b, SL("a"), SL("se\0cret")), E_INVALID);
	buf_fini(&b);
}

#include "common/base/codec.h"
#include "common/crypto/scram.h"
#include "frontend/core/line.h"
#include "tests/unit/frontend/outbound/client_lib.h"

#define OPEN(mechs) \
	"!tls", "> 220 mx.example.org ESMTP", "< EHLO me.example.net", "> 250-mx.example.org", \
		"> 250 AUTH " mechs

#define PLAIN "< AUTH PLAIN AHVzZXIAcGFzcw==" /* "\0user\0pass" */
#define LOGIN "< AUTH LOGIN dXNlcg=="
#define PASS  "< cGFzcw=="

static const struct {
	const char *script[14];
	enum err e;
	unsigned code;
	const char *status, *text;
} rows[] = {
	{{OPEN("PLAIN LOGIN"), PLAIN, "> 235 2.7.0 ok", "!end"}, E_OK, 0, "", ""},
	{{OPEN("LOGIN"), LOGIN, "> 334 UGFzc3dvcmQ6", PASS, "> 235 ok", "!end"}, E_OK, 0, "", ""},
	/* for good, but our configuration's fault */
	{{OPEN("PLAIN"), PLAIN, "> 535 5.7.8 wrong", "< QUIT"}, E_RETRY, 535, "4.7.8", "wrong"},
	{{OPEN("PLAIN"), PLAIN, "> 454 4.7.0 later", "< QUIT"}, E_RETRY, 454, "4.7.0", "later"},
	{{OPEN("PLAIN"), PLAIN, "> 421 bye", "!end"}, E_RETRY, 421, "4.0.0", "bye"},
	{{OPEN("PLAIN"), PLAIN, "> 250 ok", "!end"}, E_RETRY, 0, "4.5.0", "does not fit"},
	{{OPEN("PLAIN"), PLAIN, "!close"}, E_RETRY, 0, "4.4.2", "lost (auth)"},
	{{OPEN("LOGIN"), LOGIN, "> 535 no", "< QUIT"}, E_RETRY, 535, "4.0.0", "no"},
	{{OPEN("LOGIN"), LOGIN, "> 334 UGFzc3dvcmQ6", PASS, "> 535 no", "< QUIT"},
	 E_RETRY,
	 535,
	 "4.0.0",
	 "no"},
	{{OPEN("NTLM GSSAPI"), "< QUIT"}, E_RETRY, 0, "4.7.0", "no log-in that we know"},
	{{OPEN("SCRAM-SHA-256"), "~ AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9", "> 334 !!", "< QUIT"},
	 E_RETRY,
	 0,
	 "4.7.0",
	 "cannot be used"},
	/* r=other,s=c2FsdA==,i=4096: not our nonce */
	{{OPEN("SCRAM-SHA-256"), "~ AUTH SCRAM-SHA-256 ",
	  "> 334 cj1vdGhlcixzPWMyRnNkQT09LGk9NDA5Ng==", "< QUIT"},
	 E_RETRY,
	 0,
	 "4.7.0",
	 "cannot be used"},
	{{OPEN("SCRAM-SHA-256"), "~ AUTH SCRAM-SHA-256 ", "> 235 come in", "!end"},
	 E_RETRY,
	 0,
	 "4.5.0",
	 "does not fit"},
};

static void open_as_user(struct rig *r)
{
	r->opts.tls = SMTP_TLS_ENCRYPT;
	r->opts.tls_start = SMTP_TLS_AT_ONCE;
	r->opts.user = SL("user");
	r->opts.password = SL("pass");
}

TEST_FIBER(log_ins)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r;

		check_note("row %zu", i);
		rig_start(&r, rows[i].script);
		open_as_user(&r);
		CHECK_ERR(rig_open(&r), rows[i].e);
		if (rows[i].e != E_OK)
			CHECK_RESULT(&r.why.result, SMTP_AT_AUTH, SMTP_LATER, rows[i].code,
				     rows[i].status, rows[i].text);
		rig_end(&r);
	}
}

/* The longest line of AUTH, and one that would be longer, by each mechanism. */
TEST_FIBER(long_log_ins)
{
	static const struct {
		size_t user, password;
		enum err e;
		const char *script[12];
	} cases[] = {
		{4, 9198, E_OK, {OPEN("PLAIN"), "!bytes 12285", "> 235 ok", "!end"}},
		{4, 9199, E_RETRY, {OPEN("PLAIN"), "< QUIT"}},
		{4, 20000, E_RETRY, {OPEN("PLAIN"), "< QUIT"}},
		{4,
		 20000,
		 E_RETRY,
		 {OPEN("LOGIN"), "< AUTH LOGIN eHh4eA==", "> 334 UA==", "< QUIT"}},
		{20000, 4, E_RETRY, {OPEN("LOGIN"), "< QUIT"}},
		{20000, 4, E_RETRY, {OPEN("SCRAM-SHA-256"), "< QUIT"}},
	};
	static char bytes[20000];

	memset(bytes, 'x', sizeof bytes);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig r;

		check_note("case %zu", i);
		rig_start(&r, cases[i].script);
		open_as_user(&r);
		r.opts.user = slice(bytes, cases[i].user);
		r.opts.password = slice(bytes, cases[i].password);
		CHECK_ERR(rig_open(&r), cases[i].e);
		if (cases[i].e != E_OK)
			CHECK_RESULT(&r.why.result, SMTP_AT_AUTH, SMTP_LATER, 0, "4.7.0",
				     "name or password is too long");
		rig_end(&r);
	}
}

TEST_FIBER(no_log_in_without_tls)
{
	static const char *const script[] = {"> 220 mx.example.org ESMTP",
					     "< EHLO me.example.net",
					     "> 250-mx.example.org",
					     "> 250 AUTH PLAIN LOGIN SCRAM-SHA-256",
					     "< QUIT",
					     NULL};
	struct rig r;

	rig_start(&r, script);
	open_as_user(&r);
	r.opts.tls = SMTP_TLS_MAY;
	r.opts.tls_start = SMTP_STARTTLS;
	CHECK_ERR(rig_open(&r), E_RETRY);
	CHECK_RESULT(&r.why.result, SMTP_AT_AUTH, SMTP_LATER, 0, "4.7.0", "needs TLS");
	rig_end(&r);
}

/* ---- SCRAM, with a server that computes ---- */

enum lie { HONEST, WRONG_PASSWORD, WRONG_SIGNATURE, FEW_ITERATIONS, NO_SIGNATURE };

struct scram_server {
	struct rig *r;
	enum lie lie;
	struct buf said, both; /* the client's last message, decoded; AuthMessage */
};

WAITS static void hear64(struct scram_server *x, const char *before)
{
	slice_t line;

	CHECK_ERR(line_read(x->r->s, 8000, "t.scram", deadline_in(SOON), &line), E_OK);
	CHECK(slice_starts(line, slice_str(before)));
	buf_reset(&x->said);
	CHECK(base64_decode(&x->said, slice_from(line, strlen(before))));
}

WAITS static void say64(struct scram_server *x, slice_t clear)
{
	struct buf b;

	buf_init(&b, 4096, NULL);
	buf_puts(&b, "334 ");
	base64_encode(&b, clear);
	buf_puts(&b, "\r\n");
	CHECK_ERR(stream_write(x->r->s, buf_slice(&b), deadline_in(SOON)), E_OK);
	buf_fini(&b);
}

WAITS static void scram_serve(void *arg)
{
	struct scram_server *x = arg;
	struct scram_verifier v;
	uint8_t sig[SCRAM_KEY_LEN];
	struct buf b;
	slice_t said;
	size_t proof;

	buf_init(&b, 4096, NULL);
	CHECK_ERR(scram_make_salted(x->lie == WRONG_PASSWORD ? SL("other") : SL("pass"),
				    SL("saltsalt"), 4096, &v),
		  E_OK);
	hear64(x, "AUTH SCRAM-SHA-256 ");
	said = slice_from(buf_slice(&x->said), 3);
	CHECK(slice_starts(said, SL("n=u=3D=2Cser,r=")));
	buf_put(&x->both, said);
	buf_puts(&b, "r=");
	buf_put(&b, slice_from(said, strlen("n=u=3D=2Cser,r=")));
	buf_puts(&b, "more,s=");
	base64_encode(&b, SL("saltsalt"));
	buf_puts(&b, x->lie == FEW_ITERATIONS ? ",i=1" : ",i=4096");
	buf_puts(&x->both, ",");
	buf_put(&x->both, buf_slice(&b));
	say64(x, buf_slice(&b));
	if (x->lie == FEW_ITERATIONS)
		goto out;
	hear64(x, "");
	said = buf_slice(&x->said);
	proof = slice_find(said, SL(",p="));
	buf_puts(&x->both, ",");
	buf_put(&x->both, slice_sub(said, 0, proof));
	buf_reset(&b);
	CHECK(base64_decode(&b, slice_from(said, proof + 3)));
	CHECK_ERR(scram_check_proof(&v, buf_slice(&x->both), buf_slice(&b)),
		  x->lie == WRONG_PASSWORD ? E_DENIED : E_OK);
	if (x->lie == WRONG_PASSWORD || x->lie == NO_SIGNATURE) {
		const char *end = x->lie == NO_SIGNATURE ? "235 come in\r\n" : "535 5.7.8 no\r\n";

		CHECK_ERR(stream_write(x->r->s, slice_str(end), deadline_in(SOON)), E_OK);
		goto out;
	}
	scram_server_signature(&v, buf_slice(&x->both), sig);
	sig[0] ^= x->lie == WRONG_SIGNATURE;
	buf_reset(&b);
	buf_puts(&b, "v=");
	base64_encode(&b, slice(sig, sizeof sig));
	say64(x, buf_slice(&b));
out:
	buf_fini(&b);
}

static const struct {
	enum lie lie;
	const char *end[3]; /* of the script */
	unsigned code;
	const char *status, *text; /* NULL: it is in */
} scrams[] = {
	{HONEST, {"< ", "> 235 2.7.0 in", "!end"}, 0, NULL, NULL},
	{HONEST, {"< ", "> 535 5.7.8 no", "< QUIT"}, 535, "4.7.8", "no"},
	{WRONG_PASSWORD, {"< QUIT"}, 535, "4.7.8", "no"},
	{WRONG_SIGNATURE, {"< QUIT"}, 0, "4.7.0", "does not know our password"},
	{NO_SIGNATURE, {"!end"}, 0, "4.5.0", "does not fit"},
	{FEW_ITERATIONS, {"< QUIT"}, 0, "4.7.0", "cannot be used"},
};

TEST_FIBER(scram)
{
	for (size_t i = 0; i < ARRAY_LEN(scrams); i++) {
		const char *script[] = {OPEN("PLAIN SCRAM-SHA-256"),
					"!call",
					scrams[i].end[0],
					scrams[i].end[1],
					scrams[i].end[2],
					NULL};
		struct rig r;
		struct scram_server x = {.r = &r, .lie = scrams[i].lie};
		bool in = scrams[i].text == NULL;

		check_note("row %zu", i);
		buf_init(&x.said, 4096, NULL);
		buf_init(&x.both, 4096, NULL);
		rig_start(&r, script);
		open_as_user(&r);
		r.opts.user = SL("u=,ser");
		r.call = scram_serve;
		r.call_arg = &x;
		CHECK_ERR(rig_open(&r), in ? E_OK : E_RETRY);
		if (!in)
			CHECK_RESULT(&r.why.result, SMTP_AT_AUTH, SMTP_LATER, scrams[i].code,
				     scrams[i].status, scrams[i].text);
		rig_end(&r);
		buf_fini(&x.said);
		buf_fini(&x.both);
	}
}

/* ---- GSSAPI, with a back-end that is played ---- */

#define AUTH_LINE 12288 /* RFC 4954 section 4, with CRLF */

/* One step of it: what it is to hear, and what it says to that. */
struct ticket_step {
	const char *heard, *say; /* NULL: it has no answer */
	bool done;
};

struct tickets {
	const struct ticket_step *steps;
	size_t at;
	size_t n; /* not 0: the first token is so long, of any bytes */
};

WAITS static enum err ticket_step(void *arg, slice_t challenge, struct buf *say, bool *done_out,
				  struct diag *why)
{
	struct tickets *t = arg;
	const struct ticket_step *s = &t->steps[t->at++];

	CHECK_SLICE(challenge, slice_str(s->heard));
	CHECK_INT(say->n, 0);
	if (s->say == NULL)
		return diag_set(why, E_DENIED, "no ticket for that");
	buf_puts(say, s->say);
	for (size_t i = 0; t->at == 1 && i < t->n; i++)
		buf_putc(say, 'x');
	*done_out = s->done;
	return E_OK;
}

#define TICKET "< AUTH GSSAPI dGlja2V0"
#define PROOF  "> 334 cHJvb2Y="
#define OFFER  "> 334 b2ZmZXI="
#define CHOICE "< Y2hvaWNl"

static const struct {
	const char *script[14];
	struct ticket_step steps[4];
	unsigned code;
	const char *status, *text; /* NULL: it is in */
} tickets[] = {
	{{OPEN("PLAIN GSSAPI"), TICKET, PROOF, "< ", OFFER, CHOICE, "> 235 2.7.0 in", "!end"},
	 {{"", "ticket", false}, {"proof", "", false}, {"offer", "choice", true}},
	 0,
	 "",
	 NULL},
	/* never by anything else */
	{{OPEN("PLAIN LOGIN SCRAM-SHA-256"), "< QUIT"}, {{NULL}}, 0, "4.7.0", "does not offer"},
	{{OPEN("GSSAPI"), "< QUIT"}, {{"", NULL, false}}, 0, "4.7.0", "no ticket for that"},
	{{OPEN("PLAIN GSSAPI"), TICKET, "> 535 5.7.8 no", "< QUIT"},
	 {{"", "ticket", false}},
	 535,
	 "4.7.8",
	 "no"},
	{{OPEN("GSSAPI"), TICKET, PROOF, "< QUIT"},
	 {{"", "ticket", false}, {"proof", NULL, false}},
	 0,
	 "4.7.0",
	 "no ticket for that"},
	{{OPEN("GSSAPI"), TICKET, PROOF, "< ", OFFER, CHOICE, "> 535 5.7.8 no", "< QUIT"},
	 {{"", "ticket", false}, {"proof", "", false}, {"offer", "choice", true}},
	 535,
	 "4.7.8",
	 "no"},
	/* without its proof, with what is none, and with no end of it */
	{{OPEN("GSSAPI"), TICKET, "> 235 come in", "< QUIT"},
	 {{"", "ticket", false}},
	 0,
	 "4.7.0",
	 "has not proven"},
	{{OPEN("GSSAPI"), TICKET, PROOF, "< ", "> 235 come in", "< QUIT"},
	 {{"", "ticket", false}, {"proof", "", false}},
	 0,
	 "4.7.0",
	 "has not proven"},
	{{OPEN("GSSAPI"), TICKET, "> 334 ", "< QUIT"},
	 {{"", "ticket", false}},
	 0,
	 "4.7.0",
	 "cannot be used"},
	{{OPEN("GSSAPI"), TICKET, "> 334 !!", "< QUIT"},
	 {{"", "ticket", false}},
	 0,
	 "4.7.0",
	 "cannot be used"},
	{{OPEN("GSSAPI"), TICKET, PROOF, "< ", OFFER, CHOICE, OFFER, "< QUIT"},
	 {{"", "ticket", false}, {"proof", "", false}, {"offer", "choice", true}},
	 0,
	 "4.7.0",
	 "finds no end"},
	{{OPEN("GSSAPI"), TICKET, PROOF, "< ", PROOF, "< ", PROOF, "< QUIT"},
	 {{"", "ticket", false}, {"proof", "", false}, {"proof", "", false}},
	 0,
	 "4.7.0",
	 "finds no end"},
};

TEST_FIBER(log_ins_with_tickets)
{
	for (size_t i = 0; i < ARRAY_LEN(tickets); i++) {
		struct tickets t = {.steps = tickets[i].steps};
		const struct smtp_gssapi g = {ticket_step, &t};
		struct rig r;

		check_note("row %zu", i);
		rig_start(&r, tickets[i].script);
		open_as_user(&r);
		r.opts.gssapi = &g;
		CHECK_ERR(rig_open(&r), tickets[i].text == NULL ? E_OK : E_RETRY);
		if (tickets[i].text != NULL)
			CHECK_RESULT(&r.why.result, SMTP_AT_AUTH, SMTP_LATER, tickets[i].code,
				     tickets[i].status, tickets[i].text);
		rig_end(&r);
	}
}

/* The line that has the longest token, whole. */
WAITS static void hear_longest(void *arg)
{
	struct rig *r = arg;
	slice_t line;

	CHECK_ERR(line_read(r->s, AUTH_LINE, "t.ticket", deadline_in(SOON), &line), E_OK);
	CHECK(slice_starts(line, SL("AUTH GSSAPI eHh4eHh4")));
	CHECK_INT(line.n, AUTH_LINE - 4);
}

/* A token that no line of AUTH can carry is not said. */
TEST_FIBER(long_tickets)
{
	static const char *const none[] = {OPEN("GSSAPI"), "< QUIT", NULL};
	static const char *const whole[] = {OPEN("GSSAPI"), "!call", "> 535 no", "< QUIT", NULL};
	static const struct ticket_step step[] = {{"", "", false}};

	for (size_t more = 0; more < 2; more++) {
		struct tickets t = {.steps = step, .n = SMTP_TOKEN_MAX + more};
		const struct smtp_gssapi g = {ticket_step, &t};
		struct rig r;

		rig_start(&r, more != 0 ? none : whole);
		open_as_user(&r);
		r.opts.gssapi = &g;
		r.call = hear_longest;
		r.call_arg = &r;
		CHECK_ERR(rig_open(&r), E_RETRY);
		CHECK_RESULT(&r.why.result, SMTP_AT_AUTH, SMTP_LATER, more != 0 ? 0 : 535,
			     more != 0 ? "4.7.0" : "4.0.0", more != 0 ? "too long" : "no");
		rig_end(&r);
	}
}

TEST_FIBER(no_ticket_without_tls)
{
	static const char *const script[] = {"> 220 mx.example.org ESMTP",
					     "< EHLO me.example.net",
					     "> 250-mx.example.org",
					     "> 250 AUTH GSSAPI",
					     "< QUIT",
					     NULL};
	static const struct ticket_step step[] = {{"", "ticket", false}};
	struct tickets t = {.steps = step};
	const struct smtp_gssapi g = {ticket_step, &t};
	struct rig r;

	rig_start(&r, script);
	open_as_user(&r);
	r.opts.tls = SMTP_TLS_MAY;
	r.opts.tls_start = SMTP_STARTTLS;
	r.opts.gssapi = &g;
	CHECK_ERR(rig_open(&r), E_RETRY);
	CHECK_RESULT(&r.why.result, SMTP_AT_AUTH, SMTP_LATER, 0, "4.7.0", "needs TLS");
	CHECK_INT(t.at, 0);
	rig_end(&r);
}

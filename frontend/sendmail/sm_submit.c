/*
 * One message over one connection. The client of frontend/outbound speaks; here are the addresses
 * to try and the result for whoever called. A server that cannot be used for now, or for this
 * account, leaves all recipients for another way.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include "common/base/utf8.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "common/net/tls.h"
#include "common/parse/idn.h"
#include "frontend/outbound/smtp_client.h"
#include "frontend/sendmail/sendmail.h"

#define CHUNK       ((size_t)32 * 1024)
#define ADDRESSES   16 /* of all servers together */
#define HOST_BYTES  256
#define PORT_DIGITS 6

struct submission {
	struct sm_letter *l;
	const struct sm_args *a;
	const struct conf *c;
	struct arena *mem;
	struct diag *why;
	struct tls_ctx *tls;
	slice_t password;
	struct smtp_msg msg;
	bool header_said;
	char chunk[CHUNK];
	int status;
};

/* ---- the message ---- */

WAITS static enum err next_bytes(void *arg, slice_t *out)
{
	struct submission *s = arg;
	size_t n;

	if (!s->header_said) {
		s->header_said = true;
		sm_letter_rewind(s->l);
		*out = s->l->header;
		return E_OK;
	}
	n = fread(s->chunk, 1, sizeof s->chunk, s->l->spool);
	if (n == 0)
		return ferror(s->l->spool) ? E_IO : E_CLOSED;
	*out = slice(s->chunk, n);
	return E_OK;
}

static void fill_msg(struct submission *s)
{
	const struct sm_letter *l = s->l;
	bool utf8 = l->eight_header && utf8_valid(l->header);

	s->msg = (struct smtp_msg){
		.sender = l->sender,
		.rcpts = arena_alloc(s->mem, l->nrcpts * sizeof *s->msg.rcpts),
		.n = l->nrcpts,
		.size = l->header.n + l->body_size,
		.needs = (l->eight ? (uint32_t)SMTP_NEED_8BIT : 0u) |
			 (utf8 ? (uint32_t)SMTP_NEED_UTF8 : 0u),
		.ret = s->a->ret,
		.envid = slice_str(s->a->envid),
		.read = next_bytes,
		.arg = s,
		.arena = s->mem,
	};
	for (size_t i = 0; i < l->nrcpts; i++)
		s->msg.rcpts[i] =
			(struct smtp_msg_rcpt){.address = l->rcpts[i], .notify = s->a->notify};
}

/* Those who are left by a limit of the transaction's size alone go in another one. */
static bool once_more(struct smtp_msg *m)
{
	bool any = false, moved = false;

	for (size_t i = 0; i < m->n; i++)
		moved = moved || !m->rcpts[i].result->again_now;
	for (size_t i = 0; moved && i < m->n; i++) {
		if (m->rcpts[i].result->again_now) {
			m->rcpts[i].result = NULL;
			any = true;
		}
	}
	return any;
}

/* ---- results ---- */

static int status_of(const struct smtp_result *r)
{
	if (r->verdict == SMTP_LATER)
		return EX_TEMPFAIL;
	if (r->phase == SMTP_AT_RCPT && slice_starts(slice_str(r->status), SL("5.1.")))
		return EX_NOUSER;
	return EX_UNAVAILABLE;
}

/* A server's words have its status in them, if it said one. */
int sm_fail_rcpt(int status, slice_t who, const struct smtp_result *r)
{
	if (r->code == 0)
		return sm_fail(status, "%.*s: %s %s", (int)who.n, who.p, r->status, r->text);
	return sm_fail(status, "%.*s: %u %s", (int)who.n, who.p, (unsigned)r->code, r->text);
}

/* Says what was refused; keeps whom another way may serve. */
static void judge(struct submission *s)
{
	struct sm_letter *l = s->l;
	size_t left = 0;

	l->later = arena_alloc(s->mem, l->nrcpts * sizeof *l->later);
	s->status = EX_OK;
	for (size_t i = 0; i < s->msg.n; i++) {
		const struct smtp_result *r = s->msg.rcpts[i].result;
		slice_t who = s->msg.rcpts[i].address;

		if (r->verdict == SMTP_TAKEN)
			continue;
		if (r->verdict == SMTP_LATER) {
			l->later[left] = r;
			l->rcpts[left++] = who;
			continue;
		}
		s->status = status_of(r);
		sm_fail_rcpt(s->status, who, r);
	}
	l->nrcpts = left;
	if (left != 0 && s->status == EX_OK)
		s->status = EX_TEMPFAIL;
}

WAITS static void transact(struct submission *s, struct smtp_client *client)
{
	enum err e;

	fill_msg(s);
	do {
		s->header_said = false;
		e = smtp_client_send(client, &s->msg);
	} while (e == E_OK && smtp_client_usable(client) && once_more(&s->msg));
	smtp_client_quit(client);
	judge(s);
}

/* ---- servers ---- */

static enum smtp_tls_start tls_start(const struct conf *c)
{
	return slice_eq(slice_str(conf_str(c, "server.tls")), SL("at-once")) ? SMTP_TLS_AT_ONCE
									     : SMTP_STARTTLS;
}

/* What does not fit the certificate would not fit EHLO either. */
static const char *helo_name(const struct submission *s)
{
	static char name[DOMAIN_MAX + 1];
	char host[HOST_BYTES] = "";
	const char *domain = conf_str(s->c, "mail.domain");

	if (domain[0] != '\0')
		return domain;
	if (gethostname(host, sizeof host - 1) != 0 ||
	    domain_normalise(slice_str(host), name) != E_OK)
		return "localhost";
	return name;
}

/* One address. True: it is settled, well or not. */
WAITS static bool try_address(struct submission *s, const char *host, const struct ipaddr *addr,
			      uint16_t port)
{
	const char *name = conf_str(s->c, "server.name");
	const char *expected = name[0] != '\0' ? name : host;
	struct smtp_client_opts o = {
		.addr = *addr,
		.port = port,
		.helo = helo_name(s),
		.tls = s->tls != NULL ? SMTP_TLS_VERIFY : SMTP_TLS_NONE,
		.tls_start = tls_start(s->c),
		.tls_ctx = s->tls,
		.check = {.names = &expected, .nnames = 1},
		.sni = expected,
		.user = slice_str(conf_str(s->c, "server.user")),
		.password = s->password,
	};
	struct smtp_client *client;
	struct smtp_client_why why;
	enum err e = smtp_client_open(&o, &client, &why);

	if (e == E_OK) {
		if (s->a->verbose)
			fprintf(stderr, "sendmail: sending by %s\n", smtp_client_peer_name(client));
		transact(s, client);
		smtp_client_free(&client);
		return true;
	}
	s->status = why.result.phase == SMTP_AT_AUTH && why.result.code / 100 == 5 ? EX_NOPERM
										   : EX_TEMPFAIL;
	diag_set(s->why, E_RETRY, "%s: %s %s", host, why.result.status, why.result.text);
	return s->status == EX_NOPERM;
}

/* The name's addresses by the system; a program of one message may wait for it. */
static struct addrinfo *look_up(const struct submission *s, const struct conf_addr *to)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char port[PORT_DIGITS];
	int rc;

	snprintf(port, sizeof port, "%u", (unsigned)to->port);
	rc = getaddrinfo(to->host, port, &hints, &list);
	if (rc == 0)
		return list;
	diag_set(s->why, E_RETRY, "%s: %s", to->host, gai_strerror(rc));
	return NULL;
}

static bool address_of(const struct addrinfo *ai, struct ipaddr *out)
{
	char text[IPADDR_STR];

	return getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof text, NULL, 0,
			   NI_NUMERICHOST) == 0 &&
	       ipaddr_parse(slice_str(text), out);
}

WAITS static void submit_fiber(void *arg)
{
	struct submission *s = arg;
	unsigned tried = 0;
	bool over = false;

	for (size_t i = 0; !over && i < conf_count(s->c, "server.address"); i++) {
		struct conf_addr to = conf_addr(s->c, "server.address", i);
		struct addrinfo *list = look_up(s, &to);

		for (struct addrinfo *ai = list; !over && ai != NULL; ai = ai->ai_next) {
			struct ipaddr addr;

			if (tried++ < ADDRESSES && address_of(ai, &addr))
				over = try_address(s, to.host, &addr, to.port);
		}
		if (list != NULL)
			freeaddrinfo(list);
	}
	loop_stop(loop_current());
}

static int prepare(struct submission *s)
{
	struct tls_config conf = {.profile = TLS_PUBLIC_CLIENT};
	struct diag d;
	enum err e;

	if (slice_eq(slice_str(conf_str(s->c, "server.tls")), SL("none")))
		return EX_OK;
	e = tls_ctx_new(&conf, &s->tls, &d);
	if (e == E_OK)
		e = tls_ctx_trust_file(s->tls, conf_str(s->c, "server.trust"), &d);
	if (e == E_OK && conf_str(s->c, "server.user")[0] != '\0')
		e = sm_read_line(conf_str(s->c, "server.password_file"), s->mem, &s->password, &d);
	return e == E_OK ? EX_OK : sm_fail(EX_CONFIG, "%s", d.text);
}

int sm_submit(struct sm_letter *l, const struct sm_args *a, const struct conf *c, struct arena *mem,
	      struct diag *why)
{
	struct submission *s = arena_new(mem, struct submission);
	struct loop *loop = loop_new();

	*s = (struct submission){
		.l = l, .a = a, .c = c, .mem = mem, .why = why, .status = EX_TEMPFAIL};
	if (prepare(s) != EX_OK)
		s->status = EX_CONFIG;
	else if (fiber_start("sendmail.submit", submit_fiber, s, NULL) == E_OK)
		loop_run(loop);
	loop_free(&loop);
	tls_ctx_unref(&s->tls);
	return s->status;
}

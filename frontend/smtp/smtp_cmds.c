/* The tables of commands, and the handlers that are a few lines. */
#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "common/parse/date.h"
#include "frontend/smtp/smtp.h"

#include "frontend/sasl/sasl.h"

#define EHLO_MAX       1024
#define LIMIT_SAID_MAX 999999u /* RFC 9422 section 3: six digits */

/* RFC 4865 section 3: for how long, and until when. */
static void put_future_release(struct buf *b)
{
	int64_t max_s = policy()->submission_hold_max_s;
	char until[DATE_STR_MAX];

	if (max_s > 0)
		buf_printf(
			b, "250-FUTURERELEASE %lld %s\r\n", (long long)max_s,
			date_format_rfc3339((struct date){.utc_s = clock_wall_s() + max_s}, until));
}

/* RFC 9422: what the client would run into. */
static void put_limits(const struct smtp *s, struct buf *b)
{
	const struct policy_smtp *p = smtp_limits(s);

	buf_puts(b, "250-LIMITS");
	if (p->messages_max != 0)
		buf_printf(b, " MAILMAX=%u", MIN(p->messages_max, LIMIT_SAID_MAX));
	buf_printf(b, " RCPTMAX=%u\r\n", MIN(p->recipients_max, LIMIT_SAID_MAX));
}

static void put_mail_extensions(const struct smtp *s, struct buf *b)
{
	buf_printf(b, "250-PIPELINING\r\n250-SIZE %llu\r\n",
		   (unsigned long long)smtp_limits(s)->message_bytes_max);
	put_limits(s, b);
	buf_puts(b, "250-8BITMIME\r\n");
	if (!s->profile->lmtp) /* nobody says how many answers the last chunk has there */
		buf_puts(b, "250-CHUNKING\r\n250-BINARYMIME\r\n");
	buf_puts(b, "250-SMTPUTF8\r\n250-DELIVERBY\r\n250-DSN\r\n");
}

static void put_extensions(const struct smtp *s, struct buf *b)
{
	struct stream *st = s->base.stream;

	buf_printf(b, "250-%s\r\n", smtp_hostname(s));
	if (s->profile->odmr)
		buf_puts(b, "250-ATRN\r\n");
	else
		put_mail_extensions(s, b);
	if (!stream_is_tls(st) && session_tls() != NULL &&
	    server_tls_mode(s->base.server) != SERVER_TLS_NONE)
		buf_puts(b, "250-STARTTLS\r\n");
	if (stream_is_tls(st) && !s->profile->odmr) /* RFC 8689 section 2: not before */
		buf_puts(b, "250-REQUIRETLS\r\n");
	if (smtp_auth_mode(s) != SERVER_AUTH_NONE && stream_is_tls(st)) {
		buf_puts(b, "250-AUTH");
		sasl_list(b, " ", st, s->base.server);
		buf_puts(b, "\r\n");
	}
	if (s->profile->service == SERVICE_SUBMISSION && !s->profile->odmr) {
		put_future_release(b);
		buf_puts(b, "250-MT-PRIORITY\r\n");
	}
	if (smtp_offers_etrn(s))
		buf_puts(b, "250-ETRN\r\n");
	buf_puts(b, "250 ENHANCEDSTATUSCODES\r\n");
}

/* EHLO and HELO clear the transaction (RFC 5321 section 4.1.4). */
static WAITS enum err hello(struct smtp *s, slice_t args, bool ehlo)
{
	char name[SMTP_HELO_MAX + 1];
	enum smtp_say why = smtp_parse_helo(args, name);
	struct buf b;
	enum err e;

	if (why != SAY_NOTHING)
		return smtp_refuse_command(s, why, SL("EHLO"));
	memcpy(s->helo, name, sizeof name);
	s->ehlo = ehlo;
	if (s->state != SMTP_START)
		smtp_reset(s);
	smtp_set_state(s, SMTP_READY);
	buf_init(&b, EHLO_MAX, NULL);
	if (ehlo)
		put_extensions(s, &b);
	else
		buf_printf(&b, "250 %s\r\n", smtp_hostname(s));
	invariant(!buf_failed(&b));
	e = stream_write(s->base.stream, buf_slice(&b),
			 deadline_in(smtp_limits(s)->command_timeout_ms));
	buf_fini(&b);
	return e;
}

static WAITS enum err smtp_ehlo(struct session *base, slice_t args, void *arg UNUSED)
{
	return hello(smtp_of(base), args, true);
}

static WAITS enum err smtp_helo(struct session *base, slice_t args, void *arg UNUSED)
{
	return hello(smtp_of(base), args, false);
}

/* RFC 2033 section 4.1. */
static WAITS enum err smtp_lhlo(struct session *base, slice_t args, void *arg UNUSED)
{
	return hello(smtp_of(base), args, true);
}

static WAITS enum err smtp_starttls(struct session *base, slice_t args UNUSED, void *arg UNUSED)
{
	struct smtp *s = smtp_of(base);
	enum err e;

	if (server_tls_mode(base->server) == SERVER_TLS_NONE)
		return smtp_say(s, SAY_NOT_IMPLEMENTED);
	if (session_tls() == NULL)
		return smtp_say(s, SAY_TLS_NOT_NOW);
	e = smtp_say(s, SAY_TLS_GO);
	if (e == E_OK)
		e = session_starttls(base);
	if (e != E_OK)
		return e;
	/* RFC 3207 section 4.2: nothing said in clear is known any more. */
	smtp_reset(s);
	s->helo[0] = '\0';
	s->ehlo = false;
	smtp_set_state(s, SMTP_START);
	return E_OK;
}

static WAITS enum err smtp_rset(struct session *base, slice_t args UNUSED, void *arg UNUSED)
{
	struct smtp *s = smtp_of(base);

	if (s->state != SMTP_START)
		smtp_reset(s);
	return smtp_say(s, SAY_OK);
}

static WAITS enum err smtp_noop(struct session *base, slice_t args UNUSED, void *arg UNUSED)
{
	return smtp_say(smtp_of(base), SAY_OK);
}

static WAITS enum err smtp_help(struct session *base, slice_t args UNUSED, void *arg UNUSED)
{
	return smtp_say(smtp_of(base), SAY_HELP);
}

/* The same for everything: who exists is nobody's business. */
static WAITS enum err smtp_vrfy(struct session *base, slice_t args UNUSED, void *arg UNUSED)
{
	return smtp_say(smtp_of(base), SAY_VRFY);
}

static WAITS enum err smtp_not_implemented(struct session *base, slice_t args UNUSED,
					   void *arg UNUSED)
{
	return smtp_say(smtp_of(base), SAY_NOT_IMPLEMENTED);
}

static WAITS enum err smtp_quit(struct session *base, slice_t args UNUSED, void *arg UNUSED)
{
	struct smtp *s = smtp_of(base);
	enum err e = smtp_say(s, SAY_BYE);

	session_ends(base, "quit");
	return e == E_OK ? E_CLOSED : e;
}

/* RFC 2920 section 3.1 names the last ones of a group. BDAT judges its state itself: its bytes have
 * to be read whatever it is. */
/* clang-format off */
#define MAIL_COMMANDS \
	{"MAIL", SMTP_READY, CMD_GUARDED, smtp_mail}, \
	{"RCPT", SMTP_MAIL | SMTP_RCPT, CMD_GUARDED, smtp_rcpt}, \
	{"DATA", SMTP_RCPT, CMD_GUARDED | CMD_LAST | CMD_NO_ARGS | CMD_PAYLOAD, smtp_data}
#define COMMON_COMMANDS \
	{"BDAT", SMTP_ANY, CMD_PAYLOAD, smtp_bdat}, \
	{"RSET", SMTP_ANY, CMD_FREE | CMD_NO_ARGS, smtp_rset}, \
	{"NOOP", SMTP_ANY, CMD_FREE, smtp_noop}, \
	{"HELP", SMTP_ANY, CMD_FREE, smtp_help}, \
	{"VRFY", SMTP_ANY, CMD_FREE, smtp_vrfy}, \
	{"EXPN", SMTP_ANY, CMD_FREE, smtp_not_implemented}, \
	{"QUIT", SMTP_ANY, CMD_MAY_CLOSE, smtp_quit}, \
	{"STARTTLS", SMTP_READY | SMTP_MAIL | SMTP_RCPT, \
	 CMD_LAST | CMD_NO_ARGS | CMD_NEEDS_CLEAR | CMD_MAY_CLOSE, smtp_starttls}
#define HELLO(name, fn) \
	{name, SMTP_START | SMTP_READY | SMTP_MAIL | SMTP_RCPT | SMTP_BDAT, CMD_LAST | CMD_FREE, fn}
/* clang-format on */

static const struct cmd_def smtp_table[] = {
	MAIL_COMMANDS,
	COMMON_COMMANDS,
	HELLO("EHLO", smtp_ehlo),
	HELLO("HELO", smtp_helo),
	/* Users log in elsewhere; what they send here by mistake is not logged. */
	{"AUTH", SMTP_ANY, CMD_SECRET, smtp_not_implemented},
	{"ETRN", SMTP_READY, CMD_GUARDED | CMD_FREE, smtp_etrn},
};

static const struct cmd_def lmtp_table[] = {
	MAIL_COMMANDS,
	COMMON_COMMANDS,
	HELLO("LHLO", smtp_lhlo),
	{"AUTH", SMTP_ANY, CMD_SECRET, smtp_not_implemented},
};

#define LOGIN \
	{ \
		"AUTH", SMTP_READY, CMD_NEEDS_TLS | CMD_NEEDS_NO_AUTH | CMD_LAST | CMD_SECRET, \
			smtp_auth \
	}

static const struct cmd_def login_table[] = {
	MAIL_COMMANDS, COMMON_COMMANDS, HELLO("EHLO", smtp_ehlo), HELLO("HELO", smtp_helo), LOGIN,
};

/* RFC 2645 section 5: nothing else is of use there. */
static const struct cmd_def odmr_table[] = {
	COMMON_COMMANDS,
	HELLO("EHLO", smtp_ehlo),
	HELLO("HELO", smtp_helo),
	LOGIN,
	{"ATRN", SMTP_READY, CMD_NEEDS_AUTH | CMD_LAST | CMD_FREE | CMD_MAY_CLOSE, smtp_atrn},
	{"MAIL", SMTP_ANY, 0, smtp_not_implemented},
	{"RCPT", SMTP_ANY, 0, smtp_not_implemented},
	{"DATA", SMTP_ANY, 0, smtp_not_implemented},
};

void smtp_commands(const struct smtp *s, const struct cmd_def **table_out, size_t *n_out)
{
	if (s->profile->lmtp) {
		*table_out = lmtp_table;
		*n_out = ARRAY_LEN(lmtp_table);
	} else if (s->profile->odmr) {
		*table_out = odmr_table;
		*n_out = ARRAY_LEN(odmr_table);
	} else if (smtp_auth_mode(s) != SERVER_AUTH_NONE) {
		*table_out = login_table;
		*n_out = ARRAY_LEN(login_table);
	} else {
		*table_out = smtp_table;
		*n_out = ARRAY_LEN(smtp_table);
	}
}

enum smtp_say smtp_first(const struct smtp *s)
{
	bool login = smtp_auth_mode(s) == SERVER_AUTH_REQUIRED;

	/* There is no log-in without TLS. */
	if (!stream_is_tls(s->base.stream) &&
	    (login || server_tls_mode(s->base.server) == SERVER_TLS_REQUIRED))
		return SAY_TLS_FIRST;
	return login && s->base.ticket == NULL ? SAY_AUTH_FIRST : SAY_NOTHING;
}

const struct smtp_profile *smtp_profile(const struct endpoint *e)
{
	static const struct smtp_profile server = {
		.service = SERVICE_SMTP,
		.line_max = SMTP_LINE_MAX,
		.greeting = "ESMTP",
	};
	static const struct smtp_profile lmtp = {
		.service = SERVICE_SMTP,
		.line_max = SMTP_LINE_MAX,
		.greeting = "LMTP",
		.lmtp = true,
	};
	static const struct smtp_profile submission = {
		.service = SERVICE_SUBMISSION,
		.line_max = SMTP_AUTH_LINE_MAX,
		.greeting = "ESMTP",
	};
	static const struct smtp_profile odmr = {
		.service = SERVICE_SUBMISSION,
		.line_max = SMTP_AUTH_LINE_MAX,
		.greeting = "ESMTP",
		.odmr = true,
	};

	if (e->lmtp)
		return &lmtp;
	if (e->odmr)
		return &odmr;
	return e->service == SERVICE_SUBMISSION ? &submission : &server;
}

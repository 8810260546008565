/* The conversation: greeting, one command after the other, last words. */
#include "common/log/metric.h"
#include "frontend/core/line.h"
#include "frontend/dns/resolver.h"
#include "common/loop/fiber.h"
#include "frontend/smtp/smtp.h"

METRIC_COUNTER(m_early, "smtp_early_talkers_total", "Sessions ended for not waiting for a reply");

void smtp_set_state(struct smtp *s, enum smtp_state state)
{
	s->state = state;
	switch (state) {
	case SMTP_START:
		s->base.state = "greeting";
		break;
	case SMTP_READY:
		s->base.state = "ready";
		break;
	case SMTP_MAIL:
		s->base.state = "mail";
		break;
	case SMTP_RCPT:
		s->base.state = "rcpt";
		break;
	case SMTP_BDAT:
		s->base.state = "bdat";
		break;
	case SMTP_ANY:
		invariant(state != SMTP_ANY); /* for the tables alone */
	}
}

WAITS void smtp_reset(struct smtp *s)
{
	smtp_tx_reset(&s->tx);
	session_memory(&s->base,
		       s->base.ticket != NULL ? SESSION_MEMORY_LOGGED_IN : SESSION_MEMORY_SMALL);
	if (s->state != SMTP_START)
		smtp_set_state(s, SMTP_READY);
}

static enum smtp_say state_refusal(const struct smtp *s, const struct cmd_def *c)
{
	switch (s->state) {
	case SMTP_START:
		return s->profile->lmtp ? SAY_LHLO_FIRST : SAY_HELO_FIRST;
	case SMTP_READY:
		return SAY_MAIL_FIRST;
	case SMTP_MAIL:
		if (strcmp(c->name, "DATA") != 0)
			return SAY_NESTED_MAIL;
		return s->profile->lmtp ? SAY_LMTP_RCPT_FIRST : SAY_RCPT_FIRST;
	case SMTP_RCPT:
		return SAY_NESTED_MAIL;
	case SMTP_BDAT:
		return SAY_BDAT_GOES_ON;
	case SMTP_ANY:
		break;
	}
	return SAY_MAIL_FIRST;
}

static enum smtp_say verdict_refusal(const struct smtp *s, const struct cmd_def *c,
				     enum cmd_verdict v)
{
	switch (v) {
	case CMD_OK:
		return SAY_NOTHING;
	case CMD_WRONG_STATE:
		return state_refusal(s, c);
	case CMD_TLS_FIRST: /* RFC 4954 section 4 has a code of its own for AUTH */
		return (c->flags & CMD_SECRET) ? SAY_AUTH_NEEDS_TLS : SAY_TLS_FIRST;
	case CMD_TLS_ALREADY:
		return SAY_TLS_ALREADY;
	case CMD_AUTH_FIRST:
		return SAY_AUTH_FIRST;
	case CMD_AUTH_ALREADY:
		return SAY_AUTH_ALREADY;
	case CMD_BAD_ARGS:
		return SAY_NO_ARGS;
	}
	return SAY_SYNTAX;
}

/* A client that does not wait where it has to: a spammer's program, or bytes put into the stream
 * before TLS. */
static WAITS enum err out_of_step(struct smtp *s, enum smtp_say why, slice_t what)
{
	metric_add(&m_early, 1);
	LOG(LOG_INFO, &s->base.log, "smtp.early_talker", LF_SLICE("after", what));
	return smtp_say(s, why);
}

static WAITS enum err run_command(struct smtp *s, slice_t line)
{
	const struct cmd_def *c, *table;
	struct cmd_where where = {.state = s->state,
				  .tls = stream_is_tls(s->base.stream),
				  .authed = s->base.ticket != NULL};
	slice_t name, args;
	enum smtp_say why;
	size_t n;

	cmd_split(line, &name, &args);
	smtp_commands(s, &table, &n);
	c = cmd_find(table, n, name);
	if (c == NULL) {
		LOG(LOG_INFO, &s->base.log, "smtp.unknown_command",
		    LF_SLICE("command", s->secrets ? SL("*") : cmd_loggable(NULL, line)));
		return smtp_say(s, SAY_UNKNOWN_COMMAND);
	}
	s->secrets = s->secrets || (c->flags & CMD_SECRET);
	if ((c->flags & CMD_LAST) && stream_peek(s->base.stream).n > 0)
		return out_of_step(s, SAY_NOT_IN_STEP, name);
	if (line.n > SMTP_LINE_MAX && !(c->flags & CMD_SECRET))
		return smtp_refuse_command(s, SAY_LINE_TOO_LONG, name);
	why = c->flags & CMD_GUARDED ? smtp_first(s) : SAY_NOTHING;
	if (why == SAY_NOTHING)
		why = verdict_refusal(s, c, cmd_check(c, &where, args));
	if (why != SAY_NOTHING) {
		if (c->flags & CMD_SECRET)
			line_wipe(args);
		return smtp_refuse_command(s, why, cmd_loggable(c, line));
	}
	s->free_commands = (c->flags & CMD_FREE) ? s->free_commands + 1 : 0;
	if (s->free_commands > SMTP_FREE_MAX)
		return smtp_say(s, SAY_ERRORS);
	return c->run(&s->base, args, NULL);
}

/* One line and what it asks for. An error ends the session. */
static WAITS enum err turn(struct smtp *s)
{
	slice_t line;
	enum err e;

	if (s->base.leaving != NULL)
		return smtp_say(s, SAY_STOPPED);
	s->base.between = true;
	e = line_read(s->base.stream, s->profile->line_max, "smtp.command",
		      deadline_in(smtp_limits(s)->command_timeout_ms), &line);
	s->base.between = false;
	if (e == E_OK)
		return run_command(s, line);
	if (e != E_LIMIT && e != E_INVALID && e != E_TOO_BIG)
		return e;
	LOG(LOG_INFO, &s->base.log, "smtp.bad_line", LF_ERR("reason", e));
	return smtp_say(s, e == E_LIMIT     ? SAY_LINE_TOO_LONG
			   : e == E_INVALID ? SAY_LINE_BARE
					    : SAY_LINE_ENDLESS);
}

static WAITS enum err greet(struct smtp *s)
{
	const char *banner;
	enum smtp_say why;
	struct buf b;
	enum err e;

	if (s->profile->lmtp && !policy_admits_lmtp(stream_peer(s->base.stream)))
		return smtp_say(s, SAY_NO_SERVICE);
	e = smtp_know_peer(s, &why);
	if (e != E_OK)
		return e;
	if (why != SAY_NOTHING)
		return smtp_say(s, why);
	e = stream_fill(s->base.stream, 0, "smtp.early", deadline_in(SMTP_EARLY_MS));
	if (e == E_OK)
		return out_of_step(s, SAY_TALKS_EARLY, SL("connect"));
	if (e != E_TIMEOUT)
		return e;
	banner = server_banner(s->base.server);
	buf_init(&b, 512, NULL);
	buf_printf(&b, "220 %s %s%s%s\r\n", smtp_hostname(s), s->profile->greeting,
		   banner[0] != '\0' ? " " : "", banner);
	e = stream_write(s->base.stream, buf_slice(&b),
			 deadline_in(smtp_limits(s)->command_timeout_ms));
	buf_fini(&b);
	return e;
}

static WAITS void smtp_run(struct session *base)
{
	struct smtp *s = smtp_of(base);
	enum err e;

	s->profile = smtp_profile(base->endpoint);
	smtp_set_state(s, SMTP_START);
	e = greet(s);
	while (e == E_OK)
		e = turn(s);
	if (e == E_CANCELLED)
		smtp_say_last(s, base->leaving != NULL ? SAY_STOPPED : SAY_SHUTDOWN);
	else if (e == E_TIMEOUT)
		smtp_say_last(s, SAY_IDLE);
	session_failed(base, e);
	smtp_tx_reset(&s->tx);
}

/* Before there is a session. 554: there is no service for this client (RFC 5321 section 3.1). */
static void smtp_refuse(struct stream *stream, const struct refusal *r)
{
	struct buf b;

	buf_init(&b, 512, NULL);
	buf_printf(&b, "%s %s %s\r\n", r->lasting ? "554 5.7.1" : "421 4.3.2",
		   server_hostname(r->server), r->why);
	if (stream_write_now(stream, buf_slice(&b)) != E_OK)
		LOG(LOG_DEBUG, NULL, "smtp.refusal_lost");
	buf_fini(&b);
}

/* Without DNS nobody has a name: those who need one are told to come later. */
static WAITS void smtp_start(const struct serve_conf *conf)
{
	struct dns_conf dns = {.server = conf->dns_server,
			       .anchors = conf->dns_anchors,
			       .udp_only = conf->dns_udp_only};
	struct diag d = {""};
	enum err e = resolver_start(&dns, &d);

	if (e != E_OK)
		LOG(LOG_ERROR, NULL, "smtp.no_dns", LF_ERR("error", e), LF_STR("why", d.text));
}

const struct protocol smtp_protocol = {
	.service = SERVICE_SMTP,
	.batches = true,
	.start = smtp_start,
	.stop = resolver_stop,
	.session_size = sizeof(struct smtp),
	.run = smtp_run,
	.refuse = smtp_refuse,
};

const struct protocol submission_protocol = {
	.service = SERVICE_SUBMISSION,
	.batches = true,
	.start = smtp_start,
	.stop = resolver_stop,
	.session_size = sizeof(struct smtp),
	.run = smtp_run,
	.refuse = smtp_refuse,
};

/* AUTH (RFC 4954), for submission. */
#include "frontend/core/line.h"
#include "frontend/rpc/call_auth.h"
#include "common/loop/fiber.h"
#include "frontend/smtp/smtp.h"

#define CHALLENGE_MAX (2 * SASL_RESPONSE_MAX)

/* "334 " base64. */
static WAITS enum err challenge(void *arg, slice_t base64)
{
	struct smtp *s = arg;
	struct buf b;
	enum err e;

	buf_init(&b, CHALLENGE_MAX, NULL);
	buf_puts(&b, "334 ");
	buf_put(&b, base64);
	buf_puts(&b, "\r\n");
	e = buf_failed(&b) ? E_RETRY
			   : stream_write(s->base.stream, buf_slice(&b),
					  deadline_in(smtp_limits(s)->command_timeout_ms));
	buf_fini(&b);
	return e;
}

static WAITS enum err response(void *arg, slice_t *out)
{
	struct smtp *s = arg;
	enum err e = line_read(s->base.stream, SASL_LINE_MAX, "smtp.auth",
			       deadline_in(smtp_limits(s)->command_timeout_ms), out);

	return e == E_RETRY ? E_CLOSED : e;
}

static WAITS enum err refuse(struct smtp *s, enum err e)
{
	enum smtp_say why = smtp_say_for(AT_AUTH, e);

	if (why == SAY_NOTHING)
		return e;
	/* Also those that nobody judged: the owner is asked for each. What was no answer at all
	 * counts among the session's errors. */
	if (e != E_INVALID && e != E_TOO_BIG && ++s->auth_failures >= SMTP_AUTH_TRIES_MAX)
		why = SAY_AUTH_TRIES;
	return smtp_say(s, why);
}

WAITS enum err smtp_auth(struct session *base, slice_t args, void *arg UNUSED)
{
	struct smtp *s = smtp_of(base);
	struct sasl_io io = {.arg = s, .challenge = challenge, .response = response};
	const struct sasl_mech *mech;
	slice_t name, initial;
	enum err e;

	cmd_split(args, &name, &initial);
	mech = sasl_find(name, base->stream, base->server);
	if (mech == NULL || (initial.n > 0 && memchr(initial.p, ' ', initial.n) != NULL)) {
		line_wipe(args);
		return smtp_refuse_command(s, mech == NULL ? SAY_AUTH_MECHANISM : SAY_SYNTAX,
					   SL("AUTH"));
	}
	base->state = "auth";
	e = call_auth_sasl(base, mech, initial.n > 0 ? &initial : NULL, &io);
	smtp_set_state(s, s->state);
	return e == E_OK ? smtp_say(s, SAY_AUTH_OK) : refuse(s, e);
}

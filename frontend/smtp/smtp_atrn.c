/* ATRN (RFC 2645): a host that has logged in fetches the mail that is held for its domains, over
 * this very connection: after 250 it is the server. The back-ends know whose it is, and judge. */
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "frontend/outbound/turn.h"
#include "frontend/smtp/smtp.h"

static WAITS enum err turn_around(struct smtp *s, struct turn *t)
{
	enum err e = smtp_say(s, SAY_TURN_GO);

	if (e != E_OK)
		return e;
	s->base.state = "turned";
	turn_run(t, &s->base, smtp_hostname(s));
	LOG(LOG_INFO, &s->base.log, "smtp.turned", LF_UINT("messages", t->sent));
	session_ends(&s->base, "turned");
	return E_CLOSED;
}

static WAITS enum err answer(struct smtp *s, struct turn *t, enum turn_answer a)
{
	switch (a) {
	case TURN_READY:
		return turn_around(s, t);
	case TURN_EMPTY:
		return smtp_say(s, SAY_TURN_EMPTY);
	case TURN_DENIED:
		return smtp_refuse_command(s, SAY_TURN_DENIED, SL("ATRN"));
	case TURN_LATER:
		break;
	}
	return smtp_refuse_command(s, SAY_TURN_LATER, SL("ATRN"));
}

WAITS enum err smtp_atrn(struct session *base, slice_t args, void *arg UNUSED)
{
	struct smtp *s = smtp_of(base);
	char *domains[SMTP_ATRN_DOMAINS_MAX];
	struct smtp_atrn_args a;
	enum smtp_say why = smtp_parse_atrn(args, &a);
	struct turn *t;
	enum err e;

	if (why != SAY_NOTHING)
		return smtp_refuse_command(s, why, SL("ATRN"));
	for (size_t i = 0; i < a.n; i++)
		domains[i] = a.domains[i];
	t = xcalloc(1, sizeof *t);
	e = answer(s, t, turn_ask(t, base->ticket, domains, a.n));
	turn_end(t);
	xfree(&t);
	return e;
}

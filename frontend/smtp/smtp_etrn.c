/* ETRN (RFC 1985): a host asks for the mail that is held for it. What goes, goes where the route
 * says, never to who asks; the back-end knows the routes and judges. */
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "frontend/rpc/call_ask.h"
#include "frontend/smtp/smtp.h"

#include <inttypes.h>
#include <stdio.h>

/* Section 5.3: what is started, as far as this client may know. */
static WAITS enum err say_started(struct smtp *s, const struct call_asked *a, const char *node)
{
	char number[24];

	if (a->counted && a->waiting != 0) {
		snprintf(number, sizeof number, "%" PRIu64, a->waiting);
		return smtp_say_with(s, SAY_ETRN_COUNTED, number);
	}
	return smtp_say_with(s,
			     a->counted        ? SAY_ETRN_EMPTY
			     : a->waiting != 0 ? SAY_ETRN_PENDING
					       : SAY_ETRN_STARTED,
			     node);
}

WAITS enum err smtp_etrn(struct session *base, slice_t args, void *arg UNUSED)
{
	static const enum call_ask_what whats[] = {
		[SMTP_ETRN_NODE] = CALL_ASK_NODE,
		[SMTP_ETRN_BELOW] = CALL_ASK_BELOW,
		[SMTP_ETRN_QUEUE] = CALL_ASK_ROUTE,
	};
	struct smtp *s = smtp_of(base);
	struct smtp_etrn_args a;
	struct call_asked asked;
	enum smtp_say why;
	enum err e;

	if (!smtp_offers_etrn(s))
		return smtp_refuse_command(s, SAY_UNKNOWN_COMMAND, SL("ETRN"));
	why = smtp_parse_etrn(args, &a);
	if (why != SAY_NOTHING)
		return smtp_refuse_command(s, why, SL("ETRN"));
	e = call_ask(base, whats[a.what], a.node, &asked);
	LOG(LOG_INFO, &base->log, "smtp.etrn", LF_STR("node", a.node), LF_UINT("what", a.what),
	    LF_ERR("status", e));
	if (e == E_OK)
		return say_started(s, &asked, a.node);
	why = smtp_say_for(AT_NODE, e);
	return why == SAY_NOTHING ? e : smtp_say_with(s, why, a.node);
}

#include "frontend/rpc/call_web.h"

#include "common/log/log.h"
#include "frontend/rpc/call_priv.h"
#include "proto/web.pb-c.h"

static void tell_failure(enum err e, const struct diag *d)
{
	if (e != E_OK && e != E_NOT_FOUND)
		LOG_SELDOM(LOG_WARN, NULL, "web.no_answer", LF_ERR("why", e),
			   LF_STR("text", d->text));
}

WAITS enum err call_web_sts(slice_t domain, struct arena *mem, int64_t deadline_ms, slice_t *out)
{
	Postern__WebSts req = POSTERN__WEB_STS__INIT;
	ProtobufCMessage *reply;
	struct diag d = {""};
	enum err e;

	req.domain = arena_str(mem, domain);
	e = rpc_client_ask(NULL, POSTERN__METHOD__METHOD_WEB_STS, &req.base,
			   &postern__web_sts_reply__descriptor, mem, deadline_ms, &reply, &d);
	if (e == E_OK)
		*out = slice_str(((const Postern__WebStsReply *)reply)->text);
	tell_failure(e, &d);
	return e;
}

WAITS enum err call_web_autoconfig(slice_t domain, struct arena *mem, int64_t deadline_ms,
				   slice_t *out)
{
	Postern__WebAutoconfig req = POSTERN__WEB_AUTOCONFIG__INIT;
	ProtobufCMessage *reply;
	struct diag d = {""};
	enum err e;

	req.domain = arena_str(mem, domain);
	e = rpc_client_ask(NULL, POSTERN__METHOD__METHOD_WEB_AUTOCONFIG, &req.base,
			   &postern__web_autoconfig_reply__descriptor, mem, deadline_ms, &reply,
			   &d);
	if (e == E_OK)
		*out = slice_str(((const Postern__WebAutoconfigReply *)reply)->text);
	tell_failure(e, &d);
	return e;
}

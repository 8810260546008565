#include "frontend/outbound/outbound.h"

#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "frontend/dns/resolver.h"

WAITS static void outbound_serve(const struct serve_conf *c)
{
	struct dns_conf dns = {.server = c->dns_server, .anchors = c->dns_anchors};
	struct event never;
	struct diag d = {""};

	if (resolver_start(&dns, &d) != E_OK) {
		LOG(LOG_ERROR, NULL, "outbound.no_resolver", LF_STR("why", d.text));
		return;
	}
	event_init(&never);
	if (event_wait(&never, "outbound.end", NO_DEADLINE) == E_CANCELLED)
		LOG(LOG_DEBUG, NULL, "outbound.ends");
	resolver_stop();
}

const struct protocol outbound_protocol = {
	.service = SERVICE_OUTBOUND,
	.serve = outbound_serve,
};

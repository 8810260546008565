#include "frontend/rpc/call_node.h"

#include <unistd.h>

#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "frontend/rpc/rpc_client.h"
#include "proto/method.pb-c.h"
#include "proto/policy.pb-c.h"

#define REPORT_MS 5000

WAITS void call_node_report(const struct node_report *r)
{
	Postern__NodeReport req = POSTERN__NODE_REPORT__INIT;
	char version[] = POSTERN_VERSION;
	enum err e;

	req.worker = r->worker;
	req.pid = (uint32_t)getpid();
	req.version = version;
	req.started_us = r->started_us;
	req.sessions = r->sessions;
	req.memory_bytes = r->memory_bytes;
	req.listeners = r->listeners;
	req.n_listeners = r->nlisteners;
	req.metrics = (ProtobufCBinaryData){r->metrics.n, (uint8_t *)(uintptr_t)r->metrics.p};
	e = rpc_client_call(rpc_client_any(), POSTERN__METHOD__METHOD_NODE_REPORT, &req.base, NULL,
			    NULL, deadline_in(REPORT_MS), NULL, NULL);
	if (e != E_OK)
		LOG(LOG_DEBUG, NULL, "node.report_failed", LF_ERR("why", e));
}

/* ask: one question on its way. For resolver.c alone. */
#ifndef FRONTEND_DNS_ASK_PRIV_H
#define FRONTEND_DNS_ASK_PRIV_H

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/loop/fiber.h"
#include "frontend/dns/resolver.h"

enum ask_state {
	ASK_POSTED, /* to the loop */
	ASK_OUT,    /* libunbound has it */
	ASK_LOST,   /* nobody has it: a twin that is silent */
	ASK_DONE,
};

struct ask {
	struct list node;
	enum ask_state state;
	bool left; /* nobody waits for it any more */
	struct dnsname name;
	uint16_t type;
	struct event done;
	/* The answer; status is DNS_OK when there is a packet, whatever that says. */
	enum dns_status status;
	bool secure;
	const char *why;
	struct buf packet;
};

/* Sends it on its way; never NULL. */
struct ask *ask_start(const struct dnsname *name, uint16_t type);
/* Until it is answered. E_OK also when the deadline passed: a temporary failure then. E_CANCELLED:
 * nothing is known. */
WAITS enum err ask_wait(struct ask *a, int64_t deadline_ms) MUST_USE;
/* The asker goes, answered or not. */
void ask_leave(struct ask **a);

#endif

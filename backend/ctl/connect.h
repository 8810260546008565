/* connect: the link to a back-end's management port, and calls over it. */
#ifndef BACKEND_CTL_CONNECT_H
#define BACKEND_CTL_CONNECT_H

#include <protobuf-c/protobuf-c.h>

#include "backend/ctl/ctl.h"
#include "common/rpc/link.h"

#define CTL_CALL_MS \
	(24 * 60 * 60 * 1000) /* the longest is fsck of large partitions; the methods'
					     own deadlines are shorter */

/* Fills what the command line left open from cluster.json. Before the loop runs. Not EX_OK: it was
 * told. */
int ctl_target_resolve(struct ctl *c);

/* One question. The answer's payload is unpacked into mem (a body of a lone message, too, when it
 * is too long for a frame). */
struct ctl_call {
	uint16_t method;
	const ProtobufCMessage *request;
	const ProtobufCMessageDescriptor *answer; /* NULL: none */
	/* Frames of the answer, each unpacked and gone after the call. NULL: the answer is one
	 * message. Not EX_OK: ends it. */
	int (*each)(const ProtobufCMessage *page, void *arg);
	void *arg;
	struct arena *mem;
	ProtobufCMessage *reply; /* out: when each is NULL */
	enum err result;         /* out: what the back-end said */
	struct diag diag;        /* out: its text for a refusal */
};
/* Makes the link if there is none; for who calls from several fibers. The first of the target's
 * addresses that answers is taken; one where nobody answers is passed over, one that refuses us
 * ends it. Not EX_OK: it was told. */
WAITS int ctl_connect(struct ctl *c);
/* Connects at first. EX_UNAVAILABLE (told already): no back-end was reached; else EX_OK and
 * call->result, or what each returned. A request is sent once: when the link breaks after that,
 * nobody else is asked. */
WAITS int ctl_call(struct ctl *c, struct ctl_call *call);
WAITS void ctl_disconnect(struct ctl *c);

#endif

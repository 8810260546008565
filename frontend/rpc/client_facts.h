/* client_facts: who is at the other end of a session, as requests carry it. */
#ifndef FRONTEND_RPC_CLIENT_FACTS_H
#define FRONTEND_RPC_CLIENT_FACTS_H

#include "frontend/core/session.h"
#include "proto/types.pb-c.h"

/* Fills m; borrows the stream's facts. */
void client_facts(const struct session *s, Postern__ClientFacts *m);

#endif

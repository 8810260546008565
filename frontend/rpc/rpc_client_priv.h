/* What the files of this folder share: the worker's links. */
#ifndef FRONTEND_RPC_RPC_CLIENT_PRIV_H
#define FRONTEND_RPC_RPC_CLIENT_PRIV_H

#include "common/loop/fiber.h"
#include "frontend/rpc/rpc_client.h"
#include "proto/policy.pb-c.h"

#define BACKENDS_MAX 64 /* of one cell, twice what the design foresees */

/* One back-end that a dialer tries, or that dialled us. */
struct peer {
	struct ipaddr addr;
	uint16_t port;
	bool bootstrap;            /* from the configuration: kept whatever the map says */
	bool listed;               /* in the newest map */
	struct rpc_dialer *dialer; /* NULL inside-out */
};

struct rpc_client {
	struct rpc_client_conf conf;
	struct rpc_endpoint endpoint;
	struct rpc_accepter *accepter; /* inside-out */
	struct peer peers[BACKENDS_MAX];
	size_t npeers;
	struct rpc_link *links[BACKENDS_MAX]; /* that are up; referenced */
	size_t nlinks;
	size_t turn;          /* rpc_client_any takes them in turn */
	struct waitq changed; /* a link came or went, or the first policy came */
	bool have_policy;
	struct route {
		uint32_t partition;
		char backend[RPC_NAME_MAX];
	} * routes; /* ascending by partition */
	size_t nroutes;
	struct fiber *watcher;
};

extern struct rpc_client rpc_client;

/* The fiber that keeps a PolicyWatch open and puts in force what it brings. */
WAITS void policy_watch_run(void *arg);
/* A new map: routes are replaced, dialers of new back-ends begun and of gone ones ended. */
void rpc_client_set_cluster(const Postern__Cluster *c);

#endif

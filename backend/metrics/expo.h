/* expo: the cluster's metrics over HTTP/1.1, GET /metrics, for Prometheus; and GET /health. Bound
 * to an internal address. */
#ifndef BACKEND_METRICS_EXPO_H
#define BACKEND_METRICS_EXPO_H

#include "backend/metrics/nodes.h"
#include "common/net/stream.h"

struct expo;

struct expo_conf {
	const struct nodes *nodes; /* borrowed */
	const char *node;          /* this node's name; borrowed */
	/* Is the node ready to serve? For GET /health: 200 or 503. */
	bool (*healthy)(void *arg);
	void *arg;
};

#define EXPO_CLIENTS_MAX 16

enum err expo_start(const struct expo_conf *c, const struct ipaddr *addr, uint16_t port,
		    struct expo **out, struct diag *d) MUST_USE;
/* Stops listening; running answers end by themselves. */
void expo_stop(struct expo **e);

#endif

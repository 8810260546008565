/*
 * dnsserver: a private authoritative name server (nsd) for a test program, on a port of 127.0.0.1
 * of its own; plain zones, and zones signed by ldns-signzone. Started once a program, gone with it.
 */
#ifndef TESTS_LIB_DNSSERVER_H
#define TESTS_LIB_DNSSERVER_H

#include "common/base/slice.h"

enum dnsserver_how {
	DNSSERVER_PLAIN,
	DNSSERVER_SIGNED,
	DNSSERVER_FORGED, /* signed; then every DNSSERVER_TRUE becomes DNSSERVER_FALSE */
};
#define DNSSERVER_TRUE  "192.0.2.66"
#define DNSSERVER_FALSE "192.0.2.99"

struct dnsserver_zone {
	const char *name;    /* "plain.test" */
	const char *records; /* lines of a zone file; SOA and NS are there already */
	enum dnsserver_how how;
};

/* Starts it, unless it runs; dies when that cannot be: nsd is a requirement of the tests. */
void dnsserver_start(const struct dnsserver_zone *zones, size_t n);
slice_t dnsserver_address(void); /* "127.0.0.1:PORT" */
/* The DS records of all signed zones, a line each. */
slice_t dnsserver_anchors(void);

#endif

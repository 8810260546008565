/*
 * dnstwin: DNS from a table, for tests of rooms that ask frontend/dns; no server, no socket.
 *
 *	static const struct dnstwin_rr records[] = {
 *		{"example.test", "MX", "10 mx.example.test"},
 *		{"mx.example.test", "A", "192.0.2.1"},
 *		{"mx.example.test", "SECURE", ""},
 *		{0},
 *	};
 *	resolver_replace(dnstwin(records));
 */
#ifndef TESTS_LIB_DNSTWIN_H
#define TESTS_LIB_DNSTWIN_H

#include "frontend/dns/resolver.h"

struct dnstwin_rr {
	const char *name; /* NULL: the end of the table */
	/* A, AAAA, CNAME, MX, TXT, TLSA, PTR with data as in a zone file (TXT without quotes, TLSA
	 * as "3 1 1 HEX"). Or what becomes of all questions for the name: SECURE, BOGUS, FAIL
	 * (no server answers), SILENT. */
	const char *type, *data;
};

/* Every name that the table does not have does not exist. The table stays in use; one at a time. */
const struct dns_twin *dnstwin(const struct dnstwin_rr *records);
/* How many questions it was asked so far. */
unsigned dnstwin_asked(void);

#endif

/*
 * rotate: what is to be done now with the keys of one domain. Decisions alone: who calls has asked
 * DNS, and does it.
 *
 *	active for rotate_after    a successor is made (new)
 *	its record is in DNS       published; gone again: new
 *	there for seen_for         active: both sign
 *	at the next look           the older one is retired
 *	retired for overlap        removed
 *
 * Nothing is activated whose record was not seen at the very look, and no key is retired before its
 * successor signs: whatever fails, the old key goes on. Keys that administrators had made become
 * published, and are activated by them alone.
 */
#ifndef BACKEND_DNS_ROTATE_H
#define BACKEND_DNS_ROTATE_H

#include "backend/directory/dir_dkim.h"
#include "backend/dns/dkim_text.h"

/* A key whose record is not in DNS for so long is called late: whoever runs the zone has had three
 * working days and a weekend. */
#define ROTATE_LATE_US (5 * 24 * 3600 * 1000000LL)

struct rotate_times {
	int64_t after_us; /* 0: no successors, nothing is retired nor removed */
	int64_t seen_us, overlap_us;
};

enum rotate_step {
	ROTATE_KEEP,
	ROTATE_PUBLISHED,   /* from new */
	ROTATE_UNPUBLISHED, /* back to new */
	ROTATE_ACTIVATE,
	ROTATE_RETIRE,
	ROTATE_REMOVE,
};

struct rotate_key {
	struct dir_dkim_row row;
	enum dkim_sight sight; /* of those that rotate_asks() */
	enum rotate_step step; /* the plan's */
	bool late;             /* the plan's */
};

/* Does a decision on this key need what DNS says of it? */
bool rotate_asks(const struct dir_dkim_row *row);
/* Is the key waiting for its record too long? */
bool rotate_late(const struct dir_dkim_row *row, int64_t now_us);
/* Fills step and late of all keys of a domain. make: the algorithms of successors that are to be
 * made; their number is returned. */
size_t rotate_plan(struct rotate_key *keys, size_t n, int64_t now_us, const struct rotate_times *t,
		   enum sign_algorithm make[DKIM_SIGS_MAX]);

#endif

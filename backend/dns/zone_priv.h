/* Shared by the files of zone. */
#ifndef BACKEND_DNS_ZONE_PRIV_H
#define BACKEND_DNS_ZONE_PRIV_H

#include "backend/dns/zone.h"

/* One look at a domain. */
struct zone_look {
	const struct zone_wants *w;
	struct arena *mem;
	struct zone_rows *out;
	size_t max;
	struct diag away; /* why nothing more is asked; empty: it is */
	bool answered;    /* any question, in whatever way */
	unsigned silent;  /* those that were not, until one was */
	struct ipaddr addrs[ZONE_HOSTS_MAX * ZONE_ADDRS_MAX]; /* of all hosts */
	size_t naddrs;
};

/* A row to fill. name and value are copied. */
struct zone_row *zone_row(struct zone_look *l, const char *type, enum zone_need need, slice_t name,
			  slice_t value);
/* "prefix" "domain", in mem. */
slice_t zone_name(struct zone_look *l, const char *prefix, slice_t domain);
PRINTF(2, 3) slice_t zone_text(struct zone_look *l, const char *fmt, ...);
void zone_note(struct zone_row *r, enum zone_verdict verdict, const char *note);
/* Asks; of an answer with records it is true. Else the row has its verdict: missing or unknown. */
WAITS bool zone_ask(struct zone_look *l, struct zone_row *r, slice_t name, enum ask_type type,
		    struct ask_answer *a);
/* All records of an answer as one text. */
slice_t zone_join(struct zone_look *l, const struct ask_answer *a);
/* Of those that begin with that word, in any case, and have one of `ends` or nothing behind it,
 * the number; *first_out. */
size_t zone_pick(const struct ask_answer *a, const char *version, const char *ends,
		 slice_t *first_out);
/* Is there a word in text, which spaces separate, *rest going on behind it? */
bool zone_word(slice_t *rest, slice_t *word);

/* ---- zone_fault.c ---- */

/* term: whose it is; empty: the record's. */
void zone_fault(struct zone_faults *f, slice_t term, const char *what);
/* Has it the scheme ("mailto:"), in any case, and no bytes but those that a URI may have? Nor , ;
 * or !, which lists of URIs take for their own (RFC 7489 section 6.2, RFC 8460 section 3). */
bool zone_uri(slice_t uri, const char *scheme);
/* A mailto: of one address. */
bool zone_mailto(slice_t uri);

/* A part of "a=b; c = d". */
struct zone_tag {
	slice_t whole, name, value;
	bool pair;  /* there is a = behind a name */
	bool empty; /* there is nothing */
};
/* Takes the next one off; one ; may end them. */
bool zone_tag_next(slice_t *rest, struct zone_tag *out);

#endif

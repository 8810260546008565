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
/* Of those that begin with that word, in any case, the number; *first_out. */
size_t zone_pick(const struct ask_answer *a, const char *version, slice_t *first_out);
/* Is there a word in text, which spaces separate, *rest going on behind it? */
bool zone_word(slice_t *rest, slice_t *word);

#endif

/* tls_sum_pack: a row of tls_sums as bytes, and what sessions make of its content. */
#ifndef BACKEND_QUEUE_TLS_SUM_PACK_H
#define BACKEND_QUEUE_TLS_SUM_PACK_H

#include "backend/queue/tls_sums.h"

/* The bytes of a row's head before its texts, and of all of it at most. */
#define TLS_SUM_HEAD      80
#define TLS_SUM_HEAD_SIZE (TLS_SUM_HEAD + 2 + 255 + TLS_SUMS_LAST_STR)

void tls_sum_pack_head(const struct tls_row *r, int64_t tried_us, bool closed, struct buf *out);
void tls_sum_pack(const struct tls_sum *s, struct buf *out);
/* *in moves on to the content; domain borrows from it. E_CORRUPT. busy, domain and id of the row
 * are not touched. */
enum err tls_sum_unpack_head(slice_t *in, struct tls_row *out, int64_t *tried_us, bool *closed,
			     slice_t *domain) MUST_USE;
/* Borrows from in, the lists are in mem. E_CORRUPT. */
enum err tls_sum_unpack(slice_t in, struct arena *mem, struct tls_sum *out) MUST_USE;

/* Front-ends say what they like: nothing is kept that could not stand in a report. */
bool tls_sum_may_say(const struct tls_sessions *v) MUST_USE;

enum tls_sum_added {
	TLS_SUM_ADDED,
	TLS_SUM_UNLISTED, /* counted, without its details */
	TLS_SUM_NO_ROOM,  /* not counted: a policy that has no room */
};
/* Adds sessions to a content whose packed bytes are *size, which follows; full: nothing that takes
 * room. What is new borrows from v; the lists are in mem. */
enum tls_sum_room { TLS_SUM_ROOM, TLS_SUM_FULL };
enum tls_sum_added tls_sum_add(struct tls_sum *s, const struct tls_sessions *v,
			       enum tls_sum_room room, struct arena *mem, size_t *size);

#endif

/*
 * outbound_limits: numbers of proto/outbound.proto on which both sides rely. A job's lease counts
 * for so long, and what is not reported by then is sent again; so a worker begins with it, and has
 * its message, in good time before, and keeps a report as long as it can count.
 */
#ifndef PROTO_OUTBOUND_LIMITS_H
#define PROTO_OUTBOUND_LIMITS_H

/* A report may come so late: longer than any transaction takes, within the life of keys. */
#define LEASE_TOKEN_LIFE_S (90 * 60)
#define LEASE_ITEMS_MAX    100 /* recipients of one transaction (RFC 5321 section 4.5.3.1.8) */

/* So long after it came a job is begun at the latest, on a connection that is there; and so long
 * its message is read, which leaves ten minutes for the answer to the last dot and some for the
 * report. */
#define OUTBOUND_BEGIN_MS       (30 * 60 * 1000)
#define OUTBOUND_READ_MS        (75 * 60 * 1000)
/* A report is sent again for so long: a back-end that comes back sends again what it does not hear
 * of. */
#define OUTBOUND_KEEP_REPORT_MS (90 * 60 * 1000)

/* Stored bytes that come behind a job; of a longer message they are asked for. */
#define OUTBOUND_FOLLOW_MAX  (256u * 1024)
#define OUTBOUND_RESULTS_MAX 64 /* of one report */

_Static_assert(OUTBOUND_BEGIN_MS < OUTBOUND_READ_MS, "who begins last can still read");
_Static_assert(OUTBOUND_READ_MS + 11 * 60 * 1000 <= LEASE_TOKEN_LIFE_S * 1000,
	       "RFC 5321 section 4.5.3.2.6: ten minutes for the answer, one for the report");
_Static_assert(OUTBOUND_KEEP_REPORT_MS >= LEASE_TOKEN_LIFE_S * 1000,
	       "nothing that counts is thrown away");

#endif

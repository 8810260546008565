/*
 * backend/policy: who may send how much, and who sends as nobody does.
 *
 *   window      a sliding count in a few numbers
 *   rates       what accounts submitted lately, and what is usual for each
 *   guard       limits, holds, alarms: the room that the others ask
 *   guard_keep  what a restart finds of it
 *   live        the settings of the directory over their defaults
 *   chore       what is looked at again and again
 *
 * It counts and decides; it sees no message, no address but as a hash, and opens no token.
 *
 * rates: a data structure in memory, of the accounts that submitted most recently, at most
 * RATES_ACCOUNTS of them. It reads no clock and no disk. An account that falls out is packed by its
 * owner and comes back with its next message.
 *
 * What is usual: for each hour in which an account sent anything to other systems, how many
 * different recipients there were; of these hours an exponentially weighted mean, in which the last
 * RATES_HOURS count most. It is known after RATES_HOURS_KNOWN such hours over a week at least: a
 * thief who has a password for a day cannot teach it.
 */
#ifndef BACKEND_POLICY_RATES_H
#define BACKEND_POLICY_RATES_H

#include "backend/directory/dir.h"
#include "backend/policy/window.h"

#define RATES_ACCOUNTS    16384 /* about 1.2 KiB each: 20 MiB of one back-end */
#define RATES_TXIDS       8     /* of an account, so that a repeated commit counts once */
#define RATES_HOURS       50    /* hours of sending whose mean is what is usual */
#define RATES_HOURS_KNOWN 24
#define RATES_WEEK_US     (7 * 86400 * 1000000LL)
#define RATES_BITS        2048 /* different recipients of an hour; more count as so many */
#define RATES_PACKED_MAX  1024
/* A share of refused recipients says nothing about a handful of them. */
#define RATES_TRIES_LEAST 20

struct rates;
struct rates_account;

struct rates *rates_new(void);
void rates_free(struct rates **r);

/* NULL: it is not in memory. Valid until the next rates_make. */
struct rates_account *rates_find(struct rates *r, uint64_t account);
/* The account's, empty if it was not there. Above RATES_ACCOUNTS the one that was idle longest is
 * forgotten, but for one that has changed since it was packed: those make the table larger. */
struct rates_account *rates_make(struct rates *r, uint64_t account);
size_t rates_count(const struct rates *r);

/* One message. */
struct rates_mail {
	uint64_t txid; /* of its bytes, those that were drawn */
	uint32_t recipients;
	const uint64_t *outside; /* hashes of the addresses elsewhere */
	uint32_t noutside;
};

enum rates_taken {
	RATES_COUNTED,
	RATES_AGAIN, /* counted before, under the same txid */
	RATES_OVER,  /* a limit; nothing was counted */
};

/* Counts the message if all limits have room for it, by enum dir_send, 0: none. RATES_OVER: which
 * of them, and when there is room (INT64_MAX: never, it is too large for the limit). */
enum rates_taken rates_take(struct rates_account *a, const uint32_t limits[DIR_SENDS],
			    const struct rates_mail *m, int64_t now_us, enum dir_send *which_out,
			    int64_t *again_us_out);
/* Looks whether one more message would be taken, and counts nothing. */
enum rates_taken rates_look(const struct rates_account *a, const uint32_t limits[DIR_SENDS],
			    int64_t now_us, enum dir_send *which_out, int64_t *again_us_out);
/* It was counted and did not go. */
void rates_give_back(struct rates_account *a, const struct rates_mail *m, int64_t now_us);
/* A try of the way out: refused for good, or not. */
void rates_tried(struct rates_account *a, int64_t now_us, uint32_t tries, uint32_t failed);

/* What is a burst; 0: that is none. */
struct rates_burst {
	uint32_t outside;        /* recipients elsewhere in ten minutes */
	uint32_t factor;         /* different ones in an hour: so many times what is usual ... */
	uint32_t factor_least;   /* ... and so many at least */
	uint32_t failed_percent; /* of the last hour's tries, RATES_TRIES_LEAST at least */
};

enum rates_alarm { RATES_CALM, RATES_MANY, RATES_UNUSUAL, RATES_REFUSED };

struct rates_seen {
	uint64_t count, of; /* MANY: recipients; UNUSUAL: of what is usual; REFUSED: of tries */
};

enum rates_alarm rates_alarm(const struct rates_account *a, const struct rates_burst *b,
			     int64_t now_us, struct rates_seen *out);
/* After a release: what raised the alarm counts no more. */
void rates_forgive(struct rates_account *a);

/* Whatever changed, one account after the other: packs it, and it is unchanged then. False: none
 * is left. out is appended to, RATES_PACKED_MAX bytes at most. */
struct buf;
bool rates_pack_next(struct rates *r, uint64_t *account_out, struct buf *out);
/* It could not be written: it is changed again. */
void rates_touch(struct rates *r, struct rates_account *a);
/* What was packed, into an empty account. False: not such bytes; it stays empty. */
bool rates_unpack(struct rates_account *a, slice_t packed);

#endif

/*
 * backend/dns: what this side wants to know of DNS, and what follows from it.
 *
 *   asking     a question on its way through a front-end, and its answer
 *   dkim_text  a key's record: as it is to be, and whether DNS has it
 *   zone       which records a domain needs, and what is wrong with those it has
 *   zone_spf   the same of SPF; zone_policy: of DMARC and TLS-RPT; zone_fault: the words for it
 *   sts_own    the MTA-STS policies of our own domains
 *   autoconfig what programs of mail set themselves up by
 *   rotate     what is to be done with a domain's keys: decisions alone
 *   rotation   does it, again and again
 *   hosts      which hosts take mail, by the settings
 *   listing    what block lists say of addresses and domains of ours
 *   watch      asks them again and again
 *
 * A back-end reaches no name server: it asks a worker of the service outbound, which keeps a stream
 * of questions open. Nothing here reads DNS's bytes. What comes back was said by strangers and
 * passed on by the DMZ, and a captured front-end may say what it likes: an answer is shown to
 * people and may delay or allow that a key begins to sign, no more.
 *
 * asking: a worker that stays silent for ASKING_AGAIN_MS loses the question to the next one in
 * turn; an answer counts only from the worker that has the question now.
 *
 * The loop's thread only.
 */
#ifndef BACKEND_DNS_ASKING_H
#define BACKEND_DNS_ASKING_H

#include "common/base/arena.h"
#include "common/crypto/digest.h"
#include "common/loop/fiber.h"

#define ASKING_FLIGHT_MAX  64   /* questions at a time: a few people's, and the rotation's */
#define ASKING_NAME_MAX    253  /* RFC 1035 section 2.3.4, as text */
#define ASKING_RECORDS_MAX 64   /* of an answer; what a front-end's resolver gives at most */
#define ASKING_BYTES_MAX   8192 /* all of them together: a key's record has 400 */
#define ASKING_AGAIN_MS    6000 /* silence until another worker is asked */
#define ASKING_WAIT_MS     5000 /* a worker's time for an answer, which a slow server may take */

enum ask_type { ASK_MX = 1, ASK_ADDRESS, ASK_TXT, ASK_PTR, ASK_TLSA, ASK_SRV };
enum ask_outcome { ASK_OK = 1, ASK_ABSENT, ASK_FAILED, ASK_BOGUS, ASK_UNUSABLE };

/* Records as text (proto/dns.proto), without control characters. */
struct ask_answer {
	enum ask_outcome outcome;
	bool secure, cut;
	slice_t *records;
	size_t n;
	slice_t canonical;
};

struct asking;

struct asking *asking_new(void);
/* No worker and no asker is left. */
void asking_free(struct asking **a);

/* Asks and waits. The answer lies in mem. E_RETRY: no front-end is there that could ask, or none
 * has answered in time; E_BUSY: too many questions; E_INVALID: not a name of DNS in length;
 * E_CANCELLED. deadline_ms in clock_mono_ms() units. */
WAITS enum err dns_ask(struct asking *a, slice_t name, enum ask_type type, int64_t deadline_ms,
		       struct arena *mem, struct ask_answer *out, struct diag *d) MUST_USE;

/* ---- workers ---- */

struct asker; /* one worker's stream of questions */

struct asked {
	uint64_t id;
	enum ask_type type;
	char name[ASKING_NAME_MAX + 1];
};

/* who: whose link it is, compared and never looked into. E_EXISTS: it has a stream already. */
enum err asker_new(struct asking *a, const void *who, struct asker **out) MUST_USE;
/* Of the public key that the worker's front-end presents (SHA256_LEN bytes). E_INVALID. */
enum err asker_tells_key(struct asker *a, slice_t key) MUST_USE;
/* The keys of all front-ends that are there, each once; returns how many of them. */
size_t asking_keys(const struct asking *a, uint8_t (*out)[SHA256_LEN], size_t max);
/* Its questions go to others. */
void asker_free(struct asker **a);
/* The next question for it. E_CANCELLED. */
WAITS enum err asker_take(struct asker *a, struct asked *out) MUST_USE;
/* Takes what the worker brings, which is copied. E_NOT_FOUND: nobody waits for that from this one
 * (any more); E_TOO_BIG: more than the limits; E_INVALID: records without ASK_OK, or none with. */
enum err asking_answer(struct asking *a, const void *who, uint64_t id,
		       const struct ask_answer *answer) MUST_USE;

#endif

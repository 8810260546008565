/*
 * call_outbound: typed calls of proto/outbound.proto: jobs of the way out as they come from a
 * back-end, their messages' bytes, and the report.
 */
#ifndef FRONTEND_RPC_CALL_OUTBOUND_H
#define FRONTEND_RPC_CALL_OUTBOUND_H

#include "common/base/arena.h"
#include "common/base/list.h"
#include "common/net/ipaddr.h"
#include "frontend/record/record_read.h"
#include "frontend/rpc/call_delivery.h"
#include "proto/outbound_limits.h"

#define OUTBOUND_TLS_MAX   16 /* names, or fingerprints, of a destination */
#define OUTBOUND_PIN_BYTES 32 /* SHA-256 */

#define OUTBOUND_TARGET_MAX 300 /* a host of 255 bytes, brackets and a port */
#define OUTBOUND_LOGIN_MAX  255 /* a user's name, a password */

struct rpc_link;

enum outbound_kind { OUTBOUND_SEND, OUTBOUND_NOTICE };
/* Of a notice's recipient (proto/queue.proto). */
enum outbound_action {
	OUTBOUND_FAILED,
	OUTBOUND_DELAYED,
	OUTBOUND_RELAYED,
	OUTBOUND_DELIVERED,
	OUTBOUND_ALERT, /* of its account, to whom looks after them; there is no message */
	OUTBOUND_EXPANDED,
};

struct outbound_rcpt {
	slice_t address; /* local@domain without quotes */
	uint32_t notify;
	slice_t orcpt;
	/* A notice's: */
	enum outbound_action action;
	slice_t status, text, remote;
	int64_t last_us, expire_us;
};

/* What an administrator demands of a destination's servers; the numbers are those of
 * proto/outbound.proto. */
enum outbound_tls_level {
	OUTBOUND_TLS_DANE,
	OUTBOUND_TLS_NONE,
	OUTBOUND_TLS_MAY,
	OUTBOUND_TLS_ENCRYPT,
	OUTBOUND_TLS_VERIFY,
	OUTBOUND_TLS_DANE_ONLY,
	OUTBOUND_TLS_PINNED,
};
struct outbound_tls {
	enum outbound_tls_level level;
	const char *const *names; /* VERIFY */
	size_t nnames;
	const uint8_t (*pins)[OUTBOUND_PIN_BYTES]; /* PINNED */
	size_t npins;
};
bool outbound_tls_same(const struct outbound_tls *a, const struct outbound_tls *b);
/* Into mem. */
struct outbound_tls outbound_tls_copy(const struct outbound_tls *from, struct arena *mem);

/* Another way than the destination's name says. */
struct outbound_route {
	slice_t target; /* as hosts_find wants it */
	bool lmtp;
	bool drop;              /* a file at the back-end; the target is a virtual server's name */
	bool tls_report;        /* it is read here as a report of TLS; the target is no host */
	slice_t user, password; /* never logged; empty: no log-in */
	bool gssapi;            /* the log-in is by call_gssapi alone */
	const char *helo;       /* "": as to anybody */
	struct ipaddr source4, source6; /* family 0: as to anybody */
	bool source_only;               /* or, with this: that family is not used */
};

struct outbound_stream; /* of jobs; they may outlive it */

/* One message for recipients at one destination, or a notice about it. Its arena holds it all. */
struct outbound_job {
	struct arena mem;
	struct outbound_stream *stream; /* a reference; NULL: a turn's, or nobody's */
	struct list node;               /* whoever has it */
	int64_t came_ms;
	slice_t lease;
	enum outbound_kind kind;
	slice_t destination;
	struct outbound_route route; /* without one: its target is the destination */
	uint32_t connections;        /* this worker may have to the destination; */
	uint32_t idle;               /* ... and may leave open without work */
	uint32_t partition;
	slice_t sender;
	struct outbound_rcpt *rcpts;
	size_t n;
	uint32_t ret;
	slice_t envid;
	uint8_t trace_id[DELIVER_TRACE_BYTES];
	uint32_t content; /* CONTENT_8BIT, ... */
	uint32_t by;      /* BY_RETURN, ...; 0: not given */
	int64_t by_us;
	int32_t priority; /* RFC 6710 */
	slice_t prefix;
	uint64_t plain_size, stored_size;
	enum record_compression compression;
	const uint32_t *blocks;
	uint32_t nblocks;
	slice_t stored; /* empty: to be read */
	int64_t first_us;
	uint8_t txid[DELIVER_TXID_BYTES]; /* a notice's, and who takes it: */
	struct deliver_target targets[DELIVER_TARGETS_MAX];
	size_t ntargets;
	struct outbound_tls tls;
	uint32_t turn; /* whose it is; 0: of the way out */
};
void outbound_job_free(struct outbound_job **j);
/* Its stream has ended, and with it its lease: in a moment the back-end gives it to somebody else,
 * who may be here. What is said of it now could be taken for that one's, so only what became of a
 * message that was sent is. */
bool outbound_job_is_lost(const struct outbound_job *j);
/* It is too late to begin with it: it is lost, or its lease could end meanwhile. */
bool outbound_job_is_late(const struct outbound_job *j);
/* Bytes that it keeps in memory, about. */
size_t outbound_job_memory(const struct outbound_job *j);

/* Asks the back-end of l for work, for as long as the link lives; take owns each job and may wait,
 * which slows the back-end. Returns why it ended. */
WAITS enum err call_outbound_work(struct rpc_link *l,
				  WAITS void (*take)(struct outbound_job *j, void *arg), void *arg);

/* ---- held mail that its host fetches (ATRN) ---- */

#define OUTBOUND_TURN_DOMAINS_MAX 16

/* One back-end's part of it. */
struct call_turn {
	struct rpc_call *call; /* NULL: there is none */
	uint32_t number;       /* jobs and reports have it */
	uint64_t waiting;
	struct arena mem;
};
/* domains: in lower case; none: all that the ticket's account may fetch. E_NOT_FOUND: it may not,
 * or not all of them; others: not now. Ends with call_turn_close. */
WAITS enum err call_turn_open(struct rpc_link *l, struct ticket *t, char *const *domains, size_t n,
			      struct call_turn *out) MUST_USE;
/* E_CLOSED: no more is due. */
WAITS enum err call_turn_next(struct call_turn *t, struct outbound_job **out) MUST_USE;
/* After all reports, if they are to count: what nobody has reported goes to somebody else. */
void call_turn_close(struct call_turn *t);

/* A job's message: prefix and record, in pieces. */
struct outbound_body {
	const struct outbound_job *job; /* borrowed */
	struct rpc_call *call;
	struct arena mem;
	const uint32_t *blocks; /* the job's, or in mem */
	uint32_t nblocks;
	struct record_read record;
	slice_t prefix; /* the job's, or what its owner puts in its place before the first read */
	slice_t stored; /* not opened yet: the job's, or of the newest frame */
	bool begun;     /* the prefix is over */
	bool opened;    /* record is initialised */
};
void outbound_body_init(struct outbound_body *b, const struct outbound_job *j);
/* The next bytes, valid until the next call. E_CLOSED: there are no more. E_RETRY, E_CORRUPT: they
 * cannot be had. b is a struct outbound_body. */
WAITS enum err outbound_body_read(void *b, slice_t *out) MUST_USE;
void outbound_body_fini(struct outbound_body *b);

enum outbound_end { OUTBOUND_TRIED, OUTBOUND_UNREACHABLE, OUTBOUND_UNTRIED };

struct outbound_rcpt_result {
	uint32_t code;
	slice_t status, text;
};

struct outbound_report {
	slice_t lease;
	enum outbound_end end;
	const struct outbound_rcpt_result *results;
	size_t n;
	slice_t remote, tls;
	uint32_t ms;
	bool no_dsn, no_by, crowded;
	uint32_t turn; /* the job's */
};

/* Reports of one partition. E_OK: they count. E_RETRY and the like: ask again later; others: the
 * back-end does not want them (E_NO_TICKET: a lease that is too old). */
WAITS enum err call_outbound_report(uint32_t partition, const struct outbound_report *v, size_t n,
				    struct diag *d) MUST_USE;

#endif

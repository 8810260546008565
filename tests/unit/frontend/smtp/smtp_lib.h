/*
 * smtp_lib: SMTP sessions in this process with a back-end that is played: call_delivery, call_auth
 * and call_ticket are answered here (smtp_lib_test.c takes their place at the link). Users: alice,
 * bob, carol at example.org (carol in another partition); full@ is over quota, slow@ cannot be told
 * now. The domain example.org is ours; alice may send as alice@example.org. Password: "secret".
 */
#ifndef TESTS_UNIT_FRONTEND_SMTP_SMTP_LIB_H
#define TESTS_UNIT_FRONTEND_SMTP_SMTP_LIB_H

#include "common/base/buf.h"
#include "common/record/record.h"
#include "frontend/rpc/call_ask.h"
#include "frontend/smtp/smtp.h"
#include "tests/lib/check.h"
#include "tests/lib/wire.h"

#define PLAYED_OWNERS 4
#define PLAYED_MAX    (1u << 20)

/* What the played owners saw of one message. */
struct played_owner {
	unsigned begun, committed, settled, aborted;
	size_t recipients, told, settled_rcpts;
	size_t others; /* groups named to the lead */
	bool follows;  /* it was told that another is the lead */
	unsigned sent; /* copies for the sender */
	struct buf stored;
};

struct played {
	struct played_owner owner[PLAYED_OWNERS]; /* by partition */
	unsigned resolved, sender_checks, messages;
	unsigned sender_turns; /* of the loop, that a look at a sender takes */
	unsigned asked_sent;   /* where the sender's copy goes: partition 0 */
	bool no_sent;          /* nowhere: a back-end that does not know of it */
	uint64_t stored_max;   /* bytes an owner takes before it says E_TOO_BIG; 0: all */
	enum err commit[PLAYED_OWNERS];
	enum err result[PLAYED_OWNERS];  /* of every recipient */
	enum err each[PLAYED_OWNERS][2]; /* of the first ones, where it is not E_OK */
	enum err begin[PLAYED_OWNERS];
	const char *over; /* the account may send nothing more: the words */
	bool away;        /* no back-end at all */
	enum err ask;     /* for held mail: what comes of it ... */
	struct call_asked asked;
	char node[300]; /* ... and what was asked for */
	enum call_ask_what what;
	bool relay;               /* the last address might have been another system's */
	enum sender_right boss;   /* of alice, to boss@example.org; 0: none */
	bool relay_server;        /* ... because of the client's address */
	struct signing_keys keys; /* of any domain */
	char author[512];         /* of the last commit, with all that follows */
	char server[SERVER_NAME_MAX + 1];
	size_t nsigs;
	char sigs[DKIM_SIGS_MAX][DKIM_OPEN_MAX + 1];
	uint8_t digests[DKIM_SIGS_MAX][SHA256_LEN];
	char prefix[4096];
	char envelope[1024];
	char sender[512];
	char envid[128];
	uint32_t ret, notify;
	int64_t release_us, by_us;
	uint32_t by, content;
	int priority;
	char orcpt[512];
	struct buf plain;                    /* of the last commit's record */
	enum record_compression compression; /* ... its */
	bool searched;                       /* text for searches came with the summary */
};

extern struct played played;

enum smtp_port { PORT_25, PORT_587, PORT_465, PORT_LMTP, PORT_ODMR };

/* A fresh back-end and a greeted connection; for 465 the handshake is done. */
WAITS void mx_open(struct wire *w, enum smtp_port port);
/* Policy rows beside the defaults, before mx_open: "key=value" pairs, ends with NULL. */
void smtp_policy(const char *const *pairs);
WAITS void mx_close(struct wire *w);
/* Sends a line and takes the reply; true if it begins with want. */
WAITS bool smtp_ask(struct wire *w, const char *line, const char *want);
#define ASK(w, line, want) CHECK(smtp_ask(w, line, want))
/* STARTTLS and the client's handshake. */
WAITS void smtp_tls(struct wire *w);
/* EHLO, TLS where it lacks, AUTH PLAIN as alice, ready for MAIL. */
WAITS void smtp_login(struct wire *w);
/* What the log holds since mx_open. */
bool smtp_logged(const char *what);
/* The session under test (the only one). */
struct smtp *smtp_session(void);

#endif

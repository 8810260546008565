/*
 * smtp_tx: one mail transaction: the sender, the recipients grouped by the owners of their
 * mailboxes, and the message while it arrives. All of its memory is in one arena and in the
 * intake; smtp_tx_reset is the only way out of it.
 */
#ifndef FRONTEND_SMTP_SMTP_TX_H
#define FRONTEND_SMTP_SMTP_TX_H

#include "frontend/rpc/call_delivery.h"
#include "frontend/smtp/smtp_parse.h"

/* Owners of one message: a stream to each is open at once. Recipients of further ones are told to
 * come in another transaction (452). */
#define SMTP_OWNERS_MAX      16
/* Targets of one owner; a lead's answer has a row for each. */
#define SMTP_OWNER_RCPTS_MAX 1000
/* Recipients of a message by LMTP: what smtp.recipients_max can be at most. */
#define SMTP_ANSWERS_MAX     1000

struct session;
struct smtp_intake;

struct smtp_owner {
	struct deliver deliver;
	struct deliver_rcpt *rcpts; /* in the arena; what deliver.group points to */
	size_t n, cap;
	enum err *results; /* of rcpts, in the arena, once it has committed; else NULL */
};

/* Where the targets of one RCPT command are, for its own answer. */
struct smtp_answer {
	uint8_t n;
	struct {
		uint16_t owner, rcpt;
	} at[DELIVER_TARGETS_MAX];
};

struct smtp_tx {
	struct arena arena;
	struct deliver_meta meta;  /* slices in the arena */
	struct smtp_owner *owners; /* SMTP_OWNERS_MAX of them, in the arena */
	size_t nowners;
	unsigned nrcpts;             /* accepted RCPT commands */
	struct smtp_answer *answers; /* of them, SMTP_ANSWERS_MAX, in the arena; or NULL */
	unsigned refused;            /* other RCPT commands */
	uint64_t size;               /* as declared */
	bool utf8;                   /* SMTPUTF8 was asked for */
	bool utf8_addr;              /* an address of the envelope needs it */
	bool requiretls;             /* RFC 8689 */
	bool kept;                   /* a mailbox here will have it */
	bool binary;                 /* BINARYMIME (RFC 3030): by BDAT alone */
	bool has_priority;           /* RFC 6710 */
	bool lowered;                /* ... to what may be asked for */
	slice_t first_rcpt;          /* as given; for the trace field of a single recipient */
	struct smtp_intake *in;      /* once DATA or BDAT began */
	bool bdat_failed;
	char trace_hex[2 * DELIVER_TRACE_BYTES + 1];
};

/* Begins one for a session: draws the ids. */
void smtp_tx_begin(struct smtp_tx *tx, struct session *s, const struct smtp_mail_args *m);
/* Each recipient of it has an answer of its own (LMTP). */
void smtp_tx_tell_each(struct smtp_tx *tx);
/* The result of the n-th RCPT command, once the lead has committed: what all of its targets were
 * refused for; E_OK: one was not, or a queue has it. */
enum err smtp_tx_result(const struct smtp_tx *tx, unsigned n);
/* Adds one address with all its targets, or nothing. E_LIMIT: too many owners, or no memory. */
enum err smtp_tx_add(struct smtp_tx *tx, const struct smtp_rcpt_args *r,
		     const struct deliver_target *targets, size_t n) MUST_USE;
/* The sender's own copy; after the first address. */
void smtp_tx_keep(struct smtp_tx *tx, const struct deliver_target *sent);
/* Over: aborts what was begun and not committed, gives all memory back. Harmless when none was
 * begun. Also runs to its end in a cancelled fiber. */
WAITS void smtp_tx_reset(struct smtp_tx *tx);

#endif

/*
 * smtp_msg: one message on its way out to one host, and what became of it; and the commands that
 * its envelope becomes. The bytes are asked for while they are sent: nothing here keeps a message.
 */
#ifndef FRONTEND_OUTBOUND_SMTP_MSG_H
#define FRONTEND_OUTBOUND_SMTP_MSG_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "frontend/outbound/smtp_offer.h"
#include "frontend/outbound/smtp_result.h"
#include "proto/mail_bits.h"

/* What a message needs of its peer, as bits. */
enum smtp_need {
	SMTP_NEED_8BIT = 1,   /* bytes above 127 in the body */
	SMTP_NEED_UTF8 = 2,   /* bytes above 127 in the header (RFC 6531); in an address is seen */
	SMTP_NEED_BINARY = 4, /* lines of any length, any bytes */
	SMTP_NEED_TLS = 8,    /* REQUIRETLS (RFC 8689) */
};

/* The least and the most that BY can say (section 4). */
#define SMTP_BY_SENT_MAX    999999999
#define SMTP_ENVID_SENT_MAX 100 /* RFC 3461 section 4.4, in xtext; a longer one is not passed on */
#define SMTP_ORCPT_SENT_MAX 500 /* section 4.2 */
/* The longest command: a path in UTF-8, ORCPT, ENVID and the rest. */
#define SMTP_COMMAND_MAX    2048

struct smtp_msg_rcpt {
	slice_t address; /* Mailbox, without < >; borrowed */
	uint32_t notify; /* bits; 0: not given */
	slice_t orcpt;   /* "type;address", decoded; may be empty; borrowed */
	/* Out: never NULL after smtp_client_send(); in the message's arena, shared by recipients in
	 * a row with the same answer. A recipient that has one before is left out. */
	const struct smtp_result *result;
	enum { SMTP_RCPT_IDLE, SMTP_RCPT_SAID, SMTP_RCPT_TAKEN } state; /* of the transaction */
};

struct smtp_msg {
	slice_t sender; /* Mailbox; empty: the null reverse-path */
	struct smtp_msg_rcpt *rcpts;
	size_t n;
	uint64_t size;  /* bytes, about; 0: not known */
	uint32_t needs; /* smtp_need, as bits */
	uint32_t ret;   /* 0: not given */
	slice_t envid;  /* decoded; may be empty */
	uint32_t by;    /* RFC 2852, bits; 0: not given */
	int64_t by_s;   /* from now; may be over */
	int priority;   /* RFC 6710; 0 is what there is without a word */
	/* The next bytes of the message (not dot-stuffed; lines end in CRLF unless it is BINARY),
	 * valid until the next call; E_CLOSED: that was all; others: it cannot be had now. */
	WAITS enum err (*read)(void *arg, slice_t *out);
	void *arg;
	struct arena *arena; /* for results: at most one of 600 bytes for each recipient */
	/* Out: the peer took over RET, ENVID, NOTIFY and ORCPT. False: it does not know of them,
	 * and who asked for a notice of success is owed "relayed" (RFC 3461 section 5.2.2). */
	bool dsn_passed;
	bool by_passed; /* out: the peer took over BY */
};

/* Whether s may stand between < > of MAIL (empty too) or RCPT: a Mailbox by RFC 5321's grammar, so
 * that no byte of it can end the command; *utf8_out: it has bytes above 127. */
bool smtp_msg_address_ok(slice_t s, bool *utf8_out) MUST_USE;

/* What a message needs of this peer and does not get: fills *why. */
bool smtp_msg_unfit(const struct smtp_msg *m, const struct smtp_offer *o, bool tls_verified,
		    struct smtp_result *why) MUST_USE;

enum smtp_utf8 { SMTP_ASCII, SMTP_UTF8 };
/* Append MAIL and RCPT with CRLF. Addresses are OK (see above). utf8: the transaction is of
 * SMTPUTF8. */
void smtp_msg_put_mail(struct buf *out, const struct smtp_msg *m, const struct smtp_offer *o,
		       enum smtp_utf8 utf8);
void smtp_msg_put_rcpt(struct buf *out, const struct smtp_msg_rcpt *r, const struct smtp_offer *o,
		       enum smtp_utf8 utf8);
/* xtext (RFC 3461 section 4). */
void smtp_put_xtext(struct buf *out, slice_t s);

#endif

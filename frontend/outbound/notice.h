/*
 * notice: delivery status notifications (RFC 3464) in a multipart/report (RFC 6522): words for
 * people, fields for programs, and the original or its header. It is told what happened and writes
 * a message; it asks nobody, sends nothing and knows no queue.
 *
 * NOTIFY (RFC 3461 section 4.1) is the caller's: it asks for a notice of those recipients only that
 * want one. RET, ENVID and ORCPT are honoured here (sections 4.3, 4.4, 4.2): the whole original
 * goes back only with a failure, without RET=HDRS, and up to a size.
 *
 * Where an address is not ASCII the fields are a message/global-delivery-status with addresses of
 * type utf-8 (RFC 6533), and 8-bit headers go back as message/global or message/global-headers.
 *
 * Auto-Submitted is auto-replied: RFC 3834 section 5.1 forbids auto-generated for delivery status
 * notifications, and gives them auto-replied.
 *
 * All that comes in is hostile but reporting_mta, which is our own: a bare or broken line in
 * another server's reply must not become a field, nor a byte above 127 stand where only ASCII may.
 * Control characters and bytes out of place become "?", line breaks a space, and all has a limit.
 *
 * The message is bytes with CRLF, no line over 998, what we say ourselves wrapped at 76. It is
 * streamed in bounded pieces; besides these, memory holds the original up to NOTICE_ORIGINAL_MAX.
 */
#ifndef FRONTEND_OUTBOUND_NOTICE_H
#define FRONTEND_OUTBOUND_NOTICE_H

#include "common/base/budget.h"
#include "common/base/err.h"
#include "common/base/slice.h"

/* A larger original, or more of a header, is not returned: who sent it has it, and a flood of
 * forged mail should not become a flood of large notices. */
#define NOTICE_ORIGINAL_MAX   (64u * 1024)
/* Of one recipient's fields, in bytes; what is longer is cut and ends in "...". An address: RFC
 * 5321 section 4.5.3.1 allows 320, quoted and with a long domain. */
#define NOTICE_ADDRESS_MAX    512
#define NOTICE_ORCPT_MAX      640  /* RFC 3461 section 4.2: 500, and its type */
#define NOTICE_DIAGNOSTIC_MAX 1024 /* two full reply lines */
#define NOTICE_MTA_MAX        255  /* a domain name */
#define NOTICE_ENVID_MAX      100  /* RFC 3461 section 4.4 */
#define NOTICE_SUBJECT_MAX    200  /* of the original, in the words for people */
/* An original's Message-ID that is repeated; a longer one is none. */
#define NOTICE_MESSAGE_ID_MAX 250
/* A piece that is written at once. */
#define NOTICE_CHUNK_MAX      (32u * 1024)

/* RFC 3464 section 2.3.3, in the same order. */
enum notice_action {
	NOTICE_FAILED,
	NOTICE_DELAYED,
	NOTICE_DELIVERED,
	NOTICE_RELAYED, /* handed to a server that does not know DSN */
	NOTICE_EXPANDED,
	NOTICE_ACTIONS,
};

enum notice_ret { NOTICE_RET_NONE, NOTICE_RET_HDRS, NOTICE_RET_FULL };

/* Slices may be empty, times 0 (seconds since 1970, UTC), where nothing is known. */
struct notice_recipient {
	enum notice_action action;
	slice_t address;     /* as it was sent to */
	slice_t orcpt;       /* type;address, xtext taken away */
	slice_t status;      /* RFC 3463; one that is none becomes x.0.0 */
	slice_t diagnostic;  /* "smtp; 550 5.1.1 ...": type and words; without a type: smtp */
	slice_t mta;         /* the name of the remote server */
	slice_t mta_address; /* and its network address, as text */
	int64_t last_attempt_s;
	int64_t retry_until_s; /* of a delay */
	bool senders_time;     /* its time was the sender's to say (RFC 2852, by-mode R) */
};

struct notice {
	enum notice_action kind; /* what the subject says; usually every recipient's action */
	slice_t reporting_mta;   /* our domain name */
	slice_t sender;          /* the original's envelope sender, who gets the notice */
	int64_t arrival_s;
	slice_t envid; /* xtext taken away */
	enum notice_ret ret;
	const slice_t *languages; /* tags (RFC 5646), the best first */
	size_t nlanguages;
	const struct notice_recipient *recipients;
	size_t nrecipients; /* at least 1 */
	/* The original, in pieces that live until the next call; E_CLOSED at its end. It may be
	 * left unread in the middle. NULL: there is none. */
	WAITS enum err (*read)(void *arg, slice_t *out);
	void *read_arg;
};

struct notice_draft;

/* Reads what it needs of the original. n and all it points to are borrowed until notice_free.
 * E_INVALID: the sender is no address (<> is none), or reporting_mta no domain; E_LIMIT: the budget
 * (may be NULL); or what read returned. */
WAITS enum err notice_new(const struct notice *n, struct budget *budget, struct notice_draft **out,
			  struct diag *d) MUST_USE;
void notice_free(struct notice_draft **d);

/* What the message needs of the server that takes it: 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531). */
bool notice_is_8bit(const struct notice_draft *d);
bool notice_is_utf8(const struct notice_draft *d);

/* Writes the whole message, in pieces of at most NOTICE_CHUNK_MAX bytes that are cut anywhere.
 * Every call writes the same bytes. Returns the first error of write. */
WAITS enum err notice_write(const struct notice_draft *d,
			    WAITS enum err (*write)(void *arg, slice_t bytes), void *arg) MUST_USE;

#endif

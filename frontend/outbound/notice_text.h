/*
 * notice_text: what notices say to people, a table for each language, and which reason stands
 * behind a status code. Texts are UTF-8 without line breaks; {0} and {1} stand for what the
 * comment at their name says.
 */
#ifndef FRONTEND_OUTBOUND_NOTICE_TEXT_H
#define FRONTEND_OUTBOUND_NOTICE_TEXT_H

#include "common/base/slice.h"
#include "frontend/outbound/notice.h"

/* Reasons that a person can do something about, each another thing. */
enum notice_why {
	WHY_UNKNOWN,     /* no such address */
	WHY_NO_DOMAIN,   /* nothing of that name after the @ */
	WHY_NO_MAIL,     /* a domain that takes no mail (RFC 7505) */
	WHY_SENDER,      /* the sender's own address is refused */
	WHY_DISABLED,    /* the mailbox is closed for now */
	WHY_FULL,        /* the mailbox has no room */
	WHY_MAILBOX,     /* the mailbox, otherwise */
	WHY_TOO_BIG,     /* the message is too large */
	WHY_SYSTEM,      /* the other server is in trouble, or has too much to do */
	WHY_UNREACHABLE, /* the other server does not answer */
	WHY_LOOP,        /* the message went in circles */
	WHY_LATE,        /* not yet */
	WHY_EXPIRED,     /* not for as long as is allowed */
	WHY_BY,          /* not for as long as the sender allowed (RFC 2852) */
	WHY_PROTOCOL,    /* the servers did not understand each other */
	WHY_UTF8,        /* letters in addresses that the other side cannot handle */
	WHY_CONTENT,     /* what is in the message is refused */
	WHY_TLS,         /* no safe connection */
	WHY_AUTH,        /* the sender's domain could not be verified (SPF, DKIM, DMARC) */
	WHY_POLICY,      /* the other side's rules */
	WHY_OURS,        /* this server's rules, or its operators */
	WHY_UNCLEAR,     /* no reason given that we know */
	WHY_COUNT,
};

enum notice_text {
	TEXT_FROM,            /* our display name */
	TEXT_DATE,            /* {0} to {4}: year, month, day, hour, minute */
	TEXT_ABOUT_SUBJECT,   /* {0}: the original's subject */
	TEXT_ABOUT_SENT,      /* {0}: a date */
	TEXT_SERVER_SAID,     /* {0}: the other server; its words follow */
	TEXT_DETAIL,          /* technical words of our own follow */
	TEXT_UNTIL,           /* {0}: a date up to which we try */
	TEXT_ATTACHED_WHOLE,  /* the message is attached */
	TEXT_ATTACHED_HEADER, /* its header is */
	TEXT_ATTACHED_BIG,    /* its header is, because it is too large */
	TEXT_SIGNATURE,       /* {0}: our server */
	TEXT_COUNT,
};

enum notice_encoding { NOTICE_QP, NOTICE_BASE64 };

struct notice_language {
	const char *tag;               /* RFC 5646, the primary subtag */
	enum notice_encoding encoding; /* the one that suits most of its letters */
	const char *text[TEXT_COUNT];
	const char *subject[NOTICE_ACTIONS];
	const char *opening[NOTICE_ACTIONS]; /* {0}: our server; addresses follow */
	const char *closing[NOTICE_ACTIONS]; /* what to do, in general */
	const char *why[WHY_COUNT];
	const char *advice[WHY_COUNT]; /* after a failure */
};

extern const struct notice_language notice_en, notice_de, notice_ru;

/* The first of the languages asked for that there is; English without one. */
const struct notice_language *notice_language(const slice_t *tags, size_t n);
/* All of them, ended by NULL. */
extern const struct notice_language *const notice_languages[];

/* An enhanced status code (RFC 3463), in its parts. */
struct notice_status {
	unsigned klass, subject, detail;
};
/* False: it is none. */
bool notice_status_parse(slice_t s, struct notice_status *out) MUST_USE;
/* By the recipient's status, and by whose it is: a server's that answered, or ours. */
enum notice_why notice_why(const struct notice_recipient *r);

#endif

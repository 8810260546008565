/*
 * handin: a message that a program of ours hands in without SMTP: on a command's standard input, or
 * as a file in a folder. Its header says who gets it, lacks what such programs leave out, and has
 * names of users without a domain. Here the header becomes one that a server takes: addresses are
 * completed, From, Date and Message-ID are added (RFC 6409 section 8), Bcc is gone, and so are the
 * fields of the envelope, x-sender and x-receiver, that stand in files. What is not changed stays
 * byte by byte.
 */
#ifndef FRONTEND_MIME_HANDIN_H
#define FRONTEND_MIME_HANDIN_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/parse/date.h"

/* Bytes of a header: as much as is looked at of any other message's. */
#define HANDIN_HEADER_MAX ((size_t)256 * 1024)
/* Recipients that a header may name; a longer list is for an alias. */
#define HANDIN_RCPTS_MAX  1000
/* Bytes of an address as it stands between < and >. */
#define HANDIN_ADDR_MAX   (2 * 256)

enum {
	HANDIN_TO = 1,       /* recipients are those of To, Cc, Bcc; of the Resent ones if there
				are any (RFC 5322 section 3.6.6) */
	HANDIN_ENVELOPE = 2, /* x-sender and x-receiver are the envelope; where there is an
				x-receiver To, Cc and Bcc name no recipient; without, they are
				gone and mean nothing */
};

/* Everything is borrowed. */
struct handin_opts {
	unsigned take;     /* bits */
	slice_t domain;    /* of addresses that have none */
	slice_t user;      /* stands in From and Sender for addresses without a domain; empty:
			       they get the domain */
	slice_t from;      /* of a From that is missing, where no x-sender says who; may be empty */
	slice_t full_name; /* with it */
	slice_t message_id; /* without < and >, where there is none */
	struct date now;
};

struct handin {
	/* In the arena. */
	slice_t *rcpts; /* Mailbox, without < and >; each once */
	size_t nrcpts;
	slice_t author;    /* the first address of From, which may have been added */
	slice_t sender;    /* x-sender, or else the author; empty: none of them */
	bool null_sender;  /* x-sender was there, and <> */
	slice_t header;    /* lines end in CRLF; with the empty line */
	bool eight;        /* the header has bytes above 127 */
	bool tls_optional; /* it says so (frontend/mime/tls_field) */
	size_t body_at;    /* where the body begins in what was read */
};

/* Reads the header at the beginning of s, whose lines end in CRLF. A line that is no field ends
 * it, as an empty one does; a line "From " before it is left out. s is the whole message, or its
 * first HANDIN_HEADER_MAX bytes. E_TOO_BIG: the header is longer; E_LIMIT: too many recipients, or
 * the arena's budget; E_INVALID: an address that cannot be used, which the diag names. */
enum err handin_read(slice_t s, const struct handin_opts *o, struct arena *mem, struct handin *out,
		     struct diag *d) MUST_USE;

/* An address as a person gives it, with or without < and >, completed by the domain, as it stands
 * in the envelope; into the arena. Empty, and <>: the empty address. E_INVALID. */
enum err handin_address(slice_t text, slice_t domain, struct arena *mem, slice_t *out,
			struct diag *d) MUST_USE;
/* Takes the next of several with commas between them off *list, for handin_address; a comma within
 * quotes, a comment or < and > is none of these. Borrowed. */
slice_t handin_list_take(slice_t *list);

/* Lines of any system's to lines that end in CRLF; NUL is left out, a CR alone ends a line. Any cut
 * of the input gives the same. */
struct handin_lines {
	bool cr;    /* the last byte was a CR, whose line is ended already */
	bool dots;  /* a line of one dot is the end */
	bool ended; /* it was there: what follows is not the message's */
	bool in_line;
	bool dot; /* a dot begins the line, and is not written yet */
};
/* Appends to out at most twice as many bytes as there are in s, and two. */
void handin_lines_feed(struct handin_lines *l, slice_t s, struct buf *out);
/* The end: of the last line, too. */
void handin_lines_end(struct handin_lines *l, struct buf *out);

#endif

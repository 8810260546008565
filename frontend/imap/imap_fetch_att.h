/* imap_fetch_att: what a FETCH asks for (RFC 3501 section 6.4.5, "fetch-att"; RFC 3516). */
#ifndef FRONTEND_IMAP_IMAP_FETCH_ATT_H
#define FRONTEND_IMAP_IMAP_FETCH_ATT_H

#include "frontend/imap/imap_parse.h"
#include "frontend/mime/summary.h"

/* Items of one FETCH: more than all macros and all sections of a usual message. */
#define IMAP_FETCH_ITEMS_MAX     64u
/* Header field names of one item, and of all of a FETCH: each is compared with every field of every
 * message. */
#define IMAP_FETCH_NAMES_MAX     128u
#define IMAP_FETCH_NAMES_ALL_MAX 256u

enum imap_fetch_kind {
	IMAP_FETCH_UID,
	IMAP_FETCH_FLAGS,
	IMAP_FETCH_DATE,
	IMAP_FETCH_SIZE,
	IMAP_FETCH_ENVELOPE,
	IMAP_FETCH_BODY,
	IMAP_FETCH_BODYSTRUCTURE,
	IMAP_FETCH_DATA, /* bytes of the message */
};

/* As what bytes are told. */
enum imap_form {
	IMAP_FORM_STORED,  /* BODY: as they are */
	IMAP_FORM_DECODED, /* BINARY: without the transfer encoding */
	IMAP_FORM_SIZE,    /* BINARY.SIZE: how many that are */
};

enum imap_fields { IMAP_FIELDS_ALL, IMAP_FIELDS_ONLY, IMAP_FIELDS_NOT };

/* All memory in the arguments' arena. */
struct imap_fetch_item {
	enum imap_fetch_kind kind;
	/* IMAP_FETCH_DATA */
	enum imap_form form; /* but for STORED the section is SECTION_BODY, its fields all */
	enum summary_section section;
	enum imap_fields fields;
	const uint32_t *path; /* part numbers */
	size_t npath;
	const slice_t *names; /* of fields */
	size_t nnames;
	bool partial;
	uint32_t first, count; /* "<first.count>" */
	slice_t label;         /* as the answer names it: "BODY[1.MIME]<0>" */
};

struct imap_fetch_items {
	struct imap_fetch_item *items;
	size_t n;
	size_t ndata;
	size_t nbinary; /* of these: not as they are stored */
	size_t nnames;  /* of header fields, of all items */
	bool sets_seen; /* one of them is not a PEEK */
};

/* Macros, one item, or a list. UID is the first of them when with_uid (a UID FETCH). */
enum imap_fetch_uid { IMAP_FETCH_NO_UID, IMAP_FETCH_WITH_UID };
bool imap_fetch_parse(struct imap_args *a, enum imap_fetch_uid with_uid,
		      struct imap_fetch_items *out);

#endif

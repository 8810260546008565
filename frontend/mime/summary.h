/*
 * frontend/mime: the grammar of mail. A message's bytes stream through the parser once, while they
 * are received, and leave a *summary*: what the store keeps beside the record so that the usual
 * FETCH, SEARCH, SORT and THREAD never touch the bytes again, and that a back-end can check without
 * a grammar (offsets nested, ordered and inside; counts under limits).
 *
 *   mime      the streaming parser: lines, boundaries, part tree (RFC 2045-2046); mime_head: its
 *             headers; mime_end: the summary it leaves
 *   hdr       header fields: names, unfolding, iteration (RFC 5322)
 *   ctype     Content-Type and Content-Disposition with parameters (RFC 2045, 2183, 2231)
 *   encword   encoded words (RFC 2047)
 *   charset   any charset to UTF-8
 *   content   the Content-* fields of one part
 *   qp        streaming transfer decoders: quoted-printable, base64; decode: either, or none
 *   encode    the other way: both transfer encodings, and encoded words
 *   downgrade 8-bit messages made 7-bit
 *   tls_field the field TLS-Required (RFC 8689)
 *   handin    the header of what programs of ours hand in, made one that a server takes
 *   html      markup removal, entities
 *   text      what a message says, for search
 *   envelope  ENVELOPE
 *   columns   what SEARCH, SORT and THREAD look at
 *   structure BODYSTRUCTURE, BODY
 *   imaptext  strings and lists in IMAP's syntax, and the check of such text from a store
 *   subject   the base subject of RFC 5256
 *   summary   struct mime_summary, its bounds check, section numbers
 *
 * The parser keeps no message bytes and its memory is bounded whatever comes. Beyond a limit it
 * degrades (the rest of the part is opaque, the rest of a header is not looked at); it never
 * refuses a message. No function here waits but downgrade's, for its source and its sink.
 */
#ifndef FRONTEND_MIME_SUMMARY_H
#define FRONTEND_MIME_SUMMARY_H

#include "common/base/err.h"
#include "common/base/slice.h"

/* Raised when the same bytes give another summary; a store can then ask for new ones. */
#define SUMMARY_PARSER_VERSION 1

/* Parts of one message, multiparts and embedded messages counted: clients show a list of them,
 * and each costs a row in the summary. */
#define SUMMARY_PARTS_MAX        1000
/* Nesting: each level is a node on the parser's own stack. */
#define SUMMARY_DEPTH_MAX        32
/* Raw header fields kept for header fetches, all together: usual mail fits, and the row stays
 * in one page of the store with the rest. */
#define SUMMARY_FIELDS_BYTES_MAX 1536
/* A field needs at least "Cc:" and a line feed. */
#define SUMMARY_FIELDS_MAX       (SUMMARY_FIELDS_BYTES_MAX / 4)
/* Rendered texts. A longer envelope loses its longest lists, a longer structure its parameters,
 * then its parts; both stay true. */
#define SUMMARY_ENVELOPE_MAX     (16u * 1024)
#define SUMMARY_STRUCTURE_MAX    (64u * 1024)
/* Depth of parentheses in them: a part nests two lists (itself and its envelope's addresses). */
#define SUMMARY_LIST_DEPTH_MAX   (2 * SUMMARY_DEPTH_MAX + 8)
/* Search columns, UTF-8 bytes each. */
#define SUMMARY_COLUMN_MAX       2048
#define SUMMARY_BASE_SUBJECT_MAX 512
#define SUMMARY_MESSAGE_ID_MAX   512
#define SUMMARY_REFERENCES_MAX   32
/* Extracted text. */
#define SUMMARY_TEXT_MAX         (64u * 1024)
/* Above this the values no longer lie in the row beside the small columns. */
#define SUMMARY_BIG              1900
/* No message is larger; keeps sums of offsets far from overflow. */
#define SUMMARY_SIZE_MAX         ((uint64_t)1 << 40)

enum mime_kind { MIME_LEAF = 0, MIME_MULTIPART = 1, MIME_MESSAGE = 2 };

enum mime_cte {
	MIME_CTE_7BIT = 0,
	MIME_CTE_8BIT = 1,
	MIME_CTE_BINARY = 2,
	MIME_CTE_QP = 3,
	MIME_CTE_BASE64 = 4,
	MIME_CTE_OTHER = 5, /* not decodable: a FETCH BINARY of it is refused */
};

/*
 * A node of the part tree. Offsets are from the record's first byte.
 * The header is [header_off, body_off), its blank line included; the body [body_off, body_end),
 * without the line break that belongs to the delimiter after it.
 * A MIME_MESSAGE has exactly one child: the embedded message's own root, whose header is the
 * embedded message's header. Node 0 is the message itself.
 */
struct mime_part {
	uint32_t parent; /* index of an earlier node; node 0 has 0 */
	enum mime_kind kind;
	enum mime_cte cte;
	uint64_t header_off, body_off, body_end;
	uint64_t lines; /* line breaks in the body */
};

/* A header field exactly as it stands, in message order. */
struct mime_field {
	slice_t name; /* points into raw */
	slice_t raw;  /* name, colon, value, folding, final line break */
};

/* All slices are the maker's: the parser's until mime_parser_free, or an unpacked reply's. */
struct mime_summary {
	uint32_t parser_version;
	uint64_t size;        /* of the record's plain bytes */
	uint64_t header_size; /* up to and including the blank line */
	uint64_t lines;       /* line breaks in the body */

	slice_t envelope;      /* RFC 3501 "envelope", ready to send */
	slice_t bodystructure; /* RFC 3501 "body" in the extensible form, ready to send */
	bool big;              /* envelope, structure and fields together pass SUMMARY_BIG */

	struct mime_part *parts; /* pre-order, at least one */
	size_t nparts;

	struct mime_field *fields; /* of hdr_kept(), see hdr.h */
	size_t nfields;
	bool fields_complete; /* every field that is kept is here */

	/* Search and sort: UTF-8, decoded, folding undone, cut at a character. */
	slice_t from, to, cc, bcc, subject;
	slice_t base_subject;  /* RFC 5256 section 2.1; ASCII letters in lower case */
	bool has_sent;         /* Date was there and made sense */
	int64_t sent_us;       /* since 1970 UTC */
	int16_t sent_zone_min; /* the zone it was written in, minutes east: SENTON wants that day */
	slice_t message_id;    /* without angle brackets; empty: none */
	slice_t references[SUMMARY_REFERENCES_MAX]; /* oldest first, as message_id; the newest are
						       kept. In-Reply-To's first if no References */
	size_t nreferences;

	slice_t text;  /* UTF-8: what the message says, for search */
	bool text_cut; /* there was more */
};

/* Checks a summary that came back from a store: every offset, count, length and both rendered
 * texts, against `size`. E_CORRUPT with the reason. */
enum err summary_check(const struct mime_summary *s, struct diag *d) MUST_USE;
/* The part tree alone, of a message of `size` bytes. */
enum err summary_parts_check(const struct mime_part *parts, size_t n, uint64_t size,
			     struct diag *d) MUST_USE;

/* The node that an IMAP section's part numbers name (RFC 3501 section 6.4.5): path of n >= 1
 * numbers. "1" of a message that is not multipart is its body, node 0. False: no such part. */
bool summary_part_find(const struct mime_part *parts, size_t nparts, const uint32_t *path, size_t n,
		       size_t *index_out);

/* What a section cuts out of the record. */
enum summary_section {
	SECTION_BODY,   /* "1.2": the part's body */
	SECTION_MIME,   /* "1.2.MIME": the part's own header */
	SECTION_HEADER, /* "1.2.HEADER": the embedded message's header; at the top the message's */
	SECTION_TEXT,   /* "1.2.TEXT": the embedded message's body; at the top the message's */
};
/* The bytes [*off_out, *end_out) of a section: path of n numbers, n may be 0 for HEADER, TEXT and
 * (all of the message) BODY. Section 1 of a message that is not multipart has the message's header
 * as its MIME header. False: no such section. */
bool summary_section_range(const struct mime_summary *s, const uint32_t *path, size_t n,
			   enum summary_section what, uint64_t *off_out, uint64_t *end_out);

#endif

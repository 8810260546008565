/*
 * imap_parse: the text of one command and the readers of its arguments (RFC 3501 section 9).
 *
 * A command is one or more lines; a line that ends in a literal's announcement `{n}` is followed
 * by n bytes and then by the next line. imap_text gathers all of it as it came, announcements and
 * literals included, so the arguments are read afterwards from one slice, with a cursor, and it
 * does not matter how the bytes were cut on their way. Lines come from core/line, which lets no
 * bare CR or LF pass: a line break in the text is either a literal's or part of one.
 *
 * The message of an APPEND never enters the text: the server stops at its announcement. It alone
 * may be a literal8 ("~{n}"): where a string is expected, its '~' is refused.
 *
 * Every reader takes one thing and advances, or returns false and leaves the cursor. Nothing here
 * recurses or waits.
 */
#ifndef FRONTEND_IMAP_IMAP_PARSE_H
#define FRONTEND_IMAP_IMAP_PARSE_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/parse/cursor.h"

/* One line. Sets of single UIDs make long lines; RFC 7162 asks for at least 8,192. Before log-in
 * the longest line is a SASL response. */
#define IMAP_LINE_MAX         (64u * 1024)
#define IMAP_LINE_MAX_PREAUTH 4096u
/* The whole command. Searches bring literals, small ones. */
#define IMAP_TEXT_MAX         (256u * 1024)
#define IMAP_TEXT_MAX_PREAUTH 6144u
/* Literals of one command: search keys with non-ASCII text. */
#define IMAP_LITERALS_MAX     64u
/* RFC 2683 section 3.2.1.5 saw tags of a few characters. */
#define IMAP_TAG_MAX          64u
/* Nested parentheses (SEARCH); each is an entry of a fixed stack. */
#define IMAP_DEPTH_MAX        32u

struct imap_literal {
	uint64_t size; /* UINT64_MAX: a number that no size can be */
	bool sync;     /* the client waits for a continuation */
};

struct imap_text {
	struct buf b;
	unsigned literals;
};

/* Does a line end in "{" number ["+"] "}" (RFC 3501 literal, RFC 7888 non-sync-literal)? */
bool imap_announced(slice_t line, struct imap_literal *out);

void imap_text_init(struct imap_text *t, struct budget *budget);
void imap_text_fini(struct imap_text *t);
/* Empties it and sets the limit of the next command. */
void imap_text_reset(struct imap_text *t, size_t max);
/* Appends a line without its CRLF. E_OK; E_LIMIT: the command is too long. *literal_out says
 * whether it announces a literal, and which. */
enum err imap_text_line(struct imap_text *t, slice_t line, bool *announced_out,
			struct imap_literal *literal_out) MUST_USE;
/* Whether a literal of that size may follow: within the text's limits. Adds the line break. */
enum err imap_text_literal(struct imap_text *t, uint64_t size) MUST_USE;
/* The literal's bytes, in chunks. */
enum err imap_text_bytes(struct imap_text *t, slice_t chunk) MUST_USE;

struct imap_args {
	struct cursor c;
	struct arena *arena; /* borrowed: for strings that had to be unescaped, and for sets */
};

static inline struct imap_args imap_args(slice_t text, struct arena *a)
{
	return (struct imap_args){cursor(text), a};
}

/* tag = 1*<any ASTRING-CHAR except "+"> */
bool imap_tag(struct imap_args *a, slice_t *out);
/* SP: exactly one. */
bool imap_sp(struct imap_args *a);
/* The end of the command. */
bool imap_end(const struct imap_args *a);
/* atom = 1*ATOM-CHAR */
bool imap_atom(struct imap_args *a, slice_t *out);
/* string = quoted / literal. The result borrows the text or the arena. */
bool imap_string(struct imap_args *a, slice_t *out);
/* astring = 1*ASTRING-CHAR / string */
bool imap_astring(struct imap_args *a, slice_t *out);
/* nstring = string / nil; *out.p is NULL for NIL. */
bool imap_nstring(struct imap_args *a, slice_t *out);
/* list-mailbox = 1*list-char / string */
bool imap_list_mailbox(struct imap_args *a, slice_t *out);
/* number = 1*DIGIT, 0 .. 4294967295; nz-number without 0. */
bool imap_number(struct imap_args *a, uint32_t *out);
bool imap_nz_number(struct imap_args *a, uint32_t *out);
/* This word, in any case, not followed by another atom character. */
bool imap_word(struct imap_args *a, const char *word);
/* This very character. */
static inline bool imap_char(struct imap_args *a, char c)
{
	return cur_char(&a->c, c);
}
/* date = date-text / DQUOTE date-text DQUOTE; days since 1970-01-01. */
bool imap_date(struct imap_args *a, int32_t *days_out);
/* date-time, with its quotes; microseconds since 1970 UTC. */
bool imap_date_time(struct imap_args *a, int64_t *us_out);

#endif

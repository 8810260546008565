/* imap_resp: what the server writes. Untagged answers go to im->out; the tagged one is named by
 * the handler and written by the driver. */
#ifndef FRONTEND_IMAP_IMAP_RESP_H
#define FRONTEND_IMAP_IMAP_RESP_H

#include "frontend/imap/imap.h"

/* Handed to the stream at once from here on: large writes, few of them. */
#define IMAP_OUT_CHUNK (32u * 1024)
/* The most that one answer may gather: an envelope, a structure, header fields, a block. */
#define IMAP_OUT_MAX   (1024u * 1024)
/* A client that takes nothing for so long is gone. */
#define IMAP_WRITE_MS  (5 * 60 * 1000)

/* Hands over what was gathered when it is enough to be worth it. An error ends the session. */
WAITS enum err imap_push(struct imap *im) MUST_USE;
/* All of it. */
WAITS enum err imap_push_all(struct imap *im) MUST_USE;

/* How the command ended; all return E_OK, for `return imap_no(...)`. text and code are literals or
 * in the command's arena. */
enum err imap_ok(struct imap_cmd *c, const char *text);
enum err imap_ok_code(struct imap_cmd *c, const char *code, const char *text);
enum err imap_no(struct imap_cmd *c, const char *code, const char *text);
enum err imap_bad(struct imap_cmd *c, const char *text);
/* The one table from errors to answers. Returns E_OK, or e itself where the session cannot go on
 * (cancelled, connection lost). E_NO_TICKET sets im->bye. diag (may be NULL) goes to the log. */
enum err imap_fail(struct imap *im, struct imap_cmd *c, enum err e, const struct diag *d);

/* astring: an atom where it can be one, else a string. */
void imap_put_astring(struct buf *out, slice_t s);
/* A path as a mailbox name: modified UTF-7, astring. */
void imap_put_mailbox(struct buf *out, slice_t path);
/* "17-Jul-1996 02:44:25 -0700", with its quotes, in UTC. */
void imap_put_date_time(struct buf *out, int64_t us);
/* TAG SP RC SP [CODE] text CRLF */
void imap_put_tagged(struct buf *out, const struct imap_cmd *c);
/* "* BYE text" */
void imap_put_bye(struct buf *out, const char *text);

/* Reads a mailbox name argument as a path: modified UTF-7 undone, INBOX spelled so. In the arena.
 * False: not an astring. An empty *path_out: no name that can be. */
bool imap_arg_mailbox(struct imap_args *a, slice_t *path_out);
/* The same for a name already read. */
slice_t imap_path(struct arena *a, slice_t name);

#endif

/*
 * imap_lib: IMAP sessions in this process with a back-end that is played: all of call_mailbox,
 * call_message, call_auth and call_ticket is answered here from arrays (imap_play_test.c and
 * imap_play_msg_test.c take their place at the link). One account: alice@example.org, password
 * "secret", with INBOX, Sent and Trash.
 */
#ifndef TESTS_UNIT_FRONTEND_IMAP_IMAP_LIB_H
#define TESTS_UNIT_FRONTEND_IMAP_IMAP_LIB_H

#include "common/base/buf.h"
#include "frontend/imap/imap.h"
#include "frontend/mime/mime.h"
#include "frontend/rpc/call_mailbox.h"
#include "frontend/rpc/call_message.h"
#include "tests/lib/check.h"
#include "tests/lib/wire.h"

#define PLAYED_BOXES    16
#define PLAYED_MESSAGES 256
#define PLAYED_KEYWORDS 64

struct played_message {
	uint32_t uid, flags;
	uint64_t keywords, modseq;
	int64_t date_us;
	bool gone; /* at modseq */
	struct buf prefix, body;
	struct mime_parser *mime;
	struct mime_summary summary;
	bool fields_cut; /* the store did not keep all of its fields */
};

struct played_box {
	bool used, subscribed;
	char path[128];
	uint64_t id, highest;
	bool unheard; /* watches tell of the newest when it is woken */
	enum special_use special;
	uint32_t uidvalidity, uidnext, recent_from;
	struct played_message msgs[PLAYED_MESSAGES]; /* ascending, gone ones too */
	size_t nmsgs;
	char keywords[PLAYED_KEYWORDS][32];
	size_t nkeywords;
};

struct played {
	struct played_box boxes[PLAYED_BOXES];
	uint64_t modseq, ids;
	bool away;      /* no back-end: E_RETRY, and watches end */
	bool no_ticket; /* every ticket is void */
	bool forgot;    /* MailboxChanges answers reset */
	enum err fail;  /* what the next change answers, once */
	bool busy;      /* the next MailboxChanges answers E_BUSY */
	unsigned stores, fetches, reads, changes, aborts, searches;
	uint64_t read_from, read_to; /* of the last MessageRead */
	unsigned blocks;             /* that MessageReads gave */
	unsigned vanish_at; /* before this MessageRead all messages of its mailbox vanish */
};

extern struct played played;

/* ---- the back-end's side, for tests ---- */

struct played_box *played_box(const char *path);
/* A message as if delivered: wakes watchers. */
struct played_message *played_add(const char *path, const char *body);
struct played_message *played_add_bytes(struct played_box *b, slice_t body);
struct played_message *played_find(struct played_box *b, uint32_t uid);
/* Changes by someone else. */
void played_flag(const char *path, uint32_t uid, uint32_t flags);
void played_vanish(const char *path, uint32_t uid);
/* The same before any watch tells of it. */
void played_vanish_unheard(const char *path, uint32_t uid);
void played_wake(struct played_box *b);
/* Ends all watches, as when the link breaks. */
void played_drop_watches(void);
uint64_t played_keyword(struct played_box *b, slice_t name);

/* ---- sessions ---- */

enum imap_port { PORT_IMAP, PORT_IMAPS };
/* A fresh back-end; before the first session. */
void imap_play(void);
/* Connects; the greeting is read. For IMAPS the handshake is done. */
WAITS void conv_open(struct wire *w, enum imap_port port);
/* Over IMAPS, logged in as alice; and with a mailbox selected. */
WAITS void conv_login(struct wire *w);
WAITS void conv_select(struct wire *w, const char *path);
WAITS void conv_close(struct wire *w);
/* All sessions are over: gives everything back. */
WAITS void imap_played_end(void);
/* Sends "x LINE" and returns what came, lines joined by '\n', up to and with the tagged answer
 * (or the end of the connection, shown as "<closed>"). Valid until the next call. */
WAITS const char *conv_say(struct wire *w, const char *line);
/* Sends bytes as they are; reads up to n lines, up to a line that begins with `until`. */
WAITS const char *conv_raw(struct wire *w, slice_t bytes, const char *until);
WAITS const char *conv_until(struct wire *w, const char *until);
/* The literal that a FETCH of one item brings, as it came; the line that announced it is in
 * head_out, which may be NULL. False: not this and an OK after it. */
WAITS bool conv_literal(struct wire *w, const char *line, struct buf *out, char head_out[256]);
#define SAY(w, line, want) CHECK_STR(conv_say(w, line), want)
/* Memory that the session holds. */
size_t conv_memory(void);

#endif

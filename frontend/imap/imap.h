/*
 * frontend/imap: IMAP4rev1 (RFC 3501) and what else imap_caps.c names, for one session a fiber.
 * Nothing here keeps mail: a session knows its ticket, which UIDs its client was told of, and what
 * it is writing just now.
 *
 *   imap_server    the conversation: a command read, looked up, run, answered
 *   imap_cmds.c    THE table of commands
 *   imap_parse     the text of a command, readers of its arguments
 *   imap_resp      what is written: strings, names, flags, tagged answers, errors
 *   imap_caps      CAPABILITY
 *   imap_seq       sequence sets           imap_view   sequence numbers <-> UIDs
 *   imap_utf7      mailbox names           imap_match  LIST patterns
 *   imap_special   names of special uses   imap_status  the items of STATUS
 *   imap_flags     flag lists, keywords and their bits
 *   imap_sync      the selected mailbox: what happened in it, told at the right moment
 *   imap_fetch_att FETCH items             imap_cut    which bytes a section is
 *   imap_fetch.c   FETCH                   imap_fetch_one.c  a message at a time
 *   imap_fetch_binary.c  BINARY
 *   imap_search_prog  SEARCH keys          imap_search.c, imap_search_hdr.c
 *   imap_auth.c imap_any.c imap_mailbox.c imap_list.c imap_select.c imap_store.c imap_copy.c
 *   imap_append.c imap_idle.c              the other families of commands
 *
 * Ownership: struct imap embeds the session. `arena` lives for one command; the selected mailbox
 * has an arena of its own. Answers are gathered in `out` and handed to the stream in large pieces
 * by imap_push; before a wait for the client all of it is handed over.
 *
 * A handler does its work, says how it ended with imap_ok, imap_no, imap_bad or imap_fail, and
 * returns E_OK. Anything else that it returns ends the session. The driver then brings the
 * client's view up to date where RFC 3501 section 7.4.1 allows it, and writes the tagged answer.
 */
#ifndef FRONTEND_IMAP_IMAP_H
#define FRONTEND_IMAP_IMAP_H

#include "frontend/core/cmd.h"
#include "frontend/core/session.h"
#include "frontend/imap/imap_parse.h"

enum imap_state {
	IMAP_NOT_AUTH = 1,
	IMAP_AUTH = 2,
	IMAP_SELECTED = 4,
	IMAP_LOGOUT = 8,
};

struct imap_selected;

struct imap {
	struct session s; /* first */
	enum imap_state state;
	struct arena arena;        /* of the command */
	struct buf out;            /* answers not handed over yet */
	struct imap_text text;     /* of the command */
	struct imap_selected *sel; /* in the selected state, else NULL; owned */
	unsigned errors;           /* commands that made no sense */
	unsigned idle_commands;    /* commands in a row that did nothing, before log-in */
	const char *bye;           /* a literal: the session ends after this command */
};

/* ANSWERED: the handler wrote the tagged answer itself (STARTTLS). */
enum imap_rc { IMAP_RC_NONE, IMAP_RC_OK, IMAP_RC_NO, IMAP_RC_BAD, IMAP_RC_ANSWERED };

/* One command while it runs. */
struct imap_cmd {
	slice_t tag; /* in the text */
	const struct cmd_def *def;
	bool uid; /* after UID */
	struct imap_args args;
	bool has_message;            /* APPEND's was announced ... */
	struct imap_literal literal; /* ... and not read */
	enum imap_rc rc;
	const char *code; /* without brackets, in the arena or a literal; NULL: none */
	const char *text; /* a literal, or in the arena */
};

/* Flags of rows of the table, beside those of core/cmd. */
enum {
	IMAP_CMD_UID = 1 << 16,      /* may follow UID */
	IMAP_CMD_UID_ONLY = 1 << 17, /* only with arguments when it does (EXPUNGE) */
	IMAP_CMD_SEQ = 1 << 18,      /* no EXPUNGE may be sent meanwhile, but after UID */
	IMAP_CMD_MESSAGE = 1 << 19,  /* ends in a literal that is streamed (APPEND) */
};

extern const struct cmd_def imap_commands[];
extern const size_t imap_ncommands;

/* The families' handlers; session is a struct imap, arg a struct imap_cmd. */
typedef WAITS enum err imap_run_fn(struct session *s, slice_t args, void *arg);
imap_run_fn imap_run_capability, imap_run_noop, imap_run_logout, imap_run_id, imap_run_enable;
imap_run_fn imap_run_namespace, imap_run_starttls, imap_run_authenticate, imap_run_login;
imap_run_fn imap_run_select, imap_run_examine, imap_run_create, imap_run_delete, imap_run_rename;
imap_run_fn imap_run_subscribe, imap_run_unsubscribe, imap_run_list, imap_run_lsub;
imap_run_fn imap_run_status, imap_run_append, imap_run_idle, imap_run_check, imap_run_close;
imap_run_fn imap_run_unselect, imap_run_expunge, imap_run_search, imap_run_fetch, imap_run_store;
imap_run_fn imap_run_copy, imap_run_move;

/* APPEND: what the announcement announces that ends the arguments so far. */
enum imap_append_at { IMAP_APPEND_NAME, IMAP_APPEND_MESSAGE, IMAP_APPEND_NOTHING };
enum imap_append_at imap_append_at(const struct imap_args *a);

/* What a worker of the service runs (imap_server). */
extern const struct protocol imap_protocol;

static inline struct imap *imap_of(struct session *s)
{
	return (struct imap *)s;
}

#endif

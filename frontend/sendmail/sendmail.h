/*
 * frontend/sendmail: the program that stands as sendmail, mailq and newaliases on a machine whose
 * programs have mail to send (cron, mutt, git send-email, PHP). It runs as whoever calls it, keeps
 * nothing, and hands what it reads to a cluster: to a front-end's submission port with the account
 * that its file names, or, on a back-end's own machine, as a file in a pickup folder.
 *
 *   sm_args    the command line that all such programs have learned
 *   sm_conf    its file
 *   sm_letter  standard input, made a message
 *   sm_submit  to a server, by the client of frontend/outbound
 *   sm_pickup  into a folder
 *   sm_mailq   what waits, asked of the administrator's command
 *
 * Exit statuses are sysexits.h's. 0 means that somebody is responsible for the message: a server
 * has answered 250 for every recipient, or the file is on the disk.
 */
#ifndef FRONTEND_SENDMAIL_SENDMAIL_H
#define FRONTEND_SENDMAIL_SENDMAIL_H

#include <stdio.h>
#include <sysexits.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/conf/conf.h"
#include "frontend/outbound/smtp_result.h"

#define SM_CONF "/etc/postern/sendmail.conf"

/* "sendmail: text" on standard error; returns the status. */
int sm_fail(int status, const char *fmt, ...) PRINTF(2, 3);
/* The same of a recipient: "address: 450 4.2.0 words"; without a code when the words are ours. */
int sm_fail_rcpt(int status, slice_t who, const struct smtp_result *r);

/* ---- sm_args ---- */

enum sm_mode {
	SM_SEND,        /* -bm, the default */
	SM_MAILQ,       /* -bp, mailq */
	SM_NEWALIASES,  /* -bi, -I, newaliases */
	SM_FLUSH,       /* -q: what waits is tried by the cluster, all the time */
	SM_UNSUPPORTED, /* -bd, -bs and others */
};

struct sm_args {
	enum sm_mode mode;
	char unsupported; /* the letter after -b */
	bool from_header; /* -t */
	bool no_dots;     /* -i, -oi */
	bool verbose;
	const char *sender;    /* -f, -r; NULL: who calls */
	const char *full_name; /* -F; NULL: the account's */
	uint32_t notify, ret;  /* -N, -R, as bits of smtp_msg.h */
	const char *envid;     /* -V; NULL */
	char **rcpts;          /* borrowed from argv */
	size_t nrcpts;
};

/* By argv[0] and options; a word of advice goes to standard error. EX_OK or EX_USAGE. */
int sm_args_parse(int argc, char **argv, struct sm_args *out);

/* ---- sm_conf ---- */

/* The file of $POSTERN_SENDMAIL_CONF, or SM_CONF. E_INVALID, E_NOT_FOUND, E_IO. */
enum err sm_conf_load(const char *path, struct conf **out, struct diag *d) MUST_USE;
/* The first line of a file, such as a password's. E_IO, E_INVALID: empty or longer than 1 KiB. */
enum err sm_read_line(const char *path, struct arena *mem, slice_t *out, struct diag *d) MUST_USE;

/* ---- sm_letter ---- */

struct sm_letter {
	FILE *spool;    /* without a name; all of it, lines end in CRLF */
	slice_t header; /* the message's; what follows it is in the spool from body_at on */
	size_t body_at;
	uint64_t body_size;
	bool eight, eight_header;
	slice_t sender; /* of the envelope; empty: <> */
	slice_t *rcpts;
	const struct smtp_result **later; /* beside rcpts, once a server was asked; or NULL */
	size_t nrcpts;
};

/* Reads all of `in`. Not EX_OK: it was told. */
int sm_letter_read(FILE *in, const struct sm_args *a, const struct conf *c, struct arena *mem,
		   struct sm_letter *out);
/* Back to the beginning of the body. */
void sm_letter_rewind(struct sm_letter *l);
void sm_letter_fini(struct sm_letter *l);

/* ---- ways ---- */

/* To a server. EX_OK: it took all recipients. EX_CONFIG: nothing was tried (it was told).
 * Otherwise those that are left in l->rcpts were not taken for now, and may be tried otherwise:
 * l->later says why, or where no server was asked *why, and neither was told. Who was refused for
 * good is not among them (it was told, and gives the status). */
int sm_submit(struct sm_letter *l, const struct sm_args *a, const struct conf *c, struct arena *mem,
	      struct diag *why);
/* As a file in the folder; durable with EX_OK. Otherwise it was told. */
int sm_pickup(struct sm_letter *l, const char *folder);
/* As Postfix's mailq shows it. */
int sm_mailq(const struct conf *c, FILE *out);

#endif

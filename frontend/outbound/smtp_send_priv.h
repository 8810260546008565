/* smtp_send_priv: a transaction while it goes on, shared by smtp_client_send (its envelope) and
 * smtp_client_body (the message). */
#ifndef FRONTEND_OUTBOUND_SMTP_SEND_PRIV_H
#define FRONTEND_OUTBOUND_SMTP_SEND_PRIV_H

#include "frontend/outbound/smtp_body.h"
#include "frontend/outbound/smtp_client_priv.h"

#define SMTP_BDAT_ONE_MAX   (32 * 1024)
#define SMTP_BDAT_CHUNK_MAX (64 * 1024)
#define SMTP_CUT_OFF_MS     1000 /* for words that came with the end of the connection */

enum smtp_way { SMTP_BY_DATA, SMTP_BY_BDAT_ONE, SMTP_BY_BDAT_CHUNKS };

struct smtp_send {
	struct smtp_client *c;
	struct smtp_msg *m;
	enum smtp_way way;
	enum smtp_utf8 utf8;
	size_t taken;        /* recipients, so far */
	bool mail_heard;     /* the connection still stood when we began */
	bool mail_ok;        /* MAIL was taken */
	bool stop;           /* say no more */
	bool go;             /* 354 came */
	bool last_said;      /* DATA, or the one BDAT */
	int64_t deadline_ms; /* of all answers before the body */
	struct buf out;      /* a group of commands */
	struct buf held;     /* bytes of the message that were read ahead */
	slice_t pending;     /* the chunk behind them, of the source */
	bool ended;          /* the source has no more */
	struct smtp_body body;
};

/* Gives r to every recipient that has no result yet. */
void smtp_send_all(struct smtp_send *t, const struct smtp_result *r);
/* Hears what the peer says to the whole message. */
WAITS enum err smtp_send_verdict(struct smtp_send *t, struct smtp_result *why) MUST_USE;

/* Before MAIL. Reads a small message whole (SMTP_BY_BDAT_ONE), or takes to DATA when it is longer
 * than was said. False with *why: nothing can be sent, and nothing was said. */
WAITS bool smtp_send_prepare(struct smtp_send *t, struct smtp_result *why) MUST_USE;
/* After 354: the message and its verdict, or for nobody an empty one. */
WAITS enum err smtp_send_by_data(struct smtp_send *t, struct smtp_result *why) MUST_USE;
/* After RCPT: the message in chunks of BDAT, and its verdict. */
WAITS enum err smtp_send_by_chunks(struct smtp_send *t, struct smtp_result *why) MUST_USE;

#endif

/*
 * own_mail: a message that we write ourselves, a notice or a report: kept in memory as the record
 * that its owner will store, with what signs it, and delivered to who takes it. Nobody is told of
 * what becomes of such mail (RFC 3461 section 6.1).
 */
#ifndef FRONTEND_OUTBOUND_OWN_MAIL_H
#define FRONTEND_OUTBOUND_OWN_MAIL_H

#include "frontend/mime/mime.h"
#include "frontend/outbound/notice_sign.h"
#include "frontend/record/record_write.h"

struct own_mail {
	struct notice_sign sign;  /* the caller begins it, before anything is written */
	struct deliver_meta meta; /* the caller fills it, but for what own_mail_end() does */
	struct mime_parser *mime;
	struct record_write record;
	struct buf stored;
	uint64_t size; /* of the message, once it is ended */
};

/* A message of at most so many bytes. */
void own_mail_init(struct own_mail *o, size_t max);
/* The next bytes, in any pieces; arg is a struct own_mail. E_TOO_BIG. */
WAITS enum err own_mail_write(void *arg, slice_t bytes) MUST_USE;
/* All of it was written: summary and signatures, into mem. */
WAITS enum err own_mail_end(struct own_mail *o, struct arena *mem) MUST_USE;
/* To each of them, until one does not take it. */
WAITS enum err own_mail_deliver(const struct own_mail *o, const struct deliver_target *targets,
				size_t n) MUST_USE;
void own_mail_fini(struct own_mail *o);

#endif

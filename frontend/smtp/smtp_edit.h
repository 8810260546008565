/*
 * smtp_edit: the header of a submission, changed on its way through: fields that tell of the
 * client's machine and program are left out where the server is to hide them, and hosts' domains in
 * the fields that name the sender are masqueraded. All else passes as it is, byte for byte.
 *
 * It knows a field by its name, so it keeps a line until the colon; of a field that names the
 * sender it keeps all, up to SMTP_EDIT_FIELD_MAX. A field that is longer passes unchanged, and is
 * judged so. Lines end with LF here: a message with bare ones is refused at its end anyway.
 */
#ifndef FRONTEND_SMTP_SMTP_EDIT_H
#define FRONTEND_SMTP_SMTP_EDIT_H

#include "common/base/buf.h"
#include "frontend/core/servers.h"

#define SMTP_EDIT_FIELD_MAX 16384 /* SMTP_HEADER_FROM_MAX: more cannot be judged */
/* The longest name looked for, with white space behind it. */
#define SMTP_EDIT_NAME_MAX  32

struct smtp_edit {
	uint8_t state;
	bool at_line;
	bool rewrites;               /* the field that is kept is to be masqueraded */
	struct buf kept;             /* of the line whose name is not known, or of a field */
	const struct server *server; /* borrowed: the session's */
};

void smtp_edit_init(struct smtp_edit *e, const struct server *server, struct budget *budget);
void smtp_edit_fini(struct smtp_edit *e);
/* Appends to out what becomes of these bytes: at most what was kept before, as much as comes in,
 * and what longer domains add. */
void smtp_edit_feed(struct smtp_edit *e, slice_t bytes, struct buf *out);
/* The message is over: appends what was kept. */
void smtp_edit_end(struct smtp_edit *e, struct buf *out);
/* The empty line has gone by: bytes need not come here any more. */
bool smtp_edit_over(const struct smtp_edit *e);

#endif

/* rig: a notice about to be written, shared by the tests. */
#ifndef TESTS_UNIT_FRONTEND_OUTBOUND_RIG_H
#define TESTS_UNIT_FRONTEND_OUTBOUND_RIG_H

#include "frontend/mime/mime.h"
#include "frontend/outbound/notice_priv.h"

#define ORIGINAL_HEADER \
	"From: Alice <alice@example.org>\r\n" \
	"To: Bob <bob@example.net>\r\n" \
	"Subject: =?utf-8?Q?Fr=C3=BChst=C3=BCck?= on Friday\r\n" \
	"Message-ID: <original@example.org>\r\n"
#define ORIGINAL ORIGINAL_HEADER "\r\nDear Bob,\r\nsee you.\r\n"
#define ORIGINAL_UTF8 \
	ORIGINAL_HEADER "X-Note: gr\xc3\xbc\xc3\x9f dich\r\n\r\nDear Bob,\r\n\xff bytes\r\n"

/* A notice with its original, and what became of it. */
struct rig {
	struct notice n;
	struct notice_recipient to[2];
	slice_t languages[1];
	slice_t left; /* of the original */
	size_t step;
	enum err read_end; /* after the last piece */
	size_t pieces, piece_max;
	enum err write_fails; /* at once */
	struct notice_draft *d;
	struct buf out;
	struct mime_parser *p;
	struct mime_summary s;
};

/* A failure as it usually is, for two recipients; tests change what they are about. An original
 * without a pointer: none. */
void rig_init(struct rig *r, slice_t original);
void rig_fini(struct rig *r);
/* Writes it, twice, checks that it is a sound message, and reads it with our own parser. */
WAITS void rig_write(struct rig *r);
/* Writes it once more. */
WAITS enum err rig_again(struct rig *r);
/* A sender, a recipient and a reply that are not ASCII. */
void rig_utf8(struct rig *r);
bool rig_holds(const struct rig *r, slice_t what);
/* The body of a part of the multipart, counted from 0, as it stands. */
slice_t rig_part(const struct rig *r, size_t child);
size_t rig_children(const struct rig *r);

#endif

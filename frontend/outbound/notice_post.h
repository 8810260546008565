/*
 * notice_post: a notice job from the queue: the notification is composed (notice), made into a
 * record as any message, and delivered to whom the back-end named. Tried again, it is the same
 * transaction, so nobody gets it twice.
 */
#ifndef FRONTEND_OUTBOUND_NOTICE_POST_H
#define FRONTEND_OUTBOUND_NOTICE_POST_H

#include "frontend/rpc/call_outbound.h"

#define NOTICE_LANGUAGES_MAX 8 /* of the original's Accept-Language or Content-Language */

/* In a fiber of its own. Takes the job; the result is reported. */
WAITS void notice_post(struct outbound_job *j);
/* Language tags that the header at the beginning of a message asks for, the best first; they
 * borrow from it. Accept-Language, or else Content-Language (RFC 8255 section 4, RFC 3282). */
size_t notice_wanted_languages(slice_t header, slice_t out[NOTICE_LANGUAGES_MAX]);

#endif

#include "frontend/imap/imap_caps.h"

#include "frontend/sasl/sasl.h"

/* True in every state. */
#define CAPS_ALWAYS "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE"
#define CAPS_AUTH \
	" NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN SPECIAL-USE CREATE-SPECIAL-USE ESEARCH " \
	"LIST-EXTENDED LIST-STATUS BINARY"

#define CAPS_MAX 512

void imap_caps_put(struct buf *out, const struct imap *im)
{
	struct stream *s = im->s.stream;

	buf_puts(out, "CAPABILITY " CAPS_ALWAYS);
	if (im->state != IMAP_NOT_AUTH) {
		buf_puts(out, CAPS_AUTH);
		return;
	}
	if (!stream_is_tls(s) && session_tls() != NULL)
		buf_puts(out, " STARTTLS");
	sasl_list(out, " AUTH=", s, NULL);
	/* LOGIN is PLAIN by another name. */
	if (sasl_find(SL("PLAIN"), s, NULL) == NULL)
		buf_puts(out, " LOGINDISABLED");
}

const char *imap_caps_code(struct imap *im)
{
	struct buf b;
	char *code;

	buf_init(&b, CAPS_MAX, NULL);
	imap_caps_put(&b, im);
	code = arena_str(&im->arena, buf_slice(&b));
	buf_fini(&b);
	return code;
}

/*
 * Smuggling: an end of data that we see and the next server does not, or the other way round. Every
 * mix of line ends around the dot is generated; behind it stands a second message in SMTP commands.
 * Only CRLF "." CRLF may end the first, and then the second is what the client said in the open;
 * in all other mixes the commands are text of a message, which is refused for its line ends.
 */
#include "tests/unit/frontend/smtp/smtp_lib.h"

#include "common/loop/fiber.h"

static const slice_t ends[] = {
	SL("\r\n"),   SL("\n"),     SL("\r"),     SL("\n\r"),
	SL("\r\r\n"), SL("\r\n\n"), SL("\0\r\n"), SL(""),
};

#define SECOND "MAIL FROM:<evil@far.example>\r\nRCPT TO:<bob@example.org>\r\n"

/* Does `before` "." `after` end a message whose last line stands before it? */
static bool is_end(slice_t before, slice_t after, slice_t *rest_out)
{
	bool start = slice_eq(before, SL("\r\n")) || slice_eq(before, SL("\r\r\n")) ||
		     slice_eq(before, SL("\0\r\n"));
	*rest_out = slice_from(after, 2);
	return start && slice_starts(after, SL("\r\n"));
}

static WAITS void one_mix(slice_t before, slice_t after, size_t piece)
{
	struct wire w;
	struct buf b;
	slice_t rest;
	bool end = is_end(before, after, &rest), clean = slice_eq(before, SL("\r\n"));
	/* A dot between text and nothing is text. */
	bool text =
		!end && (clean || before.n == 0) && (slice_eq(after, SL("\r\n")) || after.n == 0);

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "MAIL FROM:<x@far.example>", "250 ");
	ASK(&w, "RCPT TO:<alice@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	buf_init(&b, 1024, NULL);
	buf_puts(&b, "Subject: x\r\n\r\nbody");
	buf_put(&b, before);
	buf_putc(&b, '.');
	buf_put(&b, after);
	buf_puts(&b, SECOND);
	if (!end)
		buf_puts(&b, "\r\n.\r\nNOOP\r\n");
	if (piece == 0)
		wire_send(&w, buf_slice(&b));
	else
		wire_trickle(&w, smtp_session()->base.stream, buf_slice(&b), piece);
	buf_fini(&b);
	if (end) {
		ASK(&w, NULL,
		    clean                 ? "250 2.0.0"
		    : before.p[0] == '\0' ? "550 5.6.0"
					  : "550 5.6.11");
		if (rest.n > 0) /* the second LF is a line of its own, and a bad one */
			ASK(&w, NULL, "500 5.5.2");
		ASK(&w, NULL, "250 2.1.0");
		ASK(&w, NULL, "250 2.1.5");
	} else {
		ASK(&w, NULL, text ? "250 2.0.0" : "550 5.6.");
		ASK(&w, NULL, "250 2.0.0 OK");
	}
	CHECK_INT(played.messages, end ? clean : text);
	CHECK(!smtp_logged("from=evil@far.example"));
	mx_close(&w);
}

static WAITS void all_mixes(size_t piece)
{
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		for (size_t k = 0; k < ARRAY_LEN(ends); k++) {
			check_note("mix %zu %zu in pieces of %zu", i, k, piece);
			one_mix(ends[i], ends[k], piece);
		}
	}
}

TEST_FIBER(smuggling_whole)
{
	all_mixes(0);
}

TEST_FIBER(smuggling_byte_by_byte)
{
	all_mixes(1);
}

#include "frontend/smtp/smtp_header.h"

#include "tests/lib/check.h"

static const char message[] = "Received: a\r\nRECEIVED : b\r\n\tby c\r\nDate: now\r\n"
			      "From: \"Boss\"\r\n <boss@example.org>\r\nSender: x@y.example\r\n"
			      "X-From: z@z.example\r\nMessage-Id: <1@2>\r\n\r\n"
			      "From: body@example.org\r\nReceived: no\r\n";

TEST(header_any_cut)
{
	slice_t all = slice(message, sizeof message - 1);

	for (size_t cut = 0; cut <= all.n; cut++) {
		struct smtp_header h;

		check_note("cut %zu", cut);
		smtp_header_init(&h, NULL);
		smtp_header_feed(&h, slice_sub(all, 0, cut));
		smtp_header_feed(&h, slice_from(all, cut));
		CHECK_INT(h.received, 2);
		CHECK(h.has_date && h.has_message_id && h.has_from);
		CHECK_SLICE(buf_slice(&h.from), SL(" \"Boss\" <boss@example.org>\n"));
		CHECK_SLICE(buf_slice(&h.sender), SL(" x@y.example\n"));
		CHECK(!smtp_header_cut(&h));
		smtp_header_fini(&h);
	}
}

/* Obsolete white space before the colon, more than any name is long; and what only looks so. */
TEST(header_spaced_names)
{
	struct smtp_header h;

	smtp_header_init(&h, NULL);
	smtp_header_feed(&h, SL("From                               :a@x.example\r\n"
				"FROM\t \t: b@x.example\r\n"
				"From x : c@x.example\r\n"
				"From\r\n : d@x.example\r\n"
				"Fro m: e@x.example\r\n"
				": f@x.example\r\n"
				"From:\r\n\r\n"));
	CHECK_SLICE(buf_slice(&h.from), SL("a@x.example\n b@x.example\n"));
	smtp_header_fini(&h);
}

TEST(header_lacks)
{
	struct smtp_header h;

	smtp_header_init(&h, NULL);
	smtp_header_feed(&h, SL("Subject: x\r\n\r\nDate: y\r\n"));
	CHECK(!h.has_date && !h.has_message_id && !h.has_from);
	CHECK_INT(h.from.n, 0);
	smtp_header_fini(&h);
}

TEST(header_from_too_long)
{
	struct smtp_header h;

	smtp_header_init(&h, NULL);
	smtp_header_feed(&h, SL("From: "));
	for (size_t i = 0; i < SMTP_HEADER_FROM_MAX; i += 8)
		smtp_header_feed(&h, SL("abcdefgh"));
	CHECK(smtp_header_cut(&h));
	smtp_header_fini(&h);
}

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

/* RFC 8689 section 3. */
TEST(header_tls_required)
{
	static const struct {
		slice_t header;
		bool optional;
	} rows[] = {
		{SL("TLS-Required: No\r\n\r\n"), true},
		{SL("tls-required:nO"), true},
		{SL("Subject: a\r\nTLS-Required:\r\n No\r\n\t\r\nFrom: b\r\n\r\n"), true},
		{SL("TLS-Required: Yes\r\nTLS-Required: No\r\n\r\n"), true},
		{SL("TLS-Required: No\r\nTLS-Required: Yes\r\n\r\n"), false},
		{SL("TLS-Required: N o\r\n\r\n"), false},
		{SL("TLS-Required: N\r\n o\r\n\r\n"), false},
		{SL("TLS-Required: No no\r\n\r\n"), false},
		{SL("TLS-Required: Nothing\r\n\r\n"), false},
		{SL("TLS-Required:\r\n\r\n"), false},
		{SL("X-TLS-Required: No\r\n\r\n"), false},
		{SL("Subject: a\r\n\r\nTLS-Required: No\r\n"), false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t cut = 0; cut <= rows[i].header.n; cut++) {
			struct smtp_header h;

			check_note("row %zu cut %zu", i, cut);
			smtp_header_init(&h, NULL);
			smtp_header_feed(&h, slice_sub(rows[i].header, 0, cut));
			smtp_header_feed(&h, slice_from(rows[i].header, cut));
			CHECK_INT(smtp_header_tls_optional(&h), rows[i].optional);
			smtp_header_fini(&h);
		}
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

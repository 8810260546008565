/* What is signed of a message: fields, their order, what is signed twice, the field itself. */
#include "frontend/mailauth/dkim_hash.h"

#include "tests/lib/check.h"

#define BODY_HASH "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
#define BODY      "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"

static const struct dkim_sig sig = {"ed25519-sha256", {"example.org", 11}, {"s1", 2}, 1528637909};

#define OPEN(h) \
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n" \
	"\td=example.org; s=s1; t=1528637909;\r\n" \
	"\th=" h ";\r\n\tbh=" BODY_HASH ";\r\n\tb="
#define RELAXED(h) \
	"dkim-signature:v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org; s=s1;" \
	" t=1528637909; h=" h "; bh=" BODY_HASH "; b="

/* Two pieces, cut there. */
static struct dkim_hash *hash_of(slice_t message, size_t cut, const char *added)
{
	struct dkim_hash *h = dkim_hash_new(NULL);

	dkim_hash_feed(h, slice_sub(message, 0, cut));
	dkim_hash_feed(h, slice_from(message, cut));
	if (added != NULL)
		dkim_hash_add_field(h, slice_str(added));
	return h;
}

/* At every cut: the open field, and the digest of that canonical text. */
static void check_hash(const char *message, const char *added, const char *open, const char *hashed)
{
	slice_t m = slice_str(message);
	uint8_t want[SHA256_LEN], got[SHA256_LEN];

	sha256(slice_str(hashed), want);
	for (size_t cut = 0; cut <= m.n; cut++) {
		struct dkim_hash *h = hash_of(m, cut, added);
		struct buf b;

		buf_init(&b, DKIM_OPEN_MAX, NULL);
		CHECK_ERR(dkim_hash_end(h), E_OK);
		dkim_hash_sig(h, &sig, &b, got);
		CHECK_SLICE(buf_slice(&b), slice_str(open));
		CHECK_SLICE(slice(got, sizeof got), slice(want, sizeof want));
		CHECK(dkim_sig_is_open(buf_slice(&b), sig.algorithm, sig.domain, sig.selector));
		buf_fini(&b);
		dkim_hash_free(&h);
	}
}

#define PLAIN_H "From:From:To:To:Cc:Subject:Subject:Date:Message-ID:Reply-To"

TEST(dkim_hash_plain)
{
	check_hash("Received: from x\r\n\tby y\r\nfrom : Joe  <joe@example.org>\r\n"
		   "SUBJECT:\tIs dinner\r\n\t ready?  \r\nX-Other: z\r\n folded\r\n"
		   "To: a@example.net,\r\n b@example.net\r\n\r\n" BODY,
		   NULL, OPEN(PLAIN_H),
		   "from:Joe <joe@example.org>\r\n"
		   "to:a@example.net, b@example.net\r\n"
		   "subject:Is dinner ready?\r\n" RELAXED(PLAIN_H));
}

/* A field that a submission lacked stands in front of the message. */
TEST(dkim_hash_added_field)
{
	check_hash("From: joe@example.org\r\n\r\n" BODY,
		   "Date: Fri, 11 Jul 2003 21:00:37 -0700\r\n",
		   OPEN("From:From:To:Cc:Subject:Date:Date:Message-ID:Reply-To"),
		   "from:joe@example.org\r\ndate:Fri, 11 Jul 2003 21:00:37 -0700\r\n" RELAXED(
			   "From:From:To:Cc:Subject:Date:Date:Message-ID:Reply-To"));
}

/* Section 5.4.2: from the lowest upwards; beyond DKIM_SAME_MAX the upper ones are not signed, and
 * then none is named that is not there. */
TEST(dkim_hash_same_name_again)
{
	check_hash("To: 1\r\nFrom: a\r\nCc: 1\r\nCc: 2\r\nCc: 3\r\nCc: 4\r\nTo: 2\r\n"
		   "References: r\r\n\r\n" BODY,
		   NULL,
		   OPEN("From:From:To:To:To:Cc:Cc:Cc:Subject:Date:Message-ID:Reply-To:References"),
		   "from:a\r\nto:2\r\nto:1\r\ncc:4\r\ncc:3\r\ncc:2\r\nreferences:r\r\n" RELAXED(
			   "From:From:To:To:To:Cc:Cc:Cc:Subject:Date:Message-ID:Reply-To:"
			   "References"));
}

/* What is no field hides none, and no field goes on behind it. */
TEST(dkim_hash_odd_header)
{
	check_hash("a line of text\r\n and more\r\nFrom: x\r\nsubject and more: no\r\n more\r\n"
		   "Subject:\r\n\r\n" BODY,
		   NULL, OPEN("From:From:To:Cc:Subject:Subject:Date:Message-ID:Reply-To"),
		   "from:x\r\nsubject:\r\n" RELAXED(
			   "From:From:To:Cc:Subject:Subject:Date:Message-ID:Reply-To"));
}

/* The header only, with or without its last line end: the body is empty. */
TEST(dkim_hash_no_body)
{
	static const char *const messages[] = {"From: a\r\nTo: b\r\n\r\n", "From: a\r\nTo: b\r\n",
					       "From: a\r\nTo: b"};
	uint8_t first[SHA256_LEN], got[SHA256_LEN];

	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		struct dkim_hash *h = hash_of(slice_str(messages[i]), 3, "Date: now\r\n");
		struct buf b;

		buf_init(&b, DKIM_OPEN_MAX, NULL);
		CHECK_ERR(dkim_hash_end(h), E_OK);
		dkim_hash_sig(h, &sig, &b, got);
		/* SHA-256 of nothing. */
		CHECK(slice_find(buf_slice(&b),
				 SL("bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")) < b.n);
		if (i == 0)
			memcpy(first, got, sizeof first);
		CHECK_SLICE(slice(got, sizeof got), slice(first, sizeof first));
		buf_fini(&b);
		dkim_hash_free(&h);
	}
}

TEST(dkim_hash_needs_from)
{
	struct dkim_hash *h = hash_of(SL("To: b\r\n\r\nFrom: in the body\r\n"), 0, NULL);

	CHECK_ERR(dkim_hash_end(h), E_INVALID);
	dkim_hash_free(&h);
}

TEST(dkim_hash_limits)
{
	struct dkim_hash *h = dkim_hash_new(NULL);
	struct budget small;

	/* Fields: the last that fits, and one more. */
	for (size_t i = 0; i < DKIM_FIELDS_MAX - 1; i++)
		dkim_hash_feed(h, SL("To: x\r\n"));
	dkim_hash_feed(h, SL("From: x\r\n"));
	CHECK_ERR(dkim_hash_end(h), E_OK);
	dkim_hash_free(&h);
	h = dkim_hash_new(NULL);
	for (size_t i = 0; i < DKIM_FIELDS_MAX; i++)
		dkim_hash_feed(h, SL("To: x\r\n"));
	dkim_hash_feed(h, SL("From: x\r\n"));
	CHECK_ERR(dkim_hash_end(h), E_LIMIT);
	dkim_hash_free(&h);

	/* Bytes; what is not signed does not count. */
	for (int over = 0; over < 2; over++) {
		h = dkim_hash_new(NULL);
		dkim_hash_feed(h, SL("From: x\r\nX-Other: "));
		for (size_t i = 0; i < DKIM_HEADER_MAX; i++)
			dkim_hash_feed(h, SL("xx"));
		dkim_hash_feed(h, SL("\r\nSubject: "));
		for (size_t i = 0; i < DKIM_HEADER_MAX - 18 + (size_t)over; i++)
			dkim_hash_feed(h, SL("s"));
		CHECK_ERR(dkim_hash_end(h), over ? E_LIMIT : E_OK);
		dkim_hash_free(&h);
	}

	/* All that it takes is charged and given back. */
	budget_init(&small, 64 * 1024, NULL);
	h = dkim_hash_new(&small);
	CHECK(small.used > 0);
	dkim_hash_feed(h, SL("From: "));
	for (size_t i = 0; i < 70000; i++)
		dkim_hash_feed(h, SL("x"));
	CHECK_ERR(dkim_hash_end(h), E_LIMIT);
	dkim_hash_free(&h);
	CHECK_INT(small.used, 0);
	budget_fini(&small);
}

/* The longest field that can be made fits, with folded lines of a reasonable length. */
TEST(dkim_hash_longest_field)
{
	static const char *const names[] = {
		"From",
		"To",
		"Cc",
		"Subject",
		"Date",
		"Message-ID",
		"Reply-To",
		"Sender",
		"In-Reply-To",
		"References",
		"MIME-Version",
		"Content-Type",
		"Content-Transfer-Encoding",
		"List-Id",
		"List-Help",
		"List-Unsubscribe",
		"List-Unsubscribe-Post",
		"List-Subscribe",
		"List-Post",
		"List-Owner",
		"List-Archive",
	};
	char domain[DKIM_DOMAIN_MAX], selector[DKIM_SELECTOR_MAX];
	struct dkim_sig longest = {"ed25519-sha256", slice(domain, sizeof domain),
				   slice(selector, sizeof selector), 99999999999};
	struct dkim_hash *h = dkim_hash_new(NULL);
	uint8_t digest[SHA256_LEN];
	struct buf b;
	slice_t rest;

	memset(domain, 'd', sizeof domain);
	memset(selector, 's', sizeof selector);
	for (size_t i = 0; i < DKIM_SAME_MAX * ARRAY_LEN(names); i++) {
		dkim_hash_feed(h, slice_str(names[i % ARRAY_LEN(names)]));
		dkim_hash_feed(h, SL(": x\r\n"));
	}
	CHECK_ERR(dkim_hash_end(h), E_OK);
	buf_init(&b, DKIM_OPEN_MAX, NULL);
	dkim_hash_sig(h, &longest, &b, digest);
	CHECK(!buf_failed(&b));
	for (rest = buf_slice(&b); rest.n > 0;) {
		size_t n = slice_find_char(rest, '\n');

		CHECK(n <= 80 || slice_find(slice_sub(rest, 0, n), SL("\td=")) < n);
		rest = slice_from(rest, n + 1);
	}
	buf_fini(&b);
	dkim_hash_free(&h);
}

#include "frontend/outbound/smtp_msg.h"
#include "tests/lib/check.h"

static const struct smtp_offer nothing = {.name = ""};
static const struct smtp_offer everything = {.has = UINT32_MAX, .name = ""};

TEST(addresses_that_could_end_a_command)
{
	static const slice_t bad[] = {
		SL("a b@example.org"),
		SL("a@example.org\r\nRCPT TO:<x@example.org>"),
		SL("a@example.org\n"),
		SL("a\r@example.org"),
		SL("a@example.org\0"),
		SL("\"a\r\nb\"@example.org"),
		SL("a@example.org> SIZE=1"),
		SL("<a@example.org>"),
		SL("a"),
		SL("@example.org"),
		SL("a@"),
		SL("a@exa mple.org"),
		SL("a\xff@example.org"),
	};
	static const slice_t good[] = {SL("a@example.org"), SL("\"a b>\"@example.org"),
				       SL("a@[192.0.2.1]"), SL("a+b=c@example.org")};
	bool utf8;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("bad %zu", i);
		CHECK(!smtp_msg_address_ok(bad[i], &utf8));
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		check_note("good %zu", i);
		CHECK(smtp_msg_address_ok(good[i], &utf8));
		CHECK(!utf8);
	}
	CHECK(smtp_msg_address_ok(SL("j\xc3\xb6rg@example.org"), &utf8));
	CHECK(utf8);
}

TEST(xtext)
{
	struct buf b;

	buf_init(&b, 100, NULL);
	smtp_put_xtext(&b, SL("a+b=c d\r\n\xff~!"));
	CHECK_SLICE(buf_slice(&b), SL("a+2Bb+3Dc+20d+0D+0A+FF~!"));
	buf_fini(&b);
}

static void check_mail(const struct smtp_msg *m, const struct smtp_offer *o, enum smtp_utf8 utf8,
		       const char *want)
{
	struct buf b;

	buf_init(&b, SMTP_COMMAND_MAX, NULL);
	smtp_msg_put_mail(&b, m, o, utf8);
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	buf_fini(&b);
}

static void check_rcpt_as(const struct smtp_msg_rcpt *r, const struct smtp_offer *o,
			  enum smtp_utf8 utf8, const char *want)
{
	struct buf b;

	buf_init(&b, SMTP_COMMAND_MAX, NULL);
	smtp_msg_put_rcpt(&b, r, o, utf8);
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	buf_fini(&b);
}

static void check_rcpt(const struct smtp_msg_rcpt *r, const struct smtp_offer *o, const char *want)
{
	check_rcpt_as(r, o, SMTP_ASCII, want);
}

TEST(mail_parameters)
{
	struct smtp_msg m = {.sender = SL("a@example.org"),
			     .size = 77,
			     .ret = RET_FULL,
			     .envid = SL("e+1\r\nDATA"),
			     .needs = SMTP_NEED_8BIT | SMTP_NEED_TLS};
	char longest[SMTP_ENVID_SENT_MAX + 1];

	check_mail(&m, &everything, SMTP_UTF8,
		   "MAIL FROM:<a@example.org> SIZE=77 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=FULL "
		   "ENVID=e+2B1+0D+0ADATA\r\n");
	m.needs = SMTP_NEED_BINARY | SMTP_NEED_8BIT;
	m.ret = 0;
	check_mail(&m, &everything, SMTP_ASCII,
		   "MAIL FROM:<a@example.org> SIZE=77 BODY=BINARYMIME ENVID=e+2B1+0D+0ADATA\r\n");
	m.needs = 0;
	check_mail(&m, &nothing, SMTP_ASCII, "MAIL FROM:<a@example.org>\r\n");
	m.sender = SLICE_NONE;
	m.size = 0;
	memset(longest, 'e', sizeof longest);
	m.envid = slice(longest, SMTP_ENVID_SENT_MAX + 1);
	check_mail(&m, &everything, SMTP_ASCII, "MAIL FROM:<>\r\n");
}

/* RFC 2852 section 4. */
TEST(deliver_by)
{
	static const struct {
		uint32_t by;
		int64_t by_s;
		const char *want;
	} rows[] = {
		{BY_RETURN, 59, "MAIL FROM:<> BY=59;R\r\n"},
		{BY_RETURN | BY_TRACE, 1, "MAIL FROM:<> BY=1;RT\r\n"},
		{BY_NOTIFY, 0, "MAIL FROM:<> BY=0;N\r\n"},
		{BY_NOTIFY | BY_TRACE, -5, "MAIL FROM:<> BY=-5;NT\r\n"},
		{BY_NOTIFY, INT64_MIN, "MAIL FROM:<> BY=-999999999;N\r\n"},
		{BY_NOTIFY, INT64_MAX, "MAIL FROM:<> BY=999999999;N\r\n"},
		{0, 7, "MAIL FROM:<>\r\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_msg m = {.by = rows[i].by, .by_s = rows[i].by_s};

		check_mail(&m, &everything, SMTP_ASCII, rows[i].want);
		check_mail(&m, &nothing, SMTP_ASCII, "MAIL FROM:<>\r\n");
	}
}

TEST(priorities)
{
	static const struct smtp_offer offers = {.has = SMTP_EXT_PRIORITY, .name = ""};
	struct smtp_msg m = {.priority = -9};

	check_mail(&m, &offers, SMTP_ASCII, "MAIL FROM:<> MT-PRIORITY=-9\r\n");
	check_mail(&m, &nothing, SMTP_ASCII, "MAIL FROM:<>\r\n");
	m.priority = 0;
	check_mail(&m, &offers, SMTP_ASCII, "MAIL FROM:<>\r\n");
}

TEST(what_is_to_be_returned_in_time)
{
	static const struct {
		uint32_t by;
		int64_t by_s;
		uint32_t has;
		unsigned min;
		const char *status; /* NULL: it may be sent */
	} rows[] = {
		{BY_RETURN, 60, SMTP_EXT_DELIVERBY, 0, NULL},
		{BY_RETURN, 60, SMTP_EXT_DELIVERBY, 60, NULL},
		{BY_RETURN, 60, SMTP_EXT_DELIVERBY, 61, "5.4.7"},
		{BY_RETURN, 0, SMTP_EXT_DELIVERBY, 0, "5.4.7"},
		{BY_RETURN | BY_TRACE, 60, 0, 0, "5.3.3"},
		{BY_NOTIFY, -60, SMTP_EXT_DELIVERBY, 60, NULL},
		{BY_NOTIFY, 60, 0, 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_offer o = {.has = rows[i].has, .by_min = rows[i].min};
		struct smtp_msg m = {.by = rows[i].by, .by_s = rows[i].by_s};
		struct smtp_result r = {.status = ""};

		check_note("row %zu", i);
		CHECK_INT(smtp_msg_unfit(&m, &o, false, &r), rows[i].status != NULL);
		CHECK_STR(r.status, rows[i].status != NULL ? rows[i].status : "");
	}
}

TEST(rcpt_parameters)
{
	struct smtp_msg_rcpt r = {.address = SL("b@example.org"),
				  .notify = NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY,
				  .orcpt = SL("rfc822;B=b@example.org")};
	char longest[SMTP_ORCPT_SENT_MAX + 1];

	check_rcpt(&r, &everything,
		   "RCPT TO:<b@example.org> NOTIFY=SUCCESS,FAILURE,DELAY "
		   "ORCPT=rfc822;B+3Db@example.org\r\n");
	check_rcpt(&r, &nothing, "RCPT TO:<b@example.org>\r\n");
	r.notify = NOTIFY_NEVER;
	r.orcpt = SL("no type");
	check_rcpt(&r, &everything, "RCPT TO:<b@example.org> NOTIFY=NEVER\r\n");
	r.notify = 0;
	memset(longest, 'o', sizeof longest);
	memcpy(longest, "rfc822;", 7);
	r.orcpt = slice(longest, SMTP_ORCPT_SENT_MAX + 1);
	check_rcpt(&r, &everything, "RCPT TO:<b@example.org>\r\n");
}

/* RFC 6533 section 3. */
TEST(original_recipient_in_unicode)
{
	struct smtp_msg_rcpt r = {.address = SL("b@example.org")};
	char longest[SMTP_ORCPT_SENT_MAX + 2];

	r.orcpt = SL("utf-8;j\xc3\xb6rg+x=y@example.org");
	check_rcpt(&r, &nothing, "RCPT TO:<b@example.org>\r\n");
	check_rcpt(&r, &everything,
		   "RCPT TO:<b@example.org> "
		   "ORCPT=utf-8;j\\x{F6}rg\\x{2B}x\\x{3D}y@example.org\r\n");
	check_rcpt_as(&r, &everything, SMTP_UTF8,
		      "RCPT TO:<b@example.org> "
		      "ORCPT=utf-8;j\xc3\xb6rg\\x{2B}x\\x{3D}y@example.org\r\n");
	for (size_t i = 0; i < sizeof longest; i += 2)
		memcpy(longest + i, "\xc3\xbc", 2);
	memcpy(longest, "utf-8;", 6);
	r.orcpt = slice(longest, SMTP_ORCPT_SENT_MAX);
	check_rcpt(&r, &everything, "RCPT TO:<b@example.org>\r\n");
	r.orcpt = slice(longest, SMTP_ORCPT_SENT_MAX + 2);
	check_rcpt_as(&r, &everything, SMTP_UTF8, "RCPT TO:<b@example.org>\r\n");
	r.orcpt = SL("utf-8;a\r\nRCPT TO:<c@d>");
	check_rcpt_as(&r, &everything, SMTP_UTF8, "RCPT TO:<b@example.org>\r\n");
	r.orcpt = SL("utf-8;\xff");
	check_rcpt(&r, &everything, "RCPT TO:<b@example.org>\r\n");
	r.orcpt = SL("rfc822;\xc3\xb6");
	check_rcpt_as(&r, &everything, SMTP_UTF8, "RCPT TO:<b@example.org>\r\n");
}

/* RFC 8689 section 5: a notice says it where it is understood. */
TEST(a_notice_asks_for_tls_where_it_can)
{
	static const struct smtp_offer tls = {.has = SMTP_EXT_REQUIRETLS, .name = ""};
	struct smtp_msg m = {.needs = SMTP_NEED_TLS};

	check_mail(&m, &tls, SMTP_ASCII, "MAIL FROM:<> REQUIRETLS\r\n");
	check_mail(&m, &nothing, SMTP_ASCII, "MAIL FROM:<>\r\n");
}

/* The longest of everything still is one command. */
TEST(the_longest_commands_fit)
{
	char local[64], orcpt[SMTP_ORCPT_SENT_MAX], envid[SMTP_ENVID_SENT_MAX];
	struct smtp_msg m = {.size = UINT64_MAX,
			     .ret = RET_FULL,
			     .by = BY_NOTIFY | BY_TRACE,
			     .by_s = INT64_MIN,
			     .priority = -9,
			     .needs = SMTP_NEED_BINARY | SMTP_NEED_TLS};
	struct smtp_msg_rcpt r = {.notify = NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY};
	struct buf address, out;
	bool utf8;

	memset(local, 'l', sizeof local);
	memset(orcpt, 'o', sizeof orcpt);
	memcpy(orcpt, "rfc822;", 7);
	memset(envid, 'e', sizeof envid);
	buf_init(&address, 1024, NULL);
	buf_init(&out, SMTP_COMMAND_MAX, NULL);
	buf_put(&address, slice(local, sizeof local));
	buf_puts(&address, "@");
	for (int i = 0; i < 3; i++) {
		buf_put(&address, slice(local, 60));
		buf_puts(&address, ".");
	}
	buf_puts(&address, "org");
	m.sender = r.address = buf_slice(&address);
	m.envid = slice(envid, sizeof envid);
	r.orcpt = slice(orcpt, sizeof orcpt);
	CHECK(smtp_msg_address_ok(m.sender, &utf8));
	smtp_msg_put_mail(&out, &m, &everything, SMTP_UTF8);
	CHECK(!buf_failed(&out));
	CHECK(slice_find(buf_slice(&out), slice(envid, sizeof envid)) < out.n);
	buf_reset(&out);
	smtp_msg_put_rcpt(&out, &r, &everything, SMTP_UTF8);
	CHECK(!buf_failed(&out));
	CHECK(slice_find(buf_slice(&out), slice(orcpt, sizeof orcpt)) < out.n);
	buf_fini(&address);
	buf_fini(&out);
}

TEST(needs_that_are_not_met)
{
	static const struct {
		uint32_t needs, has;
		uint64_t size, size_max;
		const char *sender, *status; /* NULL: it may be sent */
		bool verified;
	} rows[] = {
		{0, 0, 0, 0, "a@example.org", NULL, false},
		{0, 0, 0, 0, "", NULL, false},
		{0, 0, 0, 0, "a", "5.1.7", false},
		{SMTP_NEED_8BIT, 0, 0, 0, "", "5.6.3", false},
		{SMTP_NEED_8BIT, SMTP_EXT_8BITMIME, 0, 0, "", NULL, false},
		{SMTP_NEED_UTF8, SMTP_EXT_8BITMIME, 0, 0, "", "5.6.7", false},
		{SMTP_NEED_UTF8, SMTP_EXT_SMTPUTF8, 0, 0, "", NULL, false},
		{0, 0, 0, 0, "j\xc3\xb6rg@example.org", "5.6.7", false},
		{0, SMTP_EXT_SMTPUTF8, 0, 0, "j\xc3\xb6rg@example.org", NULL, false},
		{SMTP_NEED_BINARY, SMTP_EXT_CHUNKING, 0, 0, "", "5.6.3", false},
		{SMTP_NEED_BINARY, SMTP_EXT_BINARYMIME, 0, 0, "", "5.6.3", false},
		{SMTP_NEED_BINARY, SMTP_EXT_BINARYMIME | SMTP_EXT_CHUNKING, 0, 0, "", NULL, false},
		{0, 0, 101, 100, "", "5.3.4", false},
		{0, 0, 100, 100, "", NULL, false},
		{0, 0, 100, 0, "", NULL, false},
		{SMTP_NEED_TLS, 0, 0, 0, "a@example.org", "5.7.30", true},
		{SMTP_NEED_TLS, SMTP_EXT_REQUIRETLS, 0, 0, "a@example.org", "5.7.30", false},
		{SMTP_NEED_TLS, SMTP_EXT_REQUIRETLS, 0, 0, "a@example.org", NULL, true},
		/* A notice is not lost for it (RFC 8689 section 5). */
		{SMTP_NEED_TLS, 0, 0, 0, "", NULL, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_offer o = {.has = rows[i].has, .size_max = rows[i].size_max};
		struct smtp_msg m = {.sender = slice_str(rows[i].sender),
				     .needs = rows[i].needs,
				     .size = rows[i].size};
		struct smtp_result r;

		check_note("row %zu", i);
		CHECK_INT(smtp_msg_unfit(&m, &o, rows[i].verified, &r), rows[i].status != NULL);
		if (rows[i].status == NULL)
			continue;
		CHECK_INT(r.verdict, SMTP_REFUSED);
		CHECK_INT(r.code, 0);
		CHECK_STR(r.status, rows[i].status);
	}
}

/* Notices of hostile input: nothing that comes in becomes a field, a line or a part; what is long
 * is cut. */
#include <stdio.h>

#include "common/base/utf8.h"
#include "common/crypto/random.h"
#include "frontend/mime/qp.h"
#include "tests/lib/check.h"
#include "tests/unit/frontend/outbound/rig.h"

/* The words for people, decoded. */
static void human(const struct rig *r, struct buf *out)
{
	slice_t in = rig_part(r, 0);
	char piece[4096];
	struct qp_decoder q;

	buf_init(out, (size_t)1 << 20, NULL);
	qp_init(&q);
	while (in.n != 0)
		buf_put(out, slice(piece, qp_feed(&q, &in, piece, sizeof piece)));
}

/* The fields for programs hold this line. */
static bool has_line(const struct rig *r, slice_t line)
{
	slice_t rest = rig_part(r, 1);

	while (rest.n != 0) {
		size_t n = slice_find(rest, SL("\r\n"));

		if (slice_eq(slice_sub(rest, 0, n), line))
			return true;
		rest = slice_from(rest, n + 2);
	}
	return false;
}

TEST(notice_takes_no_field_from_outside)
{
	struct rig r;
	struct buf text;

	rig_init(&r, SL(ORIGINAL));
	r.n.envid = SL("e\r\nX-Evil: 1");
	r.to[0].address = SL("bob@example.net\r\n\r\nAction: delivered");
	r.to[0].orcpt = SL("rfc822;x\r\nX-Evil: 2");
	r.to[0].diagnostic = SL("smtp; 550-no\r\n550 never\n\nX-Evil: 3\r\n\r\n--=_x\r\n\0\x1b[2J");
	r.to[0].mta = SL("mx\r\nX-Evil: 4");
	r.to[0].mta_address = SL("192.0.2.1\nX-Evil: 5");
	r.to[0].status = SL("5.1.1\r\nX-Evil: 6");
	rig_write(&r);
	CHECK_INT(rig_children(&r), 3);
	CHECK(!rig_holds(&r, SL("\nX-Evil")));
	CHECK(!rig_holds(&r, SL("\n X-Evil: 1")));
	CHECK(has_line(&r, SL("Original-Envelope-Id: e X-Evil: 1")));
	CHECK(has_line(&r, SL("Final-Recipient: rfc822; bob@example.net  Action: delivered")));
	CHECK(has_line(&r, SL("Status: 5.0.0")));
	human(&r, &text);
	CHECK(slice_find(buf_slice(&text), SL("\x1b")) == text.n);
	CHECK(slice_find(buf_slice(&text), SL("> 550-no 550 never X-Evil: 3 --=_x ??[2J\r\n")) !=
	      text.n);
	buf_fini(&text);
	rig_fini(&r);
}

TEST(notice_type_of_diagnostic)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{"smtp; 550 no", "Diagnostic-Code: smtp; 550 no"},
		{"X-Postern ;  gave up", "Diagnostic-Code: X-Postern; gave up"},
		{"550 no; never", "Diagnostic-Code: smtp; 550 no; never"},
		{"; no", "Diagnostic-Code: smtp; ; no"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig r;

		rig_init(&r, SLICE_NONE);
		r.to[0].diagnostic = slice_str(cases[i].in);
		rig_write(&r);
		check_note("%s", cases[i].in);
		CHECK(has_line(&r, slice_str(cases[i].want)));
		rig_fini(&r);
	}
}

TEST(notice_only_address_of_remote)
{
	struct rig r;

	rig_init(&r, SLICE_NONE);
	r.to[0].mta = SLICE_NONE;
	r.to[1] = (struct notice_recipient){.address = SL("carol@example.net"),
					    .mta_address = SL("2001:db8::1")};
	rig_write(&r);
	CHECK(has_line(&r, SL("Remote-MTA: dns; [192.0.2.1]")));
	CHECK(has_line(&r, SL("Remote-MTA: dns; [IPv6:2001:db8::1]")));
	CHECK(has_line(&r, SL("Status: 5.0.0")));
	CHECK(!rig_holds(&r, SL("Original-Recipient: rfc822; carol")));
	rig_fini(&r);
}

/* RFC 6533: the type utf-8. */
TEST(notice_orcpt_of_type_utf8)
{
	static const struct {
		const char *in, *want;
		bool global;
	} cases[] = {
		{"utf-8;j\xc3\xbcrgen@example.org",
		 "Original-Recipient: utf-8; j\xc3\xbcrgen@example.org", true},
		{"UTF-8;\xd0\xb8@example.org", "Original-Recipient: UTF-8; \xd0\xb8@example.org",
		 true},
		{"utf-8;a\r\nb@c", "Original-Recipient: utf-8; a b@c", false},
		{"utf-8;a+b\\@c", "Original-Recipient: utf-8; a+b\\@c", false},
		{"rfc822;j\xc3\xbc@example.org", "Original-Recipient: rfc822; j?@example.org",
		 false},
		{"utf-8;\xff@example.org", "Original-Recipient: utf-8; ?@example.org", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig r;

		rig_init(&r, SLICE_NONE);
		r.to[0].orcpt = slice_str(cases[i].in);
		rig_write(&r);
		check_note("%s", cases[i].in);
		CHECK(has_line(&r, slice_str(cases[i].want)));
		CHECK_INT(notice_is_8bit(r.d), cases[i].global);
		CHECK_INT(rig_holds(&r, SL("message/global-delivery-status")), cases[i].global);
		CHECK(!notice_is_utf8(r.d));
		rig_fini(&r);
	}
}

TEST(notice_orcpt_that_is_none)
{
	static const char *const none[] = {"bob@example.net", ";bob", "rfc822;", "r f;bob", ""};

	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		struct rig r;

		rig_init(&r, SLICE_NONE);
		r.to[0].orcpt = slice_str(none[i]);
		rig_write(&r);
		CHECK(!rig_holds(&r, SL("Original-Recipient")));
		rig_fini(&r);
	}
}

TEST(notice_utf8_in_reply_only_where_it_may_stand)
{
	struct rig r;

	rig_init(&r, SLICE_NONE);
	r.to[0].diagnostic = SL("smtp; 550 \xd0\xbd\xd0\xb5\xd1\x82 \xff");
	rig_write(&r);
	CHECK(has_line(&r, SL("Diagnostic-Code: smtp; 550 ??? ?")));
	CHECK(!notice_is_8bit(r.d));
	rig_fini(&r);

	rig_init(&r, SLICE_NONE);
	rig_utf8(&r);
	rig_write(&r);
	CHECK(has_line(&r, SL("Diagnostic-Code: smtp; 550 5.1.1 \xd0\xbd\xd0\xb5\xd1\x82")));
	CHECK(has_line(&r, SL("Final-Recipient: utf-8; "
			      "\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd@example.net")));
	CHECK(has_line(&r, SL("Final-Recipient: rfc822; bob@example.net")));
	rig_fini(&r);

	/* Turned round, it would read otherwise. */
	rig_init(&r, SLICE_NONE);
	r.to[0].address = SL("\xe2\x80\xae\xd0\xb8@example.net");
	rig_write(&r);
	CHECK(has_line(&r, SL("Final-Recipient: utf-8; ?\xd0\xb8@example.net")));
	rig_fini(&r);
}

/* ---- limits ---- */

static void check_cut(const struct rig *r, const char *name, size_t max)
{
	char head[64];
	slice_t rest = rig_part(r, 1);
	size_t at, n = 0;

	snprintf(head, sizeof head, "%s: ", name);
	at = slice_find(rest, slice_str(head));
	REQUIRE(at != rest.n);
	rest = slice_from(rest, at + strlen(head));
	for (;;) { /* unfolded */
		size_t line = slice_find(rest, SL("\r\n"));

		n += line;
		CHECK(slice_starts(slice_from(rest, line + 2), SL(" ")) ||
		      slice_ends(slice_sub(rest, 0, line), SL("...")));
		rest = slice_from(rest, line + 2);
		if (!slice_starts(rest, SL(" ")))
			break;
	}
	check_note("%s has %zu", name, n);
	CHECK(n <= max + 16 && n + 16 > max);
}

TEST(notice_cuts_what_is_long)
{
	static char big[200 * 1024];
	static char words[200 * 1024];
	struct rig r;

	memset(big, 'b', sizeof big);
	memset(words, 'w', sizeof words);
	for (size_t i = 0; i < sizeof words; i += 9)
		words[i] = ' ';
	for (int round = 0; round < 2; round++) {
		slice_t text = round == 0 ? slice(big, sizeof big) : slice(words, sizeof words);

		rig_init(&r, SLICE_NONE);
		r.n.envid = text;
		r.to[0].address = slice(big, sizeof big);
		r.to[0].mta = slice(big, sizeof big);
		r.to[0].mta_address = slice(big, sizeof big);
		r.to[0].diagnostic = text;
		rig_write(&r);
		check_cut(&r, "Original-Envelope-Id", NOTICE_ENVID_MAX);
		check_cut(&r, "Final-Recipient", NOTICE_ADDRESS_MAX);
		check_cut(&r, "Remote-MTA", NOTICE_MTA_MAX);
		check_cut(&r, "Diagnostic-Code", NOTICE_DIAGNOSTIC_MAX);
		rig_fini(&r);
	}
	rig_init(&r, SLICE_NONE);
	memcpy(big, "x;", 2);
	r.to[0].orcpt = slice(big, sizeof big);
	rig_write(&r);
	CHECK(has_line(&r, SL("Final-Recipient: rfc822; bob@example.net")));
	CHECK(slice_find(rig_part(&r, 1), slice(big + 2, NOTICE_ORCPT_MAX - 2)) !=
	      rig_part(&r, 1).n);
	CHECK(slice_find(rig_part(&r, 1), slice(big + 2, NOTICE_ORCPT_MAX)) == rig_part(&r, 1).n);
	rig_fini(&r);
}

TEST(notice_clean_at_the_limit)
{
	static const struct {
		const char *in;
		size_t max;
		const char *want;
	} cases[] = {
		{"abcdef", 6, "abcdef"},
		{"abcdefg", 6, "abc..."},
		{"abc\xc3\xbc\xc3\xbc", 6, "abc..."},
		{"ab\xc3\xbc\xc3\xbc", 6, "ab\xc3\xbc\xc3\xbc"},
		{"ab\xc3\xbc\xc3\xbcz", 6, "ab..."},
	};
	struct buf out;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_init(&out, 100, NULL);
		notice_clean(&out, slice_str(cases[i].in), NOTICE_UTF8, cases[i].max);
		CHECK_SLICE(buf_slice(&out), slice_str(cases[i].want));
		buf_fini(&out);
	}
}

TEST(notice_many_recipients_in_bounded_pieces)
{
	static struct notice_recipient many[1000];
	static char address[NOTICE_ADDRESS_MAX];
	struct rig r;

	memset(address, '=', sizeof address);
	rig_init(&r, SL(ORIGINAL));
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = r.to[0];
		many[i].action = (enum notice_action)(i % NOTICE_ACTIONS);
		many[i].address = slice(address, sizeof address);
	}
	r.n.recipients = many;
	r.n.nrecipients = ARRAY_LEN(many);
	rig_write(&r);
	CHECK_INT(rig_children(&r), 3);
	CHECK(r.pieces > 100);
	CHECK(slice_find(r.s.text, SL("stopped trying")) != r.s.text.n);
	rig_fini(&r);
}

/* ---- the original ---- */

TEST(notice_of_original_up_to_its_limit)
{
	static char text[NOTICE_ORIGINAL_MAX + 1];

	for (size_t extra = 0; extra < 2; extra++) {
		for (size_t step = 1000; step < 100000; step *= 9) {
			struct rig r;

			for (size_t i = 0; i < sizeof text; i++)
				text[i] = i % 80 == 79 ? '\n' : i % 80 == 78 ? '\r' : 'x';
			memcpy(text, "Subject: a\n\n", 12);
			memcpy(text + NOTICE_ORIGINAL_MAX - 2 + extra, "\r\n", 2);
			rig_init(&r, slice(text, NOTICE_ORIGINAL_MAX + extra));
			r.step = step;
			rig_write(&r);
			CHECK_INT(rig_holds(&r, SL("message/rfc822")), extra == 0);
			CHECK_INT(rig_holds(&r, SL("text/rfc822-headers")), extra != 0);
			CHECK_INT(slice_find(r.s.text, SL("too large")) != r.s.text.n, extra != 0);
			rig_fini(&r);
		}
	}
}

TEST(notice_of_strange_originals)
{
	static const struct {
		slice_t original;
		bool whole;
		slice_t want; /* the third part */
	} cases[] = {
		{SL("A: b\n\nbody\r\n"), true, SL("A: b\r\n\r\nbody\r\n")},
		{SL("A: b\r\n\r\nbo\ndy\r\n"), false, SL("A: b\r\n")},
		{SL("A: b\r\n\r\nbody"), true, SL("A: b\r\n\r\nbody\r\n")},
		{SL("A: b\r\n\r\nbo\rdy\r\n"), false, SL("A: b\r\n")},
		{SL("A: b\r\n\r\nbo\0dy\r\n"), false, SL("A: b\r\n")},
		{SL("A: b\0c\rd\x7f\r\n"), false, SL("A: b?c?d?\r\n")},
		{SL("A: \xff\r\n\r\nx\r\n"), true, SL("A: ?\r\n\r\nx\r\n")},
		{SL("\r\nbody\r\n"), true, SL("\r\nbody\r\n")},
		{SL("no field\r\n\r\nx\r\n"), true, SL("no field\r\n\r\nx\r\n")},
		{SL(""), false, SL("")},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t step = 1; step < 20; step += 6) {
			struct rig r;
			slice_t third;

			rig_init(&r, cases[i].original);
			r.step = step;
			rig_write(&r);
			check_note("case %zu", i);
			CHECK_INT(rig_holds(&r, SL("Content-Type: message/rfc822")),
				  cases[i].whole);
			third = rig_part(&r, 2);
			CHECK_SLICE(third, cases[i].want);
			rig_fini(&r);
		}
	}
}

TEST(notice_of_long_header)
{
	static char text[3 * NOTICE_ORIGINAL_MAX];
	struct rig r;

	/* One line without end: nothing of it can go back. */
	memset(text, 'x', sizeof text);
	rig_init(&r, slice(text, sizeof text));
	rig_write(&r);
	CHECK_SLICE(rig_part(&r, 2), SL(""));
	rig_fini(&r);

	/* A line of two thousand characters of two bytes, in a header that is too long. */
	for (size_t i = 0; i < 4000; i += 2)
		memcpy(text + i, "\xc3\xbc", 2);
	memcpy(text, "Subject:", 8);
	for (size_t i = 4000; i < sizeof text; i += 100)
		text[i] = '\n';
	rig_init(&r, slice(text, sizeof text));
	rig_write(&r);
	CHECK(rig_holds(&r, SL("Content-Type: message/global-headers")));
	CHECK(rig_part(&r, 2).n > NOTICE_ORIGINAL_MAX - 200);
	CHECK(utf8_valid(rig_part(&r, 2)));
	rig_fini(&r);
}

TEST(notice_repeats_only_sane_message_ids)
{
	static const struct {
		const char *field;
		bool sane;
	} cases[] = {
		{"Message-ID: <a.b+c@d.example>\r\n", true},
		{"Message-ID:\r\n <a@[192.0.2.1]>\r\n", true},
		{"Message-ID: a@b\r\n", false},
		{"Message-ID: <a@b> <c@d>\r\n", false},
		{"Message-ID: <a@b@c>\r\n", false},
		{"Message-ID: <a b@c>\r\n", false},
		{"Message-ID: <@b>\r\n", false},
		{"Message-ID: <a@>\r\n", false},
		{"Message-ID: <a>\r\n", false},
		{"Message-ID: <a\xc3\xbc@b>\r\n", false},
		{"Message-ID: <a@b\r\n X-Evil: c>\r\n", false},
		{"Message-ID: no\r\nMessage-ID: <a@b>\r\n", false},
		{"X: y\r\n", false},
	};
	char text[1000];
	struct rig r;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		rig_init(&r, slice_str(cases[i].field));
		rig_write(&r);
		check_note("%s", cases[i].field);
		CHECK_INT(rig_holds(&r, SL("In-Reply-To: <a")), cases[i].sane);
		CHECK_INT(rig_holds(&r, SL("References: <a")), cases[i].sane);
		rig_fini(&r);
	}
	for (int extra = 0; extra < 2; extra++) {
		snprintf(text, sizeof text, "Message-ID: <%0*d@b>\r\n",
			 NOTICE_MESSAGE_ID_MAX - 4 + extra, 0);
		rig_init(&r, slice_str(text));
		rig_write(&r);
		CHECK_INT(rig_holds(&r, SL("In-Reply-To: <")), extra == 0);
		rig_fini(&r);
	}
}

TEST(notice_long_subject_is_cut)
{
	char text[2000];
	struct rig r;
	struct buf words;
	size_t at;

	snprintf(text, sizeof text, "Subject: %0*d\r\n\r\n", 1500, 0);
	rig_init(&r, slice_str(text));
	rig_write(&r);
	human(&r, &words);
	at = slice_find(buf_slice(&words), SL("0000"));
	CHECK_INT(slice_find(slice_from(buf_slice(&words), at), SL("...")), NOTICE_SUBJECT_MAX - 3);
	buf_fini(&words);
	rig_fini(&r);
}

/* ---- what goes wrong ---- */

TEST(notice_errors)
{
	static const char *const senders[] = {
		"", "<>", "alice", "a b@c", "alice@example.org\r\nX: y", "\xff@example.org"};
	struct notice_draft *d;
	struct budget budget;
	struct diag diag;
	struct rig r;

	for (size_t i = 0; i < ARRAY_LEN(senders); i++) {
		rig_init(&r, SLICE_NONE);
		r.n.sender = slice_str(senders[i]);
		CHECK_ERR(notice_new(&r.n, NULL, &d, &diag), E_INVALID);
		CHECK(d == NULL);
		rig_fini(&r);
	}
	rig_init(&r, SL(ORIGINAL));
	r.n.read_arg = &r;
	r.n.reporting_mta = SL("no domain");
	CHECK_ERR(notice_new(&r.n, NULL, &d, &diag), E_INVALID);
	r.n.reporting_mta = SL("mx.example.org");
	r.read_end = E_TIMEOUT;
	CHECK_ERR(notice_new(&r.n, NULL, &d, &diag), E_TIMEOUT);
	CHECK(d == NULL);
	budget_init(&budget, 300, NULL);
	r.left = SL(ORIGINAL);
	CHECK_ERR(notice_new(&r.n, &budget, &d, &diag), E_LIMIT);
	budget_fini(&budget);
	rig_fini(&r);
}

TEST(notice_write_stops_at_the_first_error)
{
	struct rig r;

	rig_init(&r, SL(ORIGINAL));
	rig_write(&r);
	r.write_fails = E_IO;
	CHECK_ERR(rig_again(&r), E_IO);
	rig_fini(&r);
}

/* ---- anything ---- */

static slice_t random_slice(char *room, size_t max)
{
	static const char letters[] = "\r\n\0 \t;<>@.-=_\"\\:ab5\xc3\xbc\xd0\xb8\xff\x7f";
	size_t n = random_below((uint32_t)max + 1);

	for (size_t i = 0; i < n; i++)
		room[i] = random_below(4) != 0 ? letters[random_below(sizeof letters - 1)]
					       : (char)random_below(256);
	return slice(room, n);
}

TEST(notice_of_anything_is_sound)
{
	static char room[10][3000];

	for (unsigned round = 0; round < 400; round++) {
		size_t max = round % 4 == 0 ? sizeof room[0] : 40;
		struct rig r;

		rig_init(&r, random_slice(room[0], sizeof room[0]));
		r.step = 1 + random_below(3000);
		r.n.kind = (enum notice_action)random_below(NOTICE_ACTIONS);
		r.n.ret = (enum notice_ret)random_below(3);
		r.languages[0] = slice_str(notice_languages[random_below(3)]->tag);
		r.n.envid = random_slice(room[1], max);
		for (size_t i = 0; i < ARRAY_LEN(r.to); i++)
			r.to[i].action = (enum notice_action)random_below(NOTICE_ACTIONS);
		r.to[0].address = random_slice(room[2], max);
		r.to[0].orcpt = random_slice(room[3], max);
		if (r.to[0].orcpt.n > 6 && random_below(2) == 0)
			memcpy(room[3], "utf-8;", 6);
		r.to[0].status = random_slice(room[4], 8);
		r.to[0].diagnostic = random_slice(room[5], max);
		r.to[0].mta = random_slice(room[6], max);
		r.to[0].mta_address = random_slice(room[7], max);
		r.to[0].last_attempt_s = (int64_t)random_u64();
		r.to[0].retry_until_s = (int64_t)random_u64();
		r.n.arrival_s = (int64_t)random_u64();
		rig_write(&r);
		CHECK_INT(rig_children(&r), 3);
		rig_fini(&r);
	}
}

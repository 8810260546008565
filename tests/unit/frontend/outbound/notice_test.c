/* Notices: their structure in all kinds and languages, hostile input, limits. */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/utf8.h"
#include "common/crypto/random.h"
#include "frontend/outbound/notice_priv.h"
#include "tests/lib/check.h"
#include "tests/unit/frontend/outbound/rig.h"

#define OUT_MAX ((size_t)8 << 20)

static WAITS enum err read_piece(void *arg, slice_t *out)
{
	struct rig *r = arg;

	if (r->left.n == 0)
		return r->read_end;
	*out = slice_sub(r->left, 0, r->step);
	r->left = slice_from(r->left, r->step);
	return E_OK;
}

static WAITS enum err write_piece(void *arg, slice_t bytes)
{
	struct rig *r = arg;

	if (r->write_fails != E_OK)
		return r->write_fails;
	r->pieces++;
	r->piece_max = MAX(r->piece_max, bytes.n);
	buf_put(&r->out, bytes);
	return E_OK;
}

/* A failure as it usually is; tests change what they are about. */
void rig_init(struct rig *r, slice_t original)
{
	*r = (struct rig){.left = original, .step = 1000, .read_end = E_CLOSED};
	r->languages[0] = SL("en");
	for (size_t i = 0; i < ARRAY_LEN(r->to); i++)
		r->to[i] = (struct notice_recipient){
			.address = i == 0 ? SL("bob@example.net") : SL("carol@example.net"),
			.orcpt = i == 0 ? SL("rfc822;bobby@example.net") : SLICE_NONE,
			.status = SL("5.1.1"),
			.diagnostic = SL("smtp; 550 5.1.1 User unknown"),
			.mta = SL("mx.example.net"),
			.mta_address = SL("192.0.2.1"),
			.last_attempt_s = 1748938272,
		};
	r->n = (struct notice){
		.kind = NOTICE_FAILED,
		.reporting_mta = SL("MX.example.org"),
		.sender = SL("alice@example.org"),
		.arrival_s = 1748930000,
		.envid = SL("envelope 1"),
		.recipients = r->to,
		.nrecipients = 2,
		.read = original.p != NULL ? read_piece : NULL,
	};
	buf_init(&r->out, OUT_MAX, NULL);
}

void rig_fini(struct rig *r)
{
	notice_free(&r->d);
	mime_parser_free(&r->p);
	buf_fini(&r->out);
}

/* Lines end in CRLF and have at most 998 bytes; no NUL; ASCII unless the draft says otherwise. */
static void check_sound(const struct rig *r)
{
	slice_t rest = buf_slice(&r->out);

	CHECK(slice_ends(rest, SL("--\r\n")));
	CHECK(notice_is_8bit(r->d) || utf8_is_ascii(rest));
	CHECK(slice_find_char(rest, '\0') == rest.n);
	while (rest.n != 0) {
		size_t n = slice_find_char(rest, '\n');

		REQUIRE(n != rest.n && n != 0 && rest.p[n - 1] == '\r');
		REQUIRE(slice_find_char(rest, '\r') == n - 1);
		CHECK(n - 1 <= 998);
		rest = slice_from(rest, n + 1);
	}
}

/* Writes it, twice, and reads it with our own parser. */
WAITS void rig_write(struct rig *r)
{
	struct diag d = {""};
	size_t n;

	r->n.languages = r->languages;
	r->n.nlanguages = 1;
	r->n.read_arg = r;
	CHECK_ERR(notice_new(&r->n, NULL, &r->d, &d), E_OK);
	REQUIRE(r->d != NULL);
	CHECK_ERR(notice_write(r->d, write_piece, r), E_OK);
	n = r->out.n;
	CHECK_ERR(notice_write(r->d, write_piece, r), E_OK);
	CHECK_INT(r->out.n, 2 * n);
	CHECK(memcmp(r->out.p, r->out.p + n, n) == 0);
	r->out.n = n;
	CHECK(r->piece_max <= NOTICE_CHUNK_MAX);
	check_sound(r);
	r->p = mime_parser_new(NULL, NULL);
	mime_parser_feed(r->p, buf_slice(&r->out));
	CHECK_ERR(mime_parser_end(r->p, &r->s), E_OK);
	CHECK_ERR(summary_check(&r->s, &d), E_OK);
}

WAITS enum err rig_again(struct rig *r)
{
	return notice_write(r->d, write_piece, r);
}

bool rig_holds(const struct rig *r, slice_t what)
{
	return slice_find(buf_slice(&r->out), what) != r->out.n;
}

/* The child of the multipart at hand, as it stands. */
slice_t rig_part(const struct rig *r, size_t child)
{
	for (size_t i = 1; i < r->s.nparts; i++) {
		const struct mime_part *p = &r->s.parts[i];

		if (p->parent == 0 && child-- == 0)
			return slice_sub(buf_slice(&r->out), p->body_off,
					 p->body_end - p->body_off);
	}
	return SLICE_NONE;
}

size_t rig_children(const struct rig *r)
{
	size_t n = 0;

	for (size_t i = 1; i < r->s.nparts; i++)
		n += r->s.parts[i].parent == 0;
	return n;
}

/* ---- texts ---- */

static unsigned placeholders(const char *text)
{
	unsigned seen = 0;

	for (const char *p = strchr(text, '{'); p != NULL; p = strchr(p + 1, '{'))
		seen |= 1u << (p[1] - '0');
	return seen;
}

static void check_texts(const char *const *got, const char *const *english, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		REQUIRE(got[i] != NULL && english[i] != NULL);
		CHECK(got[i][0] != '\0');
		CHECK(utf8_valid(slice_str(got[i])));
		CHECK(strpbrk(got[i], "\r\n") == NULL);
		CHECK_INT(placeholders(got[i]), placeholders(english[i]));
	}
}

TEST(notice_every_language_has_every_text)
{
	for (size_t i = 0; notice_languages[i] != NULL; i++) {
		const struct notice_language *l = notice_languages[i];

		check_note("language %s", l->tag);
		check_texts(l->text, notice_en.text, TEXT_COUNT);
		check_texts(l->subject, notice_en.subject, NOTICE_ACTIONS);
		check_texts(l->opening, notice_en.opening, NOTICE_ACTIONS);
		check_texts(l->closing, notice_en.closing, NOTICE_ACTIONS);
		check_texts(l->why, notice_en.why, WHY_COUNT);
		check_texts(l->advice, notice_en.advice, WHY_COUNT);
	}
}

TEST(notice_language_is_the_first_that_there_is)
{
	static const slice_t tags[] = {{"fr", 2}, {"DE-at", 5}, {"ru", 2}};
	static const slice_t odd[] = {{"", 0}, {"-", 1}, {"deutsch", 7}, {"\xff", 1}};

	CHECK(notice_language(tags, 3) == &notice_de);
	CHECK(notice_language(tags + 2, 1) == &notice_ru);
	CHECK(notice_language(tags, 1) == &notice_en);
	CHECK(notice_language(odd, 4) == &notice_en);
	CHECK(notice_language(NULL, 0) == &notice_en);
}

TEST(notice_reason_of_a_status)
{
	static const struct {
		const char *status;
		enum notice_why why;
	} cases[] = {
		{"5.1.1", WHY_UNKNOWN},     {"5.1.10", WHY_NO_MAIL},    {"5.1.2", WHY_NO_DOMAIN},
		{"5.4.4", WHY_NO_DOMAIN},   {"4.2.2", WHY_FULL},        {"5.2.2", WHY_FULL},
		{"5.7.1", WHY_POLICY},      {"5.7.999", WHY_POLICY},    {"5.7.26", WHY_AUTH},
		{"4.4.1", WHY_UNREACHABLE}, {"5.4.1", WHY_UNREACHABLE}, {"5.3.4", WHY_TOO_BIG},
		{"5.2.3", WHY_TOO_BIG},     {"5.6.7", WHY_UTF8},        {"5.6.3", WHY_CONTENT},
		{"5.4.7", WHY_EXPIRED},     {"4.4.7", WHY_LATE},        {"5.4.6", WHY_LOOP},
		{"5.2.1", WHY_DISABLED},    {"5.7.10", WHY_TLS},        {"5.7.30", WHY_TLS},
		{"4.3.0", WHY_SYSTEM},      {"5.5.1", WHY_PROTOCOL},    {"5.0.0", WHY_UNCLEAR},
		{"5.9.1", WHY_UNCLEAR},     {"5.2.4", WHY_MAILBOX},     {"5.1.8", WHY_SENDER},
		{"5.7.27", WHY_SENDER},
	};
	static const char *const none[] = {"",      "5",        "5.1",     "3.1.1",  "5.1.1 x",
					   "5.1.",  "5.1000.1", "5.1.-1",  "05.1.1", "5.1.1\n",
					   "5,1,1", " 5.1.1",   "5.1.1.1", "x.y.z"};
	struct notice_recipient r = {.mta = SL("mx.test")};
	struct notice_status s;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("%s", cases[i].status);
		r.status = slice_str(cases[i].status);
		CHECK(notice_status_parse(r.status, &s));
		CHECK_INT(notice_why(&r), cases[i].why);
	}
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		check_note("%s", none[i]);
		r.status = slice_str(none[i]);
		CHECK(!notice_status_parse(r.status, &s));
		CHECK_INT(notice_why(&r), WHY_UNCLEAR);
	}
	r.status = SL("5.4.7");
	r.senders_time = true;
	CHECK_INT(notice_why(&r), WHY_BY);
	r.mta = SLICE_NONE; /* nobody was asked */
	r.status = SL("5.7.1");
	CHECK_INT(notice_why(&r), WHY_OURS);
	r.status = SL("5.7.10");
	CHECK_INT(notice_why(&r), WHY_TLS);
}

/* ---- whole notices ---- */

static int64_t fixed_clock(void)
{
	return 1748938300LL * 1000000;
}

static void fixed_random(void *p, size_t n)
{
	memset(p, 0x5a, n);
}

#define ID "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"

static const char as_it_stands[] =
	"From: \"Mail Delivery System\"\r\n"
	" <MAILER-DAEMON@mx.example.org>\r\n"
	"To: <alice@example.org>\r\n"
	"Subject: Your message could not be delivered\r\n"
	"Date: Tue, 03 Jun 2025 08:11:40 +0000\r\n"
	"Message-ID: <" ID "@mx.example.org>\r\n"
	"In-Reply-To: <original@example.org>\r\n"
	"References: <original@example.org>\r\n"
	"Auto-Submitted: auto-replied\r\n"
	"MIME-Version: 1.0\r\n"
	"Content-Type: multipart/report; report-type=delivery-status;\r\n"
	" boundary=\"=_" ID "\"\r\n"
	"\r\n"
	"\r\n"
	"--=_" ID "\r\n"
	"Content-Type: text/plain; charset=utf-8\r\n"
	"Content-Language: en\r\n"
	"Content-Transfer-Encoding: quoted-printable\r\n"
	"\r\n"
	"Hello, this is the mail server mx.example.org. We are sorry: your\r\n"
	"message could not be delivered, and we have stopped trying. Whom this\r\n"
	"concerns, and why:\r\n"
	"\r\n"
	"  <bob@example.net>\r\n"
	"  There is no mailbox with this address.\r\n"
	"  Please check the spelling, or ask the recipient for the right address\r\n"
	"  in another way, and send the message again.\r\n"
	"  The server mx.example.net [192.0.2.1] answered:\r\n"
	"  > 550 5.1.1 User unknown\r\n"
	"\r\n"
	"Please do not reply to this notice: it was not written by the recipient.\r\n"
	"If you cannot get on, show it to whoever looks after your mail.\r\n"
	"\r\n"
	"Your message is attached, so that nothing is lost.\r\n"
	"  Subject: Fr=C3=BChst=C3=BCck on Friday\r\n"
	"  Sent: 2025-06-03 05:53 UTC\r\n"
	"\r\n"
	"--=20\r\n"
	"This notice was written automatically by the mail server mx.example.org.\r\n"
	"\r\n"
	"--=_" ID "\r\n"
	"Content-Type: message/delivery-status\r\n"
	"\r\n"
	"Original-Envelope-Id: envelope 1\r\n"
	"Reporting-MTA: dns; mx.example.org\r\n"
	"Arrival-Date: Tue, 03 Jun 2025 05:53:20 +0000\r\n"
	"\r\n"
	"Original-Recipient: rfc822; bobby@example.net\r\n"
	"Final-Recipient: rfc822; bob@example.net\r\n"
	"Action: failed\r\n"
	"Status: 5.1.1\r\n"
	"Remote-MTA: dns; mx.example.net\r\n"
	"Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n"
	"Last-Attempt-Date: Tue, 03 Jun 2025 08:11:12 +0000\r\n"
	"\r\n"
	"--=_" ID "\r\n"
	"Content-Type: message/rfc822\r\n"
	"\r\n"
	"From: Alice <alice@example.org>\r\n"
	"To: Bob <bob@example.net>\r\n"
	"Subject: =?utf-8?Q?Fr=C3=BChst=C3=BCck?= on Friday\r\n"
	"Message-ID: <original@example.org>\r\n"
	"\r\n"
	"Dear Bob,\r\n"
	"see you.\r\n"
	"\r\n"
	"--=_" ID "--\r\n";

TEST(notice_as_it_stands)
{
	struct rig r;

	clock_replace(fixed_clock, NULL);
	random_replace(fixed_random);
	rig_init(&r, SL(ORIGINAL));
	r.n.nrecipients = 1;
	rig_write(&r);
	clock_replace(NULL, NULL);
	random_replace(NULL);
	CHECK_SLICE(buf_slice(&r.out), slice_str(as_it_stands));
	rig_fini(&r);
}

static const char *const kinds[] = {"failed", "delayed", "delivered", "relayed", "expanded"};

static void make_kind(struct rig *r, unsigned kind)
{
	static const char *const status[] = {"5.1.1", "4.4.1", "2.1.5", "2.1.9", "2.1.5"};

	r->n.kind = (enum notice_action)kind;
	for (size_t i = 0; i < ARRAY_LEN(r->to); i++) {
		r->to[i].action = (enum notice_action)kind;
		r->to[i].status = slice_str(status[kind]);
		r->to[i].retry_until_s = 1749000000;
		if (kind >= NOTICE_DELIVERED)
			r->to[i].diagnostic = SL("smtp; 250 2.1.5 Ok");
	}
}

void rig_utf8(struct rig *r)
{
	r->n.sender = SL("j\xc3\xbcrgen@example.org");
	r->to[1].address = SL("\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd@example.net");
	r->to[1].diagnostic = SL("smtp; 550 5.1.1 \xd0\xbd\xd0\xb5\xd1\x82");
}

static void save(const struct rig *r, const char *dir, const char *name)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s.eml", dir, name);
	f = fopen(path, "wb");
	REQUIRE(f != NULL);
	CHECK_INT(fwrite(r->out.p, 1, r->out.n, f), r->out.n);
	CHECK_INT(fclose(f), 0);
}

enum { FULL, HDRS, HUGE_ONE, NONE, ORIGINALS };

/* What the third part is, by what was asked for. */
static void check_third(const struct rig *r, unsigned kind, unsigned original, bool utf8)
{
	bool whole = original == FULL && kind == NOTICE_FAILED;

	CHECK_INT(rig_children(r), original == NONE ? 2 : 3);
	if (original == NONE)
		return;
	CHECK(rig_holds(r, SL("Content-Type: message/rfc822\r\n")) == (whole && !utf8));
	CHECK(rig_holds(r, SL("Content-Type: message/global\r\n")) == (whole && utf8));
	CHECK(rig_holds(r, SL("Content-Type: text/rfc822-headers\r\n")) == (!whole && !utf8));
	CHECK(rig_holds(r, SL("Content-Type: message/global-headers\r\n")) == (!whole && utf8));
	CHECK(rig_holds(r, SL("Dear Bob")) == whole);
	CHECK(slice_starts(rig_part(r, 2), SL("From: Alice <alice@example.org>\r\n")));
}

static WAITS void one_of_all(const char *dir, unsigned kind, const struct notice_language *l,
			     bool utf8, unsigned original)
{
	static const char *const originals[] = {"full", "hdrs", "huge", "none"};
	static char huge[NOTICE_ORIGINAL_MAX * 2];
	slice_t text = utf8 ? SL(ORIGINAL_UTF8) : SL(ORIGINAL);
	char name[100];
	struct rig r;

	memset(huge, 'x', sizeof huge);
	memcpy(huge, text.p, text.n);
	rig_init(&r, original == NONE ? SLICE_NONE : original == HUGE_ONE ? SL("") : text);
	if (original == HUGE_ONE)
		r.left = slice(huge, sizeof huge);
	r.n.ret = original == HDRS ? NOTICE_RET_HDRS : NOTICE_RET_FULL;
	r.languages[0] = slice_str(l->tag);
	make_kind(&r, kind);
	if (utf8)
		rig_utf8(&r);
	rig_write(&r);
	check_note("%s %s %s", kinds[kind], l->tag, originals[original]);
	CHECK_INT(notice_is_utf8(r.d), utf8);
	CHECK_INT(notice_is_8bit(r.d), utf8);
	CHECK_INT(r.s.parts[0].kind, MIME_MULTIPART);
	CHECK_INT(r.s.parts[0].cte, utf8 ? MIME_CTE_8BIT : MIME_CTE_7BIT);
	CHECK_SLICE(r.s.subject, slice_str(l->subject[kind]));
	CHECK(slice_find(r.s.from, slice_str(l->text[TEXT_FROM])) != r.s.from.n);
	CHECK(slice_find(r.s.text, SL("<bob@example.net>")) != r.s.text.n);
	CHECK(slice_find(r.s.text, slice_sub(slice_str(l->closing[kind]), 0, 20)) != r.s.text.n);
	CHECK(rig_holds(&r, SL("Action: ")));
	CHECK(slice_find(rig_part(&r, 1), slice_str(kinds[kind])) != rig_part(&r, 1).n);
	check_third(&r, kind, original, utf8);
	snprintf(name, sizeof name, "%u.%s.%s.%s", kind, l->tag, utf8 ? "utf8" : "ascii",
		 original == FULL && kind != NOTICE_FAILED ? "hdrs2" : originals[original]);
	save(&r, dir, name);
	rig_fini(&r);
}

TEST(notice_all_kinds_languages_originals)
{
	const char *dir = check_tmpdir();
	char command[600];

	for (unsigned kind = 0; kind < NOTICE_ACTIONS; kind++) {
		for (size_t l = 0; notice_languages[l] != NULL; l++) {
			for (unsigned original = 0; original < ORIGINALS; original++) {
				one_of_all(dir, kind, notice_languages[l], false, original);
				one_of_all(dir, kind, notice_languages[l], true, original);
			}
		}
	}
	snprintf(command, sizeof command,
		 "python3 tests/unit/frontend/outbound/notice_parse.py '%s'", dir);
	CHECK_INT(system(command), 0);
}

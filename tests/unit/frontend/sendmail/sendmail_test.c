/* The command line, the letter and the folder; of the way to a server, test_sendmail.py. */
#include <dirent.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "frontend/outbound/smtp_msg.h"
#include "frontend/sendmail/sendmail.h"
#include "tests/lib/check.h"

#define WORDS 12

static int parse(const char *const *words, struct sm_args *a)
{
	static char *argv[WORDS + 1];
	int argc = 0;

	while (argc < WORDS && words[argc] != NULL) {
		argv[argc] = (char *)(uintptr_t)words[argc];
		argc++;
	}
	argv[argc] = NULL;
	return sm_args_parse(argc, argv, a);
}

/* As programs call it: cron, mutt, git send-email, PHP, at, and the names of the program. */
static const struct {
	const char *words[WORDS];
	enum sm_mode mode;
	bool from_header, no_dots;
	const char *sender, *full_name;
	size_t nrcpts;
} rows[] = {
	{{"/usr/sbin/sendmail", "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root"},
	 SM_SEND,
	 true,
	 true,
	 "root",
	 "CronDaemon",
	 0},
	{{"sendmail", "-oem", "-oi", "-f", "a@b", "--", "-x@b", "c@d"},
	 SM_SEND,
	 false,
	 true,
	 "a@b",
	 NULL,
	 2},
	{{"sendmail", "-i", "x@y", "-t"}, SM_SEND, false, true, NULL, NULL, 2},
	{{"sendmail", "-t", "-i"}, SM_SEND, true, true, NULL, NULL, 0},
	{{"sendmail", "-bm", "-B", "8BITMIME", "-ra@b", "-v", "x@y"},
	 SM_SEND,
	 false,
	 false,
	 "a@b",
	 NULL,
	 1},
	{{"sendmail", "-h", "3", "-O", "DeliveryMode=b", "-X", "log", "x@y"},
	 SM_SEND,
	 false,
	 false,
	 NULL,
	 NULL,
	 1},
	{{"sendmail", "-bp"}, SM_MAILQ, false, false, NULL, NULL, 0},
	{{"/usr/bin/mailq"}, SM_MAILQ, false, false, NULL, NULL, 0},
	{{"/usr/bin/newaliases"}, SM_NEWALIASES, false, false, NULL, NULL, 0},
	{{"sendmail", "-bi"}, SM_NEWALIASES, false, false, NULL, NULL, 0},
	{{"sendmail", "-q"}, SM_FLUSH, false, false, NULL, NULL, 0},
	{{"sendmail", "-q15m"}, SM_FLUSH, false, false, NULL, NULL, 0},
	{{"sendmail", "-bs"}, SM_UNSUPPORTED, false, false, NULL, NULL, 0},
};

TEST(command_lines)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sm_args a;

		check_note("row %zu", i);
		CHECK_INT(parse(rows[i].words, &a), EX_OK);
		CHECK_INT(a.mode, rows[i].mode);
		CHECK_INT(a.from_header, rows[i].from_header);
		CHECK_INT(a.no_dots, rows[i].no_dots);
		CHECK_STR(a.sender, rows[i].sender);
		CHECK_STR(a.full_name, rows[i].full_name);
		CHECK_INT(a.nrcpts, rows[i].nrcpts);
	}
}

TEST(notices)
{
	static const char *const good[] = {"sendmail", "-N", "success,DELAY", "-R", "hdrs", "-V",
					   "id",       NULL};
	static const char *const never[] = {"sendmail", "-Nnever", "-Rfull", NULL};
	static const char *const bad[][4] = {{"sendmail", "-N", "sometimes", NULL},
					     {"sendmail", "-N", "never,delay", NULL},
					     {"sendmail", "-R", "half", NULL}};
	struct sm_args a;

	CHECK_INT(parse(good, &a), EX_OK);
	CHECK_INT(a.notify, NOTIFY_SUCCESS | NOTIFY_DELAY);
	CHECK_INT(a.ret, RET_HDRS);
	CHECK_STR(a.envid, "id");
	CHECK_INT(parse(never, &a), EX_OK);
	CHECK_INT(a.notify, NOTIFY_NEVER);
	CHECK_INT(a.ret, RET_FULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(parse(bad[i], &a), EX_USAGE);
}

TEST(an_identifier_has_a_length)
{
	static const char plain[] = "0123456789012345678901234567890123456789012345678901234567"
				    "890123456789012345678901234567890123456789x";
	char odd[] = "=================================x"; /* 33 of them take three each */
	const char *words[] = {"sendmail", "-V", plain + 1, "x@y", NULL};
	struct sm_args a;

	CHECK_INT(strlen(plain + 1), 100);
	CHECK_INT(parse(words, &a), EX_OK);
	words[2] = plain;
	CHECK_INT(parse(words, &a), EX_USAGE);
	words[2] = odd;
	CHECK_INT(parse(words, &a), EX_OK);
	odd[33] = ' ';
	CHECK_INT(parse(words, &a), EX_USAGE);
}

/* ---- letters ---- */

struct rig {
	struct conf *c;
	struct arena mem;
	struct sm_letter l;
	char folder[512];
};

static void rig_init(struct rig *r, const char *more)
{
	char path[600];
	struct diag d;
	FILE *f;

	*r = (struct rig){0};
	arena_init(&r->mem, NULL);
	snprintf(r->folder, sizeof r->folder, "%s", check_tmpdir());
	snprintf(path, sizeof path, "%s/sendmail.conf", r->folder);
	f = fopen(path, "w");
	fprintf(f, "mail = { domain = \"host.example\"; %s };\npickup = { folder = \"%s\"; };\n",
		more, r->folder);
	fclose(f);
	CHECK_ERR(sm_conf_load(path, &r->c, &d), E_OK);
	remove(path);
}

static int rig_read(struct rig *r, const struct sm_args *a, const char *text)
{
	FILE *in = tmpfile();
	int status;

	fputs(text, in);
	rewind(in);
	status = sm_letter_read(in, a, r->c, &r->mem, &r->l);
	fclose(in);
	return status;
}

static void rig_fini(struct rig *r)
{
	sm_letter_fini(&r->l);
	conf_free(&r->c);
	arena_reset(&r->mem);
}

TEST(a_letter)
{
	char one[] = "bob", two[] = "bob@host.example", three[] = "c@x.example";
	char *who[] = {one, two, three};
	struct sm_args a = {.rcpts = who, .nrcpts = 3, .sender = "alice", .from_header = true};
	struct rig r;

	rig_init(&r, "from = \"host@example.org\";");
	CHECK_INT(rig_read(&r, &a, "To: c@x.example, d\nBcc: e@x.example\n\n\xc3\xa9\n.\nmore\n"),
		  EX_OK);
	CHECK_SLICE(r.l.sender, SL("host@example.org"));
	CHECK_INT(r.l.nrcpts, 4);
	CHECK_SLICE(r.l.rcpts[0], SL("bob@host.example"));
	CHECK_SLICE(r.l.rcpts[3], SL("e@x.example"));
	CHECK(r.l.eight && !r.l.eight_header);
	CHECK_INT(r.l.body_size, 4); /* up to the dot */
	CHECK(slice_starts(r.l.header, SL("To: c@x.example,\r\n\td@host.example\r\nFrom: ")));
	rig_fini(&r);
}

/* As cron gives MAILTO: one argument, commas in it. */
TEST(arguments_that_are_lists)
{
	char first[] = "bob, \"a,b\"@x.example,,Who (me, too) <c@x.example>,", second[] = "bob";
	char bad[] = "bob,a@b@c", *who[] = {first, second};
	struct sm_args a = {.rcpts = who, .nrcpts = 2, .sender = "alice"};
	struct rig r;

	rig_init(&r, "");
	CHECK_INT(rig_read(&r, &a, "\n"), EX_OK);
	REQUIRE(r.l.nrcpts == 3);
	CHECK_SLICE(r.l.rcpts[0], SL("bob@host.example"));
	CHECK_SLICE(r.l.rcpts[1], SL("\"a,b\"@x.example"));
	CHECK_SLICE(r.l.rcpts[2], SL("c@x.example"));
	sm_letter_fini(&r.l);
	who[0] = bad;
	CHECK_INT(rig_read(&r, &a, "\n"), EX_USAGE);
	rig_fini(&r);
}

TEST(letters_that_are_refused)
{
	char word[] = "a@b@c", *bad[] = {word};
	struct sm_args none = {.sender = "x"}, odd = {.rcpts = bad, .nrcpts = 1};
	struct sm_args far = {.sender = "x", .from_header = true};
	struct rig r;
	struct buf b;

	rig_init(&r, "size_max = 1024;");
	CHECK_INT(rig_read(&r, &none, "Subject: x\n\nx\n"), EX_USAGE);
	sm_letter_fini(&r.l);
	CHECK_INT(rig_read(&r, &odd, "Subject: x\n\nx\n"), EX_USAGE);
	sm_letter_fini(&r.l);
	buf_init(&b, 4096, NULL);
	buf_puts(&b, "To: a@b.example\n\n");
	while (b.n < 1100)
		buf_putc(&b, 'x');
	buf_putc(&b, '\0');
	CHECK_INT(rig_read(&r, &far, b.p), EX_DATAERR);
	buf_fini(&b);
	rig_fini(&r);
}

TEST(a_file_for_a_folder)
{
	static const char want[] = "x-sender: <>\r\nx-receiver: <a@b.example>\r\n"
				   "To: a@b.example\r\nDate: ";
	struct sm_args a = {.sender = "<>", .from_header = true, .no_dots = true};
	char path[1024] = "", text[512];
	struct dirent *e;
	struct rig r;
	size_t n = 0;
	DIR *dir;
	FILE *f;

	rig_init(&r, "");
	CHECK_INT(rig_read(&r, &a, "To: a@b.example\n\n.\nend"), EX_OK);
	CHECK_INT(sm_pickup(&r.l, r.folder), EX_OK);
	dir = opendir(r.folder);
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.') {
			snprintf(path, sizeof path, "%s/%s", r.folder, e->d_name);
			n++;
		}
	}
	closedir(dir);
	CHECK_INT(n, 1);
	f = fopen(path, "r");
	REQUIRE(f != NULL);
	n = fread(text, 1, sizeof text, f);
	fclose(f);
	CHECK(slice_starts(slice(text, n), slice_str(want)));
	CHECK(slice_ends(slice(text, n), SL(">\r\n\r\n.\r\nend\r\n")));
	CHECK_INT(sm_pickup(&r.l, "/nowhere/at/all"), EX_CANTCREAT);
	rig_fini(&r);
}

TEST(files_that_cannot_be)
{
	static const char *const bad[] = {
		"mail = { domain = \"x\"; };",
		"server = { address = [\"h:25\"]; user = \"u\"; };",
		"server = { address = [\"h:25\"]; user = \"u\"; password_file = \"f\"; "
		"tls = \"none\"; };",
		"server = { address = [\"h:25\"]; }; mail = { domain = \"b\xc3\xbc.example\"; };",
		"server = { address = [\"h:25\"]; }; mail = { domain = \"a b\"; };",
		"server = { address = [\"h:25\"]; }; mail = { from = \"nobody\"; };",
		"server = { address = [\"h:25\"]; name = \"a b\"; };",
	};
	char path[600];

	snprintf(path, sizeof path, "%s/c", check_tmpdir());
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		FILE *f = fopen(path, "w");
		struct conf *c;
		struct diag d;

		check_note("row %zu", i);
		fputs(bad[i], f);
		fclose(f);
		CHECK_ERR(sm_conf_load(path, &c, &d), E_INVALID);
	}
}

TEST(first_lines)
{
	char path[600], text[1100];
	struct arena mem;
	struct diag d;
	slice_t got;

	arena_init(&mem, NULL);
	snprintf(path, sizeof path, "%s/secret", check_tmpdir());
	memset(text, 'x', sizeof text);
	for (size_t n = 1023; n <= 1025; n++) {
		FILE *f = fopen(path, "w");

		fwrite(text, 1, n, f);
		fclose(f);
		CHECK_ERR(sm_read_line(path, &mem, &got, &d), n <= 1024 ? E_OK : E_INVALID);
	}
	fclose(fopen(path, "w"));
	CHECK_ERR(sm_read_line(path, &mem, &got, &d), E_INVALID);
	CHECK_ERR(sm_read_line("/nowhere/at/all", &mem, &got, &d), E_IO);
	arena_reset(&mem);
}

/* Conversations: states, literals, log-in, mailboxes, several sessions on one mailbox. */
#include <stdio.h>

#include "common/loop/fiber.h"
#include "tests/unit/frontend/imap/imap_lib.h"

TEST_FIBER(session_before_tls)
{
	struct wire w;

	imap_play();
	conv_open(&w, PORT_IMAP);
	CHECK(slice_find(slice_str(w.line), SL("LOGINDISABLED")) < strlen(w.line));
	CHECK(slice_find(slice_str(w.line), SL("STARTTLS")) < strlen(w.line));
	CHECK(slice_find(slice_str(w.line), SL("AUTH=")) == strlen(w.line));
	SAY(&w, "LOGIN alice secret", "x NO [PRIVACYREQUIRED] Not without TLS");
	SAY(&w, "AUTHENTICATE PLAIN", "x NO [PRIVACYREQUIRED] Not without TLS");
	SAY(&w, "SELECT INBOX", "x BAD Log in first");
	SAY(&w, "NOOP", "x OK Done");
	SAY(&w, "ID NIL", "* ID NIL\nx OK Done");
	SAY(&w, "LOGOUT", "* BYE Logging out\nx OK Done");
	CHECK(wire_is_closed(&w));
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_log_in)
{
	struct wire w;

	imap_play();
	conv_open(&w, PORT_IMAPS);
	CHECK(slice_find(slice_str(w.line), SL("AUTH=PLAIN")) < strlen(w.line));
	CHECK(slice_find(slice_str(w.line), SL("LOGINDISABLED")) == strlen(w.line));
	CHECK(slice_find(slice_str(w.line), SL("STARTTLS")) == strlen(w.line));
	SAY(&w, "LOGIN alice wrong", "x NO [AUTHENTICATIONFAILED] Authentication failed");
	SAY(&w, "LOGIN nobody secret", "x NO [AUTHENTICATIONFAILED] Authentication failed");
	SAY(&w, "AUTHENTICATE KLINGON", "x NO [CANNOT] No such mechanism");
	SAY(&w, "AUTHENTICATE PLAIN !", "x BAD Cancelled, or malformed");
	CHECK_STR(conv_raw(&w, SL("y AUTHENTICATE PLAIN\r\n"), "+"), "+ ");
	CHECK_STR(conv_raw(&w, SL("*\r\n"), "y"), "y BAD Cancelled, or malformed");
	played.away = true;
	SAY(&w, "LOGIN alice secret", "x NO [UNAVAILABLE] Not possible just now, try again");
	played.away = false;
	CHECK(slice_starts(slice_str(conv_say(&w, "AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==")),
			   SL("x OK [CAPABILITY IMAP4rev1 ")));
	SAY(&w, "LOGIN alice secret", "x BAD Not in this state");
	SAY(&w, "NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\nx OK Done");
	SAY(&w, "ENABLE CONDSTORE", "* ENABLED\nx OK Done");
	SAY(&w, "FETCH 1 FLAGS", "x BAD No mailbox is selected");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_login_with_literals)
{
	struct wire w;

	imap_play();
	conv_open(&w, PORT_IMAPS);
	CHECK_STR(conv_raw(&w, SL("y LOGIN {5}\r\n"), "+"), "+ OK");
	CHECK_STR(conv_raw(&w, SL("alice {6}\r\n"), "+"), "+ OK");
	CHECK(slice_starts(slice_str(conv_raw(&w, SL("secret\r\n"), "y")), SL("y OK ")));
	conv_close(&w);
	conv_open(&w, PORT_IMAPS);
	CHECK(slice_starts(slice_str(conv_raw(&w, SL("y LOGIN {5+}\r\nalice \"secret\"\r\n"), "y")),
			   SL("y OK ")));
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_literals_before_log_in_are_small)
{
	struct wire w;
	struct buf b;

	imap_play();
	conv_open(&w, PORT_IMAPS);
	/* One that waits for us is told at once; nothing follows. */
	SAY(&w, "LOGIN {100000}", "x NO [LIMIT] The literal is too large here");
	/* One that does not wait is read away. */
	buf_init(&b, 1 << 20, NULL);
	buf_puts(&b, "y LOGIN {20000+}\r\n");
	for (int i = 0; i < 20000; i++)
		buf_putc(&b, 'x');
	buf_puts(&b, " secret\r\n");
	CHECK_STR(conv_raw(&w, buf_slice(&b), "y"), "y NO [LIMIT] The literal is too large here");
	SAY(&w, "NOOP", "x OK Done");
	/* Nor is one read away without end. */
	CHECK_STR(
		conv_raw(&w, SL("z LOGIN {10000000+}\r\n"), "<"),
		"z NO [LIMIT] The literal is too large here\n* BYE Too large a literal\n<closed>");
	conv_close(&w);
	conv_open(&w, PORT_IMAPS);
	buf_reset(&b);
	for (unsigned i = 0; i <= IMAP_LINE_MAX_PREAUTH; i++)
		buf_putc(&b, 'x');
	buf_puts(&b, "\r\n");
	CHECK_STR(conv_raw(&w, buf_slice(&b), "*"), "* BAD Line too long");
	/* The command's own tag, where there is one. */
	CHECK_STR(conv_raw(&w, SL("a NOOP\n"), "a"), "a BAD Bare CR, bare LF or NUL");
	memcpy(b.p, "tag ", 4);
	CHECK_STR(conv_raw(&w, buf_slice(&b), "tag"), "tag BAD Line too long");
	conv_close(&w);
	buf_fini(&b);
	imap_played_end();
}

TEST_FIBER(session_bad_commands_end_it)
{
	struct wire w;

	imap_play();
	conv_open(&w, PORT_IMAPS);
	for (int i = 0; i < 4; i++)
		SAY(&w, "FOO", "x BAD Unknown command");
	CHECK_STR(conv_raw(&w, SL("x FOO\r\n"), "<"),
		  "x BAD Unknown command\n* BYE Too many bad commands\n<closed>");
	conv_close(&w);
	conv_login(&w);
	for (int i = 0; i < 19; i++)
		SAY(&w, "UID SELECT x", "x BAD Unknown command");
	CHECK_STR(conv_raw(&w, SL("\r\n"), "<"),
		  "* BAD A tag is missing\n* BYE Too many bad commands\n<closed>");
	conv_close(&w);
	/* Whoever makes sense otherwise may stay. */
	conv_login(&w);
	for (int i = 0; i < 50; i++) {
		SAY(&w, "UID SELECT x", "x BAD Unknown command");
		SAY(&w, "NOOP", "x OK Done");
	}
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_limits)
{
	struct wire w;
	char line[200];

	imap_play();
	conv_open(&w, PORT_IMAPS);
	/* Commands that do nothing, before log-in. */
	for (unsigned i = 1; i < 20; i++)
		SAY(&w, "NOOP", "x OK Done");
	CHECK_STR(conv_raw(&w, SL("x NOOP\r\n"), "<"),
		  "x OK Done\n* BYE Too many commands without a log-in\n<closed>");
	conv_close(&w);
	conv_login(&w);
	for (unsigned i = 0; i < 30; i++)
		SAY(&w, "NOOP", "x OK Done");
	memset(line, 't', sizeof line);
	snprintf(line + IMAP_TAG_MAX, sizeof line - IMAP_TAG_MAX, " NOOP\r\n");
	CHECK(slice_ends(slice_str(conv_raw(&w, slice_str(line), "t")), SL(" OK Done")));
	memset(line, 't', sizeof line);
	snprintf(line + IMAP_TAG_MAX + 1, sizeof line - IMAP_TAG_MAX - 1, " NOOP\r\n");
	CHECK_STR(conv_raw(&w, slice_str(line), "*"), "* BAD A tag is missing");
	/* What is announced without asking is read away, but not without end. */
	CHECK_STR(conv_raw(&w, SL("y APPEND INBOX {1073741825+}\r\n"), "<"),
		  "y NO [TOOBIG] The message is too large\n* BYE Too large a message\n<closed>");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_byte_by_byte)
{
	static const char script[] =
		"a LOGIN {5}\r\nalice {6+}\r\nsecret\r\nb SELECT \"INBOX\"\r\nc NOOP\r\n";
	struct wire w;
	struct stream_opts opts = {.window_max = imap_protocol.window_max};
	const char *got;

	imap_play();
	conv_open(&w, PORT_IMAPS);
	for (const char *p = script; *p != '\0'; p++) {
		wire_send(&w, slice(p, 1));
		fiber_yield();
	}
	got = conv_until(&w, "c ");
	CHECK(slice_ends(slice_str(got), SL("b OK [READ-WRITE] Selected\nc OK Done")));
	CHECK(opts.window_max > IMAP_LINE_MAX);
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_pipelined)
{
	struct wire w;

	imap_play();
	conv_login(&w);
	CHECK(slice_ends(slice_str(conv_raw(&w,
					    SL("a SELECT INBOX\r\nb NOOP\r\nc UNSELECT\r\n"
					       "d CHECK\r\ne NOOP\r\n"),
					    "e")),
			 SL("a OK [READ-WRITE] Selected\nb OK Done\nc OK Done\n"
			    "d BAD No mailbox is selected\ne OK Done")));
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_select)
{
	struct wire w;

	imap_play();
	played_add("INBOX", "Subject: 1\r\n\r\n1\r\n")->flags = MESSAGE_SEEN;
	played_add("INBOX", "Subject: 2\r\n\r\n2\r\n");
	conv_login(&w);
	SAY(&w, "SELECT INBOX",
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\n"
	    "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags\n"
	    "* 2 EXISTS\n* 2 RECENT\n* OK [UNSEEN 2] First unseen\n"
	    "* OK [UIDVALIDITY 1001] UIDs valid\n* OK [UIDNEXT 3] Next UID\n"
	    "x OK [READ-WRITE] Selected");
	SAY(&w, "FETCH 1:2 FLAGS",
	    "* 1 FETCH (FLAGS (\\Seen \\Recent))\n* 2 FETCH (FLAGS (\\Recent))\nx OK Done");
	/* Recent for one session alone. */
	SAY(&w, "EXAMINE inbox",
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\n"
	    "* OK [PERMANENTFLAGS ()] Flags\n"
	    "* 2 EXISTS\n* 0 RECENT\n* OK [UNSEEN 2] First unseen\n"
	    "* OK [UIDVALIDITY 1001] UIDs valid\n* OK [UIDNEXT 3] Next UID\n"
	    "x OK [READ-ONLY] Selected");
	SAY(&w, "STORE 1 FLAGS ()", "x NO [CANNOT] The mailbox is read-only");
	SAY(&w, "EXPUNGE", "x NO [CANNOT] The mailbox is read-only");
	SAY(&w, "SELECT Nowhere", "x NO [NONEXISTENT] No such mailbox");
	SAY(&w, "FETCH 1 FLAGS", "x BAD No mailbox is selected");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_mailboxes)
{
	struct wire w;

	imap_play();
	conv_login(&w);
	SAY(&w, "CREATE a/b/", "x OK Done");
	SAY(&w, "CREATE a", "x OK Done");
	SAY(&w, "CREATE a", "x NO [ALREADYEXISTS] It exists already");
	SAY(&w, "CREATE &AOk- (USE (\\Archive))", "x OK Done");
	SAY(&w, "CREATE b (USE (\\Foo))", "x NO [USEATTR] No such special use");
	SAY(&w, "CREATE b (USE (\\Sent \\Trash))", "x NO [USEATTR] No such special use");
	SAY(&w, "CREATE b (USE \\Sent)", "x BAD Mailbox name expected");
	SAY(&w, "CREATE \"a&b\"", "x NO [CANNOT] No name that can be");
	SAY(&w, "SUBSCRIBE a/b", "x OK Done");
	SAY(&w, "SUBSCRIBE nowhere", "x NO [NONEXISTENT] No such mailbox");
	SAY(&w, "LIST \"\" *",
	    "* LIST (\\HasNoChildren) \"/\" INBOX\n"
	    "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\n"
	    "* LIST (\\HasNoChildren \\Trash) \"/\" Trash\n"
	    "* LIST (\\HasChildren) \"/\" a\n* LIST (\\HasNoChildren) \"/\" a/b\n"
	    "* LIST (\\HasNoChildren \\Archive) \"/\" &AOk-\nx OK Done");
	SAY(&w, "LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\nx OK Done");
	SAY(&w, "LIST a/ %", "* LIST (\\HasNoChildren) \"/\" a/b\nx OK Done");
	SAY(&w, "LIST (SUBSCRIBED) \"\" *",
	    "* LIST (\\HasNoChildren \\Subscribed) \"/\" a/b\nx OK Done");
	SAY(&w, "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %",
	    "* LIST (\\HasChildren) \"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))\nx OK Done");
	SAY(&w, "LIST (RECURSIVEMATCH) \"\" %", "x BAD Reference and pattern expected");
	SAY(&w, "LIST (SPECIAL-USE) \"\" *",
	    "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\n"
	    "* LIST (\\HasNoChildren \\Trash) \"/\" Trash\n"
	    "* LIST (\\HasNoChildren \\Archive) \"/\" &AOk-\nx OK Done");
	SAY(&w, "LIST \"\" (inbox a) RETURN (STATUS (MESSAGES UIDNEXT) SUBSCRIBED)",
	    "* LIST (\\HasNoChildren) \"/\" INBOX\n* STATUS INBOX (MESSAGES 0 UIDNEXT 1)\n"
	    "* LIST (\\HasChildren) \"/\" a\n* STATUS a (MESSAGES 0 UIDNEXT 1)\nx OK Done");
	SAY(&w, "LSUB \"\" *", "* LSUB () \"/\" a/b\nx OK Done");
	SAY(&w, "LSUB \"\" %", "* LSUB (\\Noselect) \"/\" a\nx OK Done");
	SAY(&w, "STATUS a (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)",
	    "* STATUS a (MESSAGES 0 RECENT 0 UIDNEXT 1 UIDVALIDITY 1005 UNSEEN 0)\nx OK Done");
	SAY(&w, "STATUS a ()", "x BAD Mailbox name and items expected");
	SAY(&w, "RENAME a/b c", "x OK Done");
	SAY(&w, "DELETE c", "x OK Done");
	SAY(&w, "DELETE c", "x NO [NONEXISTENT] No such mailbox");
	SAY(&w, "DELETE INBOX", "x NO [CANNOT] INBOX cannot be deleted");
	SAY(&w, "UNSUBSCRIBE c", "x OK Done");
	conv_close(&w);
	imap_played_end();
}

/* Whoever has it selected hears of it before the end, though no watch has told of it yet. */
TEST_FIBER(session_inbox_renamed)
{
	struct wire w;

	imap_play();
	(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	conv_select(&w, "INBOX");
	SAY(&w, "RENAME INBOX old", "* 1 EXPUNGE\nx OK Done");
	SAY(&w, "FETCH 1 FLAGS", "x BAD No such message");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_own_mailbox_deleted)
{
	struct wire w, v;

	imap_play();
	conv_select(&w, "Trash");
	conv_select(&v, "Trash");
	SAY(&w, "DELETE Trash", "x OK Done");
	SAY(&w, "NOOP", "x OK Done");
	SAY(&w, "CHECK", "x BAD No mailbox is selected");
	CHECK_STR(conv_raw(&v, SL("x NOOP\r\n"), "<"),
		  "x OK Done\n* BYE The mailbox was deleted\n<closed>");
	conv_close(&w);
	conv_close(&v);
	imap_played_end();
}

TEST_FIBER(session_changes_by_others)
{
	struct wire w;

	imap_play();
	for (int i = 0; i < 4; i++)
		(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	conv_select(&w, "INBOX");
	played_flag("INBOX", 2, MESSAGE_FLAGGED);
	played_vanish("INBOX", 3);
	(void)played_add("INBOX", "Subject: new\r\n\r\nnew\r\n");
	/* Not while numbers are spoken of. */
	SAY(&w, "FETCH 3:4 UID",
	    "* 4 FETCH (UID 4)\n* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent))\n* 5 EXISTS\n"
	    "* 5 RECENT\nx NO [EXPUNGEISSUED] Some of the messages are gone");
	SAY(&w, "STORE 4 FLAGS.SILENT ()", "x OK Done");
	SAY(&w, "SEARCH ALL", "* SEARCH 1 2 4 5\nx OK Done");
	SAY(&w, "UID SEARCH ALL", "* SEARCH 1 2 4 5\n* 3 EXPUNGE\nx OK Done");
	SAY(&w, "SEARCH ALL", "* SEARCH 1 2 3 4\nx OK Done");
	SAY(&w, "NOOP", "x OK Done");
	played_vanish("INBOX", 1);
	played_vanish("INBOX", 5);
	SAY(&w, "NOOP", "* 4 EXPUNGE\n* 1 EXPUNGE\nx OK Done");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_store)
{
	struct wire w, v;

	imap_play();
	for (int i = 0; i < 3; i++)
		(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	conv_select(&w, "INBOX");
	conv_select(&v, "INBOX");
	SAY(&w, "STORE 1:2 +FLAGS (\\Seen)",
	    "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))\n* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent))\n"
	    "x OK Done");
	SAY(&w, "NOOP", "x OK Done");
	SAY(&v, "NOOP",
	    "* 1 FETCH (UID 1 FLAGS (\\Seen))\n* 2 FETCH (UID 2 FLAGS (\\Seen))\nx OK Done");
	SAY(&w, "STORE 1 -FLAGS.SILENT \\Seen", "x OK Done");
	SAY(&w, "NOOP", "x OK Done");
	SAY(&v, "NOOP", "* 1 FETCH (UID 1 FLAGS ())\nx OK Done");
	/* A new keyword is told before it is used, to both. */
	SAY(&w, "UID STORE 3 FLAGS ($Junk \\Draft)",
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk)\n"
	    "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk \\*)] "
	    "Flags\n"
	    "* 3 FETCH (UID 3 FLAGS (\\Draft $Junk \\Recent))\nx OK Done");
	SAY(&v, "NOOP",
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk)\n"
	    "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk \\*)] "
	    "Flags\n"
	    "* 3 FETCH (UID 3 FLAGS (\\Draft $Junk))\nx OK Done");
	SAY(&w, "STORE 4 FLAGS ()", "x BAD No such message");
	SAY(&w, "UID STORE 99 FLAGS ()", "x OK Done");
	SAY(&w, "STORE 1 FLAGS (\\Recent)", "x BAD \\Recent is the server's to set");
	SAY(&w, "STORE 1 FLAG ()", "x BAD Messages, FLAGS and flags expected");
	conv_close(&w);
	conv_close(&v);
	imap_played_end();
}

/* What others did is not hidden by our own silent change of the same message. */
TEST_FIBER(session_silent_store_hides_nothing)
{
	struct wire w;

	imap_play();
	(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	conv_select(&w, "INBOX");
	played_flag("INBOX", 2, MESSAGE_ANSWERED);
	SAY(&w, "STORE 1:2 +FLAGS.SILENT (\\Seen)",
	    "* 2 FETCH (UID 2 FLAGS (\\Answered \\Seen \\Recent))\nx OK Done");
	SAY(&w, "NOOP", "x OK Done");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_expunge)
{
	struct wire w, v;

	imap_play();
	for (uint32_t i = 0; i < 5; i++)
		played_add("INBOX", "Subject: x\r\n\r\ntext\r\n")->flags =
			i % 2 == 0 ? MESSAGE_DELETED : 0;
	conv_select(&w, "INBOX");
	conv_select(&v, "INBOX");
	SAY(&w, "UID EXPUNGE 2:3", "* 3 EXPUNGE\nx OK Done");
	SAY(&w, "UID EXPUNGE 99", "x OK Done");
	SAY(&w, "UID EXPUNGE", "x BAD Arguments expected");
	SAY(&w, "EXPUNGE 1", "x BAD No arguments expected");
	SAY(&w, "EXPUNGE", "* 4 EXPUNGE\n* 1 EXPUNGE\nx OK Done");
	SAY(&v, "UID FETCH 1:* UID",
	    "* 2 FETCH (UID 2)\n* 4 FETCH (UID 4)\n* 5 EXPUNGE\n* 3 EXPUNGE\n* 1 EXPUNGE\nx OK "
	    "Done");
	SAY(&w, "STORE 1 +FLAGS.SILENT \\Deleted", "x OK Done");
	SAY(&w, "CLOSE", "x OK Done");
	SAY(&v, "NOOP", "* 1 EXPUNGE\nx OK Done");
	conv_close(&w);
	conv_close(&v);
	imap_played_end();
}

TEST_FIBER(session_copy_and_move)
{
	struct wire w;

	imap_play();
	for (int i = 0; i < 4; i++)
		(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	conv_select(&w, "INBOX");
	SAY(&w, "COPY 2:3 Sent", "x OK [COPYUID 1002 2,3 1,2] Done");
	SAY(&w, "UID COPY 99 Sent", "x OK Nothing to do");
	SAY(&w, "COPY 1 Nowhere", "x NO [TRYCREATE] No such mailbox");
	SAY(&w, "COPY 5 Sent", "x BAD No such message");
	SAY(&w, "UID MOVE 1,3 Trash",
	    "* OK [COPYUID 1003 1,3 1,2] Moved\n* 3 EXPUNGE\n* 1 EXPUNGE\nx OK Done");
	SAY(&w, "SEARCH ALL", "* SEARCH 1 2\nx OK Done");
	played.fail = E_QUOTA;
	SAY(&w, "COPY 1 Sent", "x NO [OVERQUOTA] Over the storage limit");
	SAY(&w, "UID SEARCH RETURN (MIN MAX COUNT ALL) ALL",
	    "* ESEARCH (TAG \"x\") UID MIN 2 MAX 4 COUNT 2 ALL 2,4\nx OK Done");
	SAY(&w, "SEARCH RETURN (COUNT) DELETED", "* ESEARCH (TAG \"x\") COUNT 0\nx OK Done");
	SAY(&w, "SEARCH CHARSET KLINGON ALL",
	    "x NO [BADCHARSET (US-ASCII UTF-8)] Charset not known");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_search_headers_nobody_keeps)
{
	struct wire w;

	imap_play();
	(void)played_add("INBOX", "Subject: a\r\nX-Foo: bar\r\n\r\nX-Foo: no\r\n");
	(void)played_add("INBOX", "Subject: b\r\nX-Foo: baz\r\n\r\n1\r\n");
	(void)played_add("INBOX", "Subject: c\r\n\r\nX-Foo: bar\r\n");
	conv_select(&w, "INBOX");
	SAY(&w, "SEARCH HEADER X-Foo BAR", "* SEARCH 1\nx OK Done");
	SAY(&w, "SEARCH NOT HEADER X-Foo bar", "* SEARCH 2 3\nx OK Done");
	SAY(&w, "SEARCH OR SUBJECT c HEADER X-Foo \"\"", "* SEARCH 1 2 3\nx OK Done");
	SAY(&w, "SEARCH SUBJECT b HEADER X-Foo ba", "* SEARCH 2\nx OK Done");
	SAY(&w, "SEARCH HEADER Return-Path s@x", "* SEARCH 1 2 3\nx OK Done");
	SAY(&w, "SEARCH HEADER X-Nobody x", "* SEARCH\nx OK Done");
	/* Of what was told the store needs no second look. */
	played.searches = played.reads = 0;
	SAY(&w, "SEARCH SUBJECT b", "* SEARCH 2\nx OK Done");
	CHECK_INT(played.searches, 1);
	CHECK_INT(played.reads, 0);
	/* TEXT is the body, and all of the header. */
	SAY(&w, "SEARCH TEXT bar", "* SEARCH 1 3\nx OK Done");
	SAY(&w, "SEARCH TEXT \"foo: ba\"", "* SEARCH 1 2 3\nx OK Done");
	SAY(&w, "SEARCH BODY bar", "* SEARCH 3\nx OK Done");
	SAY(&w, "SEARCH NOT TEXT bar", "* SEARCH 2\nx OK Done");
	SAY(&w, "SEARCH TEXT s@x", "* SEARCH 1 2 3\nx OK Done");
	/* A column that was cut. */
	played_find(played_box("INBOX"), 2)->fields_cut = true;
	SAY(&w, "SEARCH SUBJECT zzz", "* SEARCH\nx OK Done");
	buf_reset(&played_find(played_box("INBOX"), 2)->body);
	buf_puts(&played_find(played_box("INBOX"), 2)->body, "Subject: b to zzz\r\n\r\n");
	SAY(&w, "SEARCH SUBJECT zzz", "* SEARCH 2\nx OK Done");
	SAY(&w, "SEARCH NOT SUBJECT zzz", "* SEARCH 1 3\nx OK Done");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_idle)
{
	struct wire w;

	imap_play();
	(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	conv_select(&w, "INBOX");
	CHECK_STR(conv_raw(&w, SL("y IDLE\r\n"), "+"), "+ idling");
	(void)played_add("INBOX", "Subject: y\r\n\r\ntext\r\n");
	CHECK_STR(conv_until(&w, "* 2 RECENT"), "* 2 EXISTS\n* 2 RECENT");
	played_flag("INBOX", 1, MESSAGE_SEEN);
	CHECK_STR(conv_until(&w, "*"), "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))");
	played_vanish("INBOX", 1);
	CHECK_STR(conv_until(&w, "*"), "* 1 EXPUNGE");
	/* Nearly nothing is held meanwhile: the session, its text, one run of the view. */
	CHECK(conv_memory() < 6000);
	CHECK_STR(conv_raw(&w, SL("DONE\r\n"), "y"), "y OK Done");
	CHECK_STR(conv_raw(&w, SL("y IDLE\r\n"), "+"), "+ idling");
	CHECK_STR(conv_raw(&w, SL("NOOP\r\n"), "y"), "y BAD DONE expected");
	/* Without a mailbox there is nothing to tell. */
	SAY(&w, "UNSELECT", "x OK Done");
	CHECK_STR(conv_raw(&w, SL("y IDLE\r\ndone\r\n"), "y"), "+ idling\ny OK Done");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_idle_survives_the_back_end)
{
	struct wire w;

	imap_play();
	(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	conv_select(&w, "INBOX");
	CHECK_STR(conv_raw(&w, SL("y IDLE\r\n"), "+"), "+ idling");
	played.away = true;
	played_drop_watches();
	CHECK_ERR(fiber_sleep("test", 700), E_TIMEOUT);
	(void)played_add("INBOX", "Subject: y\r\n\r\ntext\r\n");
	played.away = false;
	CHECK_STR(conv_until(&w, "* 2 RECENT"), "* 2 EXISTS\n* 2 RECENT");
	CHECK_STR(conv_raw(&w, SL("DONE\r\n"), "y"), "y OK Done");
	conv_close(&w);
	imap_played_end();
}

/* News that could not be had is asked for again, though no other nudge comes. */
TEST_FIBER(session_idle_asks_a_busy_back_end_again)
{
	struct wire w;

	imap_play();
	(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	conv_select(&w, "INBOX");
	CHECK_STR(conv_raw(&w, SL("y IDLE\r\n"), "+"), "+ idling");
	played.busy = true;
	(void)played_add("INBOX", "Subject: y\r\n\r\ntext\r\n");
	CHECK_STR(conv_until(&w, "* 2 RECENT"), "* 2 EXISTS\n* 2 RECENT");
	CHECK(!played.busy);
	CHECK_STR(conv_raw(&w, SL("DONE\r\n"), "y"), "y OK Done");
	conv_close(&w);
	imap_played_end();
}

TEST_FIBER(session_back_end_away)
{
	struct wire w;

	imap_play();
	(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	conv_select(&w, "INBOX");
	played.away = true;
	SAY(&w, "FETCH 1 FLAGS", "x NO [UNAVAILABLE] Not possible just now, try again");
	SAY(&w, "STORE 1 FLAGS ()", "x NO [UNAVAILABLE] Not possible just now, try again");
	SAY(&w, "NOOP", "x OK Done");
	SAY(&w, "SELECT Sent", "x NO [UNAVAILABLE] Not possible just now, try again");
	played.away = false;
	CHECK(slice_ends(slice_str(conv_say(&w, "SELECT INBOX")),
			 SL("x OK [READ-WRITE] Selected")));
	played.no_ticket = true;
	CHECK_STR(conv_raw(&w, SL("x FETCH 1 FLAGS\r\n"), "<"),
		  "x NO [EXPIRED] The session has ended\n"
		  "* BYE The session has ended, log in again\n<closed>");
	conv_close(&w);
	imap_played_end();
}

/* The change log does not reach back: everything is compared. */
TEST_FIBER(session_reset)
{
	struct wire w;

	imap_play();
	for (int i = 0; i < 4; i++)
		(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	conv_select(&w, "INBOX");
	played_vanish("INBOX", 2);
	played_flag("INBOX", 3, MESSAGE_FLAGGED);
	(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	played.forgot = true;
	SAY(&w, "NOOP",
	    "* 3 FETCH (UID 3 FLAGS (\\Flagged \\Recent))\n* 5 EXISTS\n* 5 RECENT\n* 2 EXPUNGE\n"
	    "x OK Done");
	SAY(&w, "UID SEARCH ALL", "* SEARCH 1 3 4 5\nx OK Done");
	conv_close(&w);
	imap_played_end();
}

static void end_it(struct session *s, void *arg UNUSED)
{
	session_end(s, "killed");
}

TEST_FIBER(session_killed)
{
	struct wire w;

	imap_play();
	conv_select(&w, "INBOX");
	CHECK_STR(conv_raw(&w, SL("y IDLE\r\n"), "+"), "+ idling");
	session_each(end_it, NULL);
	CHECK_STR(conv_until(&w, "<"), "* BYE killed\n<closed>");
	conv_close(&w);
	imap_played_end();
}

/* Random changes from two sides: both sessions end with the same picture as the store. */
TEST_FIBER(session_converge)
{
	struct wire w[2];
	uint32_t seed = 7;
	char line[100], numbers[2][2000], flags[2][8000];

	imap_play();
	for (int i = 0; i < 20; i++)
		(void)played_add("INBOX", "Subject: x\r\n\r\ntext\r\n");
	conv_select(&w[0], "INBOX");
	conv_select(&w[1], "INBOX");
	for (int step = 0; step < 150; step++) {
		static const char *const verbs[] = {"+FLAGS.SILENT", "-FLAGS", "FLAGS"};
		static const char *const names[] = {"\\Seen", "\\Deleted", "\\Flagged", "kw"};
		uint32_t r = (seed = seed * 1664525 + 1013904223) >> 8;
		struct wire *s = &w[r % 2];

		switch (r / 2 % 5) {
		case 0:
			if (played_box("INBOX")->nmsgs < PLAYED_MESSAGES)
				(void)played_add("INBOX", "Subject: n\r\n\r\ntext\r\n");
			break;
		case 1:
			(void)conv_say(s, "EXPUNGE");
			break;
		case 2:
			(void)conv_say(s, "FETCH 1:* FLAGS");
			break;
		default:
			snprintf(line, sizeof line, "UID STORE %u:%u %s %s", r / 10 % 30,
				 r / 10 % 30 + r / 300 % 3, verbs[r / 1000 % 3],
				 names[r / 3000 % 4]);
			(void)conv_say(s, line);
			break;
		}
	}
	for (int i = 0; i < 2; i++) {
		(void)conv_say(&w[i], "NOOP");
		snprintf(numbers[i], sizeof numbers[i], "%s", conv_say(&w[i], "UID SEARCH ALL"));
		(void)conv_say(&w[i], "EXAMINE INBOX");
		snprintf(flags[i], sizeof flags[i], "%s", conv_say(&w[i], "FETCH 1:* (UID FLAGS)"));
	}
	CHECK_STR(numbers[0], numbers[1]);
	CHECK_STR(flags[0], flags[1]);
	conv_close(&w[0]);
	conv_close(&w[1]);
	imap_played_end();
}

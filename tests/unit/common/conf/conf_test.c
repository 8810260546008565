#include "common/conf/conf.h"

#include <stdio.h>
#include <sys/stat.h>

#include "tests/lib/check.h"

static const struct conf_def table[] = {
	{"node", CONF_STRING, NULL, 1, 16, CONF_REQUIRED, "Name of this node", NULL},
	{"smtp.port", CONF_INT, "25", 1, 65535, 0, "TCP port", NULL},
	{"smtp.idle", CONF_DURATION, "5m", 1000, 3600000, CONF_LIVE, "Silence allowed", NULL},
	{"smtp.tls.on", CONF_BOOL, "true", 0, 0, CONF_LIVE, "STARTTLS", NULL},
	{"store.map", CONF_BYTES, "16g", 0, 0, 0, "Size of the map", NULL},
	{"log.level", CONF_WORD, "info", 0, 0, CONF_LIVE, "What to log", "debug info warn error"},
	{"backends", CONF_ADDRS, NULL, 1, 4, CONF_LIVE, "Where to dial", NULL},
	{"admins", CONF_STRINGS, "root,postmaster", 0, 3, 0, "Who may", NULL},
	{"offset", CONF_INT, NULL, -10, 10, 0, "May be negative", NULL},
	{"db.password", CONF_STRING, NULL, 0, 0, CONF_SECRET, "Secret", NULL},
};

static const char *write_file(const char *name, const char *text)
{
	static char path[512];
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/%s", check_tmpdir(), name);
	f = fopen(path, "w");
	invariant(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
	return path;
}

static struct conf *conf_of(void)
{
	return conf_new(table, ARRAY_LEN(table));
}

TEST(conf_defaults)
{
	struct conf *c = conf_of();
	struct diag d;

	CHECK_STR(conf_str(c, "node"), "");
	CHECK_INT(conf_int(c, "smtp.port"), 25);
	CHECK_INT(conf_ms(c, "smtp.idle"), 300000);
	CHECK(conf_bool(c, "smtp.tls.on"));
	CHECK(conf_bytes(c, "store.map") == 16ull << 30);
	CHECK_STR(conf_str(c, "log.level"), "info");
	CHECK_INT(conf_count(c, "backends"), 0);
	CHECK_INT(conf_count(c, "admins"), 2);
	CHECK_STR(conf_item(c, "admins", 1), "postmaster");
	CHECK(!conf_is_set(c, "smtp.port"));
	CHECK_ERR(conf_check(c, &d), E_INVALID);
	CHECK(slice_find(slice_str(d.text), SL("node must be set")) < strlen(d.text));
	CHECK_DIES((void)conf_int(c, "node"));
	CHECK_DIES((void)conf_int(c, "no.such"));
	CHECK_DIES((void)conf_item(c, "admins", 2));
	conf_free(&c);
	CHECK(c == NULL);
}

TEST(conf_reads_groups_and_lists)
{
	struct conf *c = conf_of();
	struct conf_addr a;
	struct diag d;

	CHECK_ERR(
		conf_load(
			c,
			write_file("a.conf",
				   "# comment\n"
				   "node = \"fe1\";\n"
				   "smtp = { port = 2525; idle = \"90s\"; tls: { on = false; } };\n"
				   "store.map = 1;\n"),
			&d),
		E_INVALID); /* no dots in files */
	CHECK_ERR(
		conf_load(
			c,
			write_file("a.conf",
				   "node = \"fe1\";\n"
				   "smtp = { port = 2525; idle = \"90s\"; tls: { on = false; } };\n"
				   "store: { map = \"64m\" };\n"
				   "backends = ( \"127.0.0.1:7411\", \"[::1]:7412\",\n"
				   "             \"be1.example.org:7413\" );\n"
				   "admins = [ ];\n"
				   "offset = -3;\n"),
			&d),
		E_OK);
	CHECK_STR(conf_str(c, "node"), "fe1");
	CHECK_INT(conf_int(c, "smtp.port"), 2525);
	CHECK_INT(conf_ms(c, "smtp.idle"), 90000);
	CHECK(!conf_bool(c, "smtp.tls.on"));
	CHECK(conf_bytes(c, "store.map") == 64u << 20);
	CHECK_INT(conf_int(c, "offset"), -3);
	CHECK_INT(conf_count(c, "admins"), 0);
	CHECK_INT(conf_count(c, "backends"), 3);
	a = conf_addr(c, "backends", 0);
	CHECK_STR(a.host, "127.0.0.1");
	CHECK_INT(a.port, 7411);
	a = conf_addr(c, "backends", 1);
	CHECK_STR(a.host, "::1");
	CHECK_INT(a.port, 7412);
	a = conf_addr(c, "backends", 2);
	CHECK_STR(a.host, "be1.example.org");
	CHECK_ERR(conf_check(c, &d), E_OK);
	conf_free(&c);
}

TEST(conf_says_where_and_what)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"node = \"x\";\nsmtp = {\n port = \"25\"; };\n",
		 "bad.conf:3: smtp.port: wrong type"},
		{"smtp = { prot = 25; };\n",
		 "bad.conf:1: unknown setting smtp.prot (did you mean smtp.port?)"},
		{"\n\nsmtp_idle = 3;\n",
		 "bad.conf:3: unknown setting smtp_idle (did you mean smtp.idle?)"},
		{"zzzzzzzzzzzz = 3;\n", "bad.conf:1: unknown setting zzzzzzzzzzzz"},
		{"smtp = { port = 0; };", "bad.conf:1: smtp.port: the value must be 1 to 65535"},
		{"smtp = { port = 65536; };", "bad.conf:1: smtp.port: the value must be"},
		{"smtp = { port = 25.0; };", "bad.conf:1: smtp.port: wrong type"},
		{"smtp = { port = [ 25 ]; };", "bad.conf:1: smtp.port: wants one value"},
		{"smtp = { port = { a = 1; }; };", "bad.conf:1: smtp.port: wrong type"},
		{"smtp = { idle = \"5x\"; };", "bad.conf:1: smtp.idle: wants a time"},
		{"smtp = { idle = \"2h\"; };", "bad.conf:1: smtp.idle: the value must be"},
		{"store = { map = -1; };", "bad.conf:1: store.map: wants a size"},
		{"log = { level = \"loud\"; };",
		 "bad.conf:1: log.level: wants one of: debug info warn error"},
		{"backends = ( \"127.0.0.1\" );", "bad.conf:1: backends: wants addresses"},
		{"backends = ( 7411 );", "bad.conf:1: backends: wrong type"},
		{"backends = ( );", "bad.conf:1: backends: the number of elements must be 1 to 4"},
		{"node = \"12345678901234567\";", "bad.conf:1: node: its length must be"},
		{"node = \"a\";\nnode = \"b\";\n", "bad.conf:2: "},
		{"node = \"a\"\nsmtp = {\n", "bad.conf:3: "},
		{"a={b={c={d={e={f={g={h={i={j=1;};};};};};};};};};",
		 "bad.conf:1: groups are nested"},
	};
	struct conf *c = conf_of();
	struct diag d;

	CHECK_ERR(conf_load(c, write_file("good.conf", "node = \"old\";"), &d), E_OK);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("%s", cases[i].text);
		CHECK_ERR(conf_load(c, write_file("bad.conf", cases[i].text), &d), E_INVALID);
		check_note("%s", d.text);
		CHECK(slice_find(slice_str(d.text), slice_str(cases[i].want)) < strlen(d.text));
		CHECK_STR(conf_str(c, "node"), "old");
	}
	CHECK_ERR(conf_load(c, "/nonexistent/x.conf", &d), E_NOT_FOUND);
	conf_free(&c);
}

TEST(conf_drop_ins_in_order)
{
	struct conf *c = conf_of();
	char path[600];
	struct diag d;

	(void)snprintf(path, sizeof path, "%s/m.conf.d", check_tmpdir());
	CHECK_INT(mkdir(path, 0700), 0);
	write_file("m.conf.d/10-a.conf", "smtp = { port = 10; };");
	write_file("m.conf.d/20-b.conf", "smtp = { port = 20; }; admins = [ \"x\" ];");
	write_file("m.conf.d/30-c.conf.bak", "smtp = { port = 30; };");
	write_file("m.conf.d/.40.conf", "smtp = { port = 40; };");
	CHECK_ERR(conf_load(c, write_file("m.conf", "node = \"m\"; smtp = { port = 5; };"), &d),
		  E_OK);
	CHECK_INT(conf_int(c, "smtp.port"), 20);
	CHECK_STR(conf_str(c, "node"), "m");
	CHECK_INT(conf_count(c, "admins"), 1);
	write_file("m.conf.d/50.conf", "nodes = \"typo\";");
	CHECK_ERR(conf_load(c, write_file("m.conf", ""), &d), E_INVALID);
	CHECK(slice_find(slice_str(d.text), SL("50.conf:1: unknown setting nodes")) <
	      strlen(d.text));
	CHECK_INT(conf_int(c, "smtp.port"), 20);
	conf_free(&c);
}

TEST(conf_command_line_wins)
{
	static const char *const bad[] = {"smtp.port",       "smtp.port=",  "smtp.port=x",
					  "smtp.port=70000", "smtp.prt=25", "backends=a:b",
					  "admins=a,b,c,d",  "=",           "",
					  "offset=-11",      "offset=--1",  "smtp.tls.on=maybe",
					  "backends=[::1:25"};
	struct conf *c = conf_of();
	struct diag d;

	CHECK_ERR(conf_set(c, SL("smtp.port=2626"), &d), E_OK);
	CHECK_ERR(conf_set(c, SL("backends = 10.0.0.1:1, [::2]:2"), &d), E_OK);
	CHECK_ERR(conf_set(c, SL("db.password=a=b"), &d), E_OK);
	CHECK_ERR(conf_set(c, SL("smtp.tls.on=off"), &d), E_OK);
	CHECK_ERR(conf_load(c, write_file("c.conf", "smtp = { port = 5; };"), &d), E_OK);
	CHECK_INT(conf_int(c, "smtp.port"), 2626);
	CHECK_INT(conf_count(c, "backends"), 2);
	CHECK_STR(conf_item(c, "backends", 1), "[::2]:2");
	CHECK_STR(conf_str(c, "db.password"), "a=b");
	CHECK(!conf_bool(c, "smtp.tls.on"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("%s", bad[i]);
		CHECK_ERR(conf_set(c, slice_str(bad[i]), &d), E_INVALID);
	}
	CHECK_ERR(conf_set(c, SL("smtp.port=2627"), &d), E_OK);
	CHECK_INT(conf_int(c, "smtp.port"), 2627);
	CHECK_ERR(conf_set(c, SL("admins="), &d), E_OK);
	CHECK_INT(conf_count(c, "admins"), 0);
	conf_free(&c);
}

TEST(conf_forms)
{
	static const struct {
		const char *form, *good, *bad, *said;
	} rows[] = {
		{"host", "mx-1.Example.org", "a b", "wants the name of a host, such as"},
		{"host", "localhost",
		 "mail.b\xc3\xbc"
		 "cher.example",
		 "a name is written in ASCII: mail.xn--bcher-kva.example"},
		{"host", "1", "10.0.0.1", ", not 10.0.0.1"},
		{"host", "a.b", "a.b.", ", not a.b."},
		{"host", "a.b", "a\r\nb", "wants the name of a host, such as mail.example.org"},
		{"domain", "example.org", "-a.org", "wants a domain name"},
		{"domain off on", "off", "o_f",
		 "wants a domain name, such as example.org; or off on"},
		{"domain off on", "on", "off on", ", not off on"},
		{"suffix", ".example.org", "..example.org", "all below it"},
		{"suffix", "example.org", "*.example.org", "all below it"},
		{"domains", "a.org  b.org ", "a.org,b.org", "spaces between them"},
		{"address", "a.b@example.org", "a", "wants a mail address"},
		{"address", "\xc3\xbc@b\xc3\xbc.example", "a@[192.0.2.1]", "wants a mail address"},
		{"ip", "192.0.2.1", "192.0.2.1/24", "an IP address"},
		{"ip", "::1", "[::1]", "an IP address"},
		{"ip4", "192.0.2.1", "::1", "an IPv4 address"},
		{"ip6", "2001:db8::1", "::ffff:192.0.2.1", "an IPv6 address"},
		{"mark", "+", "+-", "one character"},
		{"mark", ".", "@", "one character"},
		{"mark", "=", "7", "one character"},
		{"text",
		 "B\xc3\xbc"
		 "cher a b",
		 "a\tb", "without control characters"},
		{"text", "a", "\xff", "without control characters"},
		{"ascii", "Welcome all", "B\xc3\xbc", "printable ASCII"},
		{"word", "relay:[192.0.2.1]:25", "a b", "without spaces"},
	};
	struct diag d;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct conf_def def[] = {
			{"one", CONF_STRING, "", 0, 255, 0, "", rows[i].form},
			{"list", CONF_STRINGS, NULL, 0, 3, 0, "", rows[i].form},
		};
		struct conf *c = conf_new(def, ARRAY_LEN(def));
		char set[128];

		check_note("%s: %s", rows[i].form, rows[i].bad);
		(void)snprintf(set, sizeof set, "one=%s", rows[i].good);
		CHECK_ERR(conf_set(c, slice_str(set), &d), E_OK);
		CHECK_ERR(conf_set(c, SL("one="), &d), E_OK);
		(void)snprintf(set, sizeof set, "one=%s", rows[i].bad);
		CHECK_ERR(conf_set(c, slice_str(set), &d), E_INVALID);
		check_note("%s", d.text);
		CHECK(slice_find(slice_str(d.text), slice_str(rows[i].said)) < strlen(d.text));
		CHECK_STR(conf_str(c, "one"), "");
		CHECK_ERR(conf_set(c, SL("list="), &d), E_OK);
		(void)snprintf(set, sizeof set, "list=%s,", rows[i].good);
		CHECK_ERR(conf_set(c, slice_str(set), &d), E_OK);
		(void)snprintf(set, sizeof set, "list=%s,,%s", rows[i].good, rows[i].good);
		CHECK_ERR(conf_set(c, slice_str(set), &d), E_INVALID);
		conf_free(&c);
	}
}

TEST(conf_forms_are_known)
{
	static const struct conf_def unknown = {"x", CONF_STRING, "", 0, 9, 0, "", "hots"};
	static const struct conf_def number = {"x", CONF_INT, "1", 0, 9, 0, "", "host"};
	static const struct conf_def value = {"x", CONF_STRING, "a b", 0, 9, 0, "", "host"};

	CHECK_DIES(conf_new(&unknown, 1));
	CHECK_DIES(conf_new(&number, 1));
	CHECK_DIES(conf_new(&value, 1));
}

TEST(conf_limits)
{
	struct conf *c = conf_of();
	static char big[CONF_VALUE_MAX + 64];
	struct buf text;
	struct diag d;

	memcpy(big, "db.password=", 12);
	memset(big + 12, 'x', CONF_VALUE_MAX);
	CHECK_ERR(conf_set(c, slice(big, 12 + CONF_VALUE_MAX), &d), E_OK);
	big[12 + CONF_VALUE_MAX] = 'x';
	CHECK_ERR(conf_set(c, slice(big, 13 + CONF_VALUE_MAX), &d), E_INVALID);
	CHECK_ERR(conf_set(c, SL("db.password=a\0b"), &d), E_INVALID);

	buf_init(&text, 2u << 20, NULL);
	buf_puts(&text, "admins = [ \"0\"");
	for (int i = 1; i <= CONF_LIST_MAX; i++)
		buf_printf(&text, ", \"%d\"", i);
	buf_puts(&text, " ];");
	buf_putc(&text, '\0');
	CHECK_ERR(conf_load(c, write_file("l.conf", text.p), &d), E_INVALID);
	buf_reset(&text);
	buf_puts(&text, "admins=0");
	for (int i = 1; i <= CONF_LIST_MAX; i++)
		buf_printf(&text, ",%d", i);
	CHECK_ERR(conf_set(c, buf_slice(&text), &d), E_INVALID);
	buf_reset(&text);
	for (int i = 0; i <= CONF_FILE_MAX; i++)
		buf_putc(&text, '\n');
	buf_putc(&text, '\0');
	CHECK_ERR(conf_load(c, write_file("l.conf", text.p), &d), E_INVALID);
	buf_fini(&text);
	conf_free(&c);
}

struct seen {
	int live, restart;
	const struct conf *refused; /* and seen with tls.on so */
	bool on;
};

static void count_change(const struct conf_def *def, bool applied, void *arg)
{
	struct seen *s = arg;

	CHECK(applied == ((def->flags & CONF_LIVE) != 0));
	if (applied)
		s->live++;
	else
		s->restart++;
}

static enum err refuse_change(void *arg, struct diag *d)
{
	struct seen *s = arg;

	s->on = conf_bool(s->refused, "smtp.tls.on");
	return diag_set(d, E_IO, "no such certificate");
}

TEST(conf_reload_live_only)
{
	struct conf *c = conf_of();
	struct seen seen = {0};
	struct conf_follower f = {.each = count_change, .arg = &seen};
	struct diag d;

	CHECK_ERR(conf_load(c,
			    write_file("r.conf",
				       "node = \"n\"; smtp = { port = 1; idle = \"5m\"; };"),
			    &d),
		  E_OK);
	CHECK_ERR(conf_set(c, SL("log.level=warn"), &d), E_OK);
	write_file("r.conf",
		   "node = \"n\"; smtp = { port = 2; idle = \"300s\"; tls = { on = false; }; };"
		   "log = { level = \"debug\"; };");
	CHECK_ERR(conf_reload(c, &f, &d), E_OK);
	CHECK_INT(seen.live, 1); /* tls.on; idle is the same, level is the command line's */
	CHECK_INT(seen.restart, 1);
	CHECK_INT(conf_int(c, "smtp.port"), 1);
	CHECK(!conf_bool(c, "smtp.tls.on"));
	CHECK_STR(conf_str(c, "log.level"), "warn");

	write_file("r.conf", "smtp = { tls = { on = true; }; };");
	CHECK_ERR(conf_reload(c, &f, &d), E_INVALID); /* node is missing */
	write_file("r.conf", "node = \"n\"; smtp = { tls = { on = 1; }; };");
	CHECK_ERR(conf_reload(c, &f, &d), E_INVALID);
	CHECK(!conf_bool(c, "smtp.tls.on"));
	CHECK_INT(seen.live, 1);
	conf_free(&c);
}

TEST(conf_reload_not_accepted)
{
	struct conf *c = conf_of();
	struct seen seen = {.refused = c};
	struct conf_follower f = {refuse_change, count_change, &seen};
	struct diag d;

	CHECK_ERR(
		conf_load(c,
			  write_file("a.conf", "node = \"n\"; smtp = { tls = { on = false; }; };"),
			  &d),
		E_OK);
	write_file("a.conf", "node = \"n\"; smtp = { port = 2; tls = { on = true; }; };");
	CHECK_ERR(conf_reload(c, &f, &d), E_IO);
	CHECK_STR(d.text, "no such certificate");
	CHECK(seen.on);
	CHECK(!conf_bool(c, "smtp.tls.on"));
	CHECK_INT(seen.live + seen.restart, 0);
	f.accept = NULL;
	CHECK_ERR(conf_reload(c, &f, &d), E_OK);
	CHECK(conf_bool(c, "smtp.tls.on"));
	CHECK_INT(seen.live, 1);
	CHECK_INT(seen.restart, 1);
	conf_free(&c);
}

TEST(conf_dumps)
{
	struct conf *c = conf_of();
	struct buf out;
	struct diag d;

	buf_init(&out, 65536, NULL);
	CHECK_ERR(conf_set(c, SL("smtp.port=2525"), &d), E_OK);
	CHECK_ERR(conf_set(c, SL("admins=a,b"), &d), E_OK);
	CHECK_ERR(conf_set(c, SL("db.password=hunter2"), &d), E_OK);
	conf_dump(c, CONF_DUMP_CHANGED, &out);
	CHECK_SLICE(buf_slice(&out), SL("smtp.port = 2525 # command line\n"
					"admins = [\"a\", \"b\"] # command line\n"
					"db.password = (secret) # command line\n"));
	buf_reset(&out);
	conf_dump(c, CONF_DUMP_ALL, &out);
	CHECK(slice_find(buf_slice(&out), SL("hunter2")) == out.n);
	CHECK(slice_find(buf_slice(&out),
			 SL("# TCP port (1 to 65535); default 25\nsmtp.port = 2525")) < out.n);
	CHECK(slice_find(buf_slice(&out), SL("log.level = \"info\"\n")) < out.n);
	buf_fini(&out);
	conf_free(&c);
}

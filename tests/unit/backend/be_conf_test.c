/* A back-end's own file, and what is set beside it. */
#include "backend/be_conf.h"

#include <stdio.h>

#include "proto/settings.h"
#include "tests/lib/check.h"

static void write_conf(char path[256])
{
	FILE *f;

	snprintf(path, 256, "%s/backend.conf", check_tmpdir());
	f = fopen(path, "w");
	REQUIRE(f != NULL);
	fputs("name = \"be1\"; data = \"/data\"; database = \"dbname=x\";\n"
	      "rpc = { listen = \"192.0.2.1:7411\"; cert = \"c\"; key = \"k\"; ca = \"a\"; };\n",
	      f);
	CHECK_INT(fclose(f), 0);
}

/* What the directory would refuse, is refused at the start. */
TEST(be_conf_lists_of_pushed_settings)
{
	static const struct {
		const char *set, *why; /* NULL: it is taken */
	} cases[] = {
		{"auth.gssapi_realms=EXAMPLE.ORG,ATHENA/mail.example", NULL},
		{"auth.gssapi_realms=EXAMPLE.ORG,alice@ATHENA", "auth.gssapi_realms: alice@ATHENA"},
		{"auth.gssapi_realms=EXAMPLE.ORG/", "auth.gssapi_realms: EXAMPLE.ORG/"},
		{"lmtp.nets=127.0.0.0/8,::1", NULL},
		{"lmtp.nets=127.0.0.0/8,127.0.0.0/33", "lmtp.nets: 127.0.0.0/33"},
	};
	char path[256];

	write_conf(path);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct be_settings s = {.own = NULL};
		struct diag d = {""};

		check_note("case %zu", i);
		CHECK_ERR(be_conf_load(path, &cases[i].set, 1, &s, &d),
			  cases[i].why == NULL ? E_OK : E_INVALID);
		CHECK(cases[i].why == NULL ||
		      slice_starts(slice_str(d.text), slice_str(cases[i].why)));
		if (cases[i].why == NULL)
			CHECK_INT(conf_count(s.pushed, i < 3 ? SETTINGS_REALMS : "lmtp.nets"), 2);
		be_conf_free(&s);
	}
}

static void put_realm(struct buf *out, size_t bytes)
{
	static const char domain[] = "/a.example";

	for (size_t n = sizeof domain - 1; n < bytes; n++)
		buf_putc(out, 'R');
	buf_puts(out, domain);
}

/* What would not go to front-ends as a whole is not begun with: a list cut short would be another
 * one. */
TEST(be_conf_size_of_pushed_settings)
{
	char path[256];

	write_conf(path);
	for (size_t more = 0; more < 2; more++) {
		struct be_settings s = {.own = NULL};
		struct diag d = {""};
		const char *set;
		struct buf b;

		buf_init(&b, 2 * SETTINGS_VALUE_MAX, NULL);
		buf_puts(&b, SETTINGS_REALMS "=");
		for (size_t n = 128; n < SETTINGS_VALUE_MAX; n += 128) {
			put_realm(&b, 127);
			buf_putc(&b, ',');
		}
		put_realm(&b, 128 + more);
		buf_putc(&b, '\0');
		set = b.p;
		CHECK_ERR(be_conf_load(path, &set, 1, &s, &d), more == 0 ? E_OK : E_INVALID);
		CHECK_STR(d.text,
			  more == 0 ? "" : SETTINGS_REALMS ": longer than 4096 bytes in all");
		be_conf_free(&s);
		buf_fini(&b);
	}
}

TEST(be_conf_needs_a_port_or_somebody_to_dial)
{
	static const char *const sets[] = {"rpc.listen="};
	struct be_settings s = {.own = NULL};
	struct diag d = {""};
	char path[256];

	write_conf(path);
	CHECK_ERR(be_conf_load(path, sets, 0, &s, &d), E_OK);
	CHECK_STR(conf_str(s.own, "name"), "be1");
	be_conf_free(&s);
	CHECK_ERR(be_conf_load(path, sets, 1, &s, &d), E_INVALID);
	CHECK(slice_ends(slice_str(d.text), SL("neither rpc.listen nor rpc.dial is set")));
}

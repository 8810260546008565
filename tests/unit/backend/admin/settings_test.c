#include "backend/admin/settings.h"

#include "proto/settings.h"
#include "tests/lib/check.h"

TEST(every_default_is_a_good_value)
{
	for (size_t i = 0; i < settings_table_len; i++) {
		const struct conf_def *def = &settings_table[i], *found = NULL;
		struct diag d = {""};

		check_note("%s", def->name);
		CHECK_ERR(settings_check(def, slice_str(def->value), &d), E_OK);
		CHECK_ERR(settings_find(slice_str(def->name), &found, &d), E_OK);
		CHECK(found == def);
		CHECK(strcmp(settings_type(def), "unknown") != 0);
	}
}

static void check_hint(const char *key, const char *hint)
{
	const struct conf_def *def = NULL;
	struct diag d = {""};

	check_note("%s", key);
	CHECK_ERR(settings_find(slice_str(key), &def, &d), E_NOT_FOUND);
	CHECK(def == NULL);
	if (hint == NULL)
		CHECK(slice_find(slice_str(d.text), SL("perhaps")) == strlen(d.text));
	else
		CHECK(slice_ends(slice_str(d.text), slice_str(hint)));
}

TEST(an_unknown_name_is_answered_with_a_hint)
{
	check_hint("smtp.recipient_max", "perhaps smtp.recipients_max");
	check_hint("smtp.recipients_mxa", "perhaps smtp.recipients_max");
	check_hint("SMTP.recipients_max", NULL); /* four letters: too far */
	check_hint("recipients_max", "perhaps smtp.recipients_max");
	check_hint("auth.scrm", "perhaps auth.scram");
	check_hint("max", NULL);
	check_hint("", NULL);
	check_hint("something.else.entirely", NULL);
	check_hint("a.name.that.is.longer.than.any.setting.could.ever.be.called.in.this.table",
		   NULL);
}

static void check_refused(const char *key, const char *value)
{
	const struct conf_def *def;
	struct diag d = {""};

	check_note("%s=%s", key, value);
	CHECK_ERR(settings_find(slice_str(key), &def, &d), E_OK);
	CHECK_ERR(settings_check(def, slice_str(value), &d), E_INVALID);
	CHECK(slice_starts(slice_str(d.text), slice_str(key)));
}

TEST(values_are_checked_by_the_table)
{
	const struct conf_def *def;
	struct diag d = {""};

	check_refused("smtp.recipients_max", "many");
	check_refused("smtp.recipients_max", "0");
	check_refused("smtp.recipients_max", "1001");
	check_refused("smtp.message_bytes_max", "1023");
	check_refused("smtp.message_bytes_max", "9999999999999999999999");
	check_refused("auth.plain", "perhaps");
	check_refused("imap.idle_timeout", "yesterday");
	check_refused("directory.plus", "+-");
	REQUIRE(settings_find(SL("smtp.message_bytes_max"), &def, &d) == E_OK);
	CHECK_ERR(settings_check(def, SL("1k"), &d), E_OK);
	CHECK_ERR(settings_check(def, SL("64m"), &d), E_OK);
}

TEST(names_and_addresses_are_checked)
{
	static const struct {
		const char *key, *good, *bad;
	} rows[] = {
		{"hostname", "MX1.example.org", "a b"},
		{"hostname", "mx", "x\r\n554 no"},
		{"hostname", "", "192.0.2.1"},
		{"default_domain", "example.org", "a b"},
		{"directory.plus", "-", "@"},
		{"directory.plus", "", "a"},
		{"directory.postmaster", "root@example.org", "nonsense"},
		{"alert.to", "root@example.org", "nonsense"},
		{"alert.to", "off", "on"},
		{"masquerade.domain", "example.org", "@@"},
		{"masquerade.from", ".example.org,pc.example.net", "pc.example.org,,x"},
		{"outbound.bounce_copy", "", "not an address"},
		{"outbound.suspended_destinations", "dead.test,relay:[192.0.2.1]:25", "dead test"},
		{"outbound.suspended_senders", "a@x.test", "a@x.test,b"},
		{"outbound.helo", "all.example.org", "a b"},
		{"outbound.source4", "192.0.2.1", "abc"},
		{"outbound.source4", "", "::1"},
		{"outbound.source6", "2001:db8::1", "127.0.0.1"},
		{"outbound.source6", "", "::ffff:127.0.0.1"},
		{"outbound.masquerade", "example.org  example.net", "@@ ,,"},
		{"srs.domain", "example.org", "a b"},
		{"srs.domain", "off", "off off"},
		{"tlsrpt.read", "tls@example.org", "tls"},
		{"tlsrpt.contact", "tls@example.org", "zz"},
		{"tlsrpt.organization",
		 "B\xc3\xbc"
		 "cher & Co.",
		 "two\nlines"},
		{"dns.mx_hosts", "mx1.example.org, mx2.example.org", "a b"},
		{"blocklists.addresses", "zen.spamhaus.org", "a b"},
		{"blocklists.domains", "dbl.spamhaus.org", "https://dbl.spamhaus.org"},
		{"blocklists.own", "192.0.2.1,2001:db8::1", "192.0.2.1,abc"},
	};
	const struct conf_def *def;
	struct diag d = {""};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("%s=%s", rows[i].key, rows[i].good);
		REQUIRE(settings_find(slice_str(rows[i].key), &def, &d) == E_OK);
		CHECK_ERR(settings_check(def, slice_str(rows[i].good), &d), E_OK);
		check_refused(rows[i].key, rows[i].bad);
	}
}

TEST(nets_are_checked)
{
	static const struct {
		const char *value;
		enum err e;
	} cases[] = {
		{"", E_OK},
		{"192.0.2.0/24, 2001:db8::/32, ::1", E_OK},
		{"192.0.2.0/33", E_INVALID},
		{"localhost", E_INVALID},
	};
	const struct conf_def *def;
	struct diag d = {""};
	struct buf many;

	REQUIRE(settings_find(SL("lmtp.nets"), &def, &d) == E_OK);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		CHECK_ERR(settings_check(def, slice_str(cases[i].value), &d), cases[i].e);
	}
	buf_init(&many, 4096, NULL);
	for (int i = 0; i < SETTINGS_NETS_MAX; i++)
		buf_printf(&many, "%s192.0.2.%d", i > 0 ? "," : "", i);
	CHECK_ERR(settings_check(def, buf_slice(&many), &d), E_OK);
	buf_puts(&many, ",192.0.2.255");
	CHECK_ERR(settings_check(def, buf_slice(&many), &d), E_INVALID);
	buf_fini(&many);
}

TEST(realms_are_checked)
{
	static const struct {
		const char *value;
		enum err e;
	} cases[] = {
		{"", E_OK},
		{"EXAMPLE.ORG", E_OK},
		{"EXAMPLE.ORG, CORP.EXAMPLE/example.org,ATHENA/mail.example", E_OK},
		{"ATHENA", E_OK},
		{"alice@EXAMPLE.ORG", E_INVALID},
		{"EXAMPLE.ORG/", E_INVALID},
		{"/example.org", E_INVALID},
		{"EXAMPLE.ORG/a b", E_INVALID},
		{"EXAMPLE.ORG/a/b", E_INVALID},
		{"EXAMPLE ORG/example.org", E_INVALID},
	};
	const struct conf_def *def;
	struct diag d = {""};
	struct buf many;

	REQUIRE(settings_find(SL(SETTINGS_REALMS), &def, &d) == E_OK);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		CHECK_ERR(settings_check(def, slice_str(cases[i].value), &d), cases[i].e);
	}
	buf_init(&many, 4096, NULL);
	for (int i = 0; i < SETTINGS_REALMS_MAX; i++)
		buf_printf(&many, "%sR%d", i > 0 ? "," : "", i);
	CHECK_ERR(settings_check(def, buf_slice(&many), &d), E_OK);
	buf_puts(&many, ",ONE.MORE");
	CHECK_ERR(settings_check(def, buf_slice(&many), &d), E_INVALID);
	buf_fini(&many);
}

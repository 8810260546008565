/* The pushed policy: defaults, values, bounds, and that a bad value never gets in force. */
#include "frontend/core/policy.h"

#include "common/base/buf.h"
#include "common/log/log.h"
#include "proto/settings.h"
#include "tests/lib/check.h"

TEST(policy_defaults)
{
	const struct policy *p = policy();

	policy_init("fe1");
	CHECK_STR(p->hostname, "fe1");
	CHECK_STR(p->default_domain, "");
	CHECK_INT(p->smtp.message_bytes_max, 50 << 20);
	CHECK_INT(p->smtp.session_bytes_max, 500 << 20);
	CHECK_INT(p->smtp.messages_max, 100);
	CHECK_INT(p->smtp.recipients_max, 500);
	CHECK_INT(p->smtp.errors_max, 20);
	CHECK_INT(p->smtp.command_timeout_ms, 5 * 60000);
	CHECK_INT(p->smtp.data_timeout_ms, 10 * 60000);
	CHECK_INT(p->smtp_hops_max, 100);
	CHECK(p->smtp_local_sender_check);
	CHECK_INT(p->imap_idle_timeout_ms, 30 * 60000);
	CHECK_INT(p->imap_login_timeout_ms, 3 * 60000);
	CHECK_INT(p->imap_append_bytes_max, 50 << 20);
	CHECK_INT(p->tls_handshake_timeout_ms, 30000);
	CHECK(p->auth_plain);
	CHECK_INT(p->limits[SERVICE_SMTP].connections_max, 2000);
	CHECK_INT(p->limits[SERVICE_SMTP].per_ip_max, 100);
	CHECK_INT(p->limits[SERVICE_SMTP].rate_per_min, 0);
	CHECK_INT(p->limits[SERVICE_SUBMISSION].connections_max, 2000);
	CHECK_INT(p->limits[SERVICE_IMAP].connections_max, 20000);
	/* A service without rows of its own has IMAP's. */
	CHECK_INT(p->limits[SERVICE_POP3].connections_max, 20000);
	CHECK_INT(p->limits[SERVICE_POP3].per_ip_max, p->limits[SERVICE_IMAP].per_ip_max);
}

static const struct {
	const char *key, *value;
	enum err e;
} values[] = {
	{"smtp.recipients_max", "1000", E_OK},
	{"smtp.recipients_max", "1001", E_INVALID},
	{"smtp.recipients_max", "0", E_INVALID},
	{"smtp.recipients_max", "-1", E_INVALID},
	{"smtp.recipients_max", "many", E_INVALID},
	{"smtp.recipients_max", "", E_INVALID},
	{"smtp.recipients_max", "99999999999999999999", E_INVALID},
	{"smtp.message_bytes_max", "1k", E_OK},
	{"smtp.message_bytes_max", "1023", E_INVALID},
	{"smtp.message_bytes_max", "2g", E_INVALID},
	{"imap.idle_timeout", "29m", E_OK},
	{"imap.idle_timeout", "999ms", E_INVALID},
	{"auth.plain", "no", E_OK},
	{"auth.plain", "perhaps", E_INVALID},
	{"smtp.no_such", "1", E_NOT_FOUND},
	{"SMTP.recipients_max", "1", E_NOT_FOUND},
	{"smtp", "1", E_NOT_FOUND},
	{"", "1", E_NOT_FOUND},
	{"smtp.recipients_max=5", "1", E_NOT_FOUND},
};

TEST(policy_values)
{
	policy_init("fe1");
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		policy_begin();
		check_note("%s = %s", values[i].key, values[i].value);
		CHECK_ERR(policy_set(slice_str(values[i].key), slice_str(values[i].value)),
			  values[i].e);
	}
	policy_begin();
	policy_apply();
}

/* Nothing is visible before policy_apply; a refused value leaves the one before it; a new set
 * begins with the defaults. */
TEST(policy_sets_are_whole)
{
	const struct policy *p = policy();

	policy_init("fe1");
	policy_begin();
	CHECK_ERR(policy_set(SL("hostname"), SL("mx.example.org")), E_OK);
	CHECK_ERR(policy_set(SL("smtp.hops_max"), SL("30")), E_OK);
	CHECK_ERR(policy_set(SL("smtp.hops_max"), SL("0")), E_INVALID);
	CHECK_ERR(policy_set(SL("imap.connections_max"), SL("5")), E_OK);
	CHECK_STR(p->hostname, "fe1");
	CHECK_INT(p->smtp_hops_max, 100);
	policy_apply();
	CHECK(policy() == p);
	CHECK_STR(p->hostname, "mx.example.org");
	CHECK_INT(p->smtp_hops_max, 30);
	CHECK_INT(p->limits[SERVICE_IMAP].connections_max, 5);
	CHECK_INT(p->limits[SERVICE_POP3].connections_max, 5);
	/* Given up half-way. */
	policy_begin();
	CHECK_ERR(policy_set(SL("smtp.hops_max"), SL("31")), E_OK);
	policy_begin();
	CHECK_ERR(policy_set(SL("default_domain"), SL("example.org")), E_OK);
	policy_apply();
	CHECK_INT(p->smtp_hops_max, 100);
	CHECK_STR(p->hostname, "fe1");
	CHECK_STR(p->default_domain, "example.org");
	policy_begin();
	policy_apply();
}

static void set_alone(slice_t key, slice_t value)
{
	policy_begin();
	CHECK_ERR(policy_set(key, value), E_OK);
	policy_apply();
}

static void keep_line(slice_t line, void *arg)
{
	size_t n = slice_find(line, SL("event="));

	buf_put(arg, n < line.n ? slice_from(line, n) : line);
}

/* Each value that is another one than before, once; not what there was from the start. */
TEST(policy_changes_are_logged)
{
	struct buf lines;

	policy_init("fe1");
	set_alone(SL("smtp.hops_max"), SL("40"));
	buf_init(&lines, 4096, NULL);
	log_redirect(keep_line, &lines);
	set_alone(SL("smtp.hops_max"), SL("40"));
	CHECK_INT(lines.n, 0);
	set_alone(SL("outbound.connect_timeout"), SL("1s"));
	log_redirect(NULL, NULL);
	CHECK_SLICE(buf_slice(&lines),
		    SL("event=policy.changed key=smtp.hops_max value=100\n"
		       "event=policy.changed key=outbound.connect_timeout value=1s\n"));
	buf_fini(&lines);
	policy_begin();
	policy_apply();
}

/* What an older back-end lets through does not become our name: the default stays. */
TEST(policy_names_that_are_none)
{
	static const char *const names[] = {"hostname", "outbound.helo"};
	static const char *const bad[] = {"a b", "mail.b\xc3\xbc.example", "x\r\n554 no", "-x",
					  "192.0.2.1"};

	policy_init("fe1");
	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			check_note("%s = %s", names[k], bad[i]);
			policy_begin();
			CHECK_ERR(policy_set(slice_str(names[k]), slice_str(bad[i])), E_INVALID);
			policy_apply();
			CHECK_STR(policy()->hostname, "fe1");
			CHECK_STR(policy()->outbound.helo, "");
		}
	}
}

TEST(policy_long_values)
{
	char text[5000];

	memset(text, 'x', sizeof text);
	for (size_t i = 63; i < 255; i += 64)
		text[i] = '.';
	policy_init("fe1");
	policy_begin();
	CHECK_ERR(policy_set(SL("hostname"), slice(text, 255)), E_OK);
	CHECK_ERR(policy_set(SL("hostname"), slice(text, 256)), E_INVALID);
	CHECK_ERR(policy_set(SL("hostname"), slice(text, sizeof text)), E_TOO_BIG);
	memset(text, 'x', 255);
	/* A list of the longest kind: 16 elements, each with its comma but for the last one. */
	for (size_t i = 255; i < SETTINGS_VALUE_MAX; i += 256)
		text[i] = ',';
	text[SETTINGS_VALUE_MAX - 1] = 'x';
	CHECK_ERR(policy_set(SL(SETTINGS_REALMS), slice(text, SETTINGS_VALUE_MAX + 1)), E_TOO_BIG);
	CHECK_ERR(policy_set(SL(SETTINGS_REALMS), slice(text, SETTINGS_VALUE_MAX)), E_OK);
	policy_apply();
	CHECK(policy()->auth_gssapi);
	CHECK_INT(strlen(policy()->hostname), 255);
	policy_begin();
	policy_apply();
}

/* Each row's default lies within its own bounds, and every row can be set to it. */
TEST(policy_table)
{
	policy_init("fe1");
	policy_begin();
	for (size_t i = 0; i < settings_table_len; i++) {
		const struct conf_def *row = &settings_table[i];

		check_note("%s", row->name);
		CHECK(row->help != NULL && row->help[0] != '\0');
		CHECK((row->flags & CONF_LIVE) != 0);
		CHECK_ERR(policy_set(slice_str(row->name), slice_str(row->value)), E_OK);
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(row->name, settings_table[k].name) != 0);
	}
	policy_apply();
}

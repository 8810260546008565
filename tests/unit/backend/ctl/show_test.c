#include "backend/ctl/show.h"

#include "backend/ctl/commands.h"
#include "proto/admin.pb-c.h"
#include "tests/lib/check.h"

/* What fn prints. */
static void check_printed(void (*fn)(FILE *out), const char *want)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	fn(out);
	fclose(out);
	CHECK_SLICE(slice(text, n), slice_str(want));
	xfree(&text);
}

static Postern__AdminAccount account(void)
{
	Postern__AdminAccount m = POSTERN__ADMIN_ACCOUNT__INIT;

	m.address = (char *)(uintptr_t) "ann@example.org";
	m.state = POSTERN__ACCOUNT_STATE__ACCOUNT_STATE_ACTIVE;
	m.has_size_bytes = m.has_items = true;
	m.size_bytes = 1536;
	m.items = 2;
	m.quota_bytes = UINT64_MAX;
	m.last_login_us = 1795283596123456;
	m.credential = POSTERN__CREDENTIAL_KIND__CREDENTIAL_KIND_SCRAM_SHA_256;
	m.id = 7;
	return m;
}

static void json_account(FILE *out)
{
	Postern__AdminAccount m = account();

	show_json(out, &m.base);
}

TEST(json_of_a_message)
{
	check_printed(
		json_account,
		"{\"address\": \"ann@example.org\", \"state\": \"active\", \"size_bytes\": 1536, "
		"\"items\": 2, \"quota_bytes\": 18446744073709551615, \"quota_items\": 0, "
		"\"last_login\": \"2026-11-21T17:53:16.123456Z\", \"last_login_from\": \"\", "
		"\"last_login_service\": \"\", \"display_name\": \"\", \"id\": 7, "
		"\"partition\": 0, \"backend\": \"\", \"credential\": \"scram-sha-256\", "
		"\"created\": null, \"password\": null, \"held\": null, \"held_why\": \"\", "
		"\"messages_minute\": null, \"messages_hour\": null, \"messages_day\": null, "
		"\"recipients_hour\": null, \"recipients_day\": null, \"burst\": null, "
		"\"send_as\": [], \"on_behalf\": [], \"sends_as\": [], \"sends_on_behalf\": []}");
}

static void json_absent(FILE *out)
{
	Postern__AdminAccount m = account();
	Postern__AdminAlias a = POSTERN__ADMIN_ALIAS__INIT;
	char *members[] = {(char *)(uintptr_t) "a@b", (char *)(uintptr_t) "c\"d\\e\n\x7f\xc3\xa4"};

	m.has_size_bytes = m.has_items = false;
	m.state = POSTERN__ACCOUNT_STATE__ACCOUNT_STATE_NONE;
	show_json(out, &m.base);
	putc('\n', out);
	a.enabled = true;
	a.members = members;
	a.n_members = 2;
	show_json(out, &a.base);
}

TEST(json_of_what_is_absent_and_of_lists)
{
	check_printed(
		json_absent,
		"{\"address\": \"ann@example.org\", \"state\": null, \"size_bytes\": null, "
		"\"items\": null, \"quota_bytes\": 18446744073709551615, \"quota_items\": 0, "
		"\"last_login\": \"2026-11-21T17:53:16.123456Z\", \"last_login_from\": \"\", "
		"\"last_login_service\": \"\", \"display_name\": \"\", \"id\": 7, "
		"\"partition\": 0, \"backend\": \"\", \"credential\": \"scram-sha-256\", "
		"\"created\": null, \"password\": null, \"held\": null, \"held_why\": \"\", "
		"\"messages_minute\": null, \"messages_hour\": null, \"messages_day\": null, "
		"\"recipients_hour\": null, \"recipients_day\": null, \"burst\": null, "
		"\"send_as\": [], \"on_behalf\": [], \"sends_as\": [], \"sends_on_behalf\": []}\n"
		"{\"address\": \"\", \"kind\": null, \"enabled\": true, \"member_count\": 0, "
		"\"members\": [\"a@b\", \"c\\\"d\\\\e\\u000a\\u007f\xc3\xa4\"], "
		"\"created\": null, \"send_as\": null}");
}

/* ---- tables ---- */

static void two_pages(FILE *out)
{
	Postern__AdminAccount a = account(), b = account(), c = account();
	ProtobufCMessage *first[] = {&a.base, &b.base}, *second[] = {&c.base};
	struct show_table t;

	b.address = (char *)(uintptr_t) "b\xc3\xb6@x"; /* four characters, five bytes */
	b.has_size_bytes = false;
	b.last_login_us = 0;
	b.quota_bytes = 0;
	c.address = (char *)(uintptr_t) "somebody.with.a.long.name@example.org";
	c.size_bytes = 1023;
	c.quota_bytes = 11LL << 30;
	show_table_init(&t, out, &postern__admin_account__descriptor,
			"address state size_bytes quota_bytes last_login_us");
	show_table_rows(&t, first, 2);
	show_table_rows(&t, second, 1);
}

TEST(columns_are_aligned_and_grow)
{
	check_printed(two_pages, "address          state   size  quota  last_login\n"
				 "ann@example.org  active  1.5K  16E    2026-11-21 17:53:16\n"
				 "b\xc3\xb6@x             active  -     -      -\n"
				 "somebody.with.a.long.name@example.org  active  1023  11G    "
				 "2026-11-21 17:53:16\n");
}

/* Columns stand as they are named, and the row need not have all of them. */
static void queue_rows(FILE *out)
{
	Postern__AdminQueueItem m[] = {POSTERN__ADMIN_QUEUE_ITEM__INIT,
				       POSTERN__ADMIN_QUEUE_ITEM__INIT};
	ProtobufCMessage *rows[] = {&m[0].base, &m[1].base};
	struct show_table t;

	m[0].id = (char *)(uintptr_t) "0.1";
	m[0].state = POSTERN__QUEUE_STATE__QUEUE_STATE_DOWN;
	m[0].age_s = 59;
	m[1].id = (char *)(uintptr_t) "0.2";
	m[1].age_s = 3 * 86400 + 7200 + 59;
	show_table_init(&t, out, m[0].base.descriptor, "state age_s nothing id");
	show_table_rows(&t, rows, 2);
	m[0].age_s = 61;
	m[1].age_s = 3600;
	show_table_rows(&t, rows, 2);
}

TEST(columns_in_their_order_and_times_in_units)
{
	check_printed(queue_rows, "state  age    id\n"
				  "down   59s    0.1\n"
				  "-      3d 2h  0.2\n"
				  "down   1m 1s  0.1\n"
				  "-      1h 0m  0.2\n");
}

static void no_rows(FILE *out)
{
	struct show_table t;

	show_table_init(&t, out, &postern__admin_domain__descriptor, NULL);
	CHECK(t.n == postern__admin_domain__descriptor.n_fields);
}

TEST(a_table_without_rows_prints_nothing)
{
	check_printed(no_rows, "");
}

static void hostile(FILE *out)
{
	Postern__AdminAuditRecord m = POSTERN__ADMIN_AUDIT_RECORD__INIT;
	ProtobufCMessage *rows[] = {&m.base};
	struct show_table t;

	m.target = (char *)(uintptr_t) "a\x1b[2J\xff\xc2\x9b\nb";
	show_table_init(&t, out, &postern__admin_audit_record__descriptor, "target");
	show_table_rows(&t, rows, 1);
}

TEST(nothing_steers_the_terminal)
{
	check_printed(hostile, "target\na?[2J???b\n");
}

static void lines(FILE *out)
{
	Postern__AdminSetting m = POSTERN__ADMIN_SETTING__INIT;

	m.key = (char *)(uintptr_t) "k";
	m.source = POSTERN__SETTING_SOURCE__SETTING_SOURCE_DEFAULT;
	m.default_ = (char *)(uintptr_t) "50m";
	show_lines(out, &m.base);
}

TEST(one_message_is_lines)
{
	check_printed(lines, "key                  k\nvalue                -\n"
			     "source               default\ndefault              50m\n"
			     "type                 -\nhelp                 -\n");
}

/* A field's name as any of the outputs has it: units are not part of it. */
static slice_t stem(const ProtobufCFieldDescriptor *f)
{
	static const char *const units[] = {"_us", "_s", "_bytes"};
	slice_t name = slice_str(f->name);

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		slice_t unit = slice_str(units[i]);

		if (slice_ends(name, unit))
			return slice_sub(name, 0, name.n - unit.n);
	}
	return name;
}

static void check_stems(const ProtobufCMessageDescriptor *m)
{
	for (unsigned i = 0; i < m->n_fields; i++) {
		for (unsigned j = 0; j < i; j++) {
			check_note("%s: %s, %s", m->name, m->fields[j].name, m->fields[i].name);
			CHECK(!slice_eq(stem(&m->fields[i]), stem(&m->fields[j])));
		}
		if (m->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			check_stems(m->fields[i].descriptor);
	}
}

/* What stands beside a value tells which one it is. */
TEST(no_two_fields_have_one_name)
{
	for (size_t i = 0; ctl_tables[i] != NULL; i++) {
		for (const struct ctl_command *c = ctl_tables[i]; c->noun != NULL; c++) {
			if (c->answer != NULL)
				check_stems(c->answer);
		}
	}
}

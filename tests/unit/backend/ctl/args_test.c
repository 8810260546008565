#include <stdlib.h>

#include "backend/ctl/commands.h"
#include "backend/ctl/connect.h"
#include "proto/admin.pb-c.h"
#include "tests/lib/check.h"

#define WORDS_MAX 16

/* A program that writes to memory. */
struct rig {
	struct ctl c;
	char *err_text, *out_text;
	size_t err_n, out_n;
	struct ctl_args args;
	bool help;
};

static void rig_init(struct rig *r)
{
	*r = (struct rig){0};
	r->c.err = open_memstream(&r->err_text, &r->err_n);
	r->c.out = open_memstream(&r->out_text, &r->out_n);
	arena_init(&r->c.mem, NULL);
}

static void rig_fini(struct rig *r)
{
	fclose(r->c.err);
	fclose(r->c.out);
	xfree(&r->err_text);
	xfree(&r->out_text);
	arena_reset(&r->c.mem);
}

/* What was told so far. */
static slice_t told(struct rig *r)
{
	fflush(r->c.err);
	return slice(r->err_text, r->err_n);
}

/* Words after noun and verb, separated by '|'. */
static int parse(struct rig *r, const char *noun, const char *verb, const char *line)
{
	char *argv[WORDS_MAX];
	slice_t rest = slice_str(line);
	int argc = 0;

	while (rest.n > 0 && argc < WORDS_MAX) {
		size_t n = slice_find_char(rest, '|');

		argv[argc++] = arena_str(&r->c.mem, slice_sub(rest, 0, n));
		rest = slice_from(rest, n + 1);
	}
	return ctl_args_parse(&r->c, ctl_find(noun, verb), argv, argc, &r->args, &r->help);
}

TEST(options_positions_and_flags)
{
	struct rig r;

	rig_init(&r);
	CHECK_INT(parse(&r, "account", "add", "--quota|2g|a@b.example|--random|--name=A B"), EX_OK);
	CHECK_STR(ctl_args_get(&r.args, "ADDRESS"), "a@b.example");
	CHECK_STR(ctl_args_get(&r.args, "--quota"), "2g");
	CHECK_STR(ctl_args_get(&r.args, "--name"), "A B");
	CHECK_STR(ctl_args_get(&r.args, "--random"), "");
	CHECK(ctl_args_get(&r.args, "--password") == NULL);
	CHECK(!r.help);
	rig_fini(&r);
}

TEST(options_of_the_program_stand_anywhere)
{
	struct rig r;

	rig_init(&r);
	CHECK_INT(parse(&r, "domain", "show", "--cluster=f.json|x.example|--json|--address|h:1"),
		  EX_OK);
	CHECK_STR(r.c.target.cluster, "f.json");
	CHECK_STR(r.c.target.address, "h:1");
	CHECK(r.c.json);
	CHECK_STR(ctl_args_get(&r.args, "NAME"), "x.example");
	rig_fini(&r);
}

TEST(two_hyphens_end_options)
{
	struct rig r;

	rig_init(&r);
	CHECK_INT(parse(&r, "setting", "set", "hostname|--|--json"), EX_OK);
	CHECK_STR(ctl_args_get(&r.args, "VALUE"), "--json");
	CHECK(!r.c.json);
	CHECK_INT(parse(&r, "setting", "set", "hostname|-1"), EX_OK);
	CHECK_STR(ctl_args_get(&r.args, "VALUE"), "-1");
	rig_fini(&r);
}

TEST(usage_errors)
{
	static const struct {
		const char *noun, *verb, *line, *say;
	} cases[] = {
		{"domain", "add", "", "NAME is missing"},
		{"domain", "add", "a|b", "b: one argument too many"},
		{"domain", "add", "a|--quotas|1", "--quotas: no such option"},
		{"domain", "add", "a|--quota", "--quota: a value is missing"},
		{"domain", "add", "a|--quota|1|--quota|2", "--quota: given twice"},
		{"domain", "list", "-x", "-x: no such option"},
		{"domain", "list", "--cluster", "--cluster: a value is missing"},
		{"alias", "add", "a@b", "MEMBER is missing"},
		{"queue", "reroute", "--all", "--via is missing"},
		{"queue", "show", "", "ID is missing"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig r;

		check_note("%s %s %s", cases[i].noun, cases[i].verb, cases[i].line);
		rig_init(&r);
		CHECK_INT(parse(&r, cases[i].noun, cases[i].verb, cases[i].line), EX_USAGE);
		CHECK(slice_find(told(&r), slice_str(cases[i].say)) < told(&r).n);
		rig_fini(&r);
	}
}

TEST(help_needs_nothing_else)
{
	struct rig r;

	rig_init(&r);
	CHECK_INT(parse(&r, "domain", "add", "--help"), EX_OK);
	CHECK(r.help);
	ctl_help(r.c.out, ctl_tables, "domain", ctl_find("domain", "add"));
	fflush(r.c.out);
	CHECK(slice_starts(slice(r.out_text, r.out_n),
			   SL("usage: postern domain add NAME [--kind ")));
	rig_fini(&r);
}

/* ---- requests ---- */

TEST(arguments_fill_the_request)
{
	Postern__AdminAccountAdd m = POSTERN__ADMIN_ACCOUNT_ADD__INIT;
	Postern__AdminDomainAdd dm = POSTERN__ADMIN_DOMAIN_ADD__INIT;
	Postern__AdminAliasSpec al = POSTERN__ADMIN_ALIAS_SPEC__INIT;
	struct rig r;

	rig_init(&r);
	REQUIRE(parse(&r, "account", "add", "a@b|--quota|2g|--quota-items|7|--partition|3") ==
		EX_OK);
	CHECK_INT(ctl_args_fill(&r.c, &r.args, &m.base), EX_OK);
	CHECK_STR(m.address, "a@b");
	CHECK(m.has_quota_bytes && m.has_partition);
	CHECK_INT(m.quota_bytes, 2LL << 30);
	CHECK_INT(m.quota_items, 7);
	CHECK_INT(m.partition, 3);
	REQUIRE(parse(&r, "domain", "add", "b|--kind|Remote") == EX_OK);
	CHECK_INT(ctl_args_fill(&r.c, &r.args, &dm.base), EX_OK);
	CHECK_INT(dm.kind, POSTERN__DOMAIN_KIND__DOMAIN_KIND_REMOTE);
	REQUIRE(parse(&r, "alias", "add", "a@b|c@d|--group|e@f") == EX_OK);
	CHECK_INT(ctl_args_fill(&r.c, &r.args, &al.base), EX_OK);
	CHECK(al.group);
	CHECK_INT(al.n_members, 2);
	CHECK_STR(al.members[0], "c@d");
	CHECK_STR(al.members[1], "e@f");
	rig_fini(&r);
}

static Postern__AdminQueueList filter_of(struct rig *r, const char *line)
{
	Postern__AdminQueueList m = POSTERN__ADMIN_QUEUE_LIST__INIT;

	CHECK_INT(parse(r, "queue", "hold", line), EX_OK);
	CHECK_INT(ctl_args_fill(&r->c, &r->args, &m.base), EX_OK);
	return m;
}

TEST(a_filter_of_the_queue)
{
	Postern__AdminQueueList m;
	struct rig r;

	rig_init(&r);
	m = filter_of(&r, "--sender|@a.test|--state|held|--older|2h|--larger|1m|--limit|5");
	CHECK_STR(m.sender, "@a.test");
	CHECK_INT(m.state, POSTERN__QUEUE_STATE__QUEUE_STATE_HELD);
	CHECK_INT(m.older_s, 7200);
	CHECK_INT(m.larger_bytes, 1 << 20);
	CHECK_INT(m.limit, 5);
	CHECK(m.has_sender && m.has_older_s && m.has_larger_bytes && m.has_limit);
	CHECK(!m.has_id && !m.has_to && !m.has_destination && !m.has_trace && !m.has_server);
	m = filter_of(&r, "--id||--to||--destination||--trace||--server||--sender||--all");
	CHECK(m.has_id && m.has_to && m.has_destination && m.has_trace && m.has_server);
	CHECK(m.has_sender);
	m = filter_of(&r, "--older|0|--larger|0|--limit|none");
	CHECK(m.has_older_s && m.has_larger_bytes && m.has_limit);
	CHECK_INT(filter_of(&r, "--older|90").older_s, 90);
	CHECK_INT(filter_of(&r, "--older|3d|--all").older_s, 3 * 86400);
	rig_fini(&r);
}

/* As it is shown, in any case; not the end of a word, and not more than it. */
TEST(words_are_whole)
{
	static const struct {
		const char *line;
		int status;
	} cases[] = {
		{"--state|HELD", EX_OK},          {"--state|held", EX_OK},
		{"--state|STATE_HELD", EX_USAGE}, {"--state|queue_state_held", EX_USAGE},
		{"--state||--count", EX_USAGE},   {"--state|eld", EX_USAGE},
		{"--state|none", EX_USAGE},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Postern__AdminQueueList m = POSTERN__ADMIN_QUEUE_LIST__INIT;
		struct rig r;

		check_note("%s", cases[i].line);
		rig_init(&r);
		CHECK_INT(parse(&r, "queue", "list", cases[i].line), EX_OK);
		CHECK_INT(ctl_args_fill(&r.c, &r.args, &m.base), cases[i].status);
		rig_fini(&r);
	}
}

/* A filter, or all; never both, never neither. */
TEST(an_order_says_whom_it_means)
{
	static const struct {
		const char *verb, *line;
		int status;
	} cases[] = {
		{"hold", "", EX_USAGE},
		{"hold", "--limit|5", EX_USAGE},
		{"hold", "--reason|x", EX_USAGE},
		{"hold", "--all", EX_OK},
		{"hold", "--all|--reason|x|--limit|3", EX_OK},
		{"hold", "--all|--to|a@b", EX_USAGE},
		{"hold", "--to|a@b", EX_OK},
		{"reroute", "--via|x", EX_USAGE},
		{"reroute", "--via|x|--id|0.1", EX_OK},
		{"requeue", "", EX_USAGE},
		{"requeue", "--state|bad", EX_OK},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool done = false;
		struct rig r;

		check_note("%s %s", cases[i].verb, cases[i].line);
		rig_init(&r);
		CHECK_INT(parse(&r, "queue", cases[i].verb, cases[i].line), EX_OK);
		CHECK_INT(queue_edit_prepare(&r.c, &r.args, &done), cases[i].status);
		rig_fini(&r);
	}
}

TEST(what_is_absent_stays_absent)
{
	Postern__AdminDomainEdit m = POSTERN__ADMIN_DOMAIN_EDIT__INIT;
	struct rig r;

	rig_init(&r);
	REQUIRE(parse(&r, "domain", "edit", "b|--accounts-max|none") == EX_OK);
	CHECK_INT(ctl_args_fill(&r.c, &r.args, &m.base), EX_OK);
	CHECK(m.has_accounts_max && !m.has_catch_all && !m.has_quota_bytes);
	CHECK_INT(m.accounts_max, 0);
	rig_fini(&r);
}

TEST(numbers_are_checked)
{
	static const char *const bad[] = {"",
					  "x",
					  "-1",
					  "1x",
					  "1.5",
					  "18446744073709551615",
					  "18446744073709551616",
					  "99999999999g"};
	Postern__AdminAccountQuota m = POSTERN__ADMIN_ACCOUNT_QUOTA__INIT;
	struct arena mem;
	struct diag d = {""};

	arena_init(&mem, NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("%s", bad[i]);
		CHECK_ERR(ctl_fill_field(&mem, &m.base, "quota_bytes", slice_str(bad[i]), &d),
			  E_INVALID);
		CHECK(!m.has_quota_bytes);
	}
	CHECK_ERR(ctl_fill_field(&mem, &m.base, "quota_items", SL("1k"), &d), E_INVALID);
	CHECK_ERR(ctl_fill_field(&mem, &m.base, "quota_bytes", SL("default"), &d), E_OK);
	CHECK(m.quota_bytes == UINT64_MAX);
	arena_reset(&mem);
}

/* ---- the table ---- */

static void check_args(const struct ctl_command *cmd)
{
	bool many = false;

	for (const struct ctl_arg *a = cmd->args; a->name != NULL; a++) {
		bool option = a->name[0] == '-';

		check_note("%s %s %s", cmd->noun, cmd->verb, a->name);
		CHECK(a->help != NULL && a->help[0] != '\0');
		CHECK(option || a->value == NULL);
		CHECK(!many || option); /* nothing could follow it */
		many = many || (!option && (a->flags & ARG_MANY) != 0);
		if (a->field != NULL && cmd->request != NULL)
			CHECK(protobuf_c_message_descriptor_get_field_by_name(cmd->request,
									      a->field) != NULL);
	}
}

TEST(what_the_command_asks_for_may_be_missing_at_a_terminal)
{
	struct rig r;

	rig_init(&r);
	CHECK_INT(parse(&r, "server", "add", "name"), EX_USAGE);
	CHECK(slice_starts(told(&r), SL("postern: --listen is missing")));
	r.c.at_terminal = true;
	CHECK_INT(parse(&r, "server", "add", "name"), EX_OK);
	CHECK_INT(parse(&r, "server", "add", ""), EX_OK);
	CHECK_INT(parse(&r, "server", "remove", ""), EX_USAGE);
	rig_fini(&r);
}

TEST(every_row_of_the_table_holds_together)
{
	for (const struct ctl_command *const *t = ctl_tables; *t != NULL; t++) {
		for (const struct ctl_command *cmd = *t; cmd->noun != NULL; cmd++) {
			check_note("%s %s", cmd->noun, cmd->verb);
			CHECK(ctl_find(cmd->noun, cmd->verb) == cmd);
			CHECK(ctl_is_noun(cmd->noun));
			CHECK(cmd->run != NULL || cmd->request != NULL || cmd->prepare != NULL);
			CHECK((cmd->kind == ANSWER_NONE) == (cmd->answer == NULL));
			check_args(cmd);
		}
	}
	CHECK(ctl_find("domain", "nonsense") == NULL);
	CHECK(!ctl_is_noun("nonsense"));
}

/* ---- statuses and files ---- */

TEST(exit_statuses)
{
	CHECK_INT(ctl_status(E_OK), 0);
	CHECK_INT(ctl_status(E_INVALID), 65);
	CHECK_INT(ctl_status(E_EXISTS), 65);
	CHECK_INT(ctl_status(E_NOT_FOUND), 67);
	CHECK_INT(ctl_status(E_CLOSED), 69);
	CHECK_INT(ctl_status(E_RETRY), 75);
	CHECK_INT(ctl_status(E_BUSY), 75);
	CHECK_INT(ctl_status(E_TIMEOUT), 75);
	CHECK_INT(ctl_status(E_DENIED), 77);
	CHECK_INT(ctl_status(E_INTERNAL), 70);
}

static const char *file_with(struct rig *r, const char *text)
{
	char path[4200];
	FILE *f;

	snprintf(path, sizeof path, "%s/file", check_tmpdir());
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	return arena_str(&r->c.mem, slice_str(path));
}

TEST(files_are_read_up_to_their_limit)
{
	struct diag d = {""};
	struct rig r;
	slice_t got;

	rig_init(&r);
	REQUIRE(ctl_read_file(&r.c, file_with(&r, "0123456789"), 10, &got, &d) == E_OK);
	CHECK_SLICE(got, SL("0123456789"));
	CHECK_ERR(ctl_read_file(&r.c, file_with(&r, "0123456789a"), 10, &got, &d), E_TOO_BIG);
	CHECK_ERR(ctl_read_file(&r.c, "/nonexistent", 10, &got, &d), E_NOT_FOUND);
	REQUIRE(ctl_read_file(&r.c, file_with(&r, ""), 10, &got, &d) == E_OK);
	CHECK_INT(got.n, 0);
	rig_fini(&r);
}

TEST(the_cluster_file_gives_what_is_missing)
{
	struct rig r;

	unsetenv("POSTERN_CLUSTER");
	rig_init(&r);
	CHECK_INT(ctl_target_resolve(&r.c), EX_USAGE);
	r.c.target.cluster = file_with(&r, "{\"ca\": \"c\", \"admin\": {\"address\": \"a:1\", "
					   "\"cert\": \"x\", \"key\": \"y\"}}");
	r.c.target.key = "mine";
	CHECK_INT(ctl_target_resolve(&r.c), EX_OK);
	CHECK_STR(r.c.target.address, "a:1");
	CHECK_STR(r.c.target.cert, "x");
	CHECK_STR(r.c.target.key, "mine");
	CHECK_STR(r.c.target.ca, "c");
	r.c.target = (struct ctl_target){.cluster = file_with(&r, "{\"ca\": 5}")};
	CHECK_INT(ctl_target_resolve(&r.c), EX_CONFIG);
	r.c.target = (struct ctl_target){.cluster = file_with(&r, "[")};
	CHECK_INT(ctl_target_resolve(&r.c), EX_CONFIG);
	rig_fini(&r);
}

#define OTHERS_HEAD \
	"{\"ca\": \"c\", \"admin\": {\"address\": \"10.0.0.1:7\", \"cert\": \"x\", " \
	"\"key\": \"y\"}, \"backends\": ["

TEST(the_cluster_file_gives_other_back_ends)
{
	static const char file[] =
		OTHERS_HEAD "{\"host\": \"10.0.0.1\", \"ports\": {\"admin\": 7}}, "
			    "{\"host\": \"10.0.0.2\", \"ports\": {\"admin\": 7}}, "
			    "{\"host\": \"10.0.0.3\", \"ports\": {\"rpc\": 7}}, "
			    "{\"host\": \"10.0.0.3\", \"ports\": {\"admin\": 65536}}, "
			    "{\"host\": \"a.name\", \"ports\": {\"admin\": 7}}, "
			    "{\"host\": \"fe80::1\", \"ports\": {\"admin\": 65535}}, "
			    "{\"host\": 5}, \"x\", {}]}";
	struct rig r;

	rig_init(&r);
	r.c.target.cluster = file_with(&r, file);
	CHECK_INT(ctl_target_resolve(&r.c), EX_OK);
	REQUIRE(r.c.target.nothers == 2);
	CHECK_STR(r.c.target.others[0], "10.0.0.2:7");
	CHECK_STR(r.c.target.others[1], "[fe80::1]:65535");
	r.c.target = (struct ctl_target){.cluster = r.c.target.cluster, .address = "10.0.0.9:7"};
	CHECK_INT(ctl_target_resolve(&r.c), EX_OK);
	CHECK_INT(r.c.target.nothers, 0);
	rig_fini(&r);
}

TEST(other_back_ends_have_a_limit)
{
	for (unsigned n = CTL_OTHERS_MAX; n <= CTL_OTHERS_MAX + 1; n++) {
		struct rig r;
		struct buf b;

		rig_init(&r);
		buf_init(&b, 65536, NULL);
		buf_puts(&b, OTHERS_HEAD);
		for (unsigned i = 0; i < n; i++)
			buf_printf(&b, "%s{\"host\": \"10.0.1.%u\", \"ports\": {\"admin\": 7}}",
				   i == 0 ? "" : ", ", i);
		buf_puts(&b, "]}");
		buf_putc(&b, '\0');
		r.c.target.cluster = file_with(&r, b.p);
		CHECK_INT(ctl_target_resolve(&r.c), EX_OK);
		CHECK_INT(r.c.target.nothers, CTL_OTHERS_MAX);
		buf_fini(&b);
		rig_fini(&r);
	}
}

#include "frontend/core/cmd.h"

#include "tests/lib/check.h"

static const struct cmd_def table[] = {
	{.name = "NOOP", .states = 3},
	{.name = "AUTH", .states = 2, .flags = CMD_NEEDS_TLS | CMD_NEEDS_NO_AUTH | CMD_SECRET},
	{.name = "MAIL", .states = 2, .flags = CMD_NEEDS_TLS | CMD_NEEDS_AUTH},
	{.name = "STARTTLS", .states = 2, .flags = CMD_NEEDS_CLEAR | CMD_NO_ARGS},
};

static const struct cmd_def *find(const char *name)
{
	return cmd_find(table, ARRAY_LEN(table), slice_str(name));
}

TEST(cmd_find_any_case)
{
	CHECK(find("NOOP") == &table[0]);
	CHECK(find("nOOp") == &table[0]);
	CHECK(find("starttls") == &table[3]);
	CHECK(find("NOO") == NULL);
	CHECK(find("NOOPS") == NULL);
	CHECK(find("") == NULL);
}

TEST(cmd_check_in_order)
{
	struct cmd_where clear = {.state = 2}, start = {.state = 1, .tls = true, .authed = true},
			 tls = {.state = 2, .tls = true},
			 in = {.state = 2, .tls = true, .authed = true};

	CHECK_INT(cmd_check(find("MAIL"), &clear, SLICE_NONE), CMD_TLS_FIRST);
	CHECK_INT(cmd_check(find("MAIL"), &tls, SLICE_NONE), CMD_AUTH_FIRST);
	CHECK_INT(cmd_check(find("MAIL"), &start, SLICE_NONE), CMD_WRONG_STATE);
	CHECK_INT(cmd_check(find("MAIL"), &in, SLICE_NONE), CMD_OK);
	CHECK_INT(cmd_check(find("AUTH"), &in, SLICE_NONE), CMD_AUTH_ALREADY);
	CHECK_INT(cmd_check(find("STARTTLS"), &tls, SLICE_NONE), CMD_TLS_ALREADY);
	CHECK_INT(cmd_check(find("STARTTLS"), &clear, SL("x")), CMD_BAD_ARGS);
	CHECK_INT(cmd_check(find("NOOP"), &clear, SL("x")), CMD_OK);
}

TEST(cmd_split_and_log)
{
	slice_t name, args;

	cmd_split(SL("MAIL  FROM:<> "), &name, &args);
	CHECK_SLICE(name, SL("MAIL"));
	CHECK_SLICE(args, SL("FROM:<>"));
	cmd_split(SL("QUIT"), &name, &args);
	CHECK_SLICE(name, SL("QUIT"));
	CHECK_INT(args.n, 0);
	CHECK_SLICE(cmd_loggable(find("AUTH"), SL("AUTH PLAIN c2VjcmV0")), SL("AUTH"));
	CHECK_SLICE(cmd_loggable(NULL, SL("hunter2 secret")), SL("hunter2"));
	CHECK_SLICE(cmd_loggable(find("MAIL"), SL("MAIL FROM:<a@b>")), SL("MAIL FROM:<a@b>"));
}

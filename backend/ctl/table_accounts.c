/* Commands about domains, accounts, aliases, and who is logged in. */
#include "backend/ctl/table_priv.h"

#define SENDERS_ARG \
	{ \
		"--send-as", "WHO", "send_as", 0, \
			"who of them may: auto (whom an alias leads to alone), members, nobody" \
	}

static const struct ctl_arg alias_add_args[] = {
	{"ADDRESS", NULL, "address", ARG_REQUIRED, "in a local domain"},
	{"MEMBER", NULL, "members", ARG_REQUIRED | ARG_MANY, "addresses, here or outside"},
	{"--group", NULL, "group", 0, "a group: its members may not send as it, unless it says so"},
	SENDERS_ARG,
	{0},
};

static const struct ctl_arg alias_set_args[] = {
	{"ADDRESS", NULL, "address", ARG_REQUIRED, "of the alias or group"},
	{"MEMBER", NULL, "members", ARG_MANY, "addresses, here or outside; none: as they are"},
	SENDERS_ARG,
	{0},
};

static const struct ctl_arg alias_list_args[] = {
	{"--domain", "DOMAIN", "domain", 0, "only this one's"},
	{0},
};

static const struct ctl_arg alias_name_args[] = {
	{"ADDRESS", NULL, "address", ARG_REQUIRED, "of the alias or group"},
	{0},
};

static const struct ctl_arg session_list_args[] = {
	{"--account", "ADDRESS", "account", 0, "only this one's"},
	{0},
};

static const struct ctl_arg session_kill_args[] = {
	{"ID", NULL, "id", 0, "as `session list` shows it"},
	{"--account", "ADDRESS", "account", 0, "all of this account"},
	{0},
};

static const struct ctl_arg domain_add_args[] = {
	{"NAME", NULL, "name", ARG_REQUIRED, "example.org"},
	{"--kind", "local|alias|remote", "kind", 0,
	 "local: accounts here (default); alias: another name of a domain; remote: taken and "
	 "passed on"},
	{"--target", "DOMAIN", "target", 0, "of an alias domain"},
	{"--catch-all", "ADDRESS", "catch_all", ARG_NONE, "gets what has no address of its own"},
	{"--accounts-max", "N", "accounts_max", 0, "how many accounts it may have"},
	{"--quota", "BYTES", "quota_bytes", 0, "of new accounts that name none; 500m, 2g"},
	{0},
};

static const struct ctl_arg domain_edit_args[] = {
	{"NAME", NULL, "name", ARG_REQUIRED, "of a local domain"},
	{"--catch-all", "ADDRESS", "catch_all", ARG_NONE,
	 "gets what has no address of its own, or none"},
	{"--accounts-max", "N", "accounts_max", 0, "how many accounts it may have, or none"},
	{"--quota", "BYTES", "quota_bytes", 0, "of new accounts that name none; 500m, 2g, none"},
	{"--mta-sts", "none|testing|enforce", "mta_sts", ARG_NONE,
	 "what its policy says: others verify our servers"},
	{"--mta-sts-max-age", "TIME", "mta_sts_age_s", 0, "for how long others may believe it; 7d"},
	{0},
};

static const struct ctl_arg domain_name_args[] = {
	{"NAME", NULL, "name", ARG_REQUIRED, "the domain"},
	{0},
};

#define PASSWORD_ARGS \
	{"--password", "PASSWORD", NULL, 0, "in clear: other users of this machine may see it"}, \
		{"--password-stdin", NULL, NULL, 0, "from the first line of standard input"}, \
		{"--password-file", "FILE", NULL, 0, "from the first line of a file"}, \
	{ \
		"--random", NULL, NULL, 0, "draws one and prints it" \
	}

static const struct ctl_arg account_add_args[] = {
	{"ADDRESS", NULL, "address", ARG_REQUIRED, "user@domain"},
	PASSWORD_ARGS,
	{"--no-password", NULL, NULL, 0, "nobody can log in yet"},
	{"--name", "TEXT", "display_name", 0, "the person's name"},
	{"--quota", "BYTES", "quota_bytes", 0, "2g, none, default (of the domain)"},
	{"--quota-items", "N", "quota_items", 0, "how many messages; default: any number"},
	{"--partition", "N", "partition", 0, "where it lives; default: chosen evenly"},
	{0},
};

static const struct ctl_arg account_passwd_args[] = {
	{"ADDRESS", NULL, "address", ARG_REQUIRED, "user@domain"},
	PASSWORD_ARGS,
	{0},
};

static const struct ctl_arg account_list_args[] = {
	{"--domain", "DOMAIN", "domain", 0, "only this one's"},
	{"--match", "TEXT", "match", 0, "only those with this text in address or name"},
	{"--state", "STATE", "state", 0, "active, locked or held"},
	{"--sort", "KEY", NULL, 0, "name; or size, items, last-login: the most first"},
	{0},
};

static const struct ctl_arg account_name_args[] = {
	{"ADDRESS", NULL, "address", ARG_REQUIRED, "user@domain"},
	{0},
};

static const struct ctl_arg account_quota_args[] = {
	{"ADDRESS", NULL, "address", ARG_REQUIRED, "user@domain"},
	{"BYTES", NULL, "quota_bytes", 0, "500m, 2g, none, default (of the domain)"},
	{"--items", "N", "quota_items", 0, "how many messages, or none"},
	{0},
};

static const struct ctl_arg account_limit_args[] = {
	{"ADDRESS", NULL, "address", ARG_REQUIRED, "user@domain"},
	{"--messages-minute", "N", "messages_minute", 0, "it may submit; N, none or default"},
	{"--messages-hour", "N", "messages_hour", 0, "the same in an hour"},
	{"--messages-day", "N", "messages_day", 0, "... in a day"},
	{"--recipients-hour", "N", "recipients_hour", 0, "all recipients of its messages"},
	{"--recipients-day", "N", "recipients_day", 0, "... in a day"},
	{"--burst", "N", "burst", 0, "recipients elsewhere in ten minutes that hold it"},
	{"--default", NULL, "default", 0, "what is not given is as the settings say"},
	{0},
};

static const struct ctl_arg account_hold_args[] = {
	{"ADDRESS", NULL, "address", ARG_REQUIRED, "user@domain"},
	{"--why", "TEXT", "why", 0, "for whoever looks at it"},
	{0},
};

static const struct ctl_arg account_grant_args[] = {
	{"ADDRESS", NULL, "address", ARG_REQUIRED, "whose addresses they are"},
	{"--send-as", "USER", "send_as", 0, "may send as it: in From alone"},
	{"--on-behalf", "USER", "on_behalf", 0, "may, with an address of its own in Sender"},
	{0},
};

static const struct ctl_arg account_revoke_args[] = {
	{"ADDRESS", NULL, "address", ARG_REQUIRED, "whose addresses they are"},
	{"USER", NULL, "user", ARG_REQUIRED, "may not any more, at once"},
	{0},
};

static const struct ctl_arg account_import_args[] = {
	{"FILE", NULL, NULL, ARG_REQUIRED,
	 "lines address,password[,quota[,partition]]; -: standard input"},
	{0},
};

const struct ctl_command ctl_table_accounts[] = {
	{"domain", "add", "Adds a domain", domain_add_args, METHOD(DOMAIN_ADD), REQUEST(domain_add),
	 DONE},
	{"domain", "list", "Lists domains", ctl_no_args, METHOD(DOMAIN_LIST), REQUEST(domain_list),
	 ROWS(domain),
	 .columns = "name kind target catch_all accounts addresses accounts_max quota_bytes "
		    "mta_sts"},
	{"domain", "show", "Shows a domain", domain_name_args, METHOD(DOMAIN_SHOW),
	 REQUEST(domain_name), ONE(domain)},
	{"domain", "edit", "Changes limits, catch-all and MTA-STS of a local domain",
	 domain_edit_args, METHOD(DOMAIN_EDIT), REQUEST(domain_edit), DONE,
	 .prepare = change_prepare},
	{"domain", "remove", "Removes a domain that has neither accounts nor addresses",
	 domain_name_args, METHOD(DOMAIN_REMOVE), REQUEST(domain_name), DONE},
	{"account", "add", "Adds an account", account_add_args, METHOD(ACCOUNT_ADD),
	 REQUEST(account_add), .prepare = account_password_prepare, .run = account_add_run},
	{"account", "list", "Lists accounts", account_list_args, METHOD(ACCOUNT_LIST),
	 REQUEST(account_list), ROWS(account),
	 .columns = "address state size_bytes items quota_bytes last_login_us last_login_from",
	 .prepare = account_list_prepare, .run = account_list_run},
	{"account", "show", "Shows an account", account_name_args, METHOD(ACCOUNT_SHOW),
	 REQUEST(account_name), ONE(account)},
	{"account", "lock", "Ends its sessions and refuses log-ins; its mail still arrives",
	 account_name_args, METHOD(ACCOUNT_LOCK), REQUEST(account_name), DONE},
	{"account", "unlock", "Allows log-ins again", account_name_args, METHOD(ACCOUNT_UNLOCK),
	 REQUEST(account_name), DONE},
	{"account", "passwd", "Sets the password, and ends its sessions", account_passwd_args,
	 METHOD(ACCOUNT_PASSWD), REQUEST(account_password), .prepare = account_password_prepare,
	 .run = account_passwd_run},
	{"account", "quota", "Sets its limits; what is not given stays", account_quota_args,
	 METHOD(ACCOUNT_QUOTA), REQUEST(account_quota), DONE, .prepare = change_prepare},
	{"account", "limit", "Sets how much it may send; what is not given stays",
	 account_limit_args, METHOD(ACCOUNT_LIMIT), REQUEST(account_limit), DONE,
	 .prepare = change_prepare},
	{"account", "hold", "Keeps its mail to other systems back, until it is released",
	 account_hold_args, METHOD(ACCOUNT_HOLD), REQUEST(account_hold), DONE},
	{"account", "release", "Lets the mail of a held account go", account_name_args,
	 METHOD(ACCOUNT_RELEASE), REQUEST(account_name), DONE},
	{"account", "grant", "Lets another account send with its addresses", account_grant_args,
	 METHOD(ACCOUNT_GRANT), REQUEST(account_grant), DONE, .prepare = change_prepare},
	{"account", "revoke", "Takes that right away", account_revoke_args, METHOD(ACCOUNT_REVOKE),
	 REQUEST(account_revoke), DONE},
	{"account", "remove", "Removes an account and its mail", account_name_args,
	 METHOD(ACCOUNT_REMOVE), REQUEST(account_name), DONE},
	{"account", "import", "Adds many accounts", account_import_args, METHOD(ACCOUNT_ADD),
	 REQUEST(account_add), .prepare = account_import_prepare, .run = account_import_run},
	{"alias", "add", "Adds an alias or a group", alias_add_args, METHOD(ALIAS_ADD),
	 REQUEST(alias_spec), DONE},
	{"alias", "list", "Lists aliases and groups", alias_list_args, METHOD(ALIAS_LIST),
	 REQUEST(alias_list), ROWS(alias),
	 .columns = "address kind enabled send_as member_count members"},
	{"alias", "show", "Shows all members", alias_name_args, METHOD(ALIAS_SHOW),
	 REQUEST(alias_name), ONE(alias)},
	{"alias", "set", "Replaces the members, or who may send as it", alias_set_args,
	 METHOD(ALIAS_SET), REQUEST(alias_spec), DONE, .prepare = change_prepare},
	{"alias", "remove", "Removes it", alias_name_args, METHOD(ALIAS_REMOVE),
	 REQUEST(alias_name), DONE},
	{"alias", "on", "Switches it on again", alias_name_args, METHOD(ALIAS_ON),
	 REQUEST(alias_name), DONE},
	{"alias", "off", "Switches it off: there is no such address then", alias_name_args,
	 METHOD(ALIAS_OFF), REQUEST(alias_name), DONE},
	{"session", "list", "Lists who is logged in", session_list_args, METHOD(SESSION_LIST),
	 REQUEST(session_list), ROWS(session)},
	{"session", "kill", "Ends a session, or all of an account", session_kill_args,
	 METHOD(SESSION_KILL), REQUEST(session_kill), ONE(session_killed),
	 .prepare = session_kill_prepare},
	{0},
};

#include "backend/ctl/commands.h"

#include "proto/admin.pb-c.h"
#include "proto/method.pb-c.h"

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

static const struct ctl_arg setting_list_args[] = {
	{"--changed", NULL, "changed", 0, "only those that are not at their default"},
	{0},
};

static const struct ctl_arg setting_set_args[] = {
	{"KEY", NULL, "key", ARG_REQUIRED, "as `setting list` shows it"},
	{"VALUE", NULL, "value", ARG_REQUIRED, "takes effect at once, everywhere"},
	{0},
};

static const struct ctl_arg setting_name_args[] = {
	{"KEY", NULL, "key", ARG_REQUIRED, "as `setting list` shows it"},
	{0},
};

static const struct ctl_arg fsck_args[] = {
	{"--backend", "NAME", "backend", 0, "only this one's partitions"},
	{"--quick", NULL, "quick", 0, "without the checksums of stored messages"},
	{0},
};

static const struct ctl_arg pki_revoke_args[] = {
	{"WHAT", NULL, "what", ARG_REQUIRED,
	 "a serial, or an identity: all its valid certificates; frontend/NAME: all its services'"},
	{0},
};

static const struct ctl_arg audit_list_args[] = {
	{"--limit", "N", "limit", 0, "so many records, the newest; default: 50; 0: all"},
	{"--before", "ID", "before", 0, "older than this record"},
	{0},
};

static const struct ctl_arg pki_init_args[] = {
	{"--dir", "DIR", NULL, ARG_REQUIRED, "made if it is not there; gets ca.pem and ca.key"},
	{"--name", "NAME", NULL, 0, "of the CA; default: Postern cluster CA"},
	{"--days", "N", NULL, 0, "how long it is valid; default: 7300"},
	{0},
};

static const struct ctl_arg pki_issue_args[] = {
	{"--dir", "DIR", NULL, ARG_REQUIRED, "has ca.pem and ca.key"},
	{"--out", "BASE", NULL, ARG_REQUIRED, "writes BASE.pem and BASE.key"},
	{"--days", "N", NULL, 0, "how long it is valid; default: 1095"},
	{"IDENTITY", NULL, NULL, ARG_REQUIRED,
	 "frontend/NAME/SERVICE, backend/NAME, admin/NAME or operator/NAME"},
	{0},
};

/* Of every verb of the queue but show. */
#define FILTER_ARGS \
	{"--sender", "ADDRESS|@DOMAIN", "sender", 0, "from there; <>: notices and the like"}, \
		{"--to", "ADDRESS|@DOMAIN", "to", 0, "for them"}, \
		{"--destination", "NAME", "destination", 0, \
		 "that goes there: a domain, or a route as `queue list` shows it"}, \
		{"--state", "STATE", "state", 0, \
		 "ready, waiting, leased, held, paced, down; or of the kind inside, notice, bad"}, \
		{"--id", "ID", "id", 0, "this one, as `queue list` shows it"}, \
		{"--trace", "HEX", "trace", 0, "of one message, as the log has it"}, \
		{"--server", "NAME", "server", 0, "that this virtual server took"}, \
		{"--older", "TIME", "older_s", 0, "queued so long ago; 2h, 3d"}, \
		{"--larger", "BYTES", "larger_bytes", 0, "whose message is larger; 1m"}, \
	{ \
		"--limit", "N", "limit", 0, "so many at each back-end, the oldest first" \
	}

static const struct ctl_arg queue_list_args[] = {
	FILTER_ARGS,
	{"--count", NULL, NULL, 0, "only how many, by state"},
	{"--summary", NULL, NULL, 0, "only how many, by destination and by sender"},
	{0},
};

static const struct ctl_arg queue_show_args[] = {
	{"ID", NULL, "id", ARG_REQUIRED, "as `queue list` shows it"},
	{0},
};

static const struct ctl_arg queue_edit_args[] = {
	FILTER_ARGS,
	{"--all", NULL, NULL, 0, "instead of a condition"},
	{"--reason", "TEXT", NULL, 0, "for log and audit; of bounce for the sender, too"},
	{0},
};

static const struct ctl_arg queue_reroute_args[] = {
	{"--via", "HOST[:PORT]|none", NULL, ARG_REQUIRED,
	 "this host instead of the domain's; none: the domain's again"},
	FILTER_ARGS,
	{"--all", NULL, NULL, 0, "instead of a condition"},
	{"--reason", "TEXT", NULL, 0, "for log and audit"},
	{0},
};

static const struct ctl_arg no_args[] = {{0}};

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

static const struct ctl_arg dkim_add_args[] = {
	{"DOMAIN", NULL, "domain", ARG_REQUIRED, "whose mail it signs"},
	{"--selector", "NAME", "selector", 0, "of one key, with --algorithm; default: by date"},
	{"--algorithm", "rsa|ed25519", "algorithm", 0, "default: a key of each"},
	{0},
};

static const struct ctl_arg dkim_list_args[] = {
	{"DOMAIN", NULL, "domain", 0, "only this one's"},
	{0},
};

static const struct ctl_arg dkim_show_args[] = {
	{"DOMAIN", NULL, "domain", ARG_REQUIRED, "whose records they are"},
	{0},
};

static const struct ctl_arg dkim_activate_args[] = {
	{"DOMAIN", NULL, "domain", ARG_REQUIRED, "of the keys"},
	{"SELECTOR", NULL, "selector", 0, "of one key; default: all that were never active"},
	{"--force", NULL, "force", 0, "whether its record is in DNS or not"},
	{0},
};

static const struct ctl_arg dns_show_args[] = {
	{"DOMAIN", NULL, "domain", ARG_REQUIRED, "whose records they are"},
	{0},
};

static const struct ctl_arg dkim_name_args[] = {
	{"DOMAIN", NULL, "domain", ARG_REQUIRED, "of the key"},
	{"SELECTOR", NULL, "selector", ARG_REQUIRED, "as `dkim list` shows it"},
	{0},
};

static const struct ctl_arg tls_set_args[] = {
	{"DESTINATION", NULL, "destination", ARG_REQUIRED,
	 "a domain; .suffix: all below it; [host] or [host]:port; '*': all others"},
	{"LEVEL", NULL, "level", ARG_REQUIRED,
	 "none, may, encrypt, verify, dane, dane-only or pinned"},
	{"--name", "NAME", "names", ARG_MANY,
	 "verify: a name of the certificate; .NAME: any below it; default: the destination's own"},
	{"--fingerprint", "HEX", "fingerprints", ARG_MANY,
	 "pinned: SHA-256 of the certificate, or of its public key"},
	{0},
};

static const struct ctl_arg tls_name_args[] = {
	{"DESTINATION", NULL, "destination", ARG_REQUIRED, "as `tls-policy list` shows it"},
	{0},
};

static const struct ctl_arg tls_report_show_args[] = {
	{"DOMAIN", NULL, "domain", ARG_REQUIRED, "as `tls-report list` shows it"},
	{0},
};

static const struct ctl_arg tls_report_send_args[] = {
	{"DOMAIN", NULL, "domain", 0, "only this one's"},
	{0},
};

#define ROUTE_FOR \
	{"DOMAIN", NULL, "domain", ARG_REQUIRED, "of recipients: example.org, .example.org, *"}, \
	{ \
		"--sender", "SENDER", "sender", 0, "only mail from: @example.org, or an address" \
	}
#define ROUTE_HOW \
	{"--tls", "never|may|encrypt|verify|dane", "tls", 0, "what TLS must give"}, \
		{"--user", "NAME", "user", ARG_NONE, "logs in; under TLS, to a verified name"}, \
		{"--password", "PASSWORD", NULL, 0, "in clear: others here may see it"}, \
		{"--password-stdin", NULL, NULL, 0, "from the first line of standard input"}, \
		{"--password-file", "FILE", NULL, 0, "from the first line of a file"}, \
		{"--first", "direct|relay", "first", 0, \
		 "direct: the relay only when that fails for now"}, \
		{"--connections", "N", "connections", 0, "at once to it, or none: as to others"}, \
		{"--helo", "NAME", "helo", ARG_NONE, "our name in EHLO"}, \
		{"--source4", "ADDRESS", "source4", ARG_NONE, "our end of connections, IPv4"}, \
		{"--source6", "ADDRESS", "source6", ARG_NONE, "the same, IPv6"}, \
		{"--etrn", "any|NET[,NET]...", "etrn", ARG_NONE, \
		 "of hold: from where its mail may be asked for"}, \
	{ \
		"--atrn", "ACCOUNT", "atrn", ARG_NONE, \
			"of a domain's hold: who may log in and fetch its mail" \
	}

static const struct ctl_arg route_add_args[] = {
	ROUTE_FOR,
	{"ACTION", NULL, "action", ARG_REQUIRED, "mx, relay, lmtp, hold, reject or drop"},
	{"TARGET", NULL, "target", 0,
	 "of relay and lmtp: host[:port], [host][:port] (not its MX); of reject: what is said; of "
	 "drop: a virtual server; of hold with --etrn: as of relay, or else where DNS says"},
	ROUTE_HOW,
	{0},
};

static const struct ctl_arg route_edit_args[] = {
	ROUTE_FOR,
	{"--action", "ACTION", "action", 0, "mx, relay, lmtp, hold, reject or drop"},
	{"--target", "TARGET", "target", 0,
	 "host[:port], [host][:port]; of reject: what is said; of drop: a virtual server"},
	ROUTE_HOW,
	{0},
};

static const struct ctl_arg route_name_args[] = {ROUTE_FOR, {0}};

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

static const struct ctl_arg server_add_args[] = {
	{"NAME", NULL, "name", ARG_REQUIRED, "a-z, 0-9, '-'"},
	{"--service", "smtp|submission", "service", 0, "default: smtp"},
	{"--listen", "LISTENER", "listeners", ARG_REQUIRED | ARG_MANY,
	 "[FRONTEND/][ADDRESS]:PORT, which the front-end's own file binds"},
	{"--set", "KEY=VALUE", "settings", ARG_MANY, "for its sessions, before the cluster's"},
	{"--operator", "NAME", "operators", ARG_MANY, "certificate operator/NAME may manage it"},
	{0},
};

static const struct ctl_arg server_edit_args[] = {
	{"NAME", NULL, "name", ARG_REQUIRED, "as `server list` shows it"},
	{"--listen", "LISTENER", "listeners", ARG_MANY, "all that it has from now on"},
	{"--set", "KEY=VALUE", "settings", ARG_MANY, "others stay"},
	{"--unset", "KEY", "unset", ARG_MANY, "goes back to the cluster's"},
	{"--operator", "NAME", "operators", ARG_MANY | ARG_NONE, "all from now on, or none"},
	{0},
};

static const struct ctl_arg server_state_args[] = {
	{"NAME", NULL, "name", 0, "as `server list` shows it"},
	{"--all", NULL, "all", 0, "every server"},
	{0},
};

static const struct ctl_arg area_show_args[] = {
	{"SERVER", NULL, "server", ARG_REQUIRED, "as `server list` shows it"},
	{0},
};

static const struct ctl_arg server_name_args[] = {
	{"NAME", NULL, "name", ARG_REQUIRED, "as `server list` shows it"},
	{0},
};

static const struct ctl_arg server_import_args[] = {
	{"FILE", NULL, NULL, ARG_REQUIRED,
	 "JSON, as `server list --json` prints it; -: standard input"},
	{0},
};

#define METHOD(m)  POSTERN__METHOD__METHOD_ADMIN_##m
#define REQUEST(r) .request = &postern__admin_##r##__descriptor
#define DONE       .kind = ANSWER_NONE
#define ONE(d)     .kind = ANSWER_ONE, .answer = &postern__admin_##d##__descriptor
#define ROWS(d)    .kind = ANSWER_ROWS, .answer = &postern__admin_##d##_page__descriptor
#define GROUPS(d)  .kind = ANSWER_GROUPS, .answer = &postern__admin_##d##_page__descriptor

/* An order for items of the queue. */
#define EDIT(verb, help, args) \
	{ \
		"queue", verb, help, args, METHOD(QUEUE_EDIT), REQUEST(queue_list), \
			ROWS(queue_edited), .prepare = queue_edit_prepare, .run = queue_edit_run \
	}

const struct ctl_command ctl_commands[] = {
	{"domain", "add", "Adds a domain", domain_add_args, METHOD(DOMAIN_ADD), REQUEST(domain_add),
	 DONE},
	{"domain", "list", "Lists domains", no_args, METHOD(DOMAIN_LIST), REQUEST(domain_list),
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
	{"dkim", "add", "Makes keys that sign mail; they sign once they are activated",
	 dkim_add_args, METHOD(DKIM_ADD), REQUEST(dkim_add), ONE(dkim_added)},
	{"dkim", "list", "Lists keys that sign mail", dkim_list_args, METHOD(DKIM_LIST),
	 REQUEST(dkim_list), ROWS(dkim),
	 .columns = "domain selector algorithm state created_us activated_us retired_us note"},
	{"dkim", "show", "Shows the records of a domain's keys, for its DNS zone", dkim_show_args,
	 METHOD(DKIM_LIST), REQUEST(dkim_list), ROWS(dkim), .run = dkim_show_run},
	{"dkim", "activate", "Signs with a key from now on: its record is in DNS",
	 dkim_activate_args, METHOD(DKIM_ACTIVATE), REQUEST(dkim_activate), DONE},
	{"dkim", "retire", "Signs with a key no more; its record stays in DNS for a week",
	 dkim_name_args, METHOD(DKIM_RETIRE), REQUEST(dkim_name), DONE},
	{"dkim", "remove", "Forgets a key that is not active", dkim_name_args, METHOD(DKIM_REMOVE),
	 REQUEST(dkim_name), DONE},
	{"tls-policy", "set", "Demands TLS of a destination's servers, or not", tls_set_args,
	 METHOD(TLS_SET), REQUEST(tls_set), DONE},
	{"tls-policy", "list", "Lists what is demanded of other systems' servers", no_args,
	 METHOD(TLS_LIST), REQUEST(tls_list), ROWS(tls)},
	{"tls-policy", "show", "Shows what is demanded of a destination's servers", tls_name_args,
	 METHOD(TLS_SHOW), REQUEST(tls_name), ONE(tls)},
	{"tls-policy", "remove", "Goes back to the setting outbound.tls", tls_name_args,
	 METHOD(TLS_REMOVE), REQUEST(tls_name), DONE},
	{"tls-report", "list", "Lists what TLS did with other systems' servers, by domain and day",
	 no_args, METHOD(TLS_REPORT_LIST), REQUEST(tls_report_list), GROUPS(tls_report),
	 .columns = "backend domain from_us state successes failures unlisted due_us tries last"},
	{"tls-report", "show", "Shows the results with a domain's servers", tls_report_show_args,
	 METHOD(TLS_REPORT_LIST), REQUEST(tls_report_list), GROUPS(tls_report),
	 .columns = "backend domain from_us to_us state successes failures unlisted due_us tries "
		    "last policy result count host remote local why"},
	{"tls-report", "send", "Sends reports now, also of a day that is not over",
	 tls_report_send_args, METHOD(TLS_REPORT_SEND), REQUEST(tls_report_send),
	 ROWS(tls_report_sent)},
	{"dns", "show", "Shows the records that a domain needs, and what DNS has", dns_show_args,
	 METHOD(DNS_SHOW), REQUEST(dns_show), ROWS(dns), .run = dns_show_run},
	{"dns", "listings", "Asks block lists about our addresses and domains", no_args,
	 METHOD(DNS_LISTINGS), REQUEST(dns_listings), ROWS(listing), .run = listings_run},
	{"route", "add", "Sends mail to other systems another way than DNS says", route_add_args,
	 METHOD(ROUTE_ADD), REQUEST(route_spec), DONE, .prepare = route_prepare, .run = route_run},
	{"route", "list", "Lists routes", no_args, METHOD(ROUTE_LIST), REQUEST(route_list),
	 ROWS(route),
	 .columns = "domain sender action target tls user first connections etrn atrn"},
	{"route", "show", "Shows a route", route_name_args, METHOD(ROUTE_SHOW), REQUEST(route_name),
	 ONE(route)},
	{"route", "edit", "Changes a route; what is not given stays", route_edit_args,
	 METHOD(ROUTE_EDIT), REQUEST(route_spec), DONE, .prepare = route_prepare, .run = route_run},
	{"route", "remove", "Removes a route; what waits goes where DNS says, at once",
	 route_name_args, METHOD(ROUTE_REMOVE), REQUEST(route_name), DONE},
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
	{"setting", "list", "Lists settings of the cluster", setting_list_args,
	 METHOD(SETTING_LIST), REQUEST(setting_list), ROWS(setting),
	 .columns = "key value source default"},
	{"setting", "show", "Shows a setting and what it means", setting_name_args,
	 METHOD(SETTING_SHOW), REQUEST(setting_name), ONE(setting)},
	{"setting", "set", "Sets it for the whole cluster", setting_set_args, METHOD(SETTING_SET),
	 REQUEST(setting_set), DONE},
	{"setting", "unset", "Goes back to its default", setting_name_args, METHOD(SETTING_UNSET),
	 REQUEST(setting_name), DONE},
	{.noun = "pki",
	 .verb = "init",
	 .help = "Makes the cluster's CA",
	 .args = pki_init_args,
	 .prepare = pki_init_prepare},
	{.noun = "pki",
	 .verb = "issue",
	 .help = "Issues a certificate; with a cluster given, registers it there",
	 .args = pki_issue_args,
	 .method = METHOD(CERT_ISSUED),
	 .prepare = pki_issue_prepare,
	 .run = pki_issue_run},
	{"pki", "list", "Lists the certificates that were registered, shown or revoked", no_args,
	 METHOD(CERT_LIST), REQUEST(cert_list), ROWS(cert)},
	{"pki", "revoke", "Revokes certificates; their links are cut at once", pki_revoke_args,
	 METHOD(CERT_REVOKE), REQUEST(cert_revoke), ONE(cert_revoked)},
	{"queue", "list", "Lists what waits to be delivered", queue_list_args, METHOD(QUEUE_LIST),
	 REQUEST(queue_list), ROWS(queue),
	 .columns = "id kind state sender address destination attempts age_s due_us status "
		    "last_error",
	 .prepare = queue_list_prepare, .run = queue_list_run},
	{"queue", "show", "Shows all about an item, and what its destination does", queue_show_args,
	 METHOD(QUEUE_SHOW), REQUEST(queue_id), ONE(queue_detail)},
	EDIT("hold", "Items are not tried until they are released", queue_edit_args),
	EDIT("release", "Items that are held, by whomever, are tried again", queue_edit_args),
	EDIT("retry", "Items are tried at once", queue_edit_args),
	EDIT("remove", "Removes items; nobody is told", queue_edit_args),
	EDIT("bounce", "Gives items up; their senders are told", queue_edit_args),
	EDIT("reroute", "Sends items by another host", queue_reroute_args),
	EDIT("requeue", "Bad items are tried anew, from the beginning", queue_edit_args),
	{"server", "add", "Adds a virtual SMTP server", server_add_args, METHOD(SERVER_ADD),
	 REQUEST(server_add), DONE},
	{"server", "list", "Lists virtual SMTP servers", no_args, METHOD(SERVER_LIST),
	 REQUEST(server_list), ROWS(server),
	 .columns = "name service state listeners settings operators unbound"},
	{"server", "show", "Shows a server", server_name_args, METHOD(SERVER_SHOW),
	 REQUEST(server_name), ONE(server)},
	{"server", "edit", "Changes a server, and its sessions with it", server_edit_args,
	 METHOD(SERVER_EDIT), REQUEST(server_edit), DONE, .prepare = change_prepare},
	{"server", "start", "Takes connections again", server_state_args, METHOD(SERVER_STATE),
	 REQUEST(server_state), DONE, .prepare = server_state_prepare, .run = server_state_run},
	{"server", "pause", "Takes no new connections; those that are there go on",
	 server_state_args, METHOD(SERVER_STATE), REQUEST(server_state), DONE,
	 .prepare = server_state_prepare, .run = server_state_run},
	{"server", "stop", "Takes no connections; those that are there end", server_state_args,
	 METHOD(SERVER_STATE), REQUEST(server_state), DONE, .prepare = server_state_prepare,
	 .run = server_state_run},
	{"server", "remove", "Removes it: what it answered for, others do", server_name_args,
	 METHOD(SERVER_REMOVE), REQUEST(server_name), DONE},
	{"server", "import", "Adds the servers of a file", server_import_args, METHOD(SERVER_ADD),
	 REQUEST(server_add), .prepare = server_import_prepare, .run = server_import_run},
	{"area", "list", "Lists the servers' folders for mail as files", no_args, METHOD(AREA_LIST),
	 REQUEST(area_list), ROWS(area)},
	{"area", "show", "Those of one server", area_show_args, METHOD(AREA_LIST),
	 REQUEST(area_list), ROWS(area)},
	{"audit", "list", "Lists what administrators did, the newest first", audit_list_args,
	 METHOD(AUDIT_LIST), REQUEST(audit_list), ROWS(audit), .run = audit_list_run},
	{"status", "", "Shows every back-end, worker and partition", no_args, METHOD(NODE_STATUS),
	 REQUEST(status), GROUPS(status),
	 .columns = "backend frontend service worker partition state version since_us sessions "
		    "memory_bytes directory seq messages queue map_used_bytes map_bytes"},
	{"fsck", "", "Walks every invariant of every open partition", fsck_args, METHOD(NODE_FSCK),
	 REQUEST(fsck), GROUPS(fsck), .run = fsck_run},
};

const size_t ctl_ncommands = ARRAY_LEN(ctl_commands);

bool ctl_is_noun(const char *noun)
{
	for (size_t i = 0; i < ctl_ncommands; i++) {
		if (slice_eq(slice_str(ctl_commands[i].noun), slice_str(noun)))
			return true;
	}
	return false;
}

const struct ctl_command *ctl_find(const char *noun, const char *verb)
{
	for (size_t i = 0; i < ctl_ncommands; i++) {
		if (slice_eq(slice_str(ctl_commands[i].noun), slice_str(noun)) &&
		    slice_eq(slice_str(ctl_commands[i].verb), slice_str(verb)))
			return &ctl_commands[i];
	}
	return NULL;
}

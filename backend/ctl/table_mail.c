/* Commands about other systems: keys, names and TLS that they see, routes, the queue. */
#include "backend/ctl/table_priv.h"

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

static const struct ctl_arg tls_received_args[] = {
	{"--domain", "DOMAIN", "domain", 0, "only of this one's servers"},
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
		{"--auth", "password|gssapi", "auth", 0, \
		 "gssapi: the user is our principal in Kerberos"}, \
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

/* An order for items of the queue. */
#define EDIT(verb, help, args) \
	{ \
		"queue", verb, help, args, METHOD(QUEUE_EDIT), REQUEST(queue_list), \
			ROWS(queue_edited), .prepare = queue_edit_prepare, .run = queue_edit_run \
	}

const struct ctl_command ctl_table_mail[] = {
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
	{"tls-report", "received", "Sums up what others' reports say of our servers, by day",
	 tls_received_args, METHOD(TLS_RECEIVED_LIST), REQUEST(tls_received_list),
	 ROWS(tls_received),
	 .columns = "day_us organization domain reports successes failures results"},
	{"dns", "show", "Shows the records that a domain needs, and what DNS has", dns_show_args,
	 METHOD(DNS_SHOW), REQUEST(dns_show), ROWS(dns), .run = dns_show_run},
	{"dns", "listings", "Asks block lists about our addresses and domains", ctl_no_args,
	 METHOD(DNS_LISTINGS), REQUEST(dns_listings), ROWS(listing), .run = listings_run},
	{"tls-policy", "set", "Demands TLS of a destination's servers, or not", tls_set_args,
	 METHOD(TLS_SET), REQUEST(tls_set), DONE},
	{"tls-policy", "list", "Lists what is demanded of other systems' servers", ctl_no_args,
	 METHOD(TLS_LIST), REQUEST(tls_list), ROWS(tls)},
	{"tls-policy", "show", "Shows what is demanded of a destination's servers", tls_name_args,
	 METHOD(TLS_SHOW), REQUEST(tls_name), ONE(tls)},
	{"tls-policy", "remove", "Goes back to the setting outbound.tls", tls_name_args,
	 METHOD(TLS_REMOVE), REQUEST(tls_name), DONE},
	{"tls-report", "list", "Lists what TLS did with other systems' servers, by domain and day",
	 ctl_no_args, METHOD(TLS_REPORT_LIST), REQUEST(tls_report_list), GROUPS(tls_report),
	 .columns = "backend domain from_us state successes failures unlisted due_us tries last"},
	{"tls-report", "show", "Shows the results with a domain's servers", tls_report_show_args,
	 METHOD(TLS_REPORT_LIST), REQUEST(tls_report_list), GROUPS(tls_report),
	 .columns = "backend domain from_us to_us state successes failures unlisted due_us tries "
		    "last policy result count host remote local why"},
	{"tls-report", "send", "Sends reports now, also of a day that is not over",
	 tls_report_send_args, METHOD(TLS_REPORT_SEND), REQUEST(tls_report_send),
	 ROWS(tls_report_sent)},
	{"route", "add", "Sends mail to other systems another way than DNS says", route_add_args,
	 METHOD(ROUTE_ADD), REQUEST(route_spec), DONE, .prepare = route_prepare, .run = route_run},
	{"route", "list", "Lists routes", ctl_no_args, METHOD(ROUTE_LIST), REQUEST(route_list),
	 ROWS(route),
	 .columns = "domain sender action target tls user auth first connections etrn atrn"},
	{"route", "show", "Shows a route", route_name_args, METHOD(ROUTE_SHOW), REQUEST(route_name),
	 ONE(route)},
	{"route", "edit", "Changes a route; what is not given stays", route_edit_args,
	 METHOD(ROUTE_EDIT), REQUEST(route_spec), DONE, .prepare = route_prepare, .run = route_run},
	{"route", "remove", "Removes a route; what waits goes where DNS says, at once",
	 route_name_args, METHOD(ROUTE_REMOVE), REQUEST(route_name), DONE},
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
	{0},
};

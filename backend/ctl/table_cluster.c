/* Commands about the cluster itself: its servers, settings, certificates and nodes. */
#include "backend/ctl/table_priv.h"

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

static const struct ctl_arg server_add_args[] = {
	{"NAME", NULL, "name", ARG_REQUIRED | ARG_ASKED, "a-z, 0-9, '-'"},
	{"--service", "smtp|submission", "service", 0, "default: smtp"},
	{"--listen", "LISTENER", "listeners", ARG_REQUIRED | ARG_ASKED | ARG_MANY,
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

const struct ctl_command ctl_table_cluster[] = {
	{"server", "add", "Adds a virtual SMTP server; at a terminal it asks for what is missing",
	 server_add_args, METHOD(SERVER_ADD), REQUEST(server_add), DONE,
	 .prepare = server_add_prepare, .run = server_add_run},
	{"server", "list", "Lists virtual SMTP servers", ctl_no_args, METHOD(SERVER_LIST),
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
	{"area", "list", "Lists the servers' folders for mail as files", ctl_no_args,
	 METHOD(AREA_LIST), REQUEST(area_list), ROWS(area)},
	{"area", "show", "Those of one server", area_show_args, METHOD(AREA_LIST),
	 REQUEST(area_list), ROWS(area)},
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
	{"pki", "list", "Lists the certificates that were registered, shown or revoked",
	 ctl_no_args, METHOD(CERT_LIST), REQUEST(cert_list), ROWS(cert)},
	{"pki", "revoke", "Revokes certificates; their links are cut at once", pki_revoke_args,
	 METHOD(CERT_REVOKE), REQUEST(cert_revoke), ONE(cert_revoked)},
	{"audit", "list", "Lists what administrators did, the newest first", audit_list_args,
	 METHOD(AUDIT_LIST), REQUEST(audit_list), ROWS(audit), .run = audit_list_run},
	{"status", "", "Shows every back-end, worker and partition", ctl_no_args,
	 METHOD(NODE_STATUS), REQUEST(status), GROUPS(status),
	 .columns = "backend frontend service worker partition state version since_us sessions "
		    "memory_bytes directory seq messages queue map_used_bytes map_bytes"},
	{"fsck", "", "Walks every invariant of every open partition", fsck_args, METHOD(NODE_FSCK),
	 REQUEST(fsck), GROUPS(fsck), .run = fsck_run},
	{0},
};

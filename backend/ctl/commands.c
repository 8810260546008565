#include "backend/ctl/commands.h"

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
	 "frontend/NAME/SERVICE, backend/NAME or admin/NAME"},
	{0},
};

const struct ctl_command ctl_commands[] = {
	{.noun = "pki",
	 .verb = "init",
	 .help = "Makes the cluster's CA",
	 .args = pki_init_args,
	 .prepare = pki_init_prepare},
	{.noun = "pki",
	 .verb = "issue",
	 .help = "Issues a certificate; with a cluster given, registers it there",
	 .args = pki_issue_args,
	 .prepare = pki_issue_prepare},
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

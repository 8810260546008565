#include <errno.h>

#include "frontend/sendmail/sendmail.h"

/* Of a file's first line: no password is longer. */
#define LINE_BYTES 1024

static const struct conf_def table[] = {
	{"server.address", CONF_ADDRS, NULL, 0, 8, 0,
	 "Submission ports of front-ends, HOST:587; tried in turn", NULL},
	{"server.name", CONF_STRING, "", 0, 253, 0,
	 "The name in their certificate; empty: the host of the address", "host"},
	{"server.tls", CONF_WORD, "starttls", 0, 0, 0,
	 "How TLS begins; at-once: port 465; none: in clear, without a log-in",
	 "starttls at-once none"},
	{"server.trust", CONF_STRING, "/etc/ssl/certs/ca-certificates.crt", 1, 4000, 0,
	 "File with the authorities that the certificate is verified by, PEM", NULL},
	{"server.user", CONF_STRING, "", 0, 320, 0, "Account that logs in; empty: none does",
	 "text"},
	{"server.password_file", CONF_STRING, "", 0, 4000, 0,
	 "File whose first line is its password", NULL},
	{"mail.domain", CONF_STRING, "", 0, 253, 0,
	 "Of addresses without one, and our name in EHLO; empty: this machine's name", "host"},
	{"mail.from", CONF_STRING, "", 0, 320, 0,
	 "Address that stands for this machine's users, as sender and in From; empty: their name "
	 "and mail.domain",
	 "address"},
	{"mail.size_max", CONF_BYTES, "50m", 1024, 1073741824, 0, "Largest message", NULL},
	{"pickup.folder", CONF_STRING, "", 0, 4000, 0,
	 "Folder of a virtual server that takes messages as files, on a back-end's machine: for "
	 "what no server takes just now, or for all",
	 NULL},
	{"admin.cluster", CONF_STRING, "", 0, 4000, 0,
	 "Administrator's file for mailq, as of postern(1)", NULL},
};

static enum err check(const struct conf *c, struct diag *d)
{
	bool server = conf_count(c, "server.address") != 0;
	bool user = conf_str(c, "server.user")[0] != '\0';

	if (!server && conf_str(c, "pickup.folder")[0] == '\0')
		return diag_set(d, E_INVALID, "neither server.address nor pickup.folder is set");
	if (user && conf_str(c, "server.password_file")[0] == '\0')
		return diag_set(d, E_INVALID, "server.user without server.password_file");
	if (user && slice_eq(slice_str(conf_str(c, "server.tls")), SL("none")))
		return diag_set(d, E_INVALID, "server.user needs TLS");
	return E_OK;
}

enum err sm_conf_load(const char *path, struct conf **out, struct diag *d)
{
	struct conf *c = conf_new(table, ARRAY_LEN(table));
	enum err e = conf_load(c, path, d);

	if (e == E_OK)
		e = conf_check(c, d);
	if (e == E_OK)
		e = check(c, d);
	if (e != E_OK) {
		conf_free(&c);
		return e;
	}
	*out = c;
	return E_OK;
}

enum err sm_read_line(const char *path, struct arena *mem, slice_t *out, struct diag *d)
{
	FILE *f = fopen(path, "re");
	char text[LINE_BYTES + 1];
	size_t n;

	if (f == NULL)
		return diag_set(d, E_IO, "%s: %s", path, strerror(errno));
	n = fread(text, 1, sizeof text, f);
	fclose(f);
	n = slice_find_char(slice(text, n), '\n');
	if (n == 0 || n == sizeof text)
		return diag_set(d, E_INVALID, "%s: its first line is %s", path,
				n == 0 ? "empty" : "too long");
	*out = arena_dup(mem, slice(text, n));
	explicit_bzero(text, sizeof text);
	return E_OK;
}

/* Virtual SMTP servers: their states, and files of them. */
#include "backend/ctl/commands.h"

#include <jansson.h>

#include "backend/ctl/connect.h"
#include "backend/ctl/run.h"
#include "proto/admin.pb-c.h"
#include "proto/servers.h"

#define SERVERS_FILE_MAX (1024 * 1024) /* of all servers that a cluster may have, and more */

/* ---- start, pause, stop ---- */

int server_state_prepare(struct ctl *c, const struct ctl_args *a, bool *done UNUSED)
{
	if ((ctl_args_get(a, "NAME") != NULL) == (ctl_args_get(a, "--all") != NULL))
		return ctl_fail(c, EX_USAGE, "give either a server's NAME or --all");
	return EX_OK;
}

static Postern__ServerState state_of(const char *verb)
{
	return strcmp(verb, "start") == 0   ? POSTERN__SERVER_STATE__SERVER_STATE_RUNNING
	       : strcmp(verb, "pause") == 0 ? POSTERN__SERVER_STATE__SERVER_STATE_PAUSED
					    : POSTERN__SERVER_STATE__SERVER_STATE_STOPPED;
}

WAITS int server_state_run(struct ctl *c, const struct ctl_args *a)
{
	Postern__AdminServerState m = POSTERN__ADMIN_SERVER_STATE__INIT;
	int status = ctl_args_fill(c, a, &m.base);

	m.state = state_of(a->command->verb);
	return status == EX_OK ? ctl_run_request(c, a, &m.base, NULL, NULL) : status;
}

/* ---- import ---- */

/* What is read before there is a link. */
struct import {
	Postern__AdminServerAdd *v;
	size_t n;
};

static bool take_list(struct ctl *c, const json_t *from, char ***out, size_t *n_out)
{
	size_t n = json_array_size(from);
	char **v = arena_alloc(&c->mem, (n + 1) * sizeof *v);

	if (from != NULL && !json_is_array(from))
		return false;
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(from, i));

		if (text == NULL)
			return false;
		v[i] = arena_str(&c->mem, slice_str(text));
	}
	*out = v;
	*n_out = n;
	return true;
}

/* "64" of a number, "a,b" of a list. False: neither these nor text. */
static bool put_value(struct buf *b, const json_t *v)
{
	if (json_is_integer(v)) {
		buf_printf(b, "%lld", (long long)json_integer_value(v));
	} else if (json_is_string(v)) {
		buf_puts(b, json_string_value(v));
	} else if (json_is_array(v)) {
		for (size_t i = 0; i < json_array_size(v); i++) {
			const char *text = json_string_value(json_array_get(v, i));

			if (text == NULL)
				return false;
			buf_printf(b, "%s%s", i > 0 ? "," : "", text);
		}
	} else {
		return false;
	}
	return !buf_failed(b);
}

/* {"KEY": VALUE, ...}, or a list of "KEY=VALUE" as `server list --json` prints it. */
static bool take_settings(struct ctl *c, json_t *from, Postern__AdminServerAdd *out)
{
	const char *key;
	json_t *value;

	if (!json_is_object(from))
		return take_list(c, from, &out->settings, &out->n_settings);
	out->settings = arena_alloc(&c->mem, (json_object_size(from) + 1) * sizeof(char *));
	json_object_foreach(from, key, value)
	{
		struct buf b;
		bool ok;

		buf_init(&b, SERVER_SETTING_MAX, NULL);
		buf_printf(&b, "%s=", key);
		ok = put_value(&b, value);
		if (ok)
			out->settings[out->n_settings++] = arena_str(&c->mem, buf_slice(&b));
		buf_fini(&b);
		if (!ok)
			return false;
	}
	return true;
}

/* A list shows it of each server: it is a setting where it is another than the name. */
static const char *take_home(struct ctl *c, const json_t *from, Postern__AdminServerAdd *out)
{
	const char *home = json_string_value(from);
	struct diag ignored;
	struct buf b;
	enum err e = E_OK;

	if (from != NULL && home == NULL)
		return "home: not a text";
	if (home == NULL || strcmp(home, out->name) == 0)
		return NULL;
	for (size_t i = 0; i < out->n_settings; i++) {
		slice_t value, key = servers_key(slice_str(out->settings[i]), &value);

		if (slice_eq(key, SL("home")))
			return slice_eq(value, slice_str(home)) ? NULL
								: "home: its settings say another";
	}
	buf_init(&b, SERVER_SETTING_MAX, NULL);
	buf_printf(&b, "home=%s", home);
	if (!buf_failed(&b))
		e = ctl_fill_field(&c->mem, &out->base, "settings", buf_slice(&b), &ignored);
	else
		e = E_LIMIT;
	buf_fini(&b);
	return e == E_OK ? NULL : "home: too long";
}

/* NULL, or what is wrong with it. */
static const char *take_server(struct ctl *c, json_t *from, Postern__AdminServerAdd *out)
{
	static const char *const known[] = {"name",     "service",   "state",   "listeners",
					    "settings", "operators", "unbound", "home"};
	const char *name = json_string_value(json_object_get(from, "name"));
	const char *service = json_string_value(json_object_get(from, "service"));
	const char *key;
	json_t *value;

	postern__admin_server_add__init(out);
	if (name == NULL)
		return "has no name";
	json_object_foreach(from, key, value)
	{
		bool found = false;

		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			found = found || strcmp(key, known[i]) == 0;
		if (!found)
			return "has a field that no server has";
	}
	out->name = arena_str(&c->mem, slice_str(name));
	if (service != NULL)
		out->service = arena_str(&c->mem, slice_str(service));
	if (!take_list(c, json_object_get(from, "listeners"), &out->listeners, &out->n_listeners))
		return "listeners: not a list of texts";
	if (!take_list(c, json_object_get(from, "operators"), &out->operators, &out->n_operators))
		return "operators: not a list of texts";
	if (!take_settings(c, json_object_get(from, "settings"), out))
		return "settings: neither an object nor a list of texts";
	return take_home(c, json_object_get(from, "home"), out);
}

static int take_servers(struct ctl *c, const char *path, json_t *root, struct import *im)
{
	json_t *list = json_is_object(root) ? json_pack("[O]", root) : json_incref(root);
	const char *why = json_is_array(list) ? NULL : "is no object";
	size_t i = 0;

	im->v = arena_alloc(&c->mem, (json_array_size(list) + 1) * sizeof *im->v);
	for (; why == NULL && i < json_array_size(list); i++)
		why = take_server(c, json_array_get(list, i), &im->v[im->n++]);
	json_decref(list);
	return why == NULL ? EX_OK : ctl_fail(c, EX_DATAERR, "%s: server %zu %s", path, i, why);
}

int server_import_prepare(struct ctl *c, const struct ctl_args *a, bool *done UNUSED)
{
	const char *path = ctl_args_get(a, "FILE");
	struct import *im = arena_new(&c->mem, struct import);
	struct diag d = {""};
	json_error_t error;
	slice_t text;
	json_t *root;
	int status;

	c->prepared = im;
	if (ctl_read_file(c, path, SERVERS_FILE_MAX, &text, &d) != E_OK)
		return ctl_fail(c, EX_NOINPUT, "%s", d.text);
	root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		return ctl_fail(c, EX_DATAERR, "%s:%d: %s", path, error.line, error.text);
	status = take_servers(c, path, root, im);
	json_decref(root);
	return status;
}

WAITS int server_import_run(struct ctl *c, const struct ctl_args *a)
{
	const struct import *im = c->prepared;
	int status = EX_OK;
	size_t done = 0;

	for (size_t i = 0; i < im->n; i++) {
		struct ctl_call call = {
			.method = a->command->method, .request = &im->v[i].base, .mem = &c->mem};
		int one = ctl_call(c, &call);

		if (one == EX_OK && call.result != E_OK)
			one = ctl_fail(c, ctl_status(call.result), "%s: %s", im->v[i].name,
				       call.diag.text[0] != '\0' ? call.diag.text
								 : err_name(call.result));
		done += one == EX_OK;
		status = status == EX_OK ? one : status;
	}
	if (c->json)
		fprintf(c->out, "{\"imported\": %zu, \"failed\": %zu}\n", done, im->n - done);
	else
		fprintf(c->out, "%zu imported, %zu failed\n", done, im->n - done);
	return status;
}

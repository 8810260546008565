/*
 * server add: by arguments alone, or, at a terminal and without a name or listeners, by questions.
 *
 * What is asked has answers that fit: before the first question the back-end is asked which servers
 * there are and what front-ends have bound. Sockets that no server of the service names are free;
 * they are the default server's, and the first question about addresses offers them. The back-end
 * decides in the end, as of any other request.
 */
#include "backend/admin/server_spec.h"
#include "backend/ctl/ask.h"
#include "backend/ctl/commands.h"
#include "backend/ctl/connect.h"
#include "backend/ctl/run.h"
#include "proto/admin.pb-c.h"
#include "proto/method.pb-c.h"

#define SOCKETS_MAX 256 /* of all front-ends, that are offered */

/* A socket of a front-end's worker, or a listener of a server. */
struct place {
	enum rpc_service service;
	struct server_listener at;
	const char *text;
};

struct places {
	struct place v[SOCKETS_MAX];
	size_t n;
};

/* What there is, and what is to be. */
struct wizard {
	struct ctl *c;
	const char *names[SERVERS_MAX];
	size_t nnames;
	struct places sockets, taken;
	Postern__AdminServerAdd m;
	enum rpc_service service;
};

/* ---- what there is ---- */

static void add_place(struct wizard *w, struct places *to, const char *service,
		      const char *frontend, const char *text)
{
	struct place p = {.service = rpc_service_parse(slice_str(service))};
	struct buf b;

	if (to->n == SOCKETS_MAX || !server_listener_parse(slice_str(text), &p.at))
		return;
	if (frontend != NULL)
		snprintf(p.at.frontend, sizeof p.at.frontend, "%s", frontend);
	buf_init(&b, SERVER_LISTENER_MAX, NULL);
	server_listener_format(&p.at, &b);
	p.text = arena_str(&w->c->mem, buf_slice(&b));
	buf_fini(&b);
	/* The workers of one service share them. */
	for (size_t i = 0; i < to->n; i++) {
		if (to->v[i].service == p.service && strcmp(to->v[i].text, p.text) == 0)
			return;
	}
	to->v[to->n++] = p;
}

static int take_servers(const ProtobufCMessage *page, void *arg)
{
	const Postern__AdminServerPage *m = (const void *)page;
	struct wizard *w = arg;

	for (size_t i = 0; i < m->n_rows; i++) {
		const Postern__AdminServer *s = m->rows[i];

		if (w->nnames < SERVERS_MAX)
			w->names[w->nnames++] = arena_str(&w->c->mem, slice_str(s->name));
		for (size_t k = 0; k < s->n_listeners; k++)
			add_place(w, &w->taken, s->service, NULL, s->listeners[k]);
	}
	return EX_OK;
}

static int take_sockets(const ProtobufCMessage *page, void *arg)
{
	const Postern__AdminStatusPage *m = (const void *)page;
	struct wizard *w = arg;

	for (size_t i = 0; i < m->n_workers; i++) {
		const Postern__AdminWorkerStatus *s = m->workers[i];

		for (size_t k = 0; k < s->n_listeners; k++)
			add_place(w, &w->sockets, s->service, s->frontend, s->listeners[k]);
	}
	return EX_OK;
}

WAITS static int look(struct ctl *c, const struct ctl_args *a UNUSED)
{
	static const Postern__AdminServerList servers = POSTERN__ADMIN_SERVER_LIST__INIT;
	static const Postern__AdminStatus nodes = POSTERN__ADMIN_STATUS__INIT;
	struct ctl_call calls[] = {
		{.method = POSTERN__METHOD__METHOD_ADMIN_SERVER_LIST,
		 .request = &servers.base,
		 .answer = &postern__admin_server_page__descriptor,
		 .each = take_servers},
		{.method = POSTERN__METHOD__METHOD_ADMIN_NODE_STATUS,
		 .request = &nodes.base,
		 .answer = &postern__admin_status_page__descriptor,
		 .each = take_sockets},
	};
	int status = EX_OK;

	for (size_t i = 0; i < ARRAY_LEN(calls) && status == EX_OK; i++) {
		calls[i].mem = &c->mem;
		calls[i].arg = c->prepared;
		status = ctl_call(c, &calls[i]);
		if (status == EX_OK && calls[i].result != E_OK)
			status = ctl_fail_err(c, calls[i].result, &calls[i].diag);
	}
	return status;
}

/* ---- name, service, listeners ---- */

static enum err check_name(slice_t answer, const void *arg, struct diag *d)
{
	const struct wizard *w = arg;

	if (!servers_name_ok(answer))
		return diag_set(d, E_INVALID, "1 to %d of a-z, 0-9, '-'", SERVER_NAME_MAX);
	for (size_t i = 0; i < w->nnames; i++) {
		if (slice_eq(answer, slice_str(w->names[i])))
			return diag_set(d, E_EXISTS, "there is such a server");
	}
	return E_OK;
}

static enum err check_service(slice_t answer, const void *arg UNUSED, struct diag *d)
{
	return slice_eq(answer, SL("smtp")) || slice_eq(answer, SL("submission"))
		       ? E_OK
		       : diag_set(d, E_INVALID, "smtp or submission");
}

/* No server of the service names it. */
static bool is_free(const struct wizard *w, const struct place *socket)
{
	for (size_t i = 0; i < w->taken.n; i++) {
		const struct place *t = &w->taken.v[i];

		if (t->service == socket->service &&
		    server_listener_match(&t->at, slice_str(socket->at.frontend),
					  &socket->at.address, socket->at.port) != 0)
			return false;
	}
	return true;
}

/* The first free port of all addresses; while there is another, the default server keeps it. NULL:
 * none is free. */
static const char *any_free(const struct wizard *w)
{
	uint16_t port = 0;
	char text[16];

	for (size_t i = 0; i < w->sockets.n; i++) {
		const struct place *s = &w->sockets.v[i];
		bool is_other = port != 0 && s->at.port != port;

		if (s->service != w->service || !is_free(w, s))
			continue;
		if (port == 0 || is_other)
			port = s->at.port;
		if (is_other)
			break;
	}
	snprintf(text, sizeof text, ":%u", port);
	return port != 0 ? arena_str(&w->c->mem, slice_str(text)) : NULL;
}

static void tell_free(const struct wizard *w)
{
	FILE *out = w->c->err;

	fputs("Bound by front-ends, and no other server's:", out);
	for (size_t i = 0; i < w->sockets.n; i++) {
		if (w->sockets.v[i].service == w->service && is_free(w, &w->sockets.v[i]))
			fprintf(out, " %s", w->sockets.v[i].text);
	}
	fputs(any_free(w) != NULL ? "\n" : " none\n", out);
}

/* Words that spaces or commas separate. */
static size_t split(struct arena *mem, slice_t answer, char *out[SERVER_LISTENERS_MAX + 1])
{
	size_t n = 0;

	while (answer.n > 0 && n <= SERVER_LISTENERS_MAX) {
		size_t end = 0;

		while (end < answer.n && strchr(" \t,", answer.p[end]) == NULL)
			end++;
		if (end > 0)
			out[n++] = arena_str(mem, slice_sub(answer, 0, end));
		answer = slice_from(answer, end + 1);
	}
	return n;
}

static enum err check_listeners(slice_t answer, const void *arg, struct diag *d)
{
	const struct wizard *w = arg;
	char *words[SERVER_LISTENERS_MAX + 1];
	struct server_texts t = {words, split(&w->c->mem, answer, words)};
	struct buf b;
	enum err e;

	buf_init(&b, SERVERS_BYTES_MAX, NULL);
	e = server_spec_listeners(t, &b, d);
	buf_fini(&b);
	return e == E_OK && t.n == 0 ? diag_set(d, E_INVALID, "[FRONTEND/][ADDRESS]:PORT") : e;
}

static int ask_name(struct wizard *w)
{
	const struct ask q = {.text = "Name", .check = check_name, .arg = w};
	const char *answer = NULL;
	int status = w->m.name[0] == '\0' ? ask(w->c, &q, &answer) : EX_OK;

	if (status == EX_OK && answer != NULL)
		w->m.name = arena_str(&w->c->mem, slice_str(answer));
	return status;
}

static int ask_service(struct wizard *w)
{
	const struct ask q = {.text = "Service: smtp (mail from other systems), or submission "
				      "(mail of users)",
			      .otherwise = "smtp",
			      .check = check_service};
	const char *answer = w->m.service;
	struct diag d = {""};
	int status = answer[0] == '\0' ? ask(w->c, &q, &answer) : EX_OK;

	if (status != EX_OK)
		return status;
	if (check_service(slice_str(answer), NULL, &d) != E_OK)
		return ctl_fail(w->c, EX_USAGE, "--service: %s", d.text);
	w->m.service = arena_str(&w->c->mem, slice_str(answer));
	w->service = rpc_service_parse(slice_str(answer));
	return EX_OK;
}

static int ask_listeners(struct wizard *w)
{
	struct ask q = {.text = "Listeners, [FRONTEND/][ADDRESS]:PORT each",
			.check = check_listeners,
			.arg = w};
	char **words = arena_alloc(&w->c->mem, (SERVER_LISTENERS_MAX + 1) * sizeof *words);
	const char *answer = NULL;
	int status;

	if (w->m.n_listeners != 0)
		return EX_OK;
	q.otherwise = any_free(w);
	tell_free(w);
	status = ask(w->c, &q, &answer);
	if (status == EX_OK) {
		w->m.n_listeners = split(&w->c->mem, slice_str(answer), words);
		w->m.listeners = words;
	}
	return status;
}

/* ---- settings ---- */

static bool has_setting(const struct wizard *w, const char *key)
{
	for (size_t i = 0; i < w->m.n_settings; i++) {
		if (slice_eq(servers_key(slice_str(w->m.settings[i]), NULL), slice_str(key)))
			return true;
	}
	return false;
}

/* A setting's answer, as the back-end will read it. */
struct setting {
	const struct wizard *w;
	const char *key;
};

static char *assignment(const struct setting *s, slice_t value)
{
	struct arena *mem = &s->w->c->mem;
	size_t n = strlen(s->key) + 1 + value.n;
	char *text = arena_alloc(mem, n + 1);

	snprintf(text, n + 1, "%s=%.*s", s->key, (int)value.n, value.p);
	return text;
}

static enum err check_setting(slice_t answer, const void *arg, struct diag *d)
{
	const struct setting *s = arg;
	char *text = assignment(s, answer);
	struct buf b;
	enum err e;

	buf_init(&b, SERVER_SETTING_MAX, NULL);
	e = server_spec_settings(s->w->service, SLICE_NONE, (struct server_texts){&text, 1},
				 (struct server_texts){NULL, 0}, &b, d);
	buf_fini(&b);
	return e;
}

/* The default stays unset: it follows the cluster's. */
static int ask_setting(struct wizard *w, const char *key, const char *text, const char *otherwise)
{
	const struct setting s = {w, key};
	const struct ask q = {
		.text = text, .otherwise = otherwise, .check = check_setting, .arg = &s};
	const char *answer = NULL;
	int status = has_setting(w, key) ? EX_OK : ask(w->c, &q, &answer);
	struct diag ignored;

	if (status == EX_OK && answer != NULL && strcmp(answer, otherwise) != 0)
		status = ctl_fill_field(&w->c->mem, &w->m.base, "settings",
					slice_str(assignment(&s, slice_str(answer))),
					&ignored) == E_OK
				 ? EX_OK
				 : EX_SOFTWARE;
	return status;
}

/* ---- the end ---- */

static bool is_bound(const struct wizard *w, const char *listener)
{
	struct server_listener l;

	if (!server_listener_parse(slice_str(listener), &l))
		return false;
	for (size_t i = 0; i < w->sockets.n; i++) {
		const struct place *s = &w->sockets.v[i];

		if (s->service == w->service && server_listener_is_at(&l, &s->at))
			return true;
	}
	return false;
}

/* A word of a shell's command line. */
static void put_word(FILE *out, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789@%+=:,./-_[]";

	if (word[0] != '\0' && word[strspn(word, plain)] == '\0' && strchr(word, '[') == NULL) {
		fputs(word, out);
		return;
	}
	putc('\'', out);
	for (; *word != '\0'; word++)
		fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, out);
	putc('\'', out);
}

static void put_options(FILE *out, const char *option, char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fprintf(out, " %s ", option);
		put_word(out, v[i]);
	}
}

static void tell_plan(const struct wizard *w)
{
	const Postern__AdminServerAdd *m = &w->m;
	FILE *out = w->c->err;

	fputs("\nThis server is made, and by this command, too:\n  postern server add ", out);
	put_word(out, m->name);
	put_options(out, "--service", (char *const[]){m->service}, 1);
	put_options(out, "--listen", m->listeners, m->n_listeners);
	put_options(out, "--set", m->settings, m->n_settings);
	put_options(out, "--operator", m->operators, m->n_operators);
	putc('\n', out);
	for (size_t i = 0; i < m->n_listeners; i++) {
		if (!is_bound(w, m->listeners[i]))
			fprintf(out, "No front-end has bound %s: listen.%s of its own file must.\n",
				m->listeners[i], m->service);
	}
}

static int ask_all(struct wizard *w, bool *done)
{
	bool yes = false;
	int status = ask_name(w);

	if (status == EX_OK)
		status = ask_service(w);
	if (status == EX_OK)
		status = ask_listeners(w);
	if (status == EX_OK)
		status = ask_setting(w, "default_domain",
				     "Domain of names without one (empty: the cluster's)", "");
	if (status == EX_OK)
		status = ask_setting(w, "home", "Folder of its files, below the back-ends' areas",
				     w->m.name);
	if (status == EX_OK)
		status = ask_setting(w, "tls", "TLS: offered, required or none", "offered");
	if (status != EX_OK)
		return status;
	tell_plan(w);
	status = ask_yes(w->c, "Make it? yes or no", &yes);
	if (status == EX_OK && !yes) {
		*done = true;
		fputs("Nothing was made.\n", w->c->err);
	}
	return status;
}

int server_add_prepare(struct ctl *c, const struct ctl_args *a, bool *done)
{
	struct wizard *w;
	int status;

	if (ctl_args_get(a, "NAME") != NULL && ctl_args_get(a, "--listen") != NULL)
		return EX_OK;
	w = arena_new(&c->mem, struct wizard);
	w->c = c;
	postern__admin_server_add__init(&w->m);
	c->prepared = w;
	status = ctl_args_fill(c, a, &w->m.base);
	if (status == EX_OK)
		status = ctl_target_resolve(c);
	if (status == EX_OK)
		status = ctl_in_loop(c, look, a);
	return status == EX_OK ? ask_all(w, done) : status;
}

WAITS int server_add_run(struct ctl *c, const struct ctl_args *a)
{
	struct wizard *w = c->prepared;

	return w != NULL ? ctl_run_request(c, a, &w->m.base, NULL, NULL) : ctl_run(c, a);
}

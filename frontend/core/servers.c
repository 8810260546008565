#include "frontend/core/servers.h"

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/log/log.h"
#include "common/loop/loan.h"

struct who {
	struct server_who *v;
	size_t n;
	bool names; /* one of them is a domain */
};

struct server {
	struct list node; /* in the set in force, or in the next one */
	char name[SERVER_NAME_MAX + 1];
	enum rpc_service service;
	enum server_state state;
	struct server_listener listeners[SERVER_LISTENERS_MAX];
	size_t nlisteners; /* 0: it answers for what no other does */
	struct conf *own;
	struct who allow, deny;
	unsigned sessions;
	bool gone; /* of no set: freed with its last session */
	/* The policy with what the server says in front of it; of that change of the policy. */
	struct policy_smtp smtp;
	uint64_t policy_change;
};

static struct list current = {&current, &current};
static struct list next = {&next, &next};
static bool etrn, next_etrn; /* of these sets */

/* ---- sets ---- */

static void server_free(struct server **ps)
{
	xfree(&(*ps)->allow.v);
	xfree(&(*ps)->deny.v);
	conf_free(&(*ps)->own);
	xfree(ps);
}

static void drop_set(struct list *set)
{
	while (!list_empty(set)) {
		struct server *s = list_entry(set->next, struct server, node);

		list_remove(&s->node);
		s->gone = true;
		if (s->sessions == 0)
			server_free(&s);
	}
}

void servers_begin(void)
{
	drop_set(&next);
	next_etrn = false;
}

static void read_who(const struct conf *c, const char *list, struct who *out)
{
	size_t n = conf_count(c, list);

	*out = (struct who){.v = xcalloc(n + 1, sizeof *out->v)};
	for (size_t i = 0; i < n; i++) {
		struct server_who *w = &out->v[out->n];

		if (!server_who_parse(slice_str(conf_item(c, list, i)), w))
			continue;
		out->n++;
		out->names = out->names || w->domain[0] != '\0';
	}
}

static void take_settings(struct server *s, const struct server_push *p)
{
	struct diag d;

	for (size_t i = 0; i < p->nsettings; i++) {
		if (servers_find_setting(servers_key(p->settings[i], NULL)) == NULL ||
		    conf_set(s->own, p->settings[i], &d) != E_OK)
			LOG(LOG_WARN, NULL, "server.setting_ignored", LF_STR("server", s->name),
			    LF_SLICE("setting", p->settings[i]));
	}
	/* The back-end has refused what excludes each other; so what is left out here is a newer
	 * one's, and log-ins without TLS are never offered, whatever it says. */
	if (servers_check(s->own, s->service, &d) != E_OK)
		LOG(LOG_WARN, NULL, "server.settings_odd", LF_STR("server", s->name),
		    LF_STR("why", d.text));
	read_who(s->own, "allow", &s->allow);
	read_who(s->own, "deny", &s->deny);
}

static void take_listeners(struct server *s, const struct server_push *p)
{
	for (size_t i = 0; i < p->nlisteners; i++) {
		if (server_listener_parse(p->listeners[i], &s->listeners[s->nlisteners]))
			s->nlisteners++;
		else
			LOG(LOG_WARN, NULL, "server.listener_ignored", LF_STR("server", s->name),
			    LF_SLICE("listener", p->listeners[i]));
	}
}

void servers_put(const struct server_push *p)
{
	struct server *s = xcalloc(1, sizeof *s);
	bool named;

	invariant(p->nlisteners <= SERVER_LISTENERS_MAX && p->nsettings <= SERVER_SETTINGS_MAX);
	list_init(&s->node);
	s->service = p->service;
	s->state = p->state;
	s->own = conf_new(servers_table, servers_table_len);
	named = slice_to_str(p->name, s->name, sizeof s->name);
	take_listeners(s, p);
	/* Without the listeners that it has it would answer for everything. */
	if (!named || (p->nlisteners != 0 && s->nlisteners == 0)) {
		LOG(LOG_WARN, NULL, "server.ignored", LF_SLICE("server", p->name));
		server_free(&s);
		return;
	}
	take_settings(s, p);
	list_append(&next, &s->node);
}

static struct server *find_name(const struct list *set, const struct server *like)
{
	list_for_each(i, set) {
		struct server *s = list_entry(i, struct server, node);

		if (s->service == like->service && strcmp(s->name, like->name) == 0)
			return s;
	}
	return NULL;
}

static void swap_who(struct who *a, struct who *b)
{
	struct who w = *a;

	*a = *b;
	*b = w;
}

/* The one that has the sessions takes over what the new one says. */
static void renew(struct server *s, struct server *from)
{
	struct conf *own = s->own;

	s->state = from->state;
	memcpy(s->listeners, from->listeners, sizeof s->listeners);
	s->nlisteners = from->nlisteners;
	swap_who(&s->allow, &from->allow);
	swap_who(&s->deny, &from->deny);
	s->own = from->own;
	from->own = own;
	s->policy_change = 0;
}

void servers_put_etrn(void)
{
	next_etrn = true;
}

bool servers_etrn(void)
{
	return etrn;
}

void servers_apply(void)
{
	struct list fresh;

	etrn = next_etrn;
	list_init(&fresh);
	while (!list_empty(&next)) {
		struct server *from = list_entry(next.next, struct server, node);
		struct server *s = find_name(&current, from);

		list_remove(&from->node);
		if (s != NULL) {
			renew(s, from);
			list_remove(&s->node);
			server_free(&from);
		} else {
			s = from;
		}
		list_append(&fresh, &s->node);
	}
	drop_set(&current);
	while (!list_empty(&fresh)) {
		struct server *s = list_entry(fresh.next, struct server, node);

		list_remove(&s->node);
		list_append(&current, &s->node);
	}
}

void servers_forget(void)
{
	etrn = next_etrn = false;
	drop_set(&next);
	drop_set(&current);
}

/* ---- who answers ---- */

static unsigned answers(const struct server *s, const struct ipaddr *local, uint16_t port)
{
	unsigned best = 0;

	for (size_t i = 0; i < s->nlisteners; i++)
		best = MAX(best, server_listener_match(&s->listeners[i], slice_str(policy_node()),
						       local, port));
	return best;
}

struct server *servers_find(enum rpc_service service, const struct ipaddr *local, uint16_t port)
{
	struct server *found = NULL;
	unsigned best = 0;

	list_for_each(i, &current) {
		struct server *s = list_entry(i, struct server, node);
		unsigned n = answers(s, local, port);

		if (s->service != service || (n == 0 && s->nlisteners != 0))
			continue;
		if (found == NULL || n > best) {
			found = s;
			best = n;
		}
	}
	return found;
}

void server_enter(struct server *s)
{
	if (s != NULL)
		s->sessions++;
}

void server_leave(struct server **ps)
{
	struct server *s = *ps;

	*ps = NULL;
	if (s != NULL && --s->sessions == 0 && s->gone)
		server_free(&s);
}

/* ---- what it says ---- */

const char *server_name(const struct server *s)
{
	return s != NULL ? s->name : "";
}

enum server_state server_state(const struct server *s)
{
	return s != NULL ? s->state : SERVER_RUNNING;
}

unsigned server_sessions(const struct server *s)
{
	return s != NULL ? s->sessions : 0;
}

static bool has(const struct who *list, const struct ipaddr *peer)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->v[i].domain[0] == '\0' && ipnet_has(&list->v[i].net, peer))
			return true;
	}
	return false;
}

static bool has_name(const struct who *list, const slice_t *names, size_t n)
{
	for (size_t i = 0; i < list->n; i++) {
		for (size_t k = 0; k < n; k++) {
			if (server_who_has_name(&list->v[i], names[k]))
				return true;
		}
	}
	return false;
}

/* A list none of which can be read admits nobody: it was meant to keep somebody out. */
static bool admits_all(const struct server *s)
{
	return conf_count(s->own, "allow") == 0;
}

enum server_admission server_admits(const struct server *s, const struct ipaddr *peer)
{
	bool allowed;

	if (s == NULL)
		return SERVER_ADMITS;
	if (has(&s->deny, peer))
		return SERVER_REFUSES;
	allowed = admits_all(s) || has(&s->allow, peer);
	if (s->deny.names || (!allowed && s->allow.names))
		return SERVER_ASKS_NAME;
	return allowed ? SERVER_ADMITS : SERVER_REFUSES;
}

bool server_admits_names(const struct server *s, const struct ipaddr *peer, const slice_t *names,
			 size_t n)
{
	return s == NULL ||
	       (!has(&s->deny, peer) && !has_name(&s->deny, names, n) &&
		(admits_all(s) || has(&s->allow, peer) || has_name(&s->allow, names, n)));
}

enum server_reverse server_reverse_lookup(const struct server *s)
{
	return s != NULL ? servers_reverse(s->own) : SERVER_REVERSE_OFF;
}

uint32_t server_connections_max(const struct server *s)
{
	return s != NULL && conf_is_set(s->own, "connections_max")
		       ? (uint32_t)conf_int(s->own, "connections_max")
		       : UINT32_MAX;
}

struct policy_limits server_limits(const struct server *s, enum rpc_service service)
{
	struct policy_limits l = policy()->limits[service];

	if (s != NULL && conf_is_set(s->own, "connections_per_ip_max"))
		l.per_ip_max = (uint32_t)conf_int(s->own, "connections_per_ip_max");
	if (s != NULL && conf_is_set(s->own, "rate_per_ip_per_min"))
		l.rate_per_min = (uint32_t)conf_int(s->own, "rate_per_ip_per_min");
	return l;
}

static void own_u32(const struct conf *c, const char *name, uint32_t *to)
{
	if (conf_is_set(c, name))
		*to = (uint32_t)conf_int(c, name);
}

static void own_bytes(const struct conf *c, const char *name, uint64_t *to)
{
	if (conf_is_set(c, name))
		*to = conf_bytes(c, name);
}

static void own_ms(const struct conf *c, const char *name, int64_t *to)
{
	if (conf_is_set(c, name))
		*to = conf_ms(c, name);
}

const struct policy_smtp *server_smtp(struct server *s, enum rpc_service service)
{
	const struct policy_smtp *p =
		service == SERVICE_SUBMISSION ? &policy()->submission : &policy()->smtp;

	if (s == NULL)
		return p;
	if (s->policy_change != policy_change()) {
		s->smtp = *p;
		own_bytes(s->own, "message_bytes_max", &s->smtp.message_bytes_max);
		own_bytes(s->own, "session_bytes_max", &s->smtp.session_bytes_max);
		own_u32(s->own, "messages_max", &s->smtp.messages_max);
		own_u32(s->own, "recipients_max", &s->smtp.recipients_max);
		own_u32(s->own, "errors_max", &s->smtp.errors_max);
		own_ms(s->own, "command_timeout", &s->smtp.command_timeout_ms);
		own_ms(s->own, "data_timeout", &s->smtp.data_timeout_ms);
		s->policy_change = policy_change();
	}
	return &s->smtp;
}

uint32_t server_hops_max(const struct server *s)
{
	uint32_t n = policy()->smtp_hops_max;

	if (s != NULL)
		own_u32(s->own, "hops_max", &n);
	return n;
}

const char *server_hostname(const struct server *s)
{
	const char *own = s != NULL ? conf_str(s->own, "hostname") : "";

	return loan_str(own[0] != '\0' ? own : policy()->hostname);
}

const char *server_banner(const struct server *s)
{
	return s != NULL ? loan_str(conf_str(s->own, "banner")) : "";
}

const char *server_default_domain(const struct server *s)
{
	return s != NULL ? loan_str(conf_str(s->own, "default_domain")) : "";
}

enum server_tls server_tls_mode(const struct server *s)
{
	return s != NULL ? servers_tls(s->own) : SERVER_TLS_OFFERED;
}

enum server_auth server_auth_mode(const struct server *s, enum rpc_service service)
{
	if (s != NULL)
		return servers_auth(s->own, service);
	return service == SERVICE_SUBMISSION ? SERVER_AUTH_REQUIRED : SERVER_AUTH_NONE;
}

bool server_offers(const struct server *s, const char *mechanism)
{
	size_t n = s != NULL ? conf_count(s->own, "auth_mechanisms") : 0;

	for (size_t i = 0; i < n; i++) {
		if (slice_ieq(slice_str(conf_item(s->own, "auth_mechanisms", i)),
			      slice_str(mechanism)))
			return true;
	}
	return n == 0;
}

static bool own_bool(const struct server *s, const char *name, bool cluster)
{
	return s != NULL && conf_is_set(s->own, name) ? conf_bool(s->own, name) : cluster;
}

bool server_hides_client(const struct server *s)
{
	return own_bool(s, "hide_client", policy()->submission_hide_client);
}

bool server_hides_program(const struct server *s)
{
	return own_bool(s, "hide_program", policy()->submission_hide_program);
}

static bool ends_with(slice_t domain, slice_t suffix)
{
	return domain.n > suffix.n && slice_ieq(slice_from(domain, domain.n - suffix.n), suffix);
}

/* ".suffix": all below it. */
static bool is_masqueraded(slice_t domain, slice_t pattern)
{
	if (pattern.n == 0 || pattern.p[0] != '.')
		return slice_ieq(domain, pattern);
	return ends_with(domain, pattern);
}

/* Without a list: all below the domain. */
static bool is_below(slice_t domain, slice_t top)
{
	return ends_with(domain, top) && domain.p[domain.n - top.n - 1] == '.';
}

static const char *masquerade_domain(const struct server *s)
{
	bool own = s != NULL && conf_is_set(s->own, "masquerade_domain");

	return own ? conf_str(s->own, "masquerade_domain") : policy()->masquerade_domain;
}

bool server_edits(const struct server *s)
{
	return server_hides_client(s) || server_hides_program(s) || masquerade_domain(s)[0] != '\0';
}

const char *server_masquerade(const struct server *s, slice_t domain)
{
	const char *to = masquerade_domain(s);
	bool list = s != NULL && conf_is_set(s->own, "masquerade_from");
	size_t n = list ? conf_count(s->own, "masquerade_from") : policy_masquerades();

	if (to[0] == '\0' || domain.n == 0)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const char *pattern =
			list ? conf_item(s->own, "masquerade_from", i) : policy_masquerade(i);

		if (is_masqueraded(domain, slice_str(pattern)))
			return loan_str(to);
	}
	return n == 0 && is_below(domain, slice_str(to)) ? loan_str(to) : NULL;
}

bool server_relays(const struct server *s)
{
	return s == NULL || strcmp(conf_str(s->own, "relay"), "none") != 0;
}

bool server_relays_from(const struct server *s, const struct ipaddr *peer)
{
	return s != NULL && servers_relay_from(s->own, s->service, peer);
}

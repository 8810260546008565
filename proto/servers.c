#include "proto/servers.h"

#include "common/base/num.h"
#include "common/parse/idn.h"

#define KIB    1024LL
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)
#define MINUTE 60000LL
#define HOUR   (60 * MINUTE)

_Static_assert(SERVER_DOMAIN_MAX == DOMAIN_MAX, "a domain fits");

/* What a more telling listener is preferred by. */
#define MATCH_PORT     1
#define MATCH_FRONTEND 2
#define MATCH_ADDRESS  4

const struct conf_def servers_table[] = {
	{"hostname", CONF_STRING, "", 0, 255, CONF_LIVE,
	 "Name in greetings and Received fields; empty: the cluster's", "host"},
	{"banner", CONF_STRING, "", 0, 200, CONF_LIVE, "Text of the greeting, after the name",
	 "ascii"},
	{"default_domain", CONF_STRING, "", 0, 255, CONF_LIVE,
	 "Added to bare user names at log-in, and to <Postmaster>; empty: the cluster's", "domain"},
	{"home", CONF_STRING, "", 0, SERVER_HOME_MAX, CONF_LIVE,
	 "Folder of its files on back-ends, below their areas; empty: its name", NULL},
	{"tls", CONF_WORD, "offered", 0, 0, CONF_LIVE,
	 "STARTTLS: offered, demanded before mail and log-in, or not known",
	 "offered required none"},
	{"auth", CONF_WORD, "auto", 0, 0, CONF_LIVE,
	 "Log-in: auto is none on smtp and required on submission", "auto none allowed required"},
	{"auth_mechanisms", CONF_STRINGS, NULL, 0, 8, CONF_LIVE,
	 "Those offered: GSSAPI, SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN; empty: all",
	 NULL},
	{"relay", CONF_WORD, "authenticated", 0, 0, CONF_LIVE,
	 "Who may send to other systems: who has logged in, or nobody", "authenticated none"},
	{"relay_from", CONF_STRINGS, NULL, 0, SERVER_NETS_MAX, CONF_LIVE,
	 "Nets whose clients send to other systems, and as anybody, without a log-in; empty: none",
	 NULL},
	{"allow", CONF_STRINGS, NULL, 0, SERVER_NETS_MAX, CONF_LIVE,
	 "Nets and domains of names that lead back, that may connect; empty: all", NULL},
	{"deny", CONF_STRINGS, NULL, 0, SERVER_NETS_MAX, CONF_LIVE,
	 "Nets and domains that may not connect, allowed or not", NULL},
	{"reverse_lookup", CONF_WORD, "off", 0, 0, CONF_LIVE,
	 "The name of a client's address, which leads back to it: not asked for, noted in "
	 "Received, or demanded",
	 "off noted required"},
	{"connections_max", CONF_INT, "2000", 1, 1000000, CONF_LIVE,
	 "Connections at once, per worker", NULL},
	{"connections_per_ip_max", CONF_INT, "100", 1, 1000000, CONF_LIVE,
	 "Connections at once from one address, per worker", NULL},
	{"rate_per_ip_per_min", CONF_INT, "0", 0, 1000000, CONF_LIVE,
	 "New connections a minute from one address, per worker; 0: no limit", NULL},
	{"message_bytes_max", CONF_BYTES, "50m", KIB, GIB, CONF_LIVE, "Size of a message", NULL},
	{"session_bytes_max", CONF_BYTES, "500m", KIB, 1024 * GIB, CONF_LIVE,
	 "Message bytes of one session", NULL},
	{"messages_max", CONF_INT, "100", 0, 1000000, CONF_LIVE,
	 "Messages of one session; 0: no limit", NULL},
	{"recipients_max", CONF_INT, "500", 1, 1000, CONF_LIVE, "Recipients of one message", NULL},
	{"hops_max", CONF_INT, "100", 1, 1000, CONF_LIVE,
	 "Received fields of a message; more is a loop", NULL},
	{"errors_max", CONF_INT, "20", 1, 1000, CONF_LIVE,
	 "Refused commands until a session is closed", NULL},
	{"hide_client", CONF_BOOL, "false", 0, 0, CONF_LIVE,
	 "Submissions say nothing of the client's address and name", NULL},
	{"hide_program", CONF_BOOL, "false", 0, 0, CONF_LIVE,
	 "Submissions lose User-Agent, X-Mailer and the like", NULL},
	{"masquerade_domain", CONF_STRING, "", 0, 255, CONF_LIVE,
	 "A domain of ours that stands in submissions for those of hosts; empty: none does",
	 "domain"},
	{"masquerade_from", CONF_STRINGS, NULL, 0, SERVER_MASQUERADES_MAX, CONF_LIVE,
	 "These are replaced by it: a domain, or .suffix; empty: all below it", "suffix"},
	{"command_timeout", CONF_DURATION, "5m", 1000, HOUR, CONF_LIVE, "Silence between commands",
	 NULL},
	{"data_timeout", CONF_DURATION, "10m", 1000, 4 * HOUR, CONF_LIVE,
	 "Time for the whole of one message", NULL},
	{"outbound.helo", CONF_STRING, "", 0, 255, CONF_LIVE,
	 "Our name in EHLO when its mail goes to other systems; empty: the cluster's", "host"},
	{"outbound.source", CONF_STRINGS, NULL, 0, SERVER_SOURCES_MAX, CONF_LIVE,
	 "FRONTEND/ADDRESS: our end of connections with its mail; no other front-end sends it",
	 NULL},
	{"outbound.retry_first", CONF_DURATION, "15m", MINUTE / 60, 24 * HOUR, CONF_LIVE,
	 "Its mail to other systems is tried again after the first failed try", NULL},
	{"outbound.retry_second", CONF_DURATION, "30m", MINUTE / 60, 24 * HOUR, CONF_LIVE,
	 "After the second", NULL},
	{"outbound.retry_third", CONF_DURATION, "60m", MINUTE / 60, 24 * HOUR, CONF_LIVE,
	 "After the third", NULL},
	{"outbound.retry_later", CONF_DURATION, "240m", MINUTE / 60, 24 * HOUR, CONF_LIVE,
	 "After each further one", NULL},
	{"outbound.delay_notice", CONF_DURATION, "12h", 0, 30 * 24 * HOUR, CONF_LIVE,
	 "The sender hears that a message is late; 0: never", NULL},
	{"outbound.expiry", CONF_DURATION, "2d", MINUTE / 60, 30 * 24 * HOUR, CONF_LIVE,
	 "A message that could not be sent is given up and returned", NULL},
};

const size_t servers_table_len = ARRAY_LEN(servers_table);

static const char *const mechanisms[] = {"GSSAPI", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN",
					 "LOGIN"};

const struct conf_def *servers_find_setting(slice_t key)
{
	for (size_t i = 0; i < servers_table_len; i++) {
		if (slice_eq(key, slice_str(servers_table[i].name)))
			return &servers_table[i];
	}
	return NULL;
}

slice_t servers_key(slice_t assignment, slice_t *value_out)
{
	size_t n = slice_find_char(assignment, '=');

	if (value_out != NULL)
		*value_out = slice_from(assignment, n + 1);
	return slice_sub(assignment, 0, n);
}

bool servers_name_ok(slice_t name)
{
	bool ok = name.n >= 1 && name.n <= SERVER_NAME_MAX;

	for (size_t i = 0; i < name.n && ok; i++)
		ok = (name.p[i] >= 'a' && name.p[i] <= 'z') ||
		     (name.p[i] >= '0' && name.p[i] <= '9') || name.p[i] == '-';
	return ok;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

/* No way out of the areas' folder, and nothing that their users do not see. */
bool servers_home_ok(slice_t home)
{
	const slice_t others = SL("-_./");
	bool begins = true; /* a name */
	bool ok = home.n >= 1 && home.n <= SERVER_HOME_MAX;

	for (size_t i = 0; i < home.n && ok; i++) {
		char c = home.p[i];

		ok = is_alnum(c) || (!begins && slice_find_char(others, c) < others.n);
		begins = c == '/';
	}
	return ok && !begins;
}

enum server_tls servers_tls(const struct conf *c)
{
	const char *word = conf_str(c, "tls");

	return strcmp(word, "required") == 0 ? SERVER_TLS_REQUIRED
	       : strcmp(word, "none") == 0   ? SERVER_TLS_NONE
					     : SERVER_TLS_OFFERED;
}

enum server_auth servers_auth(const struct conf *c, enum rpc_service service)
{
	const char *word = conf_str(c, "auth");

	if (strcmp(word, "auto") == 0)
		return service == SERVICE_SUBMISSION ? SERVER_AUTH_REQUIRED : SERVER_AUTH_NONE;
	return strcmp(word, "required") == 0  ? SERVER_AUTH_REQUIRED
	       : strcmp(word, "allowed") == 0 ? SERVER_AUTH_ALLOWED
					      : SERVER_AUTH_NONE;
}

enum server_reverse servers_reverse(const struct conf *c)
{
	const char *word = conf_str(c, "reverse_lookup");

	return strcmp(word, "required") == 0 ? SERVER_REVERSE_REQUIRED
	       : strcmp(word, "noted") == 0  ? SERVER_REVERSE_NOTED
					     : SERVER_REVERSE_OFF;
}

bool servers_relay_from(const struct conf *c, enum rpc_service service, const struct ipaddr *client)
{
	bool listed = false;

	for (size_t i = 0; i < conf_count(c, "relay_from") && !listed; i++) {
		struct ipnet net;

		listed = ipnet_parse(slice_str(conf_item(c, "relay_from", i)), &net) &&
			 ipnet_has(&net, client);
	}
	return listed && service == SERVICE_SUBMISSION &&
	       strcmp(conf_str(c, "relay"), "none") != 0 &&
	       servers_auth(c, service) != SERVER_AUTH_REQUIRED;
}

static enum err check_mechanisms(const struct conf *c, struct diag *d)
{
	for (size_t i = 0; i < conf_count(c, "auth_mechanisms"); i++) {
		const char *name = conf_item(c, "auth_mechanisms", i);
		bool known = false;

		for (size_t k = 0; k < ARRAY_LEN(mechanisms); k++)
			known = known || slice_ieq(slice_str(name), slice_str(mechanisms[k]));
		if (!known)
			return diag_set(d, E_INVALID, "auth_mechanisms: there is no %.80s", name);
	}
	return E_OK;
}

static enum err check_nets(const struct conf *c, const char *list, struct diag *d)
{
	for (size_t i = 0; i < conf_count(c, list); i++) {
		struct server_who w;

		if (!server_who_parse(slice_str(conf_item(c, list, i)), &w))
			return diag_set(d, E_INVALID,
					"%s: %.80s is neither a net, nor an address, nor a domain",
					list, conf_item(c, list, i));
	}
	return E_OK;
}

static enum err check_relay(const struct conf *c, enum rpc_service service, struct diag *d)
{
	const char list[] = "relay_from";
	struct ipnet net;

	for (size_t i = 0; i < conf_count(c, list); i++) {
		if (!ipnet_parse(slice_str(conf_item(c, list, i)), &net))
			return diag_set(d, E_INVALID, "%s: %.80s is neither a net nor an address",
					list, conf_item(c, list, i));
	}
	if (conf_count(c, list) == 0)
		return E_OK;
	/* A worker of smtp has no way to other systems (docs/threat-model.md). */
	if (service == SERVICE_SMTP)
		return diag_set(
			d, E_INVALID,
			"relay_from: the service smtp sends nothing to other systems; a server "
			"of the service submission may have port 25, too");
	if (servers_auth(c, service) == SERVER_AUTH_REQUIRED)
		return diag_set(d, E_INVALID, "relay_from: auth has to be allowed or none");
	if (strcmp(conf_str(c, "relay"), "none") == 0)
		return diag_set(d, E_INVALID, "relay_from: relay is none");
	return E_OK;
}

static enum err check_sources(const struct conf *c, struct diag *d)
{
	const char list[] = "outbound.source";

	for (size_t i = 0; i < conf_count(c, list); i++) {
		struct server_source s;

		if (!server_source_parse(slice_str(conf_item(c, list, i)), &s))
			return diag_set(d, E_INVALID, "%s: %.80s is not FRONTEND/ADDRESS", list,
					conf_item(c, list, i));
	}
	return E_OK;
}

enum err servers_check(const struct conf *c, enum rpc_service service, struct diag *d)
{
	enum server_auth auth = servers_auth(c, service);
	enum err e = check_mechanisms(c, d);

	if (e == E_OK)
		e = check_nets(c, "allow", d);
	if (e == E_OK)
		e = check_nets(c, "deny", d);
	if (e == E_OK)
		e = check_sources(c, d);
	if (e == E_OK)
		e = check_relay(c, service, d);
	if (e == E_OK && conf_str(c, "home")[0] != '\0' &&
	    !servers_home_ok(slice_str(conf_str(c, "home"))))
		e = diag_set(d, E_INVALID,
			     "home: names of letters, digits and, but for the first, '-', '_' and "
			     "'.', with '/' between them");
	if (e != E_OK)
		return e;
	/* Its workers cannot even ask for a log-in (docs/threat-model.md). */
	if (service == SERVICE_SMTP && auth != SERVER_AUTH_NONE)
		return diag_set(d, E_INVALID,
				"auth: nobody logs in at the service smtp; a server of the service "
				"submission may have port 25, too");
	if (auth == SERVER_AUTH_REQUIRED && servers_tls(c) == SERVER_TLS_NONE)
		return diag_set(d, E_INVALID,
				"tls: log-ins need TLS, and this server demands them");
	return E_OK;
}

/* ---- who ---- */

/* A net with a slip in it is no name: names' last labels are not numbers (RFC 3696 section 2). */
static bool ends_in_number(slice_t name)
{
	size_t i = name.n;

	while (i > 0 && name.p[i - 1] >= '0' && name.p[i - 1] <= '9')
		i--;
	return i != name.n && (i == 0 || name.p[i - 1] == '.');
}

bool server_who_parse(slice_t text, struct server_who *out)
{
	*out = (struct server_who){.domain = ""};
	if (ipnet_parse(text, &out->net))
		return true;
	if (slice_find_char(text, '.') == text.n || ends_in_number(text) ||
	    domain_normalise(text, out->domain) != E_OK)
		out->domain[0] = '\0';
	return out->domain[0] != '\0';
}

bool server_who_has_name(const struct server_who *w, slice_t name)
{
	slice_t domain = slice_str(w->domain);

	return domain.n != 0 && slice_ends(name, domain) &&
	       (name.n == domain.n || name.p[name.n - domain.n - 1] == '.');
}

/* ---- listeners ---- */

static bool parse_port(slice_t text, uint16_t *out)
{
	uint64_t n;

	if (!num_parse(text, UINT16_MAX, &n) || n == 0)
		return false;
	*out = (uint16_t)n;
	return true;
}

bool server_listener_parse(slice_t text, struct server_listener *out)
{
	size_t slash = slice_find_char(text, '/');

	*out = (struct server_listener){.port = 0};
	if (text.n > SERVER_LISTENER_MAX)
		return false;
	if (slash < text.n) {
		slice_t name = slice_sub(text, 0, slash);

		if (!servers_name_ok(name) ||
		    !slice_to_str(name, out->frontend, sizeof out->frontend))
			return false;
		text = slice_from(text, slash + 1);
	}
	if (slice_starts(text, SL(":")))
		return parse_port(slice_from(text, 1), &out->port);
	return ipaddr_parse_port(text, &out->address, &out->port) && out->port != 0;
}

bool server_source_parse(slice_t text, struct server_source *out)
{
	size_t slash = slice_find_char(text, '/');
	slice_t name = slice_sub(text, 0, slash);

	*out = (struct server_source){.frontend = ""};
	return slash < text.n && servers_name_ok(name) &&
	       slice_to_str(name, out->frontend, sizeof out->frontend) &&
	       ipaddr_parse(slice_from(text, slash + 1), &out->address);
}

void server_listener_format(const struct server_listener *l, struct buf *out)
{
	char ip[IPADDR_STR];

	if (l->frontend[0] != '\0')
		buf_printf(out, "%s/", l->frontend);
	if (l->address.family != 0)
		buf_printf(out, l->address.family == 6 ? "[%s]" : "%s",
			   ipaddr_str(&l->address, ip));
	buf_printf(out, ":%u", l->port);
}

unsigned server_listener_match(const struct server_listener *l, slice_t frontend,
			       const struct ipaddr *local, uint16_t port)
{
	unsigned said = MATCH_PORT;

	if (l->port != port)
		return 0;
	if (l->frontend[0] != '\0') {
		if (!slice_eq(slice_str(l->frontend), frontend))
			return 0;
		said += MATCH_FRONTEND;
	}
	if (l->address.family != 0) {
		if (!ipaddr_eq(&l->address, local))
			return 0;
		said += MATCH_ADDRESS;
	}
	return said;
}

bool server_listener_is_at(const struct server_listener *l, const struct server_listener *socket)
{
	static const uint8_t any[sizeof socket->address.b] = {0};

	if (l->port != socket->port ||
	    (l->frontend[0] != '\0' && strcmp(l->frontend, socket->frontend) != 0))
		return false;
	return l->address.family == 0 || ipaddr_eq(&socket->address, &l->address) ||
	       memcmp(socket->address.b, any, sizeof any) == 0;
}

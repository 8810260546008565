#include "proto/settings.h"

#include "common/net/ipaddr.h"
#include "common/parse/idn.h"

#define KIB    1024LL
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)
#define MINUTE 60000LL
#define HOUR   (60 * MINUTE)

/* clang-format off */
#define LIMITS(svc, conns, per_ip, rate) \
	{svc ".connections_max", CONF_INT, conns, 1, 1000000, CONF_LIVE, \
	 "Connections at once, per worker", NULL}, \
	{svc ".connections_per_ip_max", CONF_INT, per_ip, 1, 1000000, CONF_LIVE, \
	 "Connections at once from one address, per worker", NULL}, \
	{svc ".rate_per_ip_per_min", CONF_INT, rate, 0, 1000000, CONF_LIVE, \
	 "New connections a minute from one address, per worker; 0: no limit", NULL}
/* clang-format on */

const struct conf_def settings_table[] = {
	{"hostname", CONF_STRING, "", 0, 255, CONF_LIVE,
	 "Name in greetings and Received fields; empty: the node's own", "host"},
	{"default_domain", CONF_STRING, "", 0, 255, CONF_LIVE, "Added to bare user names at log-in",
	 "domain"},
	{"tls.handshake_timeout", CONF_DURATION, "30s", 1000, 5 * MINUTE, CONF_LIVE,
	 "A client may take so long for its TLS handshake", NULL},
	{"auth.plain", CONF_BOOL, "true", 0, 0, CONF_LIVE, "Offer PLAIN and LOGIN, under TLS only",
	 NULL},
	{"auth.scram", CONF_BOOL, "true", 0, 0, CONF_LIVE,
	 "Keep new passwords as SCRAM-SHA-256 verifiers; else Argon2id, without SCRAM", NULL},
	{"auth.gssapi_realms", CONF_STRINGS, NULL, 0, SETTINGS_REALMS_MAX, CONF_LIVE,
	 "Realms of Kerberos whose users log in with tickets: REALM, or REALM/DOMAIN; empty: none",
	 NULL},
	{"directory.plus", CONF_STRING, "+", 0, 1, CONF_LIVE,
	 "What stands between a user and a detail in an address; empty: nothing does", "mark"},
	{"directory.postmaster", CONF_STRING, "", 0, 320, CONF_LIVE,
	 "Where mail for a postmaster goes that a domain does not have", "address"},
	{"smtp.message_bytes_max", CONF_BYTES, "50m", KIB, GIB, CONF_LIVE, "Size of a message",
	 NULL},
	{"smtp.session_bytes_max", CONF_BYTES, "500m", KIB, 1024 * GIB, CONF_LIVE,
	 "Message bytes of one session", NULL},
	{"smtp.messages_max", CONF_INT, "100", 0, 1000000, CONF_LIVE,
	 "Messages of one session; 0: no limit", NULL},
	{"smtp.recipients_max", CONF_INT, "500", 1, 1000, CONF_LIVE, "Recipients of one message",
	 NULL},
	{"smtp.errors_max", CONF_INT, "20", 1, 1000, CONF_LIVE,
	 "Refused commands until a session is closed", NULL},
	{"smtp.command_timeout", CONF_DURATION, "5m", 1000, HOUR, CONF_LIVE,
	 "Silence between commands (RFC 5321 section 4.5.3.2.7)", NULL},
	{"smtp.data_timeout", CONF_DURATION, "10m", 1000, 4 * HOUR, CONF_LIVE,
	 "Time for the whole of one message", NULL},
	{"smtp.hops_max", CONF_INT, "100", 1, 1000, CONF_LIVE,
	 "Received fields until a message counts as looping", NULL},
	{"smtp.local_sender_check", CONF_BOOL, "true", 0, 0, CONF_LIVE,
	 "Refuse our own domains as sender without authentication", NULL},
	{"lmtp.nets", CONF_STRINGS, "127.0.0.0/8,::1", 0, SETTINGS_NETS_MAX, CONF_LIVE,
	 "Nets of the relays that may deliver by LMTP", NULL},
	{"submission.message_bytes_max", CONF_BYTES, "50m", KIB, GIB, CONF_LIVE,
	 "Size of a submitted message", NULL},
	{"submission.session_bytes_max", CONF_BYTES, "500m", KIB, 1024 * GIB, CONF_LIVE,
	 "Message bytes of one session", NULL},
	{"submission.messages_max", CONF_INT, "100", 0, 1000000, CONF_LIVE,
	 "Messages of one session; 0: no limit", NULL},
	{"submission.recipients_max", CONF_INT, "500", 1, 1000, CONF_LIVE,
	 "Recipients of one message", NULL},
	{"submission.errors_max", CONF_INT, "20", 1, 1000, CONF_LIVE,
	 "Refused commands until a session is closed", NULL},
	{"submission.command_timeout", CONF_DURATION, "5m", 1000, HOUR, CONF_LIVE,
	 "Silence between commands", NULL},
	{"submission.data_timeout", CONF_DURATION, "10m", 1000, 4 * HOUR, CONF_LIVE,
	 "Time for the whole of one message", NULL},
	{"submission.limit_minute", CONF_INT, "120", 0, 1000000, CONF_LIVE,
	 "Messages of one account in a minute; 0: no limit", NULL},
	{"submission.limit_hour", CONF_INT, "1000", 0, 10000000, CONF_LIVE,
	 "Messages of one account in an hour; 0: no limit", NULL},
	{"submission.limit_day", CONF_INT, "2000", 0, 100000000, CONF_LIVE,
	 "Messages of one account in a day; 0: no limit", NULL},
	{"submission.recipients_hour", CONF_INT, "3000", 0, 10000000, CONF_LIVE,
	 "Recipients of one account's messages in an hour; 0: no limit", NULL},
	{"submission.recipients_day", CONF_INT, "10000", 0, 100000000, CONF_LIVE,
	 "Recipients of one account's messages in a day; 0: no limit", NULL},
	{"submission.burst_recipients", CONF_INT, "200", 0, 1000000, CONF_LIVE,
	 "Recipients elsewhere in ten minutes that hold an account; 0: none do", NULL},
	{"submission.burst_factor", CONF_INT, "10", 0, 10000, CONF_LIVE,
	 "... or different ones in an hour: so many times what is usual; 0: never", NULL},
	{"submission.burst_failed_percent", CONF_INT, "30", 0, 100, CONF_LIVE,
	 "... or refused ones among an hour's tries; 0: never", NULL},
	{"submission.hide_client", CONF_BOOL, "false", 0, 0, CONF_LIVE,
	 "Submissions say nothing of the client's address and name", NULL},
	{"submission.hide_program", CONF_BOOL, "false", 0, 0, CONF_LIVE,
	 "Submissions lose User-Agent, X-Mailer and the like", NULL},
	{"alert.to", CONF_STRING, "", 0, 320, CONF_LIVE,
	 "Hears of accounts that are held for a burst; empty: directory.postmaster; off: nobody",
	 "address off"},
	{"masquerade.domain", CONF_STRING, "", 0, 255, CONF_LIVE,
	 "A domain of ours that stands in submissions for those of hosts; empty: none does",
	 "domain"},
	{"masquerade.from", CONF_STRINGS, NULL, 0, 64, CONF_LIVE,
	 "These are replaced by it: a domain, or .suffix; empty: all below it", "suffix"},
	{"submission.future_release_max", CONF_DURATION, "7d", 0, 365 * 24 * HOUR, CONF_LIVE,
	 "A user may have a message held back so long (RFC 4865); 0: not at all", NULL},
	{"submission.priority_max", CONF_INT, "0", 0, 9, CONF_LIVE,
	 "What users may ask for by MT-PRIORITY (RFC 6710); more urgent mail is made so", NULL},
	{"submission.save_sent", CONF_BOOL, "false", 0, 0, CONF_LIVE,
	 "A copy of what users send goes into their folder for sent mail", NULL},
	{"outbound.pace_account", CONF_INT, "0", 0, 1000000, CONF_LIVE,
	 "Messages a minute that go out for one account, the others wait; 0: no limit", NULL},
	{"outbound.pace_domain", CONF_INT, "0", 0, 1000000, CONF_LIVE, "... for one domain of ours",
	 NULL},
	{"outbound.pace_destination", CONF_INT, "0", 0, 1000000, CONF_LIVE,
	 "... to one domain elsewhere", NULL},
	{"outbound.retry_first", CONF_DURATION, "15m", MINUTE / 60, 24 * HOUR, CONF_LIVE,
	 "After the first failed try, the next one (RFC 5321 section 4.5.4.1)", NULL},
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
	{"outbound.bounce_copy", CONF_STRING, "", 0, 320, CONF_LIVE,
	 "This address, too, gets what senders are told of failures; empty: none", "address"},
	{"outbound.suspended_destinations", CONF_STRINGS, NULL, 0, 100, CONF_LIVE,
	 "Mail to these domains, or by way of these hosts, waits until they are taken off again",
	 "word"},
	{"outbound.suspended_senders", CONF_STRINGS, NULL, 0, 100, CONF_LIVE,
	 "Mail from these addresses waits until they are taken off again", "address"},
	{"queue.bad_keep", CONF_DURATION, "30d", 0, 3650LL * 24 * HOUR, CONF_LIVE,
	 "What could neither be delivered nor returned is kept so long; 0: until it is removed",
	 NULL},
	{"outbound.tls", CONF_WORD, "dane", 0, 0, CONF_LIVE,
	 "Demanded of other systems' servers that have no policy of their own; dane: what they say "
	 "by DANE and MTA-STS, or else as may",
	 "may encrypt verify dane"},
	{"outbound.connections_per_destination", CONF_INT, "100", 1, 100, CONF_LIVE,
	 "Connections at once to one other system, of all workers of a back-end's queue", NULL},
	{"outbound.connections", CONF_INT, "1000", 1, 10000, CONF_LIVE,
	 "Connections of the way out at once, per worker", NULL},
	{"outbound.connect_timeout", CONF_DURATION, "30s", 1000, 5 * MINUTE, CONF_LIVE,
	 "Another system's server may take so long to take a connection", NULL},
	{"outbound.helo", CONF_STRING, "", 0, 255, CONF_LIVE,
	 "Our name in EHLO to other systems; empty: hostname", "host"},
	{"outbound.source4", CONF_STRING, "", 0, 45, CONF_LIVE,
	 "Our end of connections to other systems, IPv4; empty: the system's choice", "ip4"},
	{"outbound.source6", CONF_STRING, "", 0, 45, CONF_LIVE, "The same, IPv6", "ip6"},
	{"outbound.masquerade", CONF_STRING, "", 0, 1000, CONF_LIVE,
	 "Domains, separated by spaces: envelope senders at hosts below become senders at them",
	 "domains"},
	{"srs.domain", CONF_STRING, "", 0, 255, CONF_LIVE,
	 "Of rewritten senders of forwarded mail; empty: the alias's domain; off: none are",
	 "domain off"},
	{"web.connections_max", CONF_INT, "1000", 1, 1000000, CONF_LIVE,
	 "Connections of a web worker", NULL},
	{"web.connections_per_ip_max", CONF_INT, "10", 1, 1000000, CONF_LIVE,
	 "Connections of one address at a web worker", NULL},
	{"web.rate_per_ip_per_min", CONF_INT, "60", 1, 1000000, CONF_LIVE,
	 "New connections of one address a minute at a web worker", NULL},
	{"web.keep", CONF_DURATION, "60s", 0, HOUR, CONF_LIVE,
	 "A web worker answers without asking a back-end again for so long", NULL},
	{"tlsrpt.read", CONF_STRING, "", 0, 320, CONF_LIVE,
	 "Mail to this address of ours is read as reports of TLS (RFC 8460); empty: none is",
	 "address"},
	{"tlsrpt.send", CONF_BOOL, "true", 0, 0, CONF_LIVE,
	 "Tell domains that ask for it how TLS with their servers went, once a day (RFC 8460)",
	 NULL},
	{"tlsrpt.contact", CONF_STRING, "", 0, 320, CONF_LIVE,
	 "Author of such reports, an address; empty: postmaster at default_domain or hostname",
	 "address"},
	{"tlsrpt.organization", CONF_STRING, "", 0, 100, CONF_LIVE,
	 "Our name in them; empty: the contact's domain", "text"},
	{"smtp.port_out", CONF_INT, "25", 1, 65535, CONF_LIVE, "Port of other systems' servers",
	 NULL},
	{"dns.mx_hosts", CONF_STRINGS, "", 0, 16, CONF_LIVE,
	 "Names of the hosts that take mail from outside, for `dns show`; empty: hostname", "host"},
	{"blocklists.addresses", CONF_STRINGS, NULL, 0, 16, CONF_LIVE,
	 "DNS block lists that are asked about our addresses, as zen.spamhaus.org", "domain"},
	{"blocklists.domains", CONF_STRINGS, NULL, 0, 16, CONF_LIVE,
	 "DNS block lists that are asked about our domains, as dbl.spamhaus.org", "domain"},
	{"blocklists.own", CONF_STRINGS, NULL, 0, 64, CONF_LIVE,
	 "Addresses that our mail comes from, beside those of the hosts that take it", "ip"},
	{"blocklists.check_every", CONF_DURATION, "1h", 1000, 24 * HOUR, CONF_LIVE,
	 "Time between two looks at block lists", NULL},
	{"dkim.rotate_after", CONF_DURATION, "180d", 0, 3650 * 24 * HOUR, CONF_LIVE,
	 "A key that signs so long gets a successor; 0: never", NULL},
	{"dkim.overlap", CONF_DURATION, "7d", 0, 365 * 24 * HOUR, CONF_LIVE,
	 "A retired key is kept so long, and its record with it", NULL},
	{"dkim.seen_for", CONF_DURATION, "1h", 0, 30 * 24 * HOUR, CONF_LIVE,
	 "A successor signs once its record has been in DNS so long", NULL},
	{"dkim.check_every", CONF_DURATION, "10m", 1000, 24 * HOUR, CONF_LIVE,
	 "Time between two looks at keys and their records", NULL},
	{"imap.idle_timeout", CONF_DURATION, "30m", 1000, 24 * HOUR, CONF_LIVE,
	 "Silence of a logged-in client (RFC 3501 section 5.4: at least 30 minutes)", NULL},
	{"imap.login_timeout", CONF_DURATION, "3m", 1000, HOUR, CONF_LIVE,
	 "Time until a client must have logged in", NULL},
	{"imap.append_bytes_max", CONF_BYTES, "50m", KIB, GIB, CONF_LIVE,
	 "Size of an appended message", NULL},
	LIMITS("smtp", "2000", "100", "0"),
	LIMITS("submission", "2000", "100", "0"),
	LIMITS("imap", "20000", "5000", "0"),
};

const size_t settings_table_len = ARRAY_LEN(settings_table);

enum err settings_check_nets(const struct conf *c, struct diag *d)
{
	for (size_t i = 0; i < conf_count(c, "lmtp.nets"); i++) {
		struct ipnet net;

		if (!ipnet_parse(slice_str(conf_item(c, "lmtp.nets", i)), &net))
			return diag_set(d, E_INVALID,
					"lmtp.nets: %.80s is neither a net nor an address",
					conf_item(c, "lmtp.nets", i));
	}
	return E_OK;
}

bool settings_realm_parse(slice_t text, struct settings_realm *out)
{
	size_t slash = slice_find_char(text, '/');
	char domain[DOMAIN_MAX + 1];

	out->realm = slice_sub(text, 0, slash);
	out->domain = slash < text.n ? slice_from(text, slash + 1) : out->realm;
	for (size_t i = 0; i < out->realm.n; i++) {
		unsigned char c = (unsigned char)out->realm.p[i];

		if (c <= ' ' || c >= 0x7f || c == '@' || c == '\\')
			return false;
	}
	return out->realm.n > 0 && domain_normalise(out->domain, domain) == E_OK;
}

enum err settings_check_realms(const struct conf *c, struct diag *d)
{
	for (size_t i = 0; i < conf_count(c, SETTINGS_REALMS); i++) {
		struct settings_realm r;

		if (!settings_realm_parse(slice_str(conf_item(c, SETTINGS_REALMS, i)), &r))
			return diag_set(d, E_INVALID,
					SETTINGS_REALMS ": %.80s is neither REALM nor REALM/DOMAIN",
					conf_item(c, SETTINGS_REALMS, i));
	}
	return E_OK;
}

enum err settings_check_sizes(const struct conf *c, struct diag *d)
{
	for (size_t i = 0; i < settings_table_len; i++) {
		const char *name = settings_table[i].name;
		struct buf value;
		bool fits;

		if (!conf_is_set(c, name))
			continue;
		buf_init(&value, SETTINGS_VALUE_MAX, NULL);
		conf_text(c, name, &value);
		fits = !buf_failed(&value);
		buf_fini(&value);
		if (!fits)
			return diag_set(d, E_INVALID, "%s: longer than %d bytes in all", name,
					SETTINGS_VALUE_MAX);
	}
	return E_OK;
}

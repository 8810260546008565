#include "proto/settings.h"

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
	 "Name in greetings and Received fields; empty: the node's own", NULL},
	{"default_domain", CONF_STRING, "", 0, 255, CONF_LIVE, "Added to bare user names at log-in",
	 NULL},
	{"tls.handshake_timeout", CONF_DURATION, "30s", 1000, 5 * MINUTE, CONF_LIVE,
	 "A client may take so long for its TLS handshake", NULL},
	{"auth.plain", CONF_BOOL, "true", 0, 0, CONF_LIVE, "Offer PLAIN and LOGIN, under TLS only",
	 NULL},
	{"auth.scram", CONF_BOOL, "true", 0, 0, CONF_LIVE,
	 "Keep new passwords as SCRAM-SHA-256 verifiers; else Argon2id, without SCRAM", NULL},
	{"directory.plus", CONF_STRING, "+", 0, 1, CONF_LIVE,
	 "What stands between a user and a detail in an address; empty: nothing does", NULL},
	{"directory.postmaster", CONF_STRING, "", 0, 320, CONF_LIVE,
	 "Where mail for a postmaster goes that a domain does not have", NULL},
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
	{"outbound.expiry", CONF_DURATION, "2d", MINUTE, 30 * 24 * HOUR, CONF_LIVE,
	 "A message that could not be sent is given up and returned", NULL},
	{"outbound.bounce_copy", CONF_STRING, "", 0, 320, CONF_LIVE,
	 "This address, too, gets what senders are told of failures; empty: none", NULL},
	{"outbound.suspended_destinations", CONF_STRINGS, NULL, 0, 100, CONF_LIVE,
	 "Mail to these domains or routes waits until they are taken off again", NULL},
	{"outbound.suspended_senders", CONF_STRINGS, NULL, 0, 100, CONF_LIVE,
	 "Mail from these addresses waits until they are taken off again", NULL},
	{"queue.bad_keep", CONF_DURATION, "30d", 0, 3650LL * 24 * HOUR, CONF_LIVE,
	 "What could neither be delivered nor returned is kept so long; 0: until it is removed",
	 NULL},
	{"smtp.port_out", CONF_INT, "25", 1, 65535, CONF_LIVE, "Port of other systems' servers",
	 NULL},
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

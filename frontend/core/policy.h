/*
 * policy: settings that back-ends push and that follow changes live. Each is a row of the
 * typed table in proto/settings.c with its default and bounds; a value that does not fit is logged
 * and the old one kept.
 */
#ifndef FRONTEND_CORE_POLICY_H
#define FRONTEND_CORE_POLICY_H

#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/net/ipaddr.h"
#include "common/rpc/identity.h"
#include "proto/settings.h"

/* Limits of a session with SMTP: of port 25 and of submission each. */
struct policy_smtp {
	uint64_t message_bytes_max; /* 50 MiB */
	uint64_t session_bytes_max; /* 500 MiB */
	uint32_t messages_max;      /* 100 a session; 0: no limit */
	uint32_t recipients_max;    /* 500 a message */
	uint32_t errors_max;        /* 20 bad commands a session */
	int64_t command_timeout_ms; /* 5 min */
	int64_t data_timeout_ms;    /* 10 min for one message */
};

struct policy {
	const char *hostname;       /* in banners, EHLO, Received; default: the node's name */
	const char *default_domain; /* may be empty */
	/* SMTP (25) and submission */
	struct policy_smtp smtp, submission;
	uint32_t smtp_hops_max;      /* 100 Received fields */
	uint32_t smtp_port_out;      /* of other systems' servers */
	bool submission_hide_client; /* submissions say nothing of the client's machine */
	bool submission_hide_program;
	const char *masquerade_domain;   /* "": none */
	bool submission_save_sent;       /* a copy into the sender's folder */
	int64_t submission_hold_max_s;   /* 7 d, FUTURERELEASE; 0: not offered */
	int32_t submission_priority_max; /* 0, MT-PRIORITY */
	struct policy_outbound {
		uint32_t connections_max;      /* 1000 of a worker */
		int64_t connect_timeout_ms;    /* 30 s */
		const char *helo;              /* "": hostname */
		const char *source4, *source6; /* "": the system's choice */
	} outbound;
	bool smtp_local_sender_check; /* no MAIL FROM or From of ours without AUTH */
	struct policy_nets {
		struct ipnet v[SETTINGS_NETS_MAX];
		size_t n;
	} lmtp_nets; /* where relays are that deliver by LMTP */
	/* IMAP */
	int64_t imap_idle_timeout_ms;   /* 30 min */
	int64_t imap_login_timeout_ms;  /* 3 min before log-in */
	uint64_t imap_append_bytes_max; /* 50 MiB */
	int64_t web_keep_ms;            /* 60 s; answers are fresh for so long */
	/* any listener, by enum rpc_service; services without rows have the values of imap */
	struct policy_limits {
		uint32_t connections_max; /* at once, per worker */
		uint32_t per_ip_max;      /* of them from one address */
		uint32_t rate_per_min;    /* new ones from one address; 0: no limit */
	} limits[SERVICE_LAST + 1];
	int64_t tls_handshake_timeout_ms; /* 30 s */
	bool auth_plain;                  /* offer PLAIN and LOGIN (under TLS only) */
	bool auth_gssapi;                 /* offer GSSAPI: there are realms, and a keytab */
};

/* Once at start; node is used as the host name while none is set. Copied. */
void policy_init(const char *node);
/* The list masquerade.from: how many, and each. Valid until the next wait. */
size_t policy_masquerades(void);
const char *policy_masquerade(size_t i);
/* The policy in force; the pointer stays, its values change between two waits. */
const struct policy *policy(void);
/* May a host there deliver by LMTP? */
bool policy_admits_lmtp(const struct ipaddr *peer);
/* Which set of values it is: another number after each policy_apply, never 0. */
uint64_t policy_change(void);
/* This node's name. */
const char *policy_node(void);
/* Sets one row of the set begun. E_NOT_FOUND: no such row; E_INVALID: value refused. */
enum err policy_set(slice_t key, slice_t value);
/* All defaults, before a whole new set is put in force; nothing is visible until policy_apply. */
void policy_begin(void);
void policy_apply(void);

#endif

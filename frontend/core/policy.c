#include "frontend/core/policy.h"

#include "common/conf/conf.h"
#include "common/log/log.h"
#include "common/loop/loan.h"
#include "proto/settings.h"

static struct {
	struct conf *live; /* what current borrows its strings from */
	struct conf *next; /* the set begun, or NULL */
	char node[256];
	struct policy current;
	uint64_t change;
} state;

static void read_limits(const struct conf *c, struct policy *p)
{
	static const struct {
		enum rpc_service service;
		const char *max, *per_ip, *rate;
	} rows[] = {
		{SERVICE_SMTP, "smtp.connections_max", "smtp.connections_per_ip_max",
		 "smtp.rate_per_ip_per_min"},
		{SERVICE_SUBMISSION, "submission.connections_max",
		 "submission.connections_per_ip_max", "submission.rate_per_ip_per_min"},
		{SERVICE_IMAP, "imap.connections_max", "imap.connections_per_ip_max",
		 "imap.rate_per_ip_per_min"},
		{SERVICE_WEB, "web.connections_max", "web.connections_per_ip_max",
		 "web.rate_per_ip_per_min"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		p->limits[rows[i].service] = (struct policy_limits){
			.connections_max = (uint32_t)conf_int(c, rows[i].max),
			.per_ip_max = (uint32_t)conf_int(c, rows[i].per_ip),
			.rate_per_min = (uint32_t)conf_int(c, rows[i].rate),
		};
	}
	for (size_t i = 0; i < ARRAY_LEN(p->limits); i++) {
		if (p->limits[i].connections_max == 0)
			p->limits[i] = p->limits[SERVICE_IMAP];
	}
}

/* One that cannot be read admits nobody. */
static void read_nets(const struct conf *c, struct policy_nets *out)
{
	for (size_t i = 0; i < conf_count(c, "lmtp.nets"); i++) {
		if (ipnet_parse(slice_str(conf_item(c, "lmtp.nets", i)), &out->v[out->n]))
			out->n++;
	}
}

/* The keys of both services, which differ in their first word. */
#define POLICY_SMTP(c, service) \
	((struct policy_smtp){ \
		.message_bytes_max = conf_bytes(c, service ".message_bytes_max"), \
		.session_bytes_max = conf_bytes(c, service ".session_bytes_max"), \
		.messages_max = (uint32_t)conf_int(c, service ".messages_max"), \
		.recipients_max = (uint32_t)conf_int(c, service ".recipients_max"), \
		.errors_max = (uint32_t)conf_int(c, service ".errors_max"), \
		.command_timeout_ms = conf_ms(c, service ".command_timeout"), \
		.data_timeout_ms = conf_ms(c, service ".data_timeout"), \
	})

static void read_all(const struct conf *c, struct policy *p)
{
	const char *name = conf_str(c, "hostname");

	*p = (struct policy){
		.hostname = name[0] != '\0' ? name : state.node,
		.default_domain = conf_str(c, "default_domain"),
		.smtp = POLICY_SMTP(c, "smtp"),
		.submission = POLICY_SMTP(c, "submission"),
		.smtp_hops_max = (uint32_t)conf_int(c, "smtp.hops_max"),
		.smtp_port_out = (uint32_t)conf_int(c, "smtp.port_out"),
		.submission_hide_client = conf_bool(c, "submission.hide_client"),
		.submission_hide_program = conf_bool(c, "submission.hide_program"),
		.masquerade_domain = conf_str(c, "masquerade.domain"),
		.submission_save_sent = conf_bool(c, "submission.save_sent"),
		.submission_priority_max = (int32_t)conf_int(c, "submission.priority_max"),
		.submission_hold_max_s = conf_ms(c, "submission.future_release_max") / 1000,
		.outbound = {.connections_max = (uint32_t)conf_int(c, "outbound.connections"),
			     .connect_timeout_ms = conf_ms(c, "outbound.connect_timeout"),
			     .helo = conf_str(c, "outbound.helo"),
			     .source4 = conf_str(c, "outbound.source4"),
			     .source6 = conf_str(c, "outbound.source6")},
		.smtp_local_sender_check = conf_bool(c, "smtp.local_sender_check"),
		.imap_idle_timeout_ms = conf_ms(c, "imap.idle_timeout"),
		.imap_login_timeout_ms = conf_ms(c, "imap.login_timeout"),
		.imap_append_bytes_max = conf_bytes(c, "imap.append_bytes_max"),
		.web_keep_ms = conf_ms(c, "web.keep"),
		.tls_handshake_timeout_ms = conf_ms(c, "tls.handshake_timeout"),
		.auth_plain = conf_bool(c, "auth.plain"),
		.auth_gssapi = conf_count(c, SETTINGS_REALMS) > 0,
	};
	read_limits(c, p);
	read_nets(c, &p->lmtp_nets);
}

void policy_init(const char *node)
{
	invariant(slice_to_str(slice_str(node), state.node, sizeof state.node));
	policy_begin();
	policy_apply();
}

const struct policy *policy(void)
{
	return &state.current;
}

size_t policy_masquerades(void)
{
	return conf_count(state.live, "masquerade.from");
}

const char *policy_masquerade(size_t i)
{
	return loan_str(conf_item(state.live, "masquerade.from", i));
}

bool policy_admits_lmtp(const struct ipaddr *peer)
{
	for (size_t i = 0; i < state.current.lmtp_nets.n; i++) {
		if (ipnet_has(&state.current.lmtp_nets.v[i], peer))
			return true;
	}
	return false;
}

uint64_t policy_change(void)
{
	return state.change;
}

const char *policy_node(void)
{
	return state.node;
}

void policy_begin(void)
{
	if (state.next != NULL)
		conf_free(&state.next);
	state.next = conf_new(settings_table, settings_table_len);
}

/* Whoever has changed a setting may read where, and since when, it is in force. */
static void tell_changes(void)
{
	for (size_t i = 0; i < settings_table_len; i++) {
		const char *name = settings_table[i].name;
		struct buf was, is;

		buf_init(&was, SETTINGS_VALUE_MAX, NULL);
		buf_init(&is, SETTINGS_VALUE_MAX, NULL);
		conf_text(state.live, name, &was);
		conf_text(state.next, name, &is);
		if (!slice_eq(buf_slice(&was), buf_slice(&is)))
			LOG(LOG_INFO, NULL, "policy.changed", LF_STR("key", name),
			    LF_SLICE("value", buf_slice(&is)));
		buf_fini(&was);
		buf_fini(&is);
	}
}

void policy_apply(void)
{
	invariant(state.next != NULL);
	/* What a worker begins with is no change. */
	if (state.change > 1)
		tell_changes();
	read_all(state.next, &state.current);
	if (state.live != NULL)
		conf_free(&state.live);
	state.live = state.next;
	state.next = NULL;
	state.change++;
}

static bool is_known(slice_t key)
{
	for (size_t i = 0; i < settings_table_len; i++) {
		if (slice_eq(key, slice_str(settings_table[i].name)))
			return true;
	}
	return false;
}

enum err policy_set(slice_t key, slice_t value)
{
	struct diag d;
	struct buf b;
	enum err e;

	invariant(state.next != NULL);
	if (!is_known(key))
		return E_NOT_FOUND;
	if (value.n > SETTINGS_VALUE_MAX)
		return E_TOO_BIG;
	buf_init(&b, key.n + 1 + value.n, NULL);
	buf_put(&b, key);
	buf_putc(&b, '=');
	buf_put(&b, value);
	e = conf_set(state.next, buf_slice(&b), &d);
	buf_fini(&b);
	return e;
}

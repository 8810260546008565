#include "backend/ctl/connect.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/num.h"
#include "common/crypto/pki.h"
#include "common/crypto/secret.h"
#include "common/net/tls.h"
#include "common/rpc/walk.h"
#include "proto/admin.pb-c.h"
#include "proto/servers.h"
#include "proto/types.pb-c.h"

#define CLUSTER_FILE_MAX (64 * 1024 * 1024) /* lists every account of a test cluster */
#define CONNECT_MS       10000
#define PASS_OVER_MS     4000 /* TCP, TLS and HELLO, while others can be asked */
#define ANSWER_MAX       (8 * 1024 * 1024)

/* Above walk's defaults: answers with long lists or texts. */
static const struct walk_limit limits[] = {
	{&postern__admin_alias__descriptor, "members", 1000, 0},
	{&postern__admin_setting__descriptor, "value", 0, 8192},
	{&postern__admin_server__descriptor, "settings", SERVER_SETTINGS_MAX, SERVER_SETTING_MAX},
	{&postern__admin_audit_record__descriptor, "detail", 0, 64 * 1024},
	{&postern__admin_queue_item__descriptor, "last_error", 0, 8192},
	{&postern__admin_dns_row__descriptor, "value", 0, 8192},
	{&postern__admin_dns_row__descriptor, "found", 0, 16 * 1024},
	{NULL, NULL, 0, 0},
};

/* ---- where ---- */

static const char *member(struct ctl *c, const json_t *root, const char *group, const char *name)
{
	const json_t *in = group != NULL ? json_object_get(root, group) : root;
	const char *text = json_string_value(json_object_get(in, name));

	return text != NULL ? arena_str(&c->mem, slice_str(text)) : NULL;
}

static bool parse_address(const char *text, struct ipaddr *ip, uint16_t *port)
{
	slice_t s = slice_str(text), host;
	size_t colon = s.n;
	uint64_t n;

	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	if (colon == 0 || !num_parse(slice_from(s, colon), UINT16_MAX, &n) || n == 0)
		return false;
	host = slice_sub(s, 0, colon - 1);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = slice_sub(host, 1, host.n - 2);
	*port = (uint16_t)n;
	return ipaddr_parse(host, ip);
}

/* "backends": [{"host": ADDRESS, "ports": {"admin": PORT}}, ...]. One without an address for
 * management, or with the first one again, is none. */
static void read_others(struct ctl *c, const json_t *root)
{
	struct ctl_target *t = &c->target;
	const json_t *backends = json_object_get(root, "backends");

	for (size_t i = 0; i < json_array_size(backends); i++) {
		const json_t *b = json_array_get(backends, i);
		const json_t *ports = json_object_get(b, "ports");
		const char *host = json_string_value(json_object_get(b, "host"));
		json_int_t port = json_integer_value(json_object_get(ports, "admin"));
		bool is_v6 = host != NULL && strchr(host, ':') != NULL;
		struct ipaddr ip;
		uint16_t unused;
		char text[128];

		if (host == NULL || port <= 0 || port > UINT16_MAX || t->nothers == CTL_OTHERS_MAX)
			continue;
		snprintf(text, sizeof(text), "%s%s%s:%d", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
			 (int)port);
		if (strcmp(text, t->address) != 0 && parse_address(text, &ip, &unused))
			t->others[t->nothers++] = arena_str(&c->mem, slice_str(text));
	}
}

int ctl_target_resolve(struct ctl *c)
{
	struct ctl_target *t = &c->target;
	struct diag d = {""};
	slice_t text;
	json_t *root;

	if (t->cluster == NULL && t->address == NULL)
		t->cluster = getenv("POSTERN_CLUSTER");
	if (t->cluster != NULL) {
		json_error_t error;

		if (ctl_read_file(c, t->cluster, CLUSTER_FILE_MAX, &text, &d) != E_OK)
			return ctl_fail(c, EX_CONFIG, "%s", d.text);
		root = json_loadb(text.p, text.n, 0, &error);
		if (root == NULL)
			return ctl_fail(c, EX_CONFIG, "%s:%d: %s", t->cluster, error.line,
					error.text);
		if (t->address == NULL) {
			t->address = member(c, root, "admin", "address");
			if (t->address != NULL)
				read_others(c, root);
		}
		t->cert = t->cert != NULL ? t->cert : member(c, root, "admin", "cert");
		t->key = t->key != NULL ? t->key : member(c, root, "admin", "key");
		t->ca = t->ca != NULL ? t->ca : member(c, root, NULL, "ca");
		json_decref(root);
	}
	if (t->address == NULL || t->cert == NULL || t->key == NULL || t->ca == NULL)
		return ctl_fail(c, t->cluster != NULL ? EX_CONFIG : EX_USAGE,
				"which cluster? Give --cluster FILE, or --address, --cert, --key "
				"and --ca");
	return EX_OK;
}

/* ---- the link ---- */

static int make_tls(struct ctl *c, struct tls_ctx **out)
{
	struct tls_config conf = {.profile = TLS_CLUSTER_CLIENT};
	struct diag d = {""};
	slice_t cert, key, ca;

	if (ctl_read_file(c, c->target.cert, PKI_PEM_MAX, &cert, &d) != E_OK ||
	    ctl_read_file(c, c->target.key, PKI_PEM_MAX, &key, &d) != E_OK ||
	    ctl_read_file(c, c->target.ca, PKI_PEM_MAX, &ca, &d) != E_OK)
		return ctl_fail(c, EX_CONFIG, "%s", d.text);
	conf.cert_pem = cert.p;
	conf.key_pem = key.p;
	conf.ca_pem = ca.p;
	if (tls_ctx_new(&conf, out, &d) != E_OK)
		return ctl_fail(c, EX_CONFIG, "%s: %s", c->target.cert, d.text);
	secret_wipe((char *)(uintptr_t)key.p, key.n);
	return EX_OK;
}

/* Who we are at the other end: what our certificate says. */
static int read_identity(struct ctl *c, struct rpc_identity *out)
{
	struct pki_info info;
	struct diag d = {""};
	slice_t cert;

	if (ctl_read_file(c, c->target.cert, PKI_PEM_MAX, &cert, &d) != E_OK ||
	    pki_parse(cert, &info, &d) != E_OK)
		return ctl_fail(c, EX_CONFIG, "%s: %s", c->target.cert, d.text);
	if (!rpc_identity_parse(slice_str(info.cn), out) ||
	    (out->role != ROLE_ADMIN && out->role != ROLE_OPERATOR))
		return ctl_fail(c, EX_NOPERM, "%s: the certificate of %s, not of an administrator",
				c->target.cert, info.cn);
	return EX_OK;
}

/* Why there is no link. The text is about the address. */
struct no_link {
	int status;
	bool is_down; /* nobody answers there: another back-end may */
	struct diag why;
};

static void say_no(struct no_link *no, int status, enum err e, const char *why)
{
	no->status = status;
	no->is_down = e == E_TIMEOUT || e == E_CLOSED || e == E_IO;
	diag_set(&no->why, e, "%s", why);
}

WAITS static bool start_link(struct ctl *c, struct stream *s, struct tls_ctx *tls,
			     const struct rpc_identity *self, int64_t deadline_ms,
			     struct no_link *no)
{
	struct rpc_link_opts o = {.side = RPC_REQUESTER, .self = *self};
	struct diag d = {""};
	enum err e = stream_tls_client(s, tls, NULL, deadline_ms);

	if (e != E_OK) {
		stream_diag(s, &d);
		stream_close(&s, CLOSE_TLS);
		say_no(no, EX_UNAVAILABLE, e,
		       e == E_TIMEOUT      ? "no answer"
		       : d.text[0] != '\0' ? d.text
					   : err_name(e));
		return false;
	}
	e = rpc_link_start(&s, &o, deadline_ms, &c->link);
	/* TLS 1.3: what the other end thinks of our certificate comes after our handshake. */
	if (e == E_TLS || e == E_DENIED)
		say_no(no, EX_NOPERM, e,
		       "our certificate was refused: revoked, expired, or of another CA");
	else if (e == E_CLOSED)
		say_no(no, EX_UNAVAILABLE, e, "the link was closed: is that the management port?");
	else if (e != E_OK)
		say_no(no, EX_UNAVAILABLE, e, e == E_TIMEOUT ? "no answer" : err_name(e));
	return e == E_OK;
}

WAITS static bool try_address(struct ctl *c, const char *address, struct tls_ctx *tls,
			      const struct rpc_identity *self, int64_t deadline_ms,
			      struct no_link *no)
{
	struct stream_opts opts = {.window_max = RPC_WINDOW, .high_water = RPC_HIGH_WATER};
	struct stream *s;
	struct ipaddr ip;
	uint16_t port;
	enum err e;

	if (!parse_address(address, &ip, &port)) {
		say_no(no, EX_CONFIG, E_INVALID, "not ADDRESS:PORT");
		return false;
	}
	e = stream_connect(&ip, port, NULL, &opts, deadline_ms, &s);
	if (e == E_OK)
		return start_link(c, s, tls, self, deadline_ms, no);
	say_no(no, EX_UNAVAILABLE, e, e == E_TIMEOUT ? "no answer" : "nobody answers there");
	return false;
}

/* What is down is told only when none is up: the answer of another one is as good. */
WAITS static int try_all(struct ctl *c, struct tls_ctx *tls, const struct rpc_identity *self)
{
	const struct ctl_target *t = &c->target;
	int64_t each_ms = t->nothers > 0 ? PASS_OVER_MS : CONNECT_MS;
	const char *whys[1 + CTL_OTHERS_MAX];

	for (size_t i = 0; i <= t->nothers; i++) {
		const char *address = i == 0 ? t->address : t->others[i - 1];
		struct no_link no;

		if (try_address(c, address, tls, self, deadline_in(each_ms), &no))
			return EX_OK;
		if (!no.is_down)
			return ctl_fail(c, no.status, "%s: %s", address, no.why.text);
		whys[i] = arena_str(&c->mem, slice_str(no.why.text));
	}
	for (size_t i = 0; i <= t->nothers; i++)
		ctl_fail(c, EX_UNAVAILABLE, "%s: %s", i == 0 ? t->address : t->others[i - 1],
			 whys[i]);
	if (t->nothers > 0)
		ctl_fail(c, EX_UNAVAILABLE, "no back-end of %s answers", t->cluster);
	return EX_UNAVAILABLE;
}

WAITS static int connect_link(struct ctl *c)
{
	struct rpc_identity self;
	struct tls_ctx *tls = NULL;
	int status = read_identity(c, &self);

	if (status == EX_OK)
		status = make_tls(c, &tls);
	if (status == EX_OK)
		status = try_all(c, tls, &self);
	tls_ctx_unref(&tls);
	return status;
}

WAITS int ctl_connect(struct ctl *c)
{
	return c->link != NULL ? EX_OK : connect_link(c);
}

WAITS void ctl_disconnect(struct ctl *c)
{
	if (c->link == NULL)
		return;
	rpc_link_close(c->link, CLOSE_DONE);
	rpc_link_unref(&c->link);
}

/* ---- calls ---- */

static enum err unpack(const struct ctl_call *call, slice_t bytes, struct arena *mem,
		       ProtobufCMessage **out, struct diag *d)
{
	return walk_unpack(call->answer, limits, bytes, mem, out, d);
}

WAITS static int read_pages(struct rpc_call *rc, struct ctl_call *call)
{
	slice_t frame;
	int status = EX_OK;
	enum err e;

	while (status == EX_OK && (e = rpc_call_recv(rc, &frame)) == E_OK) {
		ProtobufCMessage *page;
		struct arena mem;

		arena_init(&mem, NULL);
		e = unpack(call, frame, &mem, &page, &call->diag);
		if (e == E_OK)
			status = call->each(page, call->arg);
		arena_reset(&mem);
		if (e != E_OK)
			break;
	}
	call->result = status != EX_OK || e == E_CLOSED ? E_OK : e;
	return status;
}

/* A message too long for a frame comes as the body, in pieces. */
WAITS static enum err read_message(struct rpc_call *rc, slice_t payload, struct ctl_call *call)
{
	struct buf whole;
	slice_t frame;
	enum err e;

	buf_init(&whole, ANSWER_MAX, NULL);
	buf_put(&whole, payload);
	while ((e = rpc_call_recv(rc, &frame)) == E_OK)
		buf_put(&whole, frame);
	if (e == E_CLOSED)
		e = buf_failed(&whole) ? E_TOO_BIG : E_OK;
	if (e == E_OK && call->answer != NULL)
		e = unpack(call, buf_slice(&whole), call->mem, &call->reply, &call->diag);
	buf_fini(&whole);
	return e;
}

static void read_failure(slice_t payload, struct diag *d)
{
	ProtobufCMessage *m;
	struct arena mem;
	struct diag why;

	arena_init(&mem, NULL);
	if (walk_unpack(&postern__failure__descriptor, NULL, payload, &mem, &m, &why) == E_OK)
		diag_set(d, E_OK, "%s", ((const Postern__Failure *)(const void *)m)->text);
	arena_reset(&mem);
}

WAITS static int finish_call(struct rpc_call *rc, struct ctl_call *call)
{
	slice_t payload = SLICE_NONE;

	call->result = rpc_call_response(rc, &payload);
	if (call->result != E_OK) {
		if (call->result <= E_WIRE_LAST)
			read_failure(payload, &call->diag);
		return EX_OK;
	}
	if (call->each != NULL)
		return read_pages(rc, call);
	call->result = read_message(rc, payload, call);
	return EX_OK;
}

/* A request that is too long for a frame is the call's body (proto/README.md). */
WAITS static enum err start_call(struct ctl *c, uint16_t method, slice_t request,
				 struct rpc_call **out)
{
	bool is_long = request.n > RPC_PAYLOAD_MAX - 4;
	enum err e =
		rpc_call_start(c->link, method, is_long ? SLICE_NONE : request,
			       is_long ? RPC_BODY : RPC_NO_BODY, deadline_in(CTL_CALL_MS), out);

	if (e == E_OK && is_long) {
		e = rpc_call_send(*out, request);
		if (e == E_OK)
			e = rpc_call_send_end(*out);
		/* Refused early: the answer says why. */
		if (e == E_CLOSED)
			e = E_OK;
	}
	return e;
}

WAITS int ctl_call(struct ctl *c, struct ctl_call *call)
{
	size_t n = protobuf_c_message_get_packed_size(call->request);
	struct rpc_call *rc = NULL;
	int status = ctl_connect(c);
	uint8_t *bytes;

	call->diag.text[0] = '\0';
	if (status != EX_OK)
		return status;
	bytes = xmalloc(n + 1);
	protobuf_c_message_pack(call->request, bytes);
	call->result = start_call(c, call->method, slice(bytes, n), &rc);
	/* It may hold a password. */
	secret_wipe(bytes, n);
	xfree(&bytes);
	if (call->result == E_OK)
		status = finish_call(rc, call);
	rpc_call_free(&rc);
	return status;
}

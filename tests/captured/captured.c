/*
 * captured: what somebody can do who holds a node's certificate and key. It makes one link to a
 * back-end's port and asks what standard input says, one request a line; the tests of
 * tests/cluster drive it.
 *
 *   captured --ca FILE --cert FILE --key FILE --as IDENTITY --to ADDRESS:PORT [--wait MS]
 *   captured --list
 *
 *   METHOD[+body][+read|+hold] [FIELD=VALUE]...
 *
 * METHOD is a name of proto/method.proto without METHOD_, or a number. +body: the request has a
 * body, of the bytes given as body=HEX. +read: all of the answer's body is awaited; +hold: nothing
 * of it ever is, and the call stays open. The answer is one line: the status, the answer's fields,
 * and data=N and the body's bytes in hex when it was read. When the link cannot be made within MS,
 * or ends, the last line is "closed" and the exit status 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/base/codec.h"
#include "common/base/num.h"
#include "common/log/log.h"
#include "common/loop/work.h"
#include "common/rpc/dial.h"
#include "tests/captured/ask.h"

#define PEM_MAX  (64 * 1024)
#define LINE_LEN (512 * 1024)
#define BODY_MAX (16 * 1024 * 1024)
#define CALL_MS  20000
#define LINK_MS  20000

struct line {
	char *text; /* of LINE_LEN; stdio's own reading */
	bool ended;
};

static struct {
	struct rpc_dialer *dialer;
	struct rpc_link *link;
	struct event up;
	struct ipaddr addr;
	uint16_t port;
	struct rpc_endpoint endpoint;
	uint64_t wait_ms;
} captured = {.wait_ms = LINK_MS};

static bool accept_server(const struct rpc_identity *peer UNUSED, enum rpc_side *side,
			  void *arg UNUSED)
{
	*side = RPC_REQUESTER;
	return true;
}

static void went_up(struct rpc_link *l, void *arg UNUSED)
{
	rpc_link_ref(l);
	captured.link = l;
	event_set(&captured.up);
}

static void say(const char *text)
{
	fputs(text, stdout);
	fflush(stdout);
}

/* The process has nothing to clean up that matters; what waits for standard input would not end. */
NORETURN static void went_down(struct rpc_link *l UNUSED, void *arg UNUSED)
{
	say("closed\n");
	_Exit(1);
}

/* ---- one request ---- */

struct request {
	struct ask_method method;
	struct arena mem;
	ProtobufCMessage *message;
	struct buf body;
	bool has_body, reads, holds;
};

static enum err parse_head(struct request *r, slice_t head)
{
	size_t plus = slice_find_char(head, '+');
	slice_t options = slice_from(head, plus);

	if (!ask_find(slice_sub(head, 0, plus), &r->method))
		return E_NOT_FOUND;
	r->has_body = slice_find(options, SL("+body")) != options.n;
	r->reads = slice_find(options, SL("+read")) != options.n;
	r->holds = slice_find(options, SL("+hold")) != options.n;
	if (r->method.request != NULL)
		r->message = ask_new(&r->method, &r->mem);
	return E_OK;
}

static enum err parse(struct request *r, slice_t line)
{
	size_t space = slice_find_char(line, ' ');
	enum err e = parse_head(r, slice_sub(line, 0, space));

	for (line = slice_from(line, space + 1); e == E_OK && line.n != 0;) {
		slice_t word = slice_sub(line, 0, slice_find_char(line, ' '));

		if (slice_starts(word, SL("body=")))
			e = hex_decode(&r->body, slice_from(word, 5)) ? E_OK : E_INVALID;
		else if (r->message != NULL)
			e = ask_set(r->message, word, &r->mem);
		else
			e = E_NOT_FOUND;
		line = slice_from(line, word.n + 1);
	}
	return e;
}

WAITS static void read_body(struct rpc_call *c, struct buf *out)
{
	size_t total = 0;
	struct buf hex;
	slice_t bytes;
	enum err e;

	buf_init(&hex, BODY_MAX, NULL);
	while ((e = rpc_call_recv(c, &bytes)) == E_OK) {
		total += bytes.n;
		hex_encode(&hex, bytes);
	}
	buf_printf(out, " end=%s data=%zu hex=", e == E_CLOSED ? "ok" : err_name(e), total);
	buf_put(out, buf_slice(&hex));
	buf_fini(&hex);
}

WAITS static void answer(struct request *r, struct rpc_call *c, struct buf *out)
{
	ProtobufCMessage *reply = NULL;
	slice_t payload = SLICE_NONE;
	enum err e = rpc_call_response(c, &payload);

	buf_puts(out, err_name(e));
	if (e == E_OK && r->method.reply != NULL)
		reply = protobuf_c_message_unpack(r->method.reply, NULL, payload.n,
						  (const uint8_t *)payload.p);
	if (reply != NULL)
		ask_print(reply, out);
	protobuf_c_message_free_unpacked(reply, NULL);
	if (e == E_OK && r->reads)
		read_body(c, out);
}

WAITS static void ask(struct request *r, struct buf *out)
{
	slice_t payload = SLICE_NONE;
	struct rpc_call *c = NULL;
	char *packed;
	enum err e;

	if (r->message != NULL) {
		payload.n = protobuf_c_message_get_packed_size(r->message);
		packed = arena_alloc(&r->mem, payload.n + 1);
		protobuf_c_message_pack(r->message, (uint8_t *)packed);
		payload.p = packed;
	}
	e = rpc_call_start(captured.link, (uint16_t)r->method.number, payload,
			   r->has_body ? RPC_BODY : RPC_NO_BODY, deadline_in(CALL_MS), &c);
	if (e != E_OK) {
		buf_puts(out, err_name(e));
		return;
	}
	if (r->has_body && r->body.n != 0)
		e = rpc_call_send(c, buf_slice(&r->body));
	if (r->has_body && e == E_OK)
		e = rpc_call_send_end(c);
	answer(r, c, out);
	if (!r->holds)
		rpc_call_free(&c);
}

WAITS static void serve_line(slice_t line)
{
	struct request r = {0};
	struct buf out;
	enum err e;

	arena_init(&r.mem, NULL);
	buf_init(&r.body, BODY_MAX, NULL);
	buf_init(&out, 2 * BODY_MAX + LINE_LEN, NULL);
	e = parse(&r, line);
	if (e == E_OK)
		ask(&r, &out);
	else
		buf_printf(&out, "usage: %s", err_name(e));
	buf_puts(&out, "\n");
	buf_putc(&out, '\0');
	say(out.p);
	buf_fini(&out);
	buf_fini(&r.body);
	arena_reset(&r.mem);
}

/* ---- the program ---- */

static void read_line(void *arg)
{
	struct line *l = arg;

	l->ended = fgets(l->text, LINE_LEN, stdin) == NULL;
}

WAITS static void main_fiber(void *arg UNUSED)
{
	struct line l = {.text = xmalloc(LINE_LEN)};

	captured.dialer = rpc_dialer_new(&captured.endpoint, &captured.addr, captured.port);
	if (captured.dialer == NULL ||
	    event_wait(&captured.up, "captured.up", deadline_in((int64_t)captured.wait_ms)) != E_OK)
		went_down(NULL, NULL);
	say("up\n");
	while (work_run("captured.line", read_line, &l) == E_OK && !l.ended)
		serve_line(slice_trim(slice_str(l.text)));
	_Exit(0);
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = xmalloc(PEM_MAX);
	size_t n = f != NULL ? fread(text, 1, PEM_MAX - 1, f) : 0;

	if (n == 0) {
		fprintf(stderr, "captured: %s cannot be read\n", path);
		exit(EX_NOINPUT);
	}
	fclose(f);
	text[n] = '\0';
	return text;
}

static bool parse_address(slice_t text)
{
	size_t colon = slice_find_char(text, ':');
	uint64_t port;

	if (!ipaddr_parse(slice_sub(text, 0, colon), &captured.addr) ||
	    !num_parse(slice_from(text, colon + 1), UINT16_MAX, &port))
		return false;
	captured.port = (uint16_t)port;
	return true;
}

static bool parse_args(int argc, char **argv, struct tls_config *c)
{
	bool named = false, placed = false;

	for (int i = 1; i + 1 < argc; i += 2) {
		slice_t name = slice_str(argv[i]), value = slice_str(argv[i + 1]);

		if (slice_eq(name, SL("--ca")))
			c->ca_pem = read_file(argv[i + 1]);
		else if (slice_eq(name, SL("--cert")))
			c->cert_pem = read_file(argv[i + 1]);
		else if (slice_eq(name, SL("--key")))
			c->key_pem = read_file(argv[i + 1]);
		else if (slice_eq(name, SL("--as")))
			named = rpc_identity_parse(value, &captured.endpoint.self);
		else if (slice_eq(name, SL("--to")))
			placed = parse_address(value);
		else if (slice_eq(name, SL("--wait")) &&
			 num_parse(value, LINK_MS, &captured.wait_ms))
			continue;
		else
			return false;
	}
	return named && placed && c->ca_pem != NULL && c->cert_pem != NULL && c->key_pem != NULL;
}

int main(int argc, char **argv)
{
	struct tls_config c = {.profile = TLS_CLUSTER_CLIENT};
	struct loop *loop;
	struct buf list;
	struct diag d;

	if (argc == 2 && slice_eq(slice_str(argv[1]), SL("--list"))) {
		buf_init(&list, PEM_MAX, NULL);
		ask_list(&list);
		fwrite(list.p, 1, list.n, stdout);
		buf_fini(&list);
		return 0;
	}
	if (!parse_args(argc, argv, &c)) {
		fprintf(stderr, "usage: captured --ca FILE --cert FILE --key FILE --as IDENTITY "
				"--to ADDRESS:PORT [--wait MS]\n       captured --list\n");
		return EX_USAGE;
	}
	log_setup(LOG_ERROR, LOG_FIELDS(LF_STR("service", "captured")));
	loop = loop_new();
	if (tls_ctx_new(&c, &captured.endpoint.tls, &d) != E_OK) {
		fprintf(stderr, "captured: %s\n", d.text);
		return EX_DATAERR;
	}
	captured.endpoint.accept = accept_server;
	captured.endpoint.up = went_up;
	captured.endpoint.down = went_down;
	event_init(&captured.up);
	if (fiber_start("captured", main_fiber, NULL, NULL) != E_OK)
		return EX_OSERR;
	loop_run(loop);
	return 0;
}

#include "frontend/core/session.h"

#include <stdio.h>

#include "common/base/buf.h"
#include "common/loop/fiber.h"
#include "frontend/core/iplimit.h"
#include "frontend/core/line.h"
#include "frontend/core/policy.h"
#include "tests/lib/check.h"
#include "tests/lib/wire.h"

/* A protocol that echoes lines until "end". */
struct echo {
	struct session base;
	char last[64];
};

static struct buf logged;

static void keep_log(slice_t line, void *arg UNUSED)
{
	buf_put(&logged, line);
	buf_putc(&logged, '\n');
}

static bool was_logged(const char *what)
{
	return slice_find(buf_slice(&logged), slice_str(what)) < logged.n;
}

static unsigned tickets_back;
static struct event work; /* that the command "work" waits for */

static WAITS void take_back(const struct ticket *t, const char *reason UNUSED, uint64_t in UNUSED,
			    uint64_t out UNUSED)
{
	CHECK_STR(t->account, "alice@example.org");
	tickets_back++;
}

static WAITS void echo_run(struct session *s)
{
	for (;;) {
		slice_t line;
		enum err e;

		if (s->leaving != NULL)
			return;
		s->between = true;
		e = line_read(s->stream, 60, "echo", NO_DEADLINE, &line);
		s->between = false;
		if (e == E_OK && slice_eq(line, SL("work")))
			e = event_wait(&work, "echo.work", NO_DEADLINE);
		if (e != E_OK || slice_eq(line, SL("end"))) {
			session_failed(s, e);
			return;
		}
		if (slice_eq(line, SL("login"))) {
			struct ticket *t =
				ticket_new(SL("sealed"), 900, 1, SL("alice@example.org"));

			session_logged_in(s, &t, "TEST", take_back);
		}
		if (stream_write(s->stream, SL("ok\r\n"), NO_DEADLINE) != E_OK)
			return;
	}
}

static void echo_refuse(struct stream *s, const struct refusal *r)
{
	struct buf b;

	buf_init(&b, 256, NULL);
	buf_printf(&b, "no: %s%s\r\n", r->why, r->lasting ? " for good" : "");
	CHECK_ERR(stream_write_now(s, buf_slice(&b)), E_OK);
	buf_fini(&b);
}

static const struct protocol echo = {
	.service = SERVICE_SMTP,
	.session_size = sizeof(struct echo),
	.run = echo_run,
	.refuse = echo_refuse,
};

static struct endpoint endpoint = {.name = "echo", .service = SERVICE_SMTP};

static void start(const char *per_ip, const char *rate)
{
	policy_init("fe1");
	policy_begin();
	CHECK_ERR(policy_set(SL("smtp.connections_per_ip_max"), slice_str(per_ip)), E_OK);
	CHECK_ERR(policy_set(SL("smtp.rate_per_ip_per_min"), slice_str(rate)), E_OK);
	policy_apply();
	iplimit_forget();
	buf_init(&logged, 1 << 20, NULL);
	log_redirect(keep_log, NULL);
	tickets_back = 0;
	event_init(&work);
	servers_forget();
}

static void stop(void)
{
	servers_forget();
	log_redirect(NULL, NULL);
	buf_fini(&logged);
	CHECK_INT(session_count(), 0);
	CHECK_INT(endpoint.sessions, 0);
	iplimit_forget();
}

static WAITS void take(struct wire *w)
{
	wire_open(w, NULL);
	session_accept(&echo, &endpoint, w->server);
	w->server = NULL;
}

TEST_FIBER(session_life)
{
	struct wire w;

	start("10", "0");
	take(&w);
	CHECK_INT(session_count(), 1);
	wire_send(&w, SL("login\r\nend\r\n"));
	CHECK(wire_line(&w) == E_OK);
	CHECK_STR(w.line, "ok");
	CHECK(wire_is_closed(&w));
	wire_close(&w);
	CHECK(was_logged("session.start"));
	CHECK(was_logged("session.login"));
	CHECK(was_logged("user=alice@example.org"));
	CHECK(was_logged("mechanism=TEST"));
	CHECK(was_logged("session.end"));
	CHECK(was_logged("bytes_in="));
	CHECK_INT(tickets_back, 1);
	stop();
}

TEST_FIBER(session_limits)
{
	struct wire a, b, c;

	start("2", "0");
	take(&a);
	take(&b);
	take(&c);
	CHECK(wire_line(&c) == E_OK);
	CHECK_STR(c.line, "no: too many connections from your address");
	CHECK(wire_is_closed(&c));
	CHECK(was_logged("session.refused"));
	CHECK_INT(session_count(), 2);
	wire_send(&a, SL("end\r\n"));
	CHECK(wire_is_closed(&a));
	wire_close(&a);
	wire_close(&c);
	take(&a);
	wire_send(&a, SL("x\r\n"));
	CHECK(wire_line(&a) == E_OK);
	CHECK_STR(a.line, "ok");
	wire_close(&a);
	wire_close(&b);
	while (session_count() > 0)
		fiber_yield();
	CHECK(was_logged("reason=\"client closed\""));
	stop();
}

TEST_FIBER(session_rate)
{
	struct wire w;

	start("10", "2");
	for (int i = 0; i < 3; i++) {
		take(&w);
		wire_send(&w, SL("x\r\nend\r\n"));
		CHECK(wire_line(&w) == E_OK);
		CHECK_STR(w.line, i < 2 ? "ok" : "no: too many new connections from your address");
		CHECK(wire_is_closed(&w));
		wire_close(&w);
	}
	stop();
}

static void kill_it(struct session *s, void *arg)
{
	*(unsigned *)arg += 1;
	CHECK(session_find(s->id) == s);
	session_end(s, "killed");
}

TEST_FIBER(session_killed)
{
	struct wire w;
	unsigned n = 0;

	start("10", "0");
	take(&w);
	wire_send(&w, SL("login\r\n"));
	CHECK(wire_line(&w) == E_OK);
	session_each(kill_it, &n);
	CHECK_INT(n, 1);
	CHECK(wire_is_closed(&w));
	wire_close(&w);
	CHECK(was_logged("reason=killed"));
	CHECK_INT(tickets_back, 1);
	stop();
}

static void look_at_memory(struct session *s, void *arg)
{
	struct arena a;

	arena_init(&a, &s->budget);
	CHECK(arena_try(&a, SESSION_MEMORY_SMALL / 2) != NULL);
	CHECK((arena_try(&a, SESSION_MEMORY_SMALL) != NULL) == *(bool *)arg);
	arena_reset(&a);
}

/* Before the log-in a session may use little, afterwards more. */
TEST_FIBER(session_memory_grows_with_the_login)
{
	struct wire w;
	bool logged_in = false;

	start("10", "0");
	take(&w);
	session_each(look_at_memory, &logged_in);
	wire_send(&w, SL("login\r\n"));
	CHECK(wire_line(&w) == E_OK);
	logged_in = true;
	session_each(look_at_memory, &logged_in);
	wire_send(&w, SL("end\r\n"));
	CHECK(wire_is_closed(&w));
	wire_close(&w);
	stop();
}

/* ---- virtual servers ---- */

/* One server for everything, with one setting. */
static void serve(enum server_state state, const char *setting)
{
	struct server_push p = {.name = SL("a"), .service = SERVICE_SMTP, .state = state};

	p.settings[0] = slice_str(setting);
	p.nsettings = setting[0] != '\0';
	servers_begin();
	servers_put(&p);
	servers_apply();
	session_leave_stopped();
}

/* A connection is told this, and closed. */
static WAITS void refused(const char *words)
{
	struct wire w;

	take(&w);
	CHECK(wire_line(&w) == E_OK);
	CHECK_STR(w.line, words);
	CHECK(wire_is_closed(&w));
	wire_close(&w);
}

static WAITS void answers(struct wire *w)
{
	wire_send(w, SL("x\r\n"));
	CHECK(wire_line(w) == E_OK);
	CHECK_STR(w->line, "ok");
}

TEST_FIBER(session_of_a_paused_server)
{
	struct wire w;

	start("10", "0");
	serve(SERVER_RUNNING, "");
	take(&w);
	serve(SERVER_PAUSED, "");
	refused("no: service paused");
	answers(&w);
	serve(SERVER_RUNNING, "");
	wire_send(&w, SL("end\r\n"));
	CHECK(wire_is_closed(&w));
	wire_close(&w);
	CHECK(was_logged("server=a"));
	stop();
}

/* A paused server names the port; the default one runs. */
static void name_port(uint16_t port)
{
	struct server_push all = {.name = SL("a"), .service = SERVICE_SMTP};
	struct server_push odd = {.name = SL("odd"), .service = SERVICE_SMTP};
	char text[16];

	snprintf(text, sizeof text, ":%u", port);
	all.state = SERVER_RUNNING;
	odd.state = SERVER_PAUSED;
	odd.listeners[odd.nlisteners++] = slice_str(text);
	servers_begin();
	servers_put(&all);
	servers_put(&odd);
	servers_apply();
}

/* No virtual server has it by naming its port. */
TEST_FIBER(session_of_lmtp_is_the_default_servers)
{
	start("10", "0");
	for (int i = 0; i < 3; i++) {
		struct wire w;

		check_note("%d", i);
		endpoint.lmtp = i == 1;
		endpoint.odmr = i == 2;
		wire_open(&w, NULL);
		name_port(stream_local_port(w.server));
		session_accept(&echo, &endpoint, w.server);
		w.server = NULL;
		if (i == 0) {
			CHECK(wire_line(&w) == E_OK);
			CHECK_STR(w.line, "no: service paused");
		} else {
			answers(&w);
			wire_send(&w, SL("end\r\n"));
		}
		CHECK(wire_is_closed(&w));
		wire_close(&w);
	}
	endpoint.odmr = false;
	stop();
}

TEST_FIBER(session_of_a_stopped_server)
{
	struct wire idle, busy;

	start("10", "0");
	serve(SERVER_RUNNING, "");
	take(&idle);
	take(&busy);
	answers(&idle);
	wire_send(&busy, SL("work\r\n"));
	for (unsigned i = 0; i < 10; i++)
		fiber_yield();
	serve(SERVER_STOPPED, "");
	CHECK(wire_is_closed(&idle));
	refused("no: service stopped");
	/* The command in progress ends first. */
	event_set(&work);
	CHECK(wire_line(&busy) == E_OK);
	CHECK_STR(busy.line, "ok");
	CHECK(wire_is_closed(&busy));
	wire_close(&idle);
	wire_close(&busy);
	CHECK(was_logged("reason=\"server stopped\""));
	stop();
}

TEST_FIBER(session_counts_of_a_server)
{
	struct wire a, b;

	start("10", "0");
	serve(SERVER_RUNNING, "connections_max=2");
	take(&a);
	take(&b);
	answers(&a);
	answers(&b);
	refused("no: too many connections");
	/* One more is allowed while they are there, and it has an end with the first. */
	wire_send(&a, SL("end\r\n"));
	CHECK(wire_is_closed(&a));
	wire_close(&a);
	take(&a);
	answers(&a);
	wire_close(&a);
	wire_close(&b);
	while (session_count() > 0)
		fiber_yield();
	/* Those of one address; the wire's other end is always the same. */
	serve(SERVER_RUNNING, "connections_per_ip_max=1");
	take(&a);
	answers(&a);
	refused("no: too many connections from your address");
	wire_close(&a);
	while (session_count() > 0)
		fiber_yield();
	stop();
}

TEST_FIBER(session_from_a_net_that_may_not)
{
	struct wire w;

	start("10", "0");
	serve(SERVER_RUNNING, "deny=127.0.0.0/8,::1");
	refused("no: no service for your address for good");
	serve(SERVER_RUNNING, "allow=127.0.0.0/8,::1");
	take(&w);
	answers(&w);
	/* Who is there may stay. */
	serve(SERVER_RUNNING, "allow=192.0.2.1");
	answers(&w);
	refused("no: no service for your address for good");
	wire_close(&w);
	while (session_count() > 0)
		fiber_yield();
	stop();
}

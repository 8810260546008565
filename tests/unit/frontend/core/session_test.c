#include "frontend/core/session.h"

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
		enum err e = line_read(s->stream, 60, "echo", NO_DEADLINE, &line);

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
}

static void stop(void)
{
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

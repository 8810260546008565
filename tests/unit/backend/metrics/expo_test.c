/* The HTTP endpoint over real sockets. */
#include "backend/metrics/expo.h"

#include <unistd.h>

#include "common/loop/fiber.h"
#include "tests/lib/check.h"

#define WAIT_MS 10000

struct house {
	struct nodes *nodes;
	struct expo *expo;
	bool healthy;
	struct ipaddr addr;
	uint16_t port;
	struct buf answer;
};

static bool is_healthy(void *arg)
{
	return ((struct house *)arg)->healthy;
}

static bool house_open(struct house *h)
{
	struct expo_conf c = {.node = "be1", .healthy = is_healthy, .arg = h};
	struct diag d = {""};
	int fd = -1;

	*h = (struct house){.nodes = nodes_new(), .healthy = true};
	buf_init(&h->answer, 1 << 20, NULL);
	c.nodes = h->nodes;
	if (!ipaddr_parse(SL("127.0.0.1"), &h->addr) ||
	    listen_socket(&h->addr, 0, LISTEN_ALONE, &fd, &d) != E_OK)
		return false;
	h->port = listen_port(fd);
	close(fd);
	return expo_start(&c, &h->addr, h->port, &h->expo, &d) == E_OK;
}

static void house_close(struct house *h)
{
	expo_stop(&h->expo);
	nodes_free(&h->nodes);
	buf_fini(&h->answer);
}

WAITS static struct stream *dial(struct house *h)
{
	struct stream *s = NULL;

	CHECK_ERR(stream_connect(&h->addr, h->port, NULL, NULL, deadline_in(WAIT_MS), &s), E_OK);
	return s;
}

/* Everything that the server says until it closes. */
WAITS static slice_t read_all(struct house *h, struct stream *s)
{
	buf_reset(&h->answer);
	for (;;) {
		slice_t in = stream_peek(s);

		buf_put(&h->answer, in);
		stream_consume(s, in.n);
		if (stream_fill(s, 0, "test.answer", deadline_in(WAIT_MS)) != E_OK)
			return buf_slice(&h->answer);
	}
}

WAITS static slice_t ask(struct house *h, slice_t request)
{
	struct stream *s = dial(h);
	slice_t answer = SLICE_NONE;

	if (s == NULL)
		return answer;
	if (stream_write(s, request, deadline_in(WAIT_MS)) == E_OK)
		answer = read_all(h, s);
	stream_close(&s, CLOSE_DONE);
	return answer;
}

static const struct {
	const char *request, *status;
	bool healthy;
} cases[] = {
	{"GET /health HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", true},
	{"GET /health HTTP/1.1\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\n", false},
	{"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n", false},
	{"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", true},
	{"GET /metricsX HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", true},
	{"POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", true},
	{"\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", true},
};

TEST_FIBER(expo_answers)
{
	struct house h;

	REQUIRE(house_open(&h));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		slice_t answer;

		h.healthy = cases[i].healthy;
		answer = ask(&h, slice_str(cases[i].request));
		check_note("case %zu", i);
		CHECK_SLICE(slice_sub(answer, 0, strlen(cases[i].status)),
			    slice_str(cases[i].status));
	}
	house_close(&h);
}

TEST_FIBER(expo_metrics)
{
	struct house h;
	slice_t answer;

	REQUIRE(house_open(&h));
	answer = ask(&h, SL("GET /metrics HTTP/1.0\r\n\r\n"));
	CHECK(slice_find(answer, SL("Content-Type: text/plain; version=0.0.4\r\n")) < answer.n);
	CHECK(slice_find(answer, SL("# TYPE postern_")) < answer.n);
	CHECK(slice_find(answer, SL("node=\"be1\"")) < answer.n);
	house_close(&h);
}

/* A request in pieces; one without end; one that never comes. */
TEST_FIBER(expo_slow_and_endless)
{
	struct stream *s, *silent;
	struct house h;
	struct buf line;
	slice_t answer;

	REQUIRE(house_open(&h));
	silent = dial(&h);
	s = dial(&h);
	REQUIRE(s != NULL && silent != NULL);
	CHECK_ERR(stream_write(s, SL("GET /hea"), deadline_in(WAIT_MS)), E_OK);
	CHECK_ERR(stream_flush(s, deadline_in(WAIT_MS)), E_OK);
	CHECK_ERR(stream_write(s, SL("lth HTTP/1.1\r\n\r"), deadline_in(WAIT_MS)), E_OK);
	CHECK_ERR(stream_flush(s, deadline_in(WAIT_MS)), E_OK);
	CHECK_ERR(stream_write(s, SL("\n"), deadline_in(WAIT_MS)), E_OK);
	answer = read_all(&h, s);
	CHECK(slice_starts(answer, SL("HTTP/1.1 200 OK\r\n")));
	stream_close(&s, CLOSE_DONE);

	buf_init(&line, 1 << 20, NULL);
	for (unsigned i = 0; i < 8192; i++)
		buf_putc(&line, 'x');
	answer = ask(&h, buf_slice(&line));
	CHECK(slice_starts(answer, SL("HTTP/1.1 431 ")));
	buf_fini(&line);
	/* The silent one is still there, and harms nobody. */
	stream_close(&silent, CLOSE_DONE);
	house_close(&h);
}

/* EXPO_CLIENTS_MAX at once; one more is closed without an answer, the others are served. */
TEST_FIBER(expo_clients_max)
{
	struct stream *s[EXPO_CLIENTS_MAX], *more;
	struct house h;

	REQUIRE(house_open(&h));
	for (unsigned i = 0; i < EXPO_CLIENTS_MAX; i++) {
		s[i] = dial(&h);
		REQUIRE(s[i] != NULL);
	}
	more = dial(&h);
	REQUIRE(more != NULL);
	CHECK_INT(read_all(&h, more).n, 0);
	stream_close(&more, CLOSE_DONE);
	for (unsigned i = 0; i < EXPO_CLIENTS_MAX; i++) {
		CHECK_ERR(stream_write(s[i], SL("GET /health HTTP/1.1\r\n\r\n"),
				       deadline_in(WAIT_MS)),
			  E_OK);
		CHECK(slice_starts(read_all(&h, s[i]), SL("HTTP/1.1 200 OK")));
		stream_close(&s[i], CLOSE_DONE);
	}
	CHECK(slice_starts(ask(&h, SL("GET /health HTTP/1.1\r\n\r\n")), SL("HTTP/1.1 200 OK")));
	house_close(&h);
}

/* Stopped while a client has not said all of its request: what the answer would be made of is gone
 * by then, so there is none. */
TEST_FIBER(expo_stop_under_a_client)
{
	struct stream *s;
	struct house h;

	REQUIRE(house_open(&h));
	s = dial(&h);
	REQUIRE(s != NULL);
	CHECK_ERR(stream_write(s, SL("GET /metrics HTTP/1.1\r\n"), deadline_in(WAIT_MS)), E_OK);
	CHECK_ERR(stream_flush(s, deadline_in(WAIT_MS)), E_OK);
	CHECK(slice_starts(ask(&h, SL("GET /health HTTP/1.1\r\n\r\n")), SL("HTTP/1.1 200 OK")));
	expo_stop(&h.expo);
	CHECK(h.expo == NULL);
	nodes_free(&h.nodes);
	CHECK_ERR(stream_write(s, SL("\r\n"), deadline_in(WAIT_MS)), E_OK);
	CHECK_INT(read_all(&h, s).n, 0);
	stream_close(&s, CLOSE_DONE);
	house_close(&h);
}

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/common/net/net_lib.h"

#define CONNECTIONS 100

struct accepted {
	struct stream *s[CONNECTIONS];
	unsigned n;
	struct event more;
};

static void on_accept(struct stream *s, void *arg)
{
	struct accepted *a = arg;

	invariant(a->n < CONNECTIONS && fiber_self() == NULL);
	a->s[a->n++] = s;
	event_set(&a->more);
}

static struct ipaddr address(slice_t text)
{
	struct ipaddr a;

	invariant(ipaddr_parse(text, &a));
	return a;
}

static int listen_on(slice_t text, uint16_t port, enum listen_share share)
{
	struct ipaddr a = address(text);
	struct diag d = {""};
	int fd = -1;

	CHECK_ERR(listen_socket(&a, port, share, &fd, &d), E_OK);
	CHECK_STR(d.text, "");
	return fd;
}

WAITS static void wait_for(struct accepted *a, unsigned n)
{
	while (a->n < n)
		if (event_wait(&a->more, "t.accept", deadline_in(SOON)) != E_OK)
			break;
	CHECK_INT(a->n, n);
}

static void close_all(struct accepted *a)
{
	for (unsigned i = 0; i < a->n; i++)
		stream_close(&a->s[i], CLOSE_DONE);
	a->n = 0;
}

static int client(uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	invariant(fd >= 0);
	CHECK_INT(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	return fd;
}

TEST_FIBER(connections_become_streams)
{
	struct accepted a = {.n = 0};
	struct listener *l = NULL;
	int fd = listen_on(SL("127.0.0.1"), 0, LISTEN_ALONE);
	uint16_t port = listen_port(fd);
	int fds[CONNECTIONS];

	event_init(&a.more);
	CHECK_ERR(listen_fd(fd, NULL, on_accept, &a, &l), E_OK);
	for (size_t i = 0; i < CONNECTIONS; i++)
		fds[i] = client(port);
	wait_for(&a, CONNECTIONS);
	CHECK_INT(stream_local_port(a.s[0]), port);
	CHECK(stream_peer_port(a.s[0]) != 0);
	CHECK_INT(write(fds[CONNECTIONS - 1], "last", 4), 4);
	CHECK_ERR(stream_fill(a.s[CONNECTIONS - 1], 3, "t.last", deadline_in(SOON)), E_OK);
	CHECK_SLICE(stream_peek(a.s[CONNECTIONS - 1]), SL("last"));
	for (size_t i = 0; i < CONNECTIONS; i++)
		close(fds[i]);
	close_all(&a);
	listener_close(&l);
	listener_close(&l);
	CHECK(l == NULL);
}

TEST_FIBER(without_descriptors_it_waits_and_goes_on)
{
	struct accepted a = {.n = 0};
	struct listener *l = NULL;
	struct rlimit old, few;
	int fd = listen_on(SL("127.0.0.1"), 0, LISTEN_ALONE), peer;

	event_init(&a.more);
	CHECK_ERR(listen_fd(fd, NULL, on_accept, &a, &l), E_OK);
	peer = client(listen_port(fd));
	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = (rlim_t)peer + 1;
	setrlimit(RLIMIT_NOFILE, &few);
	CHECK_ERR(event_wait(&a.more, "t.none", deadline_in(20)), E_TIMEOUT);
	setrlimit(RLIMIT_NOFILE, &old);
	wait_for(&a, 1);
	close(peer);
	close_all(&a);
	listener_close(&l);
}

TEST(descriptors_are_as_many_as_may_be)
{
	struct rlimit old, few, now;

	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0 && old.rlim_max > 64);
	few = old;
	few.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &few);
	listen_raise_limit();
	getrlimit(RLIMIT_NOFILE, &now);
	CHECK(now.rlim_cur == old.rlim_max);
	setrlimit(RLIMIT_NOFILE, &old);
}

TEST(ports_are_shared_only_when_asked)
{
	struct ipaddr a = address(SL("127.0.0.1"));
	struct ipaddr none = {0};
	struct diag d;
	int first = listen_on(SL("127.0.0.1"), 0, LISTEN_REUSEPORT), second, third = -1;
	uint16_t port = listen_port(first);

	second = listen_on(SL("127.0.0.1"), port, LISTEN_REUSEPORT);
	CHECK_INT(listen_port(second), port);
	CHECK_ERR(listen_socket(&a, port, LISTEN_ALONE, &third, &d), E_IO);
	CHECK(slice_ends(slice_str(d.text), SL("Address already in use")));
	CHECK_ERR(listen_socket(&none, 0, LISTEN_ALONE, &third, &d), E_INVALID);
	CHECK_INT(third, -1);
	close(first);
	close(second);
}

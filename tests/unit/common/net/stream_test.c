#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/asan.h"
#include "tests/unit/common/net/net_lib.h"

WAITS static void check_read(struct stream *s, slice_t want)
{
	struct buf b;

	buf_init(&b, 1 << 20, NULL);
	CHECK_ERR(read_exactly(s, want.n, &b), E_OK);
	CHECK_SLICE(buf_slice(&b), want);
	buf_fini(&b);
}

TEST_FIBER(bytes_go_both_ways)
{
	struct stream *a, *b;

	net_pair(NULL, &a, &b);
	CHECK_ERR(stream_write(a, SL("EHLO a\r\n"), deadline_in(SOON)), E_OK);
	CHECK_ERR(stream_write(a, SL("QUIT\r\n"), deadline_in(SOON)), E_OK);
	check_read(b, SL("EHLO a\r\nQUIT\r\n"));
	CHECK_ERR(stream_write_now(b, SL("250 b\r\n")), E_OK);
	check_read(a, SL("250 b\r\n"));
	CHECK_INT(stream_bytes_out(a), 14);
	CHECK_INT(stream_bytes_in(b), 14);
	CHECK(!stream_is_tls(a));
	CHECK(stream_tls(a) == NULL);
	CHECK(stream_peer(b)->family == 4);
	CHECK_INT(stream_peer_port(b), stream_local_port(a));
	CHECK_INT(stream_peer_port(a), stream_local_port(b));
	CHECK(ipaddr_eq(stream_local(a), stream_peer(b)));
	stream_close(&a, CLOSE_DONE);
	CHECK(a == NULL);
	stream_close(&a, CLOSE_DONE);
	CHECK_ERR(stream_fill(b, 0, "t.end", deadline_in(SOON)), E_CLOSED);
	stream_close(&b, CLOSE_PEER);
}

TEST_FIBER(a_socket_pair_will_do)
{
	struct stream *a, *b;
	int fds[2];

	invariant(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	CHECK_ERR(stream_from_fd(fds[0], NULL, &a), E_OK);
	CHECK_ERR(stream_from_fd(fds[1], NULL, &b), E_OK);
	CHECK_ERR(stream_write(a, SL("x"), deadline_in(SOON)), E_OK);
	check_read(b, SL("x"));
	CHECK_INT(stream_peer(b)->family, 0);
	stream_close(&a, CLOSE_DONE);
	CHECK_ERR(stream_fill(b, 0, "t.end", deadline_in(SOON)), E_CLOSED);
	stream_close(&b, CLOSE_PEER);
}

TEST_FIBER(not_a_socket_is_refused)
{
	struct stream *s = NULL;

	CHECK_ERR(stream_from_fd(open("/dev/null", O_RDONLY | O_CLOEXEC), NULL, &s), E_IO);
	CHECK_ERR(stream_from_fd(-1, NULL, &s), E_IO);
	CHECK(s == NULL);
}

/* ---- input ---- */

TEST_FIBER(input_may_trickle)
{
	struct stream *s;
	int fd = net_raw_pair(NULL, &s);
	static const char text[] = "MAIL FROM:<alice@example.org>\r\n";

	for (size_t i = 0; i < sizeof text - 1; i++) {
		CHECK_INT(write(fd, text + i, 1), 1);
		CHECK_ERR(stream_fill(s, i, "t.trickle", deadline_in(SOON)), E_OK);
		CHECK_INT(stream_peek(s).n, i + 1);
	}
	CHECK_SLICE(stream_peek(s), slice_str(text));
	stream_consume(s, 5);
	CHECK_SLICE(stream_peek(s), slice_str(text + 5));
	CHECK(stream_readable(s, 0));
	CHECK(!stream_readable(s, sizeof text));
	CHECK_ERR(stream_fill(s, sizeof text, "t.more", deadline_in(5)), E_TIMEOUT);
	close(fd);
	stream_close(&s, CLOSE_DONE);
}

/* A wider window takes more, and a narrower one loses nothing of it. */
TEST_FIBER(a_window_is_changed)
{
	struct stream_opts opts = {.window_max = 4096};
	static char bytes[20000];
	struct stream *s;
	int fd = net_raw_pair(&opts, &s);

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = pattern(i);
	CHECK_INT(write(fd, bytes, sizeof bytes), sizeof bytes);
	CHECK_ERR(stream_fill(s, 4095, "t.narrow", deadline_in(SOON)), E_OK);
	CHECK_ERR(stream_fill(s, 4096, "t.narrow", deadline_in(SOON)), E_LIMIT);
	stream_set_window(s, 16000);
	CHECK_ERR(stream_fill(s, 15999, "t.wide", deadline_in(SOON)), E_OK);
	CHECK_ERR(stream_fill(s, 16000, "t.wide", deadline_in(SOON)), E_LIMIT);
	stream_set_window(s, 4096);
	CHECK_INT(stream_peek(s).n, 16000);
	CHECK_SLICE(stream_peek(s), slice(bytes, 16000));
	CHECK_ERR(stream_fill(s, 16000, "t.narrow", deadline_in(SOON)), E_LIMIT);
	stream_consume(s, 16000);
	CHECK_ERR(stream_fill(s, 3999, "t.narrow", deadline_in(SOON)), E_OK);
	CHECK_SLICE(stream_peek(s), slice(bytes + 16000, 4000));
	close(fd);
	stream_close(&s, CLOSE_PEER);
}

/* 0 is no width of its own: it is what the stream was opened with. */
TEST_FIBER(a_window_goes_back_to_what_it_was)
{
	const size_t opened[] = {4096, 0}, back[] = {4096, 16 * 1024};
	static char bytes[40000];

	for (size_t i = 0; i < ARRAY_LEN(opened); i++) {
		struct stream_opts opts = {.window_max = opened[i]};
		struct stream *s;
		int fd = net_raw_pair(&opts, &s);

		stream_set_window(s, 20000);
		CHECK_INT(write(fd, bytes, sizeof bytes), sizeof bytes);
		CHECK_ERR(stream_fill(s, 19999, "t.wide", deadline_in(SOON)), E_OK);
		stream_set_window(s, 0);
		stream_consume(s, 20000);
		CHECK_ERR(stream_fill(s, back[i] - 1, "t.back", deadline_in(SOON)), E_OK);
		CHECK_ERR(stream_fill(s, back[i], "t.back", deadline_in(SOON)), E_LIMIT);
		close(fd);
		stream_close(&s, CLOSE_PEER);
	}
}

/* What came for the wide window fills the narrow one: the rest waits in the kernel. */
TEST_FIBER(a_window_narrower_than_what_is_in_it)
{
	struct stream_opts opts = {.window_max = 4096};
	static char bytes[10000];
	struct stream *s;
	int fd = net_raw_pair(&opts, &s);

	stream_set_window(s, 16000);
	CHECK_INT(write(fd, bytes, sizeof bytes), sizeof bytes);
	CHECK_ERR(stream_fill(s, sizeof bytes - 1, "t.wide", deadline_in(SOON)), E_OK);
	stream_set_window(s, 0);
	CHECK_INT(write(fd, bytes, 4000), 4000);
	CHECK_ERR(fiber_sleep("t.turns", 5), E_TIMEOUT);
	CHECK_INT(stream_peek(s).n, sizeof bytes);
	stream_consume(s, sizeof bytes);
	CHECK_ERR(stream_fill(s, 3999, "t.rest", deadline_in(SOON)), E_OK);
	close(fd);
	stream_close(&s, CLOSE_PEER);
}

WAITS static void wait_fill(struct stream *s)
{
	CHECK_ERR(stream_fill(s, 0, "t.loan", deadline_in(SOON)), E_OK); /* returns at once */
}

WAITS static void wait_write(struct stream *s)
{
	CHECK_ERR(stream_write(s, SL("x"), deadline_in(SOON)), E_OK);
}

WAITS static void wait_flush(struct stream *s)
{
	CHECK_ERR(stream_flush(s, deadline_in(SOON)), E_OK);
}

WAITS static void wait_drain(struct stream *s)
{
	CHECK_ERR(stream_drain(s, "t.drain", deadline_in(SOON)), E_OK);
}

WAITS static void wait_elsewhere(struct stream *s UNUSED)
{
	fiber_yield();
}

/* A slice of the window is good until the next wait, whatever waits and whether it had to; then, in
 * builds that look, it is known to be none. */
TEST_FIBER(a_slice_of_the_window_is_lent_until_the_next_wait)
{
	WAITS void (*const waits[])(struct stream *) = {wait_fill, wait_write, wait_flush,
							wait_drain, wait_elsewhere};

	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		struct stream *s;
		int fd = net_raw_pair(NULL, &s);
		slice_t before;

		CHECK_INT(write(fd, "one\r\ntwo\r\n", 10), 10);
		CHECK_ERR(stream_fill(s, 9, "t.loan", deadline_in(SOON)), E_OK);
		before = stream_peek(s);
		stream_consume(s, 5);
		CHECK_SLICE(before, SL("one\r\ntwo\r\n"));
		CHECK_INT(asan_poisoned(before.p + before.n), ASAN_BUILD);
		waits[i](s);
		CHECK_INT(asan_poisoned(before.p), ASAN_BUILD);
		CHECK_INT(asan_poisoned(before.p + before.n - 1), ASAN_BUILD);
		CHECK_SLICE(stream_peek(s), SL("two\r\n"));
		close(fd);
		stream_close(&s, CLOSE_PEER);
	}
}

/* All of it may have been consumed: a line is, before anybody looks at it. */
TEST_FIBER(consumed_bytes_are_lent_too)
{
	struct stream *s;
	int fd = net_raw_pair(NULL, &s);
	slice_t line;

	CHECK_INT(write(fd, "line", 4), 4);
	CHECK_ERR(stream_fill(s, 3, "t.loan", deadline_in(SOON)), E_OK);
	line = stream_peek(s);
	stream_consume(s, 4);
	CHECK_SLICE(line, SL("line"));
	fiber_yield();
	CHECK_INT(asan_poisoned(line.p), ASAN_BUILD);
	CHECK_INT(write(fd, "more", 4), 4);
	CHECK_ERR(stream_fill(s, 3, "t.loan", deadline_in(SOON)), E_OK);
	line = stream_peek(s);
	CHECK_SLICE(line, SL("more"));
	close(fd);
	stream_close(&s, CLOSE_PEER);
	CHECK_INT(asan_poisoned(line.p), ASAN_BUILD);
}

#ifdef WITH_ASAN

/* What stream_write() does with it comes after what it waits for. */
TEST_FIBER(a_slice_of_the_window_is_not_to_be_written)
{
	struct stream *s;
	int fd = net_raw_pair(NULL, &s);

	CHECK_INT(write(fd, "echo", 4), 4);
	CHECK_ERR(stream_fill(s, 3, "t.loan", deadline_in(SOON)), E_OK);
	CHECK_DIES((void)!stream_write(s, stream_peek(s), deadline_in(SOON)));
	close(fd);
	stream_close(&s, CLOSE_PEER);
}

#endif

TEST_FIBER(a_full_window_is_told_and_holds_the_peer)
{
	struct budget budget;
	struct stream_opts opts = {.window_max = 4096, .budget = &budget};
	struct stream *s;
	size_t total = 0;
	ssize_t n;
	int fd;

	budget_init(&budget, SIZE_MAX, NULL);
	fd = net_raw_pair(&opts, &s);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	CHECK_ERR(stream_fill(s, 0, "t.begin", deadline_in(5)), E_TIMEOUT);
	for (int idle = 0; idle < 20;) {
		char bytes[8192];

		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = pattern(total + i);
		n = write(fd, bytes, sizeof bytes);
		if (n > 0)
			total += (size_t)n;
		else
			idle++;
		fiber_yield();
	}
	CHECK(total > opts.window_max);
	CHECK_ERR(stream_fill(s, 4095, "t.full", deadline_in(SOON)), E_OK);
	CHECK_INT(stream_peek(s).n, 4096);
	CHECK_ERR(stream_fill(s, 4096, "t.full", deadline_in(SOON)), E_LIMIT);
	CHECK(stream_readable(s, 4096));
	CHECK(budget.peak <= 4096);
	close(fd);
	CHECK_INT(read_pattern(s, SIZE_MAX), total);
	CHECK(budget.peak <= 4096);
	CHECK_INT(budget.used, 0);
	stream_close(&s, CLOSE_PEER);
	budget_fini(&budget);
}

TEST_FIBER(notify_tells_of_input_and_of_the_end)
{
	struct stream *s;
	struct event e;
	int fd = net_raw_pair(NULL, &s);

	event_init(&e);
	stream_notify(s, &e);
	CHECK_ERR(event_wait(&e, "t.none", deadline_in(5)), E_TIMEOUT);
	CHECK_INT(write(fd, "DONE\r\n", 6), 6);
	CHECK_ERR(event_wait(&e, "t.input", deadline_in(SOON)), E_OK);
	CHECK_SLICE(stream_peek(s), SL("DONE\r\n"));
	stream_notify(s, &e);
	CHECK_ERR(event_wait(&e, "t.again", deadline_in(SOON)), E_OK);
	stream_consume(s, 6);
	close(fd);
	CHECK_ERR(event_wait(&e, "t.end", deadline_in(SOON)), E_OK);
	CHECK(stream_readable(s, 0));
	CHECK_ERR(stream_fill(s, 0, "t.end", deadline_in(SOON)), E_CLOSED);
	stream_notify(s, NULL);
	stream_close(&s, CLOSE_PEER);
}

TEST_FIBER(a_peer_may_half_close)
{
	struct stream *s;
	int fd = net_raw_pair(NULL, &s);
	char got[8];

	CHECK_INT(write(fd, "abc", 3), 3);
	shutdown(fd, SHUT_WR);
	CHECK_ERR(stream_fill(s, 0, "t.half", deadline_in(SOON)), E_OK);
	CHECK_ERR(stream_fill(s, 3, "t.half", deadline_in(SOON)), E_CLOSED);
	CHECK_SLICE(stream_peek(s), SL("abc"));
	stream_consume(s, 3);
	CHECK_ERR(stream_write(s, SL("answer"), deadline_in(SOON)), E_OK);
	CHECK_ERR(stream_flush(s, deadline_in(SOON)), E_OK);
	CHECK_INT(read(fd, got, sizeof got), 6);
	stream_close(&s, CLOSE_DONE);
	close(fd);
}

TEST_FIBER(a_reset_ends_both_directions)
{
	const struct linger hard = {.l_onoff = 1, .l_linger = 0};
	struct stream *s;
	struct diag why;
	enum err e = E_OK;
	int fd = net_raw_pair(NULL, &s);

	CHECK_INT(write(fd, "abc", 3), 3);
	CHECK_ERR(stream_fill(s, 2, "t.before", deadline_in(SOON)), E_OK);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(fd);
	CHECK_ERR(stream_fill(s, 3, "t.reset", deadline_in(SOON)), E_CLOSED);
	stream_diag(s, &why);
	CHECK_STR(why.text, "connection reset by peer");
	for (int i = 0; i < 10 && e == E_OK; i++) {
		e = stream_write(s, SL("lost"), deadline_in(SOON));
		if (e == E_OK)
			e = stream_flush(s, deadline_in(SOON));
	}
	CHECK_ERR(e, E_CLOSED);
	CHECK_ERR(stream_write_now(s, SL("lost")), E_CLOSED);
	CHECK_INT(stream_queued(s), 0);
	stream_close(&s, CLOSE_PEER);
}

TEST_FIBER(a_used_up_budget_ends_input_and_output)
{
	struct budget budget;
	struct stream_opts opts = {.window_max = 8192, .budget = &budget};
	static const char bytes[4000];
	struct stream *s;
	int fd;

	budget_init(&budget, 2048, NULL);
	fd = net_raw_pair(&opts, &s);
	CHECK_ERR(stream_write(s, slice(bytes, 4000), deadline_in(SOON)), E_LIMIT);
	CHECK_INT(write(fd, bytes, 1000), 1000);
	CHECK_ERR(stream_fill(s, 999, "t.budget", deadline_in(SOON)), E_OK);
	CHECK_INT(write(fd, bytes, 4000), 4000);
	CHECK_ERR(stream_fill(s, 4999, "t.budget", deadline_in(SOON)), E_LIMIT);
	CHECK_INT(stream_peek(s).n, 1000);
	CHECK(budget.peak <= 2048);
	CHECK_ERR(stream_write(s, SL("421 no room\r\n"), deadline_in(SOON)), E_OK);
	stream_close(&s, CLOSE_LIMIT);
	CHECK_ERR(fiber_sleep("t.closing", 5), E_TIMEOUT);
	close(fd);
	CHECK_ERR(fiber_sleep("t.closing", 5), E_TIMEOUT);
	budget_fini(&budget);
}

/* A window that was widened is read into as a whole where the budget has room for that; else what
 * comes counts, and not what might have. */
TEST_FIBER(a_wide_window_needs_no_more_than_what_comes)
{
	struct budget budget;
	struct stream_opts opts = {.window_max = 1024, .budget = &budget};
	static char bytes[1000];
	struct stream *s;
	int fd;

	budget_init(&budget, 8192, NULL);
	fd = net_raw_pair(&opts, &s);
	stream_set_window(s, 32 * 1024);
	for (int i = 0; i < 3; i++) {
		CHECK_INT(write(fd, bytes, sizeof bytes), sizeof bytes);
		REQUIRE(stream_fill(s, 999, "t.wide", deadline_in(SOON)) == E_OK);
		stream_consume(s, 1000);
	}
	close(fd);
	stream_close(&s, CLOSE_PEER);
	CHECK_ERR(fiber_sleep("t.closing", 5), E_TIMEOUT);
	CHECK_INT(budget.used, 0);
	budget_fini(&budget);
}

/* ---- output ---- */

struct mover {
	struct stream *s;
	size_t n, piece, done;
	enum err result;
};

WAITS static void writer_main(void *arg)
{
	struct mover *m = arg;

	m->result = write_pattern(m->s, m->n, m->piece);
	if (m->result == E_OK)
		m->result = stream_flush(m->s, deadline_in(SOON));
}

WAITS static void reader_main(void *arg)
{
	struct mover *m = arg;

	m->done = read_pattern(m->s, m->n);
}

TEST_FIBER(a_slow_peer_holds_the_writer)
{
	struct budget budget;
	struct stream_opts opts = {.high_water = 32 * 1024, .budget = &budget};
	struct mover m = {.n = 16 << 20, .piece = 100000, .result = E_INTERNAL};
	struct scope scope;
	char *bytes = xmalloc(1 << 16);
	size_t at = 0;
	bool right = true;
	int fd;

	budget_init(&budget, SIZE_MAX, NULL);
	fd = net_raw_pair(&opts, &m.s);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	scope_init(&scope);
	CHECK_ERR(scope_start(&scope, "t.writer", writer_main, &m), E_OK);
	CHECK_ERR(fiber_sleep("t.full", 20), E_TIMEOUT);
	CHECK_ERR(m.result, E_INTERNAL);
	CHECK(stream_queued(m.s) > 0);
	CHECK_ERR(stream_flush(m.s, deadline_in(5)), E_TIMEOUT);
	while (at < m.n) {
		ssize_t n = read(fd, bytes, 1 << 16);

		if (n <= 0) {
			fiber_yield();
			continue;
		}
		right = right && is_pattern(slice(bytes, (size_t)n), at);
		at += (size_t)n;
		CHECK(stream_queued(m.s) <= opts.high_water);
	}
	CHECK(right);
	CHECK_ERR(scope_join(&scope, deadline_in(SOON)), E_OK);
	CHECK_ERR(m.result, E_OK);
	CHECK(budget.peak <= 3 * opts.high_water);
	CHECK_INT(budget.used, 0);
	stream_close(&m.s, CLOSE_DONE);
	close(fd);
	xfree(&bytes);
	CHECK_ERR(fiber_sleep("t.closing", 5), E_TIMEOUT);
	budget_fini(&budget);
}

TEST_FIBER(write_now_never_waits_but_has_a_limit)
{
	struct stream_opts opts = {.high_water = 4096};
	struct stream *a, *b;
	unsigned n = 0;
	enum err e;

	net_pair(&opts, &a, &b);
	while ((e = stream_write_now(a, SL("0123456789abcdef"))) == E_OK)
		n++;
	CHECK_ERR(e, E_LIMIT);
	CHECK_INT(n, 2 * 4096 / 16 + 1);
	CHECK_ERR(stream_flush(a, deadline_in(SOON)), E_OK);
	CHECK_INT(stream_queued(a), 0);
	CHECK_ERR(stream_write_now(a, SL("x")), E_OK);
	stream_close(&a, CLOSE_PEER);
	stream_close(&b, CLOSE_PEER);
}

TEST_FIBER(drain_waits_while_the_queue_is_high)
{
	struct stream_opts opts = {.high_water = 4096};
	static const char bytes[4000];
	struct stream *s;
	int fd = net_raw_pair(&opts, &s);

	CHECK_ERR(stream_drain(s, "t.drain", deadline_in(5)), E_OK);
	while (stream_queued(s) <= 8192) {
		CHECK_ERR(stream_write_now(s, slice(bytes, sizeof bytes)), E_OK);
		fiber_yield();
	}
	CHECK_ERR(stream_drain(s, "t.drain", deadline_in(5)), E_TIMEOUT);
	stream_close(&s, CLOSE_IO);
	close(fd);
}

TEST_FIBER(many_megabytes_in_both_directions_at_once)
{
	struct stream *a, *b;
	struct stream_opts opts = {.window_max = 5000, .high_water = 7000};
	struct mover m[4];
	struct scope scope;

	net_pair(&opts, &a, &b);
	for (size_t i = 0; i < 4; i++)
		m[i] = (struct mover){i % 2 == 0 ? a : b, 8 << 20, 1 + 12345 * i, 0, E_INTERNAL};
	scope_init(&scope);
	m[0].piece = 3001;
	CHECK_ERR(scope_start(&scope, "t.a_writes", writer_main, &m[0]), E_OK);
	CHECK_ERR(scope_start(&scope, "t.b_writes", writer_main, &m[1]), E_OK);
	CHECK_ERR(scope_start(&scope, "t.a_reads", reader_main, &m[2]), E_OK);
	CHECK_ERR(scope_start(&scope, "t.b_reads", reader_main, &m[3]), E_OK);
	CHECK_ERR(scope_join(&scope, deadline_in(60000)), E_OK);
	CHECK_ERR(m[0].result, E_OK);
	CHECK_ERR(m[1].result, E_OK);
	CHECK_INT(m[2].done, 8 << 20);
	CHECK_INT(m[3].done, 8 << 20);
	CHECK_INT(stream_bytes_in(a), 8 << 20);
	stream_close(&a, CLOSE_DONE);
	stream_close(&b, CLOSE_DONE);
}

/* ---- waits and closing ---- */

struct blocked {
	struct stream *s;
	enum err result;
};

WAITS static void blocked_reader(void *arg)
{
	struct blocked *t = arg;

	t->result = stream_fill(t->s, 0, "t.blocked", NO_DEADLINE);
}

WAITS static void blocked_writer(void *arg)
{
	struct blocked *t = arg;

	t->result = write_pattern(t->s, 64 << 20, 100000);
}

TEST_FIBER(closing_wakes_whoever_waits)
{
	struct blocked r = {NULL, E_INTERNAL}, w = {NULL, E_INTERNAL};
	struct stream *s;
	int fd = net_raw_pair(NULL, &s);

	r.s = w.s = s;
	CHECK_ERR(fiber_start("t.reader", blocked_reader, &r, NULL), E_OK);
	CHECK_ERR(fiber_start("t.writer", blocked_writer, &w, NULL), E_OK);
	CHECK_ERR(fiber_sleep("t.block", 20), E_TIMEOUT);
	stream_close(&s, CLOSE_IO);
	CHECK_ERR(fiber_sleep("t.wake", 20), E_TIMEOUT);
	CHECK_ERR(r.result, E_CLOSED);
	CHECK_ERR(w.result, E_CLOSED);
	close(fd);
}

TEST_FIBER(closing_while_a_cancelled_fiber_is_on_its_way)
{
	struct blocked r = {NULL, E_INTERNAL};
	struct stream *s;
	struct fiber *f;
	int fd = net_raw_pair(NULL, &s);

	r.s = s;
	CHECK_ERR(fiber_start("t.reader", blocked_reader, &r, &f), E_OK);
	CHECK_ERR(fiber_sleep("t.block", 5), E_TIMEOUT);
	fiber_cancel(f);
	stream_close(&s, CLOSE_IO);
	CHECK_ERR(fiber_sleep("t.wake", 5), E_TIMEOUT);
	CHECK_ERR(r.result, E_CLOSED);
	close(fd);
}

TEST_FIBER(waits_may_be_cancelled_and_the_stream_lives_on)
{
	struct blocked r = {NULL, E_INTERNAL};
	struct fiber *f;
	int fd = net_raw_pair(NULL, &r.s);

	CHECK_ERR(fiber_start("t.reader", blocked_reader, &r, &f), E_OK);
	CHECK_ERR(fiber_sleep("t.block", 5), E_TIMEOUT);
	fiber_cancel(f);
	fiber_yield();
	CHECK_ERR(r.result, E_CANCELLED);
	CHECK_INT(write(fd, "still", 5), 5);
	check_read(r.s, SL("still"));
	stream_close(&r.s, CLOSE_DONE);
	close(fd);
}

/* What was queued arrives, although input was never read: a plain close would reset. */
TEST_FIBER(a_polite_close_delivers_the_last_words)
{
	struct stream *s;
	size_t total = 0;
	bool right = true;
	char bytes[4096];
	ssize_t n;
	int fd = net_raw_pair(NULL, &s);

	CHECK_ERR(stream_fill(s, 0, "t.begin", deadline_in(5)), E_TIMEOUT);
	for (int i = 0; i < 50; i++)
		CHECK_INT(write(fd, "NOOP\r\n", 6), 6);
	for (size_t i = 0; i < 60000; i++) {
		char c = pattern(i);

		CHECK_ERR(stream_write_now(s, slice(&c, 1)), E_OK);
	}
	stream_close(&s, CLOSE_LIMIT);
	CHECK_INT(write(fd, "NOOP\r\n", 6), 6);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((n = read(fd, bytes, sizeof bytes)) != 0) {
		if (n < 0) {
			REQUIRE(errno == EAGAIN);
			fiber_yield();
			continue;
		}
		right = right && is_pattern(slice(bytes, (size_t)n), total);
		total += (size_t)n;
	}
	CHECK(right);
	CHECK_INT(total, 60000);
	CHECK_INT(write(fd, "QUIT\r\n", 6), 6);
	close(fd);
}

TEST_FIBER(an_impolite_close_drops_what_was_queued)
{
	struct stream *s;
	char c;
	int fd = net_raw_pair(NULL, &s);

	CHECK_ERR(stream_write_now(s, SL("dropped")), E_OK);
	stream_close(&s, CLOSE_IO);
	CHECK_ERR(fiber_sleep("t.drop", 5), E_TIMEOUT);
	CHECK_INT(read(fd, &c, 1), 0);
	close(fd);
}

/* A megabyte; what the kernel holds of both ends comes on top. */
TEST_FIBER(a_peer_that_goes_on_sending_is_reset)
{
	static char bytes[65536];
	size_t sent = 0;
	struct stream *s;
	ssize_t n;
	int fd = net_raw_pair(NULL, &s);

	CHECK_ERR(stream_fill(s, 0, "t.begin", deadline_in(5)), E_TIMEOUT);
	stream_close(&s, CLOSE_LIMIT);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (sent < 256u << 20) {
		n = send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		fiber_yield();
	}
	CHECK(errno == ECONNRESET || errno == EPIPE);
	CHECK(sent > 1 << 20);
	CHECK(sent < 64u << 20);
	close(fd);
}

TEST_FIBER(a_peer_that_does_not_read_is_left_after_a_while)
{
	struct budget budget;
	struct stream_opts opts = {.high_water = 16 << 20, .budget = &budget};
	struct stream *s;
	int64_t begin = clock_mono_ms();
	int fd;

	budget_init(&budget, SIZE_MAX, NULL);
	fd = net_raw_pair(&opts, &s);
	CHECK_ERR(write_pattern(s, 16 << 20, 1 << 20), E_OK);
	stream_close(&s, CLOSE_DONE);
	while (budget.used > 0)
		CHECK_ERR(fiber_sleep("t.grace", 20), E_TIMEOUT);
	CHECK(clock_mono_ms() - begin >= 2000);
	CHECK(clock_mono_ms() - begin < 10000);
	close(fd);
	CHECK_ERR(fiber_sleep("t.closing", 5), E_TIMEOUT);
	budget_fini(&budget);
}

/* ---- connecting ---- */

TEST_FIBER(connecting_fails_or_waits_no_longer_than_told)
{
	const struct sockaddr_in any = {.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct stream *s = NULL, *filler[4] = {NULL};
	struct ipaddr addr;
	uint16_t port;
	enum err e = E_OK;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(ipaddr_parse(SL("127.0.0.1"), &addr));
	CHECK_INT(bind(fd, (const struct sockaddr *)&any, sizeof any), 0);
	port = listen_port(fd);
	CHECK_ERR(stream_connect(&addr, port, NULL, NULL, deadline_in(SOON), &s), E_IO);
	CHECK(s == NULL);
	/* A full backlog: the kernel drops further SYNs. */
	CHECK_INT(listen(fd, 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(filler) && e == E_OK; i++)
		e = stream_connect(&addr, port, NULL, NULL, deadline_in(50), &filler[i]);
	CHECK_ERR(e, E_TIMEOUT);
	for (size_t i = 0; i < ARRAY_LEN(filler); i++)
		stream_close(&filler[i], CLOSE_IO);
	close(fd);
}

TEST_FIBER(connecting_from_a_chosen_address)
{
	struct ipaddr to, from;
	struct stream *s = NULL;
	struct diag d;
	int fd = -1;

	CHECK(ipaddr_parse(SL("127.0.0.1"), &to));
	CHECK(ipaddr_parse(SL("127.0.0.7"), &from));
	CHECK_ERR(listen_socket(&to, 0, LISTEN_ALONE, &fd, &d), E_OK);
	CHECK_ERR(stream_connect(&to, listen_port(fd), &from, NULL, deadline_in(SOON), &s), E_OK);
	REQUIRE(s != NULL);
	CHECK(ipaddr_eq(stream_local(s), &from));
	stream_close(&s, CLOSE_IO);
	close(fd);
	CHECK(ipaddr_parse(SL("192.0.2.1"), &from));
	CHECK_ERR(stream_connect(&to, 25, &from, NULL, deadline_in(SOON), &s), E_IO);
}

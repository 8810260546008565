#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

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

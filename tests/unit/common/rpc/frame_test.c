#include "common/rpc/frame.h"

#include "common/base/buf.h"
#include "common/base/num.h"
#include "tests/lib/check.h"

struct header_case {
	const char *what;
	uint32_t len;
	unsigned type, flags, code;
	uint32_t stream;
	bool ok;
};

static const struct header_case cases[] = {
	{"hello", 20, FRAME_HELLO, 0, 0, 0, true},
	{"hello too short", 4, FRAME_HELLO, 0, 0, 0, false},
	{"hello too long", FRAME_HELLO_MAX + 1, FRAME_HELLO, 0, 0, 0, false},
	{"hello on a stream", 20, FRAME_HELLO, 0, 0, 1, false},
	{"hello with a flag", 20, FRAME_HELLO, FRAME_BODY, 0, 0, false},
	{"request", 4, FRAME_REQUEST, 0, 7, 1, true},
	{"request with body", RPC_PAYLOAD_MAX, FRAME_REQUEST, FRAME_BODY, 65535, UINT32_MAX, true},
	{"request without prefix", 3, FRAME_REQUEST, 0, 7, 1, false},
	{"request oversize", RPC_PAYLOAD_MAX + 1, FRAME_REQUEST, 0, 7, 1, false},
	{"request off stream", 4, FRAME_REQUEST, 0, 7, 0, false},
	{"request with END", 4, FRAME_REQUEST, FRAME_END, 7, 1, false},
	{"response", 0, FRAME_RESPONSE, FRAME_BODY, 3, 1, true},
	{"response oversize", RPC_PAYLOAD_MAX + 1, FRAME_RESPONSE, 0, 0, 1, false},
	{"response off stream", 0, FRAME_RESPONSE, 0, 0, 0, false},
	{"data", 1, FRAME_DATA, 0, 0, 1, true},
	{"data largest", RPC_PAYLOAD_MAX, FRAME_DATA, FRAME_END, 0, 1, true},
	{"data end", 0, FRAME_DATA, FRAME_END, 0, 1, true},
	{"data empty", 0, FRAME_DATA, 0, 0, 1, false},
	{"data with code", 1, FRAME_DATA, 0, 1, 1, false},
	{"data oversize", RPC_PAYLOAD_MAX + 1, FRAME_DATA, 0, 0, 1, false},
	{"data of 4 GiB", UINT32_MAX, FRAME_DATA, 0, 0, 1, false},
	{"credit", 4, FRAME_CREDIT, 0, 0, 1, true},
	{"credit short", 3, FRAME_CREDIT, 0, 0, 1, false},
	{"credit long", 8, FRAME_CREDIT, 0, 0, 1, false},
	{"credit off stream", 4, FRAME_CREDIT, 0, 0, 0, false},
	{"cancel", 0, FRAME_CANCEL, 0, 5, 1, true},
	{"cancel with payload", 1, FRAME_CANCEL, 0, 5, 1, false},
	{"cancel off stream", 0, FRAME_CANCEL, 0, 5, 0, false},
	{"ping", 8, FRAME_PING, 0, 0, 0, true},
	{"ping answer", 8, FRAME_PING, FRAME_ACK, 0, 0, true},
	{"ping short", 7, FRAME_PING, 0, 0, 0, false},
	{"ping on a stream", 8, FRAME_PING, 0, 0, 1, false},
	{"goaway", 0, FRAME_GOAWAY, 0, 0, 0, true},
	{"goaway with payload", 1, FRAME_GOAWAY, 0, 0, 0, false},
	{"type 0", 0, 0, 0, 0, 1, false},
	{"type 9", 0, 9, 0, 0, 1, false},
	{"type 255", 0, 255, 0, 0, 1, false},
	{"all flags", 4, FRAME_REQUEST, 255, 0, 1, false},
};

static void put_header(char *p, const struct header_case *c)
{
	be32_put(p, c->len);
	p[4] = (char)c->type;
	p[5] = (char)c->flags;
	be16_put(p + 6, (uint16_t)c->code);
	be32_put(p + 8, c->stream);
}

TEST(frame_headers)
{
	static char bytes[FRAME_HEADER + RPC_PAYLOAD_MAX + 3];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct header_case *c = &cases[i];
		const char *why = NULL;
		struct frame f;
		size_t used = 0;

		check_note("%s", c->what);
		put_header(bytes, c);
		if (!c->ok) {
			/* Refused as soon as the header is there, before any payload. */
			CHECK_INT(frame_parse(slice(bytes, FRAME_HEADER), &f, &used, &why), P_BAD);
			CHECK(why != NULL);
			continue;
		}
		CHECK_INT(frame_parse(slice(bytes, sizeof(bytes)), &f, &used, &why), P_OK);
		CHECK_INT(used, FRAME_HEADER + c->len);
		CHECK_INT(f.type, c->type);
		CHECK_INT(f.flags, c->flags);
		CHECK_INT(f.code, c->code);
		CHECK_INT(f.stream, c->stream);
		CHECK(f.payload.p == bytes + FRAME_HEADER);
		CHECK_INT(f.payload.n, c->len);
	}
}

TEST(frame_needs_every_byte)
{
	char bytes[FRAME_HEADER + 20] = {0};
	const char *why;
	struct frame f;
	size_t used;

	frame_header_put(bytes, FRAME_RESPONSE, FRAME_BODY, E_QUOTA, 77, 20);
	for (size_t n = 0; n < sizeof(bytes); n++)
		CHECK_INT(frame_parse(slice(bytes, n), &f, &used, &why), P_MORE);
	CHECK_INT(frame_parse(slice(bytes, sizeof(bytes)), &f, &used, &why), P_OK);
	CHECK_INT(f.code, E_QUOTA);
	CHECK_INT(f.stream, 77);
}

TEST(frame_names)
{
	CHECK_STR(frame_type_name(FRAME_HELLO), "hello");
	CHECK_STR(frame_type_name(FRAME_GOAWAY), "goaway");
	CHECK_STR(frame_type_name(0), "unknown");
	CHECK_STR(frame_type_name(200), "unknown");
}

TEST(hello_round_trip)
{
	struct frame_hello in = {1, 3, SL("frontend/fe1/smtp")}, out;
	char bytes[FRAME_HELLO_MAX];
	size_t n = frame_hello_put(bytes, &in);

	REQUIRE(frame_hello_parse(slice(bytes, n), &out));
	CHECK_INT(out.level_min, 1);
	CHECK_INT(out.level_max, 3);
	CHECK_SLICE(out.name, in.name);
	/* What a newer level appends is skipped. */
	bytes[n] = 'x';
	CHECK(frame_hello_parse(slice(bytes, n + 1), &out));
	CHECK_SLICE(out.name, in.name);
}

TEST(hello_refused)
{
	struct frame_hello in = {1, 3, SL("backend/be1")}, out;
	char bytes[FRAME_HELLO_MAX];
	size_t n = frame_hello_put(bytes, &in);

	for (size_t i = 0; i < n; i++)
		CHECK(!frame_hello_parse(slice(bytes, i), &out));
	in.level_min = 4;
	n = frame_hello_put(bytes, &in);
	CHECK(!frame_hello_parse(slice(bytes, n), &out));
}

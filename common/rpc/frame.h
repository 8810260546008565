/*
 * frame: the 12-byte header of the RPC's frames and every check that a frame alone allows
 * (docs/rpc.md): type, flags, length, whether it belongs to a stream. What depends on the state
 * of the link is the link's. Bytes only, no allocation, nothing waits.
 */
#ifndef COMMON_RPC_FRAME_H
#define COMMON_RPC_FRAME_H

#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/rpc/link.h"

#define FRAME_HEADER 12

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_REQUEST,
	FRAME_RESPONSE,
	FRAME_DATA,
	FRAME_CREDIT,
	FRAME_CANCEL,
	FRAME_PING,
	FRAME_GOAWAY,
};

#define FRAME_BODY 0x01 /* REQUEST, RESPONSE: DATA follows */
#define FRAME_END  0x02 /* DATA: the last one */
#define FRAME_ACK  0x04 /* PING: an answer */

#define FRAME_REQUEST_PREFIX 4 /* u32: ms left to the deadline, before the method's payload */
#define FRAME_NO_DEADLINE    UINT32_MAX
#define FRAME_PING_LEN       8
#define FRAME_HELLO_MAX      512
#define FRAME_HELLO_MIN      5 /* two levels and the name's length */

struct frame {
	enum frame_type type;
	uint8_t flags;
	uint16_t code;   /* method of a REQUEST, status of a RESPONSE or CANCEL, else 0 */
	uint32_t stream; /* 0: the link itself */
	slice_t payload; /* borrowed from the input */
};

/* "request", ... ; "unknown" for another value. */
const char *frame_type_name(unsigned type);

/* The first frame of in. P_MORE: not all there yet (but what is there may be refused at once).
 * P_BAD: *why_out says why, a literal. P_OK: *used_out bytes of in were taken. */
enum parse_rc frame_parse(slice_t in, struct frame *out, size_t *used_out,
			  const char **why_out) MUST_USE;

/* Writes a header for a payload of len bytes. */
void frame_header_put(char out[FRAME_HEADER], enum frame_type type, unsigned flags, unsigned code,
		      uint32_t stream, size_t len);

/* HELLO's payload: the protocol levels a side speaks, and its name, "frontend/fe1/smtp". Bytes
 * after the name are a newer level's and are skipped. */
struct frame_hello {
	uint16_t level_min, level_max;
	slice_t name; /* borrowed */
};
bool frame_hello_parse(slice_t payload, struct frame_hello *out) MUST_USE;
/* Into a buffer of FRAME_HELLO_MAX; the length. name is at most 255 bytes. */
size_t frame_hello_put(char *out, const struct frame_hello *h);

#endif

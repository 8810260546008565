#include "common/rpc/frame.h"

#include "common/base/num.h"

/* What a frame of each type may look like. */
struct frame_rule {
	const char *name;
	uint8_t flags;  /* those it may carry */
	bool on_stream; /* else stream is 0 */
	bool has_code;  /* else code is 0 */
	uint32_t len_min;
	uint32_t len_max;
};

static const struct frame_rule rules[] = {
	[FRAME_HELLO] = {"hello", 0, false, false, FRAME_HELLO_MIN, FRAME_HELLO_MAX},
	[FRAME_REQUEST] = {"request", FRAME_BODY, true, true, FRAME_REQUEST_PREFIX,
			   RPC_PAYLOAD_MAX},
	[FRAME_RESPONSE] = {"response", FRAME_BODY, true, true, 0, RPC_PAYLOAD_MAX},
	[FRAME_DATA] = {"data", FRAME_END, true, false, 0, RPC_PAYLOAD_MAX},
	[FRAME_CREDIT] = {"credit", 0, true, false, 4, 4},
	[FRAME_CANCEL] = {"cancel", 0, true, true, 0, 0},
	[FRAME_PING] = {"ping", FRAME_ACK, false, false, FRAME_PING_LEN, FRAME_PING_LEN},
	[FRAME_GOAWAY] = {"goaway", 0, false, false, 0, 0},
};

const char *frame_type_name(unsigned type)
{
	if (type >= ARRAY_LEN(rules) || rules[type].name == NULL)
		return "unknown";
	return rules[type].name;
}

static const char *header_fault(unsigned type, unsigned flags, unsigned code, uint32_t stream,
				uint32_t len)
{
	const struct frame_rule *r;

	if (type >= ARRAY_LEN(rules) || rules[type].name == NULL)
		return "unknown frame type";
	r = &rules[type];
	if ((flags & ~(unsigned)r->flags) != 0)
		return "unknown frame flag";
	if (len < r->len_min || len > r->len_max)
		return "bad frame length";
	if ((stream != 0) != r->on_stream)
		return "bad stream number";
	if (code != 0 && !r->has_code)
		return "unexpected code";
	/* An empty DATA that ends nothing would cost its receiver work for no credit. */
	if (type == FRAME_DATA && len == 0 && (flags & FRAME_END) == 0)
		return "empty data frame";
	return NULL;
}

enum parse_rc frame_parse(slice_t in, struct frame *out, size_t *used_out, const char **why_out)
{
	uint32_t len, stream;
	unsigned type, flags;
	uint16_t code;
	const char *why;

	if (in.n < FRAME_HEADER)
		return P_MORE;
	len = be32_get(in.p);
	type = (unsigned char)in.p[4];
	flags = (unsigned char)in.p[5];
	code = be16_get(in.p + 6);
	stream = be32_get(in.p + 8);
	why = header_fault(type, flags, code, stream, len);
	if (why != NULL) {
		*why_out = why;
		return P_BAD;
	}
	if (in.n - FRAME_HEADER < len)
		return P_MORE;
	*out = (struct frame){
		.type = (enum frame_type)type,
		.flags = (uint8_t)flags,
		.code = code,
		.stream = stream,
		.payload = slice_sub(in, FRAME_HEADER, len),
	};
	*used_out = FRAME_HEADER + (size_t)len;
	return P_OK;
}

void frame_header_put(char out[FRAME_HEADER], enum frame_type type, unsigned flags, unsigned code,
		      uint32_t stream, size_t len)
{
	invariant(len <= RPC_PAYLOAD_MAX && code <= UINT16_MAX);
	be32_put(out, (uint32_t)len);
	out[4] = (char)type;
	out[5] = (char)flags;
	be16_put(out + 6, (uint16_t)code);
	be32_put(out + 8, stream);
}

bool frame_hello_parse(slice_t payload, struct frame_hello *out)
{
	size_t n;

	if (payload.n < FRAME_HELLO_MIN)
		return false;
	n = (unsigned char)payload.p[4];
	if (payload.n - FRAME_HELLO_MIN < n)
		return false;
	out->level_min = be16_get(payload.p);
	out->level_max = be16_get(payload.p + 2);
	out->name = slice_sub(payload, FRAME_HELLO_MIN, n);
	return out->level_min <= out->level_max;
}

size_t frame_hello_put(char *out, const struct frame_hello *h)
{
	invariant(h->name.n <= UINT8_MAX);
	be16_put(out, h->level_min);
	be16_put(out + 2, h->level_max);
	out[4] = (char)(unsigned char)h->name.n;
	memcpy(out + FRAME_HELLO_MIN, h->name.p, h->name.n);
	return FRAME_HELLO_MIN + h->name.n;
}

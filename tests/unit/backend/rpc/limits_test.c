/* Limits of what front-ends send with a commit that asks for signatures. */
#include "backend/rpc/limits.h"

#include "common/base/buf.h"
#include "common/crypto/digest.h"
#include "common/parse/dkim_sig.h"
#include "proto/delivery.pb-c.h"
#include "tests/lib/check.h"

struct asked {
	size_t n, selector, field, digest, author; /* how many; the length of each */
};

static enum err commit_of(struct asked a)
{
	static char fill[2 * DKIM_OPEN_MAX];
	Postern__DeliverCommit m = POSTERN__DELIVER_COMMIT__INIT;
	Postern__SignatureAsk one = POSTERN__SIGNATURE_ASK__INIT, *list[DKIM_SIGS_MAX + 1];
	char selector[2 * DKIM_SELECTOR_MAX] = "";
	ProtobufCMessage *out;
	struct arena mem;
	struct diag d = {""};
	uint8_t *bytes;
	size_t size;
	enum err e;

	memset(selector, 's', a.selector);
	one.selector = selector;
	one.field = (ProtobufCBinaryData){a.field, (uint8_t *)fill};
	one.digest = (ProtobufCBinaryData){a.digest, (uint8_t *)fill};
	m.author = (ProtobufCBinaryData){a.author, (uint8_t *)fill};
	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		list[i] = &one;
	m.signatures = list;
	m.n_signatures = a.n;
	size = protobuf_c_message_get_packed_size(&m.base);
	bytes = xmalloc(size);
	protobuf_c_message_pack(&m.base, bytes);
	arena_init(&mem, NULL);
	e = walk_unpack(&postern__deliver_commit__descriptor, be_walk_limits, slice(bytes, size),
			&mem, &out, &d);
	arena_reset(&mem);
	xfree(&bytes);
	return e;
}

TEST(limits_of_signatures)
{
	static const struct asked most = {DKIM_SIGS_MAX, DKIM_SELECTOR_MAX, DKIM_OPEN_MAX,
					  SHA256_LEN, 320};
	struct asked over[] = {most, most, most, most, most};

	CHECK_ERR(commit_of(most), E_OK);
	over[0].n++;
	over[1].selector++;
	over[2].field++;
	over[3].digest++;
	over[4].author++;
	for (size_t i = 0; i < ARRAY_LEN(over); i++) {
		check_note("case %zu", i);
		CHECK_ERR(commit_of(over[i]), E_LIMIT);
	}
}

/* Limits of what front-ends send: with a commit that asks for signatures, of policies, of files. */
#include "backend/rpc/limits.h"

#include "backend/areas/area.h"
#include "backend/directory/dir.h"
#include "backend/queue/sts_cache.h"
#include "common/base/buf.h"
#include "common/crypto/digest.h"
#include "common/parse/dkim_sig.h"
#include "common/parse/idn.h"
#include "proto/delivery.pb-c.h"
#include "proto/ingest.pb-c.h"
#include "proto/outbound.pb-c.h"
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

struct policy {
	size_t domain, id, mx, name; /* lengths, and how many */
};

static enum err put_of(struct policy p)
{
	Postern__OutboundStsPut m = POSTERN__OUTBOUND_STS_PUT__INIT;
	Postern__StsPolicy policy = POSTERN__STS_POLICY__INIT;
	char domain[300] = "", id[100] = "", name[300] = "", *mx[STS_ROW_MX_MAX + 1];
	ProtobufCMessage *out;
	struct arena mem;
	struct diag d = {""};
	uint8_t *bytes;
	size_t size;
	enum err e;

	m.domain = memset(domain, 'd', p.domain);
	m.policy = &policy;
	policy.id = memset(id, 'i', p.id);
	for (size_t i = 0; i < p.mx; i++)
		mx[i] = memset(name, 'n', p.name);
	policy.mx = mx;
	policy.n_mx = p.mx;
	size = protobuf_c_message_get_packed_size(&m.base);
	bytes = xmalloc(size);
	protobuf_c_message_pack(&m.base, bytes);
	arena_init(&mem, NULL);
	e = walk_unpack(&postern__outbound_sts_put__descriptor, be_walk_limits, slice(bytes, size),
			&mem, &out, &d);
	arena_reset(&mem);
	xfree(&bytes);
	return e;
}

TEST(limits_of_sts_policies)
{
	static const struct policy most = {DOMAIN_MAX, STS_ROW_ID_MAX, STS_ROW_MX_MAX,
					   STS_ROW_NAME_MAX};
	struct policy over[] = {most, most, most, most};

	CHECK_ERR(put_of(most), E_OK);
	over[0].domain++;
	over[1].id++;
	over[2].mx++;
	over[3].name++;
	for (size_t i = 0; i < ARRAY_LEN(over); i++) {
		check_note("case %zu", i);
		CHECK(put_of(over[i]) != E_OK);
	}
}

static enum err unpacked(const ProtobufCMessage *m)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = xmalloc(size);
	ProtobufCMessage *out;
	struct arena mem;
	struct diag d = {""};
	enum err e;

	protobuf_c_message_pack(m, bytes);
	arena_init(&mem, NULL);
	e = walk_unpack(m->descriptor, be_walk_limits, slice(bytes, size), &mem, &out, &d);
	arena_reset(&mem);
	xfree(&bytes);
	return e;
}

struct opening {
	size_t recipients, recipient, sender, author; /* how many, and lengths */
};

static enum err open_of(struct opening o)
{
	static uint8_t fill[2 * DIR_ADDRESS_MAX];
	Postern__IngestOpen m = POSTERN__INGEST_OPEN__INIT;
	ProtobufCBinaryData list[64];

	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		list[i] = (ProtobufCBinaryData){o.recipient, fill};
	m.recipients = list;
	m.n_recipients = o.recipients;
	m.sender = (ProtobufCBinaryData){o.sender, fill};
	m.author = (ProtobufCBinaryData){o.author, fill};
	return unpacked(&m.base);
}

TEST(limits_of_files)
{
	static const struct opening most = {40, DIR_ADDRESS_MAX, DIR_ADDRESS_MAX, DIR_ADDRESS_MAX};
	struct opening over[] = {most, most, most, most};
	Postern__IngestDone done = POSTERN__INGEST_DONE__INIT;
	char why[AREA_REASON_MAX + 2];

	CHECK_ERR(open_of(most), E_OK);
	over[0].recipients++;
	over[1].recipient++;
	over[2].sender++;
	over[3].author++;
	for (size_t i = 0; i < ARRAY_LEN(over); i++) {
		check_note("case %zu", i);
		CHECK_ERR(open_of(over[i]), E_LIMIT);
	}
	memset(why, 'w', sizeof why);
	done.why = why;
	why[AREA_REASON_MAX + 1] = '\0';
	CHECK_ERR(unpacked(&done.base), E_LIMIT);
	why[AREA_REASON_MAX] = '\0';
	CHECK_ERR(unpacked(&done.base), E_OK);
}

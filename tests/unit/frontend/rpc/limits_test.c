/* Limits of what back-ends send: rows of real fields, and room for all that can be stored. */
#include "frontend/rpc/limits.h"

#include "common/base/buf.h"
#include "frontend/mime/summary.h"
#include "proto/message.pb-c.h"
#include "tests/lib/check.h"

/* A misspelt field would leave the default in force without a word. */
TEST(limits_name_real_fields)
{
	for (const struct walk_limit *l = fe_walk_limits; l->message != NULL; l++) {
		const ProtobufCFieldDescriptor *f =
			protobuf_c_message_descriptor_get_field_by_name(l->message, l->field);

		check_note("%s.%s", l->message->name, l->field);
		REQUIRE(f != NULL);
		CHECK(l->count_max != 0 || l->len_max != 0);
		CHECK(l->count_max == 0 || f->label == PROTOBUF_C_LABEL_REPEATED);
		CHECK(l->len_max == 0 || f->type == PROTOBUF_C_TYPE_BYTES ||
		      f->type == PROTOBUF_C_TYPE_STRING);
		for (const struct walk_limit *k = l + 1; k->message != NULL; k++)
			CHECK(k->message != l->message || strcmp(k->field, l->field) != 0);
	}
}

/* A batch with one message that has so many fields. */
static enum err batch_of_fields(size_t n, slice_t raw)
{
	Postern__FetchBatch batch = POSTERN__FETCH_BATCH__INIT;
	Postern__FieldList list = POSTERN__FIELD_LIST__INIT, *lists[1] = {&list};
	Postern__HeaderField **fields = xcalloc(n, sizeof(*fields));
	Postern__HeaderField one = POSTERN__HEADER_FIELD__INIT;
	ProtobufCMessage *out;
	struct arena mem;
	struct diag d = {""};
	uint8_t *bytes;
	size_t size;
	enum err e;

	one.raw = (ProtobufCBinaryData){raw.n, (uint8_t *)(uintptr_t)raw.p};
	for (size_t i = 0; i < n; i++)
		fields[i] = &one;
	list.fields = fields;
	list.n_fields = n;
	batch.fields = lists;
	batch.n_fields = 1;
	size = protobuf_c_message_get_packed_size(&batch.base);
	bytes = xmalloc(size);
	protobuf_c_message_pack(&batch.base, bytes);
	arena_init(&mem, NULL);
	e = walk_unpack(&postern__fetch_batch__descriptor, fe_walk_limits, slice(bytes, size), &mem,
			&out, &d);
	check_note("%zu fields of %zu bytes: %s", n, raw.n, d.text);
	arena_reset(&mem);
	xfree(&bytes);
	xfree(&fields);
	return e;
}

/* Whatever a front-end's own parser can put into a summary comes back through. */
TEST(limits_take_what_the_parser_makes)
{
	static char raw[SUMMARY_FIELDS_BYTES_MAX];

	CHECK_ERR(batch_of_fields(SUMMARY_FIELDS_MAX, SL("To:\n")), E_OK);
	CHECK_ERR(batch_of_fields(1, slice(raw, sizeof raw)), E_OK);
}

TEST(limits_hold)
{
	static char raw[4097];

	CHECK_ERR(batch_of_fields(512, SL("x")), E_OK);
	CHECK_ERR(batch_of_fields(513, SL("x")), E_LIMIT);
	CHECK_ERR(batch_of_fields(1, slice(raw, 4096)), E_OK);
	CHECK_ERR(batch_of_fields(1, slice(raw, 4097)), E_LIMIT);
}

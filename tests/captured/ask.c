#include "tests/captured/ask.h"

#include "common/base/codec.h"
#include "common/base/num.h"
#include "proto/auth.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/dns.pb-c.h"
#include "proto/ingest.pb-c.h"
#include "proto/outbound.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "proto/message.pb-c.h"
#include "proto/method.pb-c.h"
#include "proto/policy.pb-c.h"
#include "proto/web.pb-c.h"

#define VALUE_MAX (64 * 1024)

#define ROW(num, request, reply) \
	{ \
		POSTERN__METHOD__METHOD_##num, #num, &postern__##request##__descriptor, reply \
	}
#define REPLY(desc) (&postern__##desc##__descriptor)

static const struct ask_method table[] = {
	ROW(AUTH_START, auth_start, REPLY(auth_reply)),
	ROW(AUTH_STEP, auth_step, REPLY(auth_reply)),
	ROW(TICKET_RENEW, ticket_renew, REPLY(ticket_reply)),
	ROW(AUTH_END, auth_end, NULL),
	ROW(POLICY_WATCH, policy_watch, NULL),
	ROW(NODE_REPORT, node_report, REPLY(node_report_reply)),
	ROW(RESOLVE, resolve, REPLY(resolve_reply)),
	ROW(DELIVER_BEGIN, deliver_begin, NULL),
	ROW(OUTBOUND_WORK, outbound_work, NULL),
	ROW(OUTBOUND_READ, outbound_read, NULL),
	ROW(OUTBOUND_REPORT, outbound_report, NULL),
	ROW(OUTBOUND_TURN, outbound_turn, REPLY(outbound_turn_reply)),
	ROW(OUTBOUND_ASK, outbound_ask, REPLY(outbound_ask_reply)),
	ROW(OUTBOUND_STS_GET, outbound_sts_get, REPLY(sts_policy)),
	ROW(OUTBOUND_STS_PUT, outbound_sts_put, NULL),
	ROW(OUTBOUND_TLS_PUT, outbound_tls_put, NULL),
	ROW(OUTBOUND_TLS_WORK, outbound_tls_work, NULL),
	ROW(OUTBOUND_TLS_STEP, outbound_tls_step, REPLY(outbound_tls_step_reply)),
	ROW(OUTBOUND_GSSAPI, outbound_gssapi, NULL),
	ROW(DNS_WATCH, dns_watch, NULL),
	ROW(DNS_ANSWER, dns_answer, NULL),
	ROW(INGEST_WORK, ingest_work, NULL),
	ROW(INGEST_READ, ingest_read, NULL),
	ROW(INGEST_OPEN, ingest_open, REPLY(ingest_open_reply)),
	ROW(INGEST_DONE, ingest_done, NULL),
	ROW(INGEST_DROP, ingest_drop, NULL),
	ROW(INGEST_TLS_REPORT, ingest_tls_report, NULL),
	ROW(DELIVER_COMMIT, deliver_commit, REPLY(deliver_reply)),
	ROW(DELIVER_ABORT, deliver_abort, NULL),
	ROW(DELIVER_SETTLE, deliver_settle, NULL),
	ROW(SENDER_CHECK, sender_check, REPLY(sender_check_reply)),
	ROW(MAILBOX_LIST, mailbox_list, NULL),
	ROW(MAILBOX_CREATE, mailbox_create, REPLY(mailbox_create_reply)),
	ROW(MAILBOX_DELETE, mailbox_delete, NULL),
	ROW(MAILBOX_RENAME, mailbox_rename, NULL),
	ROW(MAILBOX_SUBSCRIBE, mailbox_subscribe, NULL),
	ROW(MAILBOX_OPEN, mailbox_open, REPLY(mailbox_open_reply)),
	ROW(MAILBOX_STATUS, mailbox_status, REPLY(mailbox_status_reply)),
	ROW(MAILBOX_CHANGES, mailbox_changes, REPLY(mailbox_changes_reply)),
	ROW(MAILBOX_WATCH, mailbox_watch, NULL),
	ROW(MESSAGE_FETCH, message_fetch, NULL),
	ROW(MESSAGE_READ, message_read, NULL),
	ROW(MESSAGE_STORE, message_store, REPLY(message_store_reply)),
	ROW(MESSAGE_COPY, message_copy, REPLY(message_copy_reply)),
	ROW(MESSAGE_EXPUNGE, message_expunge, REPLY(message_expunge_reply)),
	ROW(MESSAGE_SEARCH, message_search, REPLY(message_search_reply)),
	ROW(APPEND_BEGIN, append_begin, NULL),
	ROW(APPEND_COMMIT, append_commit, REPLY(append_reply)),
	ROW(APPEND_ABORT, append_abort, NULL),
	ROW(WEB_STS, web_sts, REPLY(web_sts_reply)),
	ROW(WEB_AUTOCONFIG, web_autoconfig, REPLY(web_autoconfig_reply)),
};

static const struct ask_method *by_number(unsigned number)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].number == number)
			return &table[i];
	}
	return NULL;
}

bool ask_find(slice_t name, struct ask_method *out)
{
	const struct ask_method *row = NULL;
	uint64_t number;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (slice_eq(slice_str(table[i].name), name))
			row = &table[i];
	}
	if (row == NULL && num_parse(name, UINT16_MAX, &number)) {
		row = by_number((unsigned)number);
		*out = (struct ask_method){.number = (unsigned)number, .name = "unknown"};
	} else if (row == NULL) {
		return false;
	}
	if (row != NULL)
		*out = *row;
	return true;
}

static const char *type_name(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return "string";
	case PROTOBUF_C_TYPE_BYTES:
		return "bytes";
	case PROTOBUF_C_TYPE_MESSAGE:
		return ((const ProtobufCMessageDescriptor *)f->descriptor)->short_name;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return "number";
	}
	return "number";
}

void ask_list(struct buf *out)
{
	const ProtobufCEnumDescriptor *e = &postern__method__descriptor;

	for (unsigned i = 0; i < e->n_values; i++) {
		const struct ask_method *row = by_number((unsigned)e->values[i].value);

		buf_printf(out, "%d %s", e->values[i].value, e->values[i].name);
		if (row == NULL)
			buf_puts(out, " -");
		for (unsigned k = 0; row != NULL && k < row->request->n_fields; k++)
			buf_printf(out, " %s:%s", row->request->fields[k].name,
				   type_name(&row->request->fields[k]));
		buf_putc(out, '\n');
	}
}

ProtobufCMessage *ask_new(const struct ask_method *m, struct arena *a)
{
	ProtobufCMessage *out = arena_alloc(a, m->request->sizeof_message);

	protobuf_c_message_init(m->request, out);
	return out;
}

/* ---- setting ---- */

static enum err number_value(slice_t text, int64_t *out)
{
	bool minus = slice_starts(text, SL("-"));
	uint64_t n;

	if (!num_parse(minus ? slice_from(text, 1) : text, UINT64_MAX, &n))
		return E_INVALID;
	*out = minus ? -(int64_t)n : (int64_t)n;
	return E_OK;
}

/* Writes a value of the field's type at `at`. */
static enum err put_value(const ProtobufCFieldDescriptor *f, void *at, slice_t text,
			  struct arena *a)
{
	ProtobufCBinaryData *bytes = at;
	int64_t n = 0;
	struct buf b;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)at = arena_str(a, text);
		return E_OK;
	case PROTOBUF_C_TYPE_BYTES:
		buf_init(&b, VALUE_MAX, NULL);
		if (!hex_decode(&b, text)) {
			buf_fini(&b);
			return E_INVALID;
		}
		*bytes = (ProtobufCBinaryData){b.n,
					       (uint8_t *)(uintptr_t)arena_dup(a, buf_slice(&b)).p};
		buf_fini(&b);
		return E_OK;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		if (number_value(text, &n) != E_OK)
			return E_INVALID;
		*(int64_t *)at = n;
		return E_OK;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		if (number_value(text, &n) != E_OK)
			return E_INVALID;
		*(int32_t *)at = (int32_t)n;
		return E_OK;
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_MESSAGE:
		return E_INVALID;
	}
	return E_INVALID;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *d, slice_t name)
{
	for (unsigned i = 0; i < d->n_fields; i++) {
		if (slice_eq(slice_str(d->fields[i].name), name))
			return &d->fields[i];
	}
	return NULL;
}

/* Where one value of f lies: in the message, or the one element of its list. */
static void *place_of(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct arena *a)
{
	char *at = (char *)m + f->offset;
	size_t *count = (size_t *)(void *)((char *)m + f->quantifier_offset);

	if (f->label != PROTOBUF_C_LABEL_REPEATED)
		return at;
	if (*count == 0) {
		*(void **)(void *)at = arena_alloc(a, sizeof(ProtobufCBinaryData));
		*count = 1;
	}
	return *(void **)(void *)at;
}

static ProtobufCMessage *child_of(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
				  struct arena *a)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;
	ProtobufCMessage **at = place_of(m, f, a);

	if (*at == NULL) {
		*at = arena_alloc(a, d->sizeof_message);
		protobuf_c_message_init(d, *at);
	}
	return *at;
}

enum err ask_set(ProtobufCMessage *m, slice_t text, struct arena *a)
{
	size_t equals = slice_find_char(text, '=');
	slice_t path = slice_sub(text, 0, equals), value = slice_from(text, equals + 1);
	const ProtobufCFieldDescriptor *f;
	size_t dot;

	while ((dot = slice_find_char(path, '.')) != path.n) {
		f = find_field(m->descriptor, slice_sub(path, 0, dot));
		if (f == NULL || f->type != PROTOBUF_C_TYPE_MESSAGE)
			return E_NOT_FOUND;
		m = child_of(m, f, a);
		path = slice_from(path, dot + 1);
	}
	f = find_field(m->descriptor, path);
	if (f == NULL)
		return E_NOT_FOUND;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) { /* set, and empty */
		child_of(m, f, a);
		return E_OK;
	}
	return put_value(f, place_of(m, f, a), value, a);
}

/* ---- printing ---- */

static void print_value(const ProtobufCFieldDescriptor *f, const void *at, struct buf *out)
{
	const ProtobufCBinaryData *bytes = at;

	if (f->type == PROTOBUF_C_TYPE_STRING)
		buf_printf(out, " %s=%s", f->name, *(const char *const *)at);
	else if (f->type == PROTOBUF_C_TYPE_BYTES) {
		buf_printf(out, " %s=", f->name);
		hex_encode(out, slice(bytes->data, bytes->len));
	} else if (f->type == PROTOBUF_C_TYPE_INT64 || f->type == PROTOBUF_C_TYPE_SINT64 ||
		   f->type == PROTOBUF_C_TYPE_UINT64)
		buf_printf(out, " %s=%llu", f->name, (unsigned long long)*(const uint64_t *)at);
	else if (f->type != PROTOBUF_C_TYPE_MESSAGE)
		buf_printf(out, " %s=%u", f->name, *(const uint32_t *)at);
}

/* Of the message's own messages, the plain fields: deep enough for every answer's essence. */
static void print_flat(const ProtobufCMessage *m, struct buf *out)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];

		if (f->label != PROTOBUF_C_LABEL_REPEATED)
			print_value(f, (const char *)m + f->offset, out);
	}
}

void ask_print(const ProtobufCMessage *m, struct buf *out)
{
	print_flat(m, out);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const char *at = (const char *)m + f->offset;
		size_t n = 1;

		if (f->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			n = *(const size_t *)(const void *)((const char *)m + f->quantifier_offset);
		for (size_t k = 0; k < n; k++) {
			const ProtobufCMessage *child =
				f->label == PROTOBUF_C_LABEL_REPEATED
					? (*(ProtobufCMessage *const *const *)(const void *)at)[k]
					: *(ProtobufCMessage *const *)(const void *)at;

			if (child != NULL)
				print_flat(child, out);
		}
	}
}

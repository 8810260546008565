/*
 * The walker, over every message of proto/. The first byte chooses the message. Promises: what it
 * passes, protobuf-c unpacks, within a bound of memory; packed again, it passes again.
 */
#include "common/rpc/walk.h"
#include "proto/auth.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "proto/message.pb-c.h"
#include "proto/method.pb-c.h"
#include "proto/policy.pb-c.h"
#include "proto/queue.pb-c.h"
#include "proto/summary.pb-c.h"
#include "proto/types.pb-c.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX       (64 * 1024)
/* An empty submessage takes two bytes on the wire and a few hundred unpacked. */
#define MEMORY_PER_BYTE 256

static const ProtobufCMessageDescriptor *const messages[] = {
	&postern__auth_start__descriptor,
	&postern__auth_step__descriptor,
	&postern__auth_reply__descriptor,
	&postern__ticket_renew__descriptor,
	&postern__ticket_reply__descriptor,
	&postern__auth_end__descriptor,
	&postern__resolve__descriptor,
	&postern__target__descriptor,
	&postern__resolve_reply__descriptor,
	&postern__sender_check__descriptor,
	&postern__deliver_begin__descriptor,
	&postern__recipient__descriptor,
	&postern__other_owner__descriptor,
	&postern__deliver_commit__descriptor,
	&postern__recipient_result__descriptor,
	&postern__deliver_reply__descriptor,
	&postern__deliver_abort__descriptor,
	&postern__deliver_settle__descriptor,
	&postern__mailbox_list__descriptor,
	&postern__mailbox_row__descriptor,
	&postern__mailbox_batch__descriptor,
	&postern__mailbox_create__descriptor,
	&postern__mailbox_create_reply__descriptor,
	&postern__mailbox_delete__descriptor,
	&postern__mailbox_rename__descriptor,
	&postern__mailbox_subscribe__descriptor,
	&postern__mailbox_status__descriptor,
	&postern__mailbox_status_reply__descriptor,
	&postern__mailbox_open__descriptor,
	&postern__mailbox_open_reply__descriptor,
	&postern__mailbox_changes__descriptor,
	&postern__mailbox_changes_reply__descriptor,
	&postern__change_batch__descriptor,
	&postern__mailbox_watch__descriptor,
	&postern__nudge__descriptor,
	&postern__message_fetch__descriptor,
	&postern__part_table__descriptor,
	&postern__field_list__descriptor,
	&postern__fetch_batch__descriptor,
	&postern__message_read__descriptor,
	&postern__read_head__descriptor,
	&postern__message_store__descriptor,
	&postern__message_store_reply__descriptor,
	&postern__message_copy__descriptor,
	&postern__message_copy_reply__descriptor,
	&postern__message_expunge__descriptor,
	&postern__message_expunge_reply__descriptor,
	&postern__search_key__descriptor,
	&postern__message_search__descriptor,
	&postern__message_search_reply__descriptor,
	&postern__append_begin__descriptor,
	&postern__append_commit__descriptor,
	&postern__append_reply__descriptor,
	&postern__append_abort__descriptor,
	&postern__policy_watch__descriptor,
	&postern__setting__descriptor,
	&postern__settings__descriptor,
	&postern__backend_node__descriptor,
	&postern__partition__descriptor,
	&postern__cluster__descriptor,
	&postern__revoked__descriptor,
	&postern__kill_session__descriptor,
	&postern__policy_event__descriptor,
	&postern__node_report__descriptor,
	&postern__node_report_reply__descriptor,
	&postern__queue_job__descriptor,
	&postern__summary__descriptor,
	&postern__part__descriptor,
	&postern__header_field__descriptor,
	&postern__uid_range__descriptor,
	&postern__uid_ranges__descriptor,
	&postern__wrong_owner__descriptor,
	&postern__failure__descriptor,
	&postern__client_facts__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, size);
	unsigned choice = fuzz_byte(&in);
	const ProtobufCMessageDescriptor *m = messages[choice % ARRAY_LEN(messages)];
	struct diag d;
	ProtobufCMessage *msg = NULL;
	struct budget budget;
	struct arena mem;
	enum err e;

	if (in.n > INPUT_MAX)
		return 0;
	budget_init(&budget, MEMORY_PER_BYTE * (in.n + 64), NULL);
	arena_init(&mem, &budget);
	e = walk_unpack(m, NULL, in, &mem, &msg, &d);
	FUZZ_CHECK(e == walk_check(m, NULL, in, NULL) && (e == E_OK) == (msg != NULL));
	if (e == E_OK) {
		size_t n = protobuf_c_message_get_packed_size(msg);
		uint8_t *again = xmalloc(n + 1);

		FUZZ_CHECK(protobuf_c_message_check(msg));
		FUZZ_CHECK(protobuf_c_message_pack(msg, again) == n);
		FUZZ_CHECK(walk_check(m, NULL, slice(again, n), NULL) == E_OK);
		xfree(&again);
	}
	arena_reset(&mem);
	budget_fini(&budget);
	return 0;
}

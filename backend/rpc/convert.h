/* convert: between the contract's messages and the store's structs. Arrays lie in the arena;
 * slices borrow from the message. */
#ifndef BACKEND_RPC_CONVERT_H
#define BACKEND_RPC_CONVERT_H

#include "backend/delivery/resolve.h"
#include "backend/rpc/mcall.h"
#include "backend/store/mbox.h"
#include "backend/store/msg.h"
#include "proto/delivery.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "proto/message.pb-c.h"
#include "proto/summary.pb-c.h"
#include "proto/types.pb-c.h"

/* E_INVALID: no summary. Bounds are the store's to check. */
enum err convert_summary(const Postern__Summary *m, struct arena *mem,
			 struct summary *out) MUST_USE;
/* Ascending and sane, or E_INVALID. */
enum err convert_uids(Postern__UidRange *const *v, size_t n, struct arena *mem,
		      struct uid_range **out) MUST_USE;
/* The other way; the caller sets the message's two fields. */
Postern__UidRange **convert_ranges(const struct uid_range *v, size_t n, struct arena *mem);
/* Keyword names, checked (IMAP atoms are the front-end's to see to; here only bounds). */
slice_t *convert_strings(char *const *v, size_t n, struct arena *mem);
/* Names from `known` on. */
char **convert_keywords(const struct mbox_keywords *k, uint32_t known, struct arena *mem,
			size_t *n_out);
void convert_mailbox_row(const struct mbox_row *r, struct arena *mem, Postern__MailboxRow *out);
/* Rows of one slice as a batch; only the asked columns. */
void convert_fetch_slice(const struct msg_slice *s, uint32_t columns, struct arena *mem,
			 Postern__FetchBatch *out);
Postern__PartTable *convert_parts(const struct msg_slice *s, unsigned row, struct arena *mem);
/* All of r's targets, whose texts are borrowed. */
Postern__Target **convert_targets(struct resolved *r, struct arena *mem);
/* 16 bytes or E_INVALID. */
enum err convert_txid(const ProtobufCBinaryData *b, uint8_t out[STORE_TXID_SIZE]) MUST_USE;
/* A commit's content, BY and NOTIFY, also of other owners' recipients: bits that are known, none
 * beside one that it excludes; or E_INVALID. */
enum err convert_check_bits(const Postern__DeliverCommit *m) MUST_USE;
/* An address of 4 or 16 bytes; none: family 0. E_INVALID. */
enum err convert_ip(const ProtobufCBinaryData *b, struct ipaddr *out) MUST_USE;

#endif

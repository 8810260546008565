/* summary_pack: a parsed message's summary as the protobuf message that a commit carries. */
#ifndef FRONTEND_RPC_SUMMARY_PACK_H
#define FRONTEND_RPC_SUMMARY_PACK_H

#include "common/base/arena.h"
#include "frontend/mime/summary.h"
#include "proto/summary.pb-c.h"

/* In the arena; borrows the summary's slices. */
Postern__Summary *summary_pack(const struct mime_summary *s, struct arena *a);
/* Its search text as the commit's compressed text, in the arena; empty when there is none. */
ProtobufCBinaryData summary_pack_text(const struct mime_summary *s, struct arena *a);

#endif

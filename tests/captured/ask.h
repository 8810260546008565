/*
 * ask: requests made from text, and answers printed as text, by the descriptors of proto/. Fields
 * are named, not known here: a method that is added later is asked like the others as soon as it
 * has a row in the table.
 *
 *   NAME=VALUE        a field; bytes in hex, numbers in decimal
 *   NAME.NAME=VALUE   of a message in the request; of a repeated one, its first
 */
#ifndef TESTS_CAPTURED_ASK_H
#define TESTS_CAPTURED_ASK_H

#include <protobuf-c/protobuf-c.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

struct ask_method {
	unsigned number;
	const char *name; /* METHOD_ cut off: "AUTH_START" */
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *reply; /* NULL: empty */
};

/* By name, or by a decimal number; one without a row has no request type and is sent empty. */
bool ask_find(slice_t name, struct ask_method *out);
/* Every method number that proto/method.proto names, "NUMBER NAME FIELD FIELD..." a line; FIELD is
 * "NAME:TYPE", or "-" alone where the number has no row. */
void ask_list(struct buf *out);

ProtobufCMessage *ask_new(const struct ask_method *m, struct arena *a);
/* One NAME=VALUE. E_NOT_FOUND: no such field; E_INVALID: not its type. */
enum err ask_set(ProtobufCMessage *m, slice_t text, struct arena *a) MUST_USE;
/* " NAME=VALUE" for each field that is set. */
void ask_print(const ProtobufCMessage *m, struct buf *out);

#endif

/*
 * summary: what the front-end's parser found in a message, as it is handed to the store, and the
 * check of its bounds. The rendered and raw bytes are opaque here.
 */
#ifndef BACKEND_STORE_SUMMARY_H
#define BACKEND_STORE_SUMMARY_H

#include "backend/store/store.h"

/* Counts and sizes: those that the front-end's parser keeps to (docs/limits.md). */
#define SUMMARY_PARTS_MAX      1000
#define SUMMARY_FIELDS_MAX     512
#define SUMMARY_FIELD_IDS_MAX  64 /* ids are bits of a mask */
#define SUMMARY_FIELDS_BYTES   4096
#define SUMMARY_ENVELOPE_MAX   (16u * 1024)
#define SUMMARY_STRUCTURE_MAX  (64u * 1024)
#define SUMMARY_COLUMN_MAX     2048
#define SUMMARY_MESSAGE_ID_MAX 1024
#define SUMMARY_REFERENCES_MAX 32

enum summary_kind { SUMMARY_LEAF = 0, SUMMARY_MULTIPART = 1, SUMMARY_MESSAGE = 2 };

struct summary_part {
	uint32_t parent; /* index + 1 of an earlier part; 0 for part 0 alone */
	uint32_t kind;   /* enum summary_kind */
	uint32_t lines;
	uint32_t encoding; /* 0..5 as in proto/summary.proto */
	uint64_t header_off, body_off, body_end;
};

struct summary_field {
	uint32_t id; /* number in the fixed list, < SUMMARY_FIELD_IDS_MAX */
	slice_t raw;
};

/* All slices and arrays are the caller's. */
struct summary {
	uint32_t parser_version;
	uint64_t size; /* plain bytes of the record */
	uint64_t header_size;
	uint64_t lines;
	slice_t envelope, bodystructure;
	const struct summary_part *parts;
	size_t nparts;
	const struct summary_field *fields;
	size_t nfields;
	bool fields_complete;
	int64_t sent_us; /* 0: unknown */
	int32_t sent_zone_min;
	slice_t subject, base_subject, from, to, cc, bcc;
	slice_t message_id;
	const slice_t *references;
	size_t nreferences;
};

/* Every offset nested, ordered and inside `size` (the record's plain size); every count and
 * length under its limit. E_INVALID with the reason. A change that carries a summary checks it
 * again; callers may check early. */
enum err summary_check(const struct summary *s, uint64_t size, struct diag *d) MUST_USE;

#endif

#include "backend/rpc/m_admin.h"

#include "backend/rpc/peer_call.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"

#define FRAME_BYTES (32 * 1024) /* enough rows that a frame's cost does not matter */

struct dir_actor admin_actor(struct mcall *c)
{
	char id[RPC_IDENTITY_STR], ip[IPADDR_STR];

	return (struct dir_actor){
		.who = arena_dup(&c->mem, slice_str(rpc_identity_str(c->peer, id))),
		.from = arena_dup(&c->mem,
				  slice_str(ipaddr_str(rpc_link_addr(rpc_req_link(c->req)), ip))),
		.recorded = &c->recorded,
	};
}

enum err admin_check_line(struct mcall *c, const char *what, slice_t text, size_t max)
{
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return diag_set(&c->diag, E_INVALID, "%s has control characters", what);
	}
	if (text.n > max)
		return diag_set(&c->diag, E_INVALID, "%s has more than %zu bytes", what, max);
	return E_OK;
}

/* ---- pages ---- */

WAITS static enum err send_page(struct mcall *c, const ProtobufCMessageDescriptor *page,
				unsigned field, ProtobufCMessage *const *rows, size_t n)
{
	const ProtobufCFieldDescriptor *f = &page->fields[field];
	struct arena mem;
	ProtobufCMessage *m;
	enum err e;

	arena_init(&mem, NULL);
	m = arena_alloc(&mem, page->sizeof_message);
	page->message_init(m);
	*(size_t *)(void *)((char *)m + f->quantifier_offset) = n;
	*(ProtobufCMessage *const **)(void *)((char *)m + f->offset) = rows;
	e = mcall_send(c, m, NULL);
	arena_reset(&mem);
	return e;
}

WAITS enum err admin_send_rows(struct mcall *c, const ProtobufCMessageDescriptor *page,
			       unsigned field, ProtobufCMessage *const *rows, size_t n)
{
	size_t from = 0, bytes = 0;
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < n; i++) {
		/* Tag and length of a row take at most 8 bytes. */
		size_t size = protobuf_c_message_get_packed_size(rows[i]) + 8;

		if (i > from && (bytes + size > FRAME_BYTES || i - from == ADMIN_FRAME_ROWS)) {
			e = send_page(c, page, field, rows + from, i - from);
			from = i;
			bytes = 0;
		}
		bytes += size;
	}
	if (e == E_OK && from < n)
		e = send_page(c, page, field, rows + from, n - from);
	return e;
}

WAITS enum err admin_list(struct mcall *c, const ProtobufCMessageDescriptor *page,
			  WAITS admin_slice_fn *slice_fn)
{
	struct admin_slice s = {.more = true};
	struct buf after;
	enum err e = E_OK;

	buf_init(&after, 4096, NULL);
	while (e == E_OK && s.more) {
		struct arena mem;

		arena_init(&mem, NULL);
		s = (struct admin_slice){0};
		e = slice_fn(c, buf_slice(&after), &mem, &s);
		if (e == E_OK && !c->replied)
			e = mcall_reply(c, NULL, RPC_BODY);
		if (e == E_OK)
			e = admin_send_rows(c, page, 0, s.rows, s.n);
		buf_reset(&after);
		buf_put(&after, s.last);
		arena_reset(&mem);
	}
	buf_fini(&after);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

char **admin_lines(slice_t lines, size_t *n_out, struct arena *mem)
{
	size_t n = lines.n > 0;
	char **v;

	for (size_t i = 0; i < lines.n; i++)
		n += lines.p[i] == '\n';
	v = arena_alloc(mem, (n + 1) * sizeof(*v));
	for (size_t i = 0; i < n; i++) {
		size_t end = slice_find_char(lines, '\n');

		v[i] = admin_str(mem, slice_sub(lines, 0, end));
		lines = slice_from(lines, end + 1);
	}
	*n_out = n;
	return v;
}

/* ---- several back-ends ---- */

void admin_away_add(struct mcall *c, struct admin_away *a, const char *backend, enum err e,
		    const char *why)
{
	Postern__AdminAway *row;

	if (a->n == ADMIN_AWAY_MAX)
		return;
	if (a->rows == NULL)
		a->rows = arena_alloc(&c->mem, ADMIN_AWAY_MAX * sizeof(*a->rows));
	row = arena_new(&c->mem, Postern__AdminAway);
	postern__admin_away__init(row);
	row->backend = arena_str(&c->mem, slice_str(backend));
	row->why = arena_str(&c->mem, slice_str(why[0] != '\0' ? why : err_name(e)));
	a->rows[a->n++] = row;
}

WAITS enum err admin_end(struct mcall *c, const ProtobufCMessageDescriptor *page,
			 const struct admin_away *a)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(page, "away");

	enum err e;

	invariant(f != NULL);
	e = admin_send_rows(c, page, (unsigned)(f - page->fields), (void *)a->rows, a->n);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

WAITS static enum err pass_on(slice_t frame, void *arg)
{
	struct mcall *c = arg;

	return frame.n != 0 ? rpc_req_send(c->req, frame) : E_OK;
}

WAITS enum err admin_fan_out(struct mcall *c, const ProtobufCMessageDescriptor *page,
			     uint16_t peer_method, const char *only, int64_t deadline_ms,
			     WAITS enum err (*local)(struct mcall *c))
{
	const char *self = dir_node_name(c->be->dir);
	struct admin_away away = {0};
	enum err e = mcall_reply(c, NULL, RPC_BODY);

	if (e == E_OK && (only == NULL || strcmp(only, self) == 0))
		e = local(c);
	for (size_t i = 0; e == E_OK && i < dir_node_count(c->be->dir); i++) {
		struct peer_ask ask = {
			.method = peer_method,
			.request = c->msg,
			.deadline_ms = deadline_ms,
			.each = pass_on,
			.arg = c,
		};
		struct dir_node n;
		struct diag d = {""};
		enum err asked;

		dir_node_at(c->be->dir, i, &n);
		if (strcmp(n.name, self) == 0 || (only != NULL && strcmp(n.name, only) != 0))
			continue;
		asked = peer_call(c->be->peers, n.name, &ask, &c->mem, &d);
		if (asked == E_CANCELLED)
			e = asked;
		else if (asked != E_OK)
			admin_away_add(c, &away, n.name, asked, d.text);
	}
	return e == E_OK ? admin_end(c, page, &away) : e;
}

WAITS enum err admin_local(struct mcall *c, WAITS enum err (*local)(struct mcall *c))
{
	enum err e = mcall_reply(c, NULL, RPC_BODY);

	if (e == E_OK)
		e = local(c);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

bool admin_next_closed(const struct be *be, uint32_t *id)
{
	for (size_t i = 0; i < dir_partition_count(be->dir); i++) {
		struct dir_partition row;

		dir_partition_at(be->dir, i, &row);
		if (row.id >= *id && dir_owns(be->dir, row.id) &&
		    partitions_get(be->parts, row.id) == NULL) {
			*id = row.id;
			return true;
		}
	}
	return false;
}

WAITS void admin_audit(struct mcall *c, const char *method, slice_t target, enum err result,
		       slice_t detail)
{
	struct dir_actor by = admin_actor(c);
	struct diag d = {""};
	enum err e;

	c->recorded = true;
	/* Who hangs up in the middle of an answer is recorded, too. */
	fiber_shield_begin();
	e = dir_audit_add(c->be->dir, &by, method, target, result, detail, &d);
	fiber_shield_end();
	if (e != E_OK)
		LOG(LOG_WARN, NULL, "admin.not_audited", LF_SLICE("who", by.who),
		    LF_STR("method", method), LF_SLICE("target", target), LF_ERR("result", result),
		    LF_ERR("error", e), LF_STR("why", d.text));
}

/* "account.list" of Admin.AccountList. */
static void audit_name(const char *method, struct buf *out)
{
	const char *p = strchr(method, '.');

	invariant(p != NULL);
	for (const char *begin = ++p; *p != '\0'; p++) {
		if (p != begin && *p >= 'A' && *p <= 'Z' && out->n > 0 &&
		    slice_find_char(buf_slice(out), '.') == out->n)
			buf_putc(out, '.');
		buf_putc(out, ascii_lower(*p));
	}
	buf_putc(out, '\0');
}

static slice_t first_text(const ProtobufCMessage *m)
{
	for (unsigned i = 0; m != NULL && i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];

		if (f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED)
			return slice_str(
				*(char *const *)(const void *)((const char *)m + f->offset));
	}
	return SLICE_NONE;
}

WAITS void admin_record(struct mcall *c, enum err result)
{
	struct buf name;

	if (c->recorded)
		return;
	buf_init(&name, 64, NULL);
	audit_name(c->method->name, &name);
	admin_audit(c, name.p, first_text(c->msg), result,
		    result != E_OK ? slice_str(c->diag.text) : SLICE_NONE);
	buf_fini(&name);
}

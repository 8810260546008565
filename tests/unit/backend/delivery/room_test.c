#include "tests/unit/backend/delivery/room.h"

#define RECORD_SIZE 500

const struct rpc_identity room_peer = {ROLE_FRONTEND, SERVICE_SMTP, "fe1"};

void (*room_on_queue)(uint32_t partition, void *arg);

static void on_queue(uint32_t partition UNUSED, void *arg)
{
	struct room *r = arg;

	event_set(&r->queue_changed);
}

WAITS static bool make_partitions(struct room *r)
{
	static const char *const owner[] = {"be1", "be1", "be2"};
	struct dir_node be2 = {.name = "be2", .address = "127.0.0.9", .port = 7411};
	struct diag d = {""};

	if (dir_node_register(r->rig.d, &rig_actor, &be2, &d) != E_OK)
		return false;
	for (uint32_t i = 0; i < ARRAY_LEN(owner); i++) {
		if (dir_partition_assign(r->rig.d, &rig_actor, i, slice_str(owner[i]), &d) != E_OK)
			return false;
	}
	return rig_synced(&r->rig);
}

WAITS static bool make_tickets(struct room *r)
{
	struct tickets_conf c = {.dir = r->rig.d, .node_key = r->rig.key, .settle_s = 1};
	struct diag d = {""};

	return tickets_open(&c, &r->tickets, &d) == E_OK &&
	       tickets_wait_ready(r->tickets, deadline_in(20000)) == E_OK;
}

WAITS bool room_open(struct room *r)
{
	struct partitions_conf c = {.data = check_tmpdir(),
				    .queue_changed =
					    room_on_queue != NULL ? room_on_queue : on_queue,
				    .arg = r,
				    .store = util_conf(NULL)};
	struct diag d = {""};

	*r = (struct room){.tickets = NULL};
	event_init(&r->queue_changed);
	if (!rig_open(&r->rig) || !make_partitions(r) || !make_tickets(r))
		return false;
	r->notify = notify_new(loop_current());
	c.dir = r->rig.d;
	c.notify = r->notify;
	if (partitions_open(&c, &r->parts, &d) != E_OK)
		return false;
	deliver_init(&r->deliver, r->rig.d, r->tickets, r->parts);
	return partitions_count(r->parts) == 2;
}

WAITS void room_close(struct room *r)
{
	if (r->deliver.parts != NULL)
		deliver_fini(&r->deliver);
	partitions_close(&r->parts);
	if (r->tickets != NULL)
		tickets_close(&r->tickets);
	notify_free(&r->notify);
	rig_close(&r->rig);
}

WAITS uint64_t room_account(struct room *r, const char *address, uint32_t partition,
			    uint64_t quota_messages)
{
	struct dir_account_spec s = {.address = slice_str(address),
				     .quota_messages = quota_messages,
				     .partition = partition};
	struct diag diag = {""};
	uint64_t id = 0;
	enum err e = dir_account_add(r->rig.d, &rig_actor, &s, &id, &diag);

	check_note("account %s: %s", address, diag.text);
	CHECK_ERR(e, E_OK);
	return id;
}

int room_count(struct room *r, uint32_t partition, uint64_t account, const char *path)
{
	struct mbox_row row;
	enum err e =
		mbox_status(partitions_get(r->parts, partition), account, slice_str(path), &row);

	return e == E_OK ? (int)row.messages : -1;
}

size_t room_items(struct room *r, uint32_t partition, struct due_item *out, size_t max,
		  struct buf *bytes)
{
	struct due_item none = {0};
	int64_t next;
	size_t n = 0;

	buf_reset(bytes);
	CHECK_ERR(due_scan(partitions_get(r->parts, partition), INT64_MAX, &none, out, max, &n,
			   &next, bytes),
		  E_OK);
	return n;
}

static slice_t seal_token(struct room *r, struct rcpt_token t, const uint64_t *accounts,
			  const char *address, struct arena *mem)
{
	struct buf b;
	slice_t out;

	memcpy(t.frontend, room_peer.name, sizeof t.frontend);
	t.address_n = (uint16_t)strlen(address);
	memcpy(t.address, address, t.address_n);
	if (t.naccounts != 0)
		memcpy(t.accounts, accounts, t.naccounts * sizeof *accounts);
	buf_init(&b, RCPT_TOKEN_MAX, NULL);
	CHECK_ERR(rcpt_token_seal(r->tickets, &t, &b), E_OK);
	out = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
	return out;
}

slice_t room_token(struct room *r, enum rcpt_kind kind, uint32_t partition,
		   const uint64_t *accounts, size_t n, const char *address, struct arena *mem)
{
	struct rcpt_token t = {
		.kind = kind, .partition = partition, .naccounts = (uint8_t)n, .several = n > 1};

	return seal_token(r, t, accounts, address, mem);
}

slice_t room_share(struct room *r, enum rcpt_kind kind, uint32_t partition,
		   const uint64_t *accounts, size_t n, const char *address, struct arena *mem)
{
	struct rcpt_token t = {
		.kind = kind, .partition = partition, .naccounts = (uint8_t)n, .several = true};

	return seal_token(r, t, accounts, address, mem);
}

void room_mail(struct room *r, struct room_mail *m, unsigned txid, uint32_t partition,
	       uint64_t seed)
{
	struct partition *p = partitions_get(r->parts, partition);

	util_summary(&m->summary, seed, RECORD_SIZE);
	m->msg = (struct deliver_msg){.peer = &room_peer,
				      .origin = SL("frontend/fe1/smtp"),
				      .partition_id = partition,
				      .part = p,
				      .sender = SL("sender@elsewhere.test"),
				      .prefix = SL("Received: test\r\n"),
				      .stage = util_stage(p, seed, RECORD_SIZE),
				      .summary = &m->summary.s,
				      .leads = true,
				      .rcpts = m->rcpts,
				      .others = m->others};
	memset(m->msg.txid, (int)txid, sizeof m->msg.txid);
	memset(m->msg.trace_id, 0xcc, sizeof m->msg.trace_id);
}

void room_mail_fini(struct room_mail *m)
{
	stage_free(&m->msg.stage);
}

void room_to(struct room_mail *m, slice_t token)
{
	invariant(m->msg.nrcpts < ARRAY_LEN(m->rcpts));
	m->rcpts[m->msg.nrcpts++] = (struct deliver_rcpt){.token = token, .result = E_INTERNAL};
}

void room_other(struct room_mail *m, slice_t token)
{
	invariant(m->msg.nothers < ARRAY_LEN(m->others));
	m->others[m->msg.nothers++] = (struct deliver_rcpt){.token = token, .result = E_INTERNAL};
}

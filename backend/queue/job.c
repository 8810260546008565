#include "backend/queue/job.h"

#include "common/rpc/walk.h"
#include "proto/queue.pb-c.h"

static const struct walk_limit limits[] = {
	{&postern__queue_job__descriptor, "accounts", JOB_ACCOUNTS_MAX, 0},
	{&postern__queue_job__descriptor, "prefix", 0, STORE_PREFIX_MAX},
	{NULL, NULL, 0, 0},
};

const char *job_kind_name(enum job_kind k)
{
	switch (k) {
	case JOB_EXPAND:
		return "expand";
	case JOB_ACCOUNTS:
		return "accounts";
	case JOB_OUTSIDE:
		return "outside";
	case JOB_NOTICE:
		return "notice";
	case JOB_BAD:
		return "bad";
	}
	return "unknown";
}

/* The words of RFC 3464 section 2.3.3. */
const char *job_action_name(enum job_action a)
{
	switch (a) {
	case JOB_FAILED:
		return "failed";
	case JOB_DELAYED:
		return "delayed";
	case JOB_RELAYED:
		return "relayed";
	case JOB_DELIVERED:
		return "delivered";
	case JOB_ALERT:
		return "alert";
	case JOB_EXPANDED:
		return "expanded";
	}
	return "unknown";
}

struct word {
	uint32_t bit;
	const char *text;
};

static void put_words(struct buf *b, uint32_t bits, const struct word *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((bits & words[i].bit) == 0)
			continue;
		if (b->n != 0)
			buf_putc(b, ',');
		buf_puts(b, words[i].text);
	}
}

static char *text_of(struct buf *b, struct arena *mem)
{
	char *text = arena_str(mem, buf_slice(b));

	buf_fini(b);
	return text;
}

char *job_notify_text(uint32_t notify, struct arena *mem)
{
	static const struct word words[] = {{NOTIFY_NEVER, "never"},
					    {NOTIFY_SUCCESS, "success"},
					    {NOTIFY_FAILURE, "failure"},
					    {NOTIFY_DELAY, "delay"}};
	struct buf b;

	buf_init(&b, 64, NULL);
	put_words(&b, notify, words, ARRAY_LEN(words));
	return text_of(&b, mem);
}

char *job_by_text(uint32_t by, struct arena *mem)
{
	static const struct word words[] = {
		{BY_RETURN, "return"}, {BY_NOTIFY, "notify"}, {BY_TRACE, "trace"}};
	struct buf b;

	buf_init(&b, 64, NULL);
	put_words(&b, by, words, ARRAY_LEN(words));
	return text_of(&b, mem);
}

char *job_content_text(uint32_t content, struct arena *mem)
{
	static const struct word words[] = {{CONTENT_8BIT, "8bit"},
					    {CONTENT_UTF8, "utf8"},
					    {CONTENT_BINARY, "binary"},
					    {CONTENT_REQUIRETLS, "requiretls"},
					    {CONTENT_TLS_OPTIONAL, "tls-optional"},
					    {CONTENT_LOSABLE, "losable"}};
	struct buf b;

	buf_init(&b, 64, NULL);
	if ((content & (CONTENT_8BIT | CONTENT_UTF8 | CONTENT_BINARY)) == 0)
		buf_puts(&b, "7bit");
	put_words(&b, content, words, ARRAY_LEN(words));
	return text_of(&b, mem);
}

void job_log(const char *event, enum log_level level, uint64_t item, const struct job *j)
{
	LOG(level, NULL, event, LF_UINT("item", item),
	    LF_HEX("trace", slice(j->trace_id, sizeof j->trace_id)), LF_SLICE("from", j->sender),
	    LF_SLICE("to", j->address), LF_UINT("attempts", j->attempts),
	    LF_SLICE("status", j->status), LF_SLICE("remote", j->remote),
	    LF_SLICE("why", j->last_error));
}

bool job_is_outward(enum job_kind k)
{
	return k == JOB_OUTSIDE || k == JOB_NOTICE || k == JOB_BAD;
}

slice_t job_destination(const struct job *j)
{
	const char *at = j->address.n != 0 ? memrchr(j->address.p, '@', j->address.n) : NULL;

	if (j->kind == JOB_NOTICE)
		return JOB_NOTICES;
	if (j->kind != JOB_OUTSIDE && j->kind != JOB_BAD)
		return SLICE_NONE;
	if (j->route.n != 0)
		return j->route;
	return at != NULL ? slice_from(j->address, (size_t)(at - j->address.p) + 1) : j->address;
}

static ProtobufCBinaryData bytes_of(slice_t s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

slice_t job_pack(const struct job *j, struct arena *mem)
{
	Postern__QueueJob m = POSTERN__QUEUE_JOB__INIT;
	uint8_t *out;
	size_t n;

	m.kind = (Postern__JobKind)j->kind;
	m.origin = arena_str(mem, j->origin);
	m.txid = bytes_of(slice(j->txid, sizeof j->txid));
	m.partition = j->partition;
	m.accounts = (uint64_t *)(uintptr_t)j->accounts;
	m.n_accounts = j->naccounts;
	m.address = bytes_of(j->address);
	m.sender = bytes_of(j->sender);
	m.prefix = bytes_of(j->prefix);
	m.junk = j->junk;
	m.notify = j->notify;
	m.orcpt = bytes_of(j->orcpt);
	m.ret = j->ret;
	m.envid = bytes_of(j->envid);
	m.trace_id = bytes_of(slice(j->trace_id, sizeof j->trace_id));
	m.first_us = j->first_us;
	m.attempts = j->attempts;
	m.last_error = arena_str(mem, j->last_error);
	m.depth = j->depth;
	m.account = j->account;
	m.next_us = j->next_us;
	m.held = j->held;
	m.content = j->content;
	m.priority = j->priority;
	m.route = arena_str(mem, j->route);
	m.action = (Postern__JobAction)j->action;
	m.status = arena_str(mem, j->status);
	m.remote = arena_str(mem, j->remote);
	m.warned = j->warned;
	m.last_us = j->last_us;
	m.expire_us = j->expire_us;
	m.notice_us = j->notice_us;
	m.server = arena_str(mem, j->server);
	m.release_us = j->release_us;
	m.by = j->by;
	m.by_us = j->by_us;
	m.elsewhere = j->elsewhere;
	n = protobuf_c_message_get_packed_size(&m.base);
	out = arena_alloc(mem, n);
	protobuf_c_message_pack(&m.base, out);
	return slice(out, n);
}

static slice_t slice_of(ProtobufCBinaryData b)
{
	return slice(b.data, b.len);
}

enum err job_unpack(slice_t bytes, struct arena *mem, struct job *out)
{
	const Postern__QueueJob *m;
	ProtobufCMessage *base;
	struct diag d;

	if (walk_unpack(&postern__queue_job__descriptor, limits, bytes, mem, &base, &d) != E_OK)
		return E_CORRUPT;
	m = (const void *)base;
	if (m->kind < POSTERN__JOB_KIND__JOB_EXPAND || m->kind > POSTERN__JOB_KIND__JOB_BAD ||
	    m->action > POSTERN__JOB_ACTION__JOB_EXPANDED || m->txid.len != STORE_TXID_SIZE ||
	    m->trace_id.len != sizeof out->trace_id)
		return E_CORRUPT;
	*out = (struct job){
		.kind = (enum job_kind)m->kind,
		.origin = slice_str(m->origin),
		.partition = m->partition,
		.accounts = m->accounts,
		.naccounts = m->n_accounts,
		.address = slice_of(m->address),
		.sender = slice_of(m->sender),
		.prefix = slice_of(m->prefix),
		.junk = m->junk,
		.notify = m->notify,
		.orcpt = slice_of(m->orcpt),
		.ret = m->ret,
		.envid = slice_of(m->envid),
		.first_us = m->first_us,
		.attempts = m->attempts,
		.last_error = slice_str(m->last_error),
		.depth = m->depth,
		.account = m->account,
		.next_us = m->next_us,
		.held = m->held,
		.content = m->content,
		.priority = m->priority,
		.route = slice_str(m->route),
		.action = (enum job_action)m->action,
		.status = slice_str(m->status),
		.remote = slice_str(m->remote),
		.warned = m->warned,
		.last_us = m->last_us,
		.expire_us = m->expire_us,
		.notice_us = m->notice_us,
		.server = slice_str(m->server),
		.release_us = m->release_us,
		.by = m->by,
		.by_us = m->by_us,
		.elsewhere = m->elsewhere,
	};
	memcpy(out->txid, m->txid.data, sizeof out->txid);
	memcpy(out->trace_id, m->trace_id.data, sizeof out->trace_id);
	return E_OK;
}

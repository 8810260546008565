/*
 * One pass over a file: its beginning is gathered until the header is over, the header is put right
 * (mime/handin), the back-end says whose mail it is, and then header and body go through the MIME
 * parser, the hash that is to be signed and the record writer to the owner, as they arrive. All
 * recipients are items of one queue, which tells the sender of those that cannot be reached.
 */
#include "frontend/outbound/pickup.h"

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/utf8.h"
#include "common/crypto/random.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "common/parse/addr.h"
#include "common/rpc/link.h"
#include "frontend/core/policy.h"
#include "frontend/mime/handin.h"
#include "frontend/mime/hdr.h"
#include "frontend/mime/mime.h"
#include "frontend/outbound/mail_sign.h"
#include "frontend/record/record_write.h"
#include "frontend/rpc/call_ingest.h"

#define AGAIN_MS   2000 /* before a stream that has ended is opened again */
#define DELIVER_MS (60 * 60 * 1000)
/* Before the first whole header, at most; then what one frame brings, made lines. */
#define TEXT_MAX   (HANDIN_HEADER_MAX + 2 * (size_t)RPC_PAYLOAD_MAX + 4)

struct picking {
	struct ingest_job job;
	struct rpc_link *link; /* borrowed */
	struct rpc_call *call;
	struct arena mem;
	struct handin_lines lines;
	struct buf text; /* lines that were not handed on yet */
	bool over;       /* the file is */
	char trace[2 * DELIVER_TRACE_BYTES + 1];
	struct handin header;
	struct ingest_open whose;
	struct mime_parser *mime;
	struct dkim_hash *dkim;
	struct record_write record;
	struct deliver deliver;
	struct deliver_meta meta;
	bool eight;
	struct diag why;
};

/* ---- reading ---- */

/* More lines into p->text; at the file's end p->over. */
WAITS static enum err read_more(struct picking *p)
{
	slice_t bytes;
	enum err e = rpc_call_recv(p->call, &bytes);

	if (e == E_OK) {
		handin_lines_feed(&p->lines, bytes, &p->text);
	} else if (e == E_CLOSED) {
		handin_lines_end(&p->lines, &p->text);
		p->over = true;
		e = E_OK;
	}
	return e == E_OK && buf_failed(&p->text) ? E_INTERNAL : e;
}

WAITS static enum err read_head(struct picking *p)
{
	enum err e = call_ingest_read(p->link, &p->job, &p->call);

	while (e == E_OK && !p->over && p->text.n < HANDIN_HEADER_MAX &&
	       slice_find(buf_slice(&p->text), SL("\r\n\r\n")) == p->text.n)
		e = read_more(p);
	return e;
}

static unsigned count_received(slice_t header)
{
	struct hdr_iter it;
	slice_t name, raw;
	unsigned n = 0;

	hdr_iter_init(&it, header);
	while (hdr_iter_next(&it, &name, &raw))
		n += slice_ieq(name, SL("Received"));
	return n;
}

static enum err read_header(struct picking *p)
{
	struct handin_opts o = {
		.take = HANDIN_TO | HANDIN_ENVELOPE,
		.domain = slice_str(p->job.domain),
		.now = {.utc_s = clock_wall_s()},
	};
	struct buf b;
	enum err e;

	buf_init(&b, 2 * CALL_INGEST_ADDR_MAX, NULL);
	buf_printf(&b, "postmaster@%s", p->job.domain);
	o.from = arena_dup(&p->mem, buf_slice(&b));
	buf_reset(&b);
	buf_printf(&b, "%s@%s", p->trace, policy()->hostname);
	o.message_id = arena_dup(&p->mem, buf_slice(&b));
	buf_fini(&b);
	e = handin_read(buf_slice(&p->text), &o, &p->mem, &p->header, &p->why);
	if (e != E_OK)
		return e == E_LIMIT ? E_TOO_BIG : e;
	if (p->header.nrcpts == 0)
		return diag_set(&p->why, E_INVALID, "it names no recipient");
	if (count_received(p->header.header) > policy()->smtp_hops_max)
		return diag_set(&p->why, E_INVALID, "too many Received fields: it goes in a loop");
	return E_OK;
}

/* ---- whose it is ---- */

/* local@domain without quotes; empty for what is no address. */
static slice_t plain_address(struct picking *p, slice_t wire)
{
	struct addr a;
	struct buf b;
	slice_t out;

	if (addr_parse(wire, ADDR_SMTPUTF8, &a) != E_OK)
		return SLICE_NONE;
	buf_init(&b, ADDR_LOCAL_MAX + ADDR_DOMAIN_MAX + 1, NULL);
	buf_put(&b, addr_local(&a));
	buf_putc(&b, '@');
	buf_put(&b, addr_domain(&a));
	out = arena_dup(&p->mem, buf_slice(&b));
	buf_fini(&b);
	return out;
}

WAITS static enum err ask_whose(struct picking *p)
{
	slice_t *rcpts = arena_alloc(&p->mem, p->header.nrcpts * sizeof *rcpts);

	for (size_t i = 0; i < p->header.nrcpts; i++)
		rcpts[i] = plain_address(p, p->header.rcpts[i]);
	p->whose = (struct ingest_open){
		.sender = plain_address(p, p->header.sender),
		.author = plain_address(p, p->header.author),
		.rcpts = rcpts,
		.n = p->header.nrcpts,
	};
	return call_ingest_open(p->link, &p->job, &p->whose, &p->mem, &p->why);
}

/* ---- handing in ---- */

WAITS static enum err take_stored(void *arg, slice_t stored)
{
	struct picking *p = arg;

	deliver_send(&p->deliver, stored);
	return p->deliver.err;
}

static slice_t prefix_of(struct picking *p)
{
	char date[DATE_STR_MAX];
	struct date now = {.utc_s = clock_wall_s()};
	struct buf b;
	slice_t out;

	buf_init(&b, DELIVER_PREFIX_MAX, NULL);
	buf_printf(&b, "Received: by %s (pickup of %s) id %s;\r\n\t%s\r\n", policy()->hostname,
		   p->job.server, p->trace, date_format_rfc5322(now, date));
	out = arena_dup(&p->mem, buf_slice(&b));
	buf_fini(&b);
	return out;
}

static void begin(struct picking *p)
{
	uint8_t id[RECORD_ID_SIZE];

	random_bytes(id, sizeof id);
	record_write_init(&p->record, id, RECORD_COMP_ZSTD, RECORD_PLAIN_MAX, NULL, take_stored, p);
	p->mime = mime_parser_new(NULL, NULL);
	p->dkim = dkim_hash_new(NULL);
	p->meta.ticket = p->whose.ticket;
	p->meta.sender = p->whose.path;
	p->meta.author = p->whose.author;
	p->meta.prefix = prefix_of(p);
	p->deliver.group = (struct deliver_group){
		.rcpts = p->whose.tokens,
		.n = p->whose.n,
		.backend = p->whose.backend,
		.partition = p->whose.partition,
	};
	deliver_begin(&p->deliver, &p->meta, 0, deadline_in(DELIVER_MS));
}

WAITS static enum err feed(struct picking *p, slice_t bytes)
{
	p->eight = p->eight || !utf8_is_ascii(bytes);
	mime_parser_feed(p->mime, bytes);
	dkim_hash_feed(p->dkim, bytes);
	return record_write_feed(&p->record, bytes);
}

WAITS static enum err feed_all(struct picking *p)
{
	enum err e = feed(p, p->header.header);

	buf_drop(&p->text, p->header.body_at);
	for (;;) {
		if (e == E_OK)
			e = feed(p, buf_slice(&p->text));
		buf_reset(&p->text);
		if (e != E_OK || p->over)
			return e;
		e = read_more(p);
	}
}

/* Nobody says SMTPUTF8 of a file: a header in UTF-8 says it, or an address. */
static uint32_t content_of(const struct picking *p)
{
	struct deliver_wants w = {
		.eight = p->eight,
		.utf8 = (p->header.eight && utf8_valid(p->header.header)) ||
			!utf8_is_ascii(p->whose.path),
		.tls_optional = p->header.tls_optional,
	};

	for (size_t i = 0; i < p->whose.n && !w.utf8; i++)
		w.utf8 = !utf8_is_ascii(p->whose.rcpts[i]);
	return deliver_content(&w);
}

/* As a submission's: with the keys of the author's domain, where the author is the account. */
static void sign(struct picking *p)
{
	slice_t author = p->whose.author;
	const char *at = author.n != 0 ? memrchr(author.p, '@', author.n) : NULL;
	const struct signing_keys *keys = &p->whose.keys;
	char room[DOMAIN_MAX + 1];

	if (at == NULL || keys->n == 0 || dkim_hash_end(p->dkim) != E_OK ||
	    domain_normalise(slice_from(author, (size_t)(at - author.p) + 1), room) != E_OK)
		return;
	mail_sign(p->dkim, slice_str(room), keys, &p->mem, &p->meta);
}

WAITS static enum err commit(struct picking *p)
{
	enum err *results = arena_alloc(&p->mem, p->whose.n * sizeof *results);
	struct mime_summary summary;
	struct record_info info;
	enum err e = record_write_finish(&p->record, &info);

	if (e == E_OK)
		e = mime_parser_end(p->mime, &summary);
	if (e != E_OK)
		return e;
	deliver_send_end(&p->deliver);
	deliver_meta_pack(&p->meta, &summary, &p->mem);
	p->meta.content = content_of(p);
	sign(p);
	e = deliver_commit(&p->deliver, &p->meta, NULL, 0, results);
	if (e != E_OK && p->deliver.words.text[0] != '\0')
		p->why = p->deliver.words;
	for (size_t i = 0; e == E_OK && i < p->whose.n; i++)
		e = results[i];
	return e;
}

WAITS static enum err hand_in(struct picking *p)
{
	enum err e;

	begin(p);
	e = feed_all(p);
	if (e == E_OK)
		e = commit(p);
	deliver_end(&p->deliver, &p->meta);
	mime_parser_free(&p->mime);
	dkim_hash_free(&p->dkim);
	record_write_fini(&p->record);
	return e;
}

/* ---- one file ---- */

/* What the file itself is the reason of will be so at the next try, too. */
static enum ingest_outcome outcome_of(enum err e)
{
	if (e == E_OK)
		return INGEST_TAKEN;
	return e == E_INVALID || e == E_TOO_BIG || e == E_DENIED ? INGEST_BAD : INGEST_LATER;
}

static void picking_init(struct picking *p)
{
	struct buf hex;

	arena_init(&p->mem, NULL);
	buf_init(&p->text, TEXT_MAX, NULL);
	memcpy(p->meta.txid, p->job.txid, sizeof p->meta.txid);
	random_bytes(p->meta.trace_id, sizeof p->meta.trace_id);
	buf_init(&hex, sizeof p->trace - 1, NULL);
	hex_encode(&hex, slice(p->meta.trace_id, sizeof p->meta.trace_id));
	invariant(slice_to_str(buf_slice(&hex), p->trace, sizeof p->trace));
	buf_fini(&hex);
}

static void picking_fini(struct picking *p)
{
	if (p->call != NULL)
		rpc_call_free(&p->call);
	ticket_free(&p->whose.ticket);
	buf_fini(&p->text);
	arena_reset(&p->mem);
}

WAITS static void pick(struct picking *p)
{
	enum err e, told;

	picking_init(p);
	e = read_head(p);
	if (e == E_OK)
		e = read_header(p);
	if (e == E_OK)
		e = ask_whose(p);
	if (e == E_OK)
		e = hand_in(p);
	if (e != E_OK && p->why.text[0] == '\0')
		(void)diag_set(&p->why, e, "%s", err_name(e));
	told = call_ingest_done(p->link, &p->job, outcome_of(e), e != E_OK ? p->why.text : "");
	LOG(e == E_OK && told == E_OK ? LOG_INFO : LOG_WARN, NULL, "pickup.file",
	    LF_STR("trace", p->trace), LF_STR("server", p->job.server),
	    LF_UINT("bytes", p->job.size), LF_SLICE("from", p->whose.path),
	    LF_UINT("recipients", p->header.nrcpts), LF_ERR("result", e),
	    LF_STR("why", p->why.text), LF_ERR("told", told));
	picking_fini(p);
}

/* ---- the stream ---- */

struct pickups {
	struct rpc_link *link; /* a reference */
	struct scope running;
	unsigned n;
	struct waitq room;
};

struct one {
	struct pickups *home;
	struct picking p;
};

WAITS static void one_run(void *arg)
{
	struct one *o = arg;
	struct pickups *home = o->home;

	pick(&o->p);
	xfree(&o);
	home->n--;
	waitq_wake_one(&home->room);
}

WAITS static void take(const struct ingest_job *j, void *arg)
{
	struct pickups *home = arg;
	struct one *o;

	while (home->n == PICKUP_FILES_MAX) {
		if (waitq_wait(&home->room, "pickup.room", NO_DEADLINE) != E_OK)
			return;
	}
	o = xcalloc(1, sizeof *o);
	o->home = home;
	o->p.job = *j;
	o->p.link = home->link;
	home->n++;
	if (scope_start(&home->running, "pickup.file", one_run, o) == E_OK)
		return;
	/* It comes again when the stream has ended. */
	home->n--;
	xfree(&o);
}

WAITS void pickup_run(void *link)
{
	struct pickups home = {.link = link};

	scope_init(&home.running);
	waitq_init(&home.room);
	while (rpc_link_usable(home.link) && !fiber_cancelled()) {
		enum err e = call_ingest_work(home.link, take, &home);

		LOG(LOG_DEBUG, NULL, "pickup.stream_ended",
		    LF_STR("backend", rpc_link_peer(home.link)->name), LF_ERR("why", e));
		(void)fiber_sleep("pickup.again", AGAIN_MS);
	}
	scope_cancel(&home.running);
	(void)scope_join(&home.running, NO_DEADLINE);
	rpc_link_unref(&home.link);
}

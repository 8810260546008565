/* The played mailboxes, log-in, and sessions. */
#include <stdio.h>

#include "common/loop/fiber.h"
#include "common/net/tls.h"
#include "frontend/core/iplimit.h"
#include "frontend/core/policy.h"
#include "frontend/rpc/call_auth.h"
#include "frontend/rpc/call_ticket.h"
#include "tests/unit/frontend/imap/imap_lib.h"

struct played played;

static struct tls_ctx *server_tls, *client_tls;
static struct buf said, logged;
static struct list watches;

static struct endpoint endpoints[] = {
	[PORT_IMAP] = {.name = "imap", .service = SERVICE_IMAP},
	[PORT_IMAPS] = {.name = "imaps", .service = SERVICE_IMAP, .implicit_tls = true},
};

/* ---- mailboxes ---- */

static enum err state(void)
{
	if (played.no_ticket)
		return E_NO_TICKET;
	return played.away ? E_RETRY : E_OK;
}

static struct played_box *find(slice_t path)
{
	for (size_t i = 0; i < PLAYED_BOXES; i++) {
		if (played.boxes[i].used && slice_eq(path, slice_str(played.boxes[i].path)))
			return &played.boxes[i];
	}
	return NULL;
}

static struct played_box *by_id(uint64_t id)
{
	for (size_t i = 0; i < PLAYED_BOXES; i++) {
		if (played.boxes[i].used && played.boxes[i].id == id)
			return &played.boxes[i];
	}
	return NULL;
}

struct played_box *played_box(const char *path)
{
	return find(slice_str(path));
}

static struct played_box *make(slice_t path, enum special_use special)
{
	for (size_t i = 0; i < PLAYED_BOXES; i++) {
		struct played_box *b = &played.boxes[i];

		if (b->used)
			continue;
		memset(b, 0, sizeof *b);
		b->used = true;
		invariant(slice_to_str(path, b->path, sizeof b->path));
		b->id = ++played.ids;
		b->uidvalidity = 1000 + (uint32_t)b->id;
		b->uidnext = b->recent_from = 1;
		b->special = special;
		b->highest = ++played.modseq;
		return b;
	}
	return NULL;
}

static void empty(struct played_box *b)
{
	for (size_t i = 0; i < b->nmsgs; i++) {
		buf_fini(&b->msgs[i].prefix);
		buf_fini(&b->msgs[i].body);
		mime_parser_free(&b->msgs[i].mime);
	}
	b->nmsgs = 0;
	b->used = false;
}

uint64_t played_keyword(struct played_box *b, slice_t name)
{
	for (size_t i = 0; i < b->nkeywords; i++) {
		if (slice_ieq(name, slice_str(b->keywords[i])))
			return (uint64_t)1 << i;
	}
	invariant(b->nkeywords < PLAYED_KEYWORDS &&
		  slice_to_str(name, b->keywords[b->nkeywords], sizeof b->keywords[0]));
	return (uint64_t)1 << b->nkeywords++;
}

static const slice_t *keyword_names(struct played_box *b, slice_t names[PLAYED_KEYWORDS])
{
	for (size_t i = 0; i < b->nkeywords; i++)
		names[i] = slice_str(b->keywords[i]);
	return names;
}

WAITS enum err call_mailbox_list(struct ticket *t UNUSED, enum mailbox_list what UNUSED,
				 mailbox_row_fn *fn, void *arg, struct diag *d UNUSED)
{
	enum err e = state();

	fiber_yield();
	for (size_t i = 0; e == E_OK && i < PLAYED_BOXES; i++) {
		struct played_box *b = &played.boxes[i];
		struct mailbox_row row = {.id = b->id,
					  .path = slice_str(b->path),
					  .special = b->special,
					  .subscribed = b->subscribed,
					  .uidvalidity = b->uidvalidity,
					  .uidnext = b->uidnext};

		for (size_t k = 0; k < b->nmsgs; k++) {
			row.messages += !b->msgs[k].gone;
			row.unseen += !b->msgs[k].gone && !(b->msgs[k].flags & MESSAGE_SEEN);
		}
		if (b->used)
			e = fn(arg, &row);
	}
	return e;
}

WAITS enum err call_mailbox_create(struct ticket *t UNUSED, slice_t path, enum special_use special,
				   uint64_t *id_out, struct diag *d UNUSED)
{
	struct played_box *b;

	fiber_yield();
	if (state() != E_OK)
		return state();
	if (find(path) != NULL)
		return E_EXISTS;
	b = make(path, special);
	if (b == NULL)
		return E_LIMIT;
	*id_out = b->id;
	return E_OK;
}

WAITS enum err call_mailbox_delete(struct ticket *t UNUSED, slice_t path, struct diag *d UNUSED)
{
	struct played_box *b = find(path);

	fiber_yield();
	if (state() != E_OK)
		return state();
	if (b == NULL)
		return E_NOT_FOUND;
	if (slice_eq(path, SL("INBOX")))
		return E_INVALID;
	empty(b);
	played_wake(b);
	return E_OK;
}

WAITS enum err call_mailbox_rename(struct ticket *t UNUSED, slice_t from, slice_t to,
				   struct diag *d UNUSED)
{
	struct played_box *b = find(from);

	fiber_yield();
	if (b == NULL)
		return E_NOT_FOUND;
	if (find(to) != NULL)
		return E_EXISTS;
	/* Its messages go, and who watches it hears of that later than the answer. */
	if (slice_eq(from, SL("INBOX"))) {
		for (size_t i = 0; i < b->nmsgs; i++)
			played_vanish_unheard(b->path, b->msgs[i].uid);
		return E_OK;
	}
	return slice_to_str(to, b->path, sizeof b->path) ? E_OK : E_INVALID;
}

WAITS enum err call_mailbox_subscribe(struct ticket *t UNUSED, slice_t path,
				      enum mailbox_subscribe how, struct diag *d UNUSED)
{
	struct played_box *b = find(path);

	fiber_yield();
	if (b == NULL)
		return E_NOT_FOUND;
	b->subscribed = how == MAILBOX_SUBSCRIBE;
	return E_OK;
}

WAITS enum err call_mailbox_status(struct ticket *t UNUSED, slice_t path, struct mailbox_row *out,
				   struct diag *d UNUSED)
{
	struct played_box *b = find(path);

	fiber_yield();
	if (state() != E_OK)
		return state();
	if (b == NULL)
		return E_NOT_FOUND;
	*out = (struct mailbox_row){
		.id = b->id, .uidvalidity = b->uidvalidity, .uidnext = b->uidnext};
	for (size_t k = 0; k < b->nmsgs; k++) {
		out->messages += !b->msgs[k].gone;
		out->unseen += !b->msgs[k].gone && !(b->msgs[k].flags & MESSAGE_SEEN);
	}
	return E_OK;
}

WAITS enum err call_mailbox_open(struct ticket *t UNUSED, slice_t path, enum mailbox_mode mode,
				 struct arena *a, struct mailbox_info *out, struct uid_set *uids,
				 struct diag *d UNUSED)
{
	struct played_box *b = find(path);
	slice_t *names;

	fiber_yield();
	if (state() != E_OK)
		return state();
	if (b == NULL)
		return E_NOT_FOUND;
	names = arena_alloc(a, sizeof *names * PLAYED_KEYWORDS);
	*out = (struct mailbox_info){.id = b->id,
				     .uidvalidity = b->uidvalidity,
				     .uidnext = b->uidnext,
				     .highestmodseq = b->highest,
				     .recent_from = b->recent_from,
				     .keywords = keyword_names(b, names),
				     .nkeywords = b->nkeywords};
	uid_set_reset(uids);
	for (size_t i = 0; i < b->nmsgs; i++) {
		struct played_message *m = &b->msgs[i];

		if (m->gone)
			continue;
		out->messages++;
		if (out->first_unseen == 0 && !(m->flags & MESSAGE_SEEN))
			out->first_unseen = m->uid;
		CHECK_ERR(uid_set_add(uids, m->uid, m->uid), E_OK);
	}
	if (mode == MAILBOX_READ_WRITE)
		b->recent_from = b->uidnext;
	return E_OK;
}

/* ---- changes: one batch ---- */

struct mailbox_changes {
	struct uid_range added[PLAYED_MESSAGES], vanished[PLAYED_MESSAGES];
	uint32_t uid[PLAYED_MESSAGES], flags[PLAYED_MESSAGES];
	uint64_t keywords[PLAYED_MESSAGES], modseq[PLAYED_MESSAGES];
	size_t nadded, nvanished, n;
	slice_t names[PLAYED_KEYWORDS];
	uint64_t since;
	bool given;
};

static void collect(struct mailbox_changes *c, const struct played_box *b)
{
	for (size_t i = 0; i < b->nmsgs; i++) {
		const struct played_message *m = &b->msgs[i];

		if (m->modseq <= c->since)
			continue;
		if (m->gone) {
			c->vanished[c->nvanished++] = (struct uid_range){m->uid, m->uid};
			continue;
		}
		/* Whether it is new or changed: the asker knows; both is what a store says. */
		c->added[c->nadded++] = (struct uid_range){m->uid, m->uid};
		c->uid[c->n] = m->uid;
		c->flags[c->n] = m->flags;
		c->keywords[c->n] = m->keywords;
		c->modseq[c->n++] = m->modseq;
	}
}

WAITS enum err call_mailbox_changes(struct ticket *t UNUSED, uint64_t mailbox, uint64_t since,
				    uint32_t known_keywords, enum mailbox_recent recent,
				    struct mailbox_changes **out, struct changes_info *info,
				    struct diag *d UNUSED)
{
	struct played_box *b = by_id(mailbox);
	struct mailbox_changes *c;

	*out = NULL;
	played.changes++;
	fiber_yield();
	if (state() != E_OK)
		return state();
	if (played.busy) {
		played.busy = false;
		return E_BUSY;
	}
	if (b == NULL)
		return E_NOT_FOUND;
	c = xcalloc(1, sizeof *c);
	c->since = since;
	collect(c, b);
	*info = (struct changes_info){.highestmodseq = b->highest,
				      .uidnext = b->uidnext,
				      .recent_from = b->recent_from,
				      .reset = played.forgot,
				      .keywords = keyword_names(b, c->names) + known_keywords,
				      .nkeywords = b->nkeywords - known_keywords};
	played.forgot = false;
	if (recent == MAILBOX_TAKE_RECENT && !info->reset)
		b->recent_from = b->uidnext;
	*out = c;
	return E_OK;
}

WAITS enum err mailbox_changes_next(struct mailbox_changes *c, struct change_batch *out)
{
	fiber_yield();
	if (c->given)
		return E_CLOSED;
	c->given = true;
	*out = (struct change_batch){c->added, c->vanished, c->nadded,   c->nvanished, c->n,
				     c->uid,   c->flags,    c->keywords, c->modseq};
	return E_OK;
}

void mailbox_changes_free(struct mailbox_changes **c)
{
	xfree(c);
}

/* ---- watches ---- */

struct mailbox_watch {
	struct list node;
	uint64_t mailbox, told;
	struct event *event;
	bool ended;
};

WAITS enum err call_mailbox_watch(struct ticket *t UNUSED, uint64_t mailbox, uint64_t since,
				  struct mailbox_watch **out)
{
	struct mailbox_watch *w;

	*out = NULL;
	if (state() != E_OK)
		return state();
	w = xcalloc(1, sizeof *w);
	w->mailbox = mailbox;
	w->told = since;
	list_append(&watches, &w->node);
	*out = w;
	return E_OK;
}

WAITS enum err mailbox_watch_poll(struct mailbox_watch *w, uint64_t *modseq_out)
{
	struct played_box *b = by_id(w->mailbox);

	if (w->ended)
		return E_RETRY;
	if (b == NULL)
		return E_NOT_FOUND;
	if (b->unheard)
		return E_OK;
	w->told = b->highest;
	*modseq_out = MAX(*modseq_out, b->highest);
	return E_OK;
}

static bool readable(const struct mailbox_watch *w)
{
	const struct played_box *b = by_id(w->mailbox);

	return w->ended || b == NULL || (b->highest > w->told && !b->unheard);
}

void mailbox_watch_notify(struct mailbox_watch *w, struct event *e)
{
	w->event = e;
	if (e != NULL && readable(w))
		event_set(e);
}

void mailbox_watch_free(struct mailbox_watch **w)
{
	if (*w == NULL)
		return;
	list_remove(&(*w)->node);
	xfree(w);
}

void played_wake(struct played_box *b)
{
	b->unheard = false;
	list_for_each(i, &watches) {
		struct mailbox_watch *w = list_entry(i, struct mailbox_watch, node);

		if (w->mailbox == b->id && w->event != NULL)
			event_set(w->event);
	}
}

void played_drop_watches(void)
{
	list_for_each(i, &watches) {
		struct mailbox_watch *w = list_entry(i, struct mailbox_watch, node);

		w->ended = true;
		if (w->event != NULL)
			event_set(w->event);
	}
}

/* ---- log-in ---- */

WAITS enum err ticket_refresh(struct ticket *t UNUSED)
{
	return E_OK;
}

WAITS void ticket_end(const struct ticket *t UNUSED, const char *reason UNUSED, uint64_t in UNUSED,
		      uint64_t out UNUSED)
{
}

static WAITS enum err ask_start(void *arg UNUSED, const char *mech, slice_t initial,
				struct sasl_answer *a)
{
	if (played.away)
		return E_RETRY;
	if (strcmp(mech, "PLAIN") != 0 || !slice_eq(initial, SL("\0alice\0secret")))
		return E_DENIED;
	a->ticket = ticket_new(SL("sealed"), 900, 0, SL("alice@example.org"));
	return E_OK;
}

static WAITS enum err ask_step(void *arg UNUSED, slice_t response UNUSED,
			       struct sasl_answer *a UNUSED)
{
	return E_INVALID;
}

WAITS enum err call_auth_sasl(struct session *s, const struct sasl_mech *m, const slice_t *initial,
			      const struct sasl_io *io)
{
	struct sasl_ask ask = {.start = ask_start, .step = ask_step};
	struct ticket *t;
	enum err e = sasl_run(m, initial, io, &ask, &s->budget, &t);

	if (e == E_OK)
		session_logged_in(s, &t, m->name, ticket_end);
	return e;
}

WAITS enum err call_auth_password(struct session *s, slice_t name, slice_t password)
{
	struct ticket *t;

	fiber_yield();
	if (played.away)
		return E_RETRY;
	if (!slice_eq(name, SL("alice")) || !slice_eq(password, SL("secret")))
		return E_DENIED;
	t = ticket_new(SL("sealed"), 900, 0, SL("alice@example.org"));
	session_logged_in(s, &t, "LOGIN", ticket_end);
	return E_OK;
}

/* ---- sessions ---- */

static void keep_log(slice_t line, void *arg UNUSED)
{
	buf_put(&logged, line);
	buf_putc(&logged, '\n');
}

void imap_play(void)
{
	memset(&played, 0, sizeof played);
	list_init(&watches);
	played.modseq = 100;
	(void)make(SL("INBOX"), SPECIAL_USE_NONE);
	(void)make(SL("Sent"), SPECIAL_USE_SENT);
	(void)make(SL("Trash"), SPECIAL_USE_TRASH);
	buf_init(&said, 64u << 20, NULL);
	buf_init(&logged, 16u << 20, NULL);
	log_redirect(keep_log, NULL);
	policy_init("imap.example.org");
	policy_begin();
	policy_apply();
	iplimit_forget();
	if (server_tls == NULL) {
		server_tls = wire_server_tls();
		client_tls = wire_client_tls();
	}
	session_tls_set(server_tls);
}

WAITS void conv_open(struct wire *w, enum imap_port port)
{
	struct stream_opts opts = {.window_max = imap_protocol.window_max};

	wire_open(w, &opts);
	session_accept(&imap_protocol, &endpoints[port], w->server);
	w->server = NULL;
	if (port == PORT_IMAPS)
		CHECK_ERR(stream_tls_client(w->client, client_tls, NULL, deadline_in(WIRE_MS)),
			  E_OK);
	CHECK_ERR(wire_line(w), E_OK);
	CHECK(slice_starts(slice_str(w->line), SL("* OK [CAPABILITY IMAP4rev1 ")));
}

WAITS void conv_login(struct wire *w)
{
	conv_open(w, PORT_IMAPS);
	CHECK(slice_starts(slice_str(conv_say(w, "LOGIN alice secret")), SL("x OK [CAPABILITY ")));
}

WAITS void conv_select(struct wire *w, const char *path)
{
	char line[200];

	conv_login(w);
	snprintf(line, sizeof line, "SELECT %s", path);
	CHECK(slice_ends(slice_str(conv_say(w, line)), SL("x OK [READ-WRITE] Selected")));
}

WAITS void conv_close(struct wire *w)
{
	wire_close(w);
}

WAITS void imap_played_end(void)
{
	while (session_count() > 0)
		fiber_yield();
	CHECK(list_empty(&watches));
	for (size_t i = 0; i < PLAYED_BOXES; i++)
		empty(&played.boxes[i]);
	log_redirect(NULL, NULL);
	buf_fini(&said);
	buf_fini(&logged);
	iplimit_forget();
}

WAITS bool conv_literal(struct wire *w, const char *line, struct buf *out, char head_out[256])
{
	size_t n = 0, brace;
	struct buf b;

	buf_init(&b, 4096, NULL);
	buf_printf(&b, "z %s\r\n", line);
	wire_send(w, buf_slice(&b));
	buf_fini(&b);
	if (wire_line(w) != E_OK)
		return false;
	if (head_out != NULL)
		snprintf(head_out, 256, "%.255s", w->line);
	brace = slice_find_char(slice_str(w->line), '{');
	if (sscanf(w->line + brace, "{%zu}", &n) != 1)
		return false;
	buf_reset(out);
	while (out->n < n) {
		slice_t in = stream_peek(w->client);

		if (in.n == 0) {
			if (stream_fill(w->client, 0, "test", deadline_in(WIRE_MS)) != E_OK)
				return false;
			continue;
		}
		in = slice_sub(in, 0, n - out->n);
		buf_put(out, in);
		stream_consume(w->client, in.n);
	}
	return wire_line(w) == E_OK && strcmp(w->line, ")") == 0 && wire_line(w) == E_OK &&
	       strcmp(w->line, "z OK Done") == 0;
}

WAITS const char *conv_until(struct wire *w, const char *until)
{
	buf_reset(&said);
	for (;;) {
		enum err e = wire_line(w);

		if (said.n != 0)
			buf_putc(&said, '\n');
		if (e == E_CLOSED) {
			buf_puts(&said, "<closed>");
			break;
		}
		if (e != E_OK) {
			buf_puts(&said, err_name(e));
			break;
		}
		buf_puts(&said, w->line);
		if (slice_starts(slice_str(w->line), slice_str(until)))
			break;
	}
	buf_putc(&said, '\0');
	return said.p;
}

WAITS const char *conv_raw(struct wire *w, slice_t bytes, const char *until)
{
	wire_send(w, bytes);
	return conv_until(w, until);
}

WAITS const char *conv_say(struct wire *w, const char *line)
{
	struct buf b;
	const char *answer;

	buf_init(&b, 1 << 20, NULL);
	buf_puts(&b, "x ");
	buf_puts(&b, line);
	buf_puts(&b, "\r\n");
	answer = conv_raw(w, buf_slice(&b), "x ");
	buf_fini(&b);
	return answer;
}

static void add_memory(struct session *s, void *arg)
{
	*(size_t *)arg += s->budget.used;
}

size_t conv_memory(void)
{
	size_t n = 0;

	session_each(add_memory, &n);
	return n;
}

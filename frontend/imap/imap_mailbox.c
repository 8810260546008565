/* CREATE (with RFC 6154's USE), DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS. */
#include "frontend/imap/imap_resp.h"
#include "frontend/imap/imap_special.h"
#include "frontend/imap/imap_status.h"
#include "frontend/imap/imap_sync.h"
#include "frontend/rpc/call_mailbox.h"

/* The whole argument list is one mailbox name; answers c itself when it is not. */
static bool one_mailbox(struct imap_cmd *c, slice_t *path)
{
	if (!imap_arg_mailbox(&c->args, path) || !imap_end(&c->args)) {
		(void)imap_bad(c, "Mailbox name expected");
		return false;
	}
	if (path->n == 0)
		(void)imap_no(c, "CANNOT", "No name that can be");
	return path->n != 0;
}

static enum err done(struct imap *im, struct imap_cmd *c, enum err e, const struct diag *d)
{
	return e == E_OK ? imap_ok(c, "Done") : imap_fail(im, c, e, d);
}

/* create-param: "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")" (RFC 6154 section 3). */
static bool create_use(struct imap_args *a, enum special_use *out, bool *known)
{
	*known = true;
	if (!imap_char(a, '(') || !imap_word(a, "USE") || !imap_sp(a) || !imap_char(a, '('))
		return false;
	for (unsigned n = 0; cur_peek(&a->c) != ')'; n++) {
		slice_t name;

		if (!imap_char(a, '\\') || !imap_atom(a, &name))
			return false;
		/* One special use a mailbox. */
		*known = n == 0 && imap_special_parse(name, out);
		if (!imap_sp(a))
			break;
	}
	return imap_char(a, ')') && imap_char(a, ')');
}

/* What exists already is the mailbox, or another one with this special use. */
WAITS static enum err created(struct imap *im, struct imap_cmd *c, slice_t path,
			      enum special_use special, enum err e, const struct diag *d)
{
	struct mailbox_row row;

	if (e == E_EXISTS && special != SPECIAL_USE_NONE &&
	    call_mailbox_status(im->s.ticket, path, &row, NULL) == E_NOT_FOUND)
		return imap_no(c, "USEATTR", "Another mailbox has this special use");
	return done(im, c, e, d);
}

WAITS enum err imap_run_create(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	enum special_use special = SPECIAL_USE_NONE;
	struct diag d = {""};
	bool known = true;
	slice_t path;
	uint64_t id;

	if (!imap_arg_mailbox(&c->args, &path) ||
	    (imap_sp(&c->args) && !create_use(&c->args, &special, &known)) || !imap_end(&c->args))
		return imap_bad(c, "Mailbox name expected");
	if (!known)
		return imap_no(c, "USEATTR", "No such special use");
	/* "a/" says that there will be something below (RFC 3501 section 6.3.3). */
	if (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	if (path.n == 0)
		return imap_no(c, "CANNOT", "No name that can be");
	return created(im, c, path, special, call_mailbox_create(s->ticket, path, special, &id, &d),
		       &d);
}

WAITS enum err imap_run_delete(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	struct diag d = {""};
	slice_t path;
	enum err e;

	if (!one_mailbox(c, &path))
		return E_OK;
	if (slice_eq(path, SL("INBOX")))
		return imap_no(c, "CANNOT", "INBOX cannot be deleted");
	e = call_mailbox_delete(s->ticket, path, &d);
	/* RFC 3501 section 6.3.4: a name that is only there for those below it. */
	if (e == E_EXISTS)
		return imap_no(c, "CANNOT", "There are mailboxes below it");
	/* Its own mailbox: the client knows that nothing is selected any more. */
	if (e == E_OK && im->sel != NULL && slice_eq(im->sel->path, path))
		imap_selected_close(im);
	return done(im, c, e, &d);
}

/* The selected mailbox keeps its identity under its new name. */
static void renamed(struct imap_selected *sel, slice_t from, slice_t to)
{
	slice_t rest;
	char *p;

	if (sel == NULL || !slice_starts(sel->path, from) || slice_eq(from, SL("INBOX")))
		return;
	rest = slice_from(sel->path, from.n);
	if (rest.n != 0 && rest.p[0] != '/')
		return;
	p = arena_alloc(&sel->arena, to.n + rest.n + 1);
	memcpy(p, to.p, to.n);
	if (rest.n != 0)
		memcpy(p + to.n, rest.p, rest.n);
	sel->path = slice(p, to.n + rest.n);
}

WAITS enum err imap_run_rename(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	struct diag d = {""};
	slice_t from, to;
	enum err e, told = E_OK;

	if (!imap_arg_mailbox(&c->args, &from) || !imap_sp(&c->args))
		return imap_bad(c, "Two mailbox names expected");
	if (!one_mailbox(c, &to))
		return E_OK;
	if (from.n == 0)
		return imap_no(c, "NONEXISTENT", "No such mailbox");
	e = call_mailbox_rename(s->ticket, from, to, &d);
	if (e == E_OK)
		renamed(im->sel, from, to);
	/* INBOX stays, and loses its messages (RFC 3501 section 6.3.5): told before the end. */
	if (e == E_OK && im->sel != NULL && slice_eq(from, SL("INBOX")))
		told = imap_sync(im, IMAP_SYNC_NOW, IMAP_TELL_EXPUNGES);
	return told == E_OK ? done(im, c, e, &d) : told;
}

WAITS static enum err subscribe(struct imap *im, struct imap_cmd *c, enum mailbox_subscribe how)
{
	struct diag d = {""};
	slice_t path;
	enum err e;

	if (!one_mailbox(c, &path))
		return E_OK;
	e = call_mailbox_subscribe(im->s.ticket, path, how, &d);
	/* What is not subscribed to is now as asked for. */
	if (e == E_NOT_FOUND && how == MAILBOX_UNSUBSCRIBE)
		e = E_OK;
	return done(im, c, e, &d);
}

WAITS enum err imap_run_subscribe(struct session *s, slice_t args UNUSED, void *arg)
{
	return subscribe(imap_of(s), arg, MAILBOX_SUBSCRIBE);
}

WAITS enum err imap_run_unsubscribe(struct session *s, slice_t args UNUSED, void *arg)
{
	return subscribe(imap_of(s), arg, MAILBOX_UNSUBSCRIBE);
}

/* ---- STATUS ---- */

static const char *const status_names[] = {"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY",
					   "UNSEEN"};

static uint32_t status_value(const struct mailbox_row *r, size_t i)
{
	const uint32_t values[] = {r->messages, r->recent, r->uidnext, r->uidvalidity, r->unseen};

	return values[i];
}

bool imap_status_items(struct imap_args *a, unsigned *items_out)
{
	*items_out = 0;
	if (!imap_char(a, '('))
		return false;
	do {
		slice_t name;
		size_t i = 0;

		if (!imap_atom(a, &name))
			return false;
		while (i < ARRAY_LEN(status_names) && !slice_ieq(name, slice_str(status_names[i])))
			i++;
		if (i == ARRAY_LEN(status_names))
			return false;
		*items_out |= 1u << i;
	} while (imap_sp(a));
	return imap_char(a, ')');
}

void imap_put_status(struct buf *out, slice_t path, unsigned items, const struct mailbox_row *row)
{
	const char *sep = "(";

	buf_puts(out, "* STATUS ");
	imap_put_mailbox(out, path);
	buf_putc(out, ' ');
	for (size_t i = 0; i < ARRAY_LEN(status_names); i++) {
		if ((items & 1u << i) == 0)
			continue;
		buf_puts(out, sep);
		buf_puts(out, status_names[i]);
		buf_putc(out, ' ');
		buf_put_u64(out, status_value(row, i));
		sep = " ";
	}
	buf_puts(out, ")\r\n");
}

WAITS enum err imap_run_status(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	struct mailbox_row row;
	struct diag d = {""};
	unsigned items;
	slice_t path;
	enum err e;

	if (!imap_arg_mailbox(&c->args, &path) || !imap_sp(&c->args) ||
	    !imap_status_items(&c->args, &items) || !imap_end(&c->args))
		return imap_bad(c, "Mailbox name and items expected");
	e = path.n != 0 ? call_mailbox_status(s->ticket, path, &row, &d) : E_NOT_FOUND;
	if (e == E_OK)
		imap_put_status(&im->out, path, items, &row);
	return done(im, c, e, &d);
}

/*
 * IDLE (RFC 2177). The session waits for its client and for a nudge at once, with as little memory
 * as can be: no buffers, no arena, its stack trimmed. While the owner is away it goes on waiting;
 * when the watch can be had again, what happened meanwhile is told.
 */
#include "common/base/clock.h"
#include "common/crypto/random.h"
#include "common/loop/fiber.h"
#include "frontend/core/line.h"
#include "frontend/core/policy.h"
#include "frontend/imap/imap_resp.h"
#include "frontend/imap/imap_server.h"
#include "frontend/imap/imap_sync.h"

#define DONE_MAX 64

/* The client said something: DONE, or what does not belong here. *over: IDLE has ended. */
WAITS static enum err take_line(struct imap *im, struct imap_cmd *c, int64_t deadline_ms)
{
	slice_t line;
	enum err e = line_read(im->s.stream, DONE_MAX, "imap.idle_done", deadline_ms, &line);

	if (e == E_LIMIT || e == E_INVALID)
		return imap_bad(c, "DONE expected");
	if (e != E_OK)
		return e;
	return slice_ieq(line, SL("DONE")) ? imap_ok(c, "Done") : imap_bad(c, "DONE expected");
}

/* Waits for either. E_TIMEOUT: neither came. */
WAITS static enum err wait_both(struct imap *im, int64_t deadline_ms)
{
	struct imap_selected *sel = im->sel;
	struct event any;
	enum err e;

	event_init(&any);
	if (sel != NULL && sel->watch != NULL)
		mailbox_watch_notify(sel->watch, &any);
	stream_notify(im->s.stream, &any);
	imap_trim(im);
	fiber_trim_stack();
	e = event_wait(&any, "imap.idle", deadline_ms);
	stream_notify(im->s.stream, NULL);
	if (sel != NULL && sel->watch != NULL)
		mailbox_watch_notify(sel->watch, NULL);
	return e;
}

/* After a look that could not be had: the back-end was busy, most likely with many such looks. */
#define LOOK_AGAIN_MS 1000

/* When to look again without being told to: at the end, when the watch is to be tried again, or
 * soon when there is news that could not be had. */
static int64_t next_look(const struct imap *im, int64_t deadline_ms)
{
	const struct imap_selected *sel = im->sel;

	if (sel != NULL && sel->watch == NULL)
		return MIN(deadline_ms, sel->rewatch_ms);
	if (sel != NULL && sel->nudged > sel->modseq)
		return MIN(deadline_ms,
			   deadline_in(LOOK_AGAIN_MS / 2 + random_below(LOOK_AGAIN_MS)));
	return deadline_ms;
}

/* The watch was tried and could not be had: there is nothing to ask for either. */
static bool worth_a_look(const struct imap *im)
{
	const struct imap_selected *sel = im->sel;

	return sel == NULL || sel->watch != NULL || clock_mono_ms() >= sel->rewatch_ms;
}

WAITS enum err imap_run_idle(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	int64_t deadline_ms = deadline_in(policy()->imap_idle_timeout_ms);
	/* What the client sent may lie in the text that is about to be given back. */
	char tag[IMAP_TAG_MAX];
	enum err e = imap_continue(im, "idling");

	memcpy(tag, c->tag.p, c->tag.n);
	while (e == E_OK && c->rc == IMAP_RC_NONE && im->bye == NULL) {
		if (worth_a_look(im))
			e = imap_sync(im, IMAP_SYNC_IF_NUDGED, IMAP_TELL_EXPUNGES);
		if (e == E_OK)
			e = imap_push_all(im);
		if (e != E_OK || im->bye != NULL)
			break;
		if (stream_readable(s->stream, 0)) {
			e = take_line(im, c, deadline_ms);
			continue;
		}
		e = wait_both(im, next_look(im, deadline_ms));
		if (e == E_TIMEOUT && clock_mono_ms() < deadline_ms)
			e = E_OK;
	}
	c->tag = arena_dup(&im->arena, slice(tag, c->tag.n));
	return e;
}

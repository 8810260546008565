#include "frontend/outbound/sevenbit.h"

#include "frontend/mime/hdr.h"

static void begin(struct sevenbit *s)
{
	outbound_body_init(&s->body, s->job);
	s->body.prefix = buf_slice(&s->prefix);
}

static void leave_out_signatures(struct sevenbit *s)
{
	struct hdr_iter it;
	slice_t name, raw;

	buf_init(&s->prefix, s->job->prefix.n, NULL);
	hdr_iter_init(&it, s->job->prefix);
	while (hdr_iter_next(&it, &name, &raw)) {
		if (!slice_ieq(name, SL("DKIM-Signature")))
			buf_put(&s->prefix, raw);
	}
}

WAITS static enum err restart(void *arg)
{
	struct sevenbit *s = arg;

	outbound_body_fini(&s->body);
	begin(s);
	return E_OK;
}

WAITS static enum err read_original(void *arg, slice_t *out)
{
	struct sevenbit *s = arg;

	return outbound_body_read(&s->body, out);
}

WAITS enum err sevenbit_open(struct sevenbit *s, const struct outbound_job *j)
{
	struct diag d = {""};
	enum err e;

	*s = (struct sevenbit){.job = j};
	s->source = (struct downgrade_source){read_original, restart, s};
	scope_init(&s->scope);
	event_init(&s->full);
	event_init(&s->empty);
	leave_out_signatures(s);
	begin(s);
	e = downgrade_new(&s->source, NULL, &s->downgrade, &d);
	LOG(e == E_OK ? LOG_DEBUG : LOG_INFO, NULL, "outbound.made_7bit",
	    LF_HEX("trace", slice(j->trace_id, sizeof j->trace_id)), LF_ERR("result", e),
	    LF_STR("why", d.text));
	return e;
}

/* The writer's side: a piece, and the reader has come back for the next one. */
WAITS static enum err put(void *arg, slice_t bytes)
{
	struct sevenbit *s = arg;

	if (bytes.n == 0)
		return E_OK;
	s->piece = bytes;
	event_set(&s->full);
	return event_wait(&s->empty, "outbound.7bit_taken", NO_DEADLINE);
}

WAITS static void write_all(void *arg)
{
	struct sevenbit *s = arg;
	enum err e = downgrade_write(s->downgrade, put, s);

	s->piece = SLICE_NONE;
	s->ended = e == E_OK ? E_CLOSED : e;
	event_set(&s->full);
}

WAITS enum err sevenbit_read(void *arg, slice_t *out)
{
	struct sevenbit *s = arg;
	enum err e = E_OK;

	if (s->ended != E_OK)
		return s->ended;
	if (!s->writing)
		e = scope_start(&s->scope, "outbound.7bit", write_all, s);
	else
		event_set(&s->empty);
	s->writing = true;
	if (e == E_OK)
		e = event_wait(&s->full, "outbound.7bit_piece", NO_DEADLINE);
	if (e != E_OK)
		return e;
	*out = s->piece;
	return s->ended;
}

WAITS void sevenbit_close(struct sevenbit *s)
{
	scope_cancel(&s->scope);
	fiber_shield_begin();
	(void)scope_join(&s->scope, NO_DEADLINE);
	fiber_shield_end();
	downgrade_free(&s->downgrade);
	outbound_body_fini(&s->body);
	buf_fini(&s->prefix);
}

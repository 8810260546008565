#include "backend/queue/outcome.h"

static char status_class(slice_t status)
{
	return status.n != 0 ? status.p[0] : '4';
}

/* RFC 3461 section 4.1: without NOTIFY, failures are told, and delays may be. */
static bool wants(const struct job *j, uint32_t what)
{
	if (j->notify == 0)
		return what != NOTIFY_SUCCESS;
	return (j->notify & NOTIFY_NEVER) == 0 && (j->notify & what) != 0;
}

/* A notice of a notice is never sent (RFC 5321 section 4.5.5). What failed, and cannot be told, is
 * kept, but for a report that nobody misses; that somebody missed a delay is not worth it. */
static enum outcome tell(struct job *j, enum job_action action, bool wanted, int64_t now_us)
{
	if (j->kind == JOB_NOTICE && j->action != JOB_FAILED)
		return OUTCOME_REMOVE;
	if (j->kind == JOB_NOTICE) {
		j->kind = JOB_BAD;
		return OUTCOME_BAD;
	}
	if (j->sender.n == 0 && action == JOB_FAILED && (j->content & CONTENT_LOSABLE) == 0) {
		j->kind = JOB_BAD;
		return OUTCOME_BAD;
	}
	if (j->sender.n == 0 || !wanted)
		return OUTCOME_REMOVE;
	j->kind = JOB_NOTICE;
	j->held = false;
	j->action = action;
	j->next_us = j->notice_us = now_us;
	j->attempts = 0;
	return OUTCOME_NOTICE;
}

static enum outcome failed(struct job *j, int64_t now_us)
{
	return tell(j, JOB_FAILED, wants(j, NOTIFY_FAILURE), now_us);
}

/* What a notice tells is the failure that it is about, not that of its own way. */
static void note(struct job *j, const struct outcome_try *r)
{
	j->attempts++;
	if (j->kind == JOB_NOTICE)
		return;
	j->last_us = r->at_us;
	j->status = r->status;
	j->last_error = r->text;
	j->remote = r->remote;
}

int64_t outcome_expire_at(const struct job *j, const struct outcome_times *t)
{
	int64_t expire_us;

	if (j->kind == JOB_NOTICE)
		return j->notice_us + t->expire_us;
	expire_us = job_start_us(j) + t->expire_us;
	return (j->by & BY_RETURN) != 0 ? MIN(expire_us, j->by_us) : expire_us;
}

/* Passed on to a server that tells no more than that: of success (RFC 3461 section 5.2.2), or of
 * the time (RFC 2852 section 4.1.4). A trace is told whatever the server can do. */
static bool wants_relayed(const struct job *j, const struct outcome_try *r)
{
	if (j->kind == JOB_NOTICE)
		return false;
	return (r->no_dsn && wants(j, NOTIFY_SUCCESS)) ||
	       (r->no_by && (j->by & BY_NOTIFY) != 0 && wants(j, NOTIFY_DELAY)) ||
	       ((j->by & BY_TRACE) != 0 && (j->notify & NOTIFY_NEVER) == 0);
}

static int64_t pause_us(const struct outcome_times *t, uint32_t attempts)
{
	size_t i = MIN((size_t)attempts, t->nretry) - 1;

	return t->retry_us[i];
}

enum outcome outcome_of_try(struct job *j, const struct outcome_try *r,
			    const struct outcome_times *t)
{
	note(j, r);
	switch (status_class(r->status)) {
	case '2':
		return wants_relayed(j, r) ? tell(j, JOB_RELAYED, true, r->at_us) : OUTCOME_REMOVE;
	case '5':
		return failed(j, r->at_us);
	default:
		if (r->at_us >= outcome_expire_at(j, t))
			return outcome_expired(j, r->at_us);
		j->next_us = r->at_us + pause_us(t, j->attempts);
		return OUTCOME_KEEP;
	}
}

enum outcome outcome_expired(struct job *j, int64_t now_us)
{
	/* The last server's words stay; that time ran out is the reason (RFC 3463 section 3.5). */
	j->status = SL("5.4.7");
	return failed(j, now_us);
}

enum outcome outcome_given_up(struct job *j, slice_t status, slice_t why, int64_t now_us)
{
	j->status = status;
	j->last_error = why;
	j->remote = SLICE_NONE;
	j->last_us = now_us;
	return failed(j, now_us);
}

int64_t outcome_warn_at(const struct job *j, const struct outcome_times *t)
{
	int64_t at_us = t->warn_us != 0 ? job_start_us(j) + t->warn_us : INT64_MAX;

	if (j->kind == JOB_NOTICE || j->kind == JOB_BAD || j->warned || j->sender.n == 0 ||
	    !wants(j, NOTIFY_DELAY))
		return 0;
	/* The sender's own time is instead of ours (RFC 2852); one that was over when the message
	 * came was told by whom it came from. */
	if ((j->by & BY_NOTIFY) != 0 && j->by_us > j->first_us)
		at_us = j->by_us;
	return at_us < outcome_expire_at(j, t) ? at_us : 0;
}

struct job outcome_delayed(struct job *j, const struct outcome_times *t)
{
	int64_t at_us = outcome_warn_at(j, t);
	struct job notice = *j;

	j->warned = true;
	notice.kind = JOB_NOTICE;
	notice.action = JOB_DELAYED;
	notice.expire_us = outcome_expire_at(j, t);
	notice.next_us = notice.notice_us = at_us;
	notice.attempts = 0;
	if (notice.status.n == 0)
		notice.status = SL("4.4.7");
	return notice;
}

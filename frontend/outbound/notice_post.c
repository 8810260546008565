#include "frontend/outbound/notice_post.h"

#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "frontend/core/policy.h"
#include "frontend/mime/hdr.h"
#include "frontend/outbound/alert.h"
#include "frontend/outbound/notice.h"
#include "frontend/outbound/own_mail.h"
#include "frontend/outbound/reports.h"

#define HEADER_LOOK (16u * 1024) /* so much of the original is searched for a language */
#define NOTICE_MAX  (NOTICE_ORIGINAL_MAX * 4u + 1024u * 1024) /* with words for 100 recipients */

/* ---- the language ---- */

static size_t split_tags(slice_t list, slice_t *out)
{
	size_t n = 0;

	while (list.n != 0 && n < NOTICE_LANGUAGES_MAX) {
		size_t end = slice_find_char(list, ',');
		slice_t one = slice_sub(list, 0, end);

		one = slice_trim(slice_sub(one, 0, slice_find_char(one, ';')));
		if (one.n != 0)
			out[n++] = one;
		list = slice_from(list, end + 1);
	}
	return n;
}

size_t notice_wanted_languages(slice_t header, slice_t out[NOTICE_LANGUAGES_MAX])
{
	struct hdr_iter it;
	slice_t name, raw;
	size_t n = 0;

	hdr_iter_init(&it, header);
	while (hdr_iter_next(&it, &name, &raw)) {
		if (slice_ieq(name, SL("Accept-Language")))
			return split_tags(hdr_field_body(raw), out);
		if (n == 0 && slice_ieq(name, SL("Content-Language")))
			n = split_tags(hdr_field_body(raw), out);
	}
	return n;
}

/* The beginning of the original, into the job's arena. */
WAITS static slice_t look_at_header(struct outbound_job *j)
{
	struct outbound_body body;
	struct buf head;
	slice_t piece, out;

	buf_init(&head, HEADER_LOOK, NULL);
	outbound_body_init(&body, j);
	while (head.n < HEADER_LOOK && outbound_body_read(&body, &piece) == E_OK)
		buf_put(&head, slice_sub(piece, 0, HEADER_LOOK - head.n));
	outbound_body_fini(&body);
	out = arena_dup(&j->mem, buf_slice(&head));
	buf_fini(&head);
	return out;
}

/* ---- what is told ---- */

/* "mx.example.org [192.0.2.1]" */
static void split_remote(slice_t remote, struct notice_recipient *r)
{
	size_t at = slice_find(remote, SL(" ["));

	r->mta = slice_sub(remote, 0, at);
	if (at + 3 < remote.n)
		r->mta_address = slice_sub(remote, at + 2, remote.n - at - 3);
}

/* Words that are no server's have a type of their own (RFC 3464 section 2.1.2). */
static slice_t diagnostic(const struct outbound_rcpt *r, struct arena *mem)
{
	struct buf b;
	slice_t out;

	if (r->text.n == 0)
		return SLICE_NONE;
	buf_init(&b, NOTICE_DIAGNOSTIC_MAX, NULL);
	buf_puts(&b, r->text.p[0] >= '2' && r->text.p[0] <= '5' ? "smtp; " : "x-postern; ");
	buf_put(&b, r->text);
	out = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
	return out;
}

static enum notice_action action_of(enum outbound_action a)
{
	switch (a) {
	case OUTBOUND_FAILED:
		return NOTICE_FAILED;
	case OUTBOUND_DELAYED:
		return NOTICE_DELAYED;
	case OUTBOUND_RELAYED:
		return NOTICE_RELAYED;
	case OUTBOUND_DELIVERED:
		return NOTICE_DELIVERED;
	case OUTBOUND_EXPANDED:
		return NOTICE_EXPANDED;
	case OUTBOUND_ALERT:
		break;
	}
	return NOTICE_FAILED;
}

/* What the subject says: the worst of them. */
static enum notice_action kind_of(const struct outbound_job *j)
{
	enum notice_action kind = action_of(j->rcpts[0].action);

	for (size_t i = 0; i < j->n; i++) {
		enum notice_action a = action_of(j->rcpts[i].action);

		if (a < kind)
			kind = a;
	}
	return kind;
}

static struct notice_recipient *recipients(struct outbound_job *j)
{
	struct notice_recipient *rows = arena_alloc(&j->mem, j->n * sizeof *rows);

	for (size_t i = 0; i < j->n; i++) {
		const struct outbound_rcpt *r = &j->rcpts[i];

		rows[i] = (struct notice_recipient){
			.action = action_of(r->action),
			.address = r->address,
			.orcpt = r->orcpt,
			.status = r->status,
			.diagnostic = diagnostic(r, &j->mem),
			.last_attempt_s = r->last_us / 1000000,
			.retry_until_s = r->expire_us / 1000000,
			.senders_time = (j->by & BY_RETURN) != 0,
		};
		split_remote(r->remote, &rows[i]);
	}
	return rows;
}

/* ---- posting ---- */

struct post {
	struct outbound_job *job;
	slice_t host; /* our name all along, whatever the setting becomes; in the job's arena */
	struct own_mail mail;
};

static void post_init(struct post *p, struct outbound_job *j)
{
	p->job = j;
	p->host = arena_dup(&j->mem, slice_str(policy()->hostname));
	own_mail_init(&p->mail, NOTICE_MAX);
	memcpy(p->mail.meta.txid, j->txid, sizeof j->txid);
	memcpy(p->mail.meta.trace_id, j->trace_id, sizeof j->trace_id);
}

/* The alert into the record. */
WAITS static enum err compose_alert(struct post *p, struct diag *d)
{
	const struct outbound_job *j = p->job;
	struct alert a = {
		.host = p->host,
		.to = j->sender,
		.account = j->rcpts[0].address,
		.why = j->rcpts[0].text,
		.at_s = j->rcpts[0].last_us / 1000000,
	};
	struct buf b;
	enum err e;

	buf_init(&b, ALERT_BYTES_MAX, NULL);
	e = alert_write(&a, &b, d);
	if (e == E_OK) {
		p->mail.meta.content = alert_is_8bit(&a) ? CONTENT_8BIT | CONTENT_UTF8 : 0;
		e = own_mail_write(&p->mail, buf_slice(&b));
	}
	buf_fini(&b);
	return e;
}

/* The notice into the record. */
WAITS static enum err compose(struct post *p, struct diag *d)
{
	struct outbound_job *j = p->job;
	/* RFC 8689 section 5: its way back may be another than its way here. */
	bool secret = (j->content & CONTENT_REQUIRETLS) != 0;
	slice_t languages[NOTICE_LANGUAGES_MAX];
	struct notice_draft *draft = NULL;
	struct outbound_body body;
	struct notice n = {
		.kind = kind_of(j),
		.reporting_mta = p->host,
		.sender = j->sender,
		.arrival_s = j->first_us / 1000000,
		.envid = j->envid,
		.ret = j->ret == RET_FULL && !secret  ? NOTICE_RET_FULL
		       : j->ret == RET_HDRS || secret ? NOTICE_RET_HDRS
						      : NOTICE_RET_NONE,
		.languages = languages,
		.nlanguages = notice_wanted_languages(look_at_header(j), languages),
		.recipients = recipients(j),
		.nrecipients = j->n,
		.read = outbound_body_read,
		.read_arg = &body,
	};
	enum err e;

	outbound_body_init(&body, j);
	e = notice_new(&n, NULL, &draft, d);
	outbound_body_fini(&body);
	if (e == E_OK) {
		const struct deliver_wants w = {
			.eight = notice_is_8bit(draft),
			.utf8 = notice_is_utf8(draft),
			.requiretls = secret,
		};

		p->mail.meta.content = deliver_content(&w);
		e = notice_write(draft, own_mail_write, &p->mail);
	}
	notice_free(&draft);
	return e;
}

/* To the owners of the sender's mailbox, or to whoever sends the notice on. */
WAITS static enum err deliver_all(struct post *p)
{
	enum err e = own_mail_end(&p->mail, &p->job->mem);

	return e == E_OK ? own_mail_deliver(&p->mail, p->job->targets, p->job->ntargets) : e;
}

static struct outbound_rcpt_result result_of(enum err e)
{
	if (e == E_OK)
		return (struct outbound_rcpt_result){.status = SL("2.0.0")};
	if (e == E_NOT_FOUND || e == E_INVALID)
		return (struct outbound_rcpt_result){.status = SL("5.1.7"),
						     .text = SL("The sender cannot be reached")};
	return (struct outbound_rcpt_result){.status = SL("4.3.0"), .text = slice_str(err_name(e))};
}

static void tell(struct outbound_job *j, enum err e)
{
	struct outbound_rcpt_result *rows = arena_alloc(&j->mem, j->n * sizeof *rows);
	struct outbound_report r = {.end = OUTBOUND_TRIED, .results = rows, .n = j->n};

	for (size_t i = 0; i < j->n; i++)
		rows[i] = result_of(e);
	reports_put(j, &r);
}

WAITS void notice_post(struct outbound_job *j)
{
	struct diag d = {""};
	struct post p;
	enum err e;

	post_init(&p, j);
	e = notice_sign_init(&p.mail.sign, p.host, &d);
	if (e == E_OK)
		e = j->rcpts[0].action == OUTBOUND_ALERT ? compose_alert(&p, &d) : compose(&p, &d);
	if (e == E_OK)
		e = deliver_all(&p);
	LOG(e == E_OK ? LOG_INFO : LOG_WARN, NULL, "outbound.notice",
	    LF_HEX("trace", slice(j->trace_id, sizeof j->trace_id)), LF_SLICE("to", j->sender),
	    LF_UINT("recipients", j->n), LF_ERR("result", e), LF_STR("why", d.text));
	own_mail_fini(&p.mail);
	tell(j, e);
}

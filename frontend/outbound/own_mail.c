#include "frontend/outbound/own_mail.h"

#include "common/crypto/random.h"
#include "common/loop/fiber.h"

#define POST_MS (2 * 60 * 1000)

WAITS static enum err take_stored(void *arg, slice_t stored)
{
	struct buf *to = arg;

	buf_put(to, stored);
	return buf_failed(to) ? E_TOO_BIG : E_OK;
}

void own_mail_init(struct own_mail *o, size_t max)
{
	uint8_t id[RECORD_ID_SIZE];

	*o = (struct own_mail){.size = 0};
	random_bytes(id, sizeof id);
	buf_init(&o->stored, 2 * max, NULL);
	record_write_init(&o->record, id, RECORD_COMP_ZSTD, max, NULL, take_stored, &o->stored);
	o->mime = mime_parser_new(NULL, NULL);
}

WAITS enum err own_mail_write(void *arg, slice_t bytes)
{
	struct own_mail *o = arg;

	mime_parser_feed(o->mime, bytes);
	notice_sign_feed(&o->sign, bytes);
	return record_write_feed(&o->record, bytes);
}

WAITS enum err own_mail_end(struct own_mail *o, struct arena *mem)
{
	struct mime_summary summary;
	struct record_info info;
	enum err e = record_write_finish(&o->record, &info);

	if (e == E_OK)
		e = mime_parser_end(o->mime, &summary);
	if (e != E_OK)
		return e;
	deliver_meta_pack(&o->meta, &summary, mem);
	notice_sign_end(&o->sign, &o->meta, mem);
	o->size = info.plain_size;
	return E_OK;
}

WAITS static enum err deliver_to(const struct own_mail *o, const struct deliver_target *t)
{
	struct deliver_rcpt rcpt = {.token = t->token, .notify = NOTIFY_NEVER};
	struct deliver d = {
		.group = {
			.rcpts = &rcpt, .n = 1, .backend = t->backend, .partition = t->partition}};
	enum err result = E_RETRY, e;

	deliver_begin(&d, &o->meta, o->size, deadline_in(POST_MS));
	deliver_send(&d, buf_slice(&o->stored));
	deliver_send_end(&d);
	e = deliver_commit(&d, &o->meta, NULL, 0, &result);
	deliver_end(&d, &o->meta);
	return e == E_OK ? result : e;
}

WAITS enum err own_mail_deliver(const struct own_mail *o, const struct deliver_target *targets,
				size_t n)
{
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < n; i++)
		e = deliver_to(o, &targets[i]);
	return e;
}

void own_mail_fini(struct own_mail *o)
{
	mime_parser_free(&o->mime);
	record_write_fini(&o->record);
	notice_sign_fini(&o->sign);
	buf_fini(&o->stored);
}

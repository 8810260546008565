#include "backend/queue/notice_put.h"

#include <stdio.h>

WAITS enum err notice_put(struct partition *part, slice_t key, uint64_t record_no,
			  const struct job *notice)
{
	struct queue_add add = {.key = key, .due_us = QUEUE_PARKED_US};
	struct change_deliver c;
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	add.payload = job_pack(notice, &mem);
	change_deliver_init(&c);
	c.origin = SL("outbound");
	memcpy(c.txid, notice->txid, sizeof c.txid);
	c.record_no = record_no;
	c.items = &add;
	c.nitems = 1;
	e = store_change(part, &c.change);
	arena_reset(&mem);
	return e == E_OK && add.duplicate ? E_EXISTS : e;
}

WAITS enum err notice_put_delay(struct partition *part, uint64_t item, uint64_t record_no,
				const struct job *notice)
{
	char key[40];
	enum err e;

	snprintf(key, sizeof key, "delay %llu", (unsigned long long)item);
	e = notice_put(part, slice_str(key), record_no, notice);
	return e == E_EXISTS ? E_OK : e;
}

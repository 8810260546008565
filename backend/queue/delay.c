#include "backend/queue/delay.h"

#include <stdio.h>

WAITS enum err delay_tell(struct partition *part, uint64_t item, uint64_t record_no,
			  const struct job *notice)
{
	struct queue_add add = {.due_us = QUEUE_PARKED_US};
	struct change_deliver c;
	char key[40];
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	snprintf(key, sizeof key, "delay %llu", (unsigned long long)item);
	add.key = slice_str(key);
	add.payload = job_pack(notice, &mem);
	change_deliver_init(&c);
	c.origin = SL("outbound");
	memcpy(c.txid, notice->txid, sizeof c.txid);
	c.record_no = record_no;
	c.items = &add;
	c.nitems = 1;
	e = store_change(part, &c.change);
	arena_reset(&mem);
	return e;
}

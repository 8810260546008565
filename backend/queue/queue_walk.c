#include "backend/queue/queue_walk.h"

#include "backend/store/due.h"
#include "backend/store/msg.h"
#include "common/loop/work.h"

#define SCAN_ROWS  STORE_SLICE_ROWS
#define SCAN_BYTES (2u << 20) /* at least one payload */

void queue_walk_init(struct queue_walk *w, struct partition *part,
		     const struct queue_filter *filter)
{
	w->n = 0;
	w->looked = 0;
	w->part = part;
	w->filter = filter;
	w->after = filter->item != 0 ? filter->item - 1 : 0;
	w->more = filter->item == 0 || filter->partition == partition_id(part);
	arena_init(&w->mem, NULL);
}

void queue_walk_fini(struct queue_walk *w)
{
	arena_reset(&w->mem);
}

/* Recipients of one message follow one another: its size is looked up once. */
static uint64_t size_of(const struct queue_walk *w, uint64_t record_no, struct arena *scratch)
{
	struct msg_record r;

	if (w->n != 0 && w->rows[w->n - 1].record_no == record_no)
		return w->rows[w->n - 1].size;
	if (record_no == 0 || msg_record(w->part, record_no, scratch, &r) != E_OK)
		return 0;
	return r.plain_size;
}

static void sift(struct queue_walk *w, const struct due_item *it, struct arena *scratch)
{
	struct queue_row *row = &w->rows[w->n];
	bool meant;

	*row = (struct queue_row){.item = it->id,
				  .record_no = it->record_no,
				  .due_us = it->due_us,
				  .made_us = it->made_us};
	row->readable = job_unpack(it->payload, scratch, &row->job) == E_OK;
	meant = row->readable ? queue_filter_job(w->filter, &row->job)
			      : w->filter->item != 0 || queue_filter_is_all(w->filter);
	if (!meant)
		return;
	row->size = size_of(w, it->record_no, scratch);
	if (w->filter->larger != 0 && row->size <= w->filter->larger)
		return;
	/* Now into what lasts for the page. */
	row->readable = row->readable && job_unpack(it->payload, &w->mem, &row->job) == E_OK;
	w->bytes += it->payload.n;
	w->n++;
}

/* One slice of the store; false: there is no more, or no room in the page. */
static bool scan(struct queue_walk *w, struct buf *bytes)
{
	struct due_item items[SCAN_ROWS];
	size_t n = w->filter->item != 0 ? 1 : MIN((size_t)SCAN_ROWS, QUEUE_WALK_ROWS - w->n);
	struct arena scratch;

	buf_reset(bytes);
	w->result = item_scan(w->part, w->after, items, n, &n, &w->more, bytes);
	for (size_t i = 0; w->result == E_OK && i < n; i++) {
		w->after = items[i].id;
		w->looked++;
		if (w->filter->item != 0 && items[i].id != w->filter->item)
			break;
		arena_init(&scratch, NULL);
		sift(w, &items[i], &scratch);
		arena_reset(&scratch);
	}
	if (w->filter->item != 0)
		w->more = false;
	return w->result == E_OK && w->more && w->n < QUEUE_WALK_ROWS &&
	       w->bytes < QUEUE_WALK_BYTES;
}

static void run(void *arg)
{
	struct queue_walk *w = arg;
	uint64_t until = w->looked + QUEUE_WALK_LOOKS;
	struct buf bytes;

	buf_init(&bytes, SCAN_BYTES, NULL);
	while (scan(w, &bytes) && w->looked < until)
		;
	buf_fini(&bytes);
}

WAITS enum err queue_walk_next(struct queue_walk *w)
{
	enum err e;

	w->n = 0;
	w->bytes = 0;
	arena_reset(&w->mem);
	if (!w->more)
		return E_OK;
	e = work_run("queue.walk", run, w);
	return e == E_OK ? w->result : e;
}

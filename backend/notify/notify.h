/*
 * backend/notify: who waits for changes of a mailbox. Partitions' writers post what changed after
 * each commit; the hub, on the loop's thread, finds the watchers of each (account, mailbox) and
 * calls them. Many commits between two turns of the loop are one call with the newest MODSEQ.
 */
#ifndef BACKEND_NOTIFY_NOTIFY_H
#define BACKEND_NOTIFY_NOTIFY_H

#include "backend/store/partition.h"
#include "common/base/list.h"
#include "common/loop/loop.h"

struct notify;

/* Embedded in what watches. fn runs on the loop outside any fiber's wait; it must not wait, and may
 * unwatch itself (but no other). */
struct watcher {
	struct list node;
	uint64_t account, mailbox;
	void (*fn)(struct watcher *w, uint64_t highestmodseq, bool gone);
};

struct notify *notify_new(struct loop *loop);
/* All watchers must be gone. */
void notify_free(struct notify **n);
void notify_watch(struct notify *n, struct watcher *w);
void notify_unwatch(struct notify *n, struct watcher *w);
size_t notify_count(const struct notify *n);
/* From any thread: these mailboxes changed. Copies. */
void notify_post(struct notify *n, const struct partition_event *ev, size_t count);

#endif

/* inotify rather than libuv's fs_event, which does not tell a file that is closed from one that is
 * being written. */
#include "common/loop/folder.h"

#include <errno.h>
#include <stdalign.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <uv.h>

#include "common/log/log.h"
#include "common/loop/loop.h"

#define EVENT_BYTES (16u * 1024) /* read at once: at least 60 of the longest */

struct folder {
	uv_poll_t poll;
	int fd;
	void (*arrived)(slice_t name, void *arg);
	void *arg;
};

static void tell(struct folder *f, const struct inotify_event *ev)
{
	if ((ev->mask & IN_ISDIR) != 0)
		return;
	if ((ev->mask & (IN_Q_OVERFLOW | IN_IGNORED)) != 0)
		f->arrived(SLICE_NONE, f->arg);
	else if (ev->len != 0)
		f->arrived(slice_str(ev->name), f->arg);
}

static void on_readable(uv_poll_t *h, int status UNUSED, int events UNUSED)
{
	struct folder *f = container_of(h, struct folder, poll);
	alignas(struct inotify_event) char room[EVENT_BYTES];
	ssize_t n;

	while ((n = read(f->fd, room, sizeof room)) > 0) {
		for (const char *p = room; p < room + n;) {
			const struct inotify_event *ev = (const void *)p;

			tell(f, ev);
			p += sizeof *ev + ev->len;
		}
	}
}

static void on_close(uv_handle_t *h)
{
	struct folder *f = container_of((uv_poll_t *)(void *)h, struct folder, poll);

	xfree(&f);
}

enum err folder_watch(const char *path, void (*arrived)(slice_t name, void *arg), void *arg,
		      struct folder **out, struct diag *d)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct folder *f;

	if (fd < 0 || inotify_add_watch(fd, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) < 0) {
		(void)diag_set(d, E_IO, "%s: %s", path, log_errno(errno));
		if (fd >= 0)
			close(fd);
		return E_IO;
	}
	f = xcalloc(1, sizeof *f);
	f->fd = fd;
	f->arrived = arrived;
	f->arg = arg;
	invariant(uv_poll_init(loop_uv(loop_current()), &f->poll, fd) == 0);
	uv_unref((uv_handle_t *)&f->poll);
	invariant(uv_poll_start(&f->poll, UV_READABLE, on_readable) == 0);
	*out = f;
	return E_OK;
}

void folder_unwatch(struct folder **pf)
{
	struct folder *f = *pf;

	if (f == NULL)
		return;
	*pf = NULL;
	(void)uv_poll_stop(&f->poll);
	close(f->fd);
	uv_close((uv_handle_t *)&f->poll, on_close);
}

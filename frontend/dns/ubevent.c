/*
 * libunbound's events on the loop. An event is a descriptor to look at, or a time, or both, and
 * one function. What it was armed for is disarmed before the function is called, but for a
 * descriptor of a persistent event, which stays looked at until del. The function may free its
 * event: nothing is touched after it.
 *
 * libuv closes a handle in a later turn, while libunbound frees its event and closes its
 * descriptor at once: so the handle is an object of its own, made by each add and left behind by
 * del, when libuv has already stopped looking at the descriptor.
 */
#include "frontend/dns/ubevent_priv.h"

#include <sys/time.h>
#include <unbound-event.h>
#include <uv.h>

#include "common/loop/fiber.h"
#include "common/loop/loop.h"
#include "common/loop/timer.h"

struct watch {
	uv_poll_t poll;
	struct event_of_ub *event; /* NULL: left behind */
};

struct event_of_ub {
	struct ub_event head; /* first: libunbound's view of it */
	int fd;               /* -1: a time alone */
	short bits;
	void (*fn)(int fd, short bits, void *arg);
	void *arg;
	struct watch *watch; /* NULL: not looked at */
	struct timer timer;
};

static struct event_of_ub *own(struct ub_event *e)
{
	return container_of(e, struct event_of_ub, head);
}

static void on_closed(uv_handle_t *h)
{
	struct watch *w = container_of((uv_poll_t *)(void *)h, struct watch, poll);

	xfree(&w);
}

static void disarm(struct event_of_ub *e)
{
	timer_clear(&e->timer);
	if (e->watch == NULL)
		return;
	e->watch->event = NULL;
	uv_close((uv_handle_t *)&e->watch->poll, on_closed);
	e->watch = NULL;
}

static void on_time(struct timer *t)
{
	struct event_of_ub *e = container_of(t, struct event_of_ub, timer);

	if ((e->bits & UB_EV_PERSIST) == 0)
		disarm(e);
	e->fn(e->fd, UB_EV_TIMEOUT, e->arg);
}

static void on_ready(uv_poll_t *h, int status, int events);

static int look(struct watch *w, short bits)
{
	return uv_poll_start(&w->poll,
			     ((bits & UB_EV_READ) != 0 ? UV_READABLE : 0) |
				     ((bits & UB_EV_WRITE) != 0 ? UV_WRITABLE : 0),
			     on_ready);
}

static void on_ready(uv_poll_t *h, int status, int events)
{
	struct watch *w = container_of(h, struct watch, poll);
	struct event_of_ub *e = w->event;
	short bits = 0;

	if (e == NULL)
		return;
	if (status < 0) {
		/* Its error is for who reads or writes it; libuv has stopped looking. */
		bits = e->bits & (UB_EV_READ | UB_EV_WRITE);
		(void)look(w, e->bits);
	} else {
		bits = (short)(((events & UV_READABLE) != 0 ? UB_EV_READ : 0) |
			       ((events & UV_WRITABLE) != 0 ? UB_EV_WRITE : 0));
	}
	if ((e->bits & UB_EV_PERSIST) == 0)
		disarm(e);
	e->fn(e->fd, bits, e->arg);
}

/* ---- what libunbound calls ---- */

static void event_add_bits(struct ub_event *u, short bits)
{
	own(u)->bits |= bits;
}

static void event_del_bits(struct ub_event *u, short bits)
{
	own(u)->bits &= (short)~bits;
}

static void event_set_fd(struct ub_event *u, int fd)
{
	own(u)->fd = fd;
}

static void event_free(struct ub_event *u)
{
	struct event_of_ub *e = own(u);

	disarm(e);
	xfree(&e);
}

static int64_t after(const struct timeval *tv)
{
	return deadline_in((int64_t)tv->tv_sec * 1000 + tv->tv_usec / 1000);
}

static int event_add(struct ub_event *u, struct timeval *tv)
{
	struct event_of_ub *e = own(u);

	disarm(e);
	if (e->fd >= 0 && (e->bits & (UB_EV_READ | UB_EV_WRITE)) != 0) {
		struct watch *w = xcalloc(1, sizeof *w);

		if (uv_poll_init(loop_uv(loop_current()), &w->poll, e->fd) != 0) {
			xfree(&w);
			return -1;
		}
		w->event = e;
		e->watch = w;
		if (look(w, e->bits) != 0) {
			disarm(e);
			return -1;
		}
	}
	if (tv != NULL)
		timer_set(&e->timer, after(tv));
	return 0;
}

static int event_del(struct ub_event *u)
{
	disarm(own(u));
	return 0;
}

static int event_add_timer(struct ub_event *u, struct ub_event_base *base UNUSED,
			   void (*fn)(int, short, void *), void *arg, struct timeval *tv)
{
	struct event_of_ub *e = own(u);

	e->fn = fn;
	e->arg = arg;
	timer_set(&e->timer, after(tv));
	return 0;
}

/* Signals are the loop's, Windows is none of ours: the library calls none of these here. */
static int event_no_signal(struct ub_event *u UNUSED, struct timeval *tv UNUSED)
{
	return -1;
}

static int event_no_signal_del(struct ub_event *u UNUSED)
{
	return -1;
}

static void event_no_wsa(struct ub_event *u UNUSED)
{
}

static void event_no_block(struct ub_event *u UNUSED, int bit UNUSED)
{
}

static struct ub_event *base_new_event(struct ub_event_base *base UNUSED, int fd, short bits,
				       void (*fn)(int, short, void *), void *arg)
{
	static struct ub_event_vmt calls = {
		.add_bits = event_add_bits,
		.del_bits = event_del_bits,
		.set_fd = event_set_fd,
		.free = event_free,
		.add = event_add,
		.del = event_del,
		.add_timer = event_add_timer,
		.del_timer = event_del,
		.add_signal = event_no_signal,
		.del_signal = event_no_signal_del,
		.winsock_unregister_wsaevent = event_no_wsa,
		.winsock_tcp_wouldblock = event_no_block,
	};
	struct event_of_ub *e = xcalloc(1, sizeof *e);

	e->head.magic = UB_EVENT_MAGIC;
	e->head.vmt = &calls;
	e->fd = fd;
	e->bits = bits;
	e->fn = fn;
	e->arg = arg;
	timer_init(&e->timer, on_time);
	return &e->head;
}

static struct ub_event *base_new_signal(struct ub_event_base *base UNUSED, int signum UNUSED,
					void (*fn)(int, short, void *) UNUSED, void *arg UNUSED)
{
	return NULL;
}

static struct ub_event *base_new_wsa(struct ub_event_base *base UNUSED, void *wsa UNUSED,
				     void (*fn)(int, short, void *) UNUSED, void *arg UNUSED)
{
	return NULL;
}

static void base_free(struct ub_event_base *base UNUSED)
{
}

static int base_dispatch(struct ub_event_base *base UNUSED)
{
	return -1; /* the loop runs by itself */
}

static int base_exit(struct ub_event_base *base UNUSED, struct timeval *tv UNUSED)
{
	return -1;
}

struct ub_event_base *ubevent_base(void)
{
	static struct ub_event_base_vmt calls = {
		.free = base_free,
		.dispatch = base_dispatch,
		.loopexit = base_exit,
		.new_event = base_new_event,
		.new_signal = base_new_signal,
		.winsock_register_wsaevent = base_new_wsa,
	};
	static struct ub_event_base base = {.magic = UB_EVENT_MAGIC, .vmt = &calls};

	return &base;
}

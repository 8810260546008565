#include "frontend/outbound/notices.h"

#include "common/loop/fiber.h"
#include "frontend/outbound/notice_post.h"
#include "frontend/outbound/reports.h"

#define NOTICES_MAX 16 /* composed at a time */

static struct {
	unsigned under_way;
	struct waitq room;
	bool stopping;
} ns;

void notices_init(void)
{
	ns.under_way = 0;
	ns.stopping = false;
	waitq_init(&ns.room);
}

WAITS static void notice_run(void *arg)
{
	notice_post(arg);
	ns.under_way--;
	waitq_wake_all(&ns.room);
}

WAITS void notices_take(struct outbound_job *j)
{
	while (!ns.stopping && ns.under_way >= NOTICES_MAX) {
		if (waitq_wait(&ns.room, "outbound.notices", NO_DEADLINE) != E_OK)
			break;
	}
	if (ns.stopping || fiber_cancelled()) {
		reports_put_untried(j);
		return;
	}
	ns.under_way++;
	if (fiber_start("outbound.notice", notice_run, j, NULL) == E_OK)
		return;
	ns.under_way--;
	reports_put_untried(j);
}

void notices_stop(void)
{
	ns.stopping = true;
	waitq_wake_all(&ns.room);
}

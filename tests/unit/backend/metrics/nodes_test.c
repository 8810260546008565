/* What workers report of themselves, and the cluster's metrics as one text. */
#include "backend/metrics/nodes.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "tests/lib/check.h"

METRIC_COUNTER(probe, "t_probe_total", "A counter of this test");

static int64_t mono_us;

static int64_t fake_mono(void)
{
	return mono_us;
}

static int64_t fake_wall(void)
{
	return 1000000;
}

static void clock_at(int64_t ms)
{
	mono_us = ms * 1000;
	clock_replace(fake_wall, fake_mono);
}

static struct node_info worker(const char *name, enum rpc_service service, uint32_t number)
{
	struct node_info i = {.id = {.role = ROLE_FRONTEND, .service = service},
			      .worker = number,
			      .pid = 100 + number,
			      .sessions = 7,
			      .heard_ms = clock_mono_ms()};

	snprintf(i.id.name, sizeof i.id.name, "%s", name);
	return i;
}

/* A snapshot of this very process, as a worker would send. */
static slice_t snapshot(struct buf *b)
{
	buf_reset(b);
	metric_snapshot(b);
	return buf_slice(b);
}

static void count_one(const struct node_info *info, void *arg)
{
	(void)info;
	++*(unsigned *)arg;
}

static unsigned count(const struct nodes *n)
{
	unsigned c = 0;

	nodes_each(n, count_one, &c);
	return c;
}

static enum err report(struct nodes *n, const char *name, enum rpc_service service, uint32_t number,
		       slice_t metrics)
{
	struct node_info i = worker(name, service, number);
	struct diag d = {""};

	return nodes_report(n, &i, metrics, &d);
}

static bool has(const struct buf *text, const char *line)
{
	return slice_find(buf_slice(text), slice_str(line)) < text->n;
}

TEST(nodes_render_all)
{
	struct nodes *n = nodes_new();
	struct diag d = {""};
	struct buf snap, out;

	clock_at(1000);
	buf_init(&snap, 1 << 20, NULL);
	buf_init(&out, 1 << 20, NULL);
	metric_add(&probe, 5);
	CHECK_ERR(report(n, "fe1", SERVICE_SMTP, 2, snapshot(&snap)), E_OK);
	CHECK_ERR(report(n, "fe2", SERVICE_IMAP, 0, snapshot(&snap)), E_OK);
	metric_add(&probe, 1);
	CHECK_ERR(nodes_render(n, "be1", &out, &d), E_OK);
	CHECK(has(&out, "postern_t_probe_total{node=\"be1\",service=\"backend\"} 6\n"));
	CHECK(has(&out, "postern_t_probe_total{node=\"fe1\",service=\"smtp\",worker=\"2\"} 5\n"));
	CHECK(has(&out, "postern_t_probe_total{node=\"fe2\",service=\"imap\",worker=\"0\"} 5\n"));
	/* A later report of the same worker takes the place of the earlier one. */
	CHECK_ERR(report(n, "fe1", SERVICE_SMTP, 2, snapshot(&snap)), E_OK);
	CHECK_INT(count(n), 2);
	buf_reset(&out);
	CHECK_ERR(nodes_render(n, "be1", &out, &d), E_OK);
	CHECK(has(&out, "postern_t_probe_total{node=\"fe1\",service=\"smtp\",worker=\"2\"} 6\n"));
	nodes_free(&n);
	CHECK(n == NULL);
	nodes_free(&n);
	buf_fini(&snap);
	buf_fini(&out);
	clock_replace(NULL, NULL);
}

/* Silent workers are left out, and make room. */
TEST(nodes_silent)
{
	struct nodes *n = nodes_new();
	struct diag d = {""};
	struct buf snap, out;

	clock_at(1000);
	buf_init(&snap, 1 << 20, NULL);
	buf_init(&out, 1 << 20, NULL);
	CHECK_ERR(report(n, "fe1", SERVICE_SMTP, 1, snapshot(&snap)), E_OK);
	clock_at(1000 + NODE_SILENT_MS);
	CHECK_INT(count(n), 1);
	CHECK_ERR(report(n, "fe1", SERVICE_SMTP, 2, snapshot(&snap)), E_OK);
	clock_at(1001 + NODE_SILENT_MS);
	CHECK_INT(count(n), 1);
	CHECK_ERR(nodes_render(n, "be1", &out, &d), E_OK);
	CHECK(!has(&out, "worker=\"1\""));
	CHECK(has(&out, "worker=\"2\""));
	CHECK_ERR(report(n, "fe1", SERVICE_SMTP, 1, snapshot(&snap)), E_OK); /* back again */
	CHECK_INT(count(n), 2);
	nodes_free(&n);
	buf_fini(&snap);
	buf_fini(&out);
	clock_replace(NULL, NULL);
}

TEST(nodes_limits)
{
	struct nodes *n = nodes_new();
	struct buf snap;
	slice_t small;

	clock_at(1000);
	buf_init(&snap, 1 << 20, NULL);
	small = snapshot(&snap);
	CHECK_ERR(report(n, "fe1", SERVICE_SMTP, 0, SL("not a snapshot")), E_INVALID);
	CHECK_ERR(report(n, "fe1", SERVICE_SMTP, 0, slice_sub(small, 0, small.n - 1)), E_INVALID);
	CHECK_INT(count(n), 0);
	for (uint32_t i = 0; i < NODES_MAX; i++) {
		char name[16];

		snprintf(name, sizeof name, "fe%u", i / NODE_WORKERS_MAX);
		if (report(n, name, SERVICE_SMTP, i % NODE_WORKERS_MAX, small) != E_OK)
			break;
	}
	CHECK_INT(count(n), NODES_MAX);
	CHECK_ERR(report(n, "late", SERVICE_SMTP, 0, small), E_LIMIT);
	CHECK_ERR(report(n, "fe1", SERVICE_SMTP, 5, small), E_OK); /* one that is known */
	clock_at(1001 + NODE_SILENT_MS);
	/* No front-end has more workers than it may start. */
	CHECK_ERR(report(n, "late", SERVICE_SMTP, NODE_WORKERS_MAX, small), E_INVALID);
	CHECK_ERR(report(n, "late", SERVICE_SMTP, NODE_WORKERS_MAX - 1, small), E_OK);
	CHECK_INT(count(n), 1);
	nodes_free(&n);
	buf_fini(&snap);
	clock_replace(NULL, NULL);
}

/* A front-end that reports as much as it can does not hide this node. */
TEST(nodes_too_much_for_the_text)
{
	struct nodes *n = nodes_new();
	struct diag d = {""};
	struct buf snap, out;

	clock_at(1000);
	buf_init(&snap, 1 << 20, NULL);
	buf_init(&out, 1 << 20, NULL);
	metric_add(&probe, 1);
	for (uint32_t i = 0; i < NODE_WORKERS_MAX; i++)
		CHECK_ERR(report(n, "fe1", SERVICE_SMTP, i, snapshot(&snap)), E_OK);
	CHECK_ERR(nodes_render(n, "be1", &out, &d), E_OK);
	CHECK(has(&out, "node=\"fe1\""));
	out.max = out.n / 4;
	buf_fini(&out);
	CHECK_ERR(nodes_render(n, "be1", &out, &d), E_OK);
	CHECK(has(&out, "postern_t_probe_total{node=\"be1\""));
	CHECK(!has(&out, "node=\"fe1\""));
	/* One that is longer than a worker's. */
	buf_fini(&out);
	buf_init(&out, 1 << 20, NULL);
	buf_put(&out, snapshot(&snap));
	while (out.n <= 33 * 1024)
		buf_put(&out, slice_from(snapshot(&snap), 1));
	CHECK_ERR(report(n, "fe2", SERVICE_SMTP, 0, buf_slice(&out)), E_TOO_BIG);
	buf_reset(&out);
	CHECK_ERR(nodes_render(n, "be1", &out, &d), E_OK);
	nodes_free(&n);
	buf_fini(&snap);
	buf_fini(&out);
	clock_replace(NULL, NULL);
}

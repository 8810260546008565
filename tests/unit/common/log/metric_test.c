#include "common/log/metric.h"

#include <pthread.h>

#include "common/base/num.h"
#include "tests/lib/check.h"

METRIC_COUNTER(plain, "t_plain_total", "A counter");
METRIC_COUNTER(accepted, "t_messages_total", "Messages", {"result", "accepted"}, {"by", "x\"y\\z"});
METRIC_COUNTER(refused, "t_messages_total", "Messages", {"result", "refused"});
METRIC_GAUGE(level, "t_level", "A gauge");
METRIC_HISTOGRAM(wait_us, "t_wait_seconds", "A histogram", METRIC_US,
		 METRIC_BOUNDS(1000, 2500, 1000000));

static slice_t text_of(struct buf *out, const struct metric_part *parts, size_t n)
{
	struct diag d = {""};

	buf_reset(out);
	CHECK_ERR(metric_render(out, parts, n, &d), E_OK);
	CHECK_STR(d.text, "");
	return buf_slice(out);
}

static bool has(slice_t text, const char *line)
{
	return slice_find(text, slice_str(line)) < text.n;
}

static void set_level(void *arg)
{
	metric_set(&level, *(int64_t *)arg);
}

TEST(metric_text)
{
	static int64_t wanted = -5;
	static struct metric_hook hook = {.fn = set_level, .arg = &wanted};
	struct buf snap, out;
	struct metric_part p = {0};
	slice_t text;

	buf_init(&snap, 1 << 20, NULL);
	buf_init(&out, 1 << 20, NULL);
	metric_add(&accepted, 3);
	metric_add(&refused, 1);
	CHECK_INT(metric_get(&accepted), 3);
	metric_hook(&hook);
	metric_observe(&wait_us, 0);
	metric_observe(&wait_us, 1000);
	metric_observe(&wait_us, 1001);
	metric_observe(&wait_us, 2000000);
	metric_snapshot(&snap);
	CHECK_ERR(metric_check(buf_slice(&snap), NULL), E_OK);
	p.snapshot = buf_slice(&snap);
	text = text_of(&out, &p, 1);
	CHECK(has(text, "# HELP postern_t_plain_total A counter\n# TYPE postern_t_plain_total "
			"counter\npostern_t_plain_total 0\n"));
	CHECK(has(text, "postern_t_messages_total{by=\"x\\\"y\\\\z\",result=\"accepted\"} 3\n"));
	CHECK(has(text, "postern_t_messages_total{result=\"refused\"} 1\n"));
	CHECK(has(text, "# TYPE postern_t_level gauge\npostern_t_level -5\n"));
	CHECK(has(text, "postern_t_wait_seconds_bucket{le=\"0.001\"} 2\n"
			"postern_t_wait_seconds_bucket{le=\"0.0025\"} 3\n"
			"postern_t_wait_seconds_bucket{le=\"1\"} 3\n"
			"postern_t_wait_seconds_bucket{le=\"+Inf\"} 4\n"
			"postern_t_wait_seconds_sum 2.002001\n"
			"postern_t_wait_seconds_count 4\n"));
	buf_fini(&snap);
	buf_fini(&out);
}

/* Two nodes: one family line, both series, and the receiver's labels win. */
TEST(metric_parts_with_labels)
{
	struct buf snap, out;
	struct metric_part p[2] = {0};
	slice_t text;
	size_t first;

	buf_init(&snap, 1 << 20, NULL);
	buf_init(&out, 1 << 20, NULL);
	metric_snapshot(&snap);
	for (int i = 0; i < 2; i++) {
		p[i].snapshot = buf_slice(&snap);
		p[i].labels[0] = (struct metric_label){"node", i == 0 ? "fe1" : "fe2"};
		p[i].labels[1] = (struct metric_label){"result", "mine"};
	}
	text = text_of(&out, p, 2);
	CHECK(has(text, "postern_t_plain_total{node=\"fe1\",result=\"mine\"} 0\n"
			"postern_t_plain_total{node=\"fe2\",result=\"mine\"} 0\n"));
	CHECK(!has(text, "result=\"refused\""));
	first = slice_find(text, SL("# TYPE postern_t_plain_total"));
	CHECK(!has(slice_from(text, first + 1), "# TYPE postern_t_plain_total"));
	buf_fini(&snap);
	buf_fini(&out);
}

/* A captured front-end's bytes: refused at every cut; never a crash for any one byte changed. */
TEST(metric_snapshot_is_not_trusted)
{
	struct metric_part p = {0};
	struct buf snap, out;
	struct diag d;
	size_t ends = 0;

	buf_init(&snap, 1 << 20, NULL);
	buf_init(&out, 1 << 20, NULL);
	metric_snapshot(&snap);
	for (size_t n = 0; n < snap.n; n++)
		ends += metric_check(slice_sub(buf_slice(&snap), 0, n), &d) == E_OK;
	CHECK(ends >= 5 && ends < 200); /* ends of samples only */
	for (size_t i = 0; i < snap.n; i++) {
		char old = snap.p[i];

		snap.p[i] = (char)(old ^ 0x81);
		p.snapshot = buf_slice(&snap);
		buf_reset(&out);
		if (metric_render(&out, &p, 1, &d) != E_OK)
			CHECK_INT(out.n, 0);
		snap.p[i] = old;
	}
	buf_fini(&snap);
	buf_fini(&out);
}

static void put_sample(struct buf *b, const char *head, const char *name, const char *labels)
{
	buf_puts(b, head);
	buf_putc(b, (char)strlen(name));
	buf_puts(b, name);
	buf_putc(b, 0);
	buf_puts(b, labels);
	buf_put(b, SL("\0\0\0\0\0\0\0\1"));
}

TEST(metric_refuses_bad_names)
{
	static const char *const names[] = {"", "1a", "A", "a-b", "a{b", "a\nb", "a b", "\xc3\xbc"};
	static const char *const labels[] = {
		"\1\1-\1x",                         /* not a name */
		"\1\2le\1x",                        /* ours */
		"\2\1a\1x\1a\1y",                   /* twice */
		"\2\1b\1x\1a\1y",                   /* out of order */
		"\1\1a\1\xff",                      /* not UTF-8 */
		"\5\1a\1x\1b\1x\1c\1x\1d\1x\1e\1x", /* too many */
	};
	struct buf b;

	buf_init(&b, 1024, NULL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		buf_reset(&b);
		buf_putc(&b, 1);
		buf_putc(&b, METRIC_K_COUNTER);
		put_sample(&b, "", names[i], "");
		check_note("name %zu", i);
		CHECK_ERR(metric_check(buf_slice(&b), NULL), E_INVALID);
	}
	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		buf_reset(&b);
		buf_putc(&b, 1);
		put_sample(&b, "\1", "ok", labels[i]);
		check_note("labels %zu", i);
		CHECK_ERR(metric_check(buf_slice(&b), NULL), E_INVALID);
	}
	buf_reset(&b);
	buf_putc(&b, 1);
	put_sample(&b, "\1", "ok", "\1\1a\1x");
	CHECK_ERR(metric_check(buf_slice(&b), NULL), E_OK);
	buf_fini(&b);
}

TEST(metric_limits_and_doubles)
{
	struct metric_part p = {0};
	struct buf b, out;
	struct diag d;

	buf_init(&b, 1 << 20, NULL);
	buf_init(&out, 1 << 20, NULL);
	buf_putc(&b, 1);
	for (int i = 0; i < METRIC_SAMPLES_MAX; i++)
		put_sample(&b, "\1", "same", "\1\1a\1x");
	p.snapshot = buf_slice(&b);
	CHECK_ERR(metric_render(&out, &p, 1, &d), E_OK);
	CHECK_SLICE(buf_slice(&out), SL("# HELP postern_same \n# TYPE postern_same gauge\n"
					"postern_same{a=\"x\"} 1\n"));
	put_sample(&b, "\1", "same", "\1\1a\1x");
	CHECK_ERR(metric_check(buf_slice(&b), &d), E_INVALID);

	/* Another kind under a family's name is left out. */
	buf_reset(&b);
	buf_putc(&b, 1);
	put_sample(&b, "\1", "same", "\1\1a\1x");
	buf_putc(&b, METRIC_K_COUNTER);
	put_sample(&b, "", "same", "\1\1a\1y");
	buf_reset(&out);
	p.snapshot = buf_slice(&b);
	CHECK_ERR(metric_render(&out, &p, 1, &d), E_OK);
	CHECK(!has(buf_slice(&out), "a=\"y\""));

	CHECK_ERR(metric_check(SLICE_NONE, &d), E_INVALID);
	CHECK_ERR(metric_check(SL("\2"), &d), E_INVALID);
	CHECK_ERR(metric_check(SL("\1"), &d), E_OK);
	buf_fini(&out);
	buf_init(&out, 10, NULL);
	CHECK_ERR(metric_render(&out, &p, 1, &d), E_LIMIT);
	buf_fini(&out);
	buf_fini(&b);
}

static void *add_many(void *arg)
{
	for (int i = 0; i < 10000; i++)
		metric_add(arg, 1);
	return NULL;
}

TEST(metric_counts_from_threads)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		REQUIRE(pthread_create(&t[i], NULL, add_many, &plain) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	CHECK_INT(metric_get(&plain), 40000);
}

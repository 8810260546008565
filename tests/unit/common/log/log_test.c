#include "common/log/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "tests/lib/check.h"

static struct buf lines;

static void keep_line(slice_t line, void *arg)
{
	(void)arg;
	buf_put(&lines, line);
}

static int64_t fake_wall_us(void)
{
	return 1795285563123456; /* 2026-11-21T18:26:03.123456Z */
}

static void start(void)
{
	buf_init(&lines, 1 << 20, NULL);
	clock_replace(fake_wall_us, NULL);
	log_redirect(keep_line, NULL);
	log_setup(LOG_INFO, LOG_FIELDS(LF_STR("node", "fe1")));
}

static void stop(void)
{
	log_redirect(NULL, NULL);
	clock_replace(NULL, NULL);
	log_setup(LOG_INFO, LOG_FIELDS({0}));
	buf_fini(&lines);
}

TEST(log_line)
{
	struct log_ctx listener, session;

	start();
	log_ctx_init(&listener, NULL, LOG_FIELDS(LF_STR("service", "smtp")));
	log_ctx_init(&session, &listener, LOG_FIELDS(LF_HEX("session", SL("\x01\xab"))));
	log_ctx_add(&session, LOG_FIELDS(LF_STR("peer", "192.0.2.1")));
	LOG(LOG_INFO, &session, "smtp.rcpt", LF_SLICE("to", SL("a@b")), LF_ERR("status", E_QUOTA),
	    LF_INT("n", -3), LF_UINT("u", UINT64_MAX), LF_ERRNO("errno", ENOSPC));
	CHECK_SLICE(buf_slice(&lines),
		    SL("ts=2026-11-21T18:26:03.123456Z level=info event=smtp.rcpt node=fe1 "
		       "service=smtp session=01ab peer=192.0.2.1 to=a@b status=quota n=-3 "
		       "u=18446744073709551615 errno=ENOSPC\n"));
	buf_reset(&lines);
	LOG(LOG_ERROR, NULL, "plain");
	CHECK_SLICE(buf_slice(&lines),
		    SL("ts=2026-11-21T18:26:03.123456Z level=error event=plain node=fe1\n"));
	stop();
}

TEST(log_threshold_drops)
{
	start();
	LOG(LOG_DEBUG, NULL, "quiet");
	CHECK_INT(lines.n, 0);
	log_threshold = LOG_DEBUG;
	LOG(LOG_DEBUG, NULL, "loud");
	CHECK(lines.n != 0);
	stop();
}

/* No peer can forge a line or a field. */
TEST(log_escapes)
{
	static const struct {
		slice_t value;
		const char *want;
	} rows[] = {
		{{"plain-@<>[]", 11}, "v=plain-@<>[]\n"},
		{{"", 0}, "v=\"\"\n"},
		{{"a b", 3}, "v=\"a b\"\n"},
		{{"a=b", 3}, "v=\"a=b\"\n"},
		{{"say \"x\"", 7}, "v=\"say \\\"x\\\"\"\n"},
		{{"back\\", 5}, "v=\"back\\\\\"\n"},
		{{"x\r\nts=1 level=info", 18}, "v=\"x\\r\\nts=1 level=info\"\n"},
		{{"\t\0\x1b\x7f", 4}, "v=\"\\t\\x00\\x1b\\x7f\"\n"},
		{{"\xc3\xbc", 2}, "v=\"\\xc3\\xbc\"\n"},
	};

	start();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_reset(&lines);
		LOG(LOG_INFO, NULL, "e", LF_SLICE("v", rows[i].value));
		CHECK_SLICE(
			slice_from(buf_slice(&lines), slice_find(buf_slice(&lines), SL("v=\""))),
			slice_from(slice_str(rows[i].want),
				   slice_find(slice_str(rows[i].want), SL("v=\""))));
		CHECK(slice_ends(buf_slice(&lines), slice_str(rows[i].want)));
		CHECK_INT(slice_find_char(buf_slice(&lines), '\n'), lines.n - 1);
	}
	stop();
}

TEST(log_limits)
{
	struct log_ctx levels[12], c;
	char big[1000];

	start();
	memset(big, 'x', sizeof big);
	LOG(LOG_INFO, NULL, "e", LF_SLICE("v", slice(big, sizeof big)));
	CHECK(lines.n < 400 && slice_ends(buf_slice(&lines), SL("x...\"\n")));

	/* All of a line that is too long is one line, with a mark. */
	buf_reset(&lines);
	memset(big, '\1', sizeof big);
	LOG(LOG_INFO, NULL, "e", LF_SLICE("a", slice(big, 256)), LF_SLICE("b", slice(big, 256)),
	    LF_SLICE("c", slice(big, 256)));
	CHECK(lines.n <= 2048 && slice_ends(buf_slice(&lines), SL(" cut=1\n")));
	CHECK_INT(slice_find_char(buf_slice(&lines), '\n'), lines.n - 1);
	CHECK(slice_find(buf_slice(&lines), SL(" b=")) == lines.n);

	/* A context keeps whole fields only. */
	log_ctx_init(&c, NULL, LOG_FIELDS(LF_STR("k", "v"), LF_SLICE("long", slice(big, 200))));
	CHECK_SLICE(slice(c.text, c.n), SL(" k=v"));
	log_ctx_add(&c, LOG_FIELDS(LF_STR("more", "1")));
	CHECK_SLICE(slice(c.text, c.n), SL(" k=v more=1"));

	for (int i = 0; i < 12; i++)
		log_ctx_init(&levels[i], i > 0 ? &levels[i - 1] : NULL,
			     LOG_FIELDS(LF_INT("level", i)));
	buf_reset(&lines);
	LOG(LOG_INFO, &levels[11], "deep");
	CHECK(slice_ends(buf_slice(&lines), SL(" level=4 level=5 level=6 level=7 level=8 level=9"
					       " level=10 level=11\n")));
	stop();
}

TEST(log_keeps_errno)
{
	start();
	errno = EBADF;
	LOG(LOG_INFO, NULL, "e");
	CHECK_INT(errno, EBADF);
	CHECK_STR(log_errno(0x7fff), "E?");
	stop();
}

#define THREADS 4
#define EACH    500

static void *write_many(void *arg)
{
	for (int i = 0; i < EACH; i++)
		LOG(LOG_INFO, NULL, "many",
		    LF_STR("pad", "0123456789012345678901234567890123456789"),
		    LF_INT("thread", *(int *)arg), LF_STR("end", "yes"));
	return NULL;
}

/* Lines of threads never mix: each is written whole. */
TEST(log_threads_do_not_mix)
{
	pthread_t t[THREADS];
	int ids[THREADS], saved = dup(STDERR_FILENO);
	char path[512], line[512];
	unsigned n = 0;
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/log", check_tmpdir());
	f = fopen(path, "w+");
	REQUIRE(f != NULL && saved >= 0);
	fclose(f);
	f = fopen(path, "a+");
	REQUIRE(f != NULL && dup2(fileno(f), STDERR_FILENO) >= 0);
	for (int i = 0; i < THREADS; i++) {
		ids[i] = i;
		REQUIRE(pthread_create(&t[i], NULL, write_many, &ids[i]) == 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	REQUIRE(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	rewind(f);
	while (fgets(line, sizeof line, f) != NULL) {
		n++;
		CHECK(slice_starts(slice_str(line), SL("ts=20")));
		CHECK(slice_ends(slice_str(line), SL(" end=yes\n")));
	}
	CHECK_INT(n, THREADS * EACH);
	fclose(f);
}

static int64_t mono_us;

static int64_t fake_mono_us(void)
{
	return mono_us;
}

static unsigned count_lines(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < lines.n; i++)
		n += lines.p[i] == '\n';
	return n;
}

static void seldom(void)
{
	LOG_SELDOM(LOG_WARN, NULL, "t.seldom", LF_INT("n", 1));
}

/* What a peer can cause without end is written a number of times, then counted. */
TEST(log_seldom)
{
	start();
	mono_us = 5000000;
	clock_replace(fake_wall_us, fake_mono_us);
	for (unsigned i = 0; i < LOG_BURST + 500; i++)
		seldom();
	CHECK_INT(count_lines(), LOG_BURST);
	CHECK(slice_find(buf_slice(&lines), SL("left_out")) == lines.n);
	mono_us += 1000000;
	buf_reset(&lines);
	for (unsigned i = 0; i < 50; i++)
		seldom();
	CHECK_INT(count_lines(), LOG_SELDOM_PER_S);
	CHECK(slice_find(buf_slice(&lines), SL("event=t.seldom node=fe1 n=1 left_out=500\n")) <
	      lines.n);
	/* A long rest brings back all of it, and no more. */
	mono_us += 3600LL * 1000000;
	buf_reset(&lines);
	for (unsigned i = 0; i < 2 * LOG_BURST; i++)
		seldom();
	CHECK_INT(count_lines(), LOG_BURST);
	stop();
}

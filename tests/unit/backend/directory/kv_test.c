/* dir_kv: the one in memory and the one on the node's environment do the same. */
#include "backend/directory/dir_copy.h"
#include "backend/store/node.h"
#include "common/base/buf.h"
#include "common/base/num.h"
#include "common/loop/fiber.h"
#include "tests/lib/check.h"

struct seen {
	struct buf text;
	unsigned n, stop_after;
};

static bool see(slice_t key, slice_t value, void *arg)
{
	struct seen *s = arg;

	buf_put(&s->text, key);
	buf_putc(&s->text, '=');
	buf_put(&s->text, value);
	buf_putc(&s->text, ' ');
	return ++s->n != s->stop_after;
}

WAITS static void check_scan(const struct dir_kv *kv, const char *prefix, unsigned stop_after,
			     const char *want)
{
	struct seen s = {.stop_after = stop_after};

	buf_init(&s.text, 4096, NULL);
	CHECK_ERR(kv->scan(kv->ctx, slice_str(prefix), see, &s), E_OK);
	CHECK_SLICE(buf_slice(&s.text), slice_str(want));
	buf_fini(&s.text);
}

static bool count(slice_t key, slice_t value, void *arg)
{
	(void)key;
	(void)value;
	(*(unsigned *)arg)++;
	return true;
}

WAITS static void exercise(const struct dir_kv *kv)
{
	struct dir_kv_op first[] = {
		{SL("dir/b"), SL("2")}, {SL("dir/a"), SL("1")}, {SL("dir/c"), SL("")}};
	struct dir_kv_op second[] = {
		{SL("dir/a"), SLICE_NONE}, {SL("dir/none"), SLICE_NONE}, {SL("dir/b"), SL("two")}};
	struct dir_kv_op lazy[] = {{SL("auth/x"), SL("1")}, {SL("auth/y"), SLICE_NONE}};
	unsigned n = 0;

	CHECK_ERR(kv->apply(kv->ctx, first, 3, DIR_KV_SYNC), E_OK);
	check_scan(kv, "dir/", 0, "dir/a=1 dir/b=2 dir/c= ");
	check_scan(kv, "dir/", 2, "dir/a=1 dir/b=2 ");
	check_scan(kv, "dir/b", 0, "dir/b=2 ");
	CHECK_ERR(kv->apply(kv->ctx, second, 3, DIR_KV_SYNC), E_OK);
	check_scan(kv, "dir/", 0, "dir/b=two dir/c= ");
	CHECK_ERR(kv->apply(kv->ctx, lazy, 2, DIR_KV_LAZY), E_OK);
	check_scan(kv, "auth/", 0, "auth/x=1 ");
	check_scan(kv, "dir/", 0, "dir/b=two dir/c= ");
	CHECK_ERR(kv->apply(kv->ctx, first, 0, DIR_KV_SYNC), E_OK);
	/* More than one step of a scan. */
	for (uint32_t i = 0; i < 3000; i++) {
		char key[12] = "dir/n";
		struct dir_kv_op op = {slice(key, 9), SL("v")};

		be32_put(key + 5, i);
		CHECK_ERR(kv->apply(kv->ctx, &op, 1, DIR_KV_LAZY), E_OK);
	}
	CHECK_ERR(kv->scan(kv->ctx, SL("dir/n"), count, &n), E_OK);
	CHECK_INT(n, 3000);
}

TEST_FIBER(kv_in_memory)
{
	struct dir_kv_mem *m = dir_kv_mem_new();

	exercise(dir_kv_mem_ops(m));
	dir_kv_mem_free(&m);
}

TEST_FIBER(kv_of_the_node)
{
	struct dir_kv_node *k;
	struct node *n = NULL;
	struct diag d = {.text = ""};

	REQUIRE(node_open(check_tmpdir(), 64 << 20, &n, &d) == E_OK);
	k = dir_kv_node_new(n);
	exercise(dir_kv_node_ops(k));
	dir_kv_node_free(&k);
	node_close(&n);
	/* What was written is there again. */
	REQUIRE(node_open(check_tmpdir(), 64 << 20, &n, &d) == E_OK);
	k = dir_kv_node_new(n);
	check_scan(dir_kv_node_ops(k), "dir/b", 0, "dir/b=two ");
	check_scan(dir_kv_node_ops(k), "auth/", 0, "auth/x=1 ");
	dir_kv_node_free(&k);
	node_close(&n);
}

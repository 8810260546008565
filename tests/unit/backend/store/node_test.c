#include "backend/store/node.h"
#include "tests/lib/check.h"

static void check_value(struct node *n, enum node_table t, const char *key, const char *want)
{
	struct buf b;
	enum err e;

	buf_init(&b, NODE_VALUE_MAX, NULL);
	e = node_get(n, t, slice_str(key), &b);
	CHECK_ERR(e, want != NULL ? E_OK : E_NOT_FOUND);
	if (want != NULL)
		CHECK_SLICE(buf_slice(&b), slice_str(want));
	buf_fini(&b);
}

static struct node *open_node(const char *dir)
{
	struct node *n = NULL;
	struct diag d;

	CHECK_ERR(node_open(dir, 16u << 20, &n, &d), E_OK);
	return n;
}

TEST(node_lazy_and_synced)
{
	const char *dir = check_tmpdir();
	struct node *n = open_node(dir), *second;
	struct diag d;

	REQUIRE(n != NULL);
	CHECK_ERR(node_open(dir, 0, &second, &d), E_BUSY);
	CHECK_ERR(node_put(n, NODE_HINTS, SL("a"), SL("1"), NODE_LAZY), E_OK);
	check_value(n, NODE_HINTS, "a", "1");
	check_value(n, NODE_DIRECTORY, "a", NULL);
	CHECK_ERR(node_put(n, NODE_HINTS, SL("a"), SL("2"), NODE_LAZY), E_OK);
	CHECK_ERR(node_flush(n), E_OK);
	check_value(n, NODE_HINTS, "a", "2");
	CHECK_ERR(node_del(n, NODE_HINTS, SL("a"), NODE_LAZY), E_OK);
	check_value(n, NODE_HINTS, "a", NULL);
	CHECK_ERR(node_put(n, NODE_DIRECTORY, SL("d"), SL("x"), NODE_SYNCED), E_OK);
	check_value(n, NODE_HINTS, "a", NULL);
	CHECK_ERR(node_put(n, NODE_HINTS, SL("late"), SL("l"), NODE_LAZY), E_OK);
	node_close(&n);
	n = open_node(dir);
	REQUIRE(n != NULL);
	check_value(n, NODE_HINTS, "late", "l");
	check_value(n, NODE_HINTS, "a", NULL);
	check_value(n, NODE_DIRECTORY, "d", "x");
	CHECK_ERR(node_put(n, NODE_HINTS, SL(""), SL("1"), NODE_LAZY), E_INVALID);
	node_close(&n);
}

static void collect(void *arg, slice_t key, slice_t value)
{
	struct buf *b = arg;

	buf_put(b, key);
	buf_putc(b, '=');
	buf_put(b, value);
	buf_putc(b, ' ');
}

TEST(node_scan_and_write)
{
	static const struct node_change v[] = {
		{SL("p/1"), SL("a"), false},
		{SL("p/2"), SL("b"), false},
		{SL("q"), SL("c"), false},
	};
	struct node *n = open_node(check_tmpdir());
	struct buf b;
	size_t got;

	REQUIRE(n != NULL);
	buf_init(&b, 1000, NULL);
	CHECK_ERR(node_write(n, NODE_DIRECTORY, v, 3), E_OK);
	CHECK_ERR(node_put(n, NODE_DIRECTORY, SL("p/3"), SL("z"), NODE_LAZY), E_OK);
	CHECK_ERR(node_scan(n, NODE_DIRECTORY, SL("p/"), SLICE_NONE, 10, collect, &b, &got), E_OK);
	CHECK_SLICE(buf_slice(&b), SL("p/1=a p/2=b p/3=z "));
	buf_reset(&b);
	CHECK_ERR(node_scan(n, NODE_DIRECTORY, SL("p/"), SL("p/1"), 1, collect, &b, &got), E_OK);
	CHECK_SLICE(buf_slice(&b), SL("p/2=b "));
	CHECK_INT(got, 1);
	CHECK_ERR(node_clear(n, NODE_DIRECTORY), E_OK);
	check_value(n, NODE_DIRECTORY, "q", NULL);
	buf_fini(&b);
	node_close(&n);
}

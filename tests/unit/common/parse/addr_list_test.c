#include "common/parse/addr.h"

#include "tests/lib/check.h"

/* A list as one line: NAME|ROUTE|LOCAL|DOMAIN, with ! after a malformed item; {NAME and } for
 * groups; items end with ";". A list with something malformed ends with "!". */
static void render(const struct addr_list *l, struct buf *out)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct addr_item *a = &l->items[i];

		switch (a->kind) {
		case ADDR_GROUP_START:
			buf_putc(out, '{');
			buf_put(out, a->name);
			break;
		case ADDR_GROUP_END:
			buf_putc(out, '}');
			break;
		case ADDR_MAILBOX:
			buf_put(out, a->name);
			buf_putc(out, '|');
			buf_put(out, a->route);
			buf_putc(out, '|');
			buf_put(out, a->local);
			buf_putc(out, '|');
			buf_put(out, a->domain);
			break;
		}
		buf_puts(out, a->malformed ? "!;" : ";");
	}
	if (l->malformed)
		buf_putc(out, '!');
}

static void check_list(const char *text, const char *want)
{
	struct addr_list l;
	struct arena mem;
	struct buf out;

	arena_init(&mem, NULL);
	buf_init(&out, 65536, NULL);
	check_note("%s", text);
	CHECK_ERR(addr_list_parse(slice_str(text), ADDR_LIST_MAX, &mem, &l), E_OK);
	render(&l, &out);
	CHECK_SLICE(buf_slice(&out), slice_str(want));
	CHECK(!l.cut);
	buf_fini(&out);
	arena_reset(&mem);
}

TEST(addr_list_good)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"", ""},
		{" \r\n ", ""},
		{"a@b", "||a|b;"},
		{"a@b,c@d", "||a|b;||c|d;"},
		{"<a@b>", "||a|b;"},
		{"Joe <a@b>", "Joe||a|b;"},
		{"Joe  Q.\r\n Public <a@b> , x@y", "Joe Q. Public||a|b;||x|y;"},
		{"\"Joe, \\\"Q\\\" Public\" <a@b>", "Joe, \"Q\" Public||a|b;"},
		{"\"Joe\" Smith <a@b>", "Joe Smith||a|b;"},
		{"=?utf-8?q?J=F6?= =?utf-8?q?x?= <a@b>", "=?utf-8?q?J=F6?= =?utf-8?q?x?=||a|b;"},
		{"J\xc3\xb6rg <j\xc3\xb6@\xc3\xb6>", "J\xc3\xb6rg||j\xc3\xb6|\xc3\xb6;"},
		{"a@b (Joe Public)", "Joe Public||a|b;"},
		{"(c1) a (c2) @ (c3) b (c4 (n\\)ested) x)", "c4 (n)ested) x||a|b;"},
		{"\"john smith\"@x", "||john smith|x;"},
		{"john . smith @ x . y", "||john.smith|x.y;"},
		{"a@[192.0.2.1]", "||a|[192.0.2.1];"},
		{"<@r1,@r2:a@b>", "|@r1,@r2|a|b;"},
		{"N <@ r1 , @r2 : a@b>", "N|@r1,@r2|a|b;"},
		{"Undisclosed recipients:;", "{Undisclosed recipients;};"},
		{"A Group: Ed <joe@where.test>, joe@x, (c) ;, z@y",
		 "{A Group;Ed||joe|where.test;||joe|x;};||z|y;"},
		{",, a@b ,,", "||a|b;"},
		{"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
		 "Pete||pete|silly.test;"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_list(rows[i].text, rows[i].want);
}

TEST(addr_list_malformed)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"root", "||root|!;!"},
		{"John Smith", "||John Smith|!;!"},
		{"root, a@b", "||root|!;||a|b;!"},
		{"a@b c@d", "||a|b!;!"},
		{"a@b <c@d>", "||a|b!;!"},
		{"a@", "||a|!;!"},
		{"@b", "||b|!;!"},
		{"a@b@c", "||a|b!;!"},
		{"<>", "|||!;!"},
		{"<a>", "||a|!;!"},
		{"<a@b", "||a|b!;!"},
		{"<a@b, c@d", "||a|b!;||c|d;!"},
		{"<a b@c>", "||ab|c!;!"},
		{"<a@b c>", "||a|b!;!"},
		{"\"unclosed <a@b>", "||unclosed <a@b>|!;!"},
		{"a@b (unclosed", "unclosed||a|b!;!"},
		{"a@[1.2.3.4, c@d", "||a|[1.2.3.4!;||c|d;!"},
		{"g: a@b, c@d", "{g;||a|b;||c|d!;};!"},
		{"g: h: a@b;", "{g;||h a|b!;};!"},
		{"a@b;", "||a|b;!"},
		{";", "!"},
		{":", "!"},
		{"<@r a@b>", "|@ra@b||!;!"},
		{"J S a@b", "||J S a|b!;!"},
		{"a\\b@c", "||ab|c!;!"},
		{"a@b\x01, c@d", "||a|b!;||c|d;!"},
		{"\"a\x01"
		 "b\" <c@d>",
		 "ab||c|d!;!"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_list(rows[i].text, rows[i].want);
}

TEST(addr_list_limits)
{
	struct addr_list l;
	struct budget budget;
	struct arena mem;
	struct buf b;

	buf_init(&b, 1 << 20, NULL);
	for (int i = 0; i < ADDR_LIST_MAX + 10; i++)
		buf_puts(&b, "a@b,");
	arena_init(&mem, NULL);
	CHECK_ERR(addr_list_parse(buf_slice(&b), SIZE_MAX, &mem, &l), E_OK);
	CHECK(l.cut);
	CHECK_INT(l.n, ADDR_LIST_MAX);
	CHECK_ERR(addr_list_parse(buf_slice(&b), 3, &mem, &l), E_OK);
	CHECK(l.cut && l.n == 3);
	CHECK_ERR(addr_list_parse(SL("a@b,a@b,a@b"), 3, &mem, &l), E_OK);
	CHECK(!l.cut && l.n == 3);
	arena_reset(&mem);

	budget_init(&budget, 8192, NULL);
	arena_init(&mem, &budget);
	CHECK_ERR(addr_list_parse(buf_slice(&b), ADDR_LIST_MAX, &mem, &l), E_LIMIT);
	CHECK(l.n == 0 && l.items == NULL);
	arena_reset(&mem);
	budget_fini(&budget);

	buf_reset(&b);
	for (int i = 0; i < ADDR_COMMENT_DEPTH; i++)
		buf_putc(&b, '(');
	for (int i = 0; i < ADDR_COMMENT_DEPTH; i++)
		buf_putc(&b, ')');
	buf_puts(&b, "a@b");
	arena_init(&mem, NULL);
	CHECK_ERR(addr_list_parse(buf_slice(&b), 10, &mem, &l), E_OK);
	CHECK(!l.malformed);
	b.p[ADDR_COMMENT_DEPTH] = '(';
	CHECK_ERR(addr_list_parse(buf_slice(&b), 10, &mem, &l), E_OK);
	CHECK(l.malformed);
	/* A million open brackets cost no stack. */
	buf_reset(&b);
	while (b.n < 1000000)
		buf_putc(&b, '(');
	CHECK_ERR(addr_list_parse(buf_slice(&b), 10, &mem, &l), E_OK);
	CHECK(l.malformed && l.n == 0);
	arena_reset(&mem);
	buf_fini(&b);
}

/* Cut anywhere, quotes turned inside out by the cut included: never more items than separators
 * allow. */
TEST(addr_list_every_prefix)
{
	slice_t text = SL("\"A \\\" B\" (c(d)) <@x,@y:\"l l\" . m@[1.2.3.4]>, g: p@q (n), r;, s@t");
	struct addr_list l;
	struct arena mem;

	arena_init(&mem, NULL);
	for (size_t n = 0; n <= text.n; n++) {
		CHECK_ERR(addr_list_parse(slice_sub(text, 0, n), 100, &mem, &l), E_OK);
		CHECK(l.n <= 8);
		CHECK_ERR(addr_list_parse(slice_from(text, n), 100, &mem, &l), E_OK);
		CHECK(l.n <= 8);
		arena_reset(&mem);
	}
}

/* JSON as tokens: what is none, limits, and what strings mean. */
#include "common/parse/json.h"

#include <stdio.h>

#include "tests/lib/check.h"

/* All tokens of a text, a letter each; keys before a colon. */
static void spell(slice_t text, struct buf *out)
{
	static const char letters[] = "{[.snTFN;!";
	struct json_token t;
	struct json j;

	json_init(&j, text);
	do {
		json_next(&j, &t);
		if (t.key.p != NULL) {
			buf_put(out, t.key);
			buf_putc(out, ':');
		}
		buf_putc(out, letters[t.kind]);
		buf_put(out, t.text);
	} while (t.kind != JSON_BAD && t.kind != JSON_OVER);
}

TEST(json_tokens)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"{}", "{.;"},
		{" [ ] ", "[.;"},
		{"{\"a\": 1, \"b\": [true, false, null, \"x\"]}", "{a:n1b:[TFNsx..;"},
		{"[{\"\":{}},[]]", "[{:{..[..;"},
		{"\"x\\\"y\"", "sx\\\"y;"},
		{"-0.5e+10", "n-0.5e+10;"},
		{"0", "n0;"},
		{"1E-2", "n1E-2;"},
		/* None. */
		{"", "!"},
		{"{", "{!"},
		{"[1,]", "[n1!"},
		{"[,1]", "[!"},
		{"[1 2]", "[n1!"},
		{"{\"a\"}", "{!"},
		{"{\"a\":}", "{!"},
		{"{\"a\":1,}", "{a:n1!"},
		{"{a:1}", "{!"},
		{"{1:1}", "{!"},
		{"[}", "[!"},
		{"{]", "{!"},
		{"{} {}", "{.!"},
		{"01", "n0!"},
		{"+1", "!"},
		{"-", "!"},
		{"1.", "!"},
		{".5", "!"},
		{"1e", "!"},
		{"tru", "!"},
		{"nul", "!"},
		{"'x'", "!"},
		{"\"x", "!"},
		{"\"x\\", "!"},
		{"\"x\ny\"", "!"},
		{"NaN", "!"},
		{"]", "!"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf got;

		check_note("%s", rows[i].text);
		buf_init(&got, 1024, NULL);
		spell(slice_str(rows[i].text), &got);
		CHECK_SLICE(buf_slice(&got), slice_str(rows[i].want));
		buf_fini(&got);
	}
}

TEST(json_depth_is_bounded)
{
	char text[JSON_DEPTH_MAX + 2];
	struct json_token t;
	struct json j;

	memset(text, '[', sizeof text);
	json_init(&j, slice(text, sizeof text));
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		CHECK_INT(json_next(&j, &t), JSON_ARRAY);
	CHECK_INT(json_next(&j, &t), JSON_BAD);
	CHECK_INT(json_next(&j, &t), JSON_BAD);
}

TEST(json_values_are_bounded)
{
	struct buf text;
	struct json_token t;
	struct json j;
	size_t n = 0;

	buf_init(&text, 4 * JSON_VALUES_MAX, NULL);
	buf_puts(&text, "[0");
	for (size_t i = 1; i < JSON_VALUES_MAX; i++)
		buf_puts(&text, ",0");
	buf_puts(&text, "]");
	json_init(&j, buf_slice(&text));
	CHECK_INT(json_next(&j, &t), JSON_ARRAY);
	while (json_next(&j, &t) == JSON_NUMBER)
		n++;
	CHECK_INT(t.kind, JSON_BAD);
	CHECK_INT(n, JSON_VALUES_MAX - 1);
	buf_fini(&text);
}

TEST(json_skips)
{
	struct json_token t;
	struct json j;

	json_init(&j, SL("{\"a\":{\"b\":[1,{}]},\"c\":[[]],\"d\":2}"));
	CHECK_INT(json_next(&j, &t), JSON_OBJECT);
	CHECK_INT(json_next(&j, &t), JSON_OBJECT);
	json_skip(&j, &t);
	CHECK_INT(json_next(&j, &t), JSON_ARRAY);
	CHECK_SLICE(t.key, SL("c"));
	json_skip(&j, &t);
	CHECK_INT(json_next(&j, &t), JSON_NUMBER);
	json_skip(&j, &t);
	CHECK_SLICE(t.key, SL("d"));
	CHECK_INT(json_next(&j, &t), JSON_END);
	CHECK_INT(json_next(&j, &t), JSON_OVER);
}

TEST(json_strings)
{
	static const struct {
		const char *text, *want; /* NULL: it is none */
	} rows[] = {
		{"", ""},
		{"plain \xc3\xa4", "plain \xc3\xa4"},
		{"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
		{"\\u0041\\u00e4\\u20AC", "A\xc3\xa4\xe2\x82\xac"},
		{"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
		{"\\", NULL},
		{"\\x", NULL},
		{"\\u", NULL},
		{"\\u12", NULL},
		{"\\u12g4", NULL},
		{"\\u0000", NULL},
		{"\\ud83d", NULL},
		{"\\ud83dx", NULL},
		{"\\ud83d\\u0041", NULL},
		{"\\ude00", NULL},
		{"\xff", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf got;
		bool ok;

		check_note("%s", rows[i].text);
		buf_init(&got, 64, NULL);
		ok = json_unescape(slice_str(rows[i].text), &got);
		CHECK(ok == (rows[i].want != NULL));
		if (ok && rows[i].want != NULL)
			CHECK_SLICE(buf_slice(&got), slice_str(rows[i].want));
		buf_fini(&got);
	}
}

/* Cut anywhere, it is another text: none that reads beyond its end. */
TEST(json_cut_short)
{
	static const slice_t whole =
		SL("{\"a\": [1.5e3, true, \"\\u0041\\\"\"], \"b\": {\"c\": null}}");

	for (size_t n = 0; n < whole.n; n++) {
		char *copy = xmalloc(n + 1);
		struct buf got;

		memcpy(copy, whole.p, n);
		buf_init(&got, 256, NULL);
		spell(slice(copy, n), &got);
		CHECK(got.n != 0 && got.p[got.n - 1] == '!');
		buf_fini(&got);
		xfree(&copy);
	}
}

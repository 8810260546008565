/* A submission's header on its way: what is hidden, which domains are masqueraded, and that any cut
 * into pieces gives the same. */
#include "frontend/smtp/smtp_edit.h"

#include "tests/lib/check.h"
#include "tests/unit/frontend/smtp/smtp_lib.h"

static const char *const all[] = {"submission.hide_client=true", "submission.hide_program=true",
				  "masquerade.domain=example.org",
				  "masquerade.from=.example.org,old.example", NULL};
static const char *const nothing[] = {NULL};

static void apply(const char *const *pairs)
{
	policy_begin();
	for (; *pairs != NULL; pairs++) {
		slice_t value, key = servers_key(slice_str(*pairs), &value);

		REQUIRE(policy_set(key, value) == E_OK);
	}
	policy_apply();
}

static void edit(slice_t in, size_t step, struct buf *out)
{
	struct smtp_edit e;

	smtp_edit_init(&e, NULL, NULL);
	for (size_t i = 0; i < in.n; i += step)
		smtp_edit_feed(&e, slice_sub(slice_from(in, i), 0, step), out);
	smtp_edit_end(&e, out);
	smtp_edit_fini(&e);
}

struct row {
	const char *in, *out;
};

static void check_rows(const struct row *rows, size_t n)
{
	static const size_t steps[] = {1, 2, 7, 1000};
	struct buf out;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
			check_note("row %zu, pieces of %zu", i, steps[k]);
			buf_init(&out, 65536, NULL);
			edit(slice_str(rows[i].in), steps[k], &out);
			CHECK_SLICE(buf_slice(&out), slice_str(rows[i].out));
			buf_fini(&out);
		}
	}
}

TEST(edit_changes_what_it_is_told)
{
	static const struct row rows[] = {
		{"", ""},
		{"\r\nbody\r\nFrom: a@h.example.org\r\n", "\r\nbody\r\nFrom: a@h.example.org\r\n"},
		{"From: a@h.example.org\r\n\r\nx", "From: a@example.org\r\n\r\nx"},
		{"From: a@h.example.org", "From: a@example.org"},
		{"FROM :\r\n a@h.EXAMPLE.org\r\n\r\n", "FROM :\r\n a@example.org\r\n\r\n"},
		{"Sender: <a@old.example>\r\nReply-To: a@b.old.example\r\n\r\n",
		 "Sender: <a@example.org>\r\nReply-To: a@b.old.example\r\n\r\n"},
		{"To: a@h.example.org\r\n\r\n", "To: a@h.example.org\r\n\r\n"},
		{"From: \"x@h.example.org\" <a@h.example.org>\r\n\r\n",
		 "From: \"x@h.example.org\" <a@example.org>\r\n\r\n"},
		{"From: (x@h.example.org (\\) y@h.example.org)) a@h.example.org\r\n\r\n",
		 "From: (x@h.example.org (\\) y@h.example.org)) a@example.org\r\n\r\n"},
		{"From: a@h.example.org, b@example.org, c@xexample.org\r\n\r\n",
		 "From: a@example.org, b@example.org, c@xexample.org\r\n\r\n"},
		{"From: \"open a@h.example.org\r\n\r\n", "From: \"open a@h.example.org\r\n\r\n"},
		{"User-Agent: x\r\n y\r\nSubject: s\r\n z\r\nX-Mailer: m\r\n\r\nUser-Agent: x\r\n",
		 "Subject: s\r\n z\r\n\r\nUser-Agent: x\r\n"},
		{"x-originating-ip : [192.0.2.1]\r\n\r\n", "\r\n"},
		{"X-Mailer: m", ""},
		{"X-Mailer", "X-Mailer"},
		{"X-Mailers: m\r\n\r\n", "X-Mailers: m\r\n\r\n"},
		{" folded first\r\nSubject: s\r\n\r\n", " folded first\r\nSubject: s\r\n\r\n"},
		{"no field\r\nX-Mailer: m\r\n\r\n", "no field\r\n\r\n"},
		{"A-name-that-is-longer-than-any-that-is-looked-for: x\r\n\r\n",
		 "A-name-that-is-longer-than-any-that-is-looked-for: x\r\n\r\n"},
		{"From: a@h.example.org\n\nX-Mailer: m\n", "From: a@example.org\n\nX-Mailer: m\n"},
	};

	apply(all);
	check_rows(rows, ARRAY_LEN(rows));
	apply(nothing);
}

TEST(edit_changes_nothing_else)
{
	static const struct row rows[] = {
		{"From: a@h.example.org\r\nUser-Agent: x\r\nX-Originating-IP: y\r\n\r\nbody",
		 "From: a@h.example.org\r\nUser-Agent: x\r\nX-Originating-IP: y\r\n\r\nbody"},
	};

	apply(nothing);
	check_rows(rows, ARRAY_LEN(rows));
}

/* Without a list: what is below the domain. */
TEST(edit_masquerades_hosts_by_default)
{
	static const char *const pairs[] = {"masquerade.domain=example.org", NULL};
	static const struct row rows[] = {
		{"From: a@h.example.org, b@old.example, c@example.org\r\n\r\n",
		 "From: a@example.org, b@old.example, c@example.org\r\n\r\n"},
	};

	apply(pairs);
	check_rows(rows, ARRAY_LEN(rows));
	apply(nothing);
}

/* A field that is too long to be kept passes as it is, whole. */
TEST(edit_field_limit)
{
	struct buf in, out;

	apply(all);
	for (size_t extra = 0; extra < 2; extra++) {
		buf_init(&in, 65536, NULL);
		buf_init(&out, 65536, NULL);
		buf_puts(&in, "From: a@h.example.org");
		while (in.n < SMTP_EDIT_FIELD_MAX + extra - 2)
			buf_putc(&in, ' ');
		buf_puts(&in, "\r\n\r\nbody");
		edit(buf_slice(&in), 100, &out);
		CHECK_INT(out.n, in.n - (extra == 0 ? 2 : 0));
		CHECK(!buf_failed(&out));
		buf_fini(&in);
		buf_fini(&out);
	}
	apply(nothing);
}

#include "backend/dns/dkim_text.h"

#include "common/base/codec.h"

#define NAME_MAX_BYTES   512
#define RECORD_MAX_BYTES (64 + 2 * SIGN_PUBLIC_MAX)

void dkim_text_name(const struct dir_dkim_row *key, struct buf *out)
{
	buf_put(out, key->selector);
	buf_puts(out, "._domainkey.");
	buf_put(out, key->domain);
}

void dkim_text_record(const struct dir_dkim_row *key, struct buf *out)
{
	buf_printf(out, "v=DKIM1; k=%s; p=", sign_key_type(key->algorithm));
	base64_encode(out, key->public_key);
}

/* ---- judging ---- */

/* The next tag-spec of a tag-list (RFC 6376 section 3.2); false: there is none. */
static bool next_tag(slice_t *rest, slice_t *name, slice_t *value)
{
	size_t end, is;
	slice_t one;

	if (slice_trim(*rest).n == 0)
		return false;
	end = slice_find_char(*rest, ';');
	one = slice_sub(*rest, 0, end);
	*rest = slice_from(*rest, end + 1);
	is = slice_find_char(one, '=');
	*name = slice_trim(slice_sub(one, 0, is));
	*value = slice_trim(slice_from(one, is + 1));
	return true;
}

/* One of a list that colons separate. */
static bool lists(slice_t list, const char *what)
{
	while (list.n > 0) {
		size_t n = slice_find_char(list, ':');

		if (slice_ieq(slice_trim(slice_sub(list, 0, n)), slice_str(what)))
			return true;
		list = slice_from(list, n + 1);
	}
	return false;
}

/* base64 with white space anywhere. */
static bool same_key(slice_t text, slice_t public_key)
{
	struct buf want;
	size_t at = 0;
	bool same = true;

	buf_init(&want, RECORD_MAX_BYTES, NULL);
	base64_encode(&want, public_key);
	for (size_t i = 0; i < text.n && same; i++) {
		if (text.p[i] == ' ' || text.p[i] == '\t')
			continue;
		same = at < want.n && want.p[at] == text.p[i];
		at++;
	}
	same = same && at == want.n;
	buf_fini(&want);
	return same;
}

/* NULL: verifiers find the key in that record. */
static const char *fault(const struct dir_dkim_row *key, slice_t record)
{
	const char *type = sign_key_type(key->algorithm);
	slice_t rest = record, name, value, p = SLICE_NONE;
	bool typed = false, keyed = false;

	for (bool first = true; next_tag(&rest, &name, &value); first = false) {
		if (slice_eq(name, SL("v"))) {
			if (!first || !slice_eq(value, SL("DKIM1")))
				return "v= is not DKIM1, or not the first tag";
		} else if (slice_eq(name, SL("k"))) {
			typed = slice_ieq(value, slice_str(type));
			if (!typed)
				return "k= is another type of key";
		} else if (slice_eq(name, SL("h"))) {
			if (!lists(value, "sha256"))
				return "h= does not allow sha256";
		} else if (slice_eq(name, SL("s"))) {
			if (!lists(value, "*") && !lists(value, "email"))
				return "s= does not allow mail";
		} else if (slice_eq(name, SL("p"))) {
			p = value;
			keyed = true;
		}
	}
	if (!keyed)
		return "there is no p=";
	if (p.n == 0)
		return "p= is empty: the key is revoked";
	if (!typed && key->algorithm != SIGN_RSA_SHA256)
		return "there is no k=, which means rsa";
	return same_key(p, key->public_key) ? NULL : "p= is another key";
}

enum dkim_sight dkim_text_judge(const struct dir_dkim_row *key, const struct ask_answer *a,
				const char **why_out)
{
	*why_out = NULL;
	switch (a->outcome) {
	case ASK_OK:
		break;
	case ASK_ABSENT:
		return DKIM_MISSING;
	case ASK_FAILED:
	case ASK_BOGUS:
	case ASK_UNUSABLE:
		return DKIM_UNKNOWN;
	}
	/* RFC 6376 section 3.6.2.2: with several ones verifiers do what they like. */
	*why_out = a->n > 1 || a->cut ? "there are several records" : fault(key, a->records[0]);
	return *why_out == NULL ? DKIM_THERE : DKIM_OTHER;
}

WAITS enum err dkim_text_look(struct asking *asking, const struct dir_dkim_row *key,
			      int64_t deadline_ms, enum dkim_sight *out, struct diag *d)
{
	struct ask_answer a;
	struct arena mem;
	struct buf name;
	const char *why;
	enum err e;

	*out = DKIM_UNKNOWN;
	arena_init(&mem, NULL);
	buf_init(&name, NAME_MAX_BYTES, NULL);
	dkim_text_name(key, &name);
	e = dns_ask(asking, buf_slice(&name), ASK_TXT, deadline_ms, &mem, &a, d);
	if (e == E_OK)
		*out = dkim_text_judge(key, &a, &why);
	buf_fini(&name);
	arena_reset(&mem);
	return e;
}

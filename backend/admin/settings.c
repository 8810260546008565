#include "backend/admin/settings.h"

#include "proto/settings.h"

#define KEY_MAX      64 /* no key is longer; what is, is like none */
#define LIKENESS_MAX 3  /* letters that may be wrong in a hint */

/* How many letters have to be changed, added or left out (Levenshtein), row by row. */
static size_t distance(slice_t a, slice_t b)
{
	size_t row[KEY_MAX + 1];

	if (a.n > KEY_MAX || b.n > KEY_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t before = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t here = row[j];
			size_t change = before + (a.p[i - 1] != b.p[j - 1]);

			row[j] = MIN(change, MIN(here, row[j - 1]) + 1);
			before = here;
		}
	}
	return row[b.n];
}

static const struct conf_def *most_alike(slice_t key)
{
	const struct conf_def *best = NULL;
	size_t least = LIKENESS_MAX + 1;

	for (size_t i = 0; i < settings_table_len; i++) {
		slice_t name = slice_str(settings_table[i].name);
		size_t n = distance(key, name);

		/* The last part alone is as good as a typing mistake. */
		if (key.n >= 4 && name.n > key.n && slice_ends(name, key))
			n = MIN(n, (size_t)LIKENESS_MAX);
		if (n < least) {
			least = n;
			best = &settings_table[i];
		}
	}
	return best;
}

enum err settings_find(slice_t key, const struct conf_def **out, struct diag *d)
{
	const struct conf_def *alike;

	for (size_t i = 0; i < settings_table_len; i++) {
		if (slice_eq(key, slice_str(settings_table[i].name))) {
			*out = &settings_table[i];
			return E_OK;
		}
	}
	alike = most_alike(key);
	if (alike == NULL)
		return diag_set(d, E_NOT_FOUND, "there is no setting %.*s",
				(int)MIN(key.n, (size_t)80), key.p);
	return diag_set(d, E_NOT_FOUND, "there is no setting %.*s; perhaps %s",
			(int)MIN(key.n, (size_t)80), key.p, alike->name);
}

enum err settings_check(const struct conf_def *def, slice_t value, struct diag *d)
{
	const slice_t said = SL("command line: ");
	struct conf *c = conf_new(def, 1);
	struct buf set;
	enum err e;

	buf_init(&set, CONF_VALUE_MAX + KEY_MAX, NULL);
	buf_printf(&set, "%s=", def->name);
	buf_put(&set, value);
	e = buf_failed(&set) ? diag_set(d, E_INVALID, "%s: too long", def->name)
			     : conf_set(c, buf_slice(&set), d);
	buf_fini(&set);
	if (e == E_OK && strcmp(def->name, "lmtp.nets") == 0)
		e = settings_check_nets(c, d);
	if (e == E_OK && strcmp(def->name, SETTINGS_REALMS) == 0)
		e = settings_check_realms(c, d);
	conf_free(&c);
	/* It did not come from one. */
	if (e != E_OK && slice_starts(slice_str(d->text), said))
		memmove(d->text, d->text + said.n, strlen(d->text + said.n) + 1);
	return e;
}

const char *settings_type(const struct conf_def *def)
{
	switch (def->type) {
	case CONF_STRING:
		return "string";
	case CONF_INT:
		return "integer";
	case CONF_BOOL:
		return "boolean";
	case CONF_BYTES:
		return "bytes";
	case CONF_DURATION:
		return "duration";
	case CONF_WORD:
		return "word";
	case CONF_ADDRS:
		return "addresses";
	case CONF_STRINGS:
		return "strings";
	}
	return "unknown";
}

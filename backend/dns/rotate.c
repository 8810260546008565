#include "backend/dns/rotate.h"

bool rotate_asks(const struct dir_dkim_row *row)
{
	return row->state == DIR_DKIM_NEW || row->state == DIR_DKIM_PUBLISHED;
}

bool rotate_late(const struct dir_dkim_row *row, int64_t now_us)
{
	return row->state == DIR_DKIM_NEW && now_us - row->created_us >= ROTATE_LATE_US;
}

/* A key that was made to follow others, and signs since this one did. An old key that somebody
 * activates again by hand is left alone. */
static bool has_active_successor(const struct rotate_key *keys, size_t n,
				 const struct dir_dkim_row *old)
{
	for (size_t i = 0; i < n; i++) {
		const struct dir_dkim_row *k = &keys[i].row;

		if (k->state == DIR_DKIM_ACTIVE && k->origin == DIR_DKIM_SUCCESSOR &&
		    k->algorithm == old->algorithm && k->activated_us > old->activated_us)
			return true;
	}
	return false;
}

static enum rotate_step step_of(const struct rotate_key *keys, size_t n, const struct rotate_key *k,
				int64_t now_us, const struct rotate_times *t)
{
	bool rotates = t->after_us != 0;

	switch (k->row.state) {
	case DIR_DKIM_NEW:
		return k->sight == DKIM_THERE ? ROTATE_PUBLISHED : ROTATE_KEEP;
	case DIR_DKIM_PUBLISHED:
		if (k->sight == DKIM_MISSING || k->sight == DKIM_OTHER)
			return ROTATE_UNPUBLISHED;
		return rotates && k->sight == DKIM_THERE && k->row.origin == DIR_DKIM_SUCCESSOR &&
				       now_us - k->row.published_us >= t->seen_us
			       ? ROTATE_ACTIVATE
			       : ROTATE_KEEP;
	case DIR_DKIM_ACTIVE:
		return rotates && has_active_successor(keys, n, &k->row) ? ROTATE_RETIRE
									 : ROTATE_KEEP;
	case DIR_DKIM_RETIRED:
		return rotates && now_us - k->row.retired_us >= t->overlap_us ? ROTATE_REMOVE
									      : ROTATE_KEEP;
	}
	return ROTATE_KEEP;
}

/* The newest active key of the algorithm is old, and none is on its way. */
static bool wants_successor(const struct rotate_key *keys, size_t n, enum sign_algorithm algorithm,
			    int64_t now_us, const struct rotate_times *t)
{
	int64_t since_us = 0;

	for (size_t i = 0; i < n; i++) {
		const struct dir_dkim_row *k = &keys[i].row;

		if (k->algorithm != algorithm)
			continue;
		if (rotate_asks(k))
			return false;
		if (k->state == DIR_DKIM_ACTIVE)
			since_us = MAX(since_us, k->activated_us);
	}
	return since_us != 0 && now_us - since_us >= t->after_us;
}

size_t rotate_plan(struct rotate_key *keys, size_t n, int64_t now_us, const struct rotate_times *t,
		   enum sign_algorithm make[DKIM_SIGS_MAX])
{
	static const enum sign_algorithm all[] = {SIGN_RSA_SHA256, SIGN_ED25519_SHA256};
	size_t made = 0;

	for (size_t i = 0; i < n; i++) {
		keys[i].step = step_of(keys, n, &keys[i], now_us, t);
		keys[i].late =
			rotate_late(&keys[i].row, now_us) && keys[i].step != ROTATE_PUBLISHED;
	}
	for (size_t i = 0; i < ARRAY_LEN(all) && t->after_us != 0; i++) {
		if (n + made < DIR_DKIM_KEYS_MAX && wants_successor(keys, n, all[i], now_us, t))
			make[made++] = all[i];
	}
	return made;
}

#include "backend/auth/passwd.h"

#include "backend/auth/verify.h"
#include "common/base/utf8.h"

/* Made by administrators, a few at a time. */
static struct verify makers = {.max = 16};

static bool one_character(slice_t s)
{
	for (size_t i = 1; i < s.n; i++)
		if (s.p[i] != s.p[0])
			return false;
	return true;
}

static bool has_control(slice_t s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

enum err passwd_policy(slice_t address, slice_t password, struct diag *d)
{
	size_t at = slice_find_char(address, '@');

	if (password.n < PASSWD_MIN || password.n > PASSWD_MAX)
		return diag_set(d, E_INVALID, "a password has %d to %d bytes", PASSWD_MIN,
				PASSWD_MAX);
	if (!utf8_valid(password) || has_control(password))
		return diag_set(d, E_INVALID, "a password is UTF-8 without control characters");
	if (slice_ieq(password, address) || slice_ieq(password, slice_sub(address, 0, at)) ||
	    slice_ieq(password, slice_from(address, at + 1)))
		return diag_set(d, E_INVALID, "the password is the account's own name");
	if (one_character(password))
		return diag_set(d, E_INVALID, "the password is one character, repeated");
	return E_OK;
}

WAITS enum err passwd_make(slice_t address, slice_t password, enum dir_cred_kind kind,
			   struct dir_credential *out, struct diag *d)
{
	enum err e = passwd_policy(address, password, d);

	if (e == E_OK)
		e = verify_make(&makers, kind, password, out);
	return e;
}

enum dir_cred_kind passwd_kind(const struct dir *d)
{
	slice_t v = dir_setting(d, "auth.scram");

	if (slice_ieq(v, SL("off")) || slice_ieq(v, SL("false")) || slice_ieq(v, SL("no")))
		return DIR_CRED_ARGON2ID;
	return DIR_CRED_SCRAM_SHA_256;
}

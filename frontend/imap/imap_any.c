/* Commands of any state, and those that only say what is there: CAPABILITY, NOOP, LOGOUT, ID
 * (RFC 2971), ENABLE (RFC 5161), NAMESPACE (RFC 2342). */
#include "frontend/imap/imap_caps.h"
#include "frontend/imap/imap_resp.h"
#include "frontend/imap/imap_sync.h"

/* RFC 2971 section 3.3 */
#define ID_PAIRS_MAX 30u
/* Extensions named in one ENABLE. */
#define ENABLE_MAX   64u

WAITS enum err imap_run_capability(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);

	buf_puts(&im->out, "* ");
	imap_caps_put(&im->out, im);
	buf_puts(&im->out, "\r\n");
	return imap_ok(arg, "Done");
}

WAITS enum err imap_run_noop(struct session *s, slice_t args UNUSED, void *arg)
{
	enum err e = imap_sync(imap_of(s), IMAP_SYNC_NOW, IMAP_TELL_EXPUNGES);

	return e == E_OK ? imap_ok(arg, "Done") : e;
}

WAITS enum err imap_run_logout(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);

	imap_selected_close(im);
	im->state = IMAP_LOGOUT;
	im->bye = "Logging out";
	session_ends(s, "logout");
	return imap_ok(arg, "Done");
}

/* id_params_list = "(" *(string SP nstring) ")" / nil. Nothing of it is kept. */
static bool id_params(struct imap_args *a)
{
	slice_t skip;

	if (imap_word(a, "NIL"))
		return true;
	if (!imap_char(a, '('))
		return false;
	if (imap_char(a, ')'))
		return true;
	for (unsigned i = 0; i < ID_PAIRS_MAX; i++) {
		if (!imap_string(a, &skip) || !imap_sp(a) || !imap_nstring(a, &skip))
			return false;
		if (imap_char(a, ')'))
			return true;
		if (!imap_sp(a))
			return false;
	}
	return false;
}

WAITS enum err imap_run_id(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;

	if (!id_params(&c->args) || !imap_end(&c->args))
		return imap_bad(c, "ID parameters expected");
	/* Neither product nor version is told. */
	buf_puts(&im->out, "* ID NIL\r\n");
	return imap_ok(c, "Done");
}

WAITS enum err imap_run_enable(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	unsigned n = 0;
	slice_t name;

	do {
		if (n++ == ENABLE_MAX || !imap_atom(&c->args, &name))
			return imap_bad(c, "Extensions expected");
	} while (imap_sp(&c->args));
	if (!imap_end(&c->args))
		return imap_bad(c, "Extensions expected");
	/* None of those offered has to be switched on. */
	buf_puts(&im->out, "* ENABLED\r\n");
	return imap_ok(c, "Done");
}

WAITS enum err imap_run_namespace(struct session *s, slice_t args UNUSED, void *arg)
{
	buf_puts(&imap_of(s)->out, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	return imap_ok(arg, "Done");
}

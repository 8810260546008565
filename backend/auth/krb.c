#include "backend/auth/krb.h"

#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>

struct krb_keys {
	gss_cred_id_t cred;
};

struct krb {
	gss_ctx_id_t ctx;
	/* Of our own side: */
	gss_cred_id_t self;
	gss_name_t peer;
};

/* ---- texts ---- */

static void why_of(OM_uint32 code, int kind, struct buf *out)
{
	OM_uint32 minor, more = 0;
	gss_buffer_desc text = GSS_C_EMPTY_BUFFER;

	if (GSS_ERROR(gss_display_status(&minor, code, kind, gss_mech_krb5, &more, &text)))
		return;
	buf_put(out, slice(text.value, MIN(text.length, (size_t)KRB_WHY_MAX / 2 - 2)));
	(void)gss_release_buffer(&minor, &text);
}

/* The words of the library, of both its numbers. */
static enum err failed(struct diag *d, enum err e, const char *what, OM_uint32 major,
		       OM_uint32 minor)
{
	struct buf why;

	buf_init(&why, KRB_WHY_MAX, NULL);
	why_of(major, GSS_C_GSS_CODE, &why);
	if (minor != 0) {
		buf_puts(&why, ": ");
		why_of(minor, GSS_C_MECH_CODE, &why);
	}
	(void)diag_set(d, e, "%s: %.*s", what, (int)why.n, why.n > 0 ? why.p : "");
	buf_fini(&why);
	return e;
}

static bool name_text(gss_name_t name, char out[KRB_NAME_MAX + 1])
{
	gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor;
	bool ok;

	if (GSS_ERROR(gss_display_name(&minor, name, &text, NULL)))
		return false;
	ok = slice_to_str(slice(text.value, text.length), out, KRB_NAME_MAX + 1);
	(void)gss_release_buffer(&minor, &text);
	return ok;
}

static gss_buffer_desc borrow(slice_t s)
{
	return (gss_buffer_desc){.length = s.n, .value = (void *)(uintptr_t)s.p};
}

/* ---- keys ---- */

enum err krb_keys_open(const char *keytab, const char *replays, struct krb_keys **out,
		       struct diag *d)
{
	struct buf file, cache;
	gss_key_value_element_desc where[2];
	gss_key_value_set_desc store = {.count = ARRAY_LEN(where), .elements = where};
	gss_OID_set_desc mechs = {.count = 1, .elements = gss_mech_krb5};
	OM_uint32 major, minor;
	gss_cred_id_t cred = GSS_C_NO_CREDENTIAL;

	buf_init(&file, SIZE_MAX, NULL);
	buf_init(&cache, SIZE_MAX, NULL);
	buf_printf(&file, "FILE:%s%c", keytab, '\0');
	buf_printf(&cache, "file2:%s%c", replays, '\0');
	where[0] = (gss_key_value_element_desc){.key = "keytab", .value = file.p};
	where[1] = (gss_key_value_element_desc){.key = "rcache", .value = cache.p};
	major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechs, GSS_C_ACCEPT,
				      &store, &cred, NULL, NULL);
	buf_fini(&file);
	buf_fini(&cache);
	if (GSS_ERROR(major))
		return failed(d, E_INVALID, keytab, major, minor);
	*out = xcalloc(1, sizeof **out);
	(*out)->cred = cred;
	return E_OK;
}

void krb_keys_close(struct krb_keys **kp)
{
	OM_uint32 minor;

	if (*kp == NULL)
		return;
	(void)gss_release_cred(&minor, &(*kp)->cred);
	xfree(kp);
}

/* ---- contexts ---- */

/* InitialContextToken: [APPLICATION 0] length, OBJECT IDENTIFIER of the mechanism. The length
 * itself is the library's matter. */
static bool is_kerberos(slice_t token)
{
	static const char mark[] = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
	size_t at = 2;

	if (token.n < 2 || token.p[0] != 0x60)
		return false;
	if (((unsigned char)token.p[1] & 0x80) != 0)
		at += (unsigned char)token.p[1] & 0x7f;
	return slice_starts(slice_from(token, at), slice(mark, sizeof mark - 1));
}

static enum err read_names(struct krb_client *c, gss_name_t client, struct diag *d)
{
	gss_name_t service = GSS_C_NO_NAME;
	OM_uint32 minor, major;
	bool ok;

	major = gss_inquire_context(&minor, c->context->ctx, NULL, &service, NULL, NULL, NULL, NULL,
				    NULL);
	if (GSS_ERROR(major))
		return failed(d, E_DENIED, "whom it is for", major, minor);
	ok = name_text(client, c->principal) && name_text(service, c->service);
	(void)gss_release_name(&minor, &service);
	return ok ? E_OK : diag_set(d, E_DENIED, "a name that is too long");
}

enum err krb_accept(const struct krb_keys *k, slice_t token, struct krb_client *out,
		    struct buf *answer, struct diag *d)
{
	gss_buffer_desc in = borrow(token), back = GSS_C_EMPTY_BUFFER;
	gss_name_t client = GSS_C_NO_NAME;
	OM_uint32 major, minor, more, flags = 0;
	enum err e = E_OK;

	*out = (struct krb_client){.context = NULL};
	if (!is_kerberos(token))
		return diag_set(d, E_DENIED, "not a token of Kerberos 5");
	out->context = xcalloc(1, sizeof *out->context);
	major = gss_accept_sec_context(&minor, &out->context->ctx, k->cred, &in,
				       GSS_C_NO_CHANNEL_BINDINGS, &client, NULL, &back, &flags,
				       NULL, NULL);
	if (GSS_ERROR(major))
		e = failed(d, E_DENIED, "ticket", major, minor);
	else if (major != GSS_S_COMPLETE)
		e = diag_set(d, E_DENIED, "a context of more than one token");
	else if ((flags & GSS_C_ANON_FLAG) != 0 || (flags & GSS_C_INTEG_FLAG) == 0)
		e = diag_set(d, E_DENIED, "anonymous, or a context that cannot sign");
	else
		e = read_names(out, client, d);
	if (e == E_OK)
		buf_put(answer, slice(back.value, back.length));
	(void)gss_release_buffer(&more, &back);
	(void)gss_release_name(&more, &client);
	if (e != E_OK)
		krb_free(&out->context);
	return e;
}

/* ---- our own side ---- */

static enum err take_name(slice_t text, gss_OID kind, gss_name_t *out, struct diag *d)
{
	gss_buffer_desc in = borrow(text);
	OM_uint32 minor, major = gss_import_name(&minor, &in, kind, out);

	return GSS_ERROR(major) ? failed(d, E_DENIED, "name", major, minor) : E_OK;
}

/* The principal's tickets lie in a cache of its own, which begins empty. */
static enum err take_self(const char *keytab, const char *principal, gss_cred_id_t *out,
			  struct diag *d)
{
	struct buf file, cache;
	gss_key_value_element_desc where[2];
	gss_key_value_set_desc store = {.count = ARRAY_LEN(where), .elements = where};
	gss_OID_set_desc mechs = {.count = 1, .elements = gss_mech_krb5};
	gss_name_t name = GSS_C_NO_NAME;
	OM_uint32 major, minor, more;
	enum err e = take_name(slice_str(principal), GSS_KRB5_NT_PRINCIPAL_NAME, &name, d);

	if (e != E_OK)
		return e;
	buf_init(&file, SIZE_MAX, NULL);
	buf_init(&cache, SIZE_MAX, NULL);
	buf_printf(&file, "FILE:%s%c", keytab, '\0');
	buf_printf(&cache, "MEMORY:postern %s%c", principal, '\0');
	where[0] = (gss_key_value_element_desc){.key = "client_keytab", .value = file.p};
	where[1] = (gss_key_value_element_desc){.key = "ccache", .value = cache.p};
	major = gss_acquire_cred_from(&minor, name, GSS_C_INDEFINITE, &mechs, GSS_C_INITIATE,
				      &store, out, NULL, NULL);
	buf_fini(&file);
	buf_fini(&cache);
	if (GSS_ERROR(major))
		e = failed(d, E_DENIED, "our ticket", major, minor);
	(void)gss_release_name(&more, &name);
	return e;
}

enum err krb_self_begin(const char *keytab, const char *principal, const char *service,
			const char *host, struct krb **out, struct diag *d)
{
	struct krb *c = xcalloc(1, sizeof *c);
	struct buf name;
	enum err e;

	buf_init(&name, KRB_NAME_MAX, NULL);
	buf_printf(&name, "%s@%s", service, host);
	e = buf_failed(&name) ? diag_set(d, E_DENIED, "a name that is too long") : E_OK;
	if (e == E_OK)
		e = take_name(buf_slice(&name), GSS_C_NT_HOSTBASED_SERVICE, &c->peer, d);
	if (e == E_OK)
		e = take_self(keytab, principal, &c->self, d);
	buf_fini(&name);
	if (e != E_OK)
		krb_free(&c);
	*out = c;
	return e;
}

#define SELF_WANTS (GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG | GSS_C_SEQUENCE_FLAG)

enum err krb_self_step(struct krb *c, slice_t token, struct buf *out, enum krb_progress *at,
		       struct diag *d)
{
	gss_buffer_desc in = borrow(token), said = GSS_C_EMPTY_BUFFER;
	OM_uint32 major, minor, flags = 0;
	enum err e = E_OK;

	*at = KRB_GOES_ON;
	major = gss_init_sec_context(&minor, c->self, &c->ctx, c->peer, gss_mech_krb5, SELF_WANTS,
				     0, GSS_C_NO_CHANNEL_BINDINGS,
				     token.n != 0 ? &in : GSS_C_NO_BUFFER, NULL, &said, &flags,
				     NULL);
	if (GSS_ERROR(major)) {
		e = failed(d, E_DENIED, token.n != 0 ? "the host's proof" : "ticket for the host",
			   major, minor);
	} else if (major == GSS_S_COMPLETE) {
		*at = KRB_COMPLETE;
		if ((flags & SELF_WANTS) != SELF_WANTS)
			e = diag_set(d, E_DENIED, "a context without the host's proof");
	}
	if (e == E_OK)
		buf_put(out, slice(said.value, said.length));
	(void)gss_release_buffer(&minor, &said);
	return e;
}

/* ---- messages ---- */

enum err krb_wrap(struct krb *c, slice_t clear, struct buf *out)
{
	gss_buffer_desc in = borrow(clear), token = GSS_C_EMPTY_BUFFER;
	OM_uint32 major, minor;

	major = gss_wrap(&minor, c->ctx, 0, GSS_C_QOP_DEFAULT, &in, NULL, &token);
	if (GSS_ERROR(major))
		return E_INTERNAL;
	buf_put(out, slice(token.value, token.length));
	(void)gss_release_buffer(&minor, &token);
	return E_OK;
}

enum err krb_unwrap(struct krb *c, slice_t token, struct buf *out)
{
	gss_buffer_desc in = borrow(token), clear = GSS_C_EMPTY_BUFFER;
	OM_uint32 major, minor;

	/* More than no error: one that came twice or out of its turn is told by a bit beside. */
	major = gss_unwrap(&minor, c->ctx, &in, &clear, NULL, NULL);
	if (major != GSS_S_COMPLETE) {
		(void)gss_release_buffer(&minor, &clear);
		return E_DENIED;
	}
	buf_put(out, slice(clear.value, clear.length));
	(void)gss_release_buffer(&minor, &clear);
	return E_OK;
}

void krb_free(struct krb **cp)
{
	OM_uint32 minor;

	if (*cp == NULL)
		return;
	if ((*cp)->ctx != GSS_C_NO_CONTEXT)
		(void)gss_delete_sec_context(&minor, &(*cp)->ctx, GSS_C_NO_BUFFER);
	(void)gss_release_cred(&minor, &(*cp)->self);
	(void)gss_release_name(&minor, &(*cp)->peer);
	xfree(cp);
}

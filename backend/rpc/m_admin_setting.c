/* Settings: what the directory holds, over the defaults, under the asked node's command line. */
#include "backend/rpc/m_admin.h"

#include "backend/admin/settings.h"
#include "proto/settings.h"

static Postern__AdminSetting *pack_setting(const struct be *be, const struct conf_def *def,
					   struct arena *mem)
{
	Postern__AdminSetting *m = arena_new(mem, Postern__AdminSetting);
	slice_t set = dir_setting(be->dir, def->name);
	slice_t fallback = slice_str(def->value);
	struct buf text;

	postern__admin_setting__init(m);
	m->key = admin_str(mem, slice_str(def->name));
	m->default_ = admin_str(mem, fallback);
	m->type = admin_str(mem, slice_str(settings_type(def)));
	m->help = admin_str(mem, slice_str(def->help));
	if (conf_is_set(be->conf.pushed, def->name)) {
		buf_init(&text, DIR_SETTING_VALUE_MAX, NULL);
		conf_text(be->conf.pushed, def->name, &text);
		m->value = admin_str(mem, buf_slice(&text));
		m->source = POSTERN__SETTING_SOURCE__SETTING_SOURCE_NODE;
		buf_fini(&text);
	} else if (set.p != NULL) {
		m->value = admin_str(mem, set);
		m->source = POSTERN__SETTING_SOURCE__SETTING_SOURCE_DIRECTORY;
	} else {
		m->value = admin_str(mem, fallback);
		m->source = POSTERN__SETTING_SOURCE__SETTING_SOURCE_DEFAULT;
	}
	return m;
}

WAITS enum err m_admin_setting_list(struct mcall *c)
{
	const Postern__AdminSettingList *m = (const void *)c->msg;
	ProtobufCMessage **rows = arena_alloc(&c->mem, settings_table_len * sizeof(*rows));
	size_t n = 0;
	enum err e;

	for (size_t i = 0; i < settings_table_len; i++) {
		Postern__AdminSetting *row = pack_setting(c->be, &settings_table[i], &c->mem);

		if (!m->changed || row->source != POSTERN__SETTING_SOURCE__SETTING_SOURCE_DEFAULT)
			rows[n++] = &row->base;
	}
	e = mcall_reply(c, NULL, RPC_BODY);
	if (e == E_OK)
		e = admin_send_rows(c, &postern__admin_setting_page__descriptor, 0, rows, n);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

WAITS enum err m_admin_setting_show(struct mcall *c)
{
	const Postern__AdminSettingName *m = (const void *)c->msg;
	const struct conf_def *def;
	enum err e = settings_find(slice_str(m->key), &def, &c->diag);

	if (e != E_OK)
		return e;
	return mcall_reply(c, &pack_setting(c->be, def, &c->mem)->base, RPC_NO_BODY);
}

WAITS enum err m_admin_setting_set(struct mcall *c)
{
	const Postern__AdminSettingSet *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	slice_t key = slice_str(m->key), value = slice_trim(slice_str(m->value));
	const struct conf_def *def;
	enum err e = settings_find(key, &def, &c->diag);

	if (e == E_OK)
		e = settings_check(def, value, &c->diag);
	if (e == E_OK)
		e = admin_check_masquerade(c, key, value);
	if (e != E_OK)
		return e;
	return dir_setting_set(c->be->dir, &by, key, value, &c->diag);
}

WAITS enum err m_admin_setting_unset(struct mcall *c)
{
	const Postern__AdminSettingName *m = (const void *)c->msg;
	struct dir_actor by = admin_actor(c);
	const struct conf_def *def;
	enum err e = settings_find(slice_str(m->key), &def, &c->diag);

	/* What an older or newer release has left there may go. */
	if (e == E_NOT_FOUND && dir_setting(c->be->dir, m->key).p == NULL)
		return e;
	return dir_setting_unset(c->be->dir, &by, slice_str(m->key), &c->diag);
}

#include "backend/policy/live.h"

#include "common/log/log.h"

struct conf *live_settings(const struct dir *d, const struct conf *overrides)
{
	struct conf *c = conf_new(settings_table, settings_table_len);
	struct buf set;

	buf_init(&set, 2 * CONF_VALUE_MAX, NULL);
	for (size_t i = 0; i < settings_table_len; i++) {
		const char *key = settings_table[i].name;
		slice_t v = dir_setting(d, key);
		struct diag diag = {""};

		buf_reset(&set);
		buf_printf(&set, "%s=", key);
		if (overrides != NULL && conf_is_set(overrides, key))
			conf_text(overrides, key, &set);
		else if (v.p != NULL)
			buf_put(&set, v);
		else
			continue;
		if (conf_set(c, buf_slice(&set), &diag) != E_OK)
			LOG(LOG_WARN, NULL, "setting.ignored", LF_STR("key", key),
			    LF_STR("why", diag.text));
	}
	buf_fini(&set);
	return c;
}

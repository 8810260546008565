#include "backend/be_conf.h"

#include "proto/settings.h"

#define MIB (1024LL * 1024)

static const struct conf_def table[] = {
	{"name", CONF_STRING, NULL, 1, 63, CONF_REQUIRED, "This node's name in the cluster",
	 "host"},
	{"data", CONF_STRING, NULL, 1, 4000, CONF_REQUIRED, "Folder of the node's data", NULL},
	{"areas", CONF_STRING, "", 0, 700, 0,
	 "Folder of the virtual servers' folders for mail as files; empty: areas, in that of the "
	 "data",
	 NULL},
	{"drop.files_max", CONF_INT, "100000", 1, 10000000, 0,
	 "Files in a virtual server's drop folder; mail beyond waits in the queue", NULL},
	{"drop.bytes_max", CONF_BYTES, "1g", 1, 1LL << 50, 0, "Bytes in it", NULL},
	{"database", CONF_STRING, NULL, 1, 4000, CONF_REQUIRED | CONF_SECRET,
	 "libpq connection string of the directory; several hosts may be named", NULL},
	{"sql_dir", CONF_STRING, "/usr/share/postern/sql", 0, 4000, 0,
	 "Migrations that are applied at start; empty: none", NULL},
	{"rpc.listen", CONF_ADDRS, NULL, 0, 4, 0, "Where front-ends dial: ADDRESS:7411", NULL},
	{"rpc.advertise", CONF_ADDRS, NULL, 0, 1, 0,
	 "The address told to front-ends and other back-ends; default: rpc.listen's", NULL},
	{"rpc.dial", CONF_ADDRS, NULL, 0, 256, 0,
	 "Inside-out: front-end workers to dial, one address and port each", NULL},
	{"rpc.cert", CONF_STRING, NULL, 1, 4000, CONF_REQUIRED, "This node's certificate, PEM",
	 NULL},
	{"rpc.key", CONF_STRING, NULL, 1, 4000, CONF_REQUIRED, "Its key, PEM", NULL},
	{"rpc.ca", CONF_STRING, NULL, 1, 4000, CONF_REQUIRED, "The cluster's CA, PEM", NULL},
	{"admin.listen", CONF_ADDRS, NULL, 0, 4, 0,
	 "Management RPC, on an internal address: ADDRESS:7412", NULL},
	{"metrics.listen", CONF_ADDRS, NULL, 0, 1, 0,
	 "Prometheus metrics over HTTP, on an internal address", NULL},
	{"store.partitions", CONF_INT, "-1", -1, 1024, 0,
	 "Partitions that a new back-end makes; -1: half as many as it has cores, 1 to 4", NULL},
	{"store.map_bytes", CONF_BYTES, "256g", 16 * MIB, 16LL * 1024 * 1024 * MIB, 0,
	 "Sparse size of a partition's LMDB map", NULL},
	{"store.volume_bytes", CONF_BYTES, "256m", MIB, 4096 * MIB, 0, "Size of a volume", NULL},
	{"store.disk_reserve", CONF_BYTES, "256m", 0, 1024 * 1024 * MIB, 0,
	 "Free bytes of the file system below which mail is refused for now", NULL},
	{"store.expunged_keep", CONF_DURATION, "1h", 0, 24LL * 365 * 3600000, 0,
	 "How long the bytes of an expunged message stay", NULL},
	{"store.memory", CONF_BYTES, "64m", MIB, 1024 * 1024 * MIB, 0,
	 "Memory for records on their way in", NULL},
	{"gssapi.keytab", CONF_STRING, "", 0, 4000, 0,
	 "Keys of our services in Kerberos; every back-end has them, or none; empty: no log-ins "
	 "with tickets",
	 NULL},
	{"gssapi.client_keytab", CONF_STRING, "", 0, 4000, 0,
	 "Keys of the principals as which routes log in at relays; every back-end has them", NULL},
	{"threads", CONF_INT, "0", 0, 256, 0, "Reader threads; 0: one per core, at least 2", NULL},
	{"log.level", CONF_WORD, "info", 0, 0, CONF_LIVE, "Least level that is logged",
	 "debug info warn error"},
};

static bool is_pushed(slice_t key)
{
	for (size_t i = 0; i < settings_table_len; i++) {
		if (slice_eq(key, slice_str(settings_table[i].name)))
			return true;
	}
	return false;
}

enum err be_conf_load(const char *path, const char *const *sets, size_t nsets,
		      struct be_settings *out, struct diag *d)
{
	struct be_settings s = {
		.own = conf_new(table, ARRAY_LEN(table)),
		.pushed = conf_new(settings_table, settings_table_len),
	};
	enum err e = conf_load(s.own, path, d);

	for (size_t i = 0; e == E_OK && i < nsets; i++) {
		slice_t set = slice_str(sets[i]);
		slice_t key = slice_trim(slice_sub(set, 0, slice_find_char(set, '=')));

		e = conf_set(is_pushed(key) ? s.pushed : s.own, set, d);
	}
	if (e == E_OK)
		e = settings_check_nets(s.pushed, d);
	if (e == E_OK)
		e = settings_check_realms(s.pushed, d);
	if (e == E_OK)
		e = settings_check_sizes(s.pushed, d);
	if (e == E_OK)
		e = conf_check(s.own, d);
	if (e == E_OK && conf_count(s.own, "rpc.listen") + conf_count(s.own, "rpc.dial") == 0)
		e = diag_set(d, E_INVALID, "%s: neither rpc.listen nor rpc.dial is set", path);
	if (e != E_OK) {
		be_conf_free(&s);
		return e;
	}
	*out = s;
	return E_OK;
}

void be_conf_free(struct be_settings *s)
{
	conf_free(&s->own);
	conf_free(&s->pushed);
}

/*
 * dir_schema: applies the files NNN_name.sql of a folder, in order of their numbers, those that
 * the database does not have yet, all in one transaction under an advisory lock. A database with
 * more than ours is fine: a newer back-end has been there (additions only within a release).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/directory/dir_priv.h"
#include "backend/directory/dir_sql.h"
#include "common/base/codec.h"
#include "common/crypto/digest.h"
#include "common/log/log.h"
#include "common/loop/work.h"

#define FILES_MAX    999           /* three digits */
#define FILE_MAX     (1024 * 1024) /* bytes of one migration */
#define NAME_LEN_MAX 128

struct migration {
	unsigned version;
	char name[NAME_LEN_MAX + 1];
	struct buf text; /* with a NUL behind */
	char sha[2 * SHA256_LEN + 1];
};

struct migrations {
	const char *folder;
	struct migration *v;
	size_t n;
	enum err e;
	struct diag diag;
};

static bool read_whole(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	char *p;
	size_t n;

	if (f == NULL)
		return false;
	do {
		p = buf_reserve(out, 8192);
		n = p != NULL ? fread(p, 1, 8192, f) : 0;
		buf_commit(out, n);
	} while (n > 0);
	n = (size_t)ferror(f);
	fclose(f);
	return n == 0 && !buf_failed(out);
}

static void add_file(struct migrations *m, const char *name)
{
	slice_t s = slice_str(name);
	struct migration *x;
	uint8_t sum[SHA256_LEN];
	struct buf hex, path;
	uint64_t version;

	if (m->e != E_OK || !slice_ends(s, SL(".sql")) || s.n < 8 || s.n > NAME_LEN_MAX ||
	    s.p[3] != '_' || !num_parse(slice_sub(s, 0, 3), FILES_MAX, &version))
		return;
	m->v = xrealloc(m->v, (m->n + 1) * sizeof(*m->v));
	x = &m->v[m->n++];
	*x = (struct migration){.version = (unsigned)version};
	buf_init(&x->text, FILE_MAX, NULL);
	buf_init(&path, 4096, NULL);
	buf_init(&hex, sizeof(x->sha), NULL);
	buf_printf(&path, "%s/%s", m->folder, name);
	buf_putc(&path, '\0');
	if (!slice_to_str(s, x->name, sizeof(x->name)) || buf_failed(&path) ||
	    !read_whole(path.p, &x->text))
		m->e = diag_set(&m->diag, E_IO, "cannot read %s/%s", m->folder, name);
	sha256(buf_slice(&x->text), sum);
	hex_encode(&hex, slice(sum, sizeof(sum)));
	memcpy(x->sha, hex.p, hex.n);
	buf_putc(&x->text, '\0');
	buf_fini(&hex);
	buf_fini(&path);
}

static int by_version(const void *a, const void *b)
{
	const struct migration *x = a, *y = b;

	return (x->version > y->version) - (x->version < y->version);
}

static void read_folder(void *arg)
{
	struct migrations *m = arg;
	DIR *dir = opendir(m->folder);
	struct dirent *e;

	if (dir == NULL) {
		m->e = diag_set(&m->diag, E_IO, "cannot open %s: %s", m->folder, log_errno(errno));
		return;
	}
	while ((e = readdir(dir)) != NULL)
		add_file(m, e->d_name);
	closedir(dir);
	if (m->n > 1)
		qsort(m->v, m->n, sizeof(*m->v), by_version);
	for (size_t i = 1; i < m->n && m->e == E_OK; i++)
		if (m->v[i].version == m->v[i - 1].version)
			m->e = diag_set(&m->diag, E_INVALID, "%s and %s have one number",
					m->v[i - 1].name, m->v[i].name);
}

static bool applied(const struct pg_result *r, const struct migration *m)
{
	for (size_t i = 0; i < pg_rows(r); i++) {
		if (pg_get_u64(r, i, 0) != m->version)
			continue;
		if (!slice_eq(pg_get(r, i, 1), slice_str(m->sha)))
			LOG(LOG_WARN, NULL, "dir.schema.differs", LF_STR("file", m->name));
		return true;
	}
	return false;
}

WAITS static enum err apply_one(struct pg_tx *t, const struct migration *m, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	enum err e = pg_tx_script(t, m->text.p, diag);
	struct diag why;

	if (e != E_OK) {
		if (diag != NULL) {
			why = *diag;
			diag_set(diag, e, "%s: %.150s", m->name, why.text);
		}
		return e;
	}
	pg_u64(&a, m->version);
	pg_text(&a, slice_str(m->name));
	pg_text(&a, slice_str(m->sha));
	e = pg_tx_query(t, dir_sql_schema_record, &a, NULL, diag);
	if (e == E_OK)
		LOG(LOG_INFO, NULL, "dir.schema", LF_STR("file", m->name));
	return e;
}

WAITS static enum err apply_all(struct dir *d, const struct migrations *m, struct diag *diag)
{
	struct pg_result *have = NULL;
	struct pg_tx *t = NULL;
	enum err e = pg_begin(d->pool, PG_READ_COMMITTED, deadline_in(DIR_SCHEMA_MS), &t, diag);

	if (e != E_OK)
		return e;
	e = pg_tx_query(t, dir_sql_schema_lock, PG_NO_ARGS, NULL, diag);
	if (e == E_OK)
		e = pg_tx_query(t, dir_sql_schema_table, PG_NO_ARGS, NULL, diag);
	if (e == E_OK)
		e = pg_tx_query(t, dir_sql_schema_applied, PG_NO_ARGS, &have, diag);
	for (size_t i = 0; i < m->n && e == E_OK; i++)
		if (!applied(have, &m->v[i]))
			e = apply_one(t, &m->v[i], diag);
	pg_result_free(&have);
	if (e == E_OK)
		return pg_commit(&t, diag);
	pg_rollback(&t);
	return e;
}

WAITS enum err dir_schema_apply(struct dir *d, struct diag *diag)
{
	struct migrations m = {.folder = d->sql_dir, .e = E_OK};
	enum err e;

	if (d->sql_dir == NULL)
		return E_OK;
	e = work_run("dir.schema", read_folder, &m);
	if (e == E_OK && m.e != E_OK)
		e = diag_set(diag, m.e, "%s", m.diag.text);
	if (e == E_OK)
		e = apply_all(d, &m, diag);
	for (size_t i = 0; i < m.n; i++)
		buf_fini(&m.v[i].text);
	xfree(&m.v);
	return e;
}

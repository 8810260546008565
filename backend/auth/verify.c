#include "backend/auth/verify.h"

#include "common/base/clock.h"
#include "common/crypto/password.h"
#include "common/crypto/pwhash.h"
#include "common/crypto/scram.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/loop/work.h"

METRIC_HISTOGRAM(m_time, "auth_verify_seconds", "Time of one password verification", METRIC_US,
		 METRIC_LATENCY);

struct job {
	const struct dir_credential *cred; /* NULL: a decoy */
	enum dir_cred_kind kind;
	slice_t password;
	struct dir_credential *made;
	enum err e;
};

static slice_t text_of(const struct dir_credential *c)
{
	return slice(c->verifier, c->n);
}

static enum err check_scram(const struct job *j)
{
	struct scram_verifier v;
	enum err e = E_OK;

	if (j->cred != NULL)
		e = scram_parse(text_of(j->cred), &v);
	else
		scram_decoy(SL("decoy"), SL("decoy"), SCRAM_ITER_DEFAULT, &v);
	if (e == E_OK)
		e = scram_check_password(&v, j->password);
	secret_wipe(&v, sizeof(v));
	return e;
}

static enum err check_argon2(const struct job *j)
{
	if (j->cred != NULL)
		return pwhash_verify(text_of(j->cred), j->password);
	pwhash_decoy(j->password);
	return E_DENIED;
}

static void check_job(void *arg)
{
	struct job *j = arg;

	switch (j->kind) {
	case DIR_CRED_SCRAM_SHA_256:
		j->e = check_scram(j);
		break;
	case DIR_CRED_ARGON2ID:
		j->e = check_argon2(j);
		break;
	case DIR_CRED_NONE:
		j->e = E_DENIED;
		break;
	}
}

static void make_job(void *arg)
{
	struct job *j = arg;
	struct scram_verifier v;
	struct buf text;

	buf_init(&text, DIR_VERIFIER_MAX, NULL);
	switch (j->kind) {
	case DIR_CRED_SCRAM_SHA_256:
		j->e = scram_make(j->password, SCRAM_ITER_DEFAULT, &v);
		if (j->e == E_OK)
			scram_format(&v, &text);
		secret_wipe(&v, sizeof(v));
		break;
	case DIR_CRED_ARGON2ID:
		j->e = pwhash_make(j->password, &text);
		break;
	case DIR_CRED_NONE:
		j->e = E_INVALID;
		break;
	}
	if (j->e == E_OK && buf_failed(&text))
		j->e = E_INTERNAL;
	if (j->e == E_OK) {
		j->made->kind = j->kind;
		j->made->n = text.n;
		memcpy(j->made->verifier, text.p, text.n);
	}
	secret_wipe_buf(&text);
	buf_fini(&text);
}

WAITS enum err verify_work(struct verify *v, const char *name, void (*fn)(void *), void *arg)
{
	enum err e;

	if (v->running >= v->max)
		return E_BUSY;
	v->running++;
	e = work_run(name, fn, arg);
	v->running--;
	return e;
}

WAITS static enum err run(struct verify *v, const char *name, void (*fn)(void *), struct job *j)
{
	struct buf prepared;
	enum err e;

	if (v->running >= v->max)
		return E_BUSY;
	/* NFKC makes at most 11 bytes of one (U+FDFA); the sums refuse what is too long. */
	buf_init(&prepared, j->password.n * 11 + 1, NULL);
	e = password_prepare(j->password, &prepared);
	if (e == E_OK) {
		j->password = slice(prepared.p, prepared.n);
		e = verify_work(v, name, fn, j);
	}
	secret_wipe_buf(&prepared);
	buf_fini(&prepared);
	return e == E_OK ? j->e : e;
}

WAITS enum err verify_password(struct verify *v, const struct dir_credential *cred,
			       enum dir_cred_kind decoy, slice_t password)
{
	struct job j = {
		.cred = cred, .kind = cred != NULL ? cred->kind : decoy, .password = password};
	int64_t start = clock_mono_us();
	enum err e = run(v, "auth.verify", check_job, &j);

	metric_observe(&m_time, (uint64_t)(clock_mono_us() - start));
	switch ((int)e) {
	case E_OK:
	case E_DENIED:
	case E_BUSY:
	case E_CANCELLED:
		return e;
	case E_TOO_BIG:
		return E_DENIED;
	case E_LIMIT:
		return E_RETRY;
	default:
		LOG(LOG_ERROR, NULL, "auth.verifier", LF_ERR("status", e));
		return E_DENIED;
	}
}

WAITS enum err verify_make(struct verify *v, enum dir_cred_kind kind, slice_t password,
			   struct dir_credential *out)
{
	struct job j = {.kind = kind, .password = password, .made = out};
	enum err e;

	*out = (struct dir_credential){.kind = DIR_CRED_NONE};
	e = run(v, "auth.make", make_job, &j);
	if (e == E_TOO_BIG)
		return E_INVALID;
	return e == E_LIMIT ? E_RETRY : e;
}

bool verify_outdated(const struct dir_credential *cred, enum dir_cred_kind today)
{
	struct scram_verifier v;
	bool old;

	if (cred->kind != today)
		return true;
	if (cred->kind == DIR_CRED_ARGON2ID)
		return pwhash_outdated(text_of(cred));
	old = scram_parse(text_of(cred), &v) == E_OK && v.iterations < SCRAM_ITER_DEFAULT;
	secret_wipe(&v, sizeof(v));
	return old;
}

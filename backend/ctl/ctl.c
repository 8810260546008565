#include "backend/ctl/ctl.h"

#include "backend/ctl/show.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "common/log/log.h"

int ctl_status(enum err e)
{
	switch (e) {
	case E_OK:
		return EX_OK;
	case E_NOT_FOUND:
		return EX_NOUSER;
	case E_DENIED:
	case E_NO_TICKET:
		return EX_NOPERM;
	case E_INVALID:
	case E_EXISTS:
	case E_TOO_BIG:
		return EX_DATAERR;
	case E_RETRY:
	case E_BUSY:
	case E_LIMIT:
	case E_RATE:
	case E_QUOTA:
	case E_FULL:
	case E_WRONG_OWNER:
	case E_TIMEOUT:
		return EX_TEMPFAIL;
	case E_CANCELLED:
	case E_CLOSED:
	case E_TLS:
		return EX_UNAVAILABLE;
	case E_IO:
		return EX_IOERR;
	case E_INTERNAL:
	case E_CORRUPT:
		return EX_SOFTWARE;
	}
	return EX_SOFTWARE;
}

int ctl_fail(struct ctl *c, int status, const char *fmt, ...)
{
	struct buf clean;
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_init(&clean, 2 * sizeof text, NULL);
	show_clean(&clean, slice_str(text));
	fprintf(c->err, "postern: %.*s\n", (int)clean.n, clean.p);
	buf_fini(&clean);
	return status;
}

int ctl_fail_err(struct ctl *c, enum err e, const struct diag *d)
{
	return ctl_fail(c, ctl_status(e), "%s",
			d != NULL && d->text[0] != '\0' ? d->text : err_name(e));
}

static enum err read_all(int fd, struct buf *out)
{
	for (;;) {
		char *room = buf_reserve(out, MIN((size_t)65536, out->max - out->n));
		ssize_t n;

		if (room == NULL || out->n == out->max)
			return E_TOO_BIG;
		n = read(fd, room, MIN((size_t)65536, out->max - out->n));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return E_IO;
		if (n == 0)
			return E_OK;
		buf_commit(out, (size_t)n);
	}
}

enum err ctl_read_file(struct ctl *c, const char *path, size_t max, slice_t *out, struct diag *d)
{
	bool is_stdin = slice_eq(slice_str(path), SL("-"));
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct buf bytes;
	enum err e;

	if (fd < 0)
		return diag_set(d, errno == ENOENT ? E_NOT_FOUND : E_IO, "%s: %s", path,
				strerror(errno));
	buf_init(&bytes, max + 1, NULL);
	e = read_all(fd, &bytes);
	if (e == E_IO)
		diag_set(d, e, "%s: %s", path, strerror(errno));
	else if (e == E_TOO_BIG)
		diag_set(d, e, "%s: longer than %zu bytes", path, max);
	else
		*out = arena_dup(&c->mem, buf_slice(&bytes));
	buf_fini(&bytes);
	if (!is_stdin)
		close(fd);
	return e;
}

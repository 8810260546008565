#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/crypto/random.h"
#include "frontend/sendmail/sendmail.h"

#define CHUNK     ((size_t)32 * 1024)
#define NAME_SIZE (2 * UUID_BYTES + 8)
/* The back-end's user reads it by its group, which the folder gives (setgid). */
#define FILE_MODE 0660

/* The envelope, as the first fields of the file. */
static bool put_envelope(const struct sm_letter *l, FILE *f)
{
	fprintf(f, "x-sender: <%.*s>\r\n", (int)l->sender.n, l->sender.n != 0 ? l->sender.p : "");
	for (size_t i = 0; i < l->nrcpts; i++)
		fprintf(f, "x-receiver: <%.*s>\r\n", (int)l->rcpts[i].n, l->rcpts[i].p);
	return !ferror(f);
}

static bool put_message(struct sm_letter *l, FILE *f)
{
	char chunk[CHUNK];
	size_t n;

	if (fwrite(l->header.p, 1, l->header.n, f) != l->header.n)
		return false;
	sm_letter_rewind(l);
	while ((n = fread(chunk, 1, sizeof chunk, l->spool)) > 0) {
		if (fwrite(chunk, 1, n, f) != n)
			return false;
	}
	return !ferror(l->spool) && fflush(f) == 0 && fsync(fileno(f)) == 0;
}

static int write_file(struct sm_letter *l, int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	bool ok;
	int error;

	if (f == NULL) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	(void)fchmod(fd, FILE_MODE); /* whatever the caller's mask; refused, the mask holds */
	ok = put_envelope(l, f) && put_message(l, f);
	error = errno;
	if (fclose(f) != 0 && ok)
		return -1;
	errno = error;
	return ok ? 0 : -1;
}

int sm_pickup(struct sm_letter *l, const char *folder)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char hidden[NAME_SIZE], name[NAME_SIZE];
	unsigned char id[UUID_BYTES];
	struct buf b;
	int status = EX_OK, error;

	if (dir < 0)
		return sm_fail(EX_CANTCREAT, "%s: %s", folder, strerror(errno));
	random_uuid7(id);
	buf_init(&b, NAME_SIZE, NULL);
	buf_putc(&b, '.');
	hex_encode(&b, slice(id, sizeof id));
	buf_puts(&b, ".eml");
	invariant(slice_to_str(buf_slice(&b), hidden, sizeof hidden));
	invariant(slice_to_str(slice_from(buf_slice(&b), 1), name, sizeof name));
	buf_fini(&b);
	/* A name with a dot before it is not looked at yet. */
	if (write_file(l, dir, hidden) != 0 || renameat(dir, hidden, dir, name) != 0) {
		status = sm_fail(EX_IOERR, "%s: %s", folder, strerror(errno));
		(void)unlinkat(dir, hidden, 0);
	} else if (fsync(dir) != 0) {
		error = errno;
		/* Who says that it failed takes it back; gone already, it is on its way. */
		if (unlinkat(dir, name, 0) == 0)
			status = sm_fail(EX_IOERR, "%s: %s", folder, strerror(error));
	}
	close(dir);
	return status;
}

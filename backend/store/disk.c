#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backend/store/disk.h"
#include "common/base/fault.h"
#include "common/log/log.h"

static enum err disk_err(const char *what, int errnum)
{
	switch (errnum) {
	case ENOENT:
		return E_NOT_FOUND;
	case EEXIST:
		return E_EXISTS;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return E_FULL;
	default:
		LOG(LOG_ERROR, NULL, "store.disk_failed", LF_STR("in", what),
		    LF_ERRNO("errno", errnum));
		return E_IO;
	}
}

enum err disk_open(const char *path, enum disk_mode mode, int *fd_out)
{
	int flags = O_CLOEXEC | (mode == DISK_READ ? O_RDONLY : O_RDWR) |
		    (mode == DISK_CREATE ? O_CREAT | O_EXCL : 0);

	if (mode == DISK_CREATE && fault_at("store.file.create")) {
		*fd_out = -1;
		return E_FULL;
	}
	*fd_out = open(path, flags, 0600);
	return *fd_out >= 0 ? E_OK : disk_err("open", errno);
}

void disk_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

enum err disk_write(const char *what, int fd, slice_t s, uint64_t off)
{
	if (fault_at(what))
		return E_FULL;
	while (s.n > 0) {
		ssize_t n = pwrite(fd, s.p, s.n, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return disk_err(what, n == 0 ? ENOSPC : errno);
		s = slice_from(s, (size_t)n);
		off += (uint64_t)n;
	}
	return E_OK;
}

/* Drops n bytes from the front of the vectors. */
static void disk_advance(struct iovec **v, size_t *count, size_t n)
{
	while (*count > 0 && n >= (*v)->iov_len) {
		n -= (*v)->iov_len;
		(*v)++;
		(*count)--;
	}
	if (*count > 0) {
		(*v)->iov_base = (char *)(*v)->iov_base + n;
		(*v)->iov_len -= n;
	}
}

enum err disk_writev(const char *what, int fd, struct iovec *v, size_t n, uint64_t off)
{
	if (fault_at(what))
		return E_FULL;
	while (n > 0) {
		ssize_t done = pwritev(fd, v, (int)MIN(n, (size_t)IOV_MAX), (off_t)off);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return disk_err(what, done == 0 ? ENOSPC : errno);
		off += (uint64_t)done;
		disk_advance(&v, &n, (size_t)done);
	}
	return E_OK;
}

enum err disk_read(int fd, void *p, size_t n, uint64_t off)
{
	struct iovec v = {p, n};

	return disk_readv(fd, &v, 1, off);
}

enum err disk_readv(int fd, struct iovec *v, size_t n, uint64_t off)
{
	while (n > 0 && v->iov_len == 0) {
		v++;
		n--;
	}
	while (n > 0) {
		ssize_t done = preadv(fd, v, (int)MIN(n, (size_t)IOV_MAX), (off_t)off);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return disk_err("read", errno);
		if (done == 0)
			return E_CORRUPT;
		off += (uint64_t)done;
		disk_advance(&v, &n, (size_t)done);
	}
	return E_OK;
}

enum err disk_sync(const char *what, int fd)
{
	if (fault_at(what))
		return E_IO;
	if (fdatasync(fd) == 0)
		return E_OK;
	(void)disk_err(what, errno);
	return E_IO; /* whatever the reason: what is on disk is not known any more */
}

void disk_forget(int fd, uint64_t off, uint64_t n)
{
	/* An advice: what it does not do costs memory, no bytes. */
	(void)posix_fadvise(fd, (off_t)off, (off_t)n, POSIX_FADV_DONTNEED);
}

enum err disk_sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err e;

	if (fd < 0)
		return disk_err("open folder", errno);
	e = fault_at("store.dir.sync") ? E_IO : fsync(fd) == 0 ? E_OK : disk_err("sync", errno);
	close(fd);
	return e;
}

enum err disk_truncate(int fd, uint64_t size)
{
	return ftruncate(fd, (off_t)size) == 0 ? E_OK : disk_err("truncate", errno);
}

enum err disk_size(int fd, uint64_t *out)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return disk_err("stat", errno);
	*out = (uint64_t)st.st_size;
	return E_OK;
}

enum err disk_unlink(const char *path)
{
	return unlink(path) == 0 ? E_OK : disk_err("unlink", errno);
}

enum err disk_rename(const char *from, const char *to)
{
	if (fault_at("store.file.rename"))
		return E_IO;
	return rename(from, to) == 0 ? E_OK : disk_err("rename", errno);
}

enum err disk_mkdir(const char *path)
{
	return mkdir(path, 0700) == 0 ? E_OK : disk_err("mkdir", errno);
}

enum err disk_list(const char *path, enum err (*fn)(void *arg, const char *name), void *arg)
{
	DIR *dir = opendir(path);
	struct dirent *de;
	enum err e = E_OK;

	if (dir == NULL)
		return disk_err("list", errno);
	while (e == E_OK && (de = readdir(dir)) != NULL) {
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			e = fn(arg, de->d_name);
	}
	closedir(dir);
	return e;
}

enum err disk_lock(const char *path, int *fd_out)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	*fd_out = -1;
	if (fd < 0)
		return disk_err("lock", errno);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int saved = errno;

		close(fd);
		return saved == EWOULDBLOCK ? E_BUSY : disk_err("lock", saved);
	}
	*fd_out = fd;
	return E_OK;
}

enum err disk_free_bytes(const char *path, uint64_t *out)
{
	struct statvfs st;

	if (statvfs(path, &st) != 0)
		return disk_err("statvfs", errno);
	*out = (uint64_t)st.f_bavail * st.f_frsize;
	return E_OK;
}

enum err disk_path(char out[DISK_PATH_MAX], const char *dir, const char *name)
{
	int n = snprintf(out, DISK_PATH_MAX, "%s/%s", dir, name);

	return n > 0 && n < DISK_PATH_MAX ? E_OK : E_LIMIT;
}

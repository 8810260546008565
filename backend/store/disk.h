/*
 * disk: the store's files but LMDB's: whole reads and writes, syncs, folders, with the errors of
 * the store (E_FULL: ENOSPC, EDQUOT, EFBIG; E_NOT_FOUND; E_IO: logged) and fault points. `what`
 * names the point.
 */
#ifndef BACKEND_STORE_DISK_H
#define BACKEND_STORE_DISK_H

#include <sys/uio.h>

#include "common/base/err.h"
#include "common/base/slice.h"

#define DISK_PATH_MAX 1024

enum disk_mode { DISK_READ, DISK_WRITE, DISK_CREATE };

enum err disk_open(const char *path, enum disk_mode mode, int *fd_out) MUST_USE;
void disk_close(int *fd); /* -1: nothing; sets it to -1 */
enum err disk_write(const char *what, int fd, slice_t s, uint64_t off) MUST_USE;
/* The vectors are changed. */
enum err disk_writev(const char *what, int fd, struct iovec *v, size_t n, uint64_t off) MUST_USE;
/* All of it: E_CORRUPT when the file ends before. */
enum err disk_read(int fd, void *p, size_t n, uint64_t off) MUST_USE;
enum err disk_readv(int fd, struct iovec *v, size_t n, uint64_t off) MUST_USE;
/* These bytes stay in the file, but need no memory any more: clean pages that hold nothing else. */
void disk_forget(int fd, uint64_t off, uint64_t n);
enum err disk_sync(const char *what, int fd) MUST_USE;
enum err disk_sync_dir(const char *path) MUST_USE;
enum err disk_truncate(int fd, uint64_t size) MUST_USE;
enum err disk_size(int fd, uint64_t *out) MUST_USE;
enum err disk_unlink(const char *path) MUST_USE;
enum err disk_rename(const char *from, const char *to) MUST_USE;
enum err disk_mkdir(const char *path) MUST_USE; /* E_EXISTS */
/* Calls fn for every name but . and .. */
enum err disk_list(const char *path, enum err (*fn)(void *arg, const char *name),
		   void *arg) MUST_USE;
/* A lock that ends with the process. E_BUSY: another has it. */
enum err disk_lock(const char *path, int *fd_out) MUST_USE;
/* Bytes that an ordinary user may still write. */
enum err disk_free_bytes(const char *path, uint64_t *out) MUST_USE;
/* "dir/name"; E_LIMIT when it does not fit. */
enum err disk_path(char out[DISK_PATH_MAX], const char *dir, const char *name) MUST_USE;

#endif

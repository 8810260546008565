#include "backend/node_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/crypto/secret.h"
#include "common/log/log.h"

static enum err read_key(int fd, const char *path, struct node_key *out, struct diag *d)
{
	uint8_t secret[NODE_KEY_LEN];

	if (read(fd, secret, sizeof secret) != (ssize_t)sizeof secret)
		return diag_set(d, E_CORRUPT, "%s: not a key of %d bytes", path, NODE_KEY_LEN);
	node_key_from_secret(secret, out);
	secret_wipe(secret, sizeof secret);
	return E_OK;
}

/* Made beside its place and renamed, so that a crash leaves a whole key or none. */
static enum err write_key(const char *data, const char *path, const struct node_key *k,
			  struct diag *d)
{
	char temp[4200];
	int fd, dir;
	bool ok;

	snprintf(temp, sizeof temp, "%s.new", path);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return diag_set(d, E_IO, "%s: %s", temp, log_errno(errno));
	ok = write(fd, k->secret_key, NODE_KEY_LEN) == NODE_KEY_LEN && fsync(fd) == 0;
	ok = close(fd) == 0 && ok && rename(temp, path) == 0;
	dir = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = ok && dir >= 0 && fsync(dir) == 0;
	if (dir >= 0)
		close(dir);
	return ok ? E_OK : diag_set(d, E_IO, "%s: %s", path, log_errno(errno));
}

enum err node_key_load(const char *data, struct node_key *out, struct diag *d)
{
	char path[4100];
	enum err e;
	int fd;

	snprintf(path, sizeof path, "%s/node.key", data);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		node_key_make(out);
		return write_key(data, path, out, d);
	}
	if (fd < 0)
		return diag_set(d, E_IO, "%s: %s", path, log_errno(errno));
	e = read_key(fd, path, out, d);
	close(fd);
	return e;
}

/*
 * backend/areas: the folders of virtual servers in which mail lies as files, for programs that have
 * nothing but a file system.
 *
 *   area     their paths, and what is done with a file in them; blocking, for work threads
 *   pickup   files that are to be messages: which there are (pickup_look), which wait
 *            (pickup_wait), who has which (pickup_lease), what became of it
 *   drop     messages that are to be files
 *
 * FOLDER/HOME/pickup: a file there is taken as a message. FOLDER/HOME/badmail: one that could
 * not be, with its reason beside it, in NAME.reason. FOLDER/HOME/drop: a message that is for
 * whoever fetches it there. HOME is the server's name, or what its setting says: one or more names,
 * that were checked when they were set (servers_home_ok). Whoever may write into pickup may send in
 * anybody's name who is of ours: that is the folder's permission, which is the administrator's to
 * give. No file's content is read here but as bytes; names are strangers' names: a link, or
 * anything but a plain file, is left alone.
 */
#ifndef BACKEND_AREAS_AREA_H
#define BACKEND_AREAS_AREA_H

#include "backend/store/disk.h"

#define AREA_NAME_MAX  255  /* of a file: the system's own limit */
#define AREA_FILES_MAX 1000 /* of one folder that are known at a time; others wait */
#define AREA_HEAD_MAX \
	(256u * 1024) /* of a file that is searched for its sender: a header's
					    limit */
#define AREA_REASON_MAX 512
/* The names of files that are being written begin so. */
#define AREA_DROPPING   ".drop-"

enum area_kind { AREA_PICKUP, AREA_BADMAIL, AREA_DROP, AREA_KINDS };
const char *area_name(enum area_kind k);

/* Which file it is; one of the same name that is not the same file has another identity. */
struct area_file {
	char name[AREA_NAME_MAX + 1];
	uint64_t ino, size;
	int64_t mtime_ns, ctime_ns;
	int64_t born_ns; /* 0: the file system does not say */
};

/* FOLDER/HOME/KIND. */
enum err area_path(const char *folder, slice_t home, enum area_kind k,
		   char out[DISK_PATH_MAX]) MUST_USE;
/* Makes what is missing of a server's folders. */
enum err area_make(const char *folder, slice_t home) MUST_USE;
/* What is known of a folder's files, by map_hash() of their names. */
struct area_known {
	uint64_t name, same; /* same: area_mark() */
	enum {
		AREA_KEEP, /* it is to be told what the file is now */
		AREA_SKIP, /* not unless it is another file now */
		AREA_NEW,  /* it is nothing to go by */
	} as;
	bool seen; /* afterwards: a file of that name is there; of AREA_SKIP, that very file */
};
/* All that makes it the same (area_same). */
uint64_t area_mark(const struct area_file *f);
/* Plain files whose names do not begin with a dot, in no order: all that are AREA_KEEP, and of the
 * others as many as there is room for, which chance chooses, so that none is passed over for ever;
 * *more_out: there are others. known is sorted. Of it at most max are AREA_KEEP. */
enum err area_look(const char *path, struct area_known *known, size_t nknown, struct area_file *out,
		   size_t max, size_t *n_out, bool *more_out) MUST_USE;
/* Looks at the files of n names; one that is not there, or is no plain file, has no number (ino 0)
 * afterwards. */
enum err area_find(const char *path, struct area_file *files, size_t n) MUST_USE;
/* As it was, its mode and links, too. */
bool area_same(const struct area_file *a, const struct area_file *b);
/* E_NOT_FOUND: it is gone, or has changed. */
enum err area_open(const char *path, const struct area_file *f, int *fd_out) MUST_USE;
/* Up to n bytes from off on; fewer only at its end. */
enum err area_read(int fd, uint64_t off, char *to, size_t n, size_t *got_out) MUST_USE;
/* Whether the words stand in its first AREA_HEAD_MAX bytes, in any case of ASCII letters. */
enum err area_mentions(int fd, slice_t words, bool *out) MUST_USE;
/* Durable when it returns. E_NOT_FOUND: it was gone, or another one; its mode and links alone may
 * have changed, where the file system says when a file was made. */
enum err area_remove(const char *path, const struct area_file *f) MUST_USE;
/* To another folder of the same disk, with a reason beside it; there a name that is taken gets the
 * time of the file's last change behind it. E_NOT_FOUND as above; what is wrong with the other
 * folder is another error. */
enum err area_reject(const char *path, const char *bad, const struct area_file *f,
		     slice_t why) MUST_USE;
/* Removes what a lost process was writing: before anybody writes there. */
enum err area_tidy(const char *path) MUST_USE;
/* Removes what was put there more than so many seconds ago; counts it. */
enum err area_expire(const char *path, int64_t keep_s, size_t *removed_out) MUST_USE;

struct area_count {
	uint64_t files, bytes;
	int64_t oldest_s; /* seconds since 1970; 0: none */
};
enum err area_count(const char *path, struct area_count *out) MUST_USE;

#endif

#include "tests/unit/backend/areas/files.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/lib/check.h"

static const char *path_of(const char *folder, const char *name)
{
	static char path[2048];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

void files_put(const char *folder, const char *name, slice_t text)
{
	FILE *f = fopen(path_of(folder, name), "w");

	CHECK(f != NULL && fwrite(text.p, 1, text.n, f) == text.n);
	if (f != NULL)
		fclose(f);
}

slice_t files_get(const char *folder, const char *name)
{
	static char room[4096];
	FILE *f = fopen(path_of(folder, name), "r");
	size_t n = f != NULL ? fread(room, 1, sizeof room, f) : 0;

	if (f != NULL)
		fclose(f);
	return slice(room, n);
}

void files_remove(const char *folder, const char *name)
{
	CHECK_INT(unlink(path_of(folder, name)), 0);
}

bool files_has(const char *folder, const char *name)
{
	return access(path_of(folder, name), F_OK) == 0;
}

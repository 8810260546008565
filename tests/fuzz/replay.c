/*
 * The main of a fuzz target without a fuzzer: runs it over every file named on the command line.
 * Each input lies in a block of its own size, so that a sanitizer sees a read past its end.
 */
#include <stdio.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (16 * 1024 * 1024)

static bool replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long size;
	bool ok;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
		perror(path);
		return false;
	}
	size = ftell(f);
	rewind(f);
	if (size < 0 || size > INPUT_MAX) {
		fprintf(stderr, "%s: too large\n", path);
		(void)fclose(f);
		return false;
	}
	data = xmalloc((size_t)size);
	ok = fread(data, 1, (size_t)size, f) == (size_t)size;
	(void)fclose(f);
	if (ok)
		ok = LLVMFuzzerTestOneInput(data, (size_t)size) == 0;
	xfree(&data);
	return ok;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		if (!replay(argv[i])) {
			fprintf(stderr, "%s: failed\n", argv[i]);
			failed = 1;
		}
	}
	return failed;
}

#include "common/base/base.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void invariant_failed(const char *expr, const char *file, int line, const char *func)
{
	char text[512];
	int n = snprintf(text, sizeof text,
			 "level=fatal event=invariant expr=\"%s\" at=%s:%d func=%s\n", expr, file,
			 line, func);

	if (n > 0 &&
	    write(STDERR_FILENO, text, (size_t)n < sizeof text ? (size_t)n : sizeof text) < 0)
		_exit(70);
	abort();
}

#define HEAP_KEPT   (16 << 20) /* what some hundred messages under way take */
#define HEAP_MAPPED (1 << 20)  /* what is larger has pages of its own, and gives them back */

void heap_keep(void)
{
	(void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
	(void)mallopt(M_MMAP_THRESHOLD, HEAP_MAPPED);
}

void *xmalloc(size_t n)
{
	void *p = malloc(n != 0 ? n : 1);

	invariant(p != NULL);
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n != 0 ? n : 1, size != 0 ? size : 1);

	invariant(p != NULL);
	return p;
}

void *xrealloc(void *old, size_t n)
{
	void *p = realloc(old, n != 0 ? n : 1);

	invariant(p != NULL);
	return p;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n), s, n);
}

void xfree_(const void *p)
{
	free((void *)(uintptr_t)p);
}

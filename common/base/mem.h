/* mem: allocation. Small memory of a fixed size may end the process when there is none (mem_*);
 * what is sized from outside is tried with malloc and refused. */
#ifndef DROVER_BASE_MEM_H
#define DROVER_BASE_MEM_H

#include <stddef.h>

/* As calloc, realloc, strdup, strndup; each prints a line and exits with 71 (EX_OSERR) when memory
 * is out. */
void *mem_zalloc (size_t size);
void *mem_resize (void *old, size_t count, size_t size);
char *mem_strdup (const char *s);
char *mem_strndup (const char *s, size_t len);
char *mem_printf (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));

#endif

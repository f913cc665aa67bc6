/* survey: which functions a worker has, asked of its modules before it says hello.
 *
 * Each module is loaded in a child process of its own, which ends again: one that crashes, hangs or
 * breaks a rule of module.h has no functions and costs a line of complaint, nothing else.
 */
#ifndef DROVER_WORKER_EXEC_SURVEY_H
#define DROVER_WORKER_EXEC_SURVEY_H

#include <stddef.h>

#include "worker/exec/module.h"

struct survey {
    char **names;  /* "MODULE:NAME", a NULL behind the last; those built in come first */
    char **abouts; /* what each does, in a line, or "" */
    size_t count;
};

/* What is wrong with the file, in one line that names it. */
typedef void survey_complain_fn (void *arg, const char *why);

/* The caller must be single-threaded and without children. */
void survey_modules (struct survey *s, const struct module_path *path, survey_complain_fn *complain,
                     void *arg);
void survey_fini (struct survey *s);

#endif

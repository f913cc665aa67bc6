/* module: shared objects with functions (drover_module.h), found in directories that the worker's
 * owner names, never in one that came over the network.
 *
 * "img:thumb" is the function `thumb` of img.so in the first of the directories that has such a
 * file; "drover:..." is built in (builtin.h). A directory and a file must belong to root or to the
 * worker's user, and nobody else may write to them: a module is code that runs as that user. Where
 * a file is a symbolic link the rule is for what it names.
 *
 * Loading runs foreign code, so only executors and the children of survey.h do it.
 */
#ifndef DROVER_WORKER_EXEC_MODULE_H
#define DROVER_WORKER_EXEC_MODULE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "worker/drover_module.h"

/* Where modules are: absolute paths, the first searched first. */
struct module_path {
    char **dirs;
    size_t count;
};

/* Append a directory, which must be there. -1 with why not. */
int module_path_add (struct module_path *p, const char *dir, struct err *e);
/* The same for a list with colons in between; empty parts mean nothing. */
int module_path_add_list (struct module_path *p, const char *list, struct err *e);
void module_path_fini (struct module_path *p);

/* Whether a module or a function may be called so: letters, digits, and _ . - */
bool module_name_valid (struct bytes name);

/* Load the file at `path`. It stays loaded as long as the process lives. NULL with the reason. */
const struct drover_module *module_load (const char *path, struct err *e);

/* Modules that this process has found. The path is borrowed; NULL: none but what is built in. */
struct modules;
struct modules *modules_new (const struct module_path *path);
void modules_free (struct modules **m);

/* The function "MODULE:NAME", which lives as long as the process. NULL with the reason, in words
 * for the task's owner. */
drover_function_t *modules_find (struct modules *m, struct bytes name, struct err *e);

/* Whether the file of that function's module is another one than was loaded, or was written over:
 * only a new process can load it. */
bool modules_stale (const struct modules *m, struct bytes name);

#endif

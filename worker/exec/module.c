/* What was found once is kept in a list; what was not is looked for again, as its file may come. */
#include "worker/exec/module.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "worker/exec/builtin.h"

#define NAME_MAX_LEN 200

/* --- the path ------------------------------------------------------------------------------- */

/* Whether only the worker's user and root can change what is there. */
static int check_owner (const char *path, const struct stat *st, struct err *e)
{
    if (st->st_uid != 0 && st->st_uid != geteuid ())
        return err_set (e, EPERM, "%s belongs to another user: modules are run as this one", path);
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return err_set (e, EPERM, "others may write to %s: chmod go-w", path);
    return 0;
}

static int check_dir (const char *dir, struct err *e)
{
    struct stat st;
    if (stat (dir, &st) < 0)
        return err_sys (e, errno, "cannot look for modules in %s", dir);
    if (!S_ISDIR (st.st_mode))
        return err_set (e, ENOTDIR, "%s is no directory of modules", dir);
    return check_owner (dir, &st, e);
}

int module_path_add (struct module_path *p, const char *dir, struct err *e)
{
    if (check_dir (dir, e) < 0)
        return -1;
    char *absolute = realpath (dir, NULL);
    if (!absolute)
        return err_sys (e, errno, "cannot look for modules in %s", dir);
    p->dirs = mem_resize (p->dirs, p->count + 1, sizeof *p->dirs);
    p->dirs[p->count++] = absolute;
    return 0;
}

int module_path_add_list (struct module_path *p, const char *list, struct err *e)
{
    while (*list) {
        size_t len = strcspn (list, ":");
        char *dir = mem_strndup (list, len);
        int rc = len ? module_path_add (p, dir, e) : 0;
        free (dir);
        if (rc < 0)
            return -1;
        list += len + (list[len] == ':');
    }
    return 0;
}

void module_path_fini (struct module_path *p)
{
    for (size_t i = 0; i < p->count; i++)
        free (p->dirs[i]);
    free (p->dirs);
    *p = (struct module_path){0};
}

/* --- one module ----------------------------------------------------------------------------- */

bool module_name_valid (struct bytes name)
{
    if (!name.len || name.len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum (name.ptr[i]) && !strchr ("_.-", name.ptr[i]))
            return false;
    return true;
}

static int check_functions (const char *path, const struct drover_module *m, struct err *e)
{
    if (m->abi != DROVER_MODULE_ABI)
        return err_set (e, EPROTONOSUPPORT,
                        "%s was made for interface %u, this worker has %u: build it again", path,
                        m->abi, DROVER_MODULE_ABI);
    for (const struct drover_function *f = m->functions; f && f->name; f++)
        if (!f->call || !module_name_valid (bytes_str (f->name)))
            return err_set (e, EINVAL, "%s: '%s' is no function (names: letters, digits, _ . -)",
                            path, f->name);
    return 0;
}

const struct drover_module *module_load (const char *path, struct err *e)
{
    struct stat st;
    if (stat (path, &st) < 0) {
        err_sys (e, errno, "cannot load %s", path);
        return NULL;
    }
    if (check_owner (path, &st, e) < 0)
        return NULL;
    void *object = dlopen (path, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        err_set (e, ENOEXEC, "cannot load %s", dlerror ());
        return NULL;
    }
    const struct drover_module *m = dlsym (object, "drover_module");
    if (!m)
        err_set (e, ENOEXEC, "%s is no module: it has no DROVER_MODULE", path);
    if (m && check_functions (path, m, e) == 0)
        return m;
    dlclose (object); /* or this one would be found once more, when there is another file */
    return NULL;
}

/* --- those of a process ----------------------------------------------------------------------- */

struct found {
    char *name;
    char *path; /* NULL: it has no file */
    struct stat file;
    const struct drover_module *module;
    LIST_ENTRY (found) link;
};

struct modules {
    const struct module_path *path;
    LIST_HEAD (, found) found;
};

static struct found *add_found (struct modules *m, struct bytes name,
                                const struct drover_module *module)
{
    struct found *f = mem_zalloc (sizeof *f);
    f->name = mem_strndup ((const char *)name.ptr, name.len);
    f->module = module;
    LIST_INSERT_HEAD (&m->found, f, link);
    return f;
}

struct modules *modules_new (const struct module_path *path)
{
    struct modules *m = mem_zalloc (sizeof *m);
    m->path = path;
    LIST_INIT (&m->found);
    add_found (m, bytes_str ("drover"), &builtin_module);
    return m;
}

void modules_free (struct modules **mp)
{
    struct modules *m = *mp;
    struct found *f;
    if (!m)
        return;
    while ((f = LIST_FIRST (&m->found))) {
        LIST_REMOVE (f, link);
        free (f->name);
        free (f->path);
        free (f);
    }
    free (m);
    *mp = NULL;
}

/* The file is looked at before it is loaded: one that is exchanged in between is found out. */
static const struct drover_module *load_file (struct modules *m, struct bytes name,
                                              const char *path, struct err *e)
{
    struct stat file = {0};
    stat (path, &file);
    const struct drover_module *module = module_load (path, e);
    if (module) {
        struct found *f = add_found (m, name, module);
        f->path = mem_strdup (path);
        f->file = file;
    }
    return module;
}

/* Load the file of that name from the first directory that has one. */
static const struct drover_module *load_named (struct modules *m, struct bytes name, struct err *e)
{
    size_t count = m->path ? m->path->count : 0;
    for (size_t i = 0; i < count; i++) {
        const char *dir = m->path->dirs[i];
        char *path = mem_printf ("%s/%.*s.so", dir, (int)name.len, (const char *)name.ptr);
        bool there = access (path, F_OK) == 0;
        const struct drover_module *module = NULL;
        if (there && check_dir (dir, e) == 0)
            module = load_file (m, name, path, e);
        free (path);
        if (there)
            return module;
    }
    err_set (e, ENOENT, "no module %.*s here (drover module list)", (int)name.len,
             (const char *)name.ptr);
    return NULL;
}

static const struct found *find_found (const struct modules *m, struct bytes name)
{
    const struct found *f;
    LIST_FOREACH (f, &m->found, link)
        if (bytes_equal (name, bytes_str (f->name)))
            break;
    return f;
}

static const struct drover_module *module_named (struct modules *m, struct bytes name,
                                                 struct err *e)
{
    const struct found *f = find_found (m, name);
    return f ? f->module : load_named (m, name, e);
}

/* What is before the colon; empty where there is none. */
static struct bytes module_of (struct bytes name)
{
    const uint8_t *colon = name.len ? memchr (name.ptr, ':', name.len) : NULL;
    return bytes_of (name.ptr, colon ? (size_t)(colon - name.ptr) : 0);
}

static bool is_other (const struct stat *a, const struct stat *b)
{
    return a->st_ino != b->st_ino || a->st_dev != b->st_dev || a->st_size != b->st_size ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

bool modules_stale (const struct modules *m, struct bytes name)
{
    const struct found *f = find_found (m, module_of (name));
    struct stat now;
    return f && f->path && stat (f->path, &now) == 0 && is_other (&f->file, &now);
}

drover_function_t *modules_find (struct modules *m, struct bytes name, struct err *e)
{
    struct bytes module_name = module_of (name), function = {0};
    if (module_name.len)
        function = bytes_of (name.ptr + module_name.len + 1, name.len - module_name.len - 1);
    if (!module_name_valid (module_name) || !module_name_valid (function)) {
        err_set (e, EINVAL, "'%.*s' is no function: write MODULE:NAME", (int)name.len,
                 (const char *)name.ptr);
        return NULL;
    }
    const struct drover_module *module = module_named (m, module_name, e);
    for (const struct drover_function *f = module ? module->functions : NULL; f && f->name; f++)
        if (bytes_equal (function, bytes_str (f->name)))
            return f->call;
    if (module)
        err_set (e, ENOENT, "no function %.*s here", (int)name.len, (const char *)name.ptr);
    return NULL;
}

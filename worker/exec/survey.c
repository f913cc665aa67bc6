/* A child answers in lines through a pipe: "name TAB about" for each function, at the end "." or
 * "! why". Without such an end it has crashed.
 */
#include "worker/exec/survey.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "worker/exec/builtin.h"

#define LOAD_US (10 * US_PER_S) /* for one module */
#define ANSWER_MAX (1u << 20)   /* bytes of one module's answer */

struct asking {
    struct survey *s;
    survey_complain_fn *complain;
    void *arg;
};

static void complain (const struct asking *a, const char *path, const char *why)
{
    char *line = mem_printf ("%s: %s", path, why);
    a->complain (a->arg, line);
    free (line);
}

static void add (struct survey *s, const char *module, const char *name, const char *about)
{
    s->names = mem_resize (s->names, s->count + 2, sizeof *s->names);
    s->abouts = mem_resize (s->abouts, s->count + 1, sizeof *s->abouts);
    s->names[s->count] = mem_printf ("%s:%s", module, name);
    s->abouts[s->count] = mem_strdup (about);
    s->names[++s->count] = NULL;
}

/* --- the child -------------------------------------------------------------------------------- */

static void answer (const char *path, int fd)
{
    struct err e;
    FILE *out = fdopen (fd, "w");
    const struct drover_module *m = out ? module_load (path, &e) : NULL;
    if (!out)
        return;
    for (const struct drover_function *f = m ? m->functions : NULL; f && f->name; f++)
        fprintf (out, "%s\t%.*s\n", f->name, f->about ? (int)strcspn (f->about, "\n") : 0,
                 f->about ? f->about : "");
    if (m)
        fputs (".\n", out);
    else
        fprintf (out, "! %s\n", e.text);
    fclose (out);
}

static void be_child (const char *path, int fd, pid_t parent)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        signal (crashes[i], SIG_DFL); /* they are the module's, no matter of ours to report */
    int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (getppid () != parent || null < 0)
        return;
    dup2 (null, 0);
    dup2 (null, 1);
    answer (path, fd);
}

/* --- the parent ------------------------------------------------------------------------------- */

/* Its pid, and where it answers; -1 with errno. */
static pid_t start_child (const char *path, int *fd)
{
    int fds[2];
    pid_t parent = getpid ();
    if (pipe2 (fds, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = fork ();
    if (pid == 0) {
        be_child (path, fds[1], parent);
        _exit (0);
    }
    close (fds[1]);
    if (pid < 0)
        close (fds[0]);
    *fd = fds[0];
    return pid;
}

/* All that comes until the end of file; 0, or -1 when the time is over. */
static int read_answer (int fd, struct buf *b)
{
    int64_t until_us = clock_mono_us () + LOAD_US;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left_us = until_us - clock_mono_us ();
        int rc = left_us > 0 ? poll (&p, 1, (int)(left_us / US_PER_MS) + 1) : 0;
        if (rc == 0 || (rc < 0 && errno != EINTR))
            return -1;
        if (rc < 0)
            continue;
        uint8_t *room = buf_room (b, 4096);
        ssize_t n = room ? read (fd, room, 4096) : -1;
        if (n == 0)
            return 0;
        if (n < 0)
            return -1;
        b->len += (size_t)n;
    }
}

/* Take what the child said, which has a NUL behind it. */
static void take_answer (const struct asking *a, const char *path, const char *module, char *text)
{
    char *save, *line = strtok_r (text, "\n", &save);
    for (; line; line = strtok_r (NULL, "\n", &save)) {
        char *tab = strchr (line, '\t');
        if (tab) {
            *tab = 0;
            add (a->s, module, line, tab + 1);
        } else if (strncmp (line, "! ", 2) == 0) {
            a->complain (a->arg, line + 2);
            return;
        } else if (strcmp (line, ".") == 0) {
            return;
        }
    }
    complain (a, path, "it crashes while it is loaded");
}

static void ask (const struct asking *a, const char *path, const char *module)
{
    int fd;
    struct buf b;
    pid_t pid = start_child (path, &fd);
    if (pid < 0) {
        complain (a, path, strerror (errno));
        return;
    }
    buf_init (&b, ANSWER_MAX);
    int rc = read_answer (fd, &b);
    kill (pid, SIGKILL);
    waitpid (pid, NULL, 0);
    close (fd);
    buf_putc (&b, 0);
    if (rc < 0 || b.failed)
        complain (a, path, "it does not load in time");
    else
        take_answer (a, path, module, (char *)b.bytes);
    buf_fini (&b);
}

/* --- the path --------------------------------------------------------------------------------- */

/* Whether an earlier directory has, or could have, this module: then the file is never used. */
static bool shadowed (const struct module_path *path, size_t upto, const char *file)
{
    for (size_t i = 0; i < upto; i++) {
        char *other = mem_printf ("%s/%s", path->dirs[i], file);
        bool there = access (other, F_OK) == 0;
        free (other);
        if (there)
            return true;
    }
    return strcmp (file, "drover.so") == 0;
}

static int is_module (const struct dirent *d)
{
    size_t len = strlen (d->d_name);
    return len > 3 && strcmp (d->d_name + len - 3, ".so") == 0;
}

static void ask_file (const struct asking *a, const char *dir, const char *file)
{
    char *path = mem_printf ("%s/%s", dir, file);
    char *module = mem_strndup (file, strlen (file) - 3);
    if (module_name_valid (bytes_str (module)))
        ask (a, path, module);
    else
        complain (a, path, "the name of a module has letters, digits, and _ . - only");
    free (module);
    free (path);
}

void survey_modules (struct survey *s, const struct module_path *path,
                     survey_complain_fn *complain_fn, void *arg)
{
    const struct asking a = {.s = s, .complain = complain_fn, .arg = arg};
    *s = (struct survey){0};
    for (const struct drover_function *f = builtin_module.functions; f->name; f++)
        add (s, "drover", f->name, f->about);
    for (size_t i = 0; i < path->count; i++) {
        struct dirent **files;
        int n = scandir (path->dirs[i], &files, is_module, alphasort);
        if (n < 0)
            complain (&a, path->dirs[i], strerror (errno));
        for (int k = 0; k < n; k++) {
            if (!shadowed (path, i, files[k]->d_name))
                ask_file (&a, path->dirs[i], files[k]->d_name);
            free (files[k]);
        }
        if (n >= 0)
            free (files);
    }
}

void survey_fini (struct survey *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free (s->names[i]);
        free (s->abouts[i]);
    }
    free (s->names);
    free (s->abouts);
    *s = (struct survey){0};
}

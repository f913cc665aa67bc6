/* rude: functions without manners, for modules.bats. rude:act takes one value, HOW:TAG, and does to
 * its process what that says, then gives the value back; `good` does nothing else.
 */
#define _GNU_SOURCE
#include <drover_module.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES 60000 /* less than the page that is shared with the agent */

static void *leaves (void *arg)
{
    _exit (5);
    return arg;
}

static void *sleeps (void *arg)
{
    pause ();
    return arg;
}

static void hangs (void)
{
    for (;;)
        pause ();
}

static void good (void)
{
}

/* Both return. */
static void forks (void)
{
    if (fork () < 0)
        abort ();
}

static void forks_and_exits (void)
{
    if (fork () == 0)
        _exit (0);
}

static void starts_thread (void)
{
    pthread_t t;
    pthread_create (&t, NULL, sleeps, NULL);
}

static void exits_in_thread (void)
{
    pthread_t t;
    pthread_create (&t, NULL, leaves, NULL);
    hangs ();
}

static void closes_all (void)
{
    close_range (3, ~0u, 0);
}

static void writes_anywhere (void)
{
    static const char junk[64] = "\xff\xff\xff\xffjunk";
    for (int fd = 3; fd < 1100; fd++)
        if (write (fd, junk, sizeof junk) < 0)
            continue;
}

static void makes_all_block (void)
{
    for (int fd = 3; fd < 1100; fd++)
        fcntl (fd, F_SETFL, 0);
}

static void writes_over_the_page (void)
{
    char line[512], *from;
    FILE *maps = fopen ("/proc/self/maps", "r");
    while (maps && fgets (line, sizeof line, maps))
        if (strstr (line, "drover-control") && sscanf (line, "%p", (void **)&from) == 1)
            memset (from, 0xff, PAGE_BYTES);
    if (maps)
        fclose (maps);
}

static void changes_masks (void)
{
    sigset_t all;
    sigfillset (&all);
    sigprocmask (SIG_SETMASK, &all, NULL);
    signal (SIGTERM, SIG_IGN);
    umask (0777);
}

static void changes_dir (void)
{
    if (chdir ("/"))
        abort ();
}

static void sets_limits (void)
{
    const struct rlimit none = {0, 0};
    setrlimit (RLIMIT_NOFILE, &none);
    setrlimit (RLIMIT_FSIZE, &none);
}

static void jumps_out (void)
{
    jmp_buf env;
    if (setjmp (env) == 0)
        longjmp (env, 1);
}

static void hangs_at_exit (void)
{
    atexit (hangs);
}

static void becomes_another (void)
{
    execl ("/bin/true", "true", (char *)NULL);
    abort ();
}

static const struct {
    const char *how;
    void (*act) (void);
} acts[] = {
    {"good", good},
    {"fork", forks},
    {"fork-exit", forks_and_exits},
    {"thread", starts_thread},
    {"thread-exit", exits_in_thread},
    {"close", closes_all},
    {"write", writes_anywhere},
    {"block", makes_all_block},
    {"page", writes_over_the_page},
    {"masks", changes_masks},
    {"chdir", changes_dir},
    {"limits", sets_limits},
    {"jump", jumps_out},
    {"atexit", hangs_at_exit},
    {"exec", becomes_another},
};

static int act (drover_call_t *call)
{
    const char *value = drover_call_text (call, 0);
    size_t len = strcspn (value, ":");
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (strlen (acts[i].how) == len && strncmp (value, acts[i].how, len) == 0) {
            acts[i].act ();
            return drover_call_result (call, value, strlen (value));
        }
    return drover_call_fail (call, "rude:act\ndoes not know\tthat");
}

static int cwd (drover_call_t *call)
{
    char here[4096];
    return getcwd (here, sizeof here) ? drover_call_result (call, here, strlen (here)) : 1;
}

static const struct drover_function functions[] = {
    {"act", act, NULL},
    {"cwd", cwd, NULL},
    {NULL, NULL, NULL},
};
DROVER_MODULE (functions)

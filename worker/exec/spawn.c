/* The child of vfork() runs in this process's memory, while this process stands still: it must not
 * return from the function that called vfork(), nor change anything but what is its own here (the
 * fault, the scratch buffer). All signals are blocked around it, so that no handler of ours runs
 * in the child; it clears its mask right before exec.
 *
 * Into a cgroup it is clone3() with the flags of vfork(): the child is born there. (To be moved
 * there instead, it would have to wait for all forks of the system to stand still.) The C library
 * has no such call, and one through its syscall() would return twice into one stack frame, so it is
 * made here, with a stack for the child inside the frame of the parent that stands still, for the
 * one processor it was tried on; elsewhere tasks have the subreaper only.
 */
#include "worker/exec/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH "/bin:/usr/bin"
#define SCRIPT_SHELL "/bin/sh"
#define STACK_SIZE 16384 /* of a child: it makes system calls, and copies paths elsewhere */

/* What runs on the child's stack: AddressSanitizer would keep notes on frames there that are never
 * left, and believe them when the parent uses that memory again. */
#define IN_CHILD __attribute__ ((no_sanitize ("address")))

struct job {
    const struct spawn_plan *plan;
    struct spawn_fault *fault;
    char *scratch;      /* room for a path */
    char **script_argv; /* the longer vector: shell, path, arguments */
    pid_t parent;
};

static IN_CHILD int exec_script (const struct job *j, const struct spawn_program *g,
                                 const char *file)
{
    size_t i = 0;
    j->script_argv[0] = (char *)(uintptr_t)SCRIPT_SHELL;
    j->script_argv[1] = (char *)(uintptr_t)file;
    while (g->argv[i] && (j->script_argv[i + 2] = g->argv[i + 1]))
        i++;
    execve (SCRIPT_SHELL, j->script_argv, j->plan->envp);
    return errno;
}

static IN_CHILD int exec_file (const struct job *j, const struct spawn_program *g, const char *file)
{
    execve (file, g->argv, j->plan->envp);
    if (errno == ENOEXEC && g->script)
        return exec_script (j, g, file);
    return errno;
}

/* As execvp(): go on behind directories that do not have it, remember one that has and may not. */
static IN_CHILD int exec_search (const struct job *j, const struct spawn_program *g)
{
    const char *path = j->plan->path ? j->plan->path : DEFAULT_PATH;
    size_t word_len = strlen (g->word);
    int code = ENOENT;
    if (!word_len)
        return ENOENT;
    if (strchr (g->word, '/'))
        return exec_file (j, g, g->word);
    for (;;) {
        size_t len = strcspn (path, ":");
        char *at = j->scratch;
        memcpy (at, path, len);
        at += len;
        if (len)
            *at++ = '/';
        memcpy (at, g->word, word_len + 1);
        int now = exec_file (j, g, j->scratch);
        if (now == EACCES)
            code = EACCES;
        else if (now != ENOENT && now != ENOTDIR && now != ESTALE && now != ENODEV &&
                 now != ETIMEDOUT)
            return now;
        if (!path[len])
            return code;
        path += len + 1;
    }
}

static IN_CHILD void __attribute__ ((noreturn))
fail (const struct job *j, enum spawn_step step, int code)
{
    *j->fault = (struct spawn_fault){step, code};
    _exit (127);
}

/* dup2() leaves one that is there already as it is, to be closed by exec. */
static IN_CHILD int move_to (int fd, int number)
{
    return fd == number ? fcntl (fd, F_SETFD, 0) : dup2 (fd, number);
}

static IN_CHILD void __attribute__ ((noreturn, noinline)) child (const struct job *j)
{
    const struct spawn_plan *p = j->plan;
    sigset_t none;
    setsid ();
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (getppid () != j->parent)
        _exit (127);
    if (dup2 (p->in, 0) < 0 || dup2 (p->out, 1) < 0 || dup2 (p->err, 2) < 0)
        fail (j, SPAWN_FORK, errno);
    if (p->cancel >= 0 && move_to (p->cancel, SPAWN_CANCEL_FD) < 0)
        fail (j, SPAWN_FORK, errno);
    close_range (p->cancel >= 0 ? SPAWN_CANCEL_FD + 1 : 3, ~0u, 0);
    umask (p->umask);
    if (*p->dir && chdir (p->dir))
        fail (j, SPAWN_DIR, errno);
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    int code = 0;
    for (unsigned i = 0; i < p->programs; i++)
        code = exec_search (j, &p->program[i]);
    fail (j, SPAWN_EXEC, code);
}

static IN_CHILD pid_t __attribute__ ((noinline)) fork_child (const struct job *j)
{
    pid_t pid = vfork ();
    if (pid == 0)
        child (j);
    return pid;
}

#if defined(__x86_64__) && defined(__LP64__)
#define HAVE_CLONE3 1
static long clone3_call (struct clone_args *args, void (*fn) (const struct job *),
                         const struct job *arg)
{
    register void (*child_fn) (const struct job *) __asm__("r8") = fn;
    register const struct job *child_arg __asm__("r9") = arg;
    long rc;
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xorl %%ebp, %%ebp\n\t" /* the end of the frames, for debuggers */
                     "movq %%r9, %%rdi\n\t"
                     "callq *%%r8\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(rc)
                     : "0"((long)SYS_clone3), "D"(args), "S"(sizeof *args), "r"(child_fn),
                       "r"(child_arg)
                     : "rcx", "r11", "cc", "memory");
    return rc;
}
#else
#define HAVE_CLONE3 0
static long clone3_call (struct clone_args *args, void (*fn) (const struct job *),
                         const struct job *arg)
{
    (void)args, (void)fn, (void)arg;
    return -ENOSYS;
}
#endif

static IN_CHILD pid_t __attribute__ ((noinline)) fork_into (const struct job *j, int cgroup)
{
    _Alignas(16) char stack[STACK_SIZE];
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t)stack,
        .stack_size = sizeof stack,
        .cgroup = (uint64_t)cgroup,
    };
    long rc = clone3_call (&args, child, j);
    errno = rc < 0 ? (int)-rc : 0;
    return rc < 0 ? -1 : (pid_t)rc;
}

static size_t longest_word (const struct spawn_plan *p)
{
    size_t longest = 0;
    for (unsigned i = 0; i < p->programs; i++) {
        size_t len = strlen (p->program[i].word);
        longest = len > longest ? len : longest;
    }
    return longest;
}

static char **room_for_script (const struct spawn_plan *p)
{
    size_t most = 0;
    for (unsigned i = 0; i < p->programs; i++) {
        size_t n = 0;
        while (p->program[i].script && p->program[i].argv[n])
            n++;
        most = n > most ? n : most;
    }
    return calloc (most + 3, sizeof (char *));
}

/* A kernel that has clone3 calls an argument without a size wrong; a filter denies it any way. */
bool spawn_into_cgroup (void)
{
    return HAVE_CLONE3 && syscall (SYS_clone3, NULL, 0) < 0 && errno == EINVAL;
}

pid_t spawn (const struct spawn_plan *plan, struct spawn_fault *fault)
{
    size_t path_len = strlen (plan->path ? plan->path : DEFAULT_PATH);
    struct job j = {
        .plan = plan,
        .fault = fault,
        .scratch = malloc (path_len + longest_word (plan) + 2),
        .script_argv = room_for_script (plan),
        .parent = getpid (),
    };
    pid_t pid = -1;
    *fault = (struct spawn_fault){SPAWN_FORK, ENOMEM};
    if (j.scratch && j.script_argv) {
        sigset_t all, old;
        *fault = (struct spawn_fault){0};
        sigfillset (&all);
        sigprocmask (SIG_SETMASK, &all, &old);
        pid = plan->cgroup < 0 ? fork_child (&j) : fork_into (&j, plan->cgroup);
        if (pid < 0)
            *fault = (struct spawn_fault){SPAWN_FORK, errno};
        sigprocmask (SIG_SETMASK, &old, NULL);
        if (pid > 0 && fault->code) {
            waitpid (pid, NULL, 0);
            pid = -1;
        }
    }
    free (j.scratch);
    free (j.script_argv);
    return pid;
}

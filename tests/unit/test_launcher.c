/* The launcher with real executors, agents that the test plays, and deaths of all kinds.
 *
 * A test forks a process that runs the launcher; agents report to the test through a pipe, a line
 * each. A test ends by checking that no process with its marker is left. All of it with launchers
 * that are subreapers and no more, then, where the system allows, with cgroups as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "tests/unit/exec_rig.h"
#include "worker/exec/launcher.h"
#include "worker/exec/sweep.h"

struct stage {
    pid_t launcher;
    int report[2];   /* lines of the agents */
    int lifetime[2]; /* [1] is the owner's end; -1 without */
    char marker[32];
    char line[256]; /* the last of the report */
};

static struct stage stage;
static bool in_cgroups; /* launchers have one */

/* --- the agents ----------------------------------------------------------------------------------
 */

static void __attribute__ ((format (printf, 1, 2))) say (const char *fmt, ...)
{
    va_list ap;
    va_start (ap, fmt);
    vdprintf (stage.report[1], fmt, ap);
    va_end (ap);
}

static void next_event (int fd, struct launcher_event *event)
{
    struct err e = {0};
    int rc;
    while ((rc = launcher_next (fd, event, &e)) == 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        poll (&p, 1, EXEC_WAIT_MS);
    }
    if (rc < 0)
        say ("launcher: %s\n", e.text);
}

static void make_executor (const struct launcher_start *s, enum executor_kind kind,
                           struct exec_rig *r, uint32_t *number)
{
    struct launcher_event event;
    launcher_new (s->fd, kind, NULL);
    next_event (s->fd, &event);
    if (event.kind != LAUNCHER_NEW)
        say ("no executor: %s\n", strerror (event.error));
    *number = event.executor;
    exec_attach (r, event.pid, event.socket_fd, event.control_fd);
}

static void run_evil (struct exec_rig *r, uint64_t row)
{
    exec_spec (r, &(struct exec_spec){.line = exec_evil_line (stage.marker)});
    exec_run (r, 0, row, NULL);
    exec_wait_count_from (stage.marker, EXEC_EVIL);
}

/* Two executors with an evil task each, then nothing any more. */
static int busy_agent (const struct launcher_start *s, void *arg)
{
    struct exec_rig a, b;
    uint32_t n;
    (void)arg;
    make_executor (s, EXECUTOR_COMMAND, &a, &n);
    run_evil (&a, 0);
    make_executor (s, EXECUTOR_COMMAND, &b, &n);
    exec_spec (&b, &(struct exec_spec){.line = exec_evil_line (stage.marker)});
    exec_run (&b, 0, 1, NULL);
    exec_wait_count_from (stage.marker, 2 * EXEC_EVIL);
    launcher_token (s->fd, 4711, NULL);
    say ("busy %d %d %d replaces %lu\n", (int)getpid (), (int)a.pid, (int)b.pid,
         (unsigned long)s->replaces);
    pause ();
    return 1;
}

/* Kills an executor at work, by the launcher and by hand; a third goes on. */
static int killing_agent (const struct launcher_start *s, void *arg)
{
    struct exec_rig r[3];
    uint32_t n[3];
    struct launcher_event event;
    (void)arg;
    for (int i = 0; i < 3; i++)
        make_executor (s, EXECUTOR_COMMAND, &r[i], &n[i]);
    run_evil (&r[0], 0);
    launcher_kill (s->fd, n[0], NULL);
    next_event (s->fd, &event);
    say ("died %d signal %d left %u\n", event.executor == n[0], WTERMSIG (event.wait_status),
         exec_count (stage.marker));
    run_evil (&r[1], 0);
    kill (r[1].pid, SIGKILL);
    next_event (s->fd, &event);
    say ("died %d signal %d left %u\n", event.executor == n[1], WTERMSIG (event.wait_status),
         exec_count (stage.marker));
    struct exec_result *result = exec_one (&r[2], &(struct exec_spec){.line = "echo fine"}, NULL);
    say ("third %u %.*s", (unsigned)result->o.how, (int)result->out.len,
         (const char *)result->out.bytes);
    for (int i = 0; i < 3; i++)
        exec_drop (&r[i]);
    next_event (s->fd, &event);
    say ("ended %d status %d\n", event.executor == n[2], WEXITSTATUS (event.wait_status));
    launcher_kill (s->fd, 12345, NULL);
    make_executor (s, EXECUTOR_FUNCTION, &r[0], &n[0]);
    say ("number %u\n", n[0]);
    exec_drop (&r[0]);
    return 42;
}

/* A function that does not return, a command whose executor is stopped, and an agent that does
 * nothing for them: all it has given them is a lease. */
static int negligent_agent (const struct launcher_start *s, void *arg)
{
    struct exec_rig r[2];
    uint32_t n[2];
    struct launcher_event event;
    struct lease lease = {.until_us = clock_mono_us (), .margin_us = 100 * US_PER_MS};
    (void)arg;
    launcher_watch (s->fd, true, NULL);
    for (int i = 0; i < 2; i++)
        make_executor (s, i ? EXECUTOR_COMMAND : EXECUTOR_FUNCTION, &r[i], &n[i]);
    exec_spec (&r[0], &(struct exec_spec){.function = "drover:sleep"});
    exec_run (&r[0], 0, 0, (const char *const[]){"3600", NULL});
    run_evil (&r[1], 0);
    kill (r[1].pid, SIGSTOP);
    for (int i = 0; i < 2; i++)
        control_set_lease (r[i].control, lease);
    for (int i = 0; i < 2; i++) {
        next_event (s->fd, &event);
        say ("died signal %d\n", WTERMSIG (event.wait_status));
    }
    say ("left %u\n", exec_count (stage.marker));
    for (int i = 0; i < 2; i++)
        exec_drop (&r[i]);
    return 0;
}

/* The signals that the launcher passes on wait until they are asked for. */
static sigset_t hold_signals (void)
{
    sigset_t mask;
    sigemptyset (&mask);
    sigaddset (&mask, SIGTERM);
    sigaddset (&mask, SIGINT);
    sigprocmask (SIG_BLOCK, &mask, NULL);
    return mask;
}

/* Says what it is told, and ends when that is INT, whatever runs. */
static int draining_agent (const struct launcher_start *s, void *arg)
{
    struct exec_rig r;
    uint32_t n;
    int sig;
    sigset_t mask = hold_signals ();
    (void)arg;
    make_executor (s, EXECUTOR_COMMAND, &r, &n);
    run_evil (&r, 0);
    say ("ready\n");
    do {
        sigwait (&mask, &sig);
        say ("%s\n", sig == SIGINT ? "int" : "term");
    } while (sig != SIGINT);
    exec_drop (&r);
    return 7;
}

static int deaf_agent (const struct launcher_start *s, void *arg)
{
    hold_signals ();
    return busy_agent (s, arg);
}

static int crashing_agent (const struct launcher_start *s, void *arg)
{
    (void)arg;
    launcher_token (s->fd, s->replaces + 1, NULL);
    say ("replaces %lu\n", (unsigned long)s->replaces);
    launcher_shutdown (-1, NULL);
    raise (SIGKILL);
    return 0;
}

static int leaving_agent (const struct launcher_start *s, void *arg)
{
    struct exec_rig r;
    uint32_t n;
    char line[200];
    struct launcher_event event;
    (void)arg;
    snprintf (line, sizeof line, "setsid sleep %s >/dev/null 2>&1 &", stage.marker);
    make_executor (s, EXECUTOR_COMMAND, &r, &n);
    exec_one (&r, &(struct exec_spec){.line = line, .flags = SPEC_LEAVE_CHILDREN}, NULL);
    next_event (s->fd, &event);
    exec_wait_count_from (stage.marker, 1);
    say ("left status %d\n", WEXITSTATUS (event.wait_status));
    exec_drop (&r);
    make_executor (s, EXECUTOR_COMMAND, &r, &n);
    kill (r.pid, SIGKILL);
    next_event (s->fd, &event);
    exec_wait_count_from (stage.marker, 1);
    say ("still there\n");
    exec_drop (&r);
    return 0;
}

static int counting_agent (const struct launcher_start *s, void *arg)
{
    struct launcher_event event[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        launcher_new (s->fd, EXECUTOR_COMMAND, NULL);
    for (int i = 0; i < 3; i++) {
        next_event (s->fd, &event[i]);
        say ("%s\n", event[i].kind == LAUNCHER_NEW ? "new" : strerror (event[i].error));
    }
    say ("own session %d, parent %d, pipe signal %d\n", getsid (0) == getpid (),
         getppid () == s->launcher, signal (SIGPIPE, SIG_DFL) == SIG_IGN);
    launcher_shutdown (s->fd, NULL);
    pause ();
    return 1;
}

/* --- the stage
 * -------------------------------------------------------------------------------------- */

static void launch (const struct launcher_config *config, launcher_agent_fn *agent, bool owned)
{
    struct launcher_config c = *config;
    struct cgroup g = {.own_fd = -1};
    prctl (PR_SET_CHILD_SUBREAPER, 1); /* what a launcher fails to kill comes to us */
    exec_marker (stage.marker);
    assert_int_equal (pipe2 (stage.report, O_CLOEXEC), 0);
    stage.lifetime[0] = stage.lifetime[1] = -1;
    if (owned)
        assert_int_equal (pipe2 (stage.lifetime, O_CLOEXEC), 0);
    fflush (NULL);
    stage.launcher = fork ();
    if (stage.launcher == 0) {
        if (owned)
            close (stage.lifetime[1]);
        c.lifetime_fd = stage.lifetime[0];
        log_init ("test", LOG_ERROR);
        int fd = open ("/dev/null", O_WRONLY);
        dup2 (fd, 2); /* its log */
        close (fd);
        c.cgroup = in_cgroups && cgroup_open (&g, NULL) == 0 ? &g : NULL;
        int status = launcher_run (&c, agent, NULL);
        cgroup_close (&g);
        _exit (status);
    }
    close (stage.report[1]);
    if (owned)
        close (stage.lifetime[0]);
}

/* The next line of the report, "" at its end. */
static const char *heard (void)
{
    size_t n = 0;
    for (;;) {
        struct pollfd p = {.fd = stage.report[0], .events = POLLIN};
        if (poll (&p, 1, EXEC_WAIT_MS) != 1)
            fail_msg ("the agent says nothing");
        if (n + 1 >= sizeof stage.line || read (stage.report[0], stage.line + n, 1) != 1 ||
            stage.line[n] == '\n')
            break;
        n++;
    }
    stage.line[n] = 0;
    return stage.line;
}

static int ended (void)
{
    int status;
    assert_int_equal (waitpid (stage.launcher, &status, 0), stage.launcher);
    return status;
}

static bool nobody_is_left (void *arg)
{
    (void)arg;
    return waitpid (-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static void all_is_gone (void)
{
    exec_wait_until (nobody_is_left, NULL, "no process to be left");
    assert_int_equal (exec_count (stage.marker), 0);
    if (stage.lifetime[1] >= 0)
        close (stage.lifetime[1]);
    close (stage.report[0]);
}

static void assert_heard (const char *line)
{
    assert_string_equal (heard (), line);
}

/* --- the tests
 * -------------------------------------------------------------------------------------- */

static void an_executors_death_is_told_when_its_tree_is_gone (void **state)
{
    (void)state;
    launch (&(struct launcher_config){0}, killing_agent, true);
    assert_heard ("died 1 signal 9 left 0");
    assert_heard ("died 1 signal 9 left 0");
    assert_heard ("third 0 fine");
    assert_heard ("ended 1 status 0");
    assert_heard ("number 4");
    assert_int_equal (WEXITSTATUS (ended ()), 42);
    all_is_gone ();
}

static void an_agent_that_ends_ends_everything (void **state)
{
    (void)state;
    launch (&(struct launcher_config){0}, draining_agent, true);
    assert_heard ("ready");
    kill (stage.launcher, SIGINT);
    assert_heard ("int");
    assert_int_equal (WEXITSTATUS (ended ()), 7);
    assert_int_equal (exec_count (stage.marker), 0);
    all_is_gone ();
}

/* It has to tell the broker: killed by us, it would be a worker that was lost. */
static void who_drains_is_told_by_the_second_signal_to_end_at_once (void **state)
{
    (void)state;
    const int second[] = {SIGTERM, SIGINT, SIGHUP};
    for (int i = 0; i < 3; i++) {
        launch (&(struct launcher_config){0}, draining_agent, false);
        assert_heard ("ready");
        kill (stage.launcher, SIGTERM);
        assert_heard ("term");
        kill (stage.launcher, second[i]);
        assert_heard ("int");
        assert_int_equal (WEXITSTATUS (ended ()), 7);
        all_is_gone ();
    }
}

static void an_agent_that_is_killed_is_replaced_when_all_is_gone (void **state)
{
    (void)state;
    int agent, executor;
    unsigned long replaces;
    launch (&(struct launcher_config){.backoff_ms = 1}, busy_agent, true);
    assert_int_equal (
        sscanf (heard (), "busy %d %d %*d replaces %lu", &agent, &executor, &replaces), 3);
    assert_int_equal (replaces, 0);
    kill (agent, SIGKILL);
    int before = executor;
    assert_int_equal (
        sscanf (heard (), "busy %d %d %*d replaces %lu", &agent, &executor, &replaces), 3);
    assert_int_equal (replaces, 4711);
    assert_int_equal (kill (before, 0), -1);
    assert_true (exec_count (stage.marker) < 4 * EXEC_EVIL); /* only those of the new one */
    close (stage.lifetime[1]);
    stage.lifetime[1] = -1;
    assert_int_equal (ended (), 0);
    assert_int_equal (exec_count (stage.marker), 0);
    all_is_gone ();
}

static void a_row_whose_lease_is_over_is_ended_by_the_launcher (void **state)
{
    (void)state;
    launch (&(struct launcher_config){0}, negligent_agent, false);
    assert_heard ("died signal 9");
    assert_heard ("died signal 9");
    assert_heard ("left 0");
    assert_int_equal (ended (), 0);
    all_is_gone ();
}

static void without_its_owner_everything_ends (void **state)
{
    (void)state;
    launch (&(struct launcher_config){0}, busy_agent, true);
    heard ();
    close (stage.lifetime[1]);
    stage.lifetime[1] = -1;
    assert_int_equal (ended (), 0);
    assert_int_equal (exec_count (stage.marker), 0);
    all_is_gone ();
}

static void a_launcher_that_is_killed_leaves_nothing (void **state)
{
    (void)state;
    launch (&(struct launcher_config){0}, busy_agent, true);
    heard ();
    kill (stage.launcher, SIGKILL);
    ended ();
    exec_wait_count (stage.marker, 0);
    all_is_gone ();
}

static void agent_and_launcher_killed_together_leave_nothing (void **state)
{
    (void)state;
    int agent;
    launch (&(struct launcher_config){0}, busy_agent, true);
    assert_int_equal (sscanf (heard (), "busy %d", &agent), 1);
    kill (stage.launcher, SIGSTOP); /* so that it does not act on the other's death */
    kill (agent, SIGKILL);
    kill (stage.launcher, SIGKILL);
    ended ();
    exec_wait_count (stage.marker, 0);
    all_is_gone ();
}

/* Nobody of them acts on another's death, and what the tasks have made daemons comes to us, as it
 * would to init. The next worker of this user ends it. */
static void all_of_a_worker_killed_together_leave_nothing_to_the_next (void **state)
{
    (void)state;
    int pid[4] = {0};
    launch (&(struct launcher_config){0}, busy_agent, true);
    assert_int_equal (sscanf (heard (), "busy %d %d %d", &pid[1], &pid[2], &pid[3]), 3);
    pid[0] = stage.launcher;
    for (int i = 0; i < 4; i++)
        kill (pid[i], SIGSTOP);
    for (int i = 3; i >= 0; i--)
        kill (pid[i], SIGKILL);
    ended ();
    sweep_everywhere ();
    exec_wait_count (stage.marker, 0);
    all_is_gone ();
}

static void assert_killed (void)
{
    int status = ended ();
    assert_true (WIFEXITED (status));
    assert_int_equal (WEXITSTATUS (status), 75);
    assert_int_equal (exec_count (stage.marker), 0);
    all_is_gone ();
}

static void the_third_signal_kills (void **state)
{
    (void)state;
    launch (&(struct launcher_config){0}, deaf_agent, true);
    heard ();
    kill (stage.launcher, SIGSTOP); /* so that all are pending at once */
    kill (stage.launcher, SIGHUP);
    kill (stage.launcher, SIGINT);
    kill (stage.launcher, SIGTERM);
    kill (stage.launcher, SIGCONT);
    assert_killed ();
}

static void an_agent_that_is_to_end_at_once_and_does_not_is_killed (void **state)
{
    (void)state;
    launch (&(struct launcher_config){.hurry_ms = 50}, deaf_agent, false);
    heard ();
    kill (stage.launcher, SIGINT);
    assert_killed ();
}

static void an_agent_that_crashes_again_and_again_is_given_up (void **state)
{
    (void)state;
    launch (&(struct launcher_config){.backoff_ms = 1, .restarts_max = 2}, crashing_agent, true);
    assert_heard ("replaces 0");
    assert_heard ("replaces 1");
    assert_heard ("replaces 2");
    assert_int_equal (WEXITSTATUS (ended ()), 70);
    assert_heard ("");
    all_is_gone ();
}

static void what_tasks_may_leave_outlives_the_launcher (void **state)
{
    (void)state;
    launch (&(struct launcher_config){0}, leaving_agent, true);
    assert_heard ("left status 3");
    assert_heard ("still there");
    assert_int_equal (WEXITSTATUS (ended ()), 0);
    exec_wait_count (stage.marker, 1);
    char children[64];
    FILE *f = fopen ("/proc/thread-self/children", "r");
    assert_non_null (f);
    assert_non_null (fgets (children, sizeof children, f));
    fclose (f);
    kill ((pid_t)strtol (children, NULL, 10), SIGKILL);
    exec_wait_count (stage.marker, 0);
    all_is_gone ();
}

static void executors_have_a_greatest_number_and_a_shutdown_ends_all (void **state)
{
    (void)state;
    launch (&(struct launcher_config){.executors_max = 2}, counting_agent, false);
    assert_heard ("new");
    assert_heard ("new");
    assert_heard (strerror (EAGAIN));
    assert_heard ("own session 1, parent 1, pipe signal 1");
    assert_int_equal (ended (), 0);
    all_is_gone ();
}

static int sweep (void **state)
{
    (void)state;
    return exec_sweep (stage.marker);
}

#define TEST(name) cmocka_unit_test_teardown (name, sweep)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (an_executors_death_is_told_when_its_tree_is_gone),
        TEST (a_row_whose_lease_is_over_is_ended_by_the_launcher),
        TEST (an_agent_that_ends_ends_everything),
        TEST (an_agent_that_is_killed_is_replaced_when_all_is_gone),
        TEST (without_its_owner_everything_ends),
        TEST (a_launcher_that_is_killed_leaves_nothing),
        TEST (agent_and_launcher_killed_together_leave_nothing),
        TEST (who_drains_is_told_by_the_second_signal_to_end_at_once),
        TEST (the_third_signal_kills),
        TEST (an_agent_that_is_to_end_at_once_and_does_not_is_killed),
        TEST (an_agent_that_crashes_again_and_again_is_given_up),
        TEST (what_tasks_may_leave_outlives_the_launcher),
        TEST (executors_have_a_greatest_number_and_a_shutdown_ends_all),
    };
    const struct CMUnitTest with_cgroups[] = {
        TEST (all_of_a_worker_killed_together_leave_nothing_to_the_next),
    };
    struct cgroup g;
    struct err e;
    int failed = cmocka_run_group_tests_name ("subreaper", tests, NULL, NULL);
    in_cgroups = cgroup_open (&g, &e) == 0;
    if (!in_cgroups) {
        print_message ("not in cgroups: %s\n", e.text);
        return failed;
    }
    cgroup_close (&g);
    failed += cmocka_run_group_tests_name ("cgroup", tests, NULL, NULL);
    failed += cmocka_run_group_tests_name ("cgroup alone", with_cgroups, NULL, NULL);
    return failed;
}

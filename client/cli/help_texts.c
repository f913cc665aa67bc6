/* help_texts: the short help of each command. The manual pages in doc/ say the same, and more. */
#include <string.h>

#include "client/cli/help.h"

#define COMMON                                                                                     \
    "  --broker URL         the broker: tcp://HOST:PORT or ipc://PATH\n"                           \
    "  --insecure[=public]  tcp without keys: to this machine, or to any\n"

#define QUIET "  --quiet              no hints, no summary\n"
#define JSON "  --json               one JSON object a line\n"

#define INPUT                                                                                      \
    "  ::: VALUES, :::: FILES   input sources; :::+ and ::::+ link one to that before it\n"        \
    "  -a, --arg-file FILE  another input source; without any: stdin, a value a line\n"            \
    "  -0, --null  -d, --delimiter S   what ends a value\n"                                        \
    "  -C, --colsep RE  --header :     columns, and names for them\n"                              \
    "  -E S  -r, --no-run-if-empty  --trim n|l|r|lr|rl  --link\n"                                  \
    "  -n, --max-args N  -N, --max-replace-args N   values a task\n"                               \
    "  -I S                 what stands for the value, in place of {}\n"                           \
    "  -q, --quote          no shell syntax is live in the command\n"                              \
    "  --order-by KEY       tasks of one KEY, as '{2}', run one after another, in order\n"

#define TASKS                                                                                      \
    "  --timeout D          time limit of a task: 10, 500ms, 1h30m\n"                              \
    "  --grace D            between TERM and KILL, when a task is ended\n"                         \
    "  --cancel-fd          a descriptor (in DROVER_CANCEL_FD) tells a task that it is ended\n"    \
    "  --cpus N             slots that a task takes\n"                                             \
    "  --retries N          runs of a task, in all, until it succeeds\n"                           \
    "  --retry-on REASONS   only after failed,signal,timeout,lost,exit:75,exit:64-78\n"            \
    "  --retry-delay D[..MAX]   before the next run, doubled each time\n"                          \
    "  --crash-limit K      park a task that lost K workers (3)\n"                                 \
    "  --at-most-once       never start a task twice\n"                                            \
    "  --exclusive          never two runs of a task at one time\n"                                \
    "  --after ID[:WHEN],...  when that batch is over, and ended ok (or any, fail)\n"              \
    "  --deadline D         for the whole batch: what is left then is cancelled\n"                 \
    "  --priority N         1 to 100, 50 is usual\n"                                               \
    "  --name NAME          of the batch, for lists and @NAME\n"                                   \
    "  --shell PROGRAM      the job shell\n"                                                       \
    "  --function NAME      call a function of the workers in place of a command\n"

#define LIMITS                                                                                     \
    "  -j, --jobs N         tasks at one time: N, +N, -N, N%, 0 (as many as possible)\n" TASKS

#define ONE_OF                                                                                     \
    "\nStatus: 0 one has succeeded; 1 none; 2 usage; 3 no input; 124 time is over;\n"              \
    "125 trouble; 130 interrupted.\n"

static const char help_foreach[] =
    "usage: drover foreach [OPTIONS] [COMMAND [ARGUMENTS]] [::: VALUES]...\n\n"
    "Run the command once for each value of the input, many at the same time.\n"
    "{} is the value; {.} {/} {//} {/.} parts of it; {1} {2} ... of several sources;\n"
    "{#} the number of the task, {%} of the slot. Without any of them {} is appended.\n\n" INPUT
        LIMITS "  -k, --keep-order     print in order of the input\n"
    "  --tag                begin each line of output with the value\n"
    "  --dry-run            print the command lines, run nothing\n"
    "  --summary            print at the end what it was worth\n"
    "  --compare            run all once more, one after another, and print both times\n" JSON QUIET
    "  --local              a broker of its own, whatever else there is\n" COMMON
    "\nStatus: 0; 1-100 the number of failed tasks; 101 more; 255 trouble.\n";

static const char help_run[] =
    "usage: drover run [OPTIONS] [--] PROGRAM [ARGUMENTS]\n\n"
    "Run one program as if it ran here: stdin, stdout, stderr, exit status, signals.\n"
    "No shell, no terminal.\n\n"
    "  --cpus N             slots that it takes\n"
    "  --timeout D          time limit: 10, 500ms, 1h30m\n"
    "  --grace D            between TERM and KILL at the time limit (5 s)\n"
    "  --cancel-fd          a descriptor (in DROVER_CANCEL_FD) tells it that it is ended\n"
    "  --deadline D         likewise, but from now on, and also while it waits\n"
    "  --after ID[:WHEN],...  when that batch is over, and ended ok (or any, fail)\n"
    "  --function NAME      call a function of the workers in place of a program\n" QUIET
    "  --local              a broker of its own, whatever else there is\n" COMMON
    "\nStatus: that of the program, 128+n for signal n; 124 time limit; 125 trouble;\n"
    "126 cannot be executed; 127 not found.\n";

static const char help_invoke[] =
    "usage: drover invoke [OPTIONS] LINE...\n"
    "       drover invoke [OPTIONS] COMMAND [ARGUMENTS] ::: VALUES...\n\n"
    "Run different command lines, all at the same time unless -j says how many.\n"
    "With ::: it is foreach with all tasks at the same time; the options are the same.\n\n" LIMITS
    "  -k, --keep-order     print in the order given\n"
    "  --tag                begin each line of output with the command line\n"
    "  --dry-run            print the command lines, run nothing\n"
    "  --summary            print at the end what it was worth\n"
    "  --compare            run all once more, one after another, and print both times\n" JSON QUIET
    "  --local              a broker of its own, whatever else there is\n" COMMON
    "\nStatus: 0; 1-100 the number of failed tasks; 101 more; 255 trouble.\n";

static const char help_race[] =
    "usage: drover race [OPTIONS] LINE...\n"
    "       drover race [OPTIONS] COMMAND [ARGUMENTS] ::: VALUES...\n\n"
    "Run command lines, all at the same time unless -j says how many. The first that succeeds\n"
    "wins: its output is printed, the others are cancelled wherever they run. Returns when they\n"
    "are gone. Options for input are those of foreach.\n\n"
    "  --keep-rest          the others run on\n" LIMITS
    "  --dry-run            print the command lines, run nothing\n"
    "  --summary            print at the end what it was worth\n" JSON
    "  --quiet              no hints, no report\n"
    "  --local              a broker of its own, whatever else there is\n" COMMON ONE_OF;

static const char help_fallback[] =
    "usage: drover fallback [OPTIONS] LINE...\n"
    "       drover fallback [OPTIONS] COMMAND [ARGUMENTS] ::: VALUES...\n\n"
    "Run command lines one after another until one succeeds: the next only if the one before it\n"
    "fails, or is over its time limit and gone. Options for input are those of foreach.\n\n" TASKS
    "  --dry-run            print the command lines, run nothing\n" JSON
    "  --quiet              no hints, no report\n"
    "  --local              a broker of its own, whatever else there is\n" COMMON ONE_OF;

static const char help_submit[] =
    "usage: drover submit [OPTIONS] [COMMAND [ARGUMENTS]] [::: VALUES]...\n\n"
    "Leave a batch with a broker, and print its number. It runs on without this command;\n"
    "see drover wait, results, cancel, retry, forget, info.\n\n" INPUT LIMITS
    "  --id KEY             once only: the same again prints the same number\n"
    "  --dry-run            print the command lines, submit nothing\n" JSON QUIET COMMON
    "\nStatus: 0, 2 usage, 125 trouble.\n";

static const char help_wait[] =
    "usage: drover wait [OPTIONS] BATCH|TASK...\n\n"
    "Wait for tasks of batches, or for some of them. The work goes on when the time is over.\n\n"
    "  --all                until all tasks have ended (the default)\n"
    "  --any                until one has ended; print it\n"
    "  --first-success      until one has succeeded; print it\n"
    "  --success K          until K have succeeded\n"
    "  --count K            until K have ended\n"
    "  --percent P          until P percent have ended\n"
    "  --timeout D          no longer than that\n" JSON QUIET COMMON
    "\nStatus: 0; 1 it cannot come to that any more (--all: some task failed);\n"
    "2 usage; 3 no such batch; 124 time is over; 125 trouble.\n";

static const char help_results[] =
    "usage: drover results [OPTIONS] BATCH|TASK...\n\n"
    "Print what tasks printed, each whole: stdout to stdout, then stderr to stderr.\n\n"
    "  --follow             also those to come, as they end\n"
    "  -k, --keep-order     in order of the input\n"
    "  --timeout D          no longer than that\n"
    "  --state DIR          of the state of a broker that does not run\n" JSON QUIET COMMON
    "\nStatus: 0; 1 some task failed; 2 usage; 3 nothing there; 124 time is over; 125 trouble.\n";

static const char help_cancel[] =
    "usage: drover cancel [OPTIONS] BATCH|TASK...\n\n"
    "End tasks. Returns when their processes are gone.\n\n"
    "  --grace D            between TERM and KILL (5 s)\n"
    "  --kill               KILL at once\n"
    "  --reason TEXT        shown in the outcomes\n"
    "  --state S[,S]        only these: waiting, running\n" JSON QUIET COMMON
    "\nStatus: 0; 2 usage; 3 no such batch or task; 125 trouble.\n";

static const char help_retry[] =
    "usage: drover retry [OPTIONS] BATCH|TASK...\n\n"
    "Run tasks of submitted batches again that did not succeed, as if they had never run.\n\n"
    "  --failed             failed, timeout, lost and parked ones (the default)\n"
    "  --state S[,S]        only these: failed, timeout, cancelled, lost, parked, skipped\n" JSON
        QUIET COMMON "\nStatus: 0; 2 usage; 3 no such batch, or no such task of it; 125 trouble.\n";

static const char help_logs[] =
    "usage: drover logs [OPTIONS] TASK...\n\n"
    "Show what a task has printed: its stdout on stdout, its stderr on stderr.\n\n"
    "  -f, --follow         go on until it has ended\n"
    "  --stderr             only its stderr, on stdout\n"
    "  --timeout D          no longer than that\n" QUIET COMMON
    "\nStatus: 0; 2 usage; 3 no such task; 124 time is over; 125 trouble.\n";

static const char help_set[] =
    "usage: drover set [OPTIONS] BATCH... KEY=VALUE...\n\n"
    "Change batches while they run.\n\n"
    "  jobs=N               tasks at one time, over all workers; 0: no limit\n"
    "  priority=N           1 to 100, 50 is usual\n"
    "  deadline=D           from now; none\n"
    "  name=NAME            for lists and @NAME\n" JSON QUIET COMMON
    "\nStatus: 0; 1 the batch is over; 2 usage; 3 no such batch; 125 trouble.\n";

static const char help_forget[] =
    "usage: drover forget [OPTIONS] BATCH...\n"
    "       drover forget [OPTIONS] --finished|--older D\n\n"
    "Forget submitted batches that are over, with their results.\n\n"
    "  --finished           all that are over\n"
    "  --older D            those of them that have been over for longer\n" JSON QUIET COMMON
    "\nStatus: 0; 2 usage; 3 no such batch; 125 trouble, or a batch that is not over.\n";

static const char help_status[] = "usage: drover status [OPTIONS]\n\n"
                                  "Show what the broker says of itself.\n\n" JSON QUIET COMMON;

static const char help_list[] =
    "usage: drover list [OPTIONS]\n\n"
    "List the batches that the broker knows.\n\n"
    "  --state S[,S]        only these: open, running, cancelling, finished, cancelled\n" JSON QUIET
        COMMON "\nStatus: 0; 2 usage; 3 none in such a state; 125 trouble.\n";

static const char help_info[] =
    "usage: drover info [OPTIONS] BATCH|TASK...\n"
    "       drover info --state DIR [BATCH|TASK...]\n\n"
    "Show everything the broker knows of batches (12, last, all, @name) or tasks (12.7, "
    "12.3-9).\n\n"
    "  --state DIR          look into the state of a broker that does not run; without a batch:\n"
    "                       what is in it, and how that broker ended\n" JSON QUIET COMMON
    "\nStatus: 0; 2 usage; 3 no such batch or task; 125 trouble.\n";

static const char help_advise[] =
    "usage: drover advise [OPTIONS] BATCH...\n\n"
    "Was a submitted batch worth it? Its figures, and all that would make it better.\n\n"
    "  --state DIR          of the state of a broker that does not run\n" JSON QUIET COMMON
    "\nStatus: 0; 2 usage; 3 no such batch; 125 trouble.\n";

static const char help_ping[] = "usage: drover ping [OPTIONS]\n\n"
                                "Is the broker there, and how far away is it?\n\n"
                                "  -c, --count N        ask N times\n" JSON QUIET COMMON
                                "\nStatus: 0; 2 usage; 124 no answer; 125 trouble.\n";

static const char help_broker[] =
    "usage: drover broker start [OPTIONS]\n"
    "       drover broker stop [OPTIONS]\n\n"
    "start becomes drover-broker, in the foreground, which has the options below; without "
    "--listen\n"
    "it serves the user's own socket, which all commands find. stop ends the one that commands\n"
    "find, or that --broker names, and returns when it is gone.\n\n"
    "  --drain              stop: first wait until no batch has unfinished tasks\n"
    "  --timeout D          stop: wait no longer than that for each (1m for the end)\n" QUIET COMMON
    "  --listen URL         tcp://HOST:PORT or ipc://PATH; may be given several times\n"
    "  --state DIR          keep batches and results there: they outlive the broker\n"
    "  --endpoint-file FILE write the addresses there when they are open\n"
    "  --log-level L        error, warn, info, debug\n"
    "\ndrover-broker --help, and its manual page, tell all.\n";

static const char help_worker[] =
    "usage: drover worker start [OPTIONS]\n"
    "       drover worker list [OPTIONS]\n"
    "       drover worker drain [OPTIONS] WORKER\n\n"
    "start becomes drover-worker, in the foreground; drain returns when the worker is empty,\n"
    "which then ends.\n\n"
    "  --timeout D          drain: wait no longer than that\n" JSON QUIET COMMON
    "  --slots N            start: tasks at one time\n"
    "  --name NAME          start: what it is called in lists\n"
    "\ndrover-worker --help, and its manual page, tell all about start.\n";

static const char help_module[] =
    "usage: drover module list [OPTIONS]\n\n"
    "List the functions that can be called with --function, and how many workers have each.\n"
    "With --local: those that a worker started here would have, from DROVER_MODULES, or else\n"
    "from the directory of the installation.\n\n" JSON QUIET COMMON;

static const char help_help[] = "usage: drover help [COMMAND]\n\n"
                                "Show all commands, or the manual page of one.\n";

static const char help_version[] = "usage: drover version [--json]\n\nShow the version.\n";

static const struct {
    const char *command;
    const char *text;
} texts[] = {
    {"logs", help_logs},         {"set", help_set},         {"foreach", help_foreach},
    {"run", help_run},           {"invoke", help_invoke},   {"race", help_race},
    {"fallback", help_fallback}, {"submit", help_submit},   {"wait", help_wait},
    {"results", help_results},   {"cancel", help_cancel},   {"retry", help_retry},
    {"forget", help_forget},     {"status", help_status},   {"list", help_list},
    {"info", help_info},         {"advise", help_advise},   {"ping", help_ping},
    {"broker", help_broker},     {"worker", help_worker},   {"module", help_module},
    {"help", help_help},         {"version", help_version},
};

const char *help_text (const char *command)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp (texts[i].command, command) == 0)
            return texts[i].text;
    return NULL;
}

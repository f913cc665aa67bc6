/* The command line of foreach: options of every spelling, words and separators, and what is
 * refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client/cli/durations.h"
#include "client/cli/foreach_opts.h"

enum { ARGS_MAX = 16 };

static int parse_groups (struct foreach_opts *o, unsigned groups, const char *const *args,
                         struct err *e)
{
    static char name[] = "foreach";
    char *argv[ARGS_MAX + 2] = {name};
    int argc = 1;
    for (; args[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    return foreach_opts_parse (o, "foreach", groups, argc, argv, e);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Parsed, and to be given back by the caller. */
static struct foreach_opts parsed (const char *const *args)
{
    struct foreach_opts o;
    struct err e = {0};
    if (parse_groups (&o, OPTS_ALL, args, &e))
        fail_msg ("%s", e.text);
    return o;
}

static void refuses_of (unsigned groups, const char *const *args, const char *wanted)
{
    struct foreach_opts o;
    struct err e = {0};
    if (!parse_groups (&o, groups, args, &e))
        fail_msg ("was taken, not refused with: %s", wanted);
    if (!strstr (e.text, wanted))
        fail_msg ("'%s' does not say '%s'", e.text, wanted);
    foreach_opts_fini (&o);
}

static void refuses (const char *const *args, const char *wanted)
{
    refuses_of (OPTS_ALL, args, wanted);
}

static void defaults_are_those_of_one_value_a_job_from_stdin (void **state)
{
    (void)state;
    struct foreach_opts o = parsed (ARGS ("wc"));
    assert_int_equal (o.word_count, 1);
    assert_string_equal (o.words[0], "wc");
    assert_null (o.words[1]);
    assert_true (o.stdin_implied);
    assert_int_equal (o.inputs.count, 1);
    assert_string_equal (o.inputs.list[0].file, "-");
    assert_int_equal (o.inputs.per_job, 1);
    assert_int_equal (o.command_flags, 0);
    assert_int_equal (o.jobs.kind, JOBLIMIT_DEFAULT);
    assert_int_equal (o.task.cpus, 1);
    assert_string_equal (o.session.command, "foreach");
    foreach_opts_fini (&o);
}

static void without_words_there_is_an_empty_command (void **state)
{
    (void)state;
    struct foreach_opts o = parsed (ARGS ("-k"));
    assert_int_equal (o.word_count, 0);
    assert_non_null (o.words);
    assert_null (o.words[0]);
    foreach_opts_fini (&o);
    o = parsed (ARGS ("--", ":::", "a"));
    assert_int_equal (o.word_count, 0);
    assert_null (o.words[0]);
    assert_int_equal (o.inputs.count, 1);
    foreach_opts_fini (&o);
}

static void options_end_at_the_first_word (void **state)
{
    (void)state;
    struct foreach_opts o = parsed (ARGS ("-k", "ls", "-l", "--tag", ":::", "-x", "--", "-k"));
    assert_true (o.keep_order);
    assert_false (o.tag);
    assert_int_equal (o.word_count, 3);
    assert_int_equal (o.inputs.list[0].count, 3);
    foreach_opts_fini (&o);
    o = parsed (ARGS ("--tag", "--", "-k", "x"));
    assert_false (o.keep_order);
    assert_string_equal (o.words[0], "-k");
    foreach_opts_fini (&o);
}

static void separators_make_sources (void **state)
{
    (void)state;
    struct foreach_opts o = parsed (
        ARGS ("-a", "f", "c", "x:::", ":::", "1", "2", "::::+", "g", "-", ":::", ":::+", "3"));
    const struct input *in = o.inputs.list;
    assert_int_equal (o.word_count, 2);
    assert_int_equal (o.inputs.count, 6);
    assert_string_equal (in[0].file, "f");
    assert_int_equal (in[1].count, 2);
    assert_string_equal (in[1].words[1], "2");
    assert_string_equal (in[2].file, "g");
    assert_string_equal (in[3].file, "-");
    assert_true (in[2].linked && in[3].linked);
    assert_int_equal (in[4].count, 0);
    assert_false (in[4].linked);
    assert_true (in[5].linked);
    assert_string_equal (in[5].words[0], "3");
    assert_true (o.separated);
    assert_false (o.stdin_implied);
    foreach_opts_fini (&o);
}

static void an_empty_list_of_files_is_not_stdin (void **state)
{
    (void)state;
    struct foreach_opts o = parsed (ARGS ("c", "::::"));
    assert_int_equal (o.inputs.count, 1);
    assert_null (o.inputs.list[0].file);
    assert_int_equal (o.inputs.list[0].count, 0);
    foreach_opts_fini (&o);
    o = parsed (ARGS ("c", ":::", "a", "::::"));
    assert_int_equal (o.inputs.count, 1);
    foreach_opts_fini (&o);
}

static void options_are_bundled_abbreviated_and_attached (void **state)
{
    (void)state;
    struct foreach_opts o =
        parsed (ARGS ("-0kj2", "-N3", "--keep", "--arg-f=f", "--tim", "90", "c"));
    assert_true (o.keep_order);
    assert_int_equal (o.jobs.kind, JOBLIMIT_NUMBER);
    assert_true (o.jobs.value == 2);
    assert_int_equal (o.inputs.per_job, 3);
    assert_int_equal (o.command_flags, DROVER_COMMAND_SPREAD);
    assert_int_equal (o.inputs.source.delimiter.len, 1);
    assert_int_equal (o.inputs.source.delimiter.ptr[0], 0);
    assert_string_equal (o.inputs.list[0].file, "f");
    assert_int_equal (o.task.timeout_ms, 90000);
    foreach_opts_fini (&o);
}

static void options_have_their_other_names (void **state)
{
    (void)state;
    struct foreach_opts o =
        parsed (ARGS ("-P", "+1", "--max-replace-args", "2", "--null", "--xapply", "--quote",
                      "--no-run-if-empty", "--dryrun", "c"));
    assert_int_equal (o.jobs.kind, JOBLIMIT_MORE);
    assert_int_equal (o.inputs.per_job, 2);
    assert_true (o.inputs.link && o.inputs.source.skip_blank && o.dry_run);
    assert_int_equal (o.command_flags, DROVER_COMMAND_SPREAD | DROVER_COMMAND_QUOTE);
    foreach_opts_fini (&o);
    o = parsed (ARGS ("--max-procs", "-1", "--delimiter", ",", "--colsep", ";", "--max-args", "4",
                      "--group", "c"));
    assert_int_equal (o.jobs.kind, JOBLIMIT_FEWER);
    assert_int_equal (o.inputs.per_job, 4);
    foreach_opts_fini (&o);
}

static void input_options_describe_the_sources (void **state)
{
    (void)state;
    struct foreach_opts o = parsed (ARGS ("-d", "\\tx\\0\\101\\x42\\q\\\\", "-E", "stop", "-C",
                                          "\\t", "--header", ":", "-I", ",,", "-n0", "c"));
    assert_int_equal (o.inputs.source.delimiter.len, 8);
    assert_memory_equal (o.inputs.source.delimiter.ptr, "\tx\0AB\\q\\", 8);
    assert_true (o.inputs.source.split_words);
    assert_string_equal (o.inputs.source.stop, "stop");
    assert_string_equal (o.inputs.colsep, "\\t");
    assert_int_equal (o.inputs.source.trim, TRIM_BOTH);
    assert_true (o.inputs.header && o.inputs.insert_none);
    assert_int_equal (o.inputs.per_job, 1);
    assert_string_equal (o.replace, ",,");
    foreach_opts_fini (&o);
}

static void columns_are_trimmed_unless_told_otherwise (void **state)
{
    (void)state;
    struct foreach_opts o = parsed (ARGS ("--trim", "n", "-C", ",", "c"));
    assert_int_equal (o.inputs.source.trim, TRIM_NONE);
    foreach_opts_fini (&o);
    o = parsed (ARGS ("--header", ":", "c"));
    assert_int_equal (o.inputs.source.trim, TRIM_NONE);
    foreach_opts_fini (&o);
    o = parsed (ARGS ("--trim", "l", "c"));
    assert_int_equal (o.inputs.source.trim, TRIM_LEFT);
    foreach_opts_fini (&o);
}

static void the_count_of_N_outranks_that_of_n (void **state)
{
    (void)state;
    struct foreach_opts o = parsed (ARGS ("-n1", "-N2", "c"));
    assert_int_equal (o.inputs.per_job, 2);
    foreach_opts_fini (&o);
    o = parsed (ARGS ("-N2", "-n1", "c"));
    assert_int_equal (o.inputs.per_job, 2);
    foreach_opts_fini (&o);
}

static void drovers_own_options_are_taken (void **state)
{
    (void)state;
    struct foreach_opts o = parsed (ARGS ("--broker", "tcp://h:1", "--insecure=public", "--quiet",
                                          "--summary", "--json", "--cpus", "0", "--priority", "70",
                                          "--shell", "/bin/bash", "--tag", "c"));
    assert_string_equal (o.session.broker, "tcp://h:1");
    assert_int_equal (o.session.flags, DROVER_OPEN_INSECURE_PUBLIC);
    assert_true (o.session.quiet && o.session.json && o.summary && o.tag);
    assert_int_equal (o.task.cpus, 0);
    assert_int_equal (o.priority, 70);
    assert_string_equal (o.task.shell, "/bin/bash");
    foreach_opts_fini (&o);
    o = parsed (ARGS ("--function", "drover:echo", "--local", "--insecure", ":::", "a"));
    assert_string_equal (o.function, "drover:echo");
    assert_int_equal (o.session.flags, DROVER_OPEN_LOCAL | DROVER_OPEN_INSECURE);
    foreach_opts_fini (&o);
    o = parsed (ARGS ("--help", "--nonsense"));
    assert_true (o.help);
    foreach_opts_fini (&o);
}

static void what_runs_again_is_read (void **state)
{
    (void)state;
    struct foreach_opts o =
        parsed (ARGS ("--retries", "3", "--retry-on=exit:75,signal", "--retry-delay", "1..5m",
                      "--crash-limit", "2", "--exclusive", "--deadline", "1h", "c"));
    assert_int_equal (o.retrying.runs, 3);
    assert_int_equal (o.retrying.on, DROVER_RETRY_SIGNAL);
    assert_int_equal (o.retrying.exits[75 / 8], 1 << 75 % 8);
    assert_int_equal (o.retrying.delay_ms, 1000);
    assert_int_equal (o.retrying.delay_max_ms, 300000);
    assert_int_equal (o.retrying.crash_limit, 2);
    assert_true (o.retrying.exclusive);
    assert_int_equal (o.deadline_ms, 3600000);
    foreach_opts_fini (&o);
    refuses (ARGS ("--retry-on", "signal", "c"), "--retry-on needs --retries N");
    refuses (ARGS ("--retry-delay", "1", "c"), "--retry-delay needs --retries N");
    refuses (ARGS ("--at-most-once", "--retries", "2", "c"), "exclude each other");
    refuses (ARGS ("--at-most-once", "--crash-limit", "2", "c"), "exclude each other");
    refuses (ARGS ("--id", "x", "c"), "--id is an option of 'drover submit', not of this command");
    refuses_of (OPTS_ALL | OPTS_KEY, ARGS ("--id", "", "c"), "needs 1 to 256 bytes");
}

static void what_a_batch_waits_for_is_read (void **state)
{
    (void)state;
    struct foreach_opts o =
        parsed (ARGS ("--after", "12,7:any", "--after=9:fail", "--order-by", "{2}", "c"));
    static const drover_after_t all[] = {
        {12, DROVER_AFTER_OK}, {7, DROVER_AFTER_ANY}, {9, DROVER_AFTER_FAIL}};
    assert_int_equal (o.after.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal (o.after.list[i].batch, all[i].batch);
        assert_int_equal (o.after.list[i].when, all[i].when);
    }
    assert_string_equal (o.order_by, "{2}");
    foreach_opts_fini (&o);
    refuses (ARGS ("--after", "x", "c"), "'x' is not a whole number");
    refuses (ARGS ("--after", "1,", "c"), "'' is not a whole number");
    refuses (ARGS ("--after", "0", "c"), "'0' is not a whole number");
    refuses (ARGS ("--after", "1:well", "c"), "'well' is none of ok, any, fail");
    refuses (ARGS ("--order-by", "a{%}", "c"), "the slot of a task is not known");
}

static void what_comes_later_is_told_from_what_is_unknown (void **state)
{
    (void)state;
    static const char *const later[] = {
        "--joblog",   "--jl",       "--results", "--res",   "--halt",      "--halt-on-error",
        "--wd",       "--workdir",  "--block",   "--delay", "--env",       "--nice",
        "--recend",   "--recstart", "-s",        "-L",      "--tagstring", "--block-size",
        "--max-chars"};
    static const char *const alone[] = {
        "-u",         "--ungroup", "--lb",          "--line-buffer",
        "-v",         "-t",        "--verbose",     "-X",
        "-m",         "--xargs",   "--bar",         "--eta",
        "--progress", "--pipe",    "--resume",      "--resume-failed",
        "--regexp",   "--rrs",     "--retry-failed"};
    char wanted[80];
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        snprintf (wanted, sizeof wanted, "%s does not work yet in this version", later[i]);
        refuses (ARGS (later[i], "1", "c"), wanted);
    }
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        snprintf (wanted, sizeof wanted, "%s does not work yet in this version", alone[i]);
        refuses (ARGS (alone[i], "c"), wanted);
    }
    refuses (ARGS ("--jobl=x", "c"), "--joblog does not work yet");
    refuses (ARGS ("--nonsense", "c"), "unknown option --nonsense");
    refuses (ARGS ("--kep-order", "c"), "did you mean --keep-order?");
    refuses (ARGS ("-kz", "c"), "unknown option -z");
    refuses (ARGS ("--re", "c"), "--re may mean several options");
}

static void stages_have_options_and_words_of_their_own (void **state)
{
    (void)state;
    struct foreach_opts o;
    struct err e;
    assert_int_equal (
        parse_groups (&o, OPTS_ALL | OPTS_STAGE,
                      ARGS ("-kj3", "one", "-x", "--then", "-j2", "--cpus", "0", "two", "-k",
                            "--then", "--function", "m:f", ":::", "--then"),
                      &e),
        0);
    assert_true (o.keep_order);
    assert_int_equal (o.word_count, 2);
    assert_int_equal (o.stage_count, 2);
    assert_int_equal (o.stages[0].word_count, 2);
    assert_string_equal (o.stages[0].words[0], "two");
    assert_string_equal (o.stages[0].words[1], "-k");
    assert_null (o.stages[0].words[2]);
    assert_int_equal (o.stages[0].task.cpus, 0);
    assert_true (o.stages[0].jobs.value == 2 && o.jobs.value == 3);
    assert_string_equal (o.stages[1].function, "m:f");
    assert_int_equal (o.stages[1].task.cpus, 1);
    assert_int_equal (o.inputs.count, 1);
    assert_string_equal (o.inputs.list[0].words[0], "--then");
    foreach_opts_fini (&o);
}

static void options_end_at_a_stage (void **state)
{
    (void)state;
    struct foreach_opts o;
    struct err e;
    assert_int_equal (
        parse_groups (&o, OPTS_ALL | OPTS_STAGE, ARGS ("--function", "m:f", "--then", "wc"), &e),
        0);
    assert_string_equal (o.function, "m:f");
    assert_int_equal (o.word_count, 0);
    assert_int_equal (o.stage_count, 1);
    foreach_opts_fini (&o);
}

static void what_a_stage_cannot_have_is_refused (void **state)
{
    (void)state;
    const unsigned all = OPTS_ALL | OPTS_STAGE;
    refuses_of (all, ARGS ("c", "--then", "-k", "d"),
                "--then: -k is for the whole pipeline: write it in front of the command");
    refuses_of (all, ARGS ("c", "--then", "--broker", "u", "d"),
                "--then: --broker is for the whole pipeline");
    refuses_of (all, ARGS ("c", "--then", "--priority", "3", "d"),
                "--then: --priority is for the whole pipeline");
    refuses_of (all, ARGS ("c", "--then", "--nonsense", "d"), "--then: unknown option --nonsense");
    refuses_of (all, ARGS ("c", "--then", "--retries", "0", "d"), "--then: --retries '0'");
    refuses_of (all, ARGS ("c", "--then"), "--then: there is no command");
    refuses_of (all, ARGS ("c", "--then", "--then", "d"), "--then: there is no command");
    refuses_of (all, ARGS ("c", "--then", "--function", "m:f", "d"), "one word too many");
    refuses_of (all, ARGS ("c", ":::", "a", "--then", "d"),
                "--then behind the values: stages stand");
    refuses_of (OPTS_ALL, ARGS ("c", "--then", "d"), "--then is of 'drover foreach'");
}

static void what_is_of_GNU_Parallel_alone_is_refused_with_a_mend (void **state)
{
    static const char *const names[] = {
#define LATER(name, letter, mend)
#define NEVER(name, letter, mend) name,
#include "client/cli/foreach_refused.def"
#undef LATER
#undef NEVER
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char option[80], wanted[120];

        if (!names[i])
            continue;
        snprintf (option, sizeof option, "--%s", names[i]);
        snprintf (wanted, sizeof wanted, "--%s is GNU Parallel's, and not in drover", names[i]);
        refuses (ARGS (option, "c"), wanted);
        refuses_of (OPTS_INPUT, ARGS (option, "1", "c"), wanted);
    }
    refuses (ARGS ("-S", "host", "c"), "-S is GNU Parallel's, and not in drover: connect workers");
    refuses (ARGS ("-kShost", "c"), "-S is GNU Parallel's");
    refuses (ARGS ("--sshlogin=host", "c"), "drover worker start");
    refuses (ARGS ("-a", "--ssh", "--ssh", "c"), "--ssh is GNU");
    refuses (ARGS ("--ide=x", "c"), "--identity does not work yet");
    refuses (ARGS ("-i", "c"), "-I S names another string");
    refuses (ARGS ("--will-cite", "c"), "leave it out");
    refuses (ARGS ("--memfree", "1G", "c"), "-j N limits");
}

static void wrong_values_are_named_with_a_mend (void **state)
{
    (void)state;
    refuses (ARGS ("-j", "x", "c"), "-j 'x' is no number of jobs: write 8");
    refuses (ARGS ("--jobs=1.5", "c"), "--jobs '1.5' is no number of jobs");
    refuses (ARGS ("-N", "-1", "c"), "-N '-1' is not a whole number from 0 to 65536");
    refuses (ARGS ("-n", "", "c"), "-n '' is not a whole number");
    refuses (ARGS ("-N2", "-n", "x", "c"), "-n 'x' is not a whole number");
    refuses (ARGS ("--timeout", "5x", "c"), "--timeout '5x' is no duration: write 10 (seconds)");
    refuses (ARGS ("--timeout", "200%", "c"), "percentages do not work yet");
    refuses (ARGS ("--trim", "x", "c"), "--trim 'x' is none of n, l, r, lr");
    refuses (ARGS ("--header", "1", "c"), "write --header :");
    refuses (ARGS ("-d", "", "c"), "-d '' separates nothing");
    refuses (ARGS ("-C", "", "c"), "-C '' separates no columns");
    refuses (ARGS ("-I", "", "c"), "-I '' can replace nothing");
    refuses (ARGS ("--cpus", "-1", "c"), "--cpus '-1' is not a whole number");
    refuses (ARGS ("--priority", "0", "c"), "--priority '0' is not a whole number from 1 to 100");
    refuses (ARGS ("--function", "echo", ":::", "a"), "write MODULE:NAME");
    refuses (ARGS ("--function", "m:f", "c"), "'c' is one word too many");
    refuses (ARGS ("--insecure=all", "c"), "--insecure 'all' is not known");
    refuses (ARGS ("--broker", "tcp://h:1", "--local", "c"), "exclude each other");
    refuses (ARGS ("--tag=x", "c"), "--tag takes no value");
    refuses (ARGS ("--jobs"), "--jobs needs a value");
    refuses (ARGS ("-kj"), "-j needs a value");
}

static void commands_take_only_their_groups (void **state)
{
    (void)state;
    refuses_of (OPTS_INPUT | OPTS_TASK, ARGS ("-k", "c"),
                "-k is an option of 'drover foreach', not of this command");
    refuses_of (OPTS_INPUT, ARGS ("--jobs", "2", "c"), "--jobs is an option of 'drover foreach'");
    refuses (ARGS ("--keep-rest", "c"), "--keep-rest is an option of 'drover race'");
    refuses (ARGS ("--id=x", "c"), "--id is an option of 'drover submit'");
    refuses_of (OPTS_INPUT, ARGS ("--tag", "c"), "--tag is an option of 'drover foreach'");
    refuses_of (OPTS_INPUT, ARGS ("--tagstring", "x", "c"), "--tagstring does not work yet");
}

static unsigned slots_of (const char *text, unsigned processors)
{
    struct joblimit l = {0};
    unsigned slots = 0;
    assert_int_equal (joblimit_parse (text, &l, NULL), 0);
    return joblimit_slots (&l, processors, 250, &slots, NULL) ? 0 : slots;
}

static void limits_of_jobs_may_count_from_the_processors (void **state)
{
    (void)state;
    assert_int_equal (slots_of ("8", 2), 8);
    assert_int_equal (slots_of ("0", 2), 250);
    assert_int_equal (slots_of ("00", 2), 250);
    assert_int_equal (slots_of ("1000", 2), 250);
    assert_int_equal (slots_of ("+3", 2), 5);
    assert_int_equal (slots_of ("+0", 2), 2);
    assert_int_equal (slots_of ("-1", 4), 3);
    assert_int_equal (slots_of ("-4", 4), 0); /* refused */
    assert_int_equal (slots_of ("50%", 4), 2);
    assert_int_equal (slots_of ("1%", 4), 1);
    assert_int_equal (slots_of ("62.5%", 4), 3);
    assert_int_equal (slots_of ("200%", 4), 8);
    static const char *const wrong[] = {"",   "x",   "+",   "-",    "%",   "0%",
                                        "1x", "+x",  "1.5", "+50%", "1e3", " 1",
                                        "1 ", "--1", "+-1", "1.%",  ".5%", "1234567890"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct joblimit l;
        if (!joblimit_parse (wrong[i], &l, NULL))
            fail_msg ("taken: '%s'", wrong[i]);
    }
}

static void durations_sizes_and_numbers_are_read (void **state)
{
    (void)state;
    uint64_t n;
    assert_int_equal (duration_ms ("1h30m", &n, NULL), 0);
    assert_int_equal (n, 5400000);
    assert_int_equal (duration_ms ("500ms", &n, NULL), 0);
    assert_int_equal (n, 500);
    assert_int_equal (duration_ms ("1.5", &n, NULL), 0);
    assert_int_equal (n, 1500);
    assert_int_equal (duration_ms ("0.0001", &n, NULL), 0);
    assert_int_equal (n, 1);
    assert_int_equal (duration_ms ("0", &n, NULL), 0);
    assert_int_equal (n, 0);
    assert_int_equal (duration_ms ("-1", &n, NULL), -1);
    assert_int_equal (duration_ms ("", &n, NULL), -1);
    assert_int_equal (size_bytes ("64K", &n, NULL), 0);
    assert_int_equal (n, 65536);
    assert_int_equal (size_bytes ("x", &n, NULL), -1);
    assert_int_equal (number_within ("18446744073709551616", 0, UINT64_MAX, &n, NULL), -1);
    assert_int_equal (number_within ("07", 0, 7, &n, NULL), 0);
    assert_int_equal (n, 7);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (defaults_are_those_of_one_value_a_job_from_stdin),
        cmocka_unit_test (without_words_there_is_an_empty_command),
        cmocka_unit_test (options_end_at_the_first_word),
        cmocka_unit_test (separators_make_sources),
        cmocka_unit_test (an_empty_list_of_files_is_not_stdin),
        cmocka_unit_test (options_are_bundled_abbreviated_and_attached),
        cmocka_unit_test (options_have_their_other_names),
        cmocka_unit_test (input_options_describe_the_sources),
        cmocka_unit_test (columns_are_trimmed_unless_told_otherwise),
        cmocka_unit_test (the_count_of_N_outranks_that_of_n),
        cmocka_unit_test (drovers_own_options_are_taken),
        cmocka_unit_test (what_comes_later_is_told_from_what_is_unknown),
        cmocka_unit_test (what_runs_again_is_read),
        cmocka_unit_test (what_a_batch_waits_for_is_read),
        cmocka_unit_test (stages_have_options_and_words_of_their_own),
        cmocka_unit_test (options_end_at_a_stage),
        cmocka_unit_test (what_a_stage_cannot_have_is_refused),
        cmocka_unit_test (what_is_of_GNU_Parallel_alone_is_refused_with_a_mend),
        cmocka_unit_test (wrong_values_are_named_with_a_mend),
        cmocka_unit_test (commands_take_only_their_groups),
        cmocka_unit_test (limits_of_jobs_may_count_from_the_processors),
        cmocka_unit_test (durations_sizes_and_numbers_are_read),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}

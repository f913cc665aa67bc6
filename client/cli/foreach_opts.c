/* foreach_opts: one table of all options, one function for each kind of value; then the words.
 *
 * The order of the steps matters in one place: what -C means for --trim is decided when all options
 * have been read.
 */
#include "client/cli/foreach_opts.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/durations.h"
#include "client/cli/options.h"
#include "common/base/mem.h"

enum { CPUS_MAX = 100000, PRIORITY_MAX = 100, KEY_MAX = 256 };

static const char then[] = "--then";

/* --- values --- */

static struct input *add_input (struct foreach_opts *o)
{
    if (o->inputs.count == o->listed) {
        o->listed = o->listed ? 2 * o->listed : 8;
        o->inputs.list = mem_resize (o->inputs.list, o->listed, sizeof *o->inputs.list);
    }
    struct input *in = &o->inputs.list[o->inputs.count++];
    *in = (struct input){0};
    return in;
}

static int take_file (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    (void)e;
    add_input (o)->file = value;
    return 0;
}

static void set_delimiter (struct foreach_opts *o, char *bytes, size_t len)
{
    free (o->memory);
    o->memory = bytes;
    o->inputs.source.delimiter = bytes_of (bytes, len);
    o->inputs.source.split_words = true;
}

static int take_null (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    (void)value;
    (void)e;
    set_delimiter (o, mem_zalloc (1), 1);
    return 0;
}

/* A number in at most `most` digits of this base, the first of them at *at, which moves behind it;
 * -1 if there is none, or it is more than a byte. */
static int read_code (const char **at, int base, int most)
{
    char digits[4] = "";
    char *end;
    strncat (digits, *at, (size_t)most);
    long code = strtol (digits, &end, base);
    if (end == digits || code < 0 || code > 255 || digits[0] == '-' || digits[0] == '+')
        return -1;
    *at += end - digits;
    return (int)code;
}

/* What stands behind a backslash, at *at, which moves behind it; a backslash itself where it is no
 * escape. */
static char read_escape (const char **at)
{
    static const char names[] = "abfnrtv\\";
    static const char bytes[] = "\a\b\f\n\r\t\v\\";
    const char *found = **at ? strchr (names, **at) : NULL;
    if (found) {
        ++*at;
        return bytes[found - names];
    }
    const char *digits = *at + (**at == 'x');
    int code = **at == 'x' ? read_code (&digits, 16, 2) : read_code (&digits, 8, 3);
    if (code < 0)
        return '\\';
    *at = digits;
    return (char)code;
}

static int take_delimiter (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    size_t len = 0;
    if (!*value)
        return err_set (e, EINVAL, "'' separates nothing: write -d , or -d '\\t'; for NUL, -0");
    char *bytes = mem_zalloc (strlen (value));
    while (*value) {
        char c = *value++;
        bytes[len++] = c == '\\' ? read_escape (&value) : c;
    }
    set_delimiter (o, bytes, len);
    return 0;
}

static int take_stop (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    (void)e;
    o->inputs.source.stop = *value ? value : NULL;
    return 0;
}

static int take_trim (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    static const struct {
        const char *name;
        enum trim trim;
    } ways[] = {{"n", TRIM_NONE},
                {"l", TRIM_LEFT},
                {"r", TRIM_RIGHT},
                {"lr", TRIM_BOTH},
                {"rl", TRIM_BOTH}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (strcmp (value, ways[i].name) == 0) {
            o->inputs.source.trim = ways[i].trim;
            o->trim_said = true;
            return 0;
        }
    }
    return err_set (e, EINVAL, "'%s' is none of n, l, r, lr", value);
}

static int take_colsep (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    if (!*value)
        return err_set (e, EINVAL, "'' separates no columns: write -C , or -C '\\t'");
    o->inputs.colsep = value;
    return 0;
}

static int take_header (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    if (strcmp (value, ":") != 0)
        return err_set (e, EINVAL,
                        "'%s' belongs to --pipe, which does not work yet: write --header :", value);
    o->inputs.header = true;
    return 0;
}

static int take_replace (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    if (!*value)
        return err_set (e, EINVAL, "'' can replace nothing: write -I ,, or the like");
    o->replace = value;
    return 0;
}

static int take_quote (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    (void)value;
    (void)e;
    o->command_flags |= DROVER_COMMAND_QUOTE;
    return 0;
}

static int set_per_job (struct foreach_opts *o, const char *value, struct err *e)
{
    uint64_t n;
    if (number_within (value, 0, JOB_VALUES_MAX, &n, e))
        return -1;
    o->inputs.per_job = n ? (size_t)n : 1;
    o->inputs.insert_none = n == 0;
    o->command_flags |= DROVER_COMMAND_SPREAD;
    return 0;
}

static int take_max_args (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    struct foreach_opts unused = {0};
    return set_per_job (o->limited ? &unused : o, value, e);
}

static int take_max_replace_args (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    o->limited = true;
    return set_per_job (o, value, e);
}

static int take_function (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    const char *colon = strchr (value, ':');
    if (!colon || colon == value || !colon[1])
        return err_set (e, EINVAL, "'%s' is no function: write MODULE:NAME, as in drover:echo",
                        value);
    o->function = value;
    return 0;
}

static int take_order_by (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    if (!*value)
        return err_set (e, EINVAL, "'' is no key: write --order-by {1} or the like");
    if (strstr (value, "{%}"))
        return err_set (e, EINVAL, "'%s': the slot of a task is not known beforehand", value);
    o->order_by = value;
    return 0;
}

static int take_cpus (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    uint64_t n;
    if (number_within (value, 0, CPUS_MAX, &n, e))
        return -1;
    o->task.cpus = (unsigned)n;
    return 0;
}

static int take_timeout (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    size_t len = strlen (value);
    if (len && value[len - 1] == '%')
        return err_set (
            e, EINVAL, "'%s': percentages do not work yet in this version; write 10s or 5m", value);
    return duration_ms (value, &o->task.timeout_ms, e);
}

static int take_grace (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    return grace_duration_ms (value, &o->task.grace_ms, e);
}

static int take_shell (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    if (!*value)
        return err_set (e, EINVAL, "'' is no shell: write --shell /bin/bash or the like");
    o->task.shell = value;
    return 0;
}

static int take_jobs (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    return joblimit_parse (value, &o->jobs, e);
}

static int take_priority (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    uint64_t n;
    if (number_within (value, 1, PRIORITY_MAX, &n, e))
        return -1;
    o->priority = (unsigned)n;
    return 0;
}

static int take_name (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    (void)e;
    o->name = *value ? value : NULL;
    return 0;
}

static int take_key (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    size_t len = strlen (value);
    if (!len || len > KEY_MAX)
        return err_set (e, EINVAL, "needs 1 to %d bytes, and got %zu", KEY_MAX, len);
    o->key = value;
    return 0;
}

static int take_deadline (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    return duration_ms (value, &o->deadline_ms, e);
}

static int take_retries (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    return retrying_parse_runs (&o->retrying, value, e);
}

static int take_retry_on (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    return retrying_parse_on (&o->retrying, value, e);
}

static int take_retry_delay (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    return retrying_parse_delay (&o->retrying, value, e);
}

static int take_crash_limit (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    return retrying_parse_crash_limit (&o->retrying, value, e);
}

static int take_after (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    return afters_parse (&o->after, value, e);
}

static int take_broker (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    if (!*value)
        return err_set (e, EINVAL, "'' is no broker: write tcp://HOST:PORT or ipc://PATH");
    o->session.broker = value;
    return 0;
}

static int take_local (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    (void)value;
    (void)e;
    o->session.flags |= DROVER_OPEN_LOCAL;
    return 0;
}

static int take_insecure (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    if (value && strcmp (value, "public") != 0)
        return err_set (e, EINVAL,
                        "'%s' is not known: write --insecure (this machine) or --insecure=public "
                        "(any)",
                        value);
    o->session.flags |= value ? DROVER_OPEN_INSECURE_PUBLIC : DROVER_OPEN_INSECURE;
    return 0;
}

/* What has been so all along. */
static int take_default (void *into, const char *value, struct err *e)
{
    (void)into;
    (void)value;
    (void)e;
    return 0;
}

static int take_help (void *into, const char *value, struct err *e)
{
    struct foreach_opts *o = into;
    (void)value;
    (void)e;
    o->help = true;
    return OPTIONS_ENOUGH;
}

/* --- the table --- */

#define NONE OPTION_ALONE
#define VALUE OPTION_VALUE
#define FLAG(field) NULL, offsetof (struct foreach_opts, field), OPTION_TAKEN, NULL
#define TAKE(how) take_##how, 0, OPTION_TAKEN, NULL
#define LATER(name, letter, mend) {name, letter, OPTION_MAYBE, 0, NULL, 0, OPTION_LATER, mend},
#define NEVER(name, letter, mend) {name, letter, OPTION_MAYBE, 0, NULL, 0, OPTION_NEVER, mend},

/* clang-format off */
static const struct option_row rows[] = {
    {"arg-file", 'a', VALUE, OPTS_INPUT, TAKE (file)},
    {"argfile", 0, VALUE, OPTS_INPUT, TAKE (file)},
    {"null", '0', NONE, OPTS_INPUT, TAKE (null)},
    {"delimiter", 'd', VALUE, OPTS_INPUT, TAKE (delimiter)},
    {NULL, 'E', VALUE, OPTS_INPUT, TAKE (stop)},
    {"no-run-if-empty", 'r', NONE, OPTS_INPUT, FLAG (inputs.source.skip_blank)},
    {"norunifempty", 0, NONE, OPTS_INPUT, FLAG (inputs.source.skip_blank)},
    {"trim", 0, VALUE, OPTS_INPUT, TAKE (trim)},
    {"colsep", 'C', VALUE, OPTS_INPUT, TAKE (colsep)},
    {"col-sep", 0, VALUE, OPTS_INPUT, TAKE (colsep)},
    {"header", 0, VALUE, OPTS_INPUT, TAKE (header)},
    {"link", 0, NONE, OPTS_INPUT, FLAG (inputs.link)},
    {"xapply", 0, NONE, OPTS_INPUT, FLAG (inputs.link)},
    {NULL, 'I', VALUE, OPTS_INPUT, TAKE (replace)},
    {"quote", 'q', NONE, OPTS_INPUT, TAKE (quote)},
    {"max-args", 'n', VALUE, OPTS_INPUT, TAKE (max_args)},
    {"maxargs", 0, VALUE, OPTS_INPUT, TAKE (max_args)},
    {"max-replace-args", 'N', VALUE, OPTS_INPUT, TAKE (max_replace_args)},
    {"maxreplaceargs", 0, VALUE, OPTS_INPUT, TAKE (max_replace_args)},
    {"function", 0, VALUE, OPTS_INPUT | OPTS_STAGE, TAKE (function)},
    {"order-by", 0, VALUE, OPTS_INPUT, TAKE (order_by)},
    {"dry-run", 0, NONE, OPTS_INPUT, FLAG (dry_run)},
    {"dryrun", 0, NONE, OPTS_INPUT, FLAG (dry_run)},
    {"dr", 0, NONE, OPTS_INPUT, FLAG (dry_run)},
    {"cpus", 0, VALUE, OPTS_TASK, TAKE (cpus)},
    {"timeout", 0, VALUE, OPTS_TASK, TAKE (timeout)},
    {"grace", 0, VALUE, OPTS_TASK, TAKE (grace)},
    {"cancel-fd", 0, NONE, OPTS_TASK, FLAG (task.cancel_fd)},
    {"shell", 0, VALUE, OPTS_TASK, TAKE (shell)},
    {"jobs", 'j', VALUE, OPTS_BATCH | OPTS_STAGE, TAKE (jobs)},
    {"max-procs", 'P', VALUE, OPTS_BATCH | OPTS_STAGE, TAKE (jobs)},
    {"maxprocs", 0, VALUE, OPTS_BATCH | OPTS_STAGE, TAKE (jobs)},
    {"priority", 0, VALUE, OPTS_BATCH, TAKE (priority)},
    {"name", 0, VALUE, OPTS_BATCH, TAKE (name)},
    {"deadline", 0, VALUE, OPTS_BATCH, TAKE (deadline)},
    {"after", 0, VALUE, OPTS_BATCH, TAKE (after)},
    {"retries", 0, VALUE, OPTS_BATCH | OPTS_STAGE, TAKE (retries)},
    {"retry-on", 0, VALUE, OPTS_BATCH | OPTS_STAGE, TAKE (retry_on)},
    {"retry-delay", 0, VALUE, OPTS_BATCH | OPTS_STAGE, TAKE (retry_delay)},
    {"crash-limit", 0, VALUE, OPTS_BATCH | OPTS_STAGE, TAKE (crash_limit)},
    {"exclusive", 0, NONE, OPTS_BATCH | OPTS_STAGE, FLAG (retrying.exclusive)},
    {"at-most-once", 0, NONE, OPTS_BATCH | OPTS_STAGE, FLAG (retrying.at_most_once)},
    {"id", 0, VALUE, OPTS_KEY, take_key, 0, OPTION_TAKEN, "submit"},
    {"keep-order", 'k', NONE, OPTS_OUTPUT, FLAG (keep_order)},
    {"keeporder", 0, NONE, OPTS_OUTPUT, FLAG (keep_order)},
    {"group", 0, NONE, OPTS_OUTPUT, TAKE (default)},
    {"tag", 0, NONE, OPTS_OUTPUT, FLAG (tag)},
    {"summary", 0, NONE, OPTS_SUMMARY, FLAG (summary)},
    {"keep-rest", 0, NONE, OPTS_REST, NULL, offsetof (struct foreach_opts, keep_rest), OPTION_TAKEN, "race"},
    {"compare", 0, NONE, OPTS_COMPARE, FLAG (compare)},
    {"broker", 0, VALUE, 0, TAKE (broker)},
    {"local", 0, NONE, 0, TAKE (local)},
    {"insecure", 0, OPTION_MAYBE, 0, TAKE (insecure)},
    {"quiet", 0, NONE, 0, FLAG (session.quiet)},
    {"json", 0, NONE, 0, FLAG (session.json)},
    {"help", 'h', NONE, 0, TAKE (help)},
#include "client/cli/foreach_refused.def"
};
/* clang-format on */

/* --- words --- */

struct separator {
    const char *text;
    bool files;
    bool linked;
};

static const struct separator *separator_of (const char *word)
{
    static const struct separator separators[] = {
        {":::", false, false}, {"::::", true, false}, {":::+", false, true}, {"::::+", true, true}};
    for (size_t i = 0; i < sizeof separators / sizeof *separators; i++)
        if (strcmp (word, separators[i].text) == 0)
            return &separators[i];
    return NULL;
}

static size_t words_before_then (char **argv, size_t count)
{
    size_t n = 0;
    while (n < count && strcmp (argv[n], then) != 0)
        n++;
    return n;
}

static int check_stage (const struct stage_opts *st, struct err *e)
{
    if (st->function && st->word_count)
        return err_set (e, EINVAL,
                        "--function %s takes the place of a command: '%s' is one word too many",
                        st->function, st->words[0]);
    if (!st->function && !st->word_count)
        return err_set (e, EINVAL, "there is no command, and no --function");
    return retrying_check (&st->retrying, e);
}

/* One stage; argv[0] is its --then. */
static int read_stage (struct foreach_opts *o, char **argv, size_t count, struct err *e)
{
    struct foreach_opts of_stage = {.task = {.cpus = 1, .steps = DROVER_STEPS_GRACE}};
    struct err why = {0};
    o->stages = mem_resize (o->stages, o->stage_count + 1, sizeof *o->stages);
    struct stage_opts *st = &o->stages[o->stage_count++];
    *st = (struct stage_opts){.memory = mem_zalloc ((count + 1) * sizeof *st->memory)};
    memcpy (st->memory, argv, count * sizeof *argv);
    int first =
        options_parse (rows, sizeof rows / sizeof *rows, OPTS_TASK | OPTS_STAGE | OPTIONS_STAGE,
                       &of_stage, (int)count, st->memory, &why);
    st->task = of_stage.task;
    st->jobs = of_stage.jobs;
    st->retrying = of_stage.retrying;
    st->function = of_stage.function;
    if (first >= 0) {
        st->words = (const char *const *)(st->memory + first);
        st->word_count = count - (size_t)first;
    }
    return first < 0 || check_stage (st, &why) ? err_set (e, why.code, "--then: %s", why.text) : 0;
}

static int read_stages (struct foreach_opts *o, char **argv, size_t count, struct err *e)
{
    if (!o->may_then)
        return err_set (e, EINVAL,
                        "--then is of 'drover foreach', whose client passes each output on");
    while (count) {
        size_t n = 1 + words_before_then (argv + 1, count - 1);
        if (read_stage (o, argv, n, e))
            return -1;
        argv += n;
        count -= n;
    }
    return 0;
}

static int read_command (struct foreach_opts *o, char **argv, size_t count, struct err *e)
{
    size_t own = words_before_then (argv, count);
    const char **words = mem_zalloc ((own + 1) * sizeof *words);
    for (size_t i = 0; i < own; i++)
        words[i] = argv[i];
    o->words = words;
    o->word_count = own;
    if (own && o->function)
        return err_set (e, EINVAL,
                        "--function %s takes the place of a command: '%s' is one word too many",
                        o->function, words[0]);
    return own < count ? read_stages (o, argv + own, count - own, e) : 0;
}

/* Options end at a --then, too. */
static int options_end (int argc, char **argv)
{
    int n = 1;
    while (n < argc && strcmp (argv[n], then) != 0 && !separator_of (argv[n]))
        n++;
    return n < argc && strcmp (argv[n], then) == 0 ? n : argc;
}

/* The words behind one separator. :::: without a file is an empty source, so that a list of files
 * that happens to be empty does not turn into stdin. */
static void read_values (struct foreach_opts *o, const struct separator *s, char **argv,
                         size_t count)
{
    for (size_t i = 0; s->files && i < count; i++) {
        struct input *in = add_input (o);
        in->file = argv[i];
        in->linked = s->linked;
    }
    if (s->files && (count || o->inputs.count))
        return;
    if (!s->files || !count) {
        struct input *in = add_input (o);
        in->words = (const char *const *)argv;
        in->count = s->files ? 0 : count;
        in->linked = s->linked;
    }
}

/* Who writes a stage behind the values means no value of that name. */
static int check_values (const struct foreach_opts *o, char **argv, size_t count, struct err *e)
{
    size_t n = o->may_then ? words_before_then (argv, count) : count;
    if (n + 1 >= count)
        return 0;
    return err_set (e, EINVAL,
                    "--then behind the values: stages stand in front of ::: (a value of that name "
                    "comes last, or from a file)");
}

static int read_words (struct foreach_opts *o, char **argv, struct err *e)
{
    const struct separator *s = NULL;
    while (*argv) {
        size_t n = 0;
        while (argv[n] && !separator_of (argv[n]))
            n++;
        if (s && check_values (o, argv, n, e))
            return -1;
        if (s)
            read_values (o, s, argv, n);
        else if (read_command (o, argv, n, e))
            return -1;
        argv += n;
        s = *argv ? separator_of (*argv++) : NULL;
        o->separated |= s != NULL;
    }
    if (s)
        read_values (o, s, argv, 0);
    return 0;
}

static int check_together (const struct foreach_opts *o, struct err *e)
{
    if (o->session.broker && (o->session.flags & DROVER_OPEN_LOCAL))
        return err_set (e, EINVAL, "--broker and --local exclude each other");
    if (o->compare && o->stage_count)
        return err_set (e, EINVAL, "--compare is for one command, not for a pipeline");
    if (o->function && o->replace && !o->stage_count)
        return err_set (e, EINVAL, "-I has nothing to replace beside --function");
    if (o->function && o->task.cancel_fd)
        return err_set (e, EINVAL,
                        "--cancel-fd is for commands: a function asks drover_cancelled()");
    return retrying_check (&o->retrying, e);
}

int foreach_opts_parse (struct foreach_opts *o, const char *command, unsigned groups, int argc,
                        char **argv, struct err *e)
{
    *o = (struct foreach_opts){.session = {.command = command},
                               .task = {.cpus = 1, .steps = DROVER_STEPS_GRACE},
                               .inputs = {.per_job = 1},
                               .may_then = (groups & OPTS_STAGE) != 0};
    int first = options_parse (rows, sizeof rows / sizeof *rows, groups, o,
                               options_end (argc, argv), argv, e);
    if (first < 0)
        return -1;
    if (o->help)
        return 0;
    if (read_words (o, argv + first, e) || check_together (o, e))
        return -1;
    if (!o->words)
        o->words = mem_zalloc (sizeof *o->words);
    if (o->inputs.colsep && !o->trim_said)
        o->inputs.source.trim = TRIM_BOTH;
    if (!o->inputs.count) {
        o->stdin_implied = true;
        add_input (o)->file = "-";
    }
    return 0;
}

void foreach_opts_fini (struct foreach_opts *o)
{
    for (size_t i = 0; i < o->stage_count; i++)
        free (o->stages[i].memory);
    free (o->stages);
    free ((void *)o->words);
    free (o->inputs.list);
    free (o->memory);
    o->words = NULL;
    o->stages = NULL;
    o->stage_count = 0;
    o->inputs.list = NULL;
    o->inputs.count = o->listed = 0;
    o->memory = NULL;
}

/* retrying: running tasks again; see retrying.h. */
#include "client/cli/retrying.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/durations.h"

enum { RUNS_MAX = 1000, CRASHES_MAX = 1000, EXIT_MAX = 255, WORD_MAX = 60 };

static int number_from_1 (const char *text, unsigned most, unsigned *number, struct err *e)
{
    uint64_t n;

    if (number_within (text, 1, most, &n, e) < 0)
        return -1;
    *number = (unsigned)n;
    return 0;
}

int retrying_parse_runs (struct retrying *r, const char *text, struct err *e)
{
    return number_from_1 (text, RUNS_MAX, &r->runs, e);
}

int retrying_parse_crash_limit (struct retrying *r, const char *text, struct err *e)
{
    return number_from_1 (text, CRASHES_MAX, &r->crash_limit, e);
}

/* N or N-M, behind exit: */
static int take_exits (struct retrying *r, char *text, struct err *e)
{
    char *dash = strchr (text, '-');
    uint64_t first, last;

    if (dash)
        *dash = '\0';
    if (number_within (text, 1, EXIT_MAX, &first, e) < 0 ||
        number_within (dash ? dash + 1 : text, 1, EXIT_MAX, &last, e) < 0)
        return -1;
    if (last < first)
        return err_set (e, EINVAL, "'exit:%s-%s' ends before it begins", text, dash + 1);
    for (uint64_t status = first; status <= last; status++)
        r->exits[status / 8] |= (unsigned char)(1u << status % 8);
    return 0;
}

static int take_reason (struct retrying *r, char *word, struct err *e)
{
    static const struct {
        const char *name;
        unsigned flag;
    } reasons[] = {{"failed", DROVER_RETRY_FAILED},
                   {"signal", DROVER_RETRY_SIGNAL},
                   {"timeout", DROVER_RETRY_TIMEOUT},
                   {"lost", DROVER_RETRY_LOST}};

    if (strncmp (word, "exit:", 5) == 0)
        return take_exits (r, word + 5, e);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (strcmp (word, reasons[i].name) == 0) {
            r->on |= reasons[i].flag;
            return 0;
        }
    }
    return err_set (e, EINVAL,
                    "'%s' is no reason: write failed, signal, timeout, lost, exit:75 or exit:64-78",
                    word);
}

int retrying_parse_on (struct retrying *r, const char *text, struct err *e)
{
    char word[WORD_MAX];

    r->on = 0;
    memset (r->exits, 0, sizeof r->exits);
    r->on_said = true;
    for (;;) {
        size_t len = strcspn (text, ",");

        snprintf (word, sizeof word, "%.*s", (int)len, text);
        if (take_reason (r, word, e) < 0)
            return -1;
        if (!text[len])
            return 0;
        text += len + 1;
    }
}

int retrying_parse_delay (struct retrying *r, const char *text, struct err *e)
{
    const char *dots = strstr (text, "..");
    char least[WORD_MAX];

    snprintf (least, sizeof least, "%.*s", (int)(dots ? dots - text : (int)strlen (text)), text);
    r->delay_said = true;
    r->delay_max_ms = 0;
    if (duration_ms (least, &r->delay_ms, e) < 0 ||
        (dots && duration_ms (dots + 2, &r->delay_max_ms, e) < 0))
        return -1;
    if (dots && r->delay_max_ms < r->delay_ms)
        return err_set (e, EINVAL, "'%s' ends before it begins: write 1s..5m", text);
    return 0;
}

int retrying_check (const struct retrying *r, struct err *e)
{
    const char *needs = r->on_said ? "--retry-on" : r->delay_said ? "--retry-delay" : NULL;

    if (needs && !r->runs)
        return err_set (e, EINVAL, "%s needs --retries N, the number of runs in all", needs);
    if (r->at_most_once && r->runs > 1)
        return err_set (e, EINVAL, "--at-most-once and --retries exclude each other");
    if (r->at_most_once && r->crash_limit)
        return err_set (e, EINVAL, "--at-most-once and --crash-limit exclude each other");
    return 0;
}

void retrying_apply (const struct retrying *r, drover_batch_options_t *o)
{
    o->runs = r->runs;
    o->retry_on = r->on;
    memcpy (o->retry_exits, r->exits, sizeof o->retry_exits);
    o->retry_delay_ms = r->delay_ms;
    o->retry_delay_max_ms = r->delay_max_ms;
    o->crash_limit = r->crash_limit;
    o->flags |= (r->exclusive ? (unsigned)DROVER_EXCLUSIVE : 0) |
                (r->at_most_once ? (unsigned)DROVER_AT_MOST_ONCE : 0);
}

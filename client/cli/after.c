/* after: what a batch is to run after; see after.h. */
#include "client/cli/after.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/durations.h"

enum { WORD_MAX = 60 };

static const uint64_t BATCH_MOST = 999999999999;

static int read_when (const char *word, int *when, struct err *e)
{
    static const char *const words[] = {
        [DROVER_AFTER_OK] = "ok", [DROVER_AFTER_ANY] = "any", [DROVER_AFTER_FAIL] = "fail"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp (word, words[i]) == 0) {
            *when = (int)i;
            return 0;
        }
    }
    return err_set (e, EINVAL, "'%s' is none of ok, any, fail", word);
}

static int read_one (struct afters *a, char *word, struct err *e)
{
    char *colon = strchr (word, ':');
    drover_after_t *one = &a->list[a->count];

    if (a->count == AFTERS_MAX)
        return err_set (e, EINVAL, "a batch can wait for %d others here", AFTERS_MAX);
    if (colon)
        *colon = '\0';
    one->when = DROVER_AFTER_OK;
    if (number_within (word, 1, BATCH_MOST, &one->batch, e) < 0 ||
        (colon && read_when (colon + 1, &one->when, e) < 0))
        return -1;
    a->count++;
    return 0;
}

int afters_parse (struct afters *a, const char *text, struct err *e)
{
    char word[WORD_MAX];

    for (;;) {
        size_t len = strcspn (text, ",");

        snprintf (word, sizeof word, "%.*s", (int)len, text);
        if (read_one (a, word, e) < 0)
            return -1;
        if (!text[len])
            return 0;
        text += len + 1;
    }
}

void afters_apply (const struct afters *a, drover_batch_options_t *o)
{
    o->after = a->list;
    o->after_count = a->count;
}

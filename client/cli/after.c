/* after: what a batch is to run after; see after.h. */
#include "client/cli/after.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/durations.h"

enum { WORD_MAX = 280 }; /* a name may have 256 bytes */

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

int afters_add (struct afters *a, uint64_t batch, int when, struct err *e)
{
    if (a->count == AFTERS_MAX)
        return err_set (e, EINVAL, "a batch can wait for %d others here", AFTERS_MAX);
    a->names[a->count] = bytes_of (NULL, 0);
    a->list[a->count++] = (drover_after_t){.batch = batch, .when = when};
    return 0;
}

static bool is_name (const char *word)
{
    return word[0] == '@' || strcmp (word, "last") == 0;
}

/* `text` is where the word was copied from. */
static int read_one (struct afters *a, char *word, const char *text, struct err *e)
{
    char *colon = strrchr (word, ':');
    int when = DROVER_AFTER_OK;
    uint64_t batch = 0;
    bool name;

    if (colon)
        *colon = '\0';
    name = is_name (word);
    if ((!name && number_within (word, 1, BATCH_MOST, &batch, e) < 0) ||
        (colon && read_when (colon + 1, &when, e) < 0) || afters_add (a, batch, when, e) < 0)
        return -1;
    if (name)
        a->names[a->count - 1] = bytes_of (text, strlen (word));
    return 0;
}

int afters_parse (struct afters *a, const char *text, struct err *e)
{
    char word[WORD_MAX];

    for (;;) {
        size_t len = strcspn (text, ",");

        if (len >= sizeof word)
            return err_set (e, EINVAL, "'%.40s...' is the number or name of no batch", text);
        snprintf (word, sizeof word, "%.*s", (int)len, text);
        if (read_one (a, word, text, e) < 0)
            return -1;
        if (!text[len])
            return 0;
        text += len + 1;
    }
}

bool afters_have_names (const struct afters *a)
{
    for (size_t i = 0; a && i < a->count; i++)
        if (a->names[i].len)
            return true;
    return false;
}

void afters_apply (const struct afters *a, drover_batch_options_t *o)
{
    o->after = a->list;
    o->after_count = a->count;
}

/* options: getopt_long() with tables made from ours.
 *
 * getopt_long() takes any unique prefix. It must not find two names of one option ambiguous, so all
 * rows of an option have the number of the first of them.
 */
#include "client/cli/options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/suggest.h"

enum { FIRST_NUMBER = 256 /* of long options, above all letters */ };

struct parser {
    const struct option_row *rows;
    size_t count;
    unsigned groups;
    struct option longs[OPTIONS_MAX + 1];
    char letters[2 + 3 * OPTIONS_MAX + 1];
};

static bool same_option (const struct option_row *a, const struct option_row *b)
{
    return (a->take && a->take == b->take) || (a->flag && a->flag == b->flag);
}

static bool is_mine (const struct parser *p, const struct option_row *r)
{
    if (p->groups & OPTIONS_STAGE && !r->refused)
        return (r->groups & p->groups) != 0;
    return !r->groups || (r->groups & p->groups);
}

/* GNU Parallel's, or that of one other command alone. */
static bool is_foreign (const struct parser *p, const struct option_row *r)
{
    return r->refused == OPTION_NEVER || (!r->refused && r->mend && !is_mine (p, r));
}

static int number_of (const struct parser *p, size_t i)
{
    size_t first = 0;
    while (first < i && !same_option (&p->rows[first], &p->rows[i]))
        first++;
    return FIRST_NUMBER + (int)first;
}

static void fill_tables (struct parser *p)
{
    static const int arguments[] = {no_argument, required_argument, optional_argument};
    char *letter = p->letters;
    struct option *longs = p->longs;
    *letter++ = '+'; /* the first word that is no option ends them */
    *letter++ = ':'; /* a missing value is told apart */
    for (size_t i = 0; i < p->count; i++) {
        const struct option_row *r = &p->rows[i];
        if (r->letter)
            *letter++ = r->letter;
        if (r->letter && r->argument == OPTION_VALUE)
            *letter++ = ':';
        if (r->name && !is_foreign (p, r))
            *longs++ = (struct option){r->name, arguments[r->argument], NULL, number_of (p, i)};
    }
    *letter = '\0';
    *longs = (struct option){0};
}

static const struct option_row *row_of (const struct parser *p, int found)
{
    if (found >= FIRST_NUMBER)
        return &p->rows[found - FIRST_NUMBER];
    for (size_t i = 0; i < p->count; i++)
        if (p->rows[i].letter == found)
            return &p->rows[i];
    return NULL;
}

static int refuse (const struct parser *p, const struct option_row *r, const char *shown,
                   struct err *e)
{
    const char *mend = r->mend ? r->mend : "";
    const char *colon = r->mend ? ": " : "";
    if (!is_mine (p, r) && p->groups & OPTIONS_STAGE)
        return err_set (e, EINVAL, "%s is for the whole pipeline: write it in front of the command",
                        shown);
    if (!is_mine (p, r))
        return err_set (e, EINVAL, "%s is an option of 'drover %s', not of this command", shown,
                        !r->refused && r->mend ? r->mend : "foreach");
    if (r->refused == OPTION_LATER)
        return err_set (e, ENOTSUP, "%s does not work yet in this version%s%s", shown, colon, mend);
    return err_set (e, ENOTSUP, "%s is GNU Parallel's, and not in drover%s%s", shown, colon, mend);
}

static int take (const struct parser *p, const struct option_row *r, void *into, const char *shown,
                 struct err *e)
{
    struct err why = {0};
    if (r->refused || !is_mine (p, r))
        return refuse (p, r, shown, e);
    if (r->flag) {
        memcpy ((char *)into + r->flag, &(bool){true}, sizeof (bool));
        return 0;
    }
    int rc = r->take (into, optarg, &why);
    return rc < 0 ? err_set (e, why.code, "%s %s", shown, why.text) : rc;
}

/* Somebody else's option, written out? Such names are not known to getopt_long(), because they
 * shall not make ours ambiguous where those are abbreviated. */
static const struct option_row *foreign (const struct parser *p, const char *word)
{
    if (!word || strncmp (word, "--", 2) != 0)
        return NULL;
    size_t len = strcspn (word + 2, "=");
    for (size_t i = 0; i < p->count; i++) {
        const struct option_row *r = &p->rows[i];
        if (is_foreign (p, r) && r->name && strlen (r->name) == len &&
            memcmp (r->name, word + 2, len) == 0)
            return r;
    }
    return NULL;
}

/* --- what can be wrong --- */

static bool is_prefix (const struct parser *p, const char *text, size_t len)
{
    for (const struct option *l = p->longs; l->name; l++)
        if (strncmp (l->name, text, len) == 0)
            return true;
    return false;
}

static int unknown_long (const struct parser *p, const char *word, struct err *e)
{
    const char *names[OPTIONS_MAX];
    char name[64];
    size_t n = 0;
    snprintf (name, sizeof name, "%.*s", (int)strcspn (word, "="), word);
    if (is_prefix (p, name, strlen (name)))
        return err_set (e, EINVAL, "--%s may mean several options: write it out", name);
    for (const struct option *l = p->longs; l->name; l++)
        names[n++] = l->name;
    const char *meant = suggest (name, names, n);
    if (meant)
        return err_set (e, EINVAL, "unknown option --%s; did you mean --%s?", name, meant);
    return err_set (e, EINVAL, "unknown option --%s", name);
}

/* getopt_long() returned ? or :. */
static int complain (const struct parser *p, int found, const char *word, struct err *e)
{
    if (found == ':' && optopt < FIRST_NUMBER)
        return err_set (e, EINVAL, "-%c needs a value", optopt);
    if (found == ':')
        return err_set (e, EINVAL, "%s needs a value", word);
    if (optopt && optopt < FIRST_NUMBER)
        return err_set (e, EINVAL, "unknown option -%c", optopt);
    if (optopt)
        return err_set (e, EINVAL, "%.*s takes no value", (int)strcspn (word, "="), word);
    return unknown_long (p, word + 2, e);
}

int options_parse (const struct option_row *rows, size_t count, unsigned groups, void *into,
                   int argc, char **argv, struct err *e)
{
    struct parser p = {.rows = rows, .count = count, .groups = groups};
    char shown[64];
    int rc = 0;
    assert (count <= OPTIONS_MAX);
    fill_tables (&p);
    opterr = 0;
    optind = 0; /* begin anew, also where another table was used before */
    while (rc == 0) {
        int at = -1;
        optarg = NULL;
        const struct option_row *other = foreign (&p, argv[optind ? optind : 1]);
        if (other) {
            snprintf (shown, sizeof shown, "--%s", other->name);
            return refuse (&p, other, shown, e);
        }
        int found = getopt_long (argc, argv, p.letters, p.longs, &at);
        if (found == -1)
            break;
        if (found == '?' || found == ':')
            return complain (&p, found, argv[optind - 1], e);
        if (at >= 0)
            snprintf (shown, sizeof shown, "--%s", p.longs[at].name);
        else
            snprintf (shown, sizeof shown, "-%c", found);
        rc = take (&p, row_of (&p, found), into, shown, e);
    }
    return rc < 0 ? -1 : optind;
}

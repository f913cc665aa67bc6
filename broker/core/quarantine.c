/* Quarantine: a worker that is lost again and again, and comes back each time, gets no rows for a
 * while, and for twice as long the next time. It is known by its name, since each life of it is
 * another session. A loss that a row was alone with is that row's, and does not count.
 *
 * Nothing of this is recorded: a broker that comes back gives everybody a new chance.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

enum {
    LOSSES = 5,                /* within ... */
    WITHIN_US = 60 * US_PER_S, /* at the most */
    NAMES_MAX = 1024,
};
static const int64_t FIRST_US = 60 * US_PER_S;
static const int64_t LONGEST_US = 3600 * (int64_t)US_PER_S;
static const int64_t FORGOTTEN_US = 2 * 3600 * (int64_t)US_PER_S; /* without a loss */

struct flapper {
    char *name;
    int64_t lost_us[LOSSES]; /* the last ones, in a circle */
    unsigned n;
    int64_t span_us, until_us;
    UT_hash_handle hh;
};

/* Without the number that makes names unique: the dead one may still have its name. */
static size_t stem (const char *name)
{
    const char *number = strrchr (name, '#');
    return number && number != name ? (size_t)(number - name) : strlen (name);
}

static struct flapper *find (const struct sched *s, const char *name)
{
    struct flapper *f = NULL;
    if (s->flappers)
        HASH_FIND (hh, s->flappers, name, (unsigned)stem (name), f);
    return f;
}

static void forget (struct sched *s, struct flapper *f)
{
    HASH_DEL (s->flappers, f);
    free (f->name);
    free (f);
}

static struct flapper *get (struct sched *s, const char *name)
{
    struct flapper *f = find (s, name);
    if (f)
        return f;
    if (HASH_COUNT (s->flappers) >= NAMES_MAX)
        forget (s, s->flappers); /* the oldest */
    f = mem_zalloc (sizeof *f);
    f->name = mem_strndup (name, stem (name));
    HASH_ADD_KEYPTR (hh, s->flappers, f->name, (unsigned)strlen (f->name), f);
    return f;
}

/* Too short for a worker that only falls silent so often: each time takes `lost_us`. */
static int64_t within_us (const struct sched *s)
{
    int64_t silences = (LOSSES - 2) * s->cfg.lost_us;
    return silences < WITHIN_US ? silences : WITHIN_US;
}

void quarantine_lost (struct sched *s, const struct worker *w, int64_t now, struct effects *fx)
{
    if (worker_is_alone (w) || w->session->restored || w->session->ghost)
        return;
    struct flapper *f = get (s, w->session->name);
    f->lost_us[f->n++ % LOSSES] = now;
    if (f->n < LOSSES || now - f->lost_us[f->n % LOSSES] > within_us (s))
        return;
    f->n = 0;
    f->span_us = !f->span_us ? FIRST_US : f->span_us < LONGEST_US / 2 ? 2 * f->span_us : LONGEST_US;
    f->until_us = now + f->span_us;
    effect_log (fx, LOG_WARN, "quarantined worker=%s for_ms=%" PRId64, f->name,
                f->span_us / US_PER_MS);
}

bool quarantine_has (const struct sched *s, const struct worker *w, int64_t now)
{
    const struct flapper *f = find (s, w->session->name);
    return f && now < f->until_us;
}

size_t quarantine_entries (const struct sched *s)
{
    return HASH_COUNT (s->flappers);
}

void quarantine_tick (struct sched *s, int64_t now)
{
    struct worker *w;
    struct flapper *f, *next;
    TAILQ_FOREACH (w, &s->workers, link)
        if (w->quarantined && !quarantine_has (s, w, now)) {
            w->quarantined = false;
            worker_touch (s, w);
        }
    HASH_ITER (hh, s->flappers, f, next)
        if (now >= f->until_us && now - f->lost_us[(f->n + LOSSES - 1) % LOSSES] > FORGOTTEN_US)
            forget (s, f);
}

void quarantine_fini (struct sched *s)
{
    struct flapper *f, *next;
    HASH_ITER (hh, s->flappers, f, next)
        forget (s, f);
}

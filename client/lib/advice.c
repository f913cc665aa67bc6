/* advice: from the figures of a batch to what would make it better. Pure.
 *
 * Each rule looks at one view of the figures and says what following it would gain, at the most; a
 * rule that gains little says nothing. None speaks of what is not known, and what only looks like a
 * fault must not be called one: input or a reader that was slow, retries that waited, a user who
 * wanted no more at one time.
 *
 * With more slots than cores, tasks that compute take the cores from each other: the time they ran
 * is no measure of work then, and the processor time takes its place.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/drover.h"
#include "common/base/clock.h"
#include "common/base/units.h"

#define TINY_US (2.0 * US_PER_MS)    /* a command of less is mostly the start of a process, ... */
#define START_US (0.8 * US_PER_MS)   /* ... about so much of it */
#define SMALL_US (10.0 * US_PER_MS)  /* of less the overhead is seen */
#define ENOUGH_US (50.0 * US_PER_MS) /* how long a task should run */
#define GAIN_US (200.0 * US_PER_MS)  /* what is worth a word, ... */
#define LONG_US                                                                                    \
    (500.0 * US_PER_MS) /* ... and how long a batch takes of which other things count              \
                         */
#define ROUNDS 8        /* tasks that a slot should have, so that all end together */
#define JOBS_MOST 1000
#define UNLIMITED 1e18

struct view {
    const drover_worth_t *w;
    double wall, work, longest, mean, others; /* in microseconds; others: mean of all but one */
    double ran, slots, cores;
    double free;    /* tasks that could get on at one time, ... */
    double width;   /* ... as far as their order allows */
    double keys;    /* tasks that may run at one time by their order */
    double need;    /* what the slots, or the cores, had to do */
    double share;   /* processor time by running time; below 0: not known */
    double busy;    /* share of the cores that was used; below 0: not known */
    bool computing; /* it is processor time that counts */
};

typedef double rule_fn (const struct view *v, drover_advice_t *a);

static double less (double a, double b)
{
    return a < b ? a : b;
}

static double more (double a, double b)
{
    return a > b ? a : b;
}

/* How long it took: as the caller says, or by the clock of the host where it all ran, which knows
 * nothing of readers and starts. */
static double wall_of (const drover_worth_t *w)
{
    double wall = (double)w->wall_us;
    double span = (double)(w->last_end_us - w->first_start_us);

    if (!w->wall_us || (w->hosts == 1 && span < wall))
        wall = span;
    return more (wall - (double)w->starved_us, 0);
}

static struct view view_of (const drover_worth_t *w)
{
    struct view v = {.w = w,
                     .wall = more (wall_of (w), 1),
                     .work = (double)w->work_us,
                     .longest = (double)w->longest_us,
                     .ran = (double)w->ran,
                     .slots = (double)w->slots,
                     .cores = (double)w->cores,
                     .share = -1,
                     .busy = -1};
    bool metered = w->work_us && w->metered_us >= w->work_us / 10 * 9;
    double cpu = (double)w->cpu_us;

    v.mean = v.work / v.ran;
    v.others = w->ran > 1 ? (v.work - v.longest) / (v.ran - 1) : 0;
    if (metered)
        v.share = cpu / (double)w->metered_us;
    if (metered && w->cores)
        v.busy = cpu / v.wall / v.cores;
    v.computing = v.share >= 0.7 || v.busy >= 0.8;
    v.keys = w->keys ? (double)w->keys : UNLIMITED;
    v.free = v.computing && w->cores ? less (v.slots, v.cores) : v.slots;
    v.width = less (v.free, v.keys);
    v.need = v.free < v.slots ? less (cpu, v.work) : v.work;
    return v;
}

/* --- words --- */

struct words {
    char text[32];
};

static struct words time_words (double us)
{
    struct words t = {""};

    units_print_time (t.text, sizeof t.text, us);
    return t;
}

#define TIME(us) time_words (us).text
#define TEXT(...) snprintf (a->text, sizeof a->text, __VA_ARGS__)
#define MEND(...) snprintf (a->mend, sizeof a->mend, __VA_ARGS__)

/* 1, 2, 5, 10, 20, ...: the greatest that is not more. */
static unsigned round_down (double n)
{
    unsigned best = 1;

    for (unsigned ten = 1; ten <= n && ten <= 100000; ten *= 10)
        best = n >= 5.0 * ten ? 5 * ten : n >= 2.0 * ten ? 2 * ten : ten;
    return best;
}

/* Times as many values as a task could have, to run long enough and still be many. */
static unsigned times_values (const struct view *v)
{
    return round_down (less (ENOUGH_US / more (v->mean, 1), v->ran / v->slots / ROUNDS));
}

static void mend_small (const struct view *v, drover_advice_t *a)
{
    uint64_t values = v->w->values ? v->w->values : 1;

    MEND ("give each task more to do (-n %" PRIu64 ")%s", values * times_values (v),
          v->w->functions ? "" : ", or make it a function (--function)");
}

/* --- rules --- */

static bool is_small (const struct view *v)
{
    return v->slots > 0 && v->mean < SMALL_US && times_values (v) > 1 && !v->w->again;
}

/* Measured: it is said whatever the reason is. */
static double measured_sequential (const struct view *v, drover_advice_t *a)
{
    double sequential = (double)v->w->sequential_us;
    double parallel = (double)v->w->parallel_us;

    if (sequential * 1.05 >= parallel)
        return -1;
    TEXT ("one after another took %s, in parallel %s", TIME (sequential), TIME (parallel));
    if (is_small (v))
        mend_small (v, a);
    else if (v->ran < 2 || v->slots < 2 || v->w->cores == 1)
        MEND ("run it without drover");
    else
        MEND ("the tasks are in each other's way: fewer at one time (-j %" PRIu64 ")",
              (v->w->slots + 1) / 2);
    return parallel - sequential;
}

static double sequential (const struct view *v, drover_advice_t *a)
{
    if (v->w->sequential_us)
        return measured_sequential (v, a);
    if (!is_small (v) || v->slots < 2 || v->work >= v->wall)
        return -1;
    TEXT ("all tasks together ran %s, and the batch took %s: one after another is faster",
          TIME (v->work), TIME (v->wall));
    mend_small (v, a);
    return v->wall - v->work;
}

static double small (const struct view *v, drover_advice_t *a)
{
    double lost = v->wall - v->need / v->width;
    bool tiny = v->mean < TINY_US && !v->w->functions;

    if (!is_small (v) || (lost < 0.2 * v->wall && !tiny))
        return -1;
    lost = more (lost, 0);
    TEXT ("tasks ran %s on average%s, with %s of overhead each", TIME (v->mean),
          tiny ? ", mostly to start a process" : "", TIME (lost * v->width / v->ran));
    mend_small (v, a);
    return less (lost + (tiny ? START_US * v->ran / v->width : 0), v->wall);
}

static double straggler (const struct view *v, drover_advice_t *a)
{
    double late = (double)(v->w->longest_start_us - v->w->first_start_us);
    double gain = v->wall - more (v->need / v->width, v->others);

    if (v->ran < 2 || v->width < 2 || v->longest < 3 * v->others || v->longest < 0.5 * v->wall ||
        gain < 0.2 * v->wall)
        return -1;
    a->row = v->w->longest_row;
    TEXT ("task %" PRIu64 " alone ran %s of %s, the others %s on average", a->row + 1,
          TIME (v->longest), TIME (v->wall), TIME (v->others));
    if (late < 0.2 * v->wall) {
        MEND ("split it into several tasks");
        return gain;
    }
    MEND ("put it first in the input: it began %s after the first one", TIME (late));
    return less (gain, late);
}

static double few (const struct view *v, drover_advice_t *a)
{
    bool wanted = v->w->asked && !v->computing; /* room for more that wait, and no harm done */
    double gain = v->wall - v->need / v->width;

    if (v->ran >= v->width || wanted || v->wall < LONG_US || gain < 0.2 * v->wall ||
        v->longest < 0.5 * v->wall)
        return -1;
    TEXT ("%" PRIu64 " task%s for %.0f %s: %.0f had nothing to do", v->w->ran,
          v->w->ran == 1 ? "" : "s", v->width, v->width < v->slots ? "cores" : "slots",
          v->width - v->ran);
    MEND ("split the work into more tasks, at least %.0f", v->width);
    return gain;
}

static double waiting (const struct view *v, drover_advice_t *a)
{
    double best = v->cores > 0 ? (double)v->w->cpu_us / v->cores : 0;
    double gain = v->wall - more (v->longest, best);
    double jobs = less (less (v->ran, v->keys), v->slots / more (v->share, 0.01));

    if (v->share < 0 || v->share > 0.25 || v->busy > 0.5 || v->slots == 0 || v->ran <= v->slots ||
        v->keys <= v->slots || v->work < 0.5 * v->slots * v->wall || v->mean < SMALL_US ||
        gain < 0.2 * v->wall || v->w->asked == 1)
        return -1;
    TEXT ("tasks computed for %.0f %% of the time they ran, and waited for the rest",
          100 * v->share);
    if (v->w->shared && !v->w->asked)
        MEND ("let more of them wait at one time: --cpus 0, so that they take no slots");
    else
        MEND ("let more of them wait at one time: -j %.0f, or --cpus 0", less (jobs, JOBS_MOST));
    return gain;
}

static double one_core (const struct view *v, drover_advice_t *a)
{
    if (v->ran < 2 || v->wall < LONG_US || v->w->asked == 1 || v->cores == 0)
        return -1;
    if (v->cores == 1 && v->busy >= 0.8) {
        TEXT ("one core did all the work, and was %.0f %% busy", less (100 * v->busy, 100));
        MEND ("more at one time cannot help there: add a worker on another host");
        return v->wall / 2;
    }
    if (v->slots != 1 || v->cores == 1 || !v->computing)
        return -1;
    TEXT ("one slot ran all tasks, and the host has %.0f cores", v->cores);
    MEND (v->w->shared ? "start the worker with --slots %.0f" : "-j %.0f",
          less (v->cores, v->keys));
    return v->wall - v->work / less (less (v->cores, v->ran), v->keys);
}

/* Gains no time, but the figures are to be read with it in mind. */
static double slots (const struct view *v, drover_advice_t *a)
{
    double at_once = less (less (v->slots, v->ran), v->keys);

    if (v->cores < 2 || v->busy < 0.8 || at_once < v->cores + 2 || at_once < 1.25 * v->cores ||
        v->wall < LONG_US)
        return -1;
    TEXT ("%.0f tasks at one time shared %.0f cores, which were %.0f %% busy: the speed-up is %.1f",
          at_once, v->cores, less (100 * v->busy, 100), (double)v->w->cpu_us / v->wall);
    MEND ("-j %.0f is as fast; more hosts are faster", v->cores);
    return 0;
}

/* More slots, or a higher -j, would not help: it is said why. */
static double keys (const struct view *v, drover_advice_t *a)
{
    uint64_t n = v->w->keys, most = v->w->key_tasks;
    double chain = v->mean * (double)most; /* of one key, one after another */
    double gain = v->wall - more (v->need / v->free, v->longest);

    if (n == 0 || v->free < 2 || v->ran < 2 || v->wall < LONG_US || gain < 0.2 * v->wall)
        return -1;
    if (v->keys < v->free && v->keys < v->ran && v->work >= 0.5 * v->keys * v->wall) {
        TEXT ("%" PRIu64 " key%s only: at most %" PRIu64 " task%s at one time, for %.0f %s", n,
              n == 1 ? "" : "s", n, n == 1 ? "" : "s", v->free,
              v->free < v->slots ? "cores" : "slots");
        MEND ("order by something that tells more tasks apart; more slots do not help");
        return gain;
    }
    if (most < 2 || chain < 0.6 * v->wall || chain < 1.25 * v->need / v->free)
        return -1;
    TEXT ("one key has %" PRIu64 " of %" PRIu64 " tasks, which ran one after another for %s of %s",
          most, v->w->ran, TIME (less (chain, v->wall)), TIME (v->wall));
    MEND ("order by something that tells more tasks apart; more slots do not help");
    return gain;
}

static const struct {
    const char *name;
    rule_fn *check; /* the gain; below 0: it does not apply */
    double least;   /* gain that is worth a word */
} rules[DROVER_RULES] = {
    [DROVER_RULE_SEQUENTIAL] = {"sequential", sequential, GAIN_US},
    [DROVER_RULE_SMALL] = {"small", small, GAIN_US},
    [DROVER_RULE_STRAGGLER] = {"straggler", straggler, GAIN_US},
    [DROVER_RULE_FEW] = {"few", few, GAIN_US},
    [DROVER_RULE_WAITING] = {"waiting", waiting, GAIN_US},
    [DROVER_RULE_ONE_CORE] = {"one-core", one_core, GAIN_US},
    [DROVER_RULE_SLOTS] = {"slots", slots, 0},
    [DROVER_RULE_KEYS] = {"keys", keys, GAIN_US},
};

const char *drover_rule_name (int rule)
{
    return rule >= 0 && rule < DROVER_RULES ? rules[rule].name : "unknown";
}

/* Is `a` stronger than `b`? That one after another is faster goes before all, and before what
 * gains as much. */
static bool stronger (const drover_advice_t *a, const drover_advice_t *b)
{
    if (a->rule == DROVER_RULE_SEQUENTIAL || b->rule == DROVER_RULE_SEQUENTIAL)
        return a->rule == DROVER_RULE_SEQUENTIAL;
    return a->gain_us > b->gain_us;
}

/* Into the list of the strongest, which has room for `max`. */
static void insert (drover_advice_t *list, size_t count, size_t max, const drover_advice_t *a)
{
    size_t at = 0;

    while (at < count && at < max && !stronger (a, &list[at]))
        at++;
    if (at >= max)
        return;
    if (count >= max)
        count = max - 1;
    memmove (&list[at + 1], &list[at], (count - at) * sizeof *list);
    list[at] = *a;
}

size_t drover_advise (const drover_worth_t *w, drover_advice_t *advice, size_t max)
{
    size_t count = 0;

    if (!w->ran)
        return 0;
    struct view v = view_of (w);
    for (int rule = 0; rule < DROVER_RULES; rule++) {
        drover_advice_t a = {.rule = rule};
        double gain = rules[rule].check (&v, &a);

        if (gain < rules[rule].least)
            continue;
        a.gain_us = (uint64_t)gain;
        insert (advice, count++, max, &a);
    }
    return count;
}

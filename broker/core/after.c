/* After: a batch that waits for others to be over, and runs, or is skipped, by how they ended.
 *
 * OPEN names batches that exist, so their numbers are lower than its own, and nothing ever waits in
 * a circle. Whoever is waited for knows its followers; what becomes of them is settled in the turn
 * in which it ends, and recorded with each follower (SETTLED): it holds from then on, also when
 * that batch is retried or forgotten. Where a batch can no longer run, all its rows end as skipped,
 * also those that are still to come. Who has them retried wants them to run, whatever they depended
 * on.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/core.h"
#include "common/base/mem.h"

enum { AFTER_MAX = 256, REASON_MAX = 200 };

static const char *const WORDS[] = {[AFTER_OK] = "ok", [AFTER_ANY] = "any", [AFTER_FAIL] = "fail"};

/* --- as OPEN says it: 12:ok,7:any --- */

/* A number without a leading zero. */
static bool read_number (struct bytes text, size_t *at, uint64_t *n)
{
    size_t begin = *at;
    for (*n = 0; *at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9'; ++*at) {
        unsigned digit = text.ptr[*at] - (unsigned)'0';
        if (*n > (UINT64_MAX - digit) / 10)
            return false;
        *n = 10 * *n + digit;
    }
    return *at > begin && text.ptr[begin] != '0';
}

static bool read_word (struct bytes text, size_t *at, enum after_when *when)
{
    size_t end = *at;
    while (end < text.len && text.ptr[end] != ',')
        end++;
    struct bytes word = bytes_of (text.ptr + *at, end - *at);
    *at = end;
    for (unsigned i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        *when = (enum after_when)i;
        if (bytes_equal (word, bytes_str (WORDS[i])))
            return true;
    }
    return false;
}

/* The next one, at *at, which moves behind it: 1, 0 at the end, -1 where it is none. */
static int read_one (struct bytes text, size_t *at, uint64_t *id, enum after_when *when)
{
    if (*at == text.len)
        return 0;
    if (*at && text.ptr[(*at)++] != ',')
        return -1;
    if (!read_number (text, at, id) || *at == text.len || text.ptr[(*at)++] != ':' ||
        !read_word (text, at, when))
        return -1;
    return 1;
}

int after_check (struct sched *s, const struct msg_open *m, struct err *e)
{
    size_t at = 0;
    uint64_t id;
    enum after_when when;
    int got, n = 0;
    while ((got = read_one (m->after, &at, &id, &when)) == 1) {
        if (!batch_find (s, id))
            return err_set (e, ENOENT, "there is no batch %" PRIu64 " to run after", id);
        if (++n > AFTER_MAX)
            return err_set (e, EINVAL, "a batch can wait for %d others", AFTER_MAX);
    }
    return got < 0 ? err_set (e, EINVAL, "these are no batches to run after: %.*s",
                              (int)m->after.len, (const char *)m->after.ptr)
                   : 0;
}

/* --- what is settled --- */

static void unlink_one (struct after *a)
{
    if (a->on)
        LIST_REMOVE (a, link);
    a->on = NULL;
}

/* It waits for nothing any more. */
static void drop_all (struct batch *b)
{
    for (size_t i = 0; i < b->n_after; i++) {
        unlink_one (&b->after[i]);
        b->after[i].settled = true;
    }
    b->n_unmet = 0;
}

static void give_up (struct batch *b, const struct after *a, const char *why)
{
    char reason[REASON_MAX];
    drop_all (b);
    snprintf (reason, sizeof reason, "not run: batch %" PRIu64 " %s", a->id, why);
    b->unreachable = mem_strdup (reason);
}

static const char *why_not (const struct after *a)
{
    return a->when == AFTER_OK ? "did not succeed" : "succeeded";
}

static bool succeeded (const struct batch *on)
{
    return !on->cancelled && on->counts[OUTCOME_DONE] == on->submitted;
}

void after_skip (struct sched *s, struct batch *b, struct effects *fx)
{
    if (!b->unreachable || b->ended || s->replaying)
        return;
    rows_end (s, b, 0, UINT64_MAX, OUTCOME_SKIPPED, b->unreachable, fx);
}

static void settle (struct sched *s, struct after *a, bool known, struct effects *fx)
{
    struct batch *b = a->of;
    bool holds = known && (a->when == AFTER_ANY || (a->when == AFTER_OK) == succeeded (a->on));
    record_settled (s, a, holds, known, fx);
    unlink_one (a);
    a->settled = true;
    b->n_unmet--;
    if (!holds) {
        give_up (b, a, known ? why_not (a) : "is not known any more");
        after_skip (s, b, fx);
    }
    stuck_look (s, b);
    batch_progress (s, b, s->now_us);
}

int after_replay (struct batch *b, const struct msg_settled *m, struct err *e)
{
    for (size_t i = 0; i < b->n_after; i++) {
        struct after *a = &b->after[i];
        if (a->id != m->on || a->when != m->when || a->settled)
            continue;
        a->settled = true;
        b->n_unmet--;
        if (!m->holds)
            give_up (b, a, m->known ? why_not (a) : "is not known any more");
        return 0;
    }
    return err_set (e, EINVAL, "it does not wait for batch %" PRIu64, m->on);
}

/* --- who waits --- */

/* It waits for that batch; or it is settled already. */
static void follow (struct sched *s, struct after *a, struct effects *fx)
{
    struct batch *on = batch_find (s, a->id);
    if (a->settled || a->on)
        return;
    a->on = on;
    if (on) {
        LIST_INSERT_HEAD (&on->followers, a, link);
        quota_look (s, on->client);
    }
    if (!on || on->ended)
        settle (s, a, on != NULL, fx);
}

void after_follow (struct sched *s, struct batch *b, struct effects *fx)
{
    for (size_t i = 0; i < b->n_after; i++)
        follow (s, &b->after[i], fx);
    stuck_look (s, b);
}

void after_open (struct sched *s, struct batch *b, struct effects *fx)
{
    struct bytes text = b->open.m.open.after;
    struct after all[AFTER_MAX];
    size_t at = 0, n = 0;
    memset (all, 0, sizeof all);
    while (n < AFTER_MAX && read_one (text, &at, &all[n].id, &all[n].when) == 1)
        all[n++].of = b;
    if (!n)
        return;
    b->after = mem_zalloc (n * sizeof *all);
    memcpy (b->after, all, n * sizeof *all);
    b->n_after = b->n_unmet = n;
    batch_own_more (s, b, n * sizeof *all);
    if (!s->replaying)
        after_follow (s, b, fx);
}

void after_ended (struct sched *s, struct batch *b)
{
    if (LIST_EMPTY (&b->followers) || b->settles)
        return;
    b->settles = true;
    TAILQ_INSERT_TAIL (&s->settles, b, settles_link);
}

void after_settle_of (struct sched *s, struct batch *b, struct effects *fx)
{
    if (!b->settles)
        return;
    b->settles = false;
    TAILQ_REMOVE (&s->settles, b, settles_link);
    while (b->ended && !LIST_EMPTY (&b->followers)) /* else it was retried in the same turn */
        settle (s, LIST_FIRST (&b->followers), true, fx);
}

void after_settle (struct sched *s, struct effects *fx)
{
    struct batch *b;
    while (!s->degraded && (b = TAILQ_FIRST (&s->settles)))
        after_settle_of (s, b, fx);
}

void after_void (struct batch *b)
{
    if (!b->unreachable)
        return;
    free (b->unreachable);
    b->unreachable = NULL;
    drop_all (b);
}

void after_text (const struct batch *b, struct buf *out)
{
    for (size_t i = 0; i < b->n_after; i++)
        if (!b->after[i].settled)
            buf_printf (out, "%s%" PRIu64 ":%s", out->len ? "," : "", b->after[i].id,
                        WORDS[b->after[i].when]);
}

void after_free (struct sched *s, struct batch *b)
{
    drop_all (b);
    stuck_look (s, b);
    free (b->after);
    b->n_after = 0;
    free (b->unreachable);
    while (!LIST_EMPTY (&b->followers)) /* at the end of the process only */
        unlink_one (LIST_FIRST (&b->followers));
    if (b->settles)
        TAILQ_REMOVE (&s->settles, b, settles_link);
}

int after_check_all (const struct batch *b, struct err *e)
{
    size_t unmet = 0;
    const struct after *a;
    for (size_t i = 0; i < b->n_after; i++) {
        unmet += !b->after[i].settled;
        if (b->after[i].id >= b->id)
            return err_set (e, EPROTO, "batch %" PRIu64 " waits for a younger one", b->id);
    }
    LIST_FOREACH (a, &b->followers, link)
        if (a->on != b || a->settled || (b->ended && !b->settles))
            return err_set (e, EPROTO, "batch %" PRIu64 " is followed by what is settled", b->id);
    if (unmet != b->n_unmet)
        return err_set (e, EPROTO, "batch %" PRIu64 " waits for %zu others, counted were %zu",
                        b->id, unmet, b->n_unmet);
    return 0;
}

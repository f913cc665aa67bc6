/* The agent under whatever may come, from seeds: grants, cancellations, take-backs, executors that
 * work, stall or die, cut connections, restarts of the broker. Invariants are checked after each
 * event (agent_rig.h); in the end each granted row has been answered exactly once.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent_rig.h"
#include "common/base/clock.h"

enum { SEEDS = 60, STEPS = 400 };

struct chance {
    uint64_t state;
};

static uint64_t below (struct chance *c, uint64_t n)
{
    c->state = c->state * 6364136223846793005u + 1442695040888963407u;
    return (c->state >> 33) % n;
}

static unsigned some_executor (struct rig *r, struct chance *c)
{
    return r->n_executors ? 1 + (unsigned)below (c, r->n_executors) : 0;
}

static void grant_some (struct rig *r, struct chance *c, uint64_t *rows)
{
    uint64_t count = 1 + below (c, below (c, 4) ? 10 : 100);
    uint64_t slots = below (c, 3) ? 0 : below (c, 3);
    if (*rows + count > RIG_ROWS)
        return;
    rig_grant (r, 1, *rows, count, r->share, 1 + below (c, 4), slots);
    *rows += count;
}

static void cut_and_mend (struct rig *r, struct chance *c)
{
    if (!r->deaf) {
        r->deaf = true;
        return;
    }
    r->deaf = false;
    rig_pass (r, 7 * US_PER_S + (int64_t)below (c, US_PER_S));
    rig_welcome (r, true);
}

/* Sometimes twice, sometimes with a cut before. */
static void restart (struct rig *r, struct chance *c, uint64_t *rows)
{
    r->deaf = false;
    if (!below (c, 3)) {
        r->deaf = true;
        rig_restart (r);
        r->deaf = false;
    }
    rig_restart (r);
    assert_false (r->holding);
    rig_spec (r, 1, r->form, r->cpus, 0);
    struct agent_figures f = agent_figures (r->agent);
    if (*rows < RIG_ROWS && !f.queued && !f.handed && !f.slots_used)
        rig_grant (r, 1, (*rows)++, 1, ++r->share, 1, 2); /* what was taken out of it may be all */
}

static void work_some (struct rig *r, struct chance *c, unsigned x)
{
    int64_t took = below (c, 12) ? 1 : (int64_t)below (c, 20000); /* mostly tiny */
    if (!x || !r->executor[x].alive)
        return;
    if (rig_claim (r, x) || r->executor[x].running) {
        if (r->executor[x].kind == AGENT_FUNCTIONS && below (c, 2))
            rig_finish_quietly (r, x, OUTCOME_DONE, took);
        else
            rig_finish (r, x, OUTCOME_DONE, took);
    } else if (r->executor[x].packed.len && !r->executor[x].killed) {
        rig_send_results (r, x);
    }
}

static void bury_killed (struct rig *r)
{
    for (unsigned x = 1; x <= r->n_executors; x++)
        if (r->executor[x].alive && r->executor[x].killed)
            rig_die (r, x, SIGKILL);
}

static void step (struct rig *r, struct chance *c, uint64_t *rows)
{
    unsigned x = some_executor (r, c);
    switch (below (c, 16)) {
    case 0:
        if (!r->deaf)
            grant_some (r, c, rows);
        break;
    case 1:
        if (!r->deaf)
            rig_cancel (r, below (c, *rows + 20), 1 + below (c, 10), r->grants);
        break;
    case 2:
        if (!r->deaf)
            rig_take_back (r, below (c, 10));
        break;
    case 3:
        if (x && r->executor[x].alive && !below (c, 4) && r->n_executors < RIG_EXECUTORS / 2)
            rig_die (r, x, SIGSEGV);
        break;
    case 4:
        bury_killed (r);
        break;
    case 5:
        rig_pass (r, (int64_t)below (c, 40000));
        break;
    case 6:
        if (!below (c, 4))
            cut_and_mend (r, c);
        else if (!below (c, 4))
            restart (r, c, rows);
        break;
    case 7:
        if (x)
            rig_claim (r, x);
        break;
    case 8:
        if (!r->deaf)
            rig_acknowledge (r);
        break;
    default:
        work_some (r, c, x);
    }
}

/* Faults are over: everything must come to its end. */
static void settle (struct rig *r)
{
    if (r->deaf) {
        r->deaf = false;
        rig_pass (r, 14 * US_PER_S);
        rig_welcome (r, true);
    }
    for (int round = 0; round < 200; round++) {
        bury_killed (r);
        for (unsigned x = 1; x <= r->n_executors; x++) {
            if (r->executor[x].alive && !r->executor[x].killed && r->executor[x].running)
                rig_finish (r, x, OUTCOME_DONE, 1);
            if (r->executor[x].alive && !r->executor[x].killed && r->executor[x].packed.len)
                rig_send_results (r, x);
        }
        rig_work_all (r, 1);
        rig_acknowledge (r);
        rig_pass (r, 20 * US_PER_MS);
    }
}

static void check_answers (const struct rig *r, uint64_t rows, uint64_t seed)
{
    for (uint64_t i = 0; i < rows; i++)
        if (r->row[i].outcomes + r->row[i].returned != 1)
            fail_msg ("seed %lu: row %lu has %u outcomes and was returned %u times",
                      (unsigned long)seed, (unsigned long)i, r->row[i].outcomes,
                      r->row[i].returned);
}

static void run_seed (uint64_t seed, uint64_t form)
{
    struct chance c = {seed * 77 + form};
    struct rig *r = rig_connected (1 + (unsigned)below (&c, 4));
    uint64_t rows = 0;
    r->form = form;
    r->cpus = below (&c, 3) != 0;
    rig_spec (r, 1, form, r->cpus, 0);
    r->share = 1;
    rig_grant (r, 1, 0, 1, 1, 1, 2);
    rows = 1;
    for (int i = 0; i < STEPS; i++)
        step (r, &c, &rows);
    settle (r);
    check_answers (r, rows, seed);
    assert_int_equal (agent_figures (r->agent).queued, 0);
    assert_int_equal (agent_figures (r->agent).handed, 0);
    assert_int_equal (agent_figures (r->agent).slots_used, 0);
    rig_free (&r);
}

static void each_row_of_functions_is_answered_once_whatever_happens (void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed (seed, FORM_FUNCTION);
}

static void each_row_of_commands_is_answered_once_whatever_happens (void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed (seed, FORM_SHELL);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (each_row_of_functions_is_answered_once_whatever_happens),
        cmocka_unit_test (each_row_of_commands_is_answered_once_whatever_happens),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}

/* exec: a simulated executor: what worker/exec does, in virtual time. It claims rows of its runs
 * one by one, takes its time, packs outcomes, and sends them now and then. */
#ifndef DROVER_SIM_EXEC_H
#define DROVER_SIM_EXEC_H

#include "common/base/buf.h"
#include "tests/sim/sim.h"
#include "worker/core/agent.h"

struct exec;

struct exec *exec_new (struct sim *s, struct host *h, uint32_t number, enum agent_kind kind);
void exec_free (struct exec **x);

uint32_t exec_number (const struct exec *x);
bool exec_is_alive (const struct exec *x);

/* The shared page: see struct agent_pages. */
void exec_open (struct exec *x, uint64_t run, uint32_t count);
uint32_t exec_recall (struct exec *x, uint64_t run, uint32_t want);
uint32_t exec_claimed (const struct exec *x, uint64_t run);
bool exec_running (const struct exec *x, struct agent_running *r);
size_t exec_peek (const struct exec *x, void *copy, size_t size);

/* The agent says something. */
void exec_receive (struct exec *x, const struct wire_frames *f);

/* It is dead, with what it ran. What it had packed and not sent stays to be read. */
void exec_stop (struct exec *x);
struct bytes exec_unsent (const struct exec *x);

#endif

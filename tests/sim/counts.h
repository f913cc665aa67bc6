/* counts: what is counted over all seeds, and how it is called. */
#ifndef DROVER_SIM_COUNTS_H
#define DROVER_SIM_COUNTS_H

#define SIM_COUNTS(X)                                                                              \
    X (EVENTS, "events")                                                                           \
    X (MESSAGES, "messages")                                                                       \
    X (ROWS, "rows")                                                                               \
    X (RERUNS, "rows started again")                                                               \
    X (TURNS, "rows started in the order of their keys")                                           \
    X (SKIPPED, "rows skipped")                                                                    \
    X (TWINS, "batches submitted again")                                                           \
    X (CONFLICTS, "... and refused as they were others")                                           \
    X (RETRIES, "batches retried on request")                                                      \
    X (REMOVALS, "batches removed on request")                                                     \
    X (PARKED, "rows parked")                                                                      \
    X (AUDITS, "detached batches audited")                                                         \
    X (DELAYED, "messages delayed")                                                                \
    X (OVERTAKEN, "messages overtaken by another peer's")                                          \
    X (DUPLICATES, "messages that came twice")                                                     \
    X (LATE_TAILS, "messages behind the end of their connection")                                  \
    X (CUTS, "connections cut")                                                                    \
    X (LOST_MAIL, "messages lost with them")                                                       \
    X (GHOSTS, "cuts the broker did not hear of")                                                  \
    X (STALLS, "connections stalled")                                                              \
    X (ONE_WAY, "connections stalled one way")                                                     \
    X (BRINKS, "workers silent until they were nearly lost")                                       \
    X (JAMS, "connections full")                                                                   \
    X (AGENT_CRASHES, "agents killed")                                                             \
    X (HOST_LOSSES, "agents killed with their launchers")                                          \
    X (AGENT_PAUSES, "agents stopped and continued")                                               \
    X (TERMS, "workers told to leave")                                                             \
    X (EXECUTOR_CRASHES, "executors killed")                                                       \
    X (REFUSALS, "executors that could not be made")                                               \
    X (POISON, "workers killed by a row")                                                          \
    X (STALE, "outcomes of earlier attempts said again")                                           \
    X (USER_CRASHES, "clients killed")                                                             \
    X (HASTY, "clients that left in the middle")                                                   \
    X (USER_PAUSES, "clients stopped and continued")                                               \
    X (CLOCK_LAGS, "clocks that lagged")                                                           \
    X (BROKER_PAUSES, "brokers stopped and continued")                                             \
    X (BROKER_CRASHES, "brokers killed")                                                           \
    X (BROKER_STOPS, "brokers told to stop")                                                       \
    X (SLOW_BROKERS, "times of slow turns")                                                        \
    X (POWER_LOSSES, "power losses")                                                               \
    X (FORGOTTEN, "commits that power losses took from a fast disk")                               \
    X (LATE_COMMITS, "times of late commits")                                                      \
    X (BLOCKED_COMMITS, "commits that blocked the broker")                                         \
    X (FAILED_COMMITS, "commits failed")                                                           \
    X (FULL_DISKS, "times of a full disk")                                                         \
    X (GIVEN_UP, "workers given up for lost")

enum sim_count {
#define X(NAME, words) COUNT_##NAME,
    SIM_COUNTS (X)
#undef X
        COUNTS,
};

#endif

#!/usr/bin/env bats
# The library's futures with a real broker and worker: tests/integ/futures.c says what each scenario
# is.

load lib

@test "many single tasks each settle once with their own result" {
    ends_with 0 "$DROVER_BINDIR/tests/integ/futures" many 5000
    same "$(cat "$T/out")" "5000 of 5000"
}

@test "the first of three wins, and a source ends the others with all they started" {
    ends_with 0 "$DROVER_BINDIR/tests/integ/futures" race
    same "$(cat "$T/out")" "winner 1
a cancelled slower
c cancelled slower"
}

@test "a batch of futures keeps its jobs" {
    ends_with 0 "$DROVER_BINDIR/tests/integ/futures" limit
    same "$(cat "$T/out")" "done, at most 2"
}

@test "continuations have the output of the task before, and are skipped behind a failure" {
    ends_with 0 "$DROVER_BINDIR/tests/integ/futures" chain
    same "$(cat "$T/out")" "called after failed
c done SOME MORE MORE

d failed 
e skipped the task before it is failed
f done "
}

@test "a signal handler may end all tasks of a source" {
    ends_with 0 "$DROVER_BINDIR/tests/integ/futures" signal
    same "$(cat "$T/out")" "cancelled: a signal came"
}

@test "a single task that no worker can run holds up none of the others" {
    ends_with 0 "$DROVER_BINDIR/tests/integ/futures" unable
    same "$(cat "$T/out")" "a done a
b done b
x cancelled
y cancelled"
    start_broker
    start_worker 2
    ends_with 0 "$DROVER_BINDIR/tests/integ/futures" unable
    same "$(cat "$T/out")" "a done a
b done b
x cancelled
y cancelled"
}

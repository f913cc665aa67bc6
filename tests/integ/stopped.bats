#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# Processes that are stopped (SIGSTOP, a suspended machine) and go on later.
load lib

has_workers() {
    [ "$(drover worker list | grep -c ready)" -eq "$1" ]
}

# The worker of that pid with all it consists of.
worker_pids() {
    echo "$1"
    pgrep -P "$1"
}

@test "a worker stopped for too long is lost, its rows run elsewhere, and what it says late is refused" {
    start_broker --ping-every 100ms --suspect-after 300ms --lost-after 700ms
    use_broker
    start_worker --name sleepy --slots 1
    local sleepy=$WORKER_PID pids
    wait_until has_workers 1
    start_job foreach drover foreach --json 'echo >>runs; until [ -e go ]; do sleep 0.02; done; echo {}' ::: a
    local foreach=$JOB_PID
    wait_until test -s runs
    pids=$(worker_pids "$sleepy")
    # shellcheck disable=SC2086
    kill -STOP $pids
    start_worker --name awake --slots 1
    wait_until says "$T/log/broker.0" "lost worker=sleepy"
    touch go
    wait "$foreach"
    # shellcheck disable=SC2086
    kill -CONT $pids
    says "$T/log/foreach" '"worker":"awake"'
    same "$(printed foreach | grep -c .)" 1
    wait_until has_workers 2
    [ "$(wc -l <runs)" -ge 2 ] # awake may have been lost for a moment as well
}

# What must never run twice at one time ends although the agent, which would end it, is stopped.
@test "an exclusive task ends in time under an agent that is stopped, and what is said of it is refused" {
    start_broker --ping-every 100ms --suspect-after 1s --lost-after 3s
    use_broker
    start_worker --name sleepy --slots 1
    local agent task
    wait_until has_workers 1
    start_job foreach drover foreach --json --exclusive \
        'for p in pid.*; do ! kill -0 $(cat $p) || touch twice; done 2>/dev/null; echo $$ >pid.$DROVER_ATTEMPT; until [ -e go ]; do sleep 0.02; done; echo {}' ::: a
    local foreach=$JOB_PID
    wait_until test -s pid.1
    task=$(cat pid.1)
    agent=$(drover worker list --json | grep -oE '"pid": *[0-9]+' | tr -dc 0-9)
    agent=$(pgrep -o -P "$agent") # the launcher's first child
    kill -STOP "$agent"
    gone() { ! kill -0 "$task" 2>/dev/null; }
    wait_until gone
    same "$(ls pid.*)" pid.1 "nobody else has begun"
    touch go
    start_worker --name awake --slots 1
    wait "$foreach"
    kill -CONT "$agent"
    says "$T/log/foreach" '"worker":"awake"'
    same "$(printed foreach | grep -c .)" 1
    [ ! -e twice ]
    wait_until has_workers 2
}

@test "a broker stopped for longer than its patience has lost nobody" {
    start_broker --ping-every 100ms --suspect-after 2s --lost-after 2200ms --client-gone-after 2s
    use_broker
    start_worker
    wait_until has_workers 1
    seq 40 >rows
    start_job foreach drover foreach 'sleep 0.1; echo {}' :::: rows
    local foreach=$JOB_PID
    wait_until says "$T/log/foreach" 3
    kill -STOP "$BROKER_PID"
    sleep 2.5 # longer than any of the times above
    kill -CONT "$BROKER_PID"
    wait "$foreach"
    grep -v "^drover" "$T/log/foreach" | sort -n >got
    same_files got rows
    same "$(grep -E 'lost |gone client|suspect' "$T/log/broker.0")" "" "what the broker says"
}

# Whoever waits for such rows is there until it has been stopped.
held='sleep 0.02; [ {} -lt 30 ] || until [ -e stopped ]; do sleep 0.02; done; echo {}'

all_done() {
    [ "$(drover status --json | grep -oE "\"(waiting|running)\": *[0-9]+" | tr -dc "0-9")" = 00 ]
}

@test "results --follow and wait that were stopped go on, and tell each outcome once" {
    start_broker --ping-every 100ms --client-gone-after 300ms
    use_broker
    start_worker
    seq 40 >rows
    local id follow waiter
    id=$(drover submit "$held" :::: rows)
    start_job follow drover results --follow "$id"
    follow=$JOB_PID
    start_job waiter drover wait "$id"
    waiter=$JOB_PID
    wait_until says "$T/log/follow" 3
    kill -STOP "$follow" "$waiter"
    touch stopped
    wait_until all_done
    sleep 0.5 # longer than a lost connection is forgiven
    kill -CONT "$follow" "$waiter"
    wait "$follow"
    wait "$waiter"
    grep -v "^drover" "$T/log/follow" | sort -n >got
    same_files got rows
}

@test "a client stopped for longer than its connection may be gone keeps its batch" {
    start_broker --ping-every 100ms --client-gone-after 300ms
    use_broker
    start_worker
    wait_until has_workers 1
    seq 60 >rows
    start_job foreach drover foreach "$held" :::: rows
    local foreach=$JOB_PID
    wait_until says "$T/log/foreach" 3
    kill -STOP "$foreach"
    touch stopped
    wait_until all_done
    sleep 0.6 # longer than a lost connection is forgiven
    kill -CONT "$foreach"
    wait "$foreach"
    grep -v "^drover" "$T/log/foreach" | sort -n >got
    same_files got rows
}

@test "a command that is stopped while it waits for an answer, and goes on, was not interrupted" {
    start_broker
    use_broker
    start_worker
    local id
    id=$(drover submit 'trap "touch told" TERM; touch on; until [ -e go ]; do sleep 0.02; done #' ::: 1)
    wait_until test -e on
    start_job cancel drover cancel --grace 60 "$id"
    wait_until test -e told
    kill -STOP "$JOB_PID"
    kill -CONT "$JOB_PID"
    sleep 0.1 # in which it would end
    touch go
    wait "$JOB_PID"
    says "$T/log/cancel" "1 task ended"
}

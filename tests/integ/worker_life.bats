#!/usr/bin/env bats
# The worker's own life: options, TERM, its parts killed, its broker gone and back.
# shellcheck disable=SC2030,SC2031  # each case is a shell of its own
load lib

setup() {
    drover_setup
    start_broker
    use_broker
}

has_workers() {
    [ "$(drover worker list | grep -c ready)" -eq "$1" ]
}

has_workers_of() {
    [ "$(drover worker list --broker "$1" | grep -c ready)" -eq "$2" ]
}

children() {
    pgrep -P "$WORKER_PID"
}

# The launcher's first child is the agent.
agent() {
    children | head -n 1
}

@test "wrong options are refused in one line" {
    refused 2 "--slots" drover-worker --slots many
    refused 2 "takes only options" drover-worker here
    refused 2 "tcp://HOST:PORT" drover-worker --broker somewhere
    refused 78 "--insecure" drover-worker --broker tcp://127.0.0.1:1
    refused 78 "--insecure=public" drover-worker --broker tcp://192.0.2.1:1 --insecure
}

@test "without a broker it says so once and goes on trying; a host that does not exist is 69" {
    local url=ipc://$T/later
    BROKER=$url start_worker
    wait_until says "$T/log/worker.1" "no answer from the broker at $url: is it running? trying"
    start_broker --listen "$url"
    wait_until has_workers_of "$url" 1
    same "$(grep -c 'no answer' "$T/log/worker.1")" 1
    ends_with 69 drover worker start --broker tcp://nosuchhost.invalid:1 --insecure=public
    says "$T/err" "there is no host 'nosuchhost.invalid'"
}

@test "TERM lets running tasks finish and gives back the others" {
    start_worker --slots 1
    wait_until has_workers 1
    start_job foreach drover foreach -k 'echo started >>started; until [ -e go ]; do sleep 0.02; done; echo {}' ::: a b
    local foreach=$JOB_PID
    wait_until test -s started
    kill -TERM "$WORKER_PID"
    wait_until says "$T/log/worker.1" draining
    touch go
    wait_until dead "$WORKER_PID"
    same "$(wc -l <started)" 1
    start_worker
    wait "$foreach"
    same "$(printed foreach)" "$(printf 'a\nb')"
}

@test "a task over the drain time is killed, and runs again elsewhere" {
    start_worker --slots 1 --drain-timeout 200ms
    wait_until has_workers 1
    start_job foreach drover foreach 'echo >>started; [ "$(wc -l <started)" -gt 1 ] || sleep 60; echo {}' ::: a
    local foreach=$JOB_PID
    wait_until test -s started
    kill -TERM "$WORKER_PID"
    wait_until dead "$WORKER_PID"
    start_worker
    wait "$foreach"
    same "$(wc -l <started)" 2
    same "$(printed foreach)" a
}

# A task runs on worker one, which would let it run for long; worker two has room. Sets ONE, ID.
one_at_work() {
    start_worker --slots 1 --name one --drain-timeout 10m
    ONE=$WORKER_PID
    wait_until has_workers 1
    ID=$(drover submit --crash-limit 1 'echo >>started; [ "$(wc -l <started)" -gt 1 ] || exec sleep 600; echo {}' ::: a)
    wait_until test -s started
    start_worker --slots 1 --name two
    wait_until has_workers 2
}

# Worker one ends, in order; the task runs on the other at once, and was lost with nobody.
goes_over_to_two() {
    drover wait --timeout 15 "$ID"
    wait_until dead "$ONE"
    same "$(wc -l <started)" 2
    same "$(drover results "$ID")" a
    same "$(drover list --json | jq -c '[.done, .lost, .parked]')" '[1,0,0]'
    ends_with 0 drover info "$ID.1"
    same "$(grep -c lost "$T/out")" 0
    says "$T/log/broker.0" "left worker=one"
    local status=0
    wait "$ONE" || status=$?
    same "$status" 0
}

@test "Ctrl-C: what runs is killed, and runs elsewhere at once" {
    need jq
    one_at_work
    kill -INT "$ONE"
    goes_over_to_two
}

@test "a second TERM does not wait, either" {
    need jq
    one_at_work
    kill -TERM "$ONE"
    wait_until says "$T/log/worker.1" draining
    kill -TERM "$ONE"
    goes_over_to_two
}

@test "a worker whose agent does not end, since it is stopped, ends at the next signal" {
    one_at_work
    local agent
    agent=$(pgrep -P "$ONE" | head -n 1)
    kill -STOP "$agent"
    kill -INT "$ONE"
    kill -TERM "$ONE"
    wait_until dead "$ONE"
    local status=0
    wait "$ONE" || status=$?
    same "$status" 75
}

@test "an agent killed with -9 is replaced, and what it ran runs again" {
    start_worker
    wait_until has_workers 1
    start_job foreach drover foreach 'echo >>started; [ "$(wc -l <started)" -gt 1 ] || sleep 60; echo {}' ::: a
    local foreach=$JOB_PID
    wait_until test -s started
    kill -KILL "$(agent)"
    wait "$foreach"
    same "$(printed foreach)" a
}

@test "an executor killed with -9 costs its task and nothing else" {
    start_worker --slots 1
    wait_until has_workers 1
    start_job foreach drover foreach 'echo {} >>started; [ {} = b ] || sleep 60; echo {}' ::: a b
    local foreach=$JOB_PID status=0 pid
    wait_until test -s started
    for pid in $(children | tail -n +2); do kill -KILL "$pid"; done
    wait "$foreach" || status=$?
    same "$status" 1
    says "$T/log/foreach" "executor died"
    says "$T/log/foreach" b
}

@test "a worker outlives its broker and serves the next" {
    start_worker
    wait_until has_workers 1
    local url=$BROKER
    end "$BROKER_PID" KILL || true
    start_broker --listen "$url"
    wait_until has_workers 1
    ends_with 0 drover foreach echo ::: a
    alive "$WORKER_PID"
}

@test "a worker waits for a broker that is not there yet, with one line" {
    BROKER=ipc://$T/later
    start_worker
    wait_until says "$T/log/worker.1" starting
    start_broker --listen "$BROKER"
    use_broker
    wait_until has_workers 1
    ends_with 0 drover foreach echo ::: a
}

@test "the end of standard input ends a worker that was asked to watch it" {
    mkfifo in
    drover-worker --broker "$BROKER" --slots 1 --exit-on-stdin-eof <in >"$T/log/w" 2>&1 3>&- &
    started+=($!)
    local worker=$!
    exec 9>in
    wait_until says "$T/log/w" "worker: joined"
    exec 9>&-
    wait_until dead "$worker"
    ends_with 3 drover worker list
}

@test "the end of the lifetime descriptor ends a worker at once" {
    mkfifo in
    drover-worker --broker "$BROKER" --slots 1 --lifetime-fd 0 <in >"$T/log/w" 2>&1 3>&- &
    started+=($!)
    local worker=$!
    exec 9>in
    wait_until has_workers 1
    exec 9>&-
    wait_until dead "$worker"
}

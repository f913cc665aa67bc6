#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# Tasks that take down what runs them, with real processes: their neighbours end well, they
# themselves are parked, and can be brought back. A worker that dies again and again rests.
load lib

# The parent of a task's shell is its executor; the executor's is the launcher, whose first child is
# the agent.
evil='case {} in
executor) echo x >>runs.executor; [ -e good ] || kill -KILL $PPID ;;
agent) echo x >>runs.agent
    [ -e good ] || kill -KILL $(pgrep -o -P $(ps -o ppid= -p $PPID)); [ -e good ] || sleep 60 ;;
*) sleep 0.1; echo x >>runs.{} ;;
esac'

# count STATE ID: tasks of the batch in that state.
count() {
    drover info --json "$2" | grep -oE "\"$1\": *[0-9]+" | tr -dc 0-9
}

@test "tasks that kill their executor or their worker's agent cost nobody else" {
    start_broker
    use_broker
    start_worker --name one --slots 3
    id=$(drover submit "$evil" ::: a b agent c d executor e f g h)
    ends_with 1 drover wait "$id"
    same "$(count done "$id")" 8
    same "$(count failed "$id")" 1
    same "$(count parked "$id")" 1
    same "$(wc -l <runs.agent)" 3
    for row in a b c d e f g h; do
        [ "$(wc -l <"runs.$row")" -le 3 ] # beside it twice at the most, then by itself
    done
    ends_with 1 drover results --json "$id"
    says "$T/out" "executor died"
    says "$T/out" "its workers were lost 3 times: one"
    : >good
    ends_with 0 drover retry "$id"
    says "$T/err" "2 tasks run again"
    ends_with 0 drover wait "$id"
    same "$(count done "$id")" 10
    same "$(wc -l <runs.agent)" 4
}

@test "a task that kills its executor runs as often as --retries says" {
    start_broker
    use_broker
    start_worker --name one
    id=$(drover submit --retries 3 --retry-on signal "$evil" ::: a executor b)
    ends_with 1 drover wait "$id"
    same "$(count done "$id")" 2
    same "$(wc -l <runs.executor)" 3
}

@test "--retry-on lost is a crash limit" {
    start_broker
    use_broker
    start_worker --name one
    id=$(drover submit --retries 2 --retry-on lost "$evil" ::: agent)
    ends_with 1 drover wait "$id"
    same "$(count parked "$id")" 1
    same "$(wc -l <runs.agent)" 2
}

# is_with STATE N: so many workers are in that state.
is_with() {
    [ "$(drover worker list --json | grep -cE "\"state\": *\"$1\"")" -eq "$2" ]
}

agent() {
    pgrep -o -P "$WORKER_PID"
}

@test "a worker whose agent dies again and again rests, and a new broker tries it again" {
    start_broker --state "$T/state"
    use_broker
    start_worker --name one
    wait_until is_with ready 1
    for loss in 1 2 3 4; do
        kill -KILL "$(agent)"
        ends_with 0 drover foreach true ::: "$loss" # by the next one
    done
    kill -KILL "$(agent)"
    wait_until is_with quarantined 1
    says "$T/log/broker.0" "quarantined worker=one"
    id=$(drover submit 'echo x >>runs; echo $DROVER_WORKER' ::: a)
    start_worker --name two
    ends_with 0 drover wait "$id"
    same "$(drover results --json "$id" | grep -c '"worker":"two"')" 1
    end "$BROKER_PID" KILL || true
    start_broker --state "$T/state" --listen "$BROKER"
    wait_until is_with ready 2
}

#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# What is run again, and what never is: --retries and what belongs to it, --at-most-once,
# --exclusive, --crash-limit, --deadline, submit --id, retry, forget.
load lib

# shared [OPTION]...: a broker, and a worker of two slots.
shared() {
    start_broker "$@"
    use_broker
    start_worker --name one
}

# runs_are N: so many runs have begun. For wait_until.
runs_are() {
    [ -e runs ] && [ "$(wc -l <runs)" -eq "$1" ]
}

# The task fails until it ran for the third time; it prints which run it is.
third='echo x >>runs.{}; n=$(wc -l <runs.{}); echo run $n attempt $DROVER_ATTEMPT; test $n -ge 3'

@test "--retries N is N runs in all, and only the last one is reported" {
    ends_with 0 drover foreach -k --retries 3 "$third" ::: a b
    same "$(cat "$T/out")" $'run 3 attempt 3\nrun 3 attempt 3'
    [ ! -s "$T/err" ]
    rm runs.*
    ends_with 1 drover foreach --retries 2 "$third" ::: a
    same "$(cat "$T/out")" "run 2 attempt 2"
    same "$(wc -l <runs.a)" 2
    says "$T/err" "task 1 (a): exit status 1"
}

@test "invoke and --json know of runs" {
    ends_with 0 drover invoke --retries 3 --json "${third//\{\}/a}"
    says "$T/out" '"attempt":3'
}

@test "--retry-on names what is run again" {
    ends_with 3 drover foreach --retries 3 --retry-on exit:75,signal 'echo x >>runs.{1}; eval {2}' \
        ::: a b c :::+ 'exit 75' 'exit 1' 'kill -KILL $$'
    same "$(wc -l <runs.a)" 3
    same "$(wc -l <runs.b)" 1
    same "$(wc -l <runs.c)" 3
}

@test "--retry-on timeout" {
    ends_with 0 drover foreach --retries 9 --retry-on timeout --timeout 1 \
        '[ $DROVER_ATTEMPT -ge 2 ] || exec sleep {}; echo $DROVER_ATTEMPT' ::: 20
    [ "$(cat "$T/out")" -ge 2 ]
}

@test "--retry-delay puts the next run off" {
    ends_with 0 drover foreach --json --retries 2 --retry-delay 0.4..1 \
        'date +%s%N >>runs; [ $(wc -l <runs) = {} ]' ::: 2
    [ $(($(tail -n 1 runs) - $(head -n 1 runs))) -ge 400000000 ]
}

@test "what does not fit together is refused" {
    refused 255 "--retry-on needs --retries" drover foreach --retry-on signal true ::: 1
    refused 255 "--retry-delay needs --retries" drover foreach --retry-delay 1 true ::: 1
    refused 255 "--at-most-once and --retries" drover foreach --at-most-once --retries 2 true ::: 1
    refused 255 "from 1 to 1000" drover foreach --retries 0 true ::: 1
    refused 255 "'sometimes' is no reason" drover foreach --retries 2 --retry-on sometimes true ::: 1
    refused 255 "from 1 to 255" drover foreach --retries 2 --retry-on exit:256 true ::: 1
    refused 255 "option of 'drover submit'" drover foreach --id x true ::: 1
    refused 2 "--state done" drover retry --state done 1
    refused 2 "either batches" drover forget 1 --finished
}

@test "--deadline ends what is left of the batch" {
    # at another try if the first task had not ended by then
    over() { ends_with 1 drover foreach --deadline 1 'echo {}; sleep {}' ::: 0 60; }
    wait_until over
    says "$T/err" "over its deadline"
    ends_with 124 drover run --deadline 0.5 sleep 60
    says "$T/err" "over its deadline"
}

@test "a worker that is lost: tasks run again, but not at most once" {
    shared --lost-after 1s --suspect-after 0.5s --ping-every 0.2s
    id=$(drover submit 'echo x >>runs; echo $$ >pid; until [ -e go ]; do sleep 0.02; done; : {}' ::: 1)
    once=$(drover submit --at-most-once 'echo x >>once; echo $$ >pid.once; until [ -e go ]; do sleep 0.02; done; : {}' ::: 1)
    wait_until test -s pid
    wait_until test -s pid.once
    end "$WORKER_PID" KILL || true
    start_worker --name two
    wait_until says "$T/log/broker.0" "lost worker=one"
    touch go
    ends_with 0 drover wait "$id"
    [ "$(wc -l <runs)" -ge 2 ] # worker two may have been lost for a moment
    ends_with 1 drover wait "$once"
    same "$(wc -l <once)" 1
    ends_with 1 drover results --json "$once"
    says "$T/out" '"state":"lost"'
    grep -qE ' +LOST +PARKED ' <(drover list)
}

@test "--crash-limit parks a task that takes workers down, and retry runs it again" {
    shared --lost-after 1s --suspect-after 0.5s --ping-every 0.2s
    id=$(drover submit --crash-limit 2 'echo x >>runs; test -e good || sleep {}' ::: 60)
    for run in 1 2; do
        wait_until runs_are "$run"
        end "$WORKER_PID" KILL || true
        start_worker --name "next$run"
    done
    ends_with 1 drover wait "$id"
    ends_with 1 drover results --json "$id"
    says "$T/out" '"state":"parked"'
    same "$(wc -l <runs)" 2
    : >good
    ends_with 3 drover retry "$id" --state failed
    ends_with 0 drover retry "$id"
    says "$T/err" "1 task runs again"
    ends_with 0 drover wait "$id"
    [ "$(wc -l <runs)" -ge 3 ]
}

@test "--exclusive runs as any other where nothing goes wrong" {
    shared
    ends_with 0 drover foreach -k --exclusive 'echo {}' ::: a b c
    same "$(paste -sd' ' "$T/out")" "a b c"
}

@test "submit --id is one batch, however often it is said" {
    shared --state "$T/state"
    id=$(drover submit --id nightly 'echo x >>runs; echo {}' ::: a b c)
    for word in again finished; do
        same "$(drover submit --id nightly 'echo x >>runs; echo {}' ::: a b c)" "$id" "$word"
        ends_with 0 drover wait "$id"
    done
    same "$(wc -l <runs)" 3
    for values in "a b d" "a b" "a b c d"; do
        # shellcheck disable=SC2086 # they are words
        refused 125 "--id nightly: there is a batch of this id" \
            drover submit --id nightly 'echo x >>runs; echo {}' ::: $values
    done
    refused 125 "another" drover submit --id nightly 'echo {}' ::: a b c
    refused 125 "jobs" drover submit --id nightly -j 3 'echo x >>runs; echo {}' ::: a b c
    end "$BROKER_PID" KILL || true
    start_broker --listen "$BROKER" --state "$T/state"
    same "$(OLDPWD=/x SHLVL=7 drover submit --id nightly 'echo x >>runs; echo {}' ::: a b c)" "$id"
    ends_with 0 drover wait "$id"
    same "$(wc -l <runs)" 3
    same "$(drover list --json | wc -l)" 1
}

@test "submit --id: the same rows are the same, at whatever pace they come" {
    shared
    id=$(seq 30000 | drover submit --id rows --function drover:echo)
    same "$( (seq 10000; sleep 0.3; seq 10001 30000) | drover submit --id rows --function drover:echo)" "$id"
}

@test "retry runs what failed once more, and its results come behind" {
    shared
    id=$(drover submit 'echo {}; test -e good || exit {}' ::: 0 1 2)
    ends_with 1 drover wait "$id"
    : >good
    ends_with 0 drover retry "$id.2" --json
    says "$T/out" '"retried":1'
    ends_with 0 drover retry last --failed
    ends_with 0 drover wait "$id"
    ends_with 3 drover retry "$id"
    ends_with 3 drover retry 99
    says "$T/err" "no batch 99"
}

@test "what was retried counts once: results, wait and the exit status know the last outcome" {
    shared
    id=$(drover submit 'echo {} run $DROVER_ATTEMPT; test -e good-{} || { until [ -e fail ]; do sleep 0.02; done; exit {}; }' \
        ::: 1 2 3)
    : >fail
    ends_with 1 drover wait "$id"
    ends_with 1 drover results "$id"
    same "$(sort "$T/out" | paste -sd,)" "1 run 1,2 run 1,3 run 1"
    : >good-2
    ends_with 0 drover retry "$id.2"
    ends_with 1 drover wait "$id"
    for order in "" -k; do
        # shellcheck disable=SC2086 # it may be no word
        ends_with 1 drover results $order "$id"
        same "$(sort "$T/out" | paste -sd,)" "1 run 1,2 run 2,3 run 1"
    done
    same "$(paste -sd, "$T/out")" "1 run 1,2 run 2,3 run 1"
    ends_with 0 drover results "$id.2" --follow
    same "$(cat "$T/out")" "2 run 2"
    [ ! -s "$T/err" ]
    ends_with 0 drover wait "$id.2" --any
    same "$(cat "$T/out")" "$id.2"
    touch good-1 good-3
    ends_with 0 drover retry "$id"
    ends_with 0 drover wait "$id"
    ends_with 0 drover results -k "$id"
    same "$(paste -sd, "$T/out")" "1 run 2,2 run 2,3 run 2"
    ends_with 0 drover results --json "$id.1-3"
    same "$(wc -l <"$T/out")" 3
    same "$(grep -c '"attempt":2' "$T/out")" 3
    ends_with 0 drover info "$id" --json
    says "$T/out" '"retried":3'
}

@test "an outcome does not count while its task runs again, and is replaced under who follows" {
    shared
    # task 2 keeps the batch from being over
    id=$(drover submit 'echo {} run $DROVER_ATTEMPT; [ {}$DROVER_ATTEMPT != 11 ] && until [ -e go{} ]; do sleep 0.02; done' \
        ::: 1 2)
    ends_with 1 drover wait "$id.1"
    drover results --follow "$id" >followed 2>/dev/null &
    local follower=$!
    wait_until says followed "1 run 1"
    ends_with 0 drover retry "$id.1"
    ends_with 3 drover results "$id.1"
    says "$T/err" "no such task of batch $id has an outcome"
    ends_with 124 drover wait "$id.1" --any --timeout 0.1
    : >go1
    wait_until says followed "1 run 2"
    : >go2
    wait "$follower" # all is well in the end
    same "$(paste -sd, followed)" "1 run 1,1 run 2,2 run 1"
}

@test "forget takes batches that are over, by number, age or all" {
    shared
    a=$(drover submit true ::: 1)
    b=$(drover submit true ::: 1)
    c=$(drover submit 'sleep 60' ::: 1)
    ends_with 0 drover wait "$a" "$b"
    ends_with 0 drover forget "$a"
    says "$T/err" "1 batch forgotten"
    ends_with 3 drover forget "$a"
    ends_with 125 drover forget "$c"
    says "$T/err" "not over"
    ends_with 0 drover forget --older 1d
    same "$(drover list --json | wc -l)" 2
    ends_with 0 drover forget --finished --json
    says "$T/out" "\"batch\":$b,\"forgotten\":true"
    ends_with 0 drover cancel --kill "$c"
}

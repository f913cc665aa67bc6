#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# Batches that are left with a broker: submit, wait, results, cancel, list, info, worker list, drain.
load lib

setup() {
    drover_setup
    start_broker
    use_broker
    start_worker --name one
}

# submitted ARGUMENTS...: submit, and set id.
submitted() {
    ends_with 0 drover submit "$@" || return 1
    id=$(cat "$T/out")
    [[ $id =~ ^[0-9]+$ ]]
}

@test "submit prints the number, and the batch goes on without it" {
    submitted 'echo {} >>lines' ::: a b c
    ends_with 0 drover wait "$id"
    same "$(sort lines | paste -sd' ')" "a b c"
    submitted 'echo {}' < <(seq 50)
    ends_with 0 drover results "$id" --follow -k
    same_files "$T/out" <(seq 50)
}

@test "results stay, and can be printed again, in part, and as JSON" {
    submitted 'echo {}; echo e{} >&2; exit {}' ::: 0 1 2
    ends_with 1 drover wait "$id"
    ends_with 1 drover results -k "$id"
    same "$(paste -sd' ' "$T/out")" "0 1 2"
    same "$(cat "$T/err")" "$(printf '%s\n' e0 e1 'drover results: task 2 on one: exit status 1' \
        e2 'drover results: task 3 on one: exit status 2')"
    ends_with 1 drover results -k --quiet "$id"
    same "$(paste -sd' ' "$T/err")" "e0 e1 e2"
    ends_with 1 drover results -k "$id.2-3"
    same "$(paste -sd' ' "$T/out")" "1 2"
    ends_with 0 drover results "$id.1" --json
    says "$T/out" '"task":1'
    same "$(wc -l <"$T/out")" 1
}

# One that fails, one that ends well when it may, and others that do not end.
mixed='case {} in 1) exit 1 ;; 2) until [ -e go ]; do sleep 0.02; done ;; *) sleep 60 ;; esac'

@test "wait --any, --first-success, --count, --success, --percent" {
    submitted "$mixed" ::: 1 2 3 4
    ends_with 0 drover wait "$id" --any
    same "$(cat "$T/out")" "$id.1"
    touch go
    ends_with 0 drover wait "$id" --first-success
    same "$(cat "$T/out")" "$id.2"
    ends_with 0 drover wait "$id" --count 2
    ends_with 0 drover wait "$id" --success 1
    ends_with 0 drover wait "$id" --percent 50
    ends_with 124 drover wait "$id" --count 3 --timeout 0.2
    ends_with 0 drover cancel "$id"
    ends_with 1 drover wait "$id" --success 2
    ends_with 1 drover wait "$id"
}

@test "wait for some tasks, and for what cannot come" {
    submitted --name part "$mixed" ::: 1 2 3 4
    ends_with 0 drover wait "$id.1" --any
    touch go
    ends_with 0 drover wait "$id.1-2" --count 2
    ends_with 0 drover wait @part.1-3 --any
    same "$(cat "$T/out")" "$id.1"
    ends_with 0 drover wait "$id.2,$id.2-3" --first-success
    same "$(paste -sd' ' "$T/out")" "$id.2 $id.2"
    ends_with 1 drover wait "$id.1-2"
    says "$T/err" "batch $id: 1 of 2 tasks succeeded, 1 failed, 0 cancelled"
    ends_with 1 drover wait "$id" --success 4 --timeout 30
    says "$T/err" "it cannot come to that any more: 1 of 4 tasks succeeded, 1 failed, 0 cancelled, 2 had not ended"
    ends_with 1 drover wait "$id" --count 5 --timeout 30
    ends_with 1 drover wait "$id.1-3" --success 3 --timeout 30
    ends_with 124 drover wait "$id.3-4" --any --timeout 0.2 --json
    says "$T/out" '"condition":"any","holds":false,"timed_out":true'
    ends_with 0 drover wait "$id.1" "$id" --count 1 --json
    same "$(cat "$T/out")" "$(printf '{"drover":1,"batch":%s,"condition":"count","holds":true,"timed_out":false,%s}\n' \
        "$id" '"total":1,"done":0,"failed":1,"cancelled":0' "$id" '"total":4,"done":1,"failed":1,"cancelled":0')"
    ends_with 0 drover cancel "$id" --kill
    ends_with 1 drover wait "$id.3-4"
}

@test "results --follow prints them as they come" {
    mkfifo gate
    submitted -j 1 'cat gate >/dev/null; echo {}' ::: a b
    start_job results drover results "$id" --follow
    echo >gate
    wait_until says "$T/log/results" a
    echo >gate
    wait_until dead "$JOB_PID"
    same "$(printed results)" "a"$'\n'"b"
    ends_with 124 drover results "$id" --follow --timeout 5 || ends_with 0 drover results "$id" --follow
}

@test "results --follow --timeout is 124, and the work goes on" {
    submitted 'echo {}; sleep {}' ::: 0 60
    ends_with 0 drover wait "$id" --any
    followed() { ends_with 124 drover results "$id" --follow --timeout 1 && same "$(cat "$T/out")" 0; }
    wait_until followed
    ends_with 0 drover list --state running
    ends_with 0 drover cancel "$id" --kill
}

@test "cancel returns when the processes are gone, setsid grandchildren too" {
    submitted 'echo $$ >task-{}; (setsid sh -c "trap : TERM; echo \$\$ >grandchild-{}; while :; do sleep 0.1; done" &); sleep 100' ::: 1 2
    wait_until test -s grandchild-1
    wait_until test -s grandchild-2
    ends_with 0 drover cancel "$id" --grace 0.3 --reason 'wrong input'
    says "$T/err" "drover cancel: batch $id: 2 tasks ended"
    dead "$(cat task-1)"
    dead "$(cat grandchild-1)"
    dead "$(cat grandchild-2)"
    ends_with 1 drover results "$id" --json
    says "$T/out" '"reason":"wrong input"'
    ends_with 1 drover results "$id"
    same "$(tail -n 1 "$T/err")" "drover results: batch $id: 2 tasks were cancelled"
    ends_with 1 drover wait "$id"
    same "$(cat "$T/err")" "drover wait: batch $id: 0 of 2 tasks succeeded, 0 failed, 2 cancelled"
    ends_with 0 drover list --state cancelled
    grep -qE 'TASKS +WAITING +RUNNING +DONE +FAILED +CANCELLED' "$T/out"
    grep -qE ' cancelled +2 +0 +0 +0 +0 +2 ' "$T/out"
}

@test "single tasks can be cancelled" {
    submitted -j 1 'until [ -e go ]; do sleep 0.02; done; echo {}' ::: 1 2 3 4
    ends_with 0 drover cancel "$id.2-3"
    touch go
    ends_with 1 drover results "$id" --follow -k
    same "$(paste -sd' ' "$T/out")" "1 4"
}

@test "wait knows tasks of foreach whose outcomes have been read" {
    drover foreach 'until [ -e go{} ]; do sleep 0.02; done; echo {}' ::: 1 2 3 >out 2>/dev/null &
    local client=$!
    there() { [ "$(drover list --json | wc -l)" = 1 ]; }
    wait_until there
    : >go2
    wait_until says out 2
    ends_with 0 drover wait last --any
    same "$(cat "$T/out")" 1.2
    ends_with 0 drover wait last --first-success
    same "$(cat "$T/out")" 1.2
    ends_with 0 drover wait last.2-3 --any --json
    says "$T/out" '"task":2'
    ends_with 0 drover wait last.2
    touch go1 go3
    wait "$client"
}

@test "cancel: tasks of one batch are counted together, each once" {
    submitted -j 1 'sleep {}' ::: 60 61 62 63 64 65
    ends_with 0 drover cancel "$id.1" "$id.3-4" "$id.4-5"
    same "$(grep -c . "$T/err")" 1
    says "$T/err" "batch $id: 4 tasks ended, gone after "
    ends_with 3 drover cancel "$id.9" "$id.6"
    says "$T/err" "batch $id has no task 9"
    says "$T/err" "batch $id: 1 task ended, gone after "
    ends_with 0 drover cancel "$id.1" "$id" "$id.5" --json
    same "$(grep -c . "$T/out")" 1
    says "$T/out" '"cancelled":1,'
}

@test "cancel: only what waits, or what runs, and the reason is in each" {
    submitted -j 1 'touch up-{}; sleep {}' ::: 60 61 62 63
    wait_until test -e up-60
    ends_with 0 drover cancel "$id.3" --reason 'not this one'
    says "$T/err" "batch $id: 1 task ended, gone after "
    ends_with 0 drover info "$id.3" --json
    says "$T/out" '"reason":"not this one"'
    ends_with 0 drover cancel "$id" --state running --reason late --json
    grep -q '"cancelled":1,"gone_after_s":[0-4]\.' "$T/out" # KILL would be five seconds later
    wait_until test -e up-61
    ends_with 0 drover cancel "$id" --state waiting
    says "$T/err" "batch $id: 1 task ended"
    ends_with 0 drover info "$id.2" --json
    says "$T/out" '"state":"running"'
    ends_with 0 drover cancel "$id" --grace 0
    says "$T/err" "batch $id: 1 task ended"
    ends_with 0 drover cancel last
    says "$T/err" "batch $id: no such task was left to end"
    refused 2 "is waiting or running" drover cancel "$id" --state failed
    refused 2 "has 257 bytes" drover cancel "$id" --reason "$(printf 'x%.0s' $(seq 257))"
}

@test "list shows by their state also those that are being cancelled" {
    submitted 'trap "" TERM; touch up; while :; do sleep 0.1; done; : {}' ::: 1
    wait_until test -e up
    ends_with 3 drover list --state cancelling
    start_job cancel drover cancel "$id" --grace 5m
    being_cancelled() { drover list --state open,cancelling --json | grep -q '"state":"cancelling"'; }
    wait_until being_cancelled
    ends_with 3 drover list --state open,running,finished,cancelled
    ends_with 0 drover cancel "$id" --kill
    wait "$JOB_PID"
    ends_with 3 drover list --state cancelling
}

@test "list, info and status show what there is" {
    submitted --name nightly 'echo {}' ::: 1 2 3
    ends_with 0 drover wait @nightly
    ends_with 0 drover list
    says "$T/out" nightly
    says "$T/out" finished
    ends_with 0 drover list --json
    says "$T/out" '"done":3'
    ends_with 3 drover list --state open
    ends_with 0 drover info last
    says "$T/out" nightly
    ends_with 0 drover info "$id.2" --json
    says "$T/out" '"state":"done"'
    says "$T/out" '"task":2'
    ends_with 0 drover status
    says "$T/out" "$BROKER"
    ends_with 0 drover status --json
    says "$T/out" '"workers":1'
    ends_with 0 drover ping
    says "$T/out" " ms"
}

@test "info and results call the same thing the same" {
    need python3
    submitted --name words 'echo out; kill -9 $$' ::: 1
    ends_with 1 drover wait "$id"
    ends_with 1 drover results "$id" --json
    cp "$T/out" results
    ends_with 0 drover info @words.1 --json
    python3 - results "$T/out" <<'END'
import json, sys
results, info = [json.load (open (name)) for name in sys.argv[1:]]
for name in "stdout", "stderr":
    del results[name]
assert set (results) == set (info), set (results) ^ set (info)
assert results == info
assert info["signal"] == 9 and info["stdout_bytes"] == 4, info
END
    ends_with 0 drover list --json
    says "$T/out" "\"batch\":$id,"
    says "$T/out" '"detached":true'
    ends_with 0 drover info "$id"
    grep -qx 'detached *yes' "$T/out"
}

@test "commands that come and go are no lines in the broker's log" {
    ends_with 0 drover status
    submitted true ::: 1
    ends_with 0 drover wait "$id"
    wait_until says "$T/log/broker.0" "joined worker=one"
    ! says "$T/log/broker.0" client=
}

@test "selectors: several, last, all, names" {
    submitted --name a true ::: 1
    submitted --name b true ::: 1
    ends_with 0 drover wait "$id,last" all @a
    ends_with 0 drover info @a.1
    refused 3 "no batch matches @c.1" drover info @c.1
    ends_with 0 drover info all --json
    same "$(wc -l <"$T/out")" 2
    refused 3 "no batch matches @c" drover info @c
    refused 3 "there is no batch 99" drover info 99
    refused 3 "there is no batch 99" drover wait 99
    refused 3 "there is no batch 99" drover cancel 99
    refused 3 "there is no batch 99" drover results 99
    refused 3 "$id" drover results "$id.9"
    refused 3 "$id" drover info "$id.9"
    refused 2 "no selector" drover wait nonsense
    refused 3 "batch $id has no task 9" drover wait "$id.9"
    refused 3 "batch $id has no task 9" drover cancel "$id.9"
}

@test "worker list shows workers, worker drain empties one, which then leaves" {
    local first=$WORKER_PID status=0
    start_worker --name two
    both() { [ "$(drover worker list | grep -c ready)" = 2 ]; }
    wait_until both
    ends_with 0 drover worker list --json
    same "$(wc -l <"$T/out")" 2
    submitted 'touch on-{}; sleep 1; echo {}' ::: 1 2 3 4
    wait_until test -e on-4
    ends_with 0 drover worker drain one
    wait_until dead "$first"
    wait "$first" || status=$?
    same "$status" 0 "status of the worker"
    ends_with 0 drover results "$id" --follow -k
    same "$(paste -sd' ' "$T/out")" "1 2 3 4"
    refused 3 "there is no worker 'three'" drover worker drain three
}

@test "a submit that is interrupted leaves no open batch" {
    mkfifo in
    exec 5<>in
    start_job submit exec_default drover submit echo :::: in
    echo 1 >&5
    one() { drover list --state open,running | grep -q echo; }
    wait_until one
    kill -INT "$JOB_PID"
    local status=0
    wait "$JOB_PID" || status=$?
    exec 5>&-
    same "$status" 130
    ends_with 3 drover list --state open,running
}

exec_default() {
    exec env --default-signal=INT "$@"
}

@test "a submit whose batch is ended before all of it was said says so, and by whom" {
    mkfifo in
    exec 7<>in
    start_job submit sh -c 'exec drover submit "sleep 60; : {}" <in'
    printf '%s\n' a b >&7
    begun() { [ "$(drover status --json | sed 's/.*"busy":\([0-9]*\).*/\1/')" -ge 1 ]; }
    wait_until begun
    ends_with 0 drover cancel last --reason 'wrong input'
    printf 'c\n' >&7
    exec 7>&-
    local status=0
    wait "$JOB_PID" || status=$?
    same "$status" 125
    says "$T/log/submit" 'was ended before it was submitted: wrong input'
    ends_with 0 drover list --json
    says "$T/out" '"state":"cancelled"'
}

@test "a batch for functions, of many rows" {
    seq 20000 >rows
    submitted --function drover:echo :::: rows
    ends_with 0 drover wait "$id"
    ends_with 0 drover results "$id" -k
    same "$(wc -c <"$T/out")" "$(tr -d '\n' <rows | wc -c)"
}

@test "two clients share the workers" {
    submitted '[ {} -gt 2 ] || until [ -e go ]; do sleep 0.02; done; [ {} -lt 50 ] || until [ -e over ]; do sleep 0.02; done' ::: $(seq 100)
    start_job quick drover foreach echo ::: quick
    listed() { [ "$(drover list --json | wc -l)" -eq 2 ]; }
    wait_until listed
    touch go
    wait_until dead "$JOB_PID" # in vain if it stood behind the hundred
    wait "$JOB_PID"
    touch over
    ends_with 0 drover wait "$id"
}

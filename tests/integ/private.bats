#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# Without a broker a command has one of its own, which nobody sees and which leaves nothing behind.
load lib

# The processes of this test besides the shells.
others() {
    marked_show "DROVER_TEST_ID=$DROVER_TEST_ID" | grep -E 'pid [0-9]+: (drover|sleep)' || true
}

none() {
    [ -z "$(others)" ] || { others; return 1; }
}

@test "no process and no file stays" {
    ends_with 0 drover foreach echo ::: 1 2 3
    wait_until none # a worker that had to be killed has executors a moment longer
    same "$(find "$T/run" "$T/tmp" -mindepth 1 ! -path "$T/run/drover")" "" files
}

@test "kill -9 of the client leaves no process and no file" {
    start_job foreach drover foreach 'touch on-{}; sleep 100' ::: 1 2
    wait_until test -e on-1
    kill -KILL "$JOB_PID"
    wait_until none
    same "$(find "$T/run" "$T/tmp" -mindepth 1 ! -path "$T/run/drover")" "" files
}

# As in containment.bats: without cgroups nobody is left who could find what a task has daemonised.
@test "all of the worker killed at one instant: the client ends what its tasks have left" {
    local pids worker level
    naptime=86400.$$$RANDOM
    start_job foreach drover foreach ": {}; (setsid sh -c 'trap : TERM; sleep $naptime; :' &); sleep $naptime" ::: 1
    naps() { [ "$(pgrep -fc "^sleep $naptime")" -eq 2 ]; }
    wait_until naps
    worker=$(pgrep -P "$JOB_PID" -f drover-worker)
    pids="$worker $(pgrep -P "$worker" | tr '\n' ' ')"
    level=$(cat "/proc/$(pgrep -f "^sleep $naptime" | head -n 1)/cgroup")
    [[ $level == */drover-* ]] || skip "needs a cgroup that it may divide"
    # shellcheck disable=SC2086 # one word a pid
    kill -STOP $pids && kill -KILL $pids
    wait_until dead "$JOB_PID"
    says "$T/log/foreach" "ended by signal 9"
    none_naps() { ! pgrep -f "sleep $naptime"; }
    wait_until none_naps
}

@test "a broker that dies is said, not waited for" {
    start_job foreach drover foreach 'touch on-{}; sleep 100' ::: 1
    wait_until test -e on-1
    local pid
    for pid in $(marked_pids "DROVER_TEST_ID=$DROVER_TEST_ID"); do
        case $(tr '\0' ' ' <"/proc/$pid/cmdline") in drover-broker*) kill -KILL "$pid" ;; esac
    done
    wait_until dead "$JOB_PID"
    local status=0
    wait "$JOB_PID" || status=$?
    same "$status" 255
    says "$T/log/foreach" "drover foreach: "
}

@test "it works without XDG_RUNTIME_DIR" {
    unset XDG_RUNTIME_DIR
    ends_with 0 drover foreach echo ::: 1
    same "$(cat "$T/out")" 1
}

@test "the user's own broker is found" {
    drover-broker --endpoint-file "$T/ready" >"$T/log/own" 2>&1 3>&- &
    started+=("$!")
    wait_until test -s "$T/ready"
    start_job worker drover-worker --slots 1
    ends_with 0 drover foreach echo ::: 1
    ends_with 0 drover worker list --json
    says "$T/out" '"done":1'
    ends_with 0 drover foreach --local echo ::: 1
    ends_with 0 drover worker list --json
    says "$T/out" '"done":1'
}

@test "a stale socket counts as none" {
    mkdir -m 0700 "$T/run/drover"
    drover-broker --endpoint-file "$T/ready" >"$T/log/stale" 2>&1 3>&- &
    started+=("$!")
    wait_until test -s "$T/ready"
    kill -KILL "$!"
    wait_until dead "$!"
    [ -S "$T/run/drover/broker" ]
    ends_with 0 drover foreach echo ::: 1
    refused 125 "drover broker start" drover status
    rm "$T/run/drover/broker"
}

@test "the slots are those that -j asks for" {
    seq 6 | ends_with 0 drover foreach --summary -j 6 'sleep 0.2; echo'
    says "$T/err" "6 slots on 1 host"
    seq 3 | ends_with 0 drover foreach --summary -j 0 echo
}

# The first three wait for each other; one more would have a number of its own.
@test "-j is the limit of tasks that take no slot, too" {
    seq 24 | ends_with 0 drover foreach -j 3 --cpus 0 --timeout 60 \
        'touch on-{}; until [ -e on-1 ] && [ -e on-2 ] && [ -e on-3 ]; do sleep 0.02; done; echo {%}'
    same "$(sort -u "$T/out" | paste -sd' ')" "1 2 3" slots
    ends_with 0 drover invoke -j 1 --cpus 0 'sleep 0.3; [ ! -e a ]' 'touch a'
    ends_with 0 drover race -j 1 --cpus 0 'sleep 0.3; [ ! -e b ] && echo alone' 'touch b; sleep 5'
    same "$(cat "$T/out")" alone
}

@test "a task that fits in no slot is refused, not waited for" {
    ends_with 255 drover foreach -j 2 --cpus 3 echo ::: 1
    same "$(wc -l <"$T/err")" 1
}

@test "the programs have to be there" {
    refused 255 "drover-broker" env DROVER_BINDIR="$T/work" "$DROVER_BINDIR/drover" foreach echo ::: 1
}

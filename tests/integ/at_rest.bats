#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016 # braces are for the task
# A state directory without its broker: what `info --state` and `results --state` tell of it, and
# that they leave it as it is. Brokers that are told to stop.
load lib

# A worker would wait for its task, which has no end.
teardown() {
    [ -z "${WORKER_PID:-}" ] || end "$WORKER_PID" KILL || true
    drover_teardown
}

# on_state [OPTION]...: the same broker again, on the same state and socket.
on_state() {
    start_broker --listen "ipc://$T/b" --state "$T/state" "$@"
    use_broker
}

# filled: a state with batch 1, which is over, and 2, of which a task runs.
filled() {
    on_state
    start_worker --slots 1
    drover submit --name over 'echo got {}; [ {} != b ]' ::: a b c >/dev/null
    drover wait --quiet 1 || true
    drover submit --name under 'touch running; sleep 1000' ::: 1 2 3 >/dev/null
    wait_until test -e running
}

sums() {
    (cd "$T/state" && find . -type f ! -name lock -exec sha256sum {} + | sort -k 2)
}

# told HOW: what is told of the state, and that it is as before.
told() {
    local before
    before=$(sums)
    unset DROVER_BROKER
    ends_with 0 drover info --state "$T/state"
    grep -q "stopped *$1" "$T/out"
    grep -q "durability *durable" "$T/out"
    grep -q " over  *finished  *3 " "$T/out"
    grep -q " under  *running  *3 " "$T/out"
    ends_with 1 drover results -k --state "$T/state" 1
    same "$(cat "$T/out")" $'got a\ngot b\ngot c'
    ends_with 0 drover info --state "$T/state" 2.1
    grep -q "state *running" "$T/out"
    ends_with 3 drover results --state "$T/state" 77
    same "$(sums)" "$before" "the files"
}

@test "the state of a broker that was stopped is read, and not changed" {
    filled
    end "$BROKER_PID"
    told "in order"
    chmod -R a-w "$T/state"
    ends_with 0 drover info --state "$T/state" --json
    chmod -R u+w "$T/state"
    says "$T/out" '"stopped":"in order"'
    says "$T/out" '"name":"under"'
    on_state # it is a state as ever
    same "$(drover results -k 1 2>/dev/null)" $'got a\ngot b\ngot c'
}

@test "the state of a broker that was killed is read, and not changed" {
    filled
    end "$BROKER_PID" KILL || true
    told "killed"
    on_state
    same "$(drover results -k 1 2>/dev/null)" $'got a\ngot b\ngot c'
}

@test "what cannot be read is said: no state, one in use, a damaged one, options that do not fit" {
    refused 125 "No such file" drover info --state nowhere
    mkdir -m 700 empty
    refused 125 "there is no state in" drover info --state empty
    same "$(ls -A empty)" ""
    filled
    refused 125 "pid $BROKER_PID: ask that one" drover results --state "$T/state" 1
    refused 2 "--state" drover info --state "$T/state" --broker "$BROKER" 1
    refused 2 "--follow" drover results --follow --state "$T/state" 1
    end "$BROKER_PID"
    dd if=/dev/zero of="$T/state/state.db" bs=4096 seek=1 count=3 conv=notrunc 2>/dev/null
    refused 125 "is damaged" drover info --state "$T/state"
}

@test "when a broker was told to stop, its address and its state are free for the next one" {
    local n
    for n in 1 2 3; do
        on_state
        ends_with 0 timeout 20 drover broker stop
        wait_until dead "$BROKER_PID"
    done
    refused 125 "no broker" drover broker stop
    unset DROVER_BROKER
    refused 125 "no broker is running" drover broker stop
    refused 2 "'drover broker start' or 'drover broker stop'" drover broker hold
}

@test "stopping a broker in memory says what is lost; with --drain it waits for all work" {
    start_broker --listen tcp://127.0.0.1:0 --insecure
    use_broker
    start_worker --slots 2
    drover submit 'until [ -e go ]; do sleep 0.02; done; echo {} >>done' ::: 1 2 3 >/dev/null
    ends_with 124 drover broker stop --drain --timeout 100ms
    start_job stop drover broker stop --drain
    wait_until says "$T/log/broker.0" "pid=$JOB_PID"
    refused 255 "is being drained" drover foreach 'touch {}' ::: new
    refused 125 "is being drained" drover submit 'touch {}' ::: new
    touch go
    wait "$JOB_PID"
    same "$(sort done)" $'1\n2\n3'
    same "$(cat "$T/log/stop")" "" # nothing was lost
    start_broker --listen tcp://127.0.0.1:0 --insecure
    use_broker
    drover submit 'sleep 1000' ::: 1 2 3 >/dev/null
    ends_with 0 drover broker stop
    says "$T/err" "3 unfinished tasks end with it"
}

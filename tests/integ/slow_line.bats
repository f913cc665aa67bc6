#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# A worker behind a slow line: results that take seconds do not look like death, and do not stand
# before what is said meanwhile.
load lib

# start_line BYTES_PER_S: a slow line to the broker; sets LINE.
start_line() {
    start_job line python3 "$BATS_TEST_DIRNAME/../slow_line.py" "$T/port" "${BROKER##*:}" "$1"
    wait_until test -s "$T/port"
    LINE=tcp://127.0.0.1:$(cat "$T/port")
}

setup() {
    drover_setup
    need python3
    start_broker --listen tcp://127.0.0.1:0 --insecure --ping-every 300ms --suspect-after 3s --lost-after 6s
    use_broker
    start_line 330000
}

running() {
    [ "$(drover info --json "$1" | grep -c '"state": *"running"')" -eq 1 ]
}

# Of two tasks the second is cancelled while the output of the first, 3.2 s long, is on its way. Sets ID.
overtakes() {
    rm -f on-*
    ID=$(drover submit 'touch on-{}; if [ {} = 1 ]; then head -c 1M /dev/zero; else exec sleep 1000; fi' ::: 1 2)
    wait_until test -e on-1 && wait_until test -e on-2 && ends_with 0 drover cancel "$ID.2" && running "$ID"
}

@test "a worker whose line is busy for seconds is neither suspect nor slow to cancel" {
    local tries=1
    BROKER=$LINE start_worker --name slow --slots 2
    until overtakes; do # the commands may have been slow to begin
        [ "$((tries++))" -lt 4 ]
        drover cancel --kill "$ID" || true
        drover wait "$ID" || true
    done
    ends_with 0 drover results "$ID.1" --follow
    same "$(wc -c <"$T/out")" 1048576 bytes
    says "$T/log/broker.0" "joined worker=slow"
    run ! says "$T/log/broker.0" "suspect worker"
    run ! says "$T/log/broker.0" "lost worker"
    run ! says "$T/log/broker.0" resumed
}

@test "a client behind a slow line gets all, and its pings are answered meanwhile" {
    start_worker --name near
    ends_with 0 drover foreach --broker "$LINE" 'head -c 700000 /dev/zero; : {}' ::: 1
    same "$(wc -c <"$T/out")" 700000 bytes
    run ! says "$T/log/broker.0" "gone client"
    run ! says "$T/log/broker.0" resumed
}

#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031 # $ is for the task; each case is a shell of its own
# Peers without manners, over tcp and ipc: the broker answers as documented, serves the others, and
# is as large afterwards as before. hostile.py has what they do.
load lib

# The interpreter that sees the distribution's modules, which need not be the first in the path.
python=/usr/bin/python3

setup() {
    drover_setup
    "$python" -c 'import msgpack, zmq' 2>/dev/null || skip "needs python3-zmq and python3-msgpack"
    start_broker --listen tcp://127.0.0.1:0 --listen "ipc://$T/s" --insecure --client-gone-after 300ms \
        --lost-after 2s --ping-every 200ms --log-level warn
    use_broker
}

hostile() {
    "$python" "${top_srcdir:-$BATS_TEST_DIRNAME/../..}/tests/integ/hostile.py" "$@"
}

descriptors() {
    find "/proc/$BROKER_PID/fd" -mindepth 1 | wc -l
}

nobody_is_left() {
    [ "$(drover status --json | grep -oE '"(clients|workers|batches)": *[0-9]+' | tr -dc '0-9\n' | paste -sd ' ')" = "1 0 0" ]
}

# at_both WHAT: over both transports; then the broker is there, and rid of all of them.
at_both() {
    local before
    before=$(descriptors)
    hostile "$1" "$BROKER"
    hostile "$1" "ipc://$T/s"
    wait_until nobody_is_left
    few() { [ "$(descriptors)" -le "$((before + 2))" ]; }
    wait_until few
}

@test "garbage, half greetings, bombs and too many frames" { at_both garbage; }
@test "every kind of message before HELLO and from the wrong role" { at_both roles; }
@test "numbers, fields and outcomes that cannot be" { at_both lies; }
@test "floods of HELLO, WAIT, QUERY and PING" { at_both floods; }

# T17: clients die in the middle of a submission and of waiting; others read what they left
# shellcheck shell=bash disable=SC2154 # R and T are the library's
# Sizes: ROUNDS.

# Killed before the number was printed: no part of it may run for ever, and nothing runs twice.
t17_mid_submit() {
    local pid
    drover submit --name "half.$1" "$effect; echo {}" < <(seq 1000; exec sleep 600) >"$T/half.id" 2>/dev/null &
    pid=$!
    wait_until t17_open "half.$1"
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || true
    [ ! -s "$T/half.id" ]
}

t17_open() {
    drover list --json 2>/dev/null | grep -q "\"name\":\"$1\""
}

t17_gone() {
    ! drover list --json 2>/dev/null | grep "\"name\":\"half" | grep -q '"state":"\(open\|running\)"'
}

# Killed while it follows: the next handle gets all of it, each once.
t17_mid_await() {
    local pid
    submit_batch "await.$1" 100 'sleep 0.02'
    drover results --json --follow "$SUBMITTED" >"$T/part" 2>/dev/null &
    pid=$!
    wait_until lines_in "$T/part" 10
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || true
}

campaign_T17() {
    local i
    size ROUNDS 2 100
    state_broker --client-gone-after 1s
    start_worker --slots 2
    wait_until workers_are 1
    for ((i = 1; i <= ROUNDS; i++)); do
        t17_mid_submit "$i"
        t17_mid_await "$i"
    done
    marked_naps_end
    wait_until t17_gone
    settle
    check --reexecuted-max 0
}

marked_naps_end() {
    local pid
    for pid in $(marked_pids "DROVER_TEST_ID=$DROVER_TEST_ID"); do
        ! grep -qsz '^sleep$' "/proc/$pid/cmdline" || kill -9 "$pid"
    done
}

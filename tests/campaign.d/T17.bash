# T17: clients die in the middle of a submission and of waiting; acknowledgements are lost, and chunks said again
# shellcheck shell=bash disable=SC2154 # R and T are the library's
# Sizes: ROUNDS; CHUNKS that are said twice; LINES, batches of CALLS over a line that loses answers
# every RESET_MS.

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
    kill -9 "$pid" 2>/dev/null || true # it may just have ended
    wait "$pid" 2>/dev/null || true
}

# A client that hears no acknowledgement says each chunk again, in three ways.
t17_chunks() {
    local id
    [ -x "$DROVER_BINDIR/tests/campaign.d/peers/peers" ] || return 0
    peers stubborn chunks="$CHUNKS" rows=10 >"$T/log/stubborn"
    id=$(figure "$T/log/stubborn" batch)
    timeout 300 drover wait "$id" >/dev/null 2>>"$T/log/settle.err"
    drover results --json "$id" >"$R/chunks.json"
    expect chunks $((CHUNKS * 10)) 0 echo
    say "$(figure "$T/log/stubborn" repeated) chunks were said again"
}

# Clients behind a line that swallows the broker's answers, and is then reset: again and again.
t17_lost_answers() {
    local n
    start_line line --reset-ms "$RESET_MS" --swallow-ms $((RESET_MS / 4))
    for ((n = 1; n <= LINES; n++)); do
        DROVER_BROKER=$LINE echo_batch "line.$n" "$CALLS"
    done
    end "$LINE_PID"
    say "$(figure "$T/log/line" resets) resets, $(figure "$T/log/line" swallowed) bytes of answers lost"
}

campaign_T17() {
    local i
    size ROUNDS 2 100
    size CHUNKS 60 10000
    size LINES 1 20
    size CALLS 30000 200000
    size RESET_MS 400 1000
    state_broker --ping-every 300ms --client-gone-after 6s
    start_worker --slots 2
    wait_until workers_are 1
    for ((i = 1; i <= ROUNDS; i++)); do
        t17_mid_submit "$i"
        t17_mid_await "$i"
    done
    marked_naps_end
    settle
    t17_chunks
    t17_lost_answers
    wait_until t17_gone
    check --reexecuted-max 0
}

marked_naps_end() {
    local pid
    for pid in $(marked_pids "DROVER_TEST_ID=$DROVER_TEST_ID"); do
        ! grep -qsz '^sleep$' "/proc/$pid/cmdline" || kill -9 "$pid"
    done
}

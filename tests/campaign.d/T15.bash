# T15: one client never reads, one worker never reads; the others go on
# shellcheck shell=bash disable=SC2154,SC2016 # R and T are the library's; $ is for the task
# Sizes: CALLS of the reading client; MIB that the other one does not read.

t15_mute() {
    # shellcheck disable=SC2216 # that nobody reads is the point
    seq "$1" | drover foreach 'head -c 1048576 /dev/zero; : {}' 2>"$T/log/mute.err" | sleep 600
}

t15_rate() {
    local begun ms
    begun=$(now_ms)
    echo_batch "$1" "$CALLS"
    ms=$(($(now_ms) - begun))
    echo $((CALLS * 1000 / (ms + 1)))
}

# A worker that takes tasks, pings on, and never reads again: it is cut off when what is said to it
# has piled up, and its tasks run elsewhere.
t15_deaf() {
    local begun
    [ -x "$DROVER_BINDIR/tests/campaign.d/peers/peers" ] || return 0
    begun=$(now_ms)
    start_peers deaf deaf workers=1 slots=4 every_us=0
    wait_until workers_are 2
    echo_batch deaf 1000
    wait_until says "$T/log/deaf" "has rows"
    end "$PEERS_PID"
    say "the tasks of a worker that never reads had run elsewhere after $(($(now_ms) - begun)) ms"
}

campaign_T15() {
    local alone beside peak
    size CALLS 20000 1000000
    size MIB 200 4000
    state_broker --lost-after 2s --suspect-after 1s --ping-every 300ms --result-bytes 16M --queue-bytes 128M
    start_worker --slots 2
    wait_until workers_are 1
    alone=$(t15_rate alone)
    background t15_mute "$MIB"
    wait_until t15_paused
    beside=$(t15_rate beside)
    t15_deaf
    peak=$(peak_rss "$BROKER_PID")
    say "calls a second: $alone alone, $beside beside a client that does not read; the broker's memory at most $peak KiB"
    [ "$peak" -lt $((512 * 1024)) ]
    check
    marked_kill_naps
}

# Its batch is not continued: nothing of it runs any more.
t15_paused() {
    [ "$(field running)" = 0 ] && [ "$(field waiting)" -gt 0 ]
}

# The reader that never reads, and whoever waits for it.
marked_kill_naps() {
    local pid
    for pid in $(marked_pids "DROVER_TEST_ID=$DROVER_TEST_ID"); do
        ! grep -qsz '^sleep' "/proc/$pid/cmdline" || kill -9 "$pid"
    done
    clients_ended 60
}

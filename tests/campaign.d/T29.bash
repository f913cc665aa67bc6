# T29: tasks that are deaf to TERM, print without end, hold their pipes by a grandchild
# shellcheck shell=bash disable=SC2154,SC2016 # R and T are the library's; $ is for the task
# Sizes: BYTES (printed by one task).

t29_took() {
    local begun
    begun=$(now_ms)
    "$@" >"$T/out" 2>"$T/err" || true
    echo $(($(now_ms) - begun))
}

campaign_T29() {
    local ms peak pid
    size BYTES 64M 10G
    state_broker
    start_worker --slots 2
    wait_until workers_are 1
    ms=$(t29_took drover run --timeout 1s --grace 1s -- sh -c 'trap "" TERM; sleep 600')
    say "deaf to TERM, limit 1 s, grace 1 s: over after $ms ms"
    ms=$(t29_took drover run -- sh -c 'sleep 600 & exit 0')
    say "a grandchild holds the pipes: over after $ms ms"
    same "$(drover run -- sh -c 'ls /proc/self/fd | head -n 3 | tr "\n" " "; ls /proc/self/fd | wc -l')" $'0 1 2 4' "descriptors of a task (and those of ls)"
    drover run -- head -c "$BYTES" /dev/zero >"$T/bytes" &
    pid=$!
    wait "$pid"
    same "$(stat -c %s "$T/bytes")" "$(numfmt --from=iec "$BYTES")" "bytes of one task"
    peak=$(awk '/^VmHWM:/ { print $2 }' "/proc/$BROKER_PID/status")
    say "$BYTES from one task: the broker's memory was at most $peak KiB"
    [ "$peak" -lt 262144 ]
    rm "$T/bytes"
}

# T29: tasks that are deaf to TERM, print without end, hold their pipes by a grandchild
# shellcheck shell=bash disable=SC2154,SC2016 # R and T are the library's; $ is for the task
# Sizes: BYTES (printed by one task), YES (seconds that one prints as fast as it can).

t29_took() {
    local begun
    begun=$(now_ms)
    "$@" >"$T/out" 2>"$T/err" || true
    echo $(($(now_ms) - begun))
}

# The slot is free again, so soon that another task runs at once.
t29_next() {
    say "$1: over after $2 ms, a task behind it after $(t29_took drover run -- true) ms"
}

campaign_T29() {
    local ms
    size BYTES 64M 10G
    size YES 1 10
    state_broker
    start_worker --slots 1
    wait_until workers_are 1
    ms=$(t29_took drover run --timeout 1s --grace 1s -- sh -c 'trap "" TERM; sleep 600')
    t29_next "deaf to TERM, limit 1 s, grace 1 s" "$ms"
    ms=$(t29_took drover run -- sh -c 'sleep 600 & exit 0')
    t29_next "a grandchild holds the pipes" "$ms"
    same "$(drover run -- sh -c 'ls /proc/self/fd | head -n 3 | tr "\n" " "; ls /proc/self/fd | wc -l')" $'0 1 2 4' "descriptors of a task (and those of ls)"

    counted "$T/yes" drover run --timeout "$YES"s --grace 100ms -- yes
    counted_end
    same "$COUNTED_STATUS" 124 "status of yes"
    bounded "yes for $YES s, $(($(cat "$T/yes") >> 20)) MiB"
    counted "$T/bytes" drover run -- head -c "$BYTES" /dev/zero
    counted_end
    same "$(cat "$T/bytes")" "$(numfmt --from=iec "$BYTES")" "bytes of one task"
    bounded "$BYTES from one task"
}

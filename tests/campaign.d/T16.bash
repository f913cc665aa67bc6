# T16: big things and empty ones: results, rows, streams, at their limits and beyond; cancels meanwhile
# shellcheck shell=bash disable=SC2154,SC2016 # R and T are the library's; $ is for the task
# Sizes: BYTES (result of one task), CANCELS (while it flows), ROWS (of one stream).

# values N SIZE: so many values of that size, one a line.
t16_values() {
    local i
    for ((i = 0; i < $1; i++)); do
        head -c "$2" /dev/zero | tr '\0' x
        echo
    done
}

# The values of a task are 8 MiB, less what packs them (64 bytes, 5 a value and 5); a line is 1 MiB.
t16_limits() {
    local limit=$((8388608 - 64 - 5 - 5 * 9))
    { t16_values 8 1000000; t16_values 1 $((limit - 8000000)); } >"$T/limit"
    ends_with 0 drover foreach --json -N9 --function drover:echo :::: "$T/limit"
    same "$(/usr/bin/python3 -c 'import json, sys; print(sum(map(len, json.loads(sys.stdin.readline())["values"])))' <"$T/out")" "$limit" "the values of a task"
    { t16_values 8 1000000; t16_values 1 $((limit - 8000000 + 1)); } >"$T/limit"
    refused 255 "the values of a task are $((limit + 1)) bytes long, the limit is $limit" drover foreach -N9 --function drover:echo :::: "$T/limit"
    ends_with 0 drover foreach --function drover:echo :::: <(t16_values 1 1048576)
    same "$(stat -c %s "$T/out")" 1048576 "the longest line"
    refused 255 "longer than 1048576 bytes" drover foreach --function drover:echo :::: <(t16_values 1 1048577)
    ends_with 0 drover foreach 'echo {}' :::: <(t16_values 1 $((131071 - 5)))
    refused 255 "the system takes 131071" drover foreach 'echo {}' :::: <(t16_values 1 $((131071 - 4)))
    rm "$T/limit" "$T/out"
}

t16_small() {
    local n
    for n in 0 1 262144 262145; do
        same "$(drover run -- head -c "$n" /dev/zero | wc -c)" "$n" "bytes of a task of $n"
    done
    same "$(drover foreach --json --function drover:echo ::: '' x | grep -c '"state":"done"')" 2 "an empty value, and one byte"
    same "$(drover submit --quiet ::: true >/dev/null; drover foreach --json true </dev/null | wc -l)" 0 "no value at all"
}

# While the result flows through broker and client, tasks of others are cancelled.
t16_cancels() {
    local i id begun ms worst=0 n=0
    for ((i = 0; i < CANCELS; i++)); do
        id=$(drover submit --quiet 'exec sleep 600; : {}' ::: 1)
        wait_until t16_running "$id"
        ! alive "$COUNTED" || n=$((n + 1))
        begun=$(now_ms)
        drover cancel --quiet "$id"
        ms=$(($(now_ms) - begun))
        [ "$ms" -le "$worst" ] || worst=$ms
    done
    say "$CANCELS cancels, $n of them while the result flowed: at most $worst ms each, the command's own start included"
}

t16_running() {
    drover info --json "$1.1" | grep -q '"state":"running"'
}

campaign_T16() {
    local id begun ms
    size BYTES 64M 1G
    size CANCELS 2 20
    size ROWS 20000 1000000
    state_broker
    start_worker --slots 2
    wait_until workers_are 1
    t16_limits
    t16_small

    counted "$T/result" drover run -- head -c "$BYTES" /dev/zero
    t16_cancels
    counted_end
    same "$(cat "$T/result")" "$(numfmt --from=iec "$BYTES")" "bytes of the result"
    bounded "a result of $BYTES"

    # and the one that prints is cancelled itself, in the middle of what it prints
    counted "$T/cancelled" drover run -- yes
    wait_until t16_flows
    id=$(drover list --json | sed -n 's/.*"batch":\([0-9]*\),.*"state":"running".*/\1/p')
    begun=$(now_ms)
    drover cancel --quiet "$id"
    ms=$(($(now_ms) - begun))
    counted_end
    say "cancelled while it prints: gone after $ms ms, $(($(cat "$T/cancelled") >> 20)) MiB had come"

    background echo_batch stream "$ROWS"
    clients_ended 300
    check --reexecuted-max 0
}

t16_flows() {
    [ "$(awk '/^wchar:/ { print $2 }' "/proc/$COUNTED/io")" -gt 1000000 ]
}

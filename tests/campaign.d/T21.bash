# T21: recorded sessions are said again with each message dropped, repeated, exchanged with the next, or cut
# shellcheck shell=bash disable=SC2154 # T and seed are the library's
# Sizes: ROUNDS (mutated messages said beyond one of each kind of each message), MESSAGES (of a session).

# What is recorded: what clients and a worker say through the relay.
sessions_T21() {
    local id
    export DROVER_BROKER=$RELAY
    drover-worker --broker "$RELAY" --insecure --name recorded --slots 2 --log-level warn &
    seq 5 | drover foreach --function drover:echo >/dev/null
    drover foreach --retries 2 'echo {}; exit {}' ::: 0 1 >/dev/null 2>&1 || true
    echo input | drover run -- cat >/dev/null
    id=$(drover submit --id key 'echo {}' ::: a b c)
    drover wait "$id"
    drover results --follow "$id" >/dev/null
    drover list >/dev/null
    drover submit 'sleep 1000' ::: 1 2 >/dev/null
    drover cancel last --reason enough >/dev/null
    drover forget "$id"
    kill "$!"
    wait "$!" 2>/dev/null
}

campaign_T21() {
    local before after memory
    size ROUNDS 0 1000000
    size MESSAGES 12 60
    start_broker --listen tcp://127.0.0.1:0 --insecure --client-gone-after 300ms --lost-after 1s \
        --ping-every 200ms --log-level error
    use_broker
    export -f sessions_T21
    before=$(fds "$BROKER_PID")
    /usr/bin/python3 "$parts/mutate.py" --seed "$seed" --rounds "$ROUNDS" --messages "$MESSAGES" \
        "$BROKER" bash -c sessions_T21 2>"$T/log/mutate" || {
        sed 's/^/   /' "$T/log/mutate"
        return 1
    }
    sed 's/^/   /' "$T/log/mutate"
    # shellcheck disable=SC2317 # for wait_until
    alone() { [ "$(field clients) $(field workers)" = "1 0" ]; }
    wait_until alone
    after=$(fds "$BROKER_PID")
    memory=$(rss "$BROKER_PID")
    say "descriptors $before before, $after after; the broker has $((memory / 1024)) MiB"
    [ "$after" -le "$((before + 2))" ]
    start_worker --slots 1
    same "$(drover foreach -k --function drover:echo ::: 1 2 3)" 123
}

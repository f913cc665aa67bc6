# T12: the broker is killed and starts again with many peers, who all come back at one time
# shellcheck shell=bash disable=SC2154 # T is the library's
# Sizes: PEERS, a tenth of them workers; ROUNDS.

t12_present() {
    [ "$(grep -c '^present ' "$T/log/hold")" -ge "$1" ]
}

t12_at() {
    sed -n 's/^present .* at //p' "$T/log/hold" | tail -n 1
}

# All back, of one life of the broker; whoever is new is served, and knows all workers.
t12_round() {
    local ready
    kill_hard "$BROKER_PID"
    state_broker
    ready=$(now_ms)
    wait_until t12_present $(($1 + 1))
    say "$PEERS peers are back $(($(t12_at) - ready)) ms after the broker was ready"
    wait_until workers_are "$workers"
}

campaign_T12() {
    local i workers empty full
    size PEERS 500 5000
    size ROUNDS 1 3
    need_peers
    workers=$((PEERS / 10))
    [ "$(ulimit -n)" -gt $((2 * PEERS + 200)) ] || skip "needs ulimit -n above $((2 * PEERS + 200))"
    state_broker
    empty=$(rss "$BROKER_PID")
    start_peers hold hold peers=$((PEERS - workers)) workers="$workers"
    wait_until t12_present 1
    full=$(rss "$BROKER_PID")
    say "the broker's memory: $empty KiB without them, $full KiB with them: $(((full - empty) * 10 / PEERS)) tenths of a KiB a peer"
    for ((i = 1; i <= ROUNDS; i++)); do
        t12_round "$i"
    done
    end "$PEERS_PID"
}

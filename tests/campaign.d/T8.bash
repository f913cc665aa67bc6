# T8: workers are stopped past their lease and go on; their tasks run elsewhere, their late results are refused
# shellcheck shell=bash disable=SC2154 # T is the library's
# Sizes: STOPPED (rounds with a real worker, of two attempts each); ZOMBIES (attempts, at least, of
# workers whose results are sent after that for certain).

# Each time another worker: one that is lost again and again is kept in quarantine.
t8_stopped() {
    local before name=stopped.$1 agent
    start_worker --name "$name"
    wait_until workers_are 2
    before=$(wc -l <"$EFFECTS")
    background command_batch "$name" 8 'sleep 0.7'
    wait_until lines_in "$EFFECTS" $((before + 4))
    agent=$(pgrep -o -P "$WORKER_PID")
    kill -STOP "$agent"
    wait_until workers_are 1
    clients_ended 60
    kill -CONT "$agent"
    wait_until workers_are 2
    end "$WORKER_PID"
}

# Eight workers of four slots each take what they get of a batch, are silent past their lease, and
# then say results that are not the right ones. In an old session they are answered with an error,
# which the peers wait for; those in a new one are counted by the broker.
t8_zombies() {
    local name=zombies.$1 refused
    refused=$(field fenced)
    start_peers "$name" zombie workers=8 slots=4
    wait_until workers_are 9
    background echo_batch "$name" 640
    wait_until_s 60 dead "$PEERS_PID"
    same "$(end "$PEERS_PID" >/dev/null; echo $?)" 0 "status of the zombies"
    clients_ended 60
    attempts=$((attempts + $(figure "$T/log/$name" attempts)))
    # on a busy machine others may have been late, too
    [ $(($(field fenced) - refused)) -ge "$(figure "$T/log/$name" in_new)" ]
}

campaign_T8() {
    local i attempts=0
    size STOPPED 1 20
    size ZOMBIES 20 1000
    state_broker --ping-every 100ms --suspect-after 300ms --lost-after 1s
    start_worker --name steady
    for ((i = 1; i <= STOPPED; i++)); do
        t8_stopped "$i"
    done
    for ((i = 1; attempts < ZOMBIES; i++)); do
        [ -x "$DROVER_BINDIR/tests/campaign.d/peers/peers" ] || break
        t8_zombies "$i"
    done
    say "$attempts attempts of silent workers: each late result was refused; in all fenced=$(field fenced) duplicates=$(field duplicates)"
    check
}

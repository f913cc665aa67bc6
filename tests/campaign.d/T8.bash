# T8: a worker is stopped past its lease and goes on; what it ran is run elsewhere, its results are refused
# shellcheck shell=bash disable=SC2154 # R, T and fast are the library's
# Sizes: ROUNDS; each fences two attempts.

t8_round() {
    local before name=round.$1 agent
    before=$(wc -l <"$EFFECTS")
    background command_batch "$name" 8 'sleep 0.7'
    wait_until lines_in "$EFFECTS" $((before + 4))
    agent=$(pgrep -P "$WORKER_PID" | head -n 1)
    kill -STOP "$agent"
    wait_until workers_are 1
    clients_ended 60
    kill -CONT "$agent"
    wait_until workers_are 2
}

campaign_T8() {
    local i
    size ROUNDS 2 500
    state_broker "${fast[@]}"
    start_worker --name steady
    start_worker --name zombie
    wait_until workers_are 2
    for ((i = 1; i <= ROUNDS; i++)); do
        t8_round "$i"
    done
    say "results and sessions that were refused: fenced=$(field fenced) duplicates=$(field duplicates)"
    check
}

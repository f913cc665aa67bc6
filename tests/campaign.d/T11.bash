# T11: the line of each worker falls silent, one after another, and they come back in random order
# shellcheck shell=bash disable=SC2154 # R, T and fast are the library's
# Sizes: ROUNDS; LINES, workers with a line of their own.

# Tasks go on being submitted until the last round is over.
t11_work() {
    local n=0
    while [ ! -e "$T/over" ]; do
        n=$((n + 1))
        echo_batch "echo.$n" 20000
        command_batch "command.$n" 60
    done
}

# A pause that chance chooses: longer than the lease now and then.
t11_pause() {
    local ms=$((RANDOM % 900))
    sleep "0.$(printf %03d "$ms")" # the pause is what is tested
}

t11_round() {
    local pid
    for pid in "${lines[@]}"; do
        kill -STOP "$pid"
        sleep 0.05 # one after another
    done
    while read -r pid; do
        t11_pause
        kill -CONT "$pid"
    done < <(shuf --random-source=<(yes "$RANDOM") -e "${lines[@]}")
}

# Those that were given up come again by themselves.
campaign_T11() {
    local i lines=()
    size ROUNDS 1 100
    size LINES 4 8
    state_broker "${fast[@]}"
    for ((i = 1; i <= LINES; i++)); do
        start_line "line.$i"
        lines+=("$LINE_PID")
        BROKER=$LINE start_worker --name "w$i"
    done
    wait_until workers_are "$LINES"
    background t11_work
    for ((i = 1; i <= ROUNDS; i++)); do
        t11_round
    done
    touch "$T/over"
    clients_ended 120
    wait_until workers_are "$LINES"
    say "$ROUNDS times $LINES lines were silent; given up: $(grep -c ' lost worker=' "$T"/log/broker.0)"
    check
}

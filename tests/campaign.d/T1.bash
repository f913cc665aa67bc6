# T1: the broker is killed with -9 at random moments under load, and starts again on its state
# shellcheck shell=bash
# Sizes: KILLS, CALLS (of drover:echo, at least), COMMANDS (at least).

# rounds MAKE NAME ROWS ATLEAST: batches one after another, until the killing is over and there were
# ATLEAST rows.
t1_rounds() {
    local n=0 made=0
    until [ ! -d "$T" ] || [ -e "$T/over" ] && [ "$made" -ge "$4" ]; do
        n=$((n + 1)) made=$((made + $3))
        "$1" "$2.$n" "$3"
    done
}

# Submit, and wait for it: a batch after the other, so that there is always one that is waited for.
t1_waited() {
    submit_batch "$1" "$2"
    with_broker "$T/log/$1.err" timeout 300 drover wait "$SUBMITTED" >&2 || echo "$1 $?" >>"$R/wait-failed"
}

t1_killer() {
    local i wait_ms begun restart worst=0 sum=0 busy=0
    for ((i = 1; i <= KILLS; i++)); do
        wait_ms=$((50 + RANDOM % 1950))
        sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))" # the moment is chance
        [ "$(cd "$R" && find . -name '*.json' | wc -l)" -le "$(cd "$R" && find . -name '*.done' | wc -l)" ] ||
            busy=$((busy + 1))
        kill_hard "$BROKER_PID"
        begun=$(now_ms)
        state_broker
        timeout 60 drover ping >/dev/null
        restart=$(($(now_ms) - begun))
        sum=$((sum + restart))
        [ "$restart" -le "$worst" ] || worst=$restart
    done
    say "$KILLS kills, $busy with batches open; until the broker answered again: mean $((sum / KILLS)) ms, worst $worst ms"
}

campaign_T1() {
    local i fds_before fds_after broker_fds
    size KILLS 5 100
    size CALLS 20000 1000000
    size COMMANDS 500 20000
    state_broker
    for i in 1 2 3 4; do
        start_worker --slots 1 --name "w$i"
    done
    wait_until workers_are 4
    broker_fds=$(fds "$BROKER_PID")

    background t1_rounds echo_batch echo "$((CALLS / 20))" "$CALLS"
    background t1_rounds command_batch command "$((COMMANDS / 10))" "$COMMANDS"
    background t1_rounds t1_waited submit 40 400
    t1_killer
    touch "$T/over"
    fds_before=$(fds "$BROKER_PID")
    clients_ended
    settle
    [ ! -e "$R/wait-failed" ] || cat "$R/wait-failed"
    [ ! -e "$R/wait-failed" ]
    wait_until workers_are 4
    fds_after=$(fds "$BROKER_PID")
    say "descriptors of the broker: $broker_fds at first, $fds_before under load, $fds_after at the end"
    [ "$fds_after" -le $((broker_fds + 8)) ]
    check --reexecuted-max 0
}

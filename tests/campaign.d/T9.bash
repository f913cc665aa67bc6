# T9: the broker is stopped with full queues and goes on; nobody is given up for it
# shellcheck shell=bash disable=SC2154 # R and T are the library's
# Sizes: PAUSES (seconds each).

campaign_T9() {
    local pause n=0
    size PAUSES 5 "5 15 60"
    # the limits are shorter than the pause
    state_broker --ping-every 200ms --suspect-after 1s --lost-after 3s --client-gone-after 3s
    start_worker --name w0
    start_worker --name w1
    wait_until workers_are 2
    for pause in $PAUSES; do
        n=$((n + 1))
        background echo_batch "echo.$n" 100000
        background command_batch "command.$n" 400
        wait_until lines_in "$EFFECTS" $(((n - 1) * 400 + 50))
        kill -STOP "$BROKER_PID"
        sleep "$pause" # the pause is what is tested
        kill -CONT "$BROKER_PID"
        clients_ended 120
    done
    if grep -hE ' (lost|suspect) worker=' "$T"/log/broker.*; then
        say "a worker was given up for a pause of the broker"
        return 1
    fi
    check --reexecuted-max 0
}

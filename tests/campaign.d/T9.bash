# T9: the broker is stopped with full queues and goes on, then its disk is slow; nobody is given up for it
# shellcheck shell=bash disable=SC2154 # R and T are the library's
# Sizes: PAUSES (seconds each), SLOW (seconds for which each sync of the disk takes 3).

# The same state, on a disk each sync of which takes 3 s for a while.
t9_slow_disk() {
    local shim=$DROVER_BINDIR/tests/integ/.libs/disk_shim.so
    if [ ! -e "$shim" ] || [ "${DROVER_SANITIZE:-no}" = yes ]; then
        say "no slow disk: needs $shim (make check), and no sanitizer"
        return 0
    fi
    drover-broker() {
        exec env LD_PRELOAD="$shim" DROVER_TEST_DISK="$T/disk" "$DROVER_BINDIR/drover-broker" "$@"
    }
    size SLOW 1 30
    end "$BROKER_PID"
    state_broker "${limits[@]}"
    wait_until workers_are 2
    t9_disk "slow 3000"
    background echo_batch echo.slow 20000
    background command_batch command.slow 200
    sleep "$SLOW" # the slow disk is what is tested
    t9_disk ""
    clients_ended 120
}

t9_disk() {
    echo "$1" >"$T/disk.new"
    mv "$T/disk.new" "$T/disk"
}

campaign_T9() {
    local pause n=0 limits=(--ping-every 200ms --suspect-after 2500ms --lost-after 3s --client-gone-after 3s)
    size PAUSES 5 "5 15 60"
    # the limits are shorter than the pause
    state_broker "${limits[@]}"
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
    t9_slow_disk
    if grep -hE ' (lost|suspect) worker=' "$T"/log/broker.*; then
        say "a worker was given up for a pause of the broker or its disk"
        return 1
    fi
    check --reexecuted-max 0
}

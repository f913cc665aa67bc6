# T26: clocks that are set an hour forth and back, and everything asleep for a while
# shellcheck shell=bash disable=SC2154,SC2016 # R and T are the library's; $ is for the task
# Sizes: STEPS (of the clock, in seconds, one behind the other), SLEEP (seconds of sleep).
# All programs of drover run with tests/campaign.d/clock_shim.c. What is timed is compared with what
# this shell's clock says. Early by more than 1 s is wrong everywhere, late by more than 1 s (a busy
# machine: 15 s) too.

# t26_step EVERY: the clock is set, again and again.
t26_step() {
    local step
    while [ ! -e "$T/over" ]; do
        for step in $STEPS; do
            echo "$step" >"$T/clock.new"
            mv "$T/clock.new" "$T/clock"
            sleep 0.3 # and what runs goes on
        done
    done
}

# t26_timed WHAT WANTED_MS STATUS COMMAND...: it takes so long, and ends so. Beside the others.
t26_timed() {
    background t26_measure "$@"
}

t26_measure() {
    local what=$1 wanted=$2 status=$3 got=0 begun ms late=1000
    shift 3
    [ "$tier" != ci ] || late=15000
    begun=$(now_ms)
    "$@" >"$T/log/timed.$BASHPID" 2>&1 || got=$?
    ms=$(($(now_ms) - begun))
    say "$what: $ms ms, where $wanted were asked for"
    [ "$got" -eq "$status" ] && [ "$ms" -ge $((wanted - 1000)) ] && [ "$ms" -le $((wanted + late)) ] ||
        echo "$what: status $got, $ms ms" >>"$T/wrong"
}

t26_worker_is_lost() {
    local agent
    agent=$(wait_for_part "$stopped" agent)
    kill -STOP "$agent"
    wait_until t26_known 1
    kill -CONT "$agent"
}

t26_known() {
    [ "$(drover worker list --json 2>/dev/null | grep -c '"name"')" -eq "$1" ]
}

# What was measured across the steps is what it was.
t26_wall() {
    drover foreach --json 'sleep 2; : {}' ::: 1 | grep -q '"wall_s":[2-9]\.'
}

t26_runs() {
    drover info --json "$1" | grep -q '"running":1'
}

# t26_all_timers BATCH: with one that runs all the while.
t26_all_timers() {
    local id=$1
    t26_timed "a worker that is stopped is lost" 3000 0 t26_worker_is_lost
    t26_timed "limit of a wait" 2000 124 drover wait --timeout 2s "$id"
    t26_timed "time limit of a task" 2000 124 drover run --timeout 2s -- sleep 600
    t26_timed "time limit and grace" 2000 124 drover run --timeout 1s --grace 1s -- sh -c 'trap "" TERM; sleep 600'
    t26_timed "deadline of a batch" 2000 1 drover foreach --quiet --deadline 2s 'sleep 600; : {}' ::: 1
    t26_timed "delay before the next run" 2500 1 drover foreach --quiet --retries 2 --retry-delay 2s 'exit 3; : {}' ::: 1
    t26_timed "sleep in a function" 2000 0 drover foreach --function drover:sleep ::: 2
    t26_timed "what a task took" 2000 0 t26_wall
    t26_ended
    wait_until workers_are 2
    drover cancel --quiet "$id"
    [ "$(drover list --json | sed -n 's/.*"opened_ms":\([0-9]*\).*/\1/p' | sort -n | tail -n 1)" -lt 600000 ]
}

# All that is timed, not what sets the clock.
t26_ended() {
    local stepper=${clients[0]}
    clients=("${clients[@]:1}")
    clients_ended 60
    clients=("$stepper")
    [ ! -e "$T/wrong" ] || cat "$T/wrong"
    [ ! -e "$T/wrong" ]
}

# All of them, the tasks as well, as when a lid is closed.
t26_sleep() {
    local pids
    readarray -t pids < <(marked_pids "DROVER_TEST_ID=$DROVER_TEST_ID" | grep -vx "$BASHPID")
    kill -STOP "${pids[@]}"
    sleep "$SLEEP" # that is what is tested
    kill -CONT "${pids[@]}"
}

campaign_T26() {
    local shim=$build/tests/campaign.d/.libs/clock_shim.so
    size STEPS "3600 0 -3600" "3600 7200 0 -3600 86400 -86400 1"
    size SLEEP 3.5 60
    [ -e "$shim" ] || env -u XDG_RUNTIME_DIR make -s -C "$build" tests/campaign.d/clock_shim.la >"$T/log/make" 2>&1
    echo 0 >"$T/clock"
    export LD_PRELOAD=$shim DROVER_TEST_CLOCK=$T/clock
    state_broker --ping-every 500ms --suspect-after 2500ms --lost-after 3s --client-gone-after 3s
    # who will be stopped has something to do already: what is timed runs on the other one
    start_worker --slots 1 --name stopped
    local stopped=$WORKER_PID id
    id=$(drover submit --quiet 'exec sleep 600; : {}' ::: 1)
    wait_until t26_runs "$id"
    start_worker --slots 8 --name w0
    wait_until workers_are 2
    background t26_step
    t26_all_timers "$id"
    touch "$T/over"
    clients_ended 20
    same "$(grep -c ' lost worker=' "$T"/log/broker.0)" 1 "workers given up (one was stopped)"

    # everything sleeps longer than all limits
    background command_batch sleepers 12 'sleep 0.5'
    wait_until lines_in "$EFFECTS" 4
    t26_sleep
    clients_ended 60
    if grep -hE ' (lost|suspect) worker=' "$T/log/broker.0" | tail -n +3 | grep .; then
        say "a worker was given up because everything slept"
        return 1
    fi
    check --reexecuted-max 0
}

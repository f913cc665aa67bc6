# T25: the state is damaged: cut, flipped, exchanged, of yesterday; and what peers know of it that it does not
# shellcheck shell=bash disable=SC2154,SC2016 # R and T are the library's; $ is for the task
# Sizes: CASES (of each kind of damage; from 10000 on also every cut of the last 64 KiB of each file).
# tests/unit/test_state_damage: damage is found and named, or nothing is missing. A state that went
# back as a whole is found by who comes back with more than it knows.

t25_gone() {
    ! pgrep -f "^sleep 7654.$seed" >/dev/null
}

# Whole, with its mark: nothing in it tells that it is not of today.
t25_copy() {
    kill -STOP "$BROKER_PID"
    cp -a "$T/state" "$T/yesterday"
    kill -CONT "$BROKER_PID"
}

t25_yesterday() {
    kill_hard "$BROKER_PID"
    rm -rf "$T/state"
    cp -a "$T/yesterday" "$T/state"
    state_broker
}

t25_follower() {
    local status=0
    drover foreach 'echo {}' <"$T/input" >"$T/follower" 2>"$T/follower.err" || status=$?
    echo "$status" >"$T/follower.status"
}

t25_runs() {
    pgrep -f "^sleep 7654.$seed" >/dev/null
}

t25_went_back() {
    local id other agent
    state_broker
    start_worker --slots 2
    wait_until workers_are 1
    agent=$(wait_for_part "$WORKER_PID" agent)
    mkfifo "$T/input"
    background t25_follower
    exec 8>"$T/input"
    printf '1\n2\n' >&8
    wait_until lines_in "$T/follower" 2
    t25_copy
    printf '3\n4\n' >&8
    wait_until lines_in "$T/follower" 4
    id=$(drover submit --quiet "exec sleep 7654.$seed; : {}" ::: 1)
    wait_until t25_runs

    # the broker comes back of yesterday, and there is new work before the worker is back
    kill -STOP "$agent"
    t25_yesterday
    exec 8>&-
    clients_ended 60
    same "$(cat "$T/follower.status")" 255 "status of who was given more than the broker knows"
    says "$T/follower.err" "the broker's state is older than"
    other=$(drover submit --quiet 'echo new {}' ::: 1 2)
    kill -CONT "$agent"
    wait_until t25_gone # nobody knows what it would be good for
    ends_with 0 timeout 60 drover wait "$other"
    same "$(drover results "$other" | sort)" $'new 1\nnew 2' "results of another batch under the number that was lost"
    grep -q "the state is older than what it gave out" "$T"/log/broker.*
    say "batch $id was lost with the state, batch $other came after it: found by a client and by a worker"
}

campaign_T25() {
    size CASES 10 10000
    unit_test test_state_damage "$CASES" "$(nproc)"
    t25_went_back
}

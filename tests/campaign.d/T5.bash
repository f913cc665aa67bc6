# T5: kill -9 of broker, worker agent, executor and client, in every combination, during a foreach
# shellcheck shell=bash disable=SC2154 # R and T are the library's
# Sizes: ROWS (commands of each foreach), ROUNDS (of all fifteen combinations), DEATHS (of agent,
# launcher, both, with and without cgroups, each).
# In the middle of it one task has left the five processes that are hardest to end: a child, one in a
# session of its own, a daemon that is deaf to TERM, and a double fork.

t5_evil() {
    # shellcheck disable=SC2016 # for the task's shell
    echo 'if [ {} = 3 ]; then (sleep 600 &); setsid sleep 600 & (setsid sh -c "trap : TERM; sleep 600; :" &); sleep 600 </dev/null >/dev/null 2>&1 & fi; sleep 0.01'
}

t5_client() {
    local status=0
    seq "$2" | drover foreach --json "$effect; $(t5_evil); echo {}" >"$R/$1.json" 2>"$T/log/$1.err" &
    echo "$!" >"$T/$1.pid"
    wait "$!" || status=$?
    case " $3 " in
    *" client "*) expect "$1" "$2" "$status" killed ;;
    *" executor "*) expect "$1" "$2" "$status" outcome ;;
    *) expect "$1" "$2" "$status" command ;;
    esac
}

# What is killed is killed in one go. Whoever is supervised in practice is started again.
t5_combination() {
    local name=$1 victims=$2 pids=() victim before
    # one whose agent dies too often gives up, and says so
    alive "$WORKER_PID" || start_worker --slots 2 --name w1
    wait_until workers_are 2
    before=$(wc -l <"$EFFECTS")
    background t5_client "$name" "$ROWS" "$victims"
    wait_until lines_in "$EFFECTS" $((before + ROWS / 3))
    for victim in $victims; do
        case $victim in
        broker) pids+=("$BROKER_PID") ;;
        agent) pids+=("$(wait_for_part "$WORKER_PID" agent)") ;;
        executor) pids+=("$(wait_for_part "$WORKER_PID" executor)") ;;
        client) pids+=("$(cat "$T/$name.pid")") ;;
        esac
    done
    kill -9 "${pids[@]}" || true # a client may just have ended
    case " $victims " in *" broker "*)
        wait "$BROKER_PID" 2>/dev/null || true
        state_broker --client-gone-after 1s --reattach-grace 3s
        ;;
    esac
    clients_ended 120
}

campaign_T5() {
    local bits names=(broker agent executor client) victims i round n=0 first
    size ROWS 100 10000
    size ROUNDS 1 1
    state_broker --client-gone-after 1s --reattach-grace 3s
    start_worker --slots 2 --name w0
    first=$WORKER_PID
    start_worker --slots 2 --name w1
    wait_until workers_are 2
    for ((round = 0; round < ROUNDS; round++)); do
        for ((bits = 1; bits < 16; bits++)); do
            victims=''
            for i in 0 1 2 3; do
                [ $((bits >> i & 1)) -eq 0 ] || victims+="${names[i]} "
            done
            n=$((n + 1))
            t5_combination "combination.$n" "${victims% }"
        done
    done
    say "$n combinations of ${names[*]}"
    # The evil tasks have left nothing once their batches are over.
    wait_until t5_nothing_naps
    end "$WORKER_PID" || true # one whose agent was just killed has nobody who could leave in order
    end "$first" || true
    kill_hard "$BROKER_PID"
    state_broker "${fast[@]}" --lost-after 1s --reattach-grace 1s
    t5_deaths
    check
}

# --- what a worker that dies leaves -------------------------------------------------------------------

t5_naps() {
    [ "$(pgrep -fc "sleep $naptime")" -ge "$1" ]
}

t5_none_naps() {
    ! pgrep -f "sleep $naptime" >/dev/null
}

# t5_death WHO LEVEL: a worker with five processes of a task is killed, in part or all but the executor.
t5_death() {
    local pids=() begun
    naptime=86400.$$$RANDOM
    # one that is lost again and again would be quarantined
    start_worker --slots 1 --name "victim.$naptime" --containment "$2"
    wait_until workers_are 1
    drover submit --at-most-once "(sleep $naptime &); setsid sleep $naptime &
        (setsid sh -c 'trap : TERM; sleep $naptime; :' &); sleep $naptime </dev/null >/dev/null 2>&1 &
        sleep $naptime; : {}" ::: 1 >/dev/null
    wait_until t5_naps 6
    case $1 in agent | both) pids+=("$(part_of "$WORKER_PID" agent)") ;; esac
    case $1 in launcher | both) pids+=("$WORKER_PID") ;; esac
    begun=$(now_ms)
    kill -9 "${pids[@]}"
    wait_until t5_none_naps
    took=$(($(now_ms) - begun))
    end "$WORKER_PID" || true
    unset 'started[-1]'
    wait_until workers_are 0 # the dead are given nothing more
}

t5_deaths() {
    local round who level took worst=0 levels=(subreaper)
    size DEATHS 1 17
    # where there are no cgroups, auto would be the same again
    [ -z "$(drover-worker --sweep --containment cgroup 2>&1)" ] && levels+=(cgroup)
    for ((round = 0; round < DEATHS; round++)); do
        for who in agent launcher both; do
            for level in "${levels[@]}"; do
                t5_death "$who" "$level"
                [ "$took" -le "$worst" ] || worst=$took
            done
        done
    done
    say "$DEATHS times agent, launcher and both, each with ${levels[*]}: nothing left after $worst ms at most"
}

t5_nothing_naps() {
    local pid
    for pid in $(marked_pids "DROVER_TEST_ID=$DROVER_TEST_ID"); do
        ! grep -qsz '^sleep' "/proc/$pid/cmdline" || return 1
    done
}

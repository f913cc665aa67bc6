# T31: under load for long, with a kill, pause or cut every few seconds: nothing is lost, nothing grows
# shellcheck shell=bash disable=SC2154 # R, T and clients are the library's
# Sizes: LASTS (seconds in all), EVERY (seconds between faults), ROUND (seconds of load, then all that
# was recorded is checked and forgotten, and what the processes have is noted).
# In the first half whoever may die is killed. In the second broker and workers live on, so that it
# shows what grows in them.

t31_ends=(kill_broker kill_agent kill_worker)
t31_survived=(pause_broker pause_agent pause_agent_long kill_executor kill_client cut hold hold_long)

t31_worker() {
    [ "$1" = far ] || { start_worker --slots 2 --name near && near=$WORKER_PID; }
    [ "$1" = near ] || { BROKER=$line start_worker --slots 2 --name far && far=$WORKER_PID; }
}

t31_pause() {
    kill -STOP "$1"
    sleep "$2" # the pause is what is tested
    kill -CONT "$1"
}

t31_kill_broker() {
    kill_hard "$BROKER_PID"
    state_broker "${t31_limits[@]}"
}
t31_kill_agent() { kill -9 "$agent"; }
t31_kill_worker() {
    kill_hard "$near"
    t31_worker near
}
t31_pause_broker() { t31_pause "$BROKER_PID" "$LONG"; }
t31_pause_agent() { t31_pause "$agent" "$SHORT"; }
t31_pause_agent_long() { t31_pause "$agent" "$LONG"; }
t31_kill_executor() { kill -9 "$(wait_for_part "$near" executor)" || true; } # it may have just ended
t31_kill_client() { ! alive "$(cat "$T/victim" 2>/dev/null)" || kill -9 "$(cat "$T/victim")" || true; }
t31_cut() { kill -USR1 "$relay"; }
t31_hold() {
    kill -USR2 "$relay"
    sleep "$SHORT" # no longer than a worker is waited for
    kill -USR2 "$relay"
}
t31_hold_long() {
    kill -USR2 "$relay"
    sleep "$LONG" # longer than that
    kill -USR2 "$relay"
}

# $agent is that of the near worker or of the far one.
t31_fault() {
    local kinds=("${t31_survived[@]}") kind agent workers=("$near" "$far")
    agent=$(wait_for_part "${workers[RANDOM % 2]}" agent)
    [ "$SECONDS" -ge "$half" ] || kinds+=("${t31_ends[@]}")
    kind=${kinds[RANDOM % ${#kinds[@]}]}
    echo "$kind" >>"$T/faults"
    echo "$((SECONDS - begun)) $kind" >>"$T/log/faults"
    "t31_$kind"
}

# Batches one after another, until the round is over.
t31_echo() {
    local n=0
    until [ -e "$T/over" ]; do
        n=$((n + 1))
        DROVER_BROKER=$3 echo_batch "$1.$n" "$2" --retries 5
        sleep 1 # others work on this machine
    done
}

t31_commands() {
    local n=0
    until [ -e "$T/over" ]; do
        n=$((n + 1))
        DROVER_BROKER=$3 command_batch "$1.$n" "$2" 'sleep 0.02' --retries 5
        sleep 0.5 # likewise
    done
}

t31_detached() {
    local n=0
    until [ -e "$T/over" ]; do
        n=$((n + 1))
        submit_batch "$1.$n" "$2" 'sleep 0.02' --retries 5
        [ -z "$SUBMITTED" ] || with_broker "$T/log/$1.err" timeout 300 drover wait "$SUBMITTED" >&2 || true
        sleep 0.5 # likewise
    done
}

# Clients that may be killed.
t31_victims() {
    local n=0 status
    until [ -e "$T/over" ]; do
        n=$((n + 1)) status=0
        seq 100 | drover foreach --json --retries 5 "$effect; sleep 0.05; echo {}" >"$R/victim.$n.json" 2>>"$T/log/victims" &
        echo "$!" >"$T/victim"
        wait "$!" || status=$?
        expect "victim.$n" 100 "$status" killed
        sleep 0.5 # likewise
    done
}

t31_note() {
    local at=$((SECONDS - begun)) worker agent
    echo "$at broker $BROKER_PID $(rss "$BROKER_PID") $(fds "$BROKER_PID")" >>"$T/samples"
    for worker in near far; do
        agent=$(wait_for_part "${!worker}" agent)
        echo "$at $worker-agent $agent $(rss "$agent") $(fds "$agent")" >>"$T/samples"
        echo "$at $worker-launcher ${!worker} $(rss "${!worker}") $(fds "${!worker}")" >>"$T/samples"
    done
    echo "$at processes $(marked_pids "DROVER_TEST_ID=$DROVER_TEST_ID" | wc -l) $(du -sk "$T/state" | cut -f1)" >>"$T/processes"
}

# What the round recorded is right, and of no more use.
t31_judge() {
    check >"$T/verdict" || {
        cat "$T/verdict"
        return 1
    }
    tail -n 2 "$T/verdict" >>"$T/verdicts"
    [ ! -e "$R/acknowledged" ] || cut -d' ' -f1 "$R/acknowledged" | xargs -n 50 drover forget --quiet
    rm -f "$R"/*
    touch "$EFFECTS"
}

t31_round() {
    local end=$((SECONDS + ROUND))
    rm -f "$T/over"
    background t31_echo echo.near 10000 "$listen"
    background t31_echo echo.far 5000 "$line"
    background t31_commands command.near 100 "$listen"
    background t31_commands command.far 50 "$line"
    background t31_detached detached 60
    background t31_victims
    while [ "$SECONDS" -lt "$end" ]; do
        sleep "$EVERY" # so often
        t31_fault
    done
    touch "$T/over"
    clients_ended 300
    settle
    wait_until workers_are 2
    t31_judge
    t31_note
}

campaign_T31() {
    local begun=$SECONDS half listen near far line relay rounds=0
    size LASTS 5 3600
    size EVERY 1 20
    size ROUND 4 60
    size SHORT 1 3
    size LONG 2 8
    half=$((begun + LASTS / 2))
    t31_limits=(--ping-every 500ms --suspect-after "$SHORT"s --lost-after "$((LONG - SHORT / 2 - 1))"s --client-gone-after 20s)
    state_broker "${t31_limits[@]}"
    start_job relay python3 "$parts/relay.py" "$T/port" "${listen##*:}"
    relay=$JOB_PID
    wait_until test -s "$T/port"
    line=tcp://127.0.0.1:$(cat "$T/port")
    t31_worker both
    wait_until workers_are 2
    while [ $((SECONDS - begun)) -lt "$LASTS" ]; do
        rounds=$((rounds + 1))
        t31_round
    done
    t31_report
}

t31_report() {
    say "$rounds rounds, $(wc -l <"$T/faults") faults: $(sort "$T/faults" | uniq -c | awk '{ printf "%s %s, ", $1, $2 }' | sed 's/, $//')"
    awk '/handles/ { h += $1; d += $3; c += $5 } /^ *seed/ { l += $3; u += $5; r += $7 }
        END { printf "   %d handles, %d results, %d commands run: %d lost, %d duplicate, %d re-executed\n", h, d, c, l, u, r }' "$T/verdicts"
    /usr/bin/python3 "$parts/slope.py" "$T/samples" | sed 's/^/   /'
    say "processes: $(sort -k3n "$T/processes" | awk 'NR == 1 { printf "%s", $3 } END { print " to " $3 }'), $(tail -n 1 "$T/processes" | cut -d' ' -f3) at the end; the state has $(tail -n 1 "$T/processes" | cut -d' ' -f4) KiB"
}

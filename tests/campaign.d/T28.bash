# T28: poison: tasks that kill their executor, their agent, or eat the memory they may have
# shellcheck shell=bash disable=SC2154,SC2016,SC2153 # R and T are the library's; $ is for the task
# Sizes: ROWS (good tasks of each batch), POISON (tasks that kill their agent).

# What a poison task does, as a script of its own: the executor is its parent, the launcher that of
# the executor, and the agent the launcher's child that has threads.
t28_scripts() {
    cat >"$T/kill-executor" <<'END'
#!/bin/bash
kill -9 "$PPID"
sleep 600
END
    cat >"$T/kill-agent" <<'END'
#!/bin/bash
launcher=$(awk '/^PPid:/ { print $2 }' "/proc/$PPID/status")
for pid in $(cat "/proc/$launcher/task/"*/children); do
    [ "$(ls "/proc/$pid/task" | wc -l)" -le 1 ] || kill -9 "$pid"
done
sleep 600
END
    cat >"$T/eat" <<'END'
#!/bin/bash
ulimit -v 200000
exec /usr/bin/python3 -c 'held = []
while True: held.append(bytearray(1 << 20))'
END
    chmod +x "$T/kill-executor" "$T/kill-agent" "$T/eat"
}

# t28_batch NAME POISON SCRIPT: the first tasks are poison, good ones behind them and beside them.
t28_batch() {
    local name=$1 poison=$2 status=0
    seq "$((poison + ROWS))" | drover foreach --json \
        "$effect; if [ {} -le $poison ]; then exec $T/$3; fi; sleep 0.05; echo {}" >"$R/$name.json" 2>"$T/log/$name.err" || status=$?
    expect "$name" "$((poison + ROWS))" "$status" outcome
    same "$status" "$poison" "$name: tasks that failed"
    t28_states "$R/$name.json" "$poison" >"$T/$name.states"
}

# The states of the poison tasks, and those of the others.
t28_states() {
    /usr/bin/python3 - "$1" "$2" <<'END'
import collections, json, sys
kinds = collections.Counter()
for line in open(sys.argv[1]):
    r = json.loads(line)
    if "task" in r:
        kinds["poison" if r["task"] <= int(sys.argv[2]) else "good", r["state"]] += 1
for (who, state), n in sorted(kinds.items()):
    print(who, state, n)
END
}

# runs NAME: the most often that a poison task, and any other one, was started.
t28_runs() {
    local batch
    batch=$(sed -n 's/.*"batch":\([0-9]*\),.*/\1/p' "$R/$1.json" | head -n 1)
    awk -v batch="$batch" -v poison="$2" '$1 == batch { n[$2]++ }
        END { for (t in n) { k = t <= poison; if (n[t] > most[k]) most[k] = n[t] }
              print most[1] + 0, most[0] + 0 }' "$EFFECTS"
}

t28_says() {
    local runs
    read -ra runs < <(t28_runs "$1" "$2")
    say "$1: $(tr '\n' ',' <"$T/$1.states" | sed 's/,$//; s/,/, /g'); a poison task ran at most ${runs[0]} times, another one at most ${runs[1]}"
    [ "${runs[0]}" -le "$3" ]
}

campaign_T28() {
    local i
    size ROWS 40 2000
    size POISON 1 5
    t28_scripts
    state_broker
    for i in 0 1 2; do
        start_worker --slots 2 --name "w$i"
    done
    wait_until workers_are 3

    t28_batch executor 3 kill-executor
    same "$(cat "$T/executor.states")" $'good done '"$ROWS"$'\npoison failed 3' "who kills its executor"
    t28_says executor 3 1

    t28_batch memory 3 eat
    same "$(cat "$T/memory.states")" $'good done '"$ROWS"$'\npoison failed 3' "who eats its memory"
    t28_says memory 3 1

    t28_batch agent "$POISON" kill-agent
    same "$(cat "$T/agent.states")" $'good done '"$ROWS"$'\npoison parked '"$POISON" "who kills its agent"
    t28_says agent "$POISON" 3
    check
}

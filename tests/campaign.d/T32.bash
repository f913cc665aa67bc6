# T32: tasks with ordering keys, and workers that are killed: per key in order, never two at once
# shellcheck shell=bash disable=SC2016,SC2154 # $ is for the task; T and seed are the library's
# Sizes: TASKS, KEYS, EVERY (seconds between two kills).
# A task locks the file of its key, which the system lets go of when its last process is gone, and
# writes its number behind those before it. Who finds the file locked says so.

t32_task='exec 9>>"$T32/{2}"; flock -n 9 || echo "{1} {2}" >>"$T32.overlaps"; echo {1} >&9; sleep 0.02'

t32_worker() {
    start_worker --slots 4 --name "w$((++born))"
    workers[$1]=$WORKER_PID
}

# An agent, whose launcher makes another one; or all of a worker, and another one comes.
t32_kill() {
    local i=$((RANDOM % ${#workers[@]}))
    kills=$((kills + 1))
    if [ $((RANDOM % 3)) -gt 0 ] && has_part "${workers[i]}" agent; then
        kill -9 "$(part_of "${workers[i]}" agent)" || true
    else
        kill_hard "${workers[i]}" || true
        t32_worker "$i"
    fi
}

t32_is_over() {
    drover wait --timeout 0.1s "$1" >/dev/null 2>&1 || [ $? -eq 1 ]
}

t32_judge() {
    local key again=0
    same "$(wc -l <"$T32.overlaps")" 0 "tasks that found another of their key"
    for key in "$T32"/*; do
        sort -n -c "$key"
        again=$((again + $(wc -l <"$key") - $(sort -u "$key" | wc -l)))
    done
    same "$(sort -u "$T32"/* | wc -l)" "$TASKS" "tasks that ran"
    say "$TASKS tasks over $KEYS keys, $kills kills: in order, never two of a key at once, $again run again"
}

campaign_T32() {
    local workers=() born=0 kills=0 id i
    size TASKS 60 10000
    size KEYS 6 100
    size EVERY 0.3 1
    export T32=$T/keys
    : >"$T32.overlaps"
    mkdir "$T32"
    state_broker --ping-every 100ms --suspect-after 500ms --lost-after 1s
    export DROVER_BROKER=$BROKER DROVER_INSECURE=1
    for i in 0 1 2; do t32_worker "$i"; done
    id=$(for ((i = 0; i < TASKS; i++)); do echo "$i,k$((RANDOM % KEYS))"; done |
        drover submit -C , --retries 3 --crash-limit 1000 --order-by '{2}' "$t32_task")
    until t32_is_over "$id"; do
        sleep "$EVERY" # so often
        t32_kill
    done
    t32_judge
}

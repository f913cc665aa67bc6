#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# While it runs: tasks that take no slot, a batch that is changed, the output of a running task.
load lib

setup() {
    drover_setup
    start_broker
    use_broker
}

submitted() {
    ends_with 0 drover submit "$@" || return 1
    id=$(cat "$T/out")
    [[ $id =~ ^[0-9]+$ ]]
}

# A gate: tasks that read a line of it go on when open_gate N lets N of them.
make_gate() {
    mkfifo gate && exec 5<>gate
}

open_gate() {
    printf '%*s' "$1" '' | tr ' ' '\n' >&5
}

lines_are() {
    [ "$(wc -l <"$1" 2>/dev/null)" = "$2" ]
}

worker_has() {
    drover worker list --json | grep -q "$1"
}

@test "a hundred tasks with --cpus 0 run beside the slots of one worker, and end together" {
    start_worker --name one
    make_gate
    submitted --cpus 0 'echo "$PARALLEL_JOBSLOT" >>started; read -r _ <gate; : {}' ::: $(seq 100)
    wait_until lines_are started 100
    same "$(sort -u started | wc -l)" 100
    worker_has '"io_busy":100'
    worker_has '"busy":0'
    ends_with 0 drover run true
    ends_with 0 drover cancel "$id"
    worker_has '"io_busy":0'
}

# One third ignores TERM, one third leaves a grandchild that does in a session of its own.
@test "a hundred and twenty tasks are cancelled at once, and gone when that is said" {
    start_worker --name one
    submitted --cpus 0 'case $(({} % 3)) in
        0) trap "" TERM ;;
        1) setsid sh -c "trap \"\" TERM; echo \$\$ >>left; while :; do sleep 100; done" & ;;
        esac
        echo x >>started; while :; do sleep 100; done' ::: $(seq 120)
    wait_until lines_are started 120
    wait_until lines_are left 40
    ends_with 0 drover cancel --grace 0.2s "$id"
    [[ $(cat "$T/err") =~ "120 tasks ended, gone after "([0-9.]+)" s" ]]
    local pid
    while read -r pid; do
        dead "$pid"
    done <left
    same "$(pgrep -c -g "$(paste -sd, left)")" 0
    worker_has '"io_busy":0'
    awk -v s="${BASH_REMATCH[1]}" 'BEGIN { exit s < 0.2 }'
}

@test "a worker runs no more of them than it says, nor than it has descriptors for" {
    start_worker --name one --io-tasks 3
    make_gate
    submitted --cpus 0 'echo x >>started; read -r _ <gate; : {}' ::: $(seq 10)
    wait_until lines_are started 3
    worker_has '"io_busy":3'
    worker_has '"io_tasks":3'
    open_gate 10
    ends_with 0 drover wait "$id"
    lines_are started 10
    end "$WORKER_PID" TERM
    start_job worker.few bash -c "ulimit -n 45; exec drover-worker --broker '$BROKER' --slots 2"
    submitted --cpus 0 'echo x >>again; : {}' ::: $(seq 50)
    ends_with 0 drover wait "$id"
    says "$T/log/worker.few" 'few descriptors'
    lines_are again 50
}

@test "set: the limit of tasks at one time, down and up, and the name" {
    start_worker --name one --slots 8
    make_gate
    submitted -j 4 'echo x >>started; read -r _ <gate; : {}' ::: $(seq 12)
    wait_until lines_are started 4
    ends_with 0 drover set "$id" jobs=1 name=less
    open_gate 3
    wait_until worker_has '"busy":1,'
    lines_are started 4
    ends_with 0 drover set @less jobs=0 priority=80 deadline=1h
    wait_until lines_are started 11 # three have ended, eight slots
    ends_with 0 drover list --json
    says "$T/out" '"jobs":0' '"priority":80'
    open_gate 9
    ends_with 0 drover wait "$id"
}

@test "set: what cannot be changed is said" {
    submitted 'true {}' ::: 1
    ends_with 2 drover set "$id"
    says "$T/err" 'jobs=N'
    ends_with 2 drover set "$id" colour=red
    says "$T/err" 'what can be set is jobs=N, priority=N, deadline=D, name=NAME'
    ends_with 2 drover set "$id" jobs=many
    ends_with 3 drover set 99 jobs=1
    ends_with 0 drover cancel "$id"
    ends_with 1 drover set "$id" jobs=1
    says "$T/err" "batch $id is over"
}

@test "logs: of a task that runs, and until it ends; a reader that is stopped holds up nobody" {
    start_worker --name one
    make_gate
    mkfifo unread && exec 6<>unread
    submitted ': {}; echo begin; echo oh >&2; read -r _ <gate; seq 100000; read -r _ <gate; echo end' ::: 1
    has_begun() { drover logs "$id.1" 2>/dev/null | grep -q begin; }
    wait_until has_begun
    wait_until one_is_said
    start_job follow sh -c "drover logs -f '$id.1' >followed 2>errors"
    wait_until grep -q begin followed
    open_gate 1
    wait_until grep -q 100000 followed
    start_job stopped sh -c "exec drover logs -f '$id.1' >unread"
    open_gate 1
    ends_with 0 drover wait "$id"
    wait_until grep -q end followed
    same_files followed <(echo begin; seq 100000; echo end)
    same "$(cat errors)" oh
    ends_with 0 drover logs "$id.1"
    same_files "$T/out" followed
    ends_with 0 drover logs --stderr "$id.1"
    same "$(cat "$T/out")" oh
}

one_is_said() {
    ends_with 0 drover logs "$id.1" --stderr && [ "$(cat "$T/out")" = oh ]
}

@test "logs: a task that waits, that is run again, and that is not there" {
    start_job follow sh -c 'until [ -s id ]; do sleep 0.05; done; drover logs -f "$(cat id).1"'
    submitted --retries 2 ': {}; echo "run $DROVER_ATTEMPT"; [ "$DROVER_ATTEMPT" = 2 ]' ::: 1
    echo "$id" >id
    start_worker --name one
    ends_with 0 drover wait "$id"
    wait_until grep -q 'run 2' "$T/log/follow"
    ends_with 3 drover logs "$id.2"
    says "$T/err" 'no such task'
    ends_with 3 drover logs 99.1
    ends_with 2 drover logs "$id"
    says "$T/err" 'which task'
}

# Peak of resident memory, in KiB.
peak_of() {
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}

@test "results that wait for the first one, or for a reader, take a file and no memory" {
    [ "${DROVER_SANITIZE:-no}" = no ] || skip "sanitizers take memory of their own"
    start_worker --name one
    make_gate
    mkfifo slow && exec 6<>slow
    start_job client drover foreach -k 'if [ {} = 1 ]; then read -r _ <gate; fi; head -c 12000000 /dev/zero; echo {} >>ended' ::: $(seq 6)
    local client=$JOB_PID
    wait_until lines_are ended 5
    [ "$(peak_of "$client")" -lt 65536 ]
    [ "$(peak_of "$BROKER_PID")" -lt 65536 ]
    open_gate 1
    wait "$client"
    same "$(wc -c <"$T/log/client")" 72000000
    start_job reader sh -c "exec drover foreach 'head -c 12000000 /dev/zero; echo {} >>read' ::: 1 2 3 4 5 6 >slow"
    wait_until test -e read
    sleep 0.3 # that nothing grows meanwhile is what is looked at
    [ "$(peak_of "$JOB_PID")" -lt 65536 ]
    [ "$(peak_of "$BROKER_PID")" -lt 65536 ]
}

# Processor time that a process has had, in hundredths of a second.
ticks_of() {
    local stat
    stat=$(cat "/proc/$1/stat")
    # shellcheck disable=SC2086 # its words
    set -- ${stat##*) }
    echo $((${12} + ${13}))
}

@test "a client that remembers as many values as it may rests until tasks have ended, and goes on" {
    local client ticks value
    start_worker --name one
    make_gate
    mkfifo in && exec 6<>in
    start_job client sh -c 'exec drover foreach --tag "read -r _ <gate; echo {#} >>ended" <in'
    client=$JOB_PID
    value=$(head -c 100000 /dev/zero | tr '\0' x)
    start_job values sh -c 'i=0; while [ $((i += 1)) -le 200 ]; do echo "$1"; done >in' - "$value"
    nearly_full() { drover list --json | grep -qE '"submitted":(1[67].|200),'; }
    wait_until nearly_full
    ticks=$(ticks_of "$client")
    sleep 1 # that it does nothing meanwhile is what is looked at
    [ "$(($(ticks_of "$client") - ticks))" -lt 50 ]
    alive "$JOB_PID" # there is more than was taken
    open_gate 200
    wait_until lines_are ended 200
    kill -TERM "$client"
    wait_until dead "$client"
}

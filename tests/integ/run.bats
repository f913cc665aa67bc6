#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# drover run: as if the program ran here.
load lib

@test "--cancel-fd: a descriptor tells the program before a signal does" {
    told() {
        ends_with 124 drover run --cancel-fd --timeout 1 --grace 10 sh -c \
            'trap "" TERM; read -r why <&$DROVER_CANCEL_FD; echo "told: $why"' &&
            same "$(cat "$T/out")" "told: timeout"
    }
    wait_until told
    refused 125 "asks drover_cancelled()" drover run --cancel-fd --function drover:echo x
}

@test "stdin, stdout, stderr and status pass through" {
    printf 'in\0put' >in
    ends_with 7 drover run -- sh -c 'cat; echo err >&2; exit 7' <in
    same_files "$T/out" in
    same "$(cat "$T/err")" err
}

@test "arguments arrive as they are, without a shell" {
    ends_with 0 drover run printf '<%s>' 'a b' '$HOME' '' $'x\ny' '*' "'" --cpus
    same "$(cat "$T/out")" "<a b><\$HOME><><x"$'\n'"y><*><'><--cpus>"
}

@test "a task killed by a signal gives 128+n" {
    ends_with 137 drover run sh -c 'kill -9 $$'
    ends_with 143 drover run sh -c 'kill -TERM $$'
}

@test "not found is 127, not executable 126, over the time limit 124" {
    refused 127 "nosuchprogram" drover run nosuchprogram
    refused 126 "/etc/passwd" drover run /etc/passwd
    refused 124 "time limit" drover run --timeout 0.3 sleep 30
}

@test "long stdin and stdout are not cut, and not held back for ever" {
    head -c 20000000 /dev/urandom >in
    ends_with 0 drover run cat <in
    same_files "$T/out" in
}

@test "output comes while the program runs" {
    mkfifo in
    start_job run sh -c 'exec drover run cat <in'
    exec 5>in
    echo one >&5
    wait_until says "$T/log/run" one
    echo two >&5
    wait_until says "$T/log/run" two
    exec 5>&-
    wait_until dead "$JOB_PID"
}

@test "a task that waits for stdin gets it while the broker is full" {
    start_broker --listen "ipc://$T/b" --queue-bytes 64K
    use_broker
    start_worker --slots 1
    mkfifo in
    exec 7<>in
    start_job run sh -c 'exec drover run -- head -1 <in'
    local run=$JOB_PID
    one_runs() { [ "$(drover status --json | sed 's/.*"busy":\([0-9]*\).*/\1/')" -eq 1 ]; }
    wait_until one_runs
    seq 100000 | sed 's/$/ and as many more bytes as fill a broker soon/' >rows
    # one client alone may not fill it
    start_job submit.1 drover submit --function drover:echo :::: rows
    local submit=$JOB_PID
    start_job submit.2 drover submit --function drover:echo :::: rows
    full() { [ "$(drover status --json | sed 's/.*"queue_bytes":\([0-9]*\).*/\1/')" -gt 65536 ]; }
    wait_until full
    echo hello >&7
    timeout 20 tail --pid "$run" -f /dev/null
    wait "$run"
    says "$T/log/run" hello
    exec 7>&-
    # with the slot free again they may have ended by themselves
    kill "$submit" "$JOB_PID" || true
    wait "$submit" "$JOB_PID" || true
}

@test "a program that reads nothing does not wait for stdin" {
    ends_with 3 drover run sh -c 'exit 3' < <(sleep 5)
}

@test "closed descriptors are no trouble" {
    drover run sh -c 'cat; echo x' <&- >"$T/out" 2>&1
    same "$(cat "$T/out")" x
    ends_with 4 sh -c 'drover run sh -c "echo x; exit 4" >&- 2>&-'
}

interruptible() {
    exec env --default-signal=INT,TERM,HUP,QUIT,USR1 "$@"
}

# ended STATUS: the job is over, with that status.
ended() {
    local got=0
    wait_until dead "$JOB_PID" || return 1
    wait "$JOB_PID" || got=$?
    same "$got" "$1" status
}

@test "signals reach the program" {
    local signal
    for signal in INT TERM HUP USR1; do
        rm -f ready
        start_job "run$signal" interruptible drover run bash -c \
            "trap 'echo got $signal; exit 9' $signal; touch ready; while :; do sleep 0.05; done"
        wait_until test -e ready
        kill "-$signal" "$JOB_PID"
        ended 9
        says "$T/log/run$signal" "got $signal"
    done
}

@test "Ctrl-C leaves no process, and is 130" {
    # no command in the foreground: dash forgets an INT that comes just as it starts one
    start_job run interruptible drover run sh -c 'sleep 100 & echo $$ >pid; wait'
    wait_until test -s pid
    kill -INT "$JOB_PID"
    ended 130
    dead "$(cat pid)"
}

@test "the second Ctrl-C kills a program that ignores the first" {
    start_job run interruptible drover run bash -c 'trap "touch first" INT; touch ready; while :; do sleep 0.05; done'
    wait_until test -e ready
    kill -INT "$JOB_PID"
    wait_until test -e first
    alive "$JOB_PID"
    kill -INT "$JOB_PID"
    ended 130
}

@test "what the program leaves running is killed" {
    ends_with 0 drover run bash -c '(setsid sh -c "echo \$\$ >pid; exec sleep 100" &) ; while [ ! -s pid ]; do sleep 0.02; done'
    dead "$(cat pid)"
}

@test "a setsid grandchild does not survive the time limit" {
    over_limit() {
        rm -f pid
        ends_with 124 drover run --timeout 1.5 --grace 0.3 bash -c \
            '(setsid sh -c "trap : TERM; echo \$\$ >pid; while :; do sleep 0.1; done" &) ; sleep 100' &&
            [ -s pid ]
    }
    wait_until over_limit
    dead "$(cat pid)"
}

@test "nothing lives when the client is killed" {
    start_job run drover run sh -c 'echo $$ >pid; exec sleep 100'
    wait_until test -s pid
    kill -KILL "$JOB_PID"
    wait_until dead "$(cat pid)"
}

@test "a function can be run" {
    ends_with 0 drover run --function drover:echo hello
    same "$(cat "$T/out")" hello
}

@test "more slots than processors are there for it alone" {
    ends_with 0 drover run --cpus 64 echo here
    same "$(cat "$T/out")" here
}

#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# drover foreach on a private broker: input, order, slots, exit status, limits, signals.
load lib

@test "each value is run once" {
    seq 300 | ends_with 0 drover foreach echo
    sort -n "$T/out" | same_files - <(seq 300)
    same "$(cat "$T/err")" "" stderr
}

@test "real files hash as with xargs" {
    find /usr/include -name '*.h' | head -n 400 >names
    ends_with 0 drover foreach sha256sum {} <names
    xargs sha256sum <names | sort >wanted
    sort "$T/out" | same_files - wanted
}

@test "-k prints in order of the input, stderr too" {
    ends_with 0 drover foreach -k -j 4 'sleep 0.{}; echo {}; echo e{} >&2' ::: 3 1 2 0
    same "$(paste -sd' ' "$T/out")" "3 1 2 0"
    same "$(paste -sd' ' "$T/err")" "e3 e1 e2 e0"
}

@test "without -k it prints in order of completion" {
    local n
    start_job foreach drover foreach -j 3 'until [ -e go-{} ]; do sleep 0.02; done; echo {}' ::: 6 3 0
    for n in 0 3 6; do
        touch "go-$n"
        wait_until grep -qx "$n" "$T/log/foreach"
    done
    wait_until dead "$JOB_PID"
    wait "$JOB_PID"
    same "$(printed foreach | paste -sd' ')" "0 3 6"
}

@test "all combinations of sources, and linked ones" {
    ends_with 0 drover foreach -k echo {1}{2} ::: a b ::: 1 2
    same "$(paste -sd' ' "$T/out")" "a1 a2 b1 b2"
    ends_with 0 drover foreach -k echo {1}{2} ::: a b :::+ 1 2
    same "$(paste -sd' ' "$T/out")" "a1 b2"
}

@test "the status is the number of failed tasks, 101 at most" {
    ends_with 0 drover foreach true ::: 1 2
    ends_with 2 drover foreach 'exit {}' ::: 0 1 2 0
    ends_with 1 drover foreach 'kill -9 $$; true' ::: 1
    seq 130 | ends_with 101 drover foreach 'false;'
}

@test "no input is no task, and no trouble" {
    ends_with 0 drover foreach echo </dev/null
    same "$(cat "$T/out")" ""
}

# The first three end only because all of them run.
@test "-j says how many run at one time" {
    mkdir running seen
    cat >count.sh <<'END'
touch running/$1 seen/$1
until [ -e seen/1 ] && [ -e seen/2 ] && [ -e seen/3 ]; do sleep 0.02; done
ls running | wc -l; sleep 0.02; rm running/$1
END
    seq 12 | ends_with 0 drover foreach -j 3 --timeout 60 sh count.sh
    same "$(sort -n "$T/out" | tail -n 1)" 3 "the most at one time"
}

@test "slot numbers are those of -j" {
    seq 20 | ends_with 0 drover foreach -j 2 --timeout 60 \
        'echo {%}; touch on-{}; until [ -e on-1 ] && [ -e on-2 ]; do sleep 0.02; done'
    same "$(sort -u "$T/out" | paste -sd' ')" "1 2"
}

@test "--tag begins each line with the value, also on stderr" {
    ends_with 0 drover foreach -k --tag 'echo x; echo y; printf z; echo e >&2; : ' ::: 'a b' c
    same "$(cat "$T/out")" "a b"$'\t'"x"$'\n'"a b"$'\t'"y"$'\n'"a b"$'\t'"zc"$'\t'"x"$'\n'"c"$'\t'"y"$'\n'"c"$'\t'"z"
    same "$(cat "$T/err")" "a b"$'\t'"e"$'\n'"c"$'\t'"e"
}

@test "--dry-run prints lines, runs nothing, needs no broker" {
    DROVER_BINDIR=/nonexistent ends_with 0 drover foreach --dry-run touch {} '&&' echo {#} ::: a 'b c'
    same "$(cat "$T/out")" "touch a && echo 1"$'\n'"touch 'b c' && echo 2"
    [ ! -e a ]
}

@test "the first task starts before the input ends" {
    mkfifo in
    start_job foreach drover foreach 'touch started-{}' :::: in
    exec 5>in
    echo 1 >&5
    wait_until test -e started-1
    echo 2 >&5
    wait_until test -e started-2
    exec 5>&-
    wait_until dead "$JOB_PID"
}

@test "--grace: TERM once, then KILL" {
    told() {
        ends_with 1 drover foreach --timeout 1 --grace 1 \
            ': {}; trap "echo term" TERM; while :; do sleep 0.05; done' ::: 1 &&
            same "$(cat "$T/out")" term
    }
    wait_until told
    refused 255 "too long: up to 1h" drover foreach --grace 2h echo ::: 1
}

@test "--timeout ends a task, the others go on, what it printed is printed" {
    cut_short() {
        ends_with 1 drover foreach -k --timeout 1 'echo {}; sleep {}; echo end' ::: 0 30 &&
            same "$(cat "$T/out")" "0"$'\n'"end"$'\n'"30"
    }
    wait_until cut_short
    says "$T/err" "time limit"
}

@test "functions take the value, and return the output" {
    seq 1000 | ends_with 0 drover foreach -k --function drover:echo
    same "$(cat "$T/out")" "$(seq 1000 | tr -d '\n')"
    refused 255 "drover foreach: " drover foreach --function nosuch:name ::: 1
}

@test "tasks see the caller's directory, environment and umask, and an empty stdin" {
    mkdir sub && cd sub
    umask 027
    export VALUE=$'two\nlines'
    echo caller | ends_with 0 drover foreach --shell /bin/sh 'pwd; umask; echo "$VALUE"; cat; true' ::: 1
    same "$(cat "$T/out")" "$T/work/sub"$'\n'"0027"$'\n'"$VALUE"
}

@test "tasks know their place" {
    ends_with 0 drover foreach -k -j 1 'echo $PARALLEL_SEQ $PARALLEL_JOBSLOT $DROVER_INDEX $DROVER_ATTEMPT {#}; :' ::: a b
    same "$(awk '{ print $1, $2, $5 }' "$T/out")" "1 1 1"$'\n'"2 1 2"
}

@test "the job shell can be chosen" {
    need bash
    ends_with 0 drover foreach --shell /bin/bash 'echo ${BASH_VERSION:+bash} {}' ::: 1
    same "$(cat "$T/out")" "bash 1"
    PARALLEL_SHELL=/bin/bash ends_with 0 drover foreach 'echo ${BASH_VERSION:+bash} {}' ::: 1
    same "$(cat "$T/out")" "bash 1"
}

@test "--summary is one line on stderr, --quiet none, also of both" {
    seq 4 | ends_with 0 drover foreach --summary -j 4 'sleep 0.1; echo'
    grep -qE '^drover: 4 tasks, 0 failed, 4 slots on 1 host: wall [0-9.]+ m?s, work [0-9.]+ m?s, speed-up [0-9.]+, efficiency [0-9]+ %, overhead [0-9.]+ [mu]?s/task$' "$T/err"
    same "$(grep -c ' tasks, 0 failed, ' "$T/err")" 1 "summaries on stderr" # advice may follow
    ends_with 0 drover foreach --summary --quiet echo ::: 1
    same "$(cat "$T/err")" ""
}

@test "failed tasks are named on stderr, the first ten of them, unless --quiet or --json" {
    ends_with 2 drover foreach -k 'echo e{} >&2; case {} in 1) exit 7;; 2) kill -9 $$;; esac' ::: 0 1 2 'a b'
    same "$(cat "$T/err")" "$(printf '%s\n' e0 e1 'drover foreach: task 2 (1): exit status 7' \
        e2 'drover foreach: task 3 (2): killed by signal 9 (KILL)' 'ea b')"
    seq 30 | ends_with 28 drover foreach -k 'test {} -le 2'
    same "$(grep -c ': exit status 1$' "$T/err")" 10
    same "$(tail -n 1 "$T/err")" "drover foreach: 18 more tasks failed; --json tells of each"
    ends_with 2 drover foreach --quiet false ::: 1 2
    same "$(cat "$T/err")" ""
    ends_with 2 drover foreach --json false ::: 1 2
    same "$(cat "$T/err")" ""
    ends_with 1 drover invoke true 'exit 3'
    same "$(cat "$T/err")" "drover invoke: task 2 (exit 3): exit status 3"
}

@test "--json is one object for each task" {
    ends_with 2 drover foreach -k --json 'printf "%s\n" {}; exit {#}' ::: 'a "b"' $'\377'
    need python3
    python3 - "$T/out" <<'END'
import base64, json, sys
one, two = [json.loads(line) for line in open (sys.argv[1])]
assert one["drover"] == 1 and one["task"] == 1 and one["values"] == ['a "b"'], one
assert one["stdout"] == 'a "b"\n' and one["state"] == "failed" and one["status"] == 1, one
assert base64.b64decode (two["stdout_base64"]) == b"\xff\n" and two["status"] == 2, two
assert two["values"] == [{"base64": "/w=="}] and "stdout" not in two, two
END
}

@test "memory stays small however long the input is" {
    local most
    mkfifo in
    start_job foreach drover foreach --function drover:echo :::: in
    exec 5>in
    seq 200000 >&5
    nearly() { [ "$(stat -c %s "$T/log/foreach")" -ge 1000000 ]; } # of 1088895 bytes
    wait_until nearly
    most=$(awk '/VmHWM/ { print $2 }' "/proc/$JOB_PID/status") # it waits for more
    exec 5>&-
    wait "$JOB_PID"
    [ "$most" -gt 0 ]
    [ "${DROVER_SANITIZE:-no}" != no ] || [ "$most" -lt 65536 ]
}

# The shell ignores INT in what it starts in the background.
interruptible() {
    exec env --default-signal=INT,TERM,HUP "$@"
}

@test "Ctrl-C ends the tasks, reports, and says 255" {
    start_job foreach interruptible drover foreach -j 2 'echo $$ >pid-{}; exec sleep 100{}' ::: 1 2 3
    wait_until test -s pid-1
    wait_until test -s pid-2
    kill -INT "$JOB_PID"
    wait_until dead "$JOB_PID"
    local status=0
    wait "$JOB_PID" || status=$?
    same "$status" 255
    says "$T/log/foreach" "drover foreach: interrupted: 0 of 3 tasks had ended"
    [ ! -e pid-3 ]
    dead "$(cat pid-1)"
}

@test "HUP starts nothing more, and what runs goes on to its end" {
    mkfifo gate-a gate-b
    start_job foreach interruptible drover foreach -k -j 2 'touch on-{}; cat gate-{}; echo {}' ::: a b c d
    wait_until test -e on-a
    wait_until test -e on-b
    kill -HUP "$JOB_PID"
    wait_until says "$T/log/foreach" "drover foreach: hung up: nothing more is started"
    : >gate-a
    : >gate-b
    wait_until dead "$JOB_PID"
    local status=0
    wait "$JOB_PID" || status=$?
    same "$status" 255
    same "$(grep -v hung "$T/log/foreach" | paste -sd' ')" "a b"
    says "$T/log/foreach" "drover foreach: hung up: 2 of 4 tasks had ended"
    [ ! -e on-c ]
}

@test "HUP when all tasks have started changes nothing, and Ctrl-C after it cancels" {
    mkfifo gate
    start_job foreach interruptible drover foreach 'touch on; cat gate; exit 3' ::: a
    wait_until test -e on
    kill -HUP "$JOB_PID"
    wait_until says "$T/log/foreach" "hung up"
    : >gate
    wait_until dead "$JOB_PID"
    local status=0
    wait "$JOB_PID" || status=$?
    same "$status" 1
    start_job second interruptible drover foreach -j 1 'echo $$ >pid; exec sleep 100{#}' ::: a b
    wait_until test -s pid
    kill -HUP "$JOB_PID"
    wait_until says "$T/log/second" "hung up"
    kill -INT "$JOB_PID"
    wait_until dead "$JOB_PID"
    status=0
    wait "$JOB_PID" || status=$?
    same "$status" 255
    dead "$(cat pid)"
}

@test "Ctrl-C twice does not wait for a task that will not end" {
    start_job foreach interruptible drover foreach \
        'trap "touch term-{}" TERM; touch on-{}; while :; do sleep 0.1; done' ::: 1
    wait_until test -e on-1
    kill -INT "$JOB_PID"
    wait_until test -e term-1
    kill -INT "$JOB_PID"
    wait_until dead "$JOB_PID"
    local status=0
    wait "$JOB_PID" || status=$?
    same "$status" 255
}

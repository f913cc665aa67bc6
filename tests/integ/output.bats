#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# Output of tasks comes through as it is: binary, large, small, none; and readers that go away.
load lib

@test "binary output is not changed" {
    head -c 300000 /dev/urandom >bytes
    ends_with 0 drover foreach cat ::: bytes
    same_files "$T/out" bytes
}

@test "no final newline, one byte, no byte" {
    ends_with 0 drover foreach -k printf {} ::: a '' b
    same "$(od -An -c "$T/out" | tr -d ' ')" ab
    ends_with 0 drover foreach 'printf "\\0"; true' ::: 1
    same "$(wc -c <"$T/out")" 1
}

@test "100 MiB of one task, between others" {
    ends_with 0 drover foreach -k -j 3 'head -c {} /dev/zero' ::: 3 104857600 5
    same "$(wc -c <"$T/out")" $((104857600 + 8))
    same "$(tr -d '\0' <"$T/out" | wc -c)" 0
}

@test "100 MiB on stderr, and in run" {
    ends_with 0 drover foreach 'head -c 104857600 /dev/zero >&2; echo {}' ::: x
    same "$(wc -c <"$T/err")" 104857600
    ends_with 0 drover run head -c 104857600 /dev/zero
    same "$(wc -c <"$T/out")" 104857600
}

@test "much output that waits for its turn goes to a file, and comes in order" {
    ends_with 0 drover foreach -k -j 4 'sleep 0.{}; head -c 8000000 /dev/zero | tr "\\0" {}' ::: 5 1 2 3
    same "$(wc -c <"$T/out")" 32000000
    same "$(tr -s 0-9 <"$T/out")" 5123
}

@test "stdout of a task comes before its stderr" {
    drover foreach -k 'echo err{} >&2; echo out{}' ::: 1 2 >"$T/both" 2>&1
    same "$(paste -sd' ' "$T/both")" "out1 err1 out2 err2"
}

@test "a reader that goes away ends it quietly" {
    seq 100000 | { drover foreach echo 2>"$T/err" || echo $? >"$T/status"; } | head -n 1 >"$T/out"
    same "$(wc -l <"$T/out")" 1
    same "$(cat "$T/err")" ""
    same "$(cat "$T/status")" 141
    { drover run yes 2>"$T/err" || echo $? >"$T/status"; } | head -n 1
    same "$(cat "$T/err")" ""
    same "$(cat "$T/status")" 141
}

@test "a full disk is said" {
    [ -w /dev/full ] || skip "needs /dev/full"
    local status=0
    drover foreach echo ::: 1 2 3 >/dev/full 2>"$T/err" || status=$?
    same "$status" 255
    says "$T/err" "cannot write"
    same "$(wc -l <"$T/err")" 1
    start_broker
    use_broker
    start_worker
    ends_with 0 drover submit echo ::: 1 2 3
    ends_with 0 drover wait last
    local command
    for command in "results last" "results -k last" "results --json last" "race --quiet pwd"; do
        status=0
        # shellcheck disable=SC2086 # its words
        drover $command >/dev/full 2>"$T/err" || status=$?
        same "$status" 125 "status of $command"
        says "$T/err" "drover ${command%% *}: cannot write to stdout: No space left on device"
        same "$(wc -l <"$T/err")" 1
    done
}

@test "a slow reader loses nothing" {
    drover foreach -k seq {}0000 ::: 1 2 3 | { sleep 0.5; cat; } >"$T/out" || true
    same "$(wc -l <"$T/out")" 60000
}

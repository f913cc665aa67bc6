#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# drover invoke: different command lines at the same time.
load lib

# Each line ends behind the one before it only because all of them run.
@test "all start at the same time, whatever the number of processors" {
    ends_with 0 drover invoke --timeout 60 'until [ -e b ]; do sleep 0.02; done; echo a; touch a' \
        'until [ -e c ]; do sleep 0.02; done; echo b; touch b' 'echo c; touch c'
    same "$(sort "$T/out" | paste -sd' ')" "a b c"
}

@test "each line is a line for the shell, and nothing in it is replaced" {
    ends_with 0 drover invoke -k 'echo {} {#} | tr "{" "("' "printf '%s\\n' \"a  b\""
    same "$(cat "$T/out")" "(} (#}"$'\n'"a  b"
}

@test "-j says how many at one time" {
    ends_with 0 drover invoke -j 1 'sleep 0.2; echo a' 'echo b'
    same "$(paste -sd' ' "$T/out")" "a b"
}

@test "with ::: it is a template" {
    ends_with 0 drover invoke -k echo x{}y ::: 1 2 3
    same "$(paste -sd' ' "$T/out")" "x1y x2y x3y"
    seq 5 >lines
    ends_with 0 drover invoke -k 'sleep 0.2; echo {}' :::: lines
    same "$(paste -sd' ' "$T/out")" "1 2 3 4 5"
}

@test "--tag shows the line" {
    ends_with 0 drover invoke --tag 'echo a'
    same "$(cat "$T/out")" "echo a"$'\t'"a"
}

@test "status as that of foreach" {
    ends_with 2 drover invoke 'exit 3' true 'exit 4'
    refused 255 "which command lines" drover invoke
    ends_with 0 drover invoke --dry-run 'echo a' 'echo b'
    same "$(cat "$T/out")" "echo a"$'\n'"echo b"
}

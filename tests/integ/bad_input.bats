#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# Bad input: one clear line on stderr, nothing on stdout, the documented status.
load lib

@test "no command, an unknown one, one of a later version" {
    ends_with 2 drover
    says "$T/err" "usage: drover COMMAND"
    refused 2 "did you mean 'foreach'" drover foreahc x
    refused 2 "there is no command 'gzip'" drover gzip x
    refused 2 "drover explain: not in this version" drover explain x
}

@test "options: unknown, without a value, with a bad one, of a later version" {
    refused 255 "--nope" drover foreach --nope echo ::: 1
    refused 255 "-j" drover foreach -j x echo ::: 1
    refused 255 "--timeout" drover foreach --timeout 5x echo ::: 1
    refused 255 "does not work yet" drover foreach --joblog log echo ::: 1
    refused 255 "does not work yet" drover foreach --pipe cat ::: 1
    refused 255 "-S is GNU Parallel's, and not in drover: connect workers" drover foreach -S host echo ::: 1
    refused 255 "leave it out" drover invoke --will-cite 'echo a'
    refused 2 "--plus is GNU Parallel's" drover submit --plus echo ::: 1
    refused 2 "--tag is an option of 'drover foreach'" drover submit --tag echo ::: 1
    refused 125 "--nope" drover run --nope true
    refused 125 "--timeout" drover run --timeout soon true
    refused 125 "what shall be run" drover run
    refused 2 "--nope" drover list --nope
    refused 2 "needs a value" drover list --state
    refused 2 "--state gone" drover list --state gone
    refused 2 "which batch" drover wait
    refused 2 "one of --all" drover wait 1 --any --all
    refused 2 "only --insecure" drover status --insecure=maybe
    refused 2 "start" drover broker
    refused 2 "drain" drover worker drain
}

@test "input that cannot be read" {
    refused 255 "cannot read /nonexistent" drover foreach -a /nonexistent echo
    refused 255 "/nonexistent" drover foreach echo :::: /nonexistent
    refused 255 "$T" drover foreach echo :::: "$T"
    refused 2 "/nonexistent" drover submit echo :::: /nonexistent
}

@test "a value that is too long" {
    head -c 2000000 /dev/zero | tr '\0' x >long
    ends_with 255 drover foreach echo :::: long
    same "$(wc -l <"$T/err")" 1
    head -c 200000 /dev/zero | tr '\0' x >long
    refused 255 "the command line of task 1 would have" drover foreach echo :::: long
    refused 255 "the system takes 131071" drover invoke :::: long
    refused 2 "the command line of task 1 would have" drover submit --dry-run echo :::: long
    head -c 1500 /dev/zero | tr '\0' "'" >quotes
    refused 255 "task 1 would have" drover foreach "$(printf 'echo {};%.0s' $(seq 50))" :::: quotes
    head -c 131060 /dev/zero | tr '\0' x >fits
    ends_with 0 drover foreach 'echo {}>o' :::: fits
    same "$(wc -c <o)" 131061
}

@test "the values of a task that are too many bytes are refused with the limit and their size" {
    for i in 1 2 3 4 5 6 7 8 9; do head -c 1000000 /dev/zero | tr '\0' x; echo; done >nine
    ends_with 0 drover foreach -N8 --quiet --function drover:echo :::: <(head -n 8 nine)
    refused 255 "task 1: the values of a task are 9000000 bytes long, the limit is 8388" \
        drover foreach -N9 --function drover:echo :::: nine
    head -c 1100000 /dev/zero | tr '\0' x >line
    refused 255 "line: line 1 is longer than 1048576 bytes" drover foreach --function drover:echo :::: line
}

@test "what the system of the worker cannot take together is said in words" {
    head -c 100000 /dev/zero | tr '\0' x >big
    export A B
    A=$(cat big) B=$A
    ulimit -S -s 1024 # a quarter of it for arguments and environment
    ends_with 1 drover foreach 'true {}' :::: big
    unset A B
    says "$T/err" "too long together"
}

@test "a broker that is not there" {
    refused 255 "tcp://127.0.0.1:1" drover foreach --broker tcp://127.0.0.1:1 --insecure echo ::: 1
    says "$T/err" "start one"
    refused 125 "ipc:///nonexistent/s" drover run --broker ipc:///nonexistent/s true
    refused 125 "tcp://127.0.0.1:1" drover ping --broker tcp://127.0.0.1:1 --insecure
    refused 125 "tcp://127.0.0.1:1" env DROVER_BROKER=tcp://127.0.0.1:1 DROVER_INSECURE=1 "$DROVER_BINDIR/drover" status
}

@test "commands that need somebody's broker say how to start one" {
    local command
    for command in "submit echo ::: 1" "wait 1" "results 1" "cancel 1" status list "info 1" ping "worker list" "worker drain w"; do
        # shellcheck disable=SC2086
        refused 125 "drover broker start" drover $command
        says "$T/err" "drover worker start"
    done
    refused 2 "--local" drover status --local
}

@test "a broker's name that is none" {
    refused 255 "nonsense" drover foreach --broker nonsense echo ::: 1
    refused 2 "nonsense" drover status --broker nonsense
    refused 2 "nonsense" drover submit --broker nonsense echo ::: 1
    refused 2 "nonsense" drover cancel --broker nonsense 1
    refused 125 "nonsense" drover run --broker nonsense true
    refused 255 "tcp://" drover foreach --broker tcp://host --insecure echo ::: 1
    refused 255 "may have 107" drover foreach --broker "ipc:///tmp/$(printf 'x%.0s' $(seq 120))" echo ::: 1
}

@test "tcp without --insecure, and to another host without =public" {
    refused 255 "no port" drover foreach --broker tcp://127.0.0.1:77777 --insecure echo ::: 1
    refused 255 "--insecure" drover foreach --broker tcp://127.0.0.1:7733 echo ::: 1
    refused 255 "--insecure=public" drover foreach --broker tcp://192.0.2.1:7733 --insecure echo ::: 1
    refused 2 "no port" drover broker start --listen tcp://127.0.0.1:77777 --insecure
    refused 255 "no port" drover foreach --broker tcp://localhost:x echo ::: 1
    refused 255 "host or port is missing" drover foreach --broker tcp://localhost echo ::: 1
    refused 2 "host or port is missing" drover-worker --broker tcp://localhost
    ends_with 78 drover broker start --listen tcp://127.0.0.1:0
    ends_with 78 drover broker start --listen tcp://0.0.0.0:0 --insecure
}

@test "DROVER_INSECURE has two values, and 0 for none" {
    export DROVER_INSECURE=yes
    refused 2 "DROVER_INSECURE=yes: set it to 1" drover ping --broker tcp://127.0.0.1:1
    refused 2 "DROVER_INSECURE=yes: set it to 1" drover broker start --listen tcp://127.0.0.1:0
    refused 2 "DROVER_INSECURE=yes: set it to 1" drover worker start --broker tcp://127.0.0.1:1
    DROVER_INSECURE=0
    refused 125 "needs keys" drover ping --broker tcp://127.0.0.1:1
    ends_with 78 drover broker start --listen tcp://127.0.0.1:0
    refused 78 "needs keys" drover worker start --broker tcp://127.0.0.1:1
    refused 2 "--insecure=1: say --insecure" drover broker start --listen tcp://127.0.0.1:0 --insecure=1
    refused 2 "--insecure=1: say --insecure" drover worker start --broker tcp://127.0.0.1:1 --insecure=1
    unset DROVER_INSECURE
}

@test "a port in use" {
    start_broker --listen tcp://127.0.0.1:0 --insecure
    ends_with 69 drover broker start --listen "$BROKER" --insecure
    says "$T/err" "in use"
}

@test "a command that is not found, or not executable" {
    ends_with 1 drover foreach nosuchcommand ::: 1
    says "$T/err" "not found"
    ends_with 1 drover foreach --json nosuchcommand ::: 1
    says "$T/out" '"status":127'
    ends_with 1 drover foreach --json /etc/passwd ::: 1
    says "$T/out" '"status":126'
}

@test "a directory that does not exist on the worker" {
    start_broker
    use_broker
    start_worker
    mkdir gone && cd gone
    drover foreach true ::: 1
    mkdir -p "$T/work/here"
    rmdir "$T/work/gone"
    ends_with 255 drover foreach true ::: 1
    says "$T/err" "directory"
    same "$(wc -l <"$T/err")" 1
}

@test "stdin that nobody can read" {
    ends_with 255 drover foreach echo < /
    same "$(wc -l <"$T/err")" 1
}

@test "help of every command is there without a terminal" {
    local command
    for command in foreach run invoke submit wait results cancel status list info ping broker worker help version; do
        ends_with 0 drover help "$command"
        says "$T/out" "usage: drover $command"
        ends_with 0 drover "$command" --help
        says "$T/out" "usage: drover $command"
    done
    refused 2 "no help for 'explain'" drover help explain
    ends_with 0 drover help worker list
    says "$T/out" "usage: drover worker start"
    for command in "broker start" "broker stop" "worker start" "worker drain" "module list"; do
        # shellcheck disable=SC2086 # its words
        ends_with 0 drover help $command
        says "$T/out" "usage: drover ${command% *}"
    done
    refused 2 "'gzip' is one too many" drover help worker gzip
    refused 2 "'x' is one too many" drover help worker list x
    ends_with 0 drover foreach -h
    says "$T/out" "usage: drover foreach"
    ends_with 0 drover --help
    ends_with 0 drover --version
    says "$T/out" "drover "
    ends_with 0 drover -V
    says "$T/out" "drover "
}

@test "results on a closed stdout end quietly" {
    start_broker
    use_broker
    start_worker
    local id status
    id=$(drover submit 'seq 1{}000' ::: 1 2 3 4 5 6 7 8 9)
    drover wait "$id"
    { drover results "$id" 2>"$T/err" || echo $? >"$T/status"; } | head -n 1
    same "$(cat "$T/err")" ""
    same "$(cat "$T/status")" 141
}

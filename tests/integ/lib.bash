# What every integration test starts from: `load lib` as the first line of a .bats file.
#
# Each test case gets folders of its own below $T (short names: a Unix socket's path has 107 bytes
# at most), programs from the build, no DROVER_ variable but DROVER_BINDIR, and a mark in its
# environment, DROVER_TEST_ID, that all its processes inherit, wherever they go. At its end
# everything it started by start_broker, start_worker or start_job is ended, and then the case fails
# if a marked process lives on, a file stayed in $XDG_RUNTIME_DIR or $TMPDIR, or a log says that a
# ZeroMQ socket was left dangling. When a case fails, the ends of the logs are shown.
#
#   $T/work  the current directory      $T/run  $XDG_RUNTIME_DIR      $T/log  logs, one a process
#   $T/home  $HOME                      $T/tmp  $TMPDIR
#
# A file that needs more calls drover_setup and drover_teardown in a setup and teardown of its own.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0
# shellcheck source=tests/marked.bash
. "$BATS_TEST_DIRNAME/../marked.bash"

: "${DROVER_BINDIR:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/build}"
export DROVER_BINDIR

# Seconds until a wait is given up. Reached only when something is broken.
deadline=30

drover_setup() {
    local variable
    if [ ! -x "$DROVER_BINDIR/drover" ]; then
        echo "no drover in $DROVER_BINDIR: build it, or set DROVER_BINDIR" >&2
        return 1
    fi
    for variable in ${!DROVER_@}; do
        case $variable in
        DROVER_BINDIR | DROVER_TEST_RUN | DROVER_SANITIZE) ;;
        *) unset "$variable" ;;
        esac
    done
    T=$(mktemp -d "${TMPDIR:-/tmp}/d.XXXXXX") || return 1
    mkdir "$T/work" "$T/home" "$T/log" "$T/tmp"
    mkdir -m 0700 "$T/run"
    export HOME=$T/home XDG_RUNTIME_DIR=$T/run TMPDIR=$T/tmp LC_ALL=C.UTF-8
    export DROVER_TEST_ID=$BATS_TEST_NUMBER.$$.$RANDOM$RANDOM
    export PATH=$DROVER_BINDIR:$PATH
    started=()
    cd "$T/work" || return 1
}

drover_teardown() {
    local bad=0 i left
    [ -n "${T:-}" ] || return 0
    for ((i = ${#started[@]} - 1; i >= 0; i--)); do
        end "${started[i]}" TERM >/dev/null || true
    done
    if ! marked_gone "DROVER_TEST_ID=$DROVER_TEST_ID" "$((deadline / 2))"; then
        echo "processes of this test are still alive:"
        marked_show "DROVER_TEST_ID=$DROVER_TEST_ID"
        marked_kill "DROVER_TEST_ID=$DROVER_TEST_ID"
        bad=1
    fi
    left=$(cd "$T" && find run tmp -mindepth 1 ! -path run/drover -print)
    if [ -n "$left" ]; then
        printf 'files of this test are still there:\n%s\n' "$left"
        bad=1
    fi
    if grep -qs "dangling '" "$T"/log/*; then
        echo "a ZeroMQ socket was left dangling:"
        grep -H "dangling '" "$T"/log/*
        bad=1
    fi
    if grep -qs ': runtime error: ' "$T"/log/*; then
        echo "UBSan reported:"
        grep -H -A 5 ': runtime error: ' "$T"/log/*
        bad=1
    fi
    if [ "$bad" -ne 0 ] || [ -z "${BATS_TEST_COMPLETED:-}" ]; then
        tail -n 25 "$T"/log/* 2>/dev/null || true
    fi
    cd / && rm -rf "$T"
    return "$bad"
}

setup() {
    drover_setup
}

teardown() {
    drover_teardown
}

# start_job NAME COMMAND...: run it in the background, its output in $T/log/NAME; JOB_PID is its pid.
# bats waits for whoever holds descriptor 3, so it is closed.
start_job() {
    local name=$1
    shift
    "$@" >"$T/log/$name" 2>&1 </dev/null 3>&- &
    JOB_PID=$!
    started+=("$JOB_PID")
}

# start_broker [OPTION]...: a shared broker, ready when this returns. Without a --listen among the
# options it serves a Unix socket of the test's own. Sets BROKER (its first endpoint), BROKER_PID,
# and BROKER_ENDPOINTS (a file with all endpoints, one a line).
start_broker() {
    local n=${#started[@]}
    BROKER_ENDPOINTS=$T/broker.$n.endpoints
    case " $* " in
    *" --listen"*) ;;
    *) set -- --listen "ipc://$T/b.$n" "$@" ;;
    esac
    start_job "broker.$n" drover-broker --endpoint-file "$BROKER_ENDPOINTS" "$@"
    BROKER_PID=$JOB_PID
    wait_until started_or_dead "$BROKER_PID" "$BROKER_ENDPOINTS" || return 1
    if [ ! -s "$BROKER_ENDPOINTS" ]; then
        echo "drover-broker $* ended before it was ready:"
        cat "$T/log/broker.$n"
        return 1
    fi
    BROKER=$(head -n 1 "$BROKER_ENDPOINTS")
}

# start_worker [OPTION]...: a worker of the broker in $BROKER, with two slots unless said otherwise.
# Sets WORKER_PID. Does not wait until the broker knows it.
start_worker() {
    local insecure=()
    case " $* " in *" --slots"*) ;; *) set -- --slots 2 "$@" ;; esac
    case " $* $BROKER" in
    *" --insecure"*) ;;
    *" tcp://"*) insecure=(--insecure) ;;
    esac
    start_job "worker.${#started[@]}" drover-worker --broker "$BROKER" "${insecure[@]}" "$@"
    # shellcheck disable=SC2034  # for the tests
    WORKER_PID=$JOB_PID
}

# printed NAME: what the job printed, without what drover has to say: for how long there was no worker
# is a matter of time.
printed() {
    grep -v '^drover ' "$T/log/$1"
}

# use_broker: all that drover does from here on goes to the broker in $BROKER.
use_broker() {
    export DROVER_BROKER=$BROKER
    case $BROKER in tcp://*) export DROVER_INSECURE=1 ;; esac
}

# alive PID: does it run? A zombie does not, unless threads of it are still on their way out: they
# may hold what it had open.
alive() {
    local stat threads
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    [ "${stat%% *}" != Z ] && return 0
    threads=("/proc/$1/task"/*)
    [ "${#threads[@]}" -gt 1 ]
}

dead() {
    ! alive "$1"
}

started_or_dead() {
    [ -s "$2" ] || dead "$1"
}

# end PID [SIGNAL]: send it (TERM), wait for the end, KILL at the deadline. The status is the
# process's own, 137 if it had to be killed. Only for what this shell started.
end() {
    local pid=$1
    kill -"${2:-TERM}" "$pid" 2>/dev/null || true
    if ! wait_until dead "$pid" >/dev/null; then
        echo "pid $pid did not end by ${2:-TERM}: killed"
        kill -KILL "$pid" 2>/dev/null || true
    fi
    wait "$pid" 2>/dev/null
}

# wait_until COMMAND...: repeat it until it succeeds. At the deadline: what it said last, status 1.
wait_until() {
    local last=$((SECONDS + deadline)) said
    until said=$("$@" 2>&1); do
        if [ "$SECONDS" -gt "$last" ]; then
            printf 'waited %d s in vain for: %s\n%s\n' "$deadline" "$*" "$said"
            return 1
        fi
        sleep 0.02
    done
}

# says FILE TEXT: the file has a line with that fixed text. For wait_until.
says() {
    grep -qsF -- "$2" "$1"
}

# same GOT WANTED [WHAT]: fail, with both, unless they are equal.
same() {
    [ "$1" = "$2" ] || {
        printf '%s differs\n  got:    %q\n  wanted: %q\n' "${3:-text}" "$1" "$2"
        return 1
    }
}

# same_files GOT WANTED: byte for byte.
same_files() {
    cmp -- "$1" "$2" && return 0
    diff -a -u -- "$2" "$1" | head -n 20
    return 1
}

# ends_with STATUS COMMAND...: its stdout in $T/out, its stderr in $T/err; fail unless the status is
# exactly that. A crash is never what was expected.
ends_with() {
    local wanted=$1 got=0
    shift
    "$@" >"$T/out" 2>"$T/err" || got=$?
    [ "$got" -eq "$wanted" ] && return 0
    printf 'status %d, not %d: %s\nstdout:\n%s\nstderr:\n%s\n' "$got" "$wanted" "$*" \
        "$(head -c 2000 "$T/out" | tr -d '\0')" "$(head -c 2000 "$T/err" | tr -d '\0')"
    return 1
}

# refused STATUS TEXT COMMAND...: ends_with STATUS, prints nothing on stdout, and exactly one line on
# stderr, with TEXT in it.
refused() {
    local wanted=$1 text=$2
    shift 2
    ends_with "$wanted" "$@" || return 1
    if [ -s "$T/out" ] || [ "$(wc -l <"$T/err")" -ne 1 ] || ! says "$T/err" "$text"; then
        printf 'not one clear line with "%s": %s\nstdout:\n%s\nstderr:\n%s\n' "$text" "$*" \
            "$(head -n 5 "$T/out")" "$(head -n 20 "$T/err")"
        return 1
    fi
}

# need COMMAND...: skip the case, in words, where one of them is not installed.
need() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || skip "needs $command"
    done
}

# need_root: skip the case for an ordinary user.
need_root() {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
}

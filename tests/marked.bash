# Finding and ending the processes that belong to a test, by a variable in their environment.
#
# A test's processes may have left its process group and session, and may have been adopted by
# somebody else: none of that changes what they were started with. Sourced by tests/driver and by
# tests/integ/lib.bash.
# shellcheck shell=bash

# marked_pids NAME=VALUE: the pids of the living processes that were started with it, one a line.
# A zombie has an empty environment, so it is not listed; nor is the process that looks.
marked_pids() {
    local file
    env -u "${1%%=*}" grep -slzxF -- "$1" /proc/[0-9]*/environ 2>/dev/null | while read -r file; do
        file=${file#/proc/}
        printf '%s\n' "${file%/environ}"
    done
}

# marked_gone NAME=VALUE SECONDS: wait until there are none; status 1 if some are left at the end.
marked_gone() {
    local end=$((SECONDS + $2))
    while [ -n "$(marked_pids "$1")" ]; do
        [ "$SECONDS" -le "$end" ] || return 1
        sleep 0.05
    done
}

# marked_show NAME=VALUE: one line for each of them, to say what was left behind.
marked_show() {
    local pid
    for pid in $(marked_pids "$1"); do
        printf '  pid %s: %s\n' "$pid" "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")"
    done
}

# marked_kill NAME=VALUE: kill -9 all of them, also those that they start meanwhile.
marked_kill() {
    local round pids
    for round in 1 2 3 4 5; do
        pids=$(marked_pids "$1")
        [ -n "$pids" ] || return 0
        # shellcheck disable=SC2086  # one word a pid
        kill -9 $pids 2>/dev/null
        sleep "0.$round"
    done
}

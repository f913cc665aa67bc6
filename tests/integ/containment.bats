#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2030,SC2031 # $ is for the task; each case is a shell of its own
# How a worker keeps the processes of its tasks together, and gets rid of all of them: as subreaper,
# and in cgroups where it was given one that it may divide.
load lib

setup() {
    drover_setup
    start_broker
    use_broker
}

teardown() {
    [ -z "${place:-}" ] || rm -rf "$place"
    [ ! -d "${mine:-}" ] || rmdir "$mine"
    drover_teardown
}

# The directory of the v2 cgroup of this shell.
cgroup_here() {
    local mount
    for mount in /sys/fs/cgroup /sys/fs/cgroup/unified; do
        if [ "$(stat -f -c %T "$mount" 2>/dev/null)" = cgroup2fs ]; then
            echo "$mount$(sed -n 's/^0:://p' /proc/self/cgroup)"
            return
        fi
    done
    return 1
}

need_cgroup() {
    own=$(cgroup_here) || skip "needs cgroup v2"
    [ -w "$own/cgroup.procs" ] || skip "needs a cgroup that it may divide"
    mkdir "$own/drover-test-$$" || skip "needs a cgroup that it may divide"
    local kill=no
    [ ! -e "$own/drover-test-$$/cgroup.kill" ] || kill=yes
    rmdir "$own/drover-test-$$"
    [ "$kill" = yes ] || skip "needs cgroup.kill"
}

# The cgroups of the worker with this pid.
cgroups_of() {
    find "${own:-$(cgroup_here)}" -maxdepth 1 -name "drover-*-$1-*" 2>/dev/null
}

level() {
    drover worker list --json | sed -n 's/.*"containment":"\([a-z]*\)".*/\1/p'
}

has_level() {
    [ "$(level)" = "$1" ]
}

# Processes of this test with a sleep of $naptime.
sleepers() {
    pgrep -fc "^sleep $naptime\$" || true
}

sleeping() {
    [ "$(sleepers)" -ge "$1" ]
}

none_sleeps() {
    [ "$(sleepers)" -eq 0 ]
}

# A task that starts $1 sessions that are nobody's children and deaf to TERM, then sleeps itself.
bomb() {
    naptime=86400.$$$RANDOM
    echo ": {}; trap '' TERM; for i in \$(seq $1); do (setsid sh -c 'sleep $naptime' </dev/null >/dev/null 2>&1 &); done; echo all >on; sleep $naptime"
}

@test "other levels are refused in one line" {
    refused 2 "this version does not have it" drover worker start --containment namespace
    refused 2 "auto, subreaper or cgroup" drover worker start --containment jail
    says <(drover-worker --help) "--containment"
}

@test "the subreaper alone, where that is asked for" {
    start_worker --containment subreaper
    wait_until has_level subreaper
    same "$(drover foreach ': {}; cat /proc/self/cgroup' ::: 1)" "$(cat /proc/self/cgroup)"
}

@test "a worker that must have cgroups and cannot does not start" {
    local cannot=(setpriv --no-new-privs)
    if [ "$(id -u)" -eq 0 ]; then
        unshare --mount true 2>/dev/null || skip "needs a mount namespace"
        cannot=(unshare --mount sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"' sh)
    elif own=$(cgroup_here) && [ -w "$own/cgroup.procs" ]; then
        skip "has a cgroup of its own"
    fi
    refused 71 "--containment cgroup: " "${cannot[@]}" drover-worker --containment cgroup
    start_job other "${cannot[@]}" drover-worker --broker "$BROKER" --slots 1
    wait_until has_level subreaper
    same "$(drover foreach echo ::: 1)" 1
}

@test "a task runs in a cgroup of its executor, and none of them stays" {
    need_cgroup
    start_worker --containment cgroup
    wait_until has_level cgroup
    local name
    name=$(drover foreach ': {}; sed -n s/^0:://p /proc/self/cgroup' ::: 1)
    [[ $name == */drover-*-$WORKER_PID-*/* ]]
    [ -n "$(cgroups_of "$WORKER_PID")" ]
    end "$WORKER_PID"
    same "$(cgroups_of "$WORKER_PID")" ""
}

@test "the private worker uses them as well, and leaves none" {
    need_cgroup
    local name
    name=$(drover foreach --local ': {}; sed -n s/^0:://p /proc/self/cgroup' ::: 1)
    [[ $name == */drover-*-*-*/* ]]
    name=${name%/*}
    [ ! -e "$own/${name##*/}" ]
}

@test "two hundred daemons deaf to TERM end with the time limit of their task" {
    local line
    line=$(bomb 200)
    naptime=${line##* }
    start_worker
    ends_with 1 drover foreach --timeout 1 "$line" ::: 1
    says "$T/err" "time limit"
    same "$(sleepers)" 0
    same "$(drover foreach echo ::: next)" next
}

@test "two hundred daemons deaf to TERM end with a cancel" {
    local line id
    line=$(bomb 200)
    naptime=${line##* }
    start_worker
    id=$(drover submit "$line" ::: 1)
    wait_until test -e on
    drover cancel --grace 200ms "$id"
    wait_until none_sleeps
    same "$(drover foreach echo ::: next)" next
}

@test "what a task leaves is ended with it" {
    local line
    line=$(bomb 20)
    naptime=${line##* }
    start_worker
    ends_with 0 drover foreach "${line%; sleep*}" ::: 1
    same "$(sleepers)" 0
}

@test "all of a worker killed at once: the next one ends what its tasks have left" {
    need_cgroup
    local line pids
    line=$(bomb 20)
    naptime=${line##* }
    start_worker
    wait_until has_level cgroup
    drover submit "$line" ::: 1 >/dev/null
    wait_until test -e on
    wait_until sleeping 21
    pids="$WORKER_PID $(pgrep -P "$WORKER_PID" | tr '\n' ' ')"
    # shellcheck disable=SC2086 # one word a pid
    kill -STOP $pids && kill -KILL $pids
    local dead_worker=$WORKER_PID
    BROKER=ipc://$T/nobody
    start_worker
    wait_until none_sleeps
    wait_until says "$T/log/worker.2" starting
    same "$(cgroups_of "$dead_worker")" ""
}

@test "a private worker ends what another has left in the same cgroup" {
    need_cgroup
    local line pids
    line=$(bomb 5)
    naptime=${line##* }
    start_job client drover foreach --local "$line" ::: 1
    wait_until test -e on
    wait_until sleeping 6
    local worker
    worker=$(pgrep -P "$JOB_PID" -f drover-worker)
    pids="$worker $(pgrep -P "$worker" | tr '\n' ' ')"
    # shellcheck disable=SC2086 # one word a pid
    kill -STOP $pids && kill -KILL $pids
    wait_until dead "$JOB_PID"
    same "$(drover foreach --local echo ::: 1)" 1
    wait_until none_sleeps
    same "$(drover foreach --local echo ::: 1)" 1 # the first does not wait long for their end
    same "$(cgroups_of "$worker")" ""
}

@test "an ordinary user has cgroups where some were delegated" {
    need_root
    need_cgroup
    local nobody=65534
    mine=$own/drover-test-$$
    mkdir "$mine"
    chown "$nobody" "$mine" "$mine/cgroup.procs"
    place=$(mktemp -d /tmp/d.XXXXXX) # $T is below folders of root
    chown "$nobody" "$place"
    ends_with 0 env -u DROVER_BROKER HOME="$place" XDG_RUNTIME_DIR="$place" TMPDIR="$place" sh -c '
        cd "$3" && echo $$ >"$1/cgroup.procs" &&
            exec setpriv --reuid "$2" --regid "$2" --clear-groups drover foreach --local \
                ": {}; sed -n s/^0:://p /proc/self/cgroup; id -u" ::: 1
    ' sh "$mine" "$nobody" "$place"
    rmdir "$mine"
    says "$T/out" "/drover-test-$$/drover-"
    says "$T/out" "$nobody"
}

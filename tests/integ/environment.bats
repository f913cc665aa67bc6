#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# What a program is started with: closed streams, few descriptors, no variables, no directory.
load lib

teardown() {
    [ -z "${foreign:-}" ] || rm -rf "$foreign"
    drover_teardown
}

# closed STREAMS COMMAND...: run it with these of its standard streams closed, as "02".
closed() {
    local streams=$1
    shift
    case $streams in *0*) exec 0<&- ;; esac
    case $streams in *1*) exec 1>&- ;; esac
    case $streams in *2*) exec 2>&- ;; esac
    exec "$@"
}

@test "a broker and a worker with closed streams, in each combination" {
    local streams url=ipc://$T/s
    for streams in 0 1 2 01 02 12 012; do
        (closed "$streams" drover-broker --listen "$url") >"$T/log/b" 2>&1 </dev/null 3>&- &
        started+=($!)
        (closed "$streams" drover-worker --broker "$url" --slots 1) >"$T/log/w" 2>&1 </dev/null 3>&- &
        started+=($!)
        wait_until drover ping --broker "$url" # the socket is there before it listens
        ends_with 0 drover foreach --broker "$url" 'cat; ls /proc/self/fd | tr "\n" " "; echo >&2 err; :' ::: 1
        same "$(cat "$T/out")" "0 1 2 3 " "descriptors of the task"
        same "$(grep -v '^drover ' "$T/err")" err
        end "${started[-1]}" TERM
        end "${started[-2]}" TERM
        same "$(cat "$T/log/b" "$T/log/w" | grep -c 'error')" 0
    done
}

@test "a client with closed streams: what it cannot write is an error, what it does not need is not" {
    local status=0
    (closed 0 drover foreach echo ::: 1) >"$T/out" 2>"$T/err"
    same "$(cat "$T/out")" 1
    (closed 2 drover foreach 'echo lost >&2; echo {}' ::: 1) >"$T/out" || true
    same "$(cat "$T/out")" 1
    (closed 012 drover foreach true ::: 1)
    (closed 01 drover foreach echo ::: 1) 2>"$T/err" || status=$?
    same "$status" 255
    same "$(wc -l <"$T/err")" 1
    says "$T/err" "Bad file descriptor"
}

@test "with few descriptors it runs fewer tasks at one time" {
    local n
    for n in 36 64; do
        (
            ulimit -n "$n"
            seq 100 | drover foreach -j 80 -k 'sleep 0.01; echo {}'
        ) >"$T/out"
        seq 100 | same_files "$T/out" -
    done
}

@test "nothing in the environment, and all signals blocked and ignored" {
    local py=/usr/bin/python3
    ends_with 0 env -i "DROVER_TEST_ID=$DROVER_TEST_ID" "XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR" "$DROVER_BINDIR/drover" foreach 'echo {}' ::: 1
    same "$(cat "$T/out")" 1
    need "$py"
    ends_with 0 "$py" -c 'import os, signal
for s in set(range(1, 32)) - {9, 19}:
    signal.signal(s, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
os.execvp("drover", ["drover", "foreach", "grep -E \"Sig(Blk|Ign)\" /proc/self/status; echo", ":::", "1"])'
    same "$(tr -d '\t ' <"$T/out" | paste -sd ' ')" "SigBlk:0000000000000000 SigIgn:0000000000000000 1"
}

@test "a directory of others in the place of the user's own is refused" {
    unset XDG_RUNTIME_DIR
    need_root
    need setpriv
    # a user of whom nobody has heard, so that no directory of his is there
    local id=$((3000000000 + $$)) dir
    dir=/tmp/drover-$id
    foreign=$dir
    as_user() { setpriv --reuid="$id" --regid="$id" --clear-groups env HOME=/ TMPDIR=/tmp "$@"; }
    chmod 711 "$T" "$T/work"
    as_user "$DROVER_BINDIR/drover" --version >/dev/null 2>&1 || skip "needs a build that other users can reach"
    mkdir -m 700 "$dir"
    refused 255 "belongs to another user" as_user drover foreach echo ::: 1
    refused 71 "belongs to another user" as_user drover-broker
    rmdir "$dir"
    ln -s /tmp "$dir"
    refused 255 "is not a directory" as_user drover foreach echo ::: 1
    refused 71 "is not a directory" as_user drover-broker
    rm "$dir"
    mkdir "$dir"
    chown "$id" "$dir"
    refused 71 "chmod 700" as_user drover-broker
    rmdir "$dir"
    refused 125 "no broker is running" as_user drover status
    [ ! -e "$dir" ]
}

@test "a runtime directory of somebody else, as after su, is passed over" {
    need_root
    need setpriv
    as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/ TMPDIR=/tmp "$@"; }
    cd /
    as_nobody "$DROVER_BINDIR/drover" --version >/dev/null 2>&1 || skip "needs a build that other users can reach"
    ends_with 0 as_nobody drover foreach echo ::: 1
    same "$(cat "$T/out")" 1
    refused 125 "$T/run/drover: Permission denied: set XDG_RUNTIME_DIR" as_nobody drover status
    refused 71 "cannot make $T/run/drover: Permission denied" as_nobody drover-broker
}

@test "output that finds no room on disk is an error, not a hang" {
    need_root
    mkdir small
    mount -t tmpfs -o size=256k none small 2>/dev/null || skip "needs to mount"
    local status=0
    ends_with 255 env TMPDIR="$T/work/small" drover foreach -k -j 4 \
        '[ {} != 1 ] || until [ -e go ]; do sleep 0.05; done; head -c 3000000 /dev/zero' ::: 1 2 3 4 || status=1
    umount small
    same "$status" 0
    says "$T/err" "No space left on device"
    same "$(wc -l <"$T/err")" 1
}

#!/usr/bin/env bats
# A real broker on a disk that is slow, full or broken (tests/integ/disk_shim.c): what cannot be kept is
# not promised, and nobody is given up or hung for it.
load lib

shim=$DROVER_BINDIR/tests/integ/.libs/disk_shim.so

setup() {
    drover_setup
    [ "${DROVER_SANITIZE:-no}" = no ] || skip "a sanitizer wants to be the first library"
    [ -e "$shim" ] || skip "needs $shim (make check)"
}

# disk WORDS: from now on it is like that.
disk() {
    echo "$1" >"$T/disk.new"
    mv "$T/disk.new" "$T/disk"
}

# start_broker on that disk.
start_on_disk() {
    disk ""
    rm -f "$T/endpoint"
    start_job "broker.0" env LD_PRELOAD="$shim" DROVER_TEST_DISK="$T/disk" drover-broker \
        --endpoint-file "$T/endpoint" --listen "ipc://$T/b" --state "$T/state" "$@"
    BROKER_PID=$JOB_PID BROKER=ipc://$T/b
    wait_until started_or_dead "$BROKER_PID" "$T/endpoint"
    use_broker
}

@test "a slow disk holds up what depends on it, and nobody is given up for it" {
    local said
    seq 20 >wanted
    for _ in 1 2 3; do # who stood still meanwhile is suspected rightly
        rm -rf "$T/state"
        start_on_disk --ping-every 50ms --suspect-after 250ms --lost-after 350ms
        start_worker
        wait_until says "$T/log/broker.0" "joined"
        disk "slow 400"
        drover foreach -k echo {} <wanted >got
        same_files got wanted
        disk ""
        said=$(grep -E "lost|suspect|gone|fenced" "$T/log/broker.0") || true
        end "$WORKER_PID"
        end "$BROKER_PID"
        [ -n "$said" ] || return 0
    done
    echo "$said"
    return 1
}

@test "on a full disk submissions are refused in words, reading goes on, and room is found by itself" {
    start_on_disk
    start_worker
    id=$(drover submit 'echo {}' ::: a b)
    drover wait "$id"
    disk full
    ends_with 125 timeout 20 drover submit 'echo {}' ::: c
    says "$T/err" "No space left on device"
    same "$(drover results "$id" | sort)" $'a\nb'
    says <(drover status) "No space left on device"
    says <(drover list) finished
    disk ""
    submitted() { drover submit 'echo {}' ::: d; }
    wait_until submitted
    drover wait last
    same "$(drover results last)" d
    end "$WORKER_PID"
}

# taken PID: it has no signal that it has not read.
taken() {
    grep -q '^ShdPnd:[[:space:]]*0*$' "/proc/$1/status"
}

@test "what is interrupted while the disk is full ends when there is room" {
    local foreach status=0
    start_on_disk
    start_worker
    start_job foreach drover foreach 'echo $$ >{}; exec sleep 100' ::: a b
    foreach=$JOB_PID
    wait_until test -s a
    wait_until test -s b
    drover status >/dev/null # so the broker has been told that there are no more tasks
    disk full
    ends_with 125 timeout 20 drover submit 'echo {}' ::: c
    kill -TERM "$foreach"
    wait_until taken "$foreach"
    drover status >status
    says status "No space left on device"
    disk ""
    wait_until dead "$foreach"
    wait "$foreach" || status=$?
    same "$status" 255
    dead "$(cat a)"
    dead "$(cat b)"
    end "$WORKER_PID"
}

@test "after a failed sync nothing that was acknowledged is missing" {
    start_on_disk
    start_worker
    id=$(drover submit 'echo {}' ::: a b)
    drover wait "$id"
    disk broken
    timeout 2 drover submit 'echo {}' ::: c || true
    disk ""
    submitted() { drover submit 'echo {}' ::: d; }
    wait_until submitted
    drover wait last
    same "$(drover results "$id" | sort)" $'a\nb'
    end "$WORKER_PID"
    end "$BROKER_PID" KILL || true
    start_on_disk
    same "$(drover results "$id" | sort)" $'a\nb'
    same "$(drover results last)" d
}

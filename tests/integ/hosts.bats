#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# A shared broker on tcp with several workers: lost ones, late ones, drained ones; other networks.
load lib

setup() {
    drover_setup
    start_broker --listen tcp://127.0.0.1:0 --insecure --lost-after 2s --suspect-after 1s --ping-every 300ms
    use_broker
}

both() {
    [ "$(drover worker list | grep -c ready)" = 2 ]
}

@test "two workers by hand, a batch from elsewhere: the hashes are those of xargs" {
    start_worker --name one
    start_worker --name two
    wait_until both
    find /usr/include -name '*.h' | head -n 400 >names
    ends_with 0 drover foreach sha256sum {} <names
    xargs sha256sum <names | sort >wanted
    sort "$T/out" | same_files - wanted
    local_count() { drover worker list --json | grep -c '"done":[1-9]'; }
    same "$(local_count)" 2 "workers that did something"
}

@test "one worker killed in the middle, a third joining late: no task lost, none twice" {
    local first
    start_worker --name one
    first=$WORKER_PID
    start_worker --name two
    wait_until both
    seq 300 >values
    start_job foreach drover foreach -k 'sleep 0.01; echo {}' :::: values
    local client=$JOB_PID
    wait_until says "$T/log/foreach" 20
    kill -KILL "$first"
    start_worker --name three
    wait_until dead "$client"
    wait "$client"
    printed foreach | same_files - values
}

@test "without a worker it says so after a while, and goes on when there is one" {
    start_job foreach drover foreach echo ::: 1
    local client=$JOB_PID
    wait_until says "$T/log/foreach" "no worker"
    same "$(wc -l <"$T/log/foreach")" 1
    start_worker
    wait_until dead "$client"
    same "$(tail -n 1 "$T/log/foreach")" 1
}

@test "a task too big for any worker is said at once" {
    start_worker
    list() { drover worker list | grep -q ready; }
    wait_until list
    start_job foreach drover foreach --cpus 64 echo ::: 1
    wait_until says "$T/log/foreach" "drover foreach: "
    kill -TERM "$JOB_PID"
    wait_until dead "$JOB_PID"
}

@test "-j holds over all workers" {
    start_worker --slots 4
    start_worker --slots 4
    mkdir running
    cat >count.sh <<'END'
touch running/$1; ls running | wc -l; sleep 0.05; rm running/$1
END
    seq 24 | ends_with 0 drover foreach -j 3 sh count.sh
    [ "$(sort -n "$T/out" | tail -n 1)" -le 3 ]
    seq 24 | ends_with 0 drover foreach -j 3 --timeout 60 \
        'touch on-{}; until [ -e on-1 ] && [ -e on-2 ] && [ -e on-3 ]; do sleep 0.02; done; echo {%};'
    same "$(sort -u "$T/out" | paste -sd' ')" "1 2 3" slots
}

@test "TERM to a worker in the middle: what runs is finished, the rest runs elsewhere" {
    start_worker --name one
    local first=$WORKER_PID
    start_worker --name two
    wait_until both
    seq 60 >values
    start_job foreach drover foreach -k 'sleep 0.05; echo {}' :::: values
    local client=$JOB_PID
    wait_until says "$T/log/foreach" 5
    end "$first" TERM
    wait_until dead "$client"
    wait "$client"
    printed foreach | same_files - values
}

@test "TERM to the broker in the middle: a clear error, and nothing left running" {
    start_worker
    start_job foreach drover foreach 'echo $$ >pid-{}; sleep 100' ::: 1 2
    local client=$JOB_PID status=0
    wait_until test -s pid-2
    end "$BROKER_PID" TERM
    wait_until dead "$client"
    wait "$client" || status=$?
    same "$status" 255
    says "$T/log/foreach" "drover foreach: "
}

@test "a client that is killed takes its tasks with it" {
    start_worker
    start_job foreach drover foreach 'echo $$ >pid-{}; exec sleep 100' ::: 1 2
    wait_until test -s pid-1
    wait_until test -s pid-2
    kill -KILL "$JOB_PID"
    deadline=25 wait_until dead "$(cat pid-1)"
    wait_until dead "$(cat pid-2)"
}

@test "run on a worker of the broker: streams, status, signals" {
    start_worker
    printf 'hello' >in
    ends_with 7 drover run -- sh -c 'cat; echo err >&2; exit 7' <in
    same_files "$T/out" in
    same "$(grep -v '^drover ' "$T/err")" err
}

@test "Ctrl-C of one client leaves the tasks of another alone" {
    start_worker --slots 4
    local id
    id=$(drover submit 'sleep 1; echo {}' ::: a b)
    start_job foreach env --default-signal=INT drover foreach 'touch on-{}; exec sleep 100' ::: 1 2
    wait_until test -e on-2
    kill -INT "$JOB_PID"
    wait_until dead "$JOB_PID"
    ends_with 0 drover results "$id" --follow -k
    same "$(paste -sd' ' "$T/out")" "a b"
}

# Three network namespaces on one bridge: the broker, and a worker and a client elsewhere.
namespaces() {
    local n
    ns=drover$$
    ip link add "$ns"br type bridge 2>/dev/null || skip "needs the right to make network namespaces"
    ip link set "$ns"br up
    for n in 1 2 3; do
        ip netns add "$ns$n" || skip "needs the right to make network namespaces"
        ip link add "${ns}v$n" type veth peer name eth0 netns "$ns$n"
        ip link set "${ns}v$n" master "$ns"br up
        ip -n "$ns$n" link show >/dev/null 2>&1 || skip "needs the right to enter network namespaces"
        ip -n "$ns$n" addr add "10.213.77.$n/24" dev eth0
        ip -n "$ns$n" link set eth0 up
        ip -n "$ns$n" link set lo up
    done
}

no_namespaces() {
    local n
    for n in 1 2 3; do
        ip netns del "$ns$n" 2>/dev/null || true
        ip link del "${ns}v$n" 2>/dev/null || true
    done
    ip link del "$ns"br 2>/dev/null || true
}

teardown() {
    drover_teardown
    local bad=$?
    [ -z "${ns:-}" ] || no_namespaces
    return "$bad"
}

@test "hosts with addresses of their own, in network namespaces" {
    need_root
    need ip
    namespaces
    start_job far-broker ip netns exec "${ns}1" drover-broker --listen tcp://10.213.77.1:7733 \
        --insecure=public --endpoint-file "$T/far"
    wait_until test -s "$T/far"
    export DROVER_BROKER=tcp://10.213.77.1:7733 DROVER_INSECURE=public
    start_job far-worker ip netns exec "${ns}2" drover-worker --slots 2 --name far
    ends_with 0 ip netns exec "${ns}3" "$DROVER_BINDIR/drover" foreach -k 'echo {}; ip -4 addr show eth0 | grep -o 10.213.77.2' ::: 1 2
    same "$(paste -sd' ' "$T/out")" "1 10.213.77.2 2 10.213.77.2"
}

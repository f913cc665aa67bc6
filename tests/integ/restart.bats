#!/usr/bin/env bats
# A broker with a state directory that is killed, or stopped, and started again: whoever works or
# waits goes on, nothing runs twice, nothing is lost.
# shellcheck disable=SC2030,SC2031  # each case is a shell of its own
load lib

setup() {
    deadline=$((2 * deadline))
    workers=()
    drover_setup
    start
    use_broker
}

# Workers leave before their broker: without it they would wait for it for a while.
teardown() {
    local pid
    for pid in "${workers[@]}"; do
        wait_until hurried "$pid" >/dev/null || true
    done
    drover_teardown
}

# hurried PID: one TERM lets running tasks finish, two do not.
hurried() {
    kill -TERM "$1" 2>/dev/null
    dead "$1"
}

add_worker() {
    start_worker "$@"
    workers+=("$WORKER_PID")
}

# start: the broker, on the state there is, where it was before. Frequent signs of life let its peers
# notice soon.
start() {
    start_broker --listen "ipc://$T/broker" --state "$T/state" --ping-every 200ms
}

kill_broker() {
    end "$BROKER_PID" KILL >/dev/null || true
}

restart() {
    kill_broker
    start
}

has_workers() {
    [ "$(drover worker list | grep -c ready)" -eq "$1" ]
}

# lines FILE N: the file has at least so many. For wait_until.
lines() {
    [ -e "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ]
}

# each_once FILE N: its lines are 1 to N, each once, in any order.
each_once() {
    sort -n "$1" | cmp - <(seq "$2") && return 0
    sort -n "$1" | uniq -c | awk '$1 != 1' | head
    return 1
}

# ended PID: its status, when it has ended; fails where it does not.
ended() {
    wait_until dead "$1" || return 99
    wait "$1"
}

@test "foreach goes on with a broker that is killed in its middle" {
    add_worker
    wait_until has_workers 1
    start_job foreach drover foreach 'echo {} >>ran; sleep 0.05; echo {}' ::: $(seq 40)
    local foreach=$JOB_PID n
    for n in 5 15 25; do
        wait_until lines ran $n
        restart
    done
    ended "$foreach"
    each_once ran 40
    each_once "$T/log/foreach" 40
}

@test "many small tasks go on through five kills, each delivered once" {
    add_worker
    wait_until has_workers 1
    mkfifo in
    start_job foreach sh -c 'drover foreach --function drover:echo <in >out'
    local foreach=$JOB_PID n
    exec 9>in
    for n in 1 2 3 4 5; do
        seq -f '%g.' $((n * 4000 - 3999)) $((n * 4000)) >&9
        wait_until test -s out
        restart 9>&-
    done
    exec 9>&-
    ended "$foreach"
    tr . '\n' <out >numbers
    each_once numbers 20000
}

@test "what runs is not run again, and what waits goes to a worker that joins meanwhile" {
    add_worker --slots 1
    wait_until has_workers 1
    start_job foreach drover foreach 'echo {} >>ran; while [ ! -e go ]; do sleep 0.02; done; echo {}' ::: 1 2 3 4
    local foreach=$JOB_PID
    wait_until lines ran 1
    restart
    add_worker --slots 3
    wait_until lines ran 4
    touch go
    ended "$foreach"
    each_once ran 4
}

@test "wait and results --follow go on" {
    add_worker
    wait_until has_workers 1
    local id
    id=$(drover submit 'echo {} >>ran; while [ ! -e go ]; do sleep 0.02; done; echo {}' ::: 1 2 3 4)
    wait_until lines ran 2
    start_job wait drover wait "$id"
    local wait=$JOB_PID
    start_job follow drover results --follow "$id"
    local follow=$JOB_PID
    wait_until sh -c "drover status | grep -q 'clients *[3-9]'"
    restart
    touch go
    ended "$wait"
    ended "$follow"
    each_once ran 4
    each_once "$T/log/follow" 4
}

@test "a submission that is cut in its middle arrives whole" {
    mkfifo in
    start_job submit sh -c 'drover submit --function drover:echo <in >id'
    local submit=$JOB_PID
    exec 9>in
    seq 1 3000 >&9
    wait_until sh -c "drover list | grep -q open"
    restart 9>&-
    seq 3001 6000 >&9
    exec 9>&-
    ended "$submit"
    add_worker
    ends_with 0 drover wait "$(cat id)"
    same "$(drover info "$(cat id)" --json | tr ',' '\n' | grep -c '"total": *6000')" 1
}

@test "a stop in order is waited out, and said once" {
    add_worker
    wait_until has_workers 1
    start_job foreach drover foreach 'echo {} >>ran; while [ ! -e go ]; do sleep 0.02; done; echo {}' ::: 1 2 3
    local foreach=$JOB_PID
    wait_until lines ran 2
    end "$BROKER_PID" TERM
    wait_until says "$T/log/foreach" "for it to come back"
    touch go
    start
    ended "$foreach"
    each_once ran 3
    same "$(grep -c "come back" "$T/log/foreach")" 1
    same "$(grep -c "^[123]$" "$T/log/foreach")" 3
}

@test "an idle worker that is stopped together with its broker leaves at once" {
    add_worker
    wait_until has_workers 1
    local since=$SECONDS
    kill -TERM "$WORKER_PID" "$BROKER_PID"
    ended "$BROKER_PID"
    ended "$WORKER_PID"
    [ $((SECONDS - since)) -lt 25 ] # of the 30 that --drain-timeout is
}

@test "run has its live input and output whole" {
    add_worker
    wait_until has_workers 1
    mkfifo in
    start_job run sh -c 'drover run -- sh -c "echo up >>ran; cat; echo end" <in >out'
    local run=$JOB_PID
    exec 9>in
    echo one >&9
    wait_until lines out 1
    restart 9>&-
    echo two >&9
    wait_until lines out 2
    restart 9>&-
    echo three >&9
    exec 9>&-
    ended "$run"
    same "$(cat out)" "$(printf 'one\ntwo\nthree\nend')"
    same "$(wc -l <ran)" 1
}

@test "a cancellation after the restart leaves no process" {
    add_worker
    wait_until has_workers 1
    local id
    id=$(drover submit 'echo {} >>ran; sleep 1000' ::: 1 2 3)
    wait_until lines ran 2
    restart
    ends_with 0 drover cancel "$id"
    ends_with 1 drover wait "$id"
    same "$(wc -l <ran)" 2
}

@test "what runs goes on behind the restart, though the rest was cancelled" {
    local id
    add_worker
    wait_until has_workers 1
    id=$(drover submit -j 1 'touch up-{}; until [ -e go ]; do sleep 0.02; done; echo {}' ::: 1 2 3)
    wait_until test -e up-1
    ends_with 0 drover cancel "$id" --state waiting
    restart
    wait_until has_workers 1 # it has been told what there is to tell
    sleep 0.3 # pause: in which it would be ended
    touch go
    ends_with 1 drover wait "$id"
    ends_with 1 drover results "$id"
    same "$(cat "$T/out")" 1
    says "$T/err" "2 tasks were cancelled"
}

@test "an interrupted client cancels when the broker is back" {
    add_worker
    wait_until has_workers 1
    start_job foreach drover foreach 'echo {} >>ran; sleep 1000' ::: 1 2 3
    local foreach=$JOB_PID status=0
    wait_until lines ran 2
    kill_broker
    kill -TERM "$foreach"
    start
    ended "$foreach" || status=$?
    same "$status" 255
    same "$(wc -l <ran)" 2
}

@test "a worker that is drained meanwhile gives back and leaves" {
    add_worker --slots 1
    local worker=$WORKER_PID
    wait_until has_workers 1
    start_job foreach drover foreach 'echo {} >>ran; while [ ! -e go ]; do sleep 0.02; done; echo {}' ::: 1 2 3
    local foreach=$JOB_PID
    wait_until lines ran 1
    kill_broker
    kill -TERM "$worker"
    start
    touch go
    wait_until dead "$worker"
    add_worker
    ended "$foreach"
    each_once ran 3
}

@test "an agent killed while the broker is away costs its tasks an attempt, and nothing else" {
    add_worker --slots 2
    wait_until has_workers 1
    start_job foreach drover foreach 'echo {} >>ran; while [ ! -e go ]; do sleep 0.02; done; echo {}' ::: 1 2
    local foreach=$JOB_PID
    wait_until lines ran 2
    kill_broker
    kill -KILL "$(pgrep -o -P "$WORKER_PID")"
    start
    touch go
    ended "$foreach"
    each_once "$T/log/foreach" 2
    same "$(wc -l <ran)" 4
}

# two_clients PID: somebody else is connected beside the one that asks, or PID has ended.
two_clients() {
    dead "$1" || [ "$(drover status --json | grep -oE '"clients": *[0-9]+' | tr -dc 0-9)" -ge 2 ]
}

@test "time limits of tasks, batches and waits hold while the broker is away" {
    add_worker --slots 3
    wait_until has_workers 1
    other=$(drover submit 'sleep {}' ::: 60)
    timed=$(drover submit --timeout 2 'echo >>timed; sleep {}' ::: 60)
    due=$(drover submit --deadline 2.5 'echo >>due; sleep {}' ::: 60)
    wait_until lines timed 1
    wait_until lines due 1
    start_job wait drover wait "$other" --timeout 3
    local wait=$JOB_PID status=0
    wait_until two_clients "$wait"
    kill_broker
    ended "$wait" || status=$?
    same "$status" 124
    start
    ends_with 1 drover wait "$due"
    ends_with 1 drover wait "$timed"
    ends_with 1 drover results --json "$due"
    says "$T/out" "over its deadline"
    ends_with 1 drover results --json "$timed"
    says "$T/out" '"state":"timeout"'
    same "$(cat timed due | wc -l)" 2
    ends_with 0 drover cancel --kill "$other"
}

@test "a broker that forgot everything is found out in words" {
    add_worker
    wait_until has_workers 1
    start_job foreach drover foreach 'echo {} >>ran; sleep 1000' ::: 1 2
    local foreach=$JOB_PID status=0
    wait_until lines ran 2
    kill_broker
    rm -r "$T/state"
    start
    ended "$foreach" || status=$?
    same "$status" 255
    says "$T/log/foreach" "older than what it acknowledged"
}

@test "a broker without state in its place is none" {
    add_worker
    wait_until has_workers 1
    start_job foreach drover foreach 'echo {} >>ran; sleep 1000' ::: 1 2
    local foreach=$JOB_PID status=0
    wait_until lines ran 2
    kill_broker
    start_broker --listen "ipc://$T/broker"
    ended "$foreach" || status=$?
    same "$status" 255
    says "$T/log/foreach" "lost this session"
}

@test "a worker in Python names what it has" {
    /usr/bin/python3 -c 'import msgpack, zmq' 2>/dev/null || skip "needs python3-zmq and python3-msgpack"
    start_job worker.py /usr/bin/python3 "${top_srcdir:-$BATS_TEST_DIRNAME/../..}/examples/worker.py" "$BROKER"
    wait_until sh -c "drover worker list | grep -q python-"
    seq -f 'row%g.' 3000 >in
    start_job foreach sh -c 'drover foreach -k --function py:upper <in >out'
    local foreach=$JOB_PID
    wait_until test -s out
    restart
    ended "$foreach"
    same "$(tr -d '\n' <out)" "$(tr -d '\n' <in | tr '[:lower:]' '[:upper:]')"
}

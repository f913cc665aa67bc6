#!/usr/bin/env bats
# A worker in another language, written from doc/PROTOCOL.md: examples/worker.py.
load lib

# The interpreter that sees the distribution's modules, which need not be the first in the path.
python=/usr/bin/python3

setup() {
    drover_setup
    "$python" -c 'import msgpack, zmq' 2>/dev/null || skip "needs python3-zmq and python3-msgpack"
    start_broker
    use_broker
}

start_python_worker() {
    start_job worker.py "$python" "${top_srcdir:-$BATS_TEST_DIRNAME/../..}/examples/worker.py" "$BROKER"
    wait_until has_worker python-
}

has_worker() {
    drover worker list | grep -q -- "$1"
}

@test "a worker in Python serves a batch" {
    start_python_worker
    ends_with 0 drover foreach -k --function py:upper ::: one two 'three four'
    same "$(cat "$T/out")" "ONETWOTHREE FOUR"
}

@test "it serves a thousand rows, each once" {
    start_python_worker
    seq -f 'row%g.' 1000 | ends_with 0 drover foreach -k --function py:upper
    same "$(cat "$T/out")" "$(seq -f 'ROW%g.' 1000 | tr -d '\n')"
}

@test "a row of a megabyte comes in parts" {
    start_python_worker
    head -c 1000000 /dev/zero | tr '\0' x >row
    ends_with 0 drover foreach --function py:upper <row
    tr x X <row | same_files "$T/out" -
}

@test "it gets no commands, and the other worker no functions that only it has" {
    start_python_worker
    start_worker
    wait_until has_worker "ready *2"
    ends_with 0 drover foreach echo ::: a b
    ends_with 0 drover foreach --function py:upper ::: a
    same "$(cat "$T/out")" "A"
}

@test "what it had when it was killed runs again" {
    start_python_worker
    kill -KILL "$JOB_PID"
    start_python_worker
    ends_with 0 drover foreach --function py:upper ::: a
    same "$(cat "$T/out")" "A"
}

@test "it leaves when it is drained" {
    start_python_worker
    local name status=0
    name=$(drover worker list | awk '/^python-/ { print $1 }')
    ends_with 0 drover worker drain "$name"
    wait_until dead "$JOB_PID"
    wait "$JOB_PID" || status=$?
    same "$status" 0
    ends_with 3 drover worker list
}

@test "it outlives its broker and serves the next" {
    start_python_worker
    local url=$BROKER worker=$JOB_PID
    end "$BROKER_PID" KILL || true
    start_broker --listen "$url"
    wait_until has_worker python-
    ends_with 0 drover foreach --function py:upper ::: a
    same "$(cat "$T/out")" "A"
    alive "$worker"
}

@test "it leaves at TERM" {
    start_python_worker
    end "$JOB_PID" TERM
    ends_with 3 drover worker list
}

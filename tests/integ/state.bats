#!/usr/bin/env bats
# The state directory of a real broker: kept over restarts, closed to others, one broker's at a time,
# and refused in words when something is wrong with it.
load lib

# restart [OPTION]...: the same broker again, on the same state and socket.
restart() {
    start_broker --listen "ipc://$T/b" --state "$T/state" "$@"
    use_broker
}

@test "a detached batch and its results outlive the broker, stopped or killed" {
    restart
    start_worker
    id=$(drover submit 'echo got {}' ::: a b c)
    drover wait "$id"
    end "$WORKER_PID"
    end "$BROKER_PID"
    restart
    same "$(drover results "$id" | sort)" $'got a\ngot b\ngot c'
    end "$BROKER_PID" KILL || true
    restart
    same "$(drover results "$id" | sort)" $'got a\ngot b\ngot c'
    grep -rq "restored state=.* batches=1 " "$T/log"
}

@test "status and the log say how durable it is" {
    restart
    says <(drover status) "durable"
    grep -q "state directory=.* durability=durable$" "$T"/log/broker.*
    run ! grep -q "memory only" "$T"/log/broker.*
    end "$BROKER_PID"
    restart --durability fast
    says <(drover status) "durable-fast"
}

@test "a second broker on the same state is refused, and told who has it" {
    restart
    refused 75 "pid $BROKER_PID" drover-broker --listen "ipc://$T/other" --state "$T/state"
}

@test "a directory that others can enter is refused" {
    mkdir -m 0755 state
    refused 78 "chmod 700" drover-broker --listen "ipc://$T/x" --state state
    chmod 700 state
    start_broker --state "$PWD/state"
    end "$BROKER_PID"
    chmod 640 state/state.db
    refused 78 "chmod 600" drover-broker --listen "ipc://$T/x" --state state
    refused 78 "nowhere" drover-broker --listen "ipc://$T/x" --state nowhere/state
}

@test "options that do not fit together" {
    refused 2 "--state" drover-broker --durability full
    refused 2 "--state" drover-broker --salvage
    refused 2 "memory" drover-broker --state x --durability memory
    refused 2 "fast" drover-broker --state x --durability fastest
    refused 2 "--keep-results" drover-broker --keep-results soon
    [ ! -e x ]
}

@test "a newer format is refused, an altered record is named, and salvage keeps the rest" {
    need sqlite3
    restart
    drover submit 'echo {}' ::: a b
    drover submit 'echo {}' ::: c d
    end "$BROKER_PID"
    sqlite3 "$T/state/state.db" 'UPDATE meta SET format = 2'
    refused 78 "format 2" drover-broker --listen "ipc://$T/b" --state "$T/state"
    sqlite3 "$T/state/state.db" 'UPDATE meta SET format = 1;
        UPDATE records SET body0 = zeroblob(length(body0)) WHERE batch = 2 AND kind = 18'
    refused 65 "batch 2" drover-broker --listen "ipc://$T/b" --state "$T/state"
    restart --salvage
    grep -q "salvage: batch=2 kept=.* lost=" "$T"/log/broker.*
    start_worker
    drover wait 1
    same "$(drover results 1 | sort)" $'a\nb'
    end "$WORKER_PID"
    end "$BROKER_PID"
    [ -e "$T/state/state.db.damaged-1" ]
}

# as_many_clients N: so many have a session, the one who asks among them. For wait_until.
as_many_clients() {
    drover status --json | grep -qF "\"clients\":$1,"
}

@test "who waits is told that the broker is away, and that it is back" {
    restart
    start_worker
    id=$(drover submit 'until test -e go; do sleep 0.05; done; echo {}' ::: a)
    start_job wait drover wait "$id"
    job=$JOB_PID
    wait_until as_many_clients 2
    end "$BROKER_PID"
    wait_until says "$T/log/wait" "was stopped; waiting up to 300 s for it to come back"
    restart
    wait_until says "$T/log/wait" "drover wait: the broker is back"
    : >go
    wait_until dead "$job"
    wait "$job"
    same "$(drover results "$id")" a
}

# T14: clients submit far more than the broker has room for; all of it is done, and others are answered
# shellcheck shell=bash disable=SC2154 # T is the library's
# Sizes: TASKS of 100 bytes; CLIENTS; LIMIT_MIB (of the broker's address space; 0: none); QUEUE and QUOTA (its
# own limits, in all and of a client); MOST_MIB of its memory.

# Never more unfinished than the broker has room for: what the same clients and workers can do.
t14_unloaded() {
    peers flood peers="$CLIENTS" tasks=$((TASKS / 5)) bytes=100 rows=1000 ahead=5000 >"$T/log/unloaded"
}

campaign_T14() {
    local peak unloaded loaded
    size TASKS 200000 10000000
    size CLIENTS 8 8
    size LIMIT_MIB 0 512
    size QUEUE 12M 192M
    size QUOTA 1M 16M
    size MOST_MIB 64 400
    need_peers
    start_broker --listen tcp://127.0.0.1:0 --insecure --queue-bytes "$QUEUE" --client-bytes "$QUOTA"
    [ "$LIMIT_MIB" -eq 0 ] || prlimit --pid "$BROKER_PID" --as=$((LIMIT_MIB << 20))
    use_broker
    start_worker --slots 2
    wait_until workers_are 1
    t14_unloaded
    start_peers ping ping every_us=5000
    peers flood peers="$CLIENTS" tasks="$TASKS" bytes=100 rows=1000 >"$T/log/flood"
    end "$PEERS_PID"
    peak=$(peak_rss "$BROKER_PID")
    unloaded=$(figure "$T/log/unloaded" rate) loaded=$(figure "$T/log/flood" rate)
    say "$TASKS tasks: each came back once; $(figure "$T/log/flood" opens) OPENs: $(figure "$T/log/flood" opened) taken, $(figure "$T/log/flood" busy) told BUSY; windows shut $(figure "$T/log/flood" shut) times"
    say "tasks a second: $unloaded when little waits, $loaded overloaded; ping p50 $(figure "$T/log/ping" p50_us) us, p99 $(figure "$T/log/ping" p99_us) us, at most $(figure "$T/log/ping" max_us) us"
    say "the broker's memory at most $peak KiB"
    [ $(($(figure "$T/log/flood" busy) + $(figure "$T/log/flood" shut))) -gt 0 ]
    [ "$peak" -le $((MOST_MIB * 1024)) ]
}

# T10: bad lines: 1 mbit/s, 5 and 20 % loss, 200 ms delay, a reset every second
# shellcheck shell=bash disable=SC2154 # T, R, parts, tier and seed are the library's
# Not with --ci: slow lines are slow.
# Sizes: CALLS and COMMANDS over each line; MIB over the one of 1 mbit/s; LOSS (percents).
#
# Rate and loss are those of the loopback of a network namespace that is the test's own; an ordinary
# user needs a user namespace for that, and where there is none these lines are left out.

# NET: how a command gets into the namespace.
t10_net() {
    local own=() into=(-n)
    [ "$(id -u)" -eq 0 ] || { own=(-r) into=(-U --preserve-credentials -n); }
    start_job net unshare "${own[@]}" -n sh -c 'ip link set lo up mtu 1500 && echo ready && exec sleep 100000'
    wait_until t10_net_or_not
    says "$T/log/net" ready || return 1
    NET=(nsenter -t "$JOB_PID" "${into[@]}")
}

t10_net_or_not() {
    says "$T/log/net" ready || dead "$JOB_PID"
}

# What runs in the namespace, found before the real programs.
t10_programs() {
    local program
    mkdir "$T/bin"
    for program in drover drover-broker drover-worker; do
        printf '#!/bin/sh\nexec %s "%s" "$@"\n' "${NET[*]}" "$DROVER_BINDIR/$program" >"$T/bin/$program"
        chmod +x "$T/bin/$program"
    done
    PATH=$T/bin:$PATH
}

# A batch of each kind over whatever line there is; nobody is given up for it.
t10_work() {
    local begun
    begun=$(now_ms)
    echo_batch "echo.$1" "$CALLS"
    command_batch "command.$1" "$COMMANDS"
    say "$1: $CALLS calls and $COMMANDS commands in $(($(now_ms) - begun)) ms"
}

t10_none_lost() {
    ! grep -H ' lost worker=' "$T"/log/broker.*
}

# t10_relay NAME OPTION...: worker and client are behind lines of their own.
t10_relay() {
    local name=$1 shared=$BROKER
    shift
    start_line "line.$name.worker" "$@"
    BROKER=$LINE start_worker --name "$name"
    wait_until workers_are 1
    start_line "line.$name.client" "$@"
    DROVER_BROKER=$LINE t10_work "$name"
    end "$WORKER_PID"
    BROKER=$shared
    t10_none_lost
}

t10_loss() {
    local percent
    start_worker --name loss
    wait_until workers_are 1
    for percent in $LOSS; do
        "${NET[@]}" iptables -w -A INPUT -i lo -m statistic --mode random \
            --probability "$(printf '0.%02d' "$percent")" -j DROP
        t10_work "loss.$percent"
        "${NET[@]}" iptables -w -F INPUT
    done
    end "$WORKER_PID"
    t10_none_lost
}

# The client's line alone: its rows are 1,000 bytes, what comes back is little.
t10_narrow() {
    local begun ms rows=$((MIB * 1048)) done_rows
    BROKER=ipc://$T/narrow start_worker --name narrow
    wait_until workers_are 1
    "${NET[@]}" tc qdisc add dev lo root tbf rate 1mbit burst 16kb latency 500ms
    begun=$(now_ms)
    yes "$(printf 'x%.0s' {1..995})" | head -n "$rows" | drover foreach --json ': {}' >"$T/narrow.json"
    ms=$(($(now_ms) - begun))
    "${NET[@]}" tc qdisc del dev lo root
    done_rows=$(grep -c '"state":"done"' "$T/narrow.json")
    same "$done_rows" "$rows" "tasks that were done"
    say "1 mbit/s: $MIB MiB of tasks in $ms ms, $((rows * 1000 * 8 * 100 / ms / 1000)) % of the line"
    end "$WORKER_PID"
    t10_none_lost
}

campaign_T10() {
    size CALLS 2000 20000
    size COMMANDS 20 300
    size MIB 1 4
    size LOSS 20 "5 20"
    need unshare nsenter
    if t10_net && "${NET[@]}" iptables -w -L >/dev/null 2>&1; then
        t10_programs
        state_broker --listen "ipc://$T/narrow"
        t10_loss
        t10_narrow
        PATH=${PATH#*:}
        end "$BROKER_PID"
    else
        say "no network namespace with iptables here: loss and rate are left out"
    fi
    state_broker # the same, so that no batch has the number of another
    t10_relay delay --delay-ms 100
    t10_relay reset --reset-ms 1000
    check --reexecuted-max 0
}

# T7: the network is cut, both ways or one, while everything is on its way, and heals
# shellcheck shell=bash disable=SC2154 # R, T, tier and fast are the library's
# Sizes: CUTS, LENGTHS (seconds each, in turn).
#
# Three network namespaces: the broker and a worker in one, another worker and a client each in one of
# their own. A cut is a queue without room at one end of a cable, so that packets vanish in one direction
# and nobody is told. Who is cut, which way, and when is chance.

t7_network() {
    local n
    net=drover$$
    for n in hub far client; do
        ip netns add "$net$n" || return 1
        ip -n "$net$n" link set lo up
    done
    t7_cable far 10.213.78
    t7_cable client 10.213.79
}

t7_cable() {
    ip -n "${net}hub" link add "$1" type veth peer name eth0 netns "$net$1" || return 1
    ip -n "${net}hub" addr add "$2.1/24" dev "$1"
    ip -n "${net}hub" link set "$1" up
    ip -n "$net$1" addr add "$2.2/24" dev eth0
    ip -n "$net$1" link set eth0 up
}

undo() {
    local n
    for n in hub far client; do
        ip netns del "$net$n" 2>/dev/null
    done
}

# The programs, each in the namespace that $where names. What start_job starts keeps its pid.
drover-broker() {
    exec ip netns exec "${net}hub" "$DROVER_BINDIR/drover-broker" "$@" --insecure=public
}
drover-worker() {
    exec ip netns exec "$net$where" "$DROVER_BINDIR/drover-worker" "$@" --insecure=public
}
drover() {
    ip netns exec "$net$where" "$DROVER_BINDIR/drover" "$@"
}

# t7_cut ON|OFF WHO HOW: packets of WHO's cable vanish: `both` ways, on their way `in` to the broker, or `out`.
t7_cut() {
    local word=add
    [ "$1" = on ] || word=del
    if [ "$3" != out ]; then
        t7_queue "$word" "$2" eth0
    fi
    if [ "$3" != in ]; then
        t7_queue "$word" hub "$2"
    fi
}

t7_queue() {
    if [ "$1" = add ]; then
        tc -n "$net$2" qdisc add dev "$3" root pfifo limit 0
    else
        tc -n "$net$2" qdisc del dev "$3" root
    fi
}

t7_rounds() {
    local n=0
    where=client
    until [ -e "$T/over" ]; do
        n=$((n + 1))
        "$1" "$2.$n" "$3"
    done
}

t7_commands() {
    command_batch "$1" "$2" 'sleep 0.02'
}

# What the worker beyond the cable has done.
t7_far_done() {
    drover worker list --json | sed -n '/"name":"far/s/.*"done":\([0-9]*\).*/\1/p' | awk '{ n += $1 } END { print n + 0 }'
}

t7_far_works() {
    [ "$(t7_far_done)" -ne "$1" ]
}

campaign_T7() {
    local i who how length lengths healed before took worst=0 kinds=''
    size CUTS 1 50
    size LENGTHS 2 "1 5 30"
    need_root
    need ip tc
    where=hub
    # shellcheck disable=SC2034 # state_broker reads it
    listen=tcp://10.213.78.1:7734
    if ! t7_network 2>"$T/log/network"; then
        undo
        skip "needs the right to make network namespaces"
    fi
    state_broker --listen tcp://10.213.79.1:7734 --ping-every 200ms --suspect-after 600ms --lost-after 1500ms \
        --client-gone-after 100s
    export DROVER_INSECURE=public
    start_worker --name near
    where=far start_worker --name far
    where=hub
    wait_until workers_are 2

    DROVER_BROKER=tcp://10.213.79.1:7734 background t7_rounds t7_commands command 200
    DROVER_BROKER=tcp://10.213.79.1:7734 background t7_rounds echo_batch echo 5000
    # shellcheck disable=SC2153 # size makes it
    read -r -a lengths <<<"$LENGTHS"
    for ((i = 0; i < CUTS; i++)); do
        wait_until t7_far_works "$(t7_far_done)"
        sleep "0.$((RANDOM % 900 + 100))" # the moment is chance
        who=far how=both length=${lengths[i % ${#lengths[@]}]}
        if [ "$tier" != ci ]; then
            [ $((RANDOM % 4)) -ne 0 ] || who=client
            case $((RANDOM % 3)) in 0) how=in ;; 1) how=out ;; esac
        fi
        t7_cut on "$who" "$how"
        sleep "$length" # the cut is what is tested
        before=$(t7_far_done)
        t7_cut off "$who" "$how"
        healed=$(now_ms)
        wait_until workers_are 2
        wait_until t7_far_works "$before"
        took=$(($(now_ms) - healed))
        [ "$took" -le "$worst" ] || worst=$took
        kinds+="$who $how $length s: $took ms; "
    done
    touch "$T/over"
    clients_ended 120
    say "$kinds"
    say "$CUTS cuts; until the worker beyond had done something again: $worst ms at most"
    check
}

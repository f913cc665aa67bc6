# T4: the disk of the state is full, and has room again
# shellcheck shell=bash disable=SC2154 # R and T are the library's
# Sizes: ROUNDS. Needs root, for a small tmpfs.

undo() {
    ! mountpoint -q "$T/state" || umount -l "$T/state"
}

t4_storage() {
    [ "$(field storage)" = ok ]
}

t4_fill() {
    dd if=/dev/zero of="$T/state/ballast" bs=64K >/dev/null 2>&1 || true
}

campaign_T4() {
    local i begun
    size ROUNDS 1 20
    need_root
    mkdir -m 0700 "$T/state"
    mount -t tmpfs -o size=16m,mode=0700 none "$T/state" 2>/dev/null || skip "needs to mount a tmpfs"
    state_broker
    start_worker --slots 2
    wait_until workers_are 1
    for ((i = 1; i <= ROUNDS; i++)); do
        background command_batch "command.$i" 200 'sleep 0.02'
        wait_until lines_in "$EFFECTS" $(((i - 1) * 200 + 40))
        t4_fill
        # a submission now is refused or waits; what is acknowledged holds
        timeout 3 bash -c 'seq 50000 | drover submit "echo {}" >/dev/null 2>&1' || true
        rm "$T/state/ballast"
        begun=$(now_ms)
        wait_until t4_storage
        submit_batch "submit.$i" 50
        [ -n "$SUBMITTED" ]
        say "room again: accepted after $(($(now_ms) - begun)) ms"
        clients_ended 120
    done
    settle
    check --reexecuted-max 0
}

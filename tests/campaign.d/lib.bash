# shellcheck shell=bash disable=SC2154 # top, parts, tier, keep and seed are the runner's
# What every test of the campaign starts from. A test TN is a file TN.bash with a function
# campaign_TN, run under set -e; its first line says what it is.
#
# Folders, processes and waiting are those of the integration tests (tests/integ/lib.bash). What the
# checker needs is kept in $T/record, as tests/campaign.d/check.py says: `effects` by the tasks, and
# for each handle (a foreach, or one reading of a detached batch) NAME.json, what was delivered, and
# NAME.done, what was to be expected.

BATS_TEST_DIRNAME=$top/tests/integ
BATS_TEST_NUMBER=campaign
bats_require_minimum_version() {
    :
}
skip() {
    echo "   skipped: $*"
    exit 77
}
# shellcheck source=tests/integ/lib.bash
. "$BATS_TEST_DIRNAME/lib.bash"

campaign_setup() {
    drover_setup
    # What takes long here is long in the campaign, too.
    # shellcheck disable=SC2034 # lib.bash reads it
    deadline=60
    mkdir "$T/record"
    R=$T/record
    touch "$R/effects"
    export EFFECTS=$R/effects
    campaign_done=''
    clients=()
    # shellcheck disable=SC2034 # for the tests
    fast=(--ping-every 200ms --suspect-after 600ms --lost-after 2s)
}

# Whatever happens: no process and no file is left. A failed test shows its logs.
campaign_teardown() {
    local status=$? bad=0 pid
    set +eE
    trap - EXIT
    undo
    for pid in "${clients[@]}"; do
        kill -9 "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    BATS_TEST_COMPLETED=$campaign_done
    if [ "$keep" = yes ] && [ -z "$campaign_done" ] && [ "$status" -ne 77 ]; then
        echo "   kept: $T.kept"
        cp -a "$T" "$T.kept"
    fi
    [ "$status" -ne 77 ] || BATS_TEST_COMPLETED=1
    drover_teardown || bad=1
    [ -n "$campaign_done" ] || [ "$status" -ne 0 ] || status=1
    [ "$bad" -eq 0 ] || status=1
    exit "$status"
}

# For tests that change more than their folder: they define it again.
undo() {
    :
}

# size NAME CI CAMPAIGN: the variable NAME becomes one of the two, unless it is set already.
size() {
    local name=$1 value=$2
    [ "$tier" = ci ] || value=$3
    [ -n "${!name:-}" ] || printf -v "$name" %s "$value"
}

say() {
    printf '   %s\n' "$*"
}

now_ms() {
    local us=${EPOCHREALTIME/[.,]/}
    echo "${us%???}"
}

# peers ROLE [NAME=NUMBER]...: many peers of $BROKER in one process (tests/campaign.d/peers).
# start_peers LOG ROLE [NAME=NUMBER]...: in the background, until the test ends; PEERS_PID.
peers() {
    local role=$1
    shift
    "$DROVER_BINDIR/tests/campaign.d/peers/peers" "$role" "$BROKER" "$@"
}

start_peers() {
    local log=$1 role=$2
    shift 2
    start_job "$log" "$DROVER_BINDIR/tests/campaign.d/peers/peers" "$role" "$BROKER" "$@"
    # shellcheck disable=SC2034 # for the tests
    PEERS_PID=$JOB_PID
}

need_peers() {
    [ -x "$DROVER_BINDIR/tests/campaign.d/peers/peers" ] ||
        skip "needs libczmq-dev, and make check TESTS="
}

# start_line LOG [OPTION]...: a relay to $BROKER that is a bad line (line.py). Sets LINE, to be used
# instead of $BROKER, and LINE_PID.
start_line() {
    local log=$1
    shift
    start_job "$log" /usr/bin/python3 "$parts/line.py" "$T/$log.port" "${BROKER##*:}" "$@"
    LINE_PID=$JOB_PID
    wait_until started_or_dead "$LINE_PID" "$T/$log.port"
    # shellcheck disable=SC2034 # for the tests
    LINE=tcp://127.0.0.1:$(cat "$T/$log.port")
}

# figure FILE NAME: the number behind the last NAME= of its lines.
figure() {
    sed -n "s/.*\<$2=\([0-9]*\).*/\1/p" "$1" | tail -n 1
}

# The same broker again and again, on one port and one state: start, kill -9, restart.
state_broker() {
    listen=${listen:-tcp://127.0.0.1:0}
    start_broker --listen "$listen" --insecure --state "$T/state" "$@"
    listen=$BROKER
    # the first one started is the last one ended: workers say goodbye to it
    unset 'started[-1]'
    started=("$BROKER_PID" "${started[@]}")
    use_broker
}

kill_hard() {
    kill -9 "$1"
    wait "$1" 2>/dev/null || true
    wait_until dead "$1"
}

# background COMMAND...: a client of the test, a function of its own. They are ended with the test.
background() {
    "$@" 3>&- 2>>"$T/log/clients.err" &
    clients+=("$!")
}

# clients_ended [SECONDS]: all of them, by themselves.
clients_ended() {
    local pid
    for pid in "${clients[@]}"; do
        wait_until_s "${1:-600}" dead "$pid"
        wait "$pid" || true
    done
    clients=()
}

# wait_until_s SECONDS COMMAND...: wait_until, with a limit of its own.
wait_until_s() {
    local deadline=$1
    shift
    wait_until "$@"
}

# Where tasks say that they run: one write, so that lines never mix. Then their output.
# shellcheck disable=SC2016 # for the task's shell
effect='echo "$DROVER_BATCH $DROVER_INDEX $DROVER_ATTEMPT $$" >>"$EFFECTS"'

# expect NAME ROWS STATUS KIND: what the checker is to find in NAME.json. KIND: echo (functions that
# give their value back), command (the same, with an effect each), outcome (an effect each, the
# output is not looked at), killed (whoever read it was killed: no more than a part).
expect() {
    echo "rows=$2 status=$3 kind=$4" >"$R/$1.done"
}

# with_broker LOG COMMAND...: again while no broker listens at all, or a stopped one does not answer;
# else the status is COMMAND's. A client that begins between a kill and the restart is refused in
# words, which is as it should be: those of the campaign then have nothing acknowledged, and begin
# again.
with_broker() {
    local log=$1 status
    shift
    while :; do
        status=0
        "$@" 2>"$log" || status=$?
        says "$log" "no broker listens" || says "$log" "no broker answered" || return "$status"
        sleep 0.1
    done
}

# echo_batch NAME ROWS [OPTION]...: ROWS calls of drover:echo. command_batch NAME ROWS [COMMAND
# [OPTION]...]: the same as commands, COMMAND between effect and output.
echo_batch() {
    local status=0
    with_broker "$T/log/$1.err" foreach_of "$1" "$2" "${@:3}" --function drover:echo || status=$?
    expect "$1" "$2" "$status" echo
}

command_batch() {
    local status=0
    with_broker "$T/log/$1.err" foreach_of "$1" "$2" "${@:4}" "$effect; ${3:-:}; echo {}" || status=$?
    expect "$1" "$2" "$status" command
}

foreach_of() {
    local name=$1 rows=$2
    shift 2
    seq "$rows" | drover foreach --json "$@" >"$R/$name.json"
}

# submit_batch NAME ROWS [COMMAND [OPTION]...]: a detached one. What was acknowledged is in $R/acknowledged;
# SUBMITTED is its number, empty if it was refused.
submit_batch() {
    SUBMITTED=''
    with_broker "$T/log/$1.err" submit_of "$@" >"$T/$1.id" || {
        echo "$1 $?" >>"$R/refused"
        return 0
    }
    SUBMITTED=$(cat "$T/$1.id")
    echo "$SUBMITTED $2 $1" >>"$R/acknowledged"
}

submit_of() {
    seq "$2" | drover submit --name "$1" "${@:4}" "$effect; ${3:-:}; echo {}"
}

# Every acknowledged detached batch comes to its end, and is read by two handles.
settle() {
    local id rows name n status
    [ -e "$R/acknowledged" ] || return 0
    while read -r id rows name; do
        timeout 300 drover wait "$id" >/dev/null 2>>"$T/log/settle.err" || true
        for n in 1 2; do
            status=0
            timeout 100 drover results --json "$id" >"$R/$name.$n.json" 2>>"$T/log/settle.err" || status=$?
            expect "$name.$n" "$rows" "$status" command
        done
    done <"$R/acknowledged"
}

# cancelled BATCH: its cancellation was acknowledged just now; no execution may be recorded later.
cancelled() {
    echo "$1 $(stat -c %s "$EFFECTS")" >>"$R/cancelled"
}

# check [OPTION]...: the one checker. Its last line is said; its findings too, if there are any.
# check_records RECORD...: the same for several, one a broker.
check() {
    check_records "$@" "$R"
}

check_records() {
    /usr/bin/python3 "$parts/check.py" --seed "$seed" "$@" | sed 's/^/   /'
    return "${PIPESTATUS[0]}"
}

# fds PID: how many descriptors it has. rss PID: KiB.
fds() {
    find "/proc/$1/fd" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l
}

rss() {
    awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"
}

# The most that it had at one time, KiB.
peak_rss() {
    awk '/^VmHWM:/ { print $2 }' "/proc/$1/status"
}

# field NAME: of `drover status --json`.
field() {
    drover status --json | sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

# workers_are N [STATE]: so many are in that state. For wait_until.
workers_are() {
    [ "$(drover worker list --json 2>/dev/null | grep -c "\"state\":\"${2:-ready}\"")" -eq "$1" ]
}

# lines_in FILE N: it has so many at least. For wait_until.
lines_in() {
    [ "$(wc -l <"$1")" -ge "$2" ]
}

# children PID: all processes below it, one a line.
children() {
    local kid
    while read -r kid; do
        echo "$kid"
        children "$kid"
    done < <(cat "/proc/$1/task/"*/children 2>/dev/null | tr ' ' '\n' | grep .)
}

# part_of LAUNCHER agent|executor: such a process of that worker, if there is one now. The agent is who
# has threads (the messaging library's). wait_for_part: until there is one.
part_of() {
    local pid kind
    for pid in $(pgrep -P "$1"); do
        kind=executor
        [ "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -le 1 ] || kind=agent
        [ "$kind" = "$2" ] || continue
        echo "$pid"
        return
    done
}

wait_for_part() {
    wait_until has_part "$@" >&2
    part_of "$@"
}

has_part() {
    [ -n "$(part_of "$@")" ]
}

# unit_test NAME CASES [SHARDS]: a unit test (it is built by make check) with so many cases, shared by
# so many processes, its seed that of the campaign, its files in memory: what is tested is not the
# disk of this machine.
unit_test() {
    local begun=$SECONDS tmp=$T/tmp shards=${3:-1} shard pid pids=() status=0
    [ -x "$build/tests/unit/$1" ] || env -u XDG_RUNTIME_DIR make -s -C "$build" "tests/unit/$1" >"$T/log/make" 2>&1
    [ ! -w /dev/shm ] || tmp=$(mktemp -d /dev/shm/d.XXXXXX)
    for ((shard = 0; shard < shards; shard++)); do
        TMPDIR=$tmp top_srcdir=$top DROVER_CASES=$2 DROVER_SEED=$seed DROVER_SHARD=$shard/$shards \
            "$build/tests/unit/$1" >"$T/log/$1.$shard" 2>&1 &
        pids+=("$!")
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || status=$?
    done
    [ "$tmp" = "$T/tmp" ] || rm -rf "$tmp"
    if [ "$status" -ne 0 ]; then
        cat "$T/log/$1".*
        return 1
    fi
    sed -n 's/^# /   /p' "$T/log/$1".*
    say "$1${2:+, $2 cases}: $(sed -n 's/^\[  PASSED  \] \([0-9]*\).*/\1/p' "$T/log/$1.0") tests passed, $((SECONDS - begun)) s"
}

# hwm PID: the most memory it had so far, KiB; nothing when it is over.
hwm() {
    awk '/^VmHWM:/ { print $2 }' "/proc/$1/status" 2>/dev/null
}

# counted FILE COMMAND...: how many bytes it prints goes to FILE, its stderr to FILE.err. COUNTED is
# its pid until it is over; counted_end waits for that, and sets COUNTED_PEAK, the most memory it had
# (KiB).
counted() {
    local file=$1
    shift
    mkfifo "$file.pipe"
    wc -c <"$file.pipe" >"$file" &
    counter=$!
    "$@" >"$file.pipe" 2>"$file.err" 3>&- &
    COUNTED=$!
    counted_pipe=$file.pipe
}

counted_end() {
    local now
    COUNTED_PEAK=0 COUNTED_STATUS=0
    while alive "$COUNTED"; do
        now=$(hwm "$COUNTED") || true # it may have just ended
        [ "${now:-0}" -le "$COUNTED_PEAK" ] || COUNTED_PEAK=$now
        sleep 0.05 # between two looks
    done
    # shellcheck disable=SC2034 # for the tests
    wait "$COUNTED" || COUNTED_STATUS=$?
    wait "$counter"
    rm "$counted_pipe"
}

# bounded WHAT: broker, agent of the one worker, and the client that was counted have taken no more
# than 256 MiB.
bounded() {
    local who peak words=''
    for who in broker:"$(hwm "$BROKER_PID")" agent:"$(hwm "$(part_of "$WORKER_PID" agent)")" client:"${COUNTED_PEAK:-0}"; do
        peak=$((${who#*:} / 1024))
        printf -v words '%s%s %d MiB' "${words:+$words, }" "${who%:*}" "$peak"
        [ "$peak" -lt 256 ] || say "too much: ${who%:*} $peak MiB"
        [ "$peak" -lt 256 ]
    done
    say "$1: memory at most $words"
}

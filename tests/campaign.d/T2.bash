# T2: a process ends at each labelled point of broker, worker and client, and is started again
# Not with --ci: it builds programs of its own, which takes too long there
# shellcheck shell=bash disable=SC2154 # R, T, top, build, tier and parts are the library's
# Sizes: TIMES (0: chains only, else each point alone, at its 1st to TIMES-th passing), POINTS (only
# those), PARALLEL.
#
# Needs programs of --enable-faults: those of the build, or else they are built beside it, in
# BUILD-faults. Each point has a story in which it is passed (tests/campaign.d/T2.points). A story has
# a state, a broker and a worker of its own, which are started again whenever they end, and clients
# which say the same again when they were killed. In the campaign each point has a run of its story to
# itself. In CI points are chained: a story is told again and again, and each process ends at one
# point of its own after the other. The checker looks at all stories together.

t2_build() {
    local dir=$build-faults
    if grep -qsa DROVER_FAULT_FILE "$build/drover-broker"; then
        return
    fi
    if [ ! -f "$dir/Makefile" ]; then
        mkdir -p "$dir"
        (cd "$dir" && "$top/configure" --enable-faults CFLAGS=-O0) >"$T/log/configure" 2>&1
    fi
    # a compiler's cache would keep its files in a runtime directory
    env -u XDG_RUNTIME_DIR make -s -C "$dir" -j"$(nproc)" drover drover-broker drover-worker >"$T/log/build" 2>&1
    export DROVER_BINDIR=$dir PATH=$dir:$PATH
}

# The labels in the sources, and the table: none without a story, no story of what is not there.
t2_table_is_true() {
    local labels
    labels=$(grep -rhoE 'FAULT_POINT(_OF)? \("[a-z-]+"' "$top"/{broker,worker,client} --include='*.c' |
        sed 's/.*"\(.*\)"/\1/' | sort -u)
    diff <(echo "$labels") <(t2_table | awk '{ print $2 }' | sed 's/-[A-Z].*//; s/\(salvage-moves\)-.*/\1/' | sort -u)
}

t2_table() {
    sed 's/#.*//' "$parts/T2.points" | awk '{ for (i = 2; i <= NF; i++) print $1, $i }'
}

# --- who is started again --------------------------------------------------------------------------

# t2_keep NAME COMMAND...: start it, and again whenever it ends, until the story is over.
t2_keep() {
    local name=$1
    shift
    while [ ! -e "$P/over" ]; do
        [ ! -e "$P/armed.$name" ] || export DROVER_FAULT=$fault
        "$@" >>"$P/log/$name" 2>&1 &
        echo "$!" >"$P/$name.new" && mv "$P/$name.new" "$P/$name.pid"
        wait "$!"
        echo "-- status $?" >>"$P/log/$name"
    done
}

t2_kill() {
    kill "-$2" "$(cat "$P/$1.pid")" 2>/dev/null || true
}

t2_start() {
    local options=()
    [ ! -e "$P/salvage" ] || options=(--salvage)
    t2_keep broker drover-broker --listen "$DROVER_BROKER" --state "$P/state" --ping-every 100ms \
        --suspect-after 500ms --lost-after 1s --client-gone-after 500ms --reattach-grace 1s "${options[@]}" &
    kept+=("$!")
    t2_keep worker drover-worker --broker "$DROVER_BROKER" --slots 2 --name w &
    kept+=("$!")
}

# TERM to the worker, then to the broker; again, as one may have been started just now.
t2_stop() {
    local name pid
    touch "$P/over"
    for name in worker broker; do
        [ "$name" = worker ] && pid=${kept[1]} || pid=${kept[0]}
        t2_kill "$name" TERM
        until dead "$pid"; do
            sleep 0.05
            t2_kill "$name" TERM
        done
    done
    kept=()
}

# --- clients -----------------------------------------------------------------------------------------

# t2_client COMMAND...: again when it was killed, or found no broker. Its status.
t2_client() {
    local status
    while :; do
        status=0
        timeout 30 "$@" 2>"$P/client.err" || status=$?
        cat "$P/client.err" >>"$P/log/client"
        [ "$status" -ne 137 ] || continue
        says "$P/client.err" "no broker listens" || return "$status"
        sleep 0.03
    done
}

t2_expect() {
    case $points in
    executor-*) expect "$1" "$2" "$3" outcome ;; # a task does not outlive its executor
    *) expect "$1" "$2" "$3" command ;;
    esac
}

# An attached batch. What a killed client was given is a part; it says it anew.
t2_foreach() {
    local name=$1 rows=$2 n=0 status=137
    while [ "$status" -eq 137 ]; do
        n=$((n + 1)) status=0
        # shellcheck disable=SC2046 # one word a value
        with_broker "$P/client.err" timeout 60 drover foreach --json --crash-limit 100 --retries 2 \
            --retry-on exit:9 "$effect; ${3:-:}; echo {}" ::: $(seq "$rows") >"$R/$name.$n.json" || status=$?
        cat "$P/client.err" >>"$P/log/client"
        [ "$status" -ne 137 ] || expect "$name.$n" "$rows" "$status" killed
    done
    t2_expect "$name.$n" "$rows" "$status"
}

# t2_submit NAME ROWS [COMMAND]: a detached one, with a key.
t2_submit() {
    # shellcheck disable=SC2046 # one word a value
    t2_client drover submit --id "$1$round" --name "$1$round" --crash-limit 100 "$effect; ${3:-:}; echo {}" \
        ::: $(seq "$2") >"$P/said.id" || return 1
    # one that is killed behind its word says it twice
    SUBMITTED=$(tail -n 1 "$P/said.id")
    echo "$SUBMITTED" >"$P/$1.id"
}

# Whether it goes on; a client that was killed, or was told nothing, does not say so.
t2_is_open() {
    t2_client drover list --json --state open,running | grep -q "\"name\":\"$1$round\""
}

# t2_read NAME ROWS: two handles read it, when it has ended.
t2_read() {
    local n status=125
    # 124 and above: it was not told how it stands
    while [ "$status" -ge 124 ]; do
        status=0
        t2_client drover wait "@$1$round" >/dev/null || status=$?
    done
    # of a batch that is there, and over: all succeeded, or not
    if [ "$status" -gt 1 ] || t2_is_open "$1"; then
        echo "wait for $1$round ended with status $status: $(cat "$P/client.err")"
        return 1
    fi
    for n in 1 2; do
        status=0
        t2_client drover results --json "@$1$round" >"$R/$1.$n.json" || status=$?
        t2_expect "$1.$n" "$2" "$status"
    done
    echo "$(cat "$P/$1.id") $2 $1" >>"$R/acknowledged"
}

# --- stories ---------------------------------------------------------------------------------------

t2_story_work() {
    t2_submit one 6
    t2_foreach each 6
    t2_read one 6
}

# A task that fails is run again; what it printed is in parts; the agent dies in the middle.
t2_story_loss() {
    t2_submit one 4 'sleep 0.2'
    wait_until lines_in "$EFFECTS" 1
    kill -9 "$(pgrep -P "$(cat "$P/worker.pid")" -o)" 2>/dev/null || true
    # shellcheck disable=SC2016 # for the task's shell
    t2_foreach each 2 '[ $DROVER_ATTEMPT -ge 2 ] || exit 9'
    t2_read one 4
}

# An executor dies under its task.
t2_story_crash() {
    t2_submit one 3
    t2_read one 3
    # shellcheck disable=SC2016 # for the task's shell
    t2_client drover foreach '[ {} -ne 2 ] || kill -9 $PPID' ::: 1 2 3 >/dev/null || true
}

# Output in pieces, and enough of it to be confirmed on the way.
t2_story_big() {
    local size=0
    while [ "$size" -ne 1600000 ]; do
        size=$(t2_client drover foreach "head -c 400000 /dev/zero; : {}" ::: 1 2 3 4 | wc -c) || true
    done
    t2_submit one 2
    t2_read one 2
}

# Cancel, retry, forget.
t2_story_tidy() {
    local bad status=0
    t2_submit gone 2
    t2_submit long 2 'sleep 60'
    wait_until lines_in "$EFFECTS" 3
    t2_client drover cancel --kill "@long$round" >/dev/null || true
    cancelled "$(cat "$P/long.id")"
    t2_submit bad 2 "test -e '$P/good$round'"' || exit 1'
    bad=$SUBMITTED
    t2_client drover wait "$bad" >/dev/null || true
    touch "$P/good$round"
    t2_client drover retry "$bad" >/dev/null || true
    t2_client drover wait "$bad" >/dev/null || status=$?
    t2_client drover wait "@gone$round" >/dev/null || true
    t2_client drover forget "@gone$round" >/dev/null || true
    [ "$status" -eq 0 ]
}

# The broker is killed (or told to end) while tasks run; only its next life has the fault.
t2_story_restart() {
    t2_submit one 4 'sleep 0.3'
    wait_until lines_in "$EFFECTS" 1
    t2_kill broker 9
    t2_foreach each 4
    t2_read one 4
}

t2_story_stop() {
    t2_submit one 4
    t2_read one 4
    t2_kill broker TERM
    t2_submit two 2
    t2_read two 2
}

# Its name, which is another while the broker holds the session of a dead one.
t2_worker() {
    t2_client drover worker list --json | sed -n '/"state":"ready"/s/.*"name":"\([^"]*\)".*/\1/p' | tail -n 1
}

# Work for a second: there must be rows to give back when the drain comes.
t2_story_drain() {
    t2_submit one 200 'sleep 0.01'
    wait_until lines_in "$EFFECTS" 5
    t2_client drover worker drain "$(t2_worker)" >/dev/null || true
    t2_read one 200
}

# A record of the second batch is damaged; the first must be there, whatever happens on the way.
t2_story_salvage() {
    t2_submit one 3
    t2_read one 3
}

t2_before_salvage() {
    local id
    t2_submit one 3
    t2_read one 3
    t2_submit two 2
    t2_client drover wait "@two$round" >/dev/null
    id=$(cat "$P/two.id")
    t2_stop
    rm "$P/over"
    sqlite3 "$P/state/state.db" "UPDATE records SET checksum = 1 WHERE batch = $id AND k = 2"
}

# --- a run of a story ---------------------------------------------------------------------------------

# t2_arm NAME...: from its next start on, the fault is there for it. Chained points are there for all.
t2_arm() {
    local name point
    for name in "$@"; do
        [ -z "$fault" ] || touch "$P/armed.$name"
    done
    for point in $points; do
        [ -n "$fault" ] || touch "$P/faults/$point"
    done
}

# What was before is not what is tested: the fault is there from the life on that the story is about.
t2_begin() {
    case $story in
    salvage)
        t2_start
        t2_before_salvage
        touch "$P/salvage"
        t2_arm broker
        t2_start
        ;;
    restart)
        [ -z "$fault" ] || t2_arm worker
        t2_start
        t2_client drover ping >/dev/null
        t2_arm broker
        ;;
    *)
        t2_arm broker worker
        t2_start
        ;;
    esac
    [ -z "$fault" ] || export DROVER_FAULT=$fault
}

t2_round() {
    round=$1 R=$P/$1/record
    export EFFECTS=$R/effects
    mkdir -p "$R"
    touch "$EFFECTS"
}

# Of the first passing of a point it is known that it comes, of some in one telling or the next.
t2_lacks() {
    case $fault in
    '') [ -n "$(ls "$P/faults")" ] ;;
    *:1) [ ! -e "$P/died" ] ;;
    *) return 1 ;;
    esac
}

# A story is told until its process has ended, or, with chained points, one at each of them.
t2_tell() {
    local story=$1 points=$2 fault=$3 P=$4 kept=() round R
    export DROVER_BROKER=ipc://$P/b DROVER_FAULT_FILE=$P/died DROVER_FAULT_DIR=$P/faults
    mkdir -p "$P/log" "$P/faults"
    t2_round 1
    t2_begin
    "t2_story_$story"
    while t2_lacks && [ "$round" -lt 20 ]; do
        t2_round $((round + 1))
        "t2_story_$story"
    done
    t2_stop
    if t2_lacks; then
        echo "not passed: $(ls "$P/faults")" >"$P/missed"
        return 1
    fi
}

# In a shell of its own.
t2_run() {
    local P=$T/p/$4 point
    mkdir -p "$P"
    (set -eE; t2_tell "$1" "$2" "$3" "$P") >"$P/said" 2>&1 ||
        echo "$4 ($1: $2) failed: $(cat "$P/missed" 2>/dev/null)" >>"$T/failed"
    if [ -n "$3" ]; then
        [ ! -e "$P/died" ] || echo "$2" >>"$T/died"
    else
        for point in $2; do
            [ -e "$P/faults/$point" ] || echo "$point" >>"$T/died"
        done
    fi
}

# t2_jobs: reads lines of words for t2_run, as many at a time as PARALLEL says.
t2_jobs() {
    local story points fault name
    while IFS='|' read -r story points fault name; do
        while [ "$(jobs -rp | wc -l)" -ge "$PARALLEL" ]; do
            wait -n || true
        done
        t2_run "$story" "$points" "$fault" "$name" 3>&- </dev/null &
    done
    wait
}

# Each point alone.
t2_alone() {
    local story point n
    for ((n = 1; n <= TIMES; n++)); do
        while read -r story point; do
            echo "$story|$point|$point:$n|$point.$n"
        done <<<"$list"
    done
}

# Some of one story and one program in a chain; long chains first. A worker that dies five times in a
# minute gets nothing to do for the next one (quarantine): so few of its deaths are in a chain.
t2_chains() {
    awk '{ split ($2, word, "-"); key = $1 " " word[1]
           if (count[key] % (word[1] == "agent" ? 4 : 16) == 0) chain[key] = ++chains
           count[key]++
           story[chain[key]] = $1
           points[chain[key]] = points[chain[key]] (points[chain[key]] ? " " : "") $2 }
         END { for (i = 1; i <= chains; i++) print story[i] "|" points[i] "||chain." i }' <<<"$list"
}

campaign_T2() {
    local list
    size TIMES 0 3
    size PARALLEL 4 4
    need sqlite3
    t2_build
    t2_table_is_true
    list=$(t2_table)
    [ -z "${POINTS:-}" ] || list=$(grep -E -- " ($POINTS)\$" <<<"$list")
    mkdir "$T/p"
    touch "$T/failed" "$T/died"
    if [ "$TIMES" -eq 0 ]; then
        t2_jobs < <(t2_chains)
        say "$(wc -l <<<"$list") points in chains: $(wc -l <"$T/died") processes ended"
    else
        t2_jobs < <(t2_alone)
        say "$(wc -l <<<"$list") points, each alone, passings 1 to $TIMES: $(wc -l <"$T/died") processes ended"
    fi
    # what the checker has to say of the others is of interest, too
    [ ! -s "$T/failed" ] || t2_explain
    check_records "$T"/p/*/*/record
    [ ! -s "$T/failed" ]
}

# What the first of those that failed said.
t2_explain() {
    local name
    sed 's/^/   /' "$T/failed"
    read -r name _ <"$T/failed"
    tail -n 30 "$T/p/$name/said" "$T/p/$name/log"/*
}

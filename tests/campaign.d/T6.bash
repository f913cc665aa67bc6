# T6: executors die under their tasks, among good ones
# shellcheck shell=bash disable=SC2154 # R and T are the library's
# Sizes: CRASHES (a tenth of all commands), CALLS and BAD (of functions, good and bad ones).
#
# Functions (bad_module.c) crash, exit, overflow the stack, or do not end, in an order of chance.
# A command cannot crash its executor as a function can; it can kill it. One in ten does: at once, in the
# middle of much output, or after it has started a daemon that nobody waits for.

# shellcheck disable=SC2016 # for the task's shell
t6_task='case {} in
*[123]0) kill -9 $PPID; sleep 60 ;;
*[456]0) head -c 200000 /dev/zero; kill -9 $PPID; sleep 60 ;;
*0) (setsid sleep 60 &); kill -9 $PPID; sleep 60 ;;
esac'

t6_agent() {
    local pid
    for pid in $(pgrep -P "$WORKER_PID"); do
        [ "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -le 1 ] || echo "$pid"
    done
}

# Each with a zero at its end has no outcome of its own, and says so; all others are good.
t6_judge() {
    /usr/bin/python3 - "$1" "$2" <<'END'
import json, sys
rows, seen, wrong = int(sys.argv[2]), set(), 0
for line in open(sys.argv[1]):
    r = json.loads(line)
    if "task" not in r:
        continue
    bad = r["task"] % 10 == 0
    seen.add(r["task"])
    if (r["state"] == "done") == bad or not bad and r["stdout"] != f'{r["task"]}\n' or bad and not r.get("reason"):
        wrong += 1
        if wrong < 10:
            print("   ", line[:300])
print(f"   {len(seen)} tasks of {rows}, {wrong} with another outcome than they should have")
sys.exit(len(seen) != rows or wrong > 0)
END
}

t6_commands() {
    local rows=$((CRASHES * 10))
    seq "$rows" | drover foreach --json "$t6_task
echo {}" >"$T/crashes.json" 2>"$T/log/foreach" || true
    say "$CRASHES crashes among $rows commands"
    t6_judge "$T/crashes.json" "$rows"
}

# t6_calls GOOD BAD: items for bad:act, in an order of chance. Each bad kind has its turn.
t6_calls() {
    /usr/bin/python3 - "$1" "$2" "$seed" <<'END'
import random, sys
good, bad = int(sys.argv[1]), int(sys.argv[2])
random.seed(int(sys.argv[3]))
kinds = ["segv", "abort", "exit", "_exit", "deep", "loop", "rest"]
items = [f"good:{i}" for i in range(good)] + [f"{kinds[i % len(kinds)]}:{i}" for i in range(bad)]
random.shuffle(items)
print("\n".join(items))
END
}

# t6_judge_calls ITEMS RESULTS LIMIT: each item has one outcome, the one that its word wants, in the
# exact words.
t6_judge_calls() {
    /usr/bin/python3 - "$1" "$2" "$3" <<'END'
import json, sys
killed, ended = "killed by %s in function bad:act", "function bad:act ended its process with status %d"
wanted = {
    "segv": ("failed", 0, 11, killed % "SIGSEGV"),
    "abort": ("failed", 0, 6, killed % "SIGABRT"),
    "deep": ("failed", 0, 11, killed % "SIGSEGV"),
    "exit": ("failed", 3, 0, ended % 3),
    "_exit": ("failed", 0, 0, ended % 0),
    "loop": ("timeout", 0, 9, f"time limit of {sys.argv[3]} s"),
    "rest": ("timeout", 0, 9, f"time limit of {sys.argv[3]} s"),
}
items = open(sys.argv[1]).read().splitlines()
seen, wrong = {}, []
for line in open(sys.argv[2]):
    r = json.loads(line)
    if "task" not in r:
        continue
    item = items[r["task"] - 1]
    want = wanted.get(item.split(":")[0], ("done", 0, 0, None))
    got = (r["state"], r["status"], r["signal"], r.get("reason"))
    out = item if want[0] == "done" else ""
    if got != want or r["stdout"] != out or r["values"] != [item] or r["attempt"] != 1 or r["task"] in seen:
        wrong.append(line)
    seen[r["task"]] = True
for line in wrong[:10]:
    print("   ", line[:300], end="")
print(f"   {len(seen)} calls of {len(items)}, {len(wrong)} with another outcome than they should have")
sys.exit(len(seen) != len(items) or len(wrong) > 0)
END
}

t6_functions() {
    local begun status=0
    t6_calls "$CALLS" "$BAD" >"$T/items"
    begun=$(now_ms)
    drover foreach --json --timeout 1 --function bad:act <"$T/items" >"$T/calls.json" 2>"$T/log/functions" || status=$?
    say "$BAD bad calls among $CALLS good ones: $(($(now_ms) - begun)) ms"
    t6_judge_calls "$T/items" "$T/calls.json" 1.000
    [ "$status" -eq $((BAD < 101 ? BAD : 101)) ]
}

# Nothing but launcher, agent and idle executors is there.
t6_at_rest() {
    [ "$(children "$WORKER_PID" | wc -l)" -le $((1 + 2 * 2)) ]
}

# t6_flat WHAT COMMAND: it leaves agent and launcher as they were.
t6_flat() {
    local agent before after
    agent=$(t6_agent)
    before="$(rss "$agent") $(fds "$agent") $(rss "$WORKER_PID") $(fds "$WORKER_PID")"
    "$2"
    [ "$(t6_agent)" = "$agent" ]
    wait_until t6_at_rest
    after="$(rss "$agent") $(fds "$agent") $(rss "$WORKER_PID") $(fds "$WORKER_PID")"
    # shellcheck disable=SC2086 # words
    set -- "$1" $before $after
    say "$1: the agent had $2 KiB and $3 descriptors before, $6 and $7 after; the launcher $4 and $5, then $8 and $9"
    [ "$7" -le $(($3 + 4)) ]
    [ "$6" -le $(($2 + 8192)) ]
    [ "$9" -le $(($5 + 4)) ]
    [ "$8" -le $(($4 + 4096)) ]
}

campaign_T6() {
    size CRASHES 60 10000
    size CALLS 300 100000
    size BAD 14 1000
    mkdir "$T/modules"
    cc -O1 -shared -fPIC -I"$top/worker" -o "$T/modules/bad.so" "$parts/bad_module.c"
    state_broker
    start_worker --slots 2 --name w --modules "$T/modules"
    wait_until workers_are 1
    # what it takes once, it has then
    seq 40 | drover foreach --json "$t6_task
echo {}" >/dev/null 2>&1 || true
    t6_calls 1000 5 | drover foreach --timeout 0.1 --function bad:act >/dev/null 2>&1 || true
    wait_until t6_at_rest
    t6_flat commands t6_commands
    t6_flat functions t6_functions
}

# T6: executors die under their tasks, among good ones
# shellcheck shell=bash disable=SC2154 # R and T are the library's
# Sizes: CRASHES (a tenth of all tasks).
#
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

campaign_T6() {
    local agent rss0 rss1 fds0 fds1 rows
    size CRASHES 60 10000
    rows=$((CRASHES * 10))
    state_broker
    start_worker --slots 2 --name w
    wait_until workers_are 1
    # what it takes once, it has then
    seq 40 | drover foreach --json "$t6_task
echo {}" >/dev/null 2>&1 || true
    agent=$(t6_agent)
    rss0=$(rss "$agent") fds0=$(fds "$agent")
    seq "$rows" | drover foreach --json "$t6_task
echo {}" >"$T/crashes.json" 2>"$T/log/foreach" || true
    [ "$(t6_agent)" = "$agent" ]
    rss1=$(rss "$agent") fds1=$(fds "$agent")
    say "$CRASHES crashes among $rows tasks; the agent: $rss0 KiB and $fds0 descriptors before, $rss1 KiB and $fds1 after"
    t6_judge "$T/crashes.json" "$rows"
    [ "$fds1" -le $((fds0 + 4)) ]
    [ "$rss1" -le $((rss0 + 8192)) ]
}

#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# Was it worth it? --compare, the line of advice, drover advise.
load lib

# What a rule says is a matter of time: where a pause of the machine may have changed it, there is another
# try (wait_until). A rule that is wrong is so each time.

# lines_are PATTERN...: the lines of stderr, one extended expression each, all of them.
lines_are() {
    local n=0 pattern line
    same "$(wc -l <"$T/err")" $# "lines on stderr: $(cat "$T/err")" || return 1
    for pattern in "$@"; do
        n=$((n + 1))
        line=$(sed -n "${n}p" "$T/err")
        [[ $line =~ $pattern ]] || {
            printf 'line %d is not %s\n  %s\n' "$n" "$pattern" "$line"
            return 1
        }
    done
}

both='^drover: in parallel [0-9.]+ m?s, one after another [0-9.]+ m?s: .*measured speed-up [0-9.]+$'

@test "--compare runs all once more, one after another, and prints both times" {
    seq 6 | ends_with 0 drover foreach -j 6 --compare --quiet 'echo {} >>log; echo {}; sleep 0.05'
    same "$(sort "$T/out" | paste -sd' ')" "1 2 3 4 5 6"
    same "$(tail -n 6 log | paste -sd' ')" "1 2 3 4 5 6"
    same "$(wc -l <log)" 12
    lines_are "$both"
    ends_with 0 drover invoke --compare --json 'sleep 0.1' 'sleep 0.1; echo a'
    same "$(grep -c '"state":"done"' "$T/out")" 2
    tail -n 1 "$T/out" | grep -E '^\{"drover":1,"summary":\{"tasks":2,"failed":0,.*"compare":\{"parallel_s":[0-9.]+,"sequential_s":[0-9.]+,"speed_up":[0-9.]+,"parallel_failed":0,"sequential_failed":0,"same_failed":true\},"advice":\['
    same "$(cat "$T/err")" ""
}

@test "--compare tells what failed in one of the runs only; the status is that of the first" {
    ends_with 0 drover foreach --compare --quiet 'mkdir {} 2>/dev/null' ::: a b c
    lines_are "$both" '^drover: in parallel 0 tasks failed, one after another 3: the tasks depend'
    ends_with 2 drover foreach --compare --quiet 'rmdir {} 2>/dev/null' ::: a b x y
    lines_are "$both" '^drover: in parallel 2 tasks failed, one after another 4: '
}

@test "Ctrl-C in the second run: nothing is compared, 255; an empty input has nothing to compare" {
    start_job compare env --default-signal=INT drover foreach -j 2 --compare \
        'echo >>log; [ "$(wc -l <log)" -lt 3 ] || exec sleep 60' ::: 1 2
    third_began() { [ -e log ] && [ "$(wc -l <log)" -ge 3 ]; }
    wait_until third_began
    local got=0
    end "$JOB_PID" INT || got=$?
    same "$got" 255
    says "$T/log/compare" "one after another was ended after"
    ends_with 0 drover foreach --compare --quiet echo </dev/null
    same "$(cat "$T/err")" ""
    TMPDIR=/nonexistent refused 255 "/nonexistent" drover foreach --compare echo ::: 1
}

@test "advice: a line where there is reason, none for slow input" {
    naps() {
        ends_with 0 drover foreach --summary -j 2 sleep {} ::: .3 .3 .3 .3 .3 .3 &&
            lines_are '^drover: 6 tasks' '^drover: tasks computed for [0-9]+ % of the time they ran, and waited for the rest: .* --cpus 0$'
    }
    slow_input() {
        ends_with 0 drover foreach --summary -j 2 echo < <(echo 1; sleep 0.7; echo 2) &&
            lines_are '^drover: 2 tasks'
    }
    wait_until naps
    wait_until slow_input
}

@test "advice: an order that leaves little to run at one time is said, and no -j" {
    local keys='1 key only: at most 1 task at one time, for 4 slots: order by'
    ordered() {
        ends_with 0 drover foreach --summary -j 4 --order-by {2} 'sleep .2 #' ::: 1 2 3 4 ::: a &&
            lines_are '^drover: 4 tasks' "^drover: $keys"
    }
    wait_until ordered
    start_broker
    start_worker --slots 4
    use_broker
    advised() {
        local id
        id=$(drover submit --order-by {2} 'sleep .2 #' ::: 1 2 3 4 ::: a)
        ends_with 0 drover wait "$id" &&
            ends_with 0 drover advise "$id" &&
            says "$T/out" "- ${keys/: order by/}" &&
            same "$(grep -c '^- ' "$T/out")" 1
    }
    wait_until advised
}

@test "drover advise: all rules for a batch, or that nothing is wrong; status 3 for none" {
    refused 125 "drover broker start" drover advise 1
    start_broker
    start_worker --slots 2
    use_broker
    refused 3 "there is no batch 7" drover advise 7
    refused 2 "whole batches" drover advise 7.1
    refused 2 "which batch" drover advise
    advised() {
        local id
        drover forget @naps 2>/dev/null || true
        id=$(drover submit --name naps sleep {} ::: .3 .3 .3 .3 .3 .3)
        ends_with 0 drover wait "$id" &&
            ends_with 0 drover advise @naps &&
            says "$T/out" "batch $id (naps), finished" &&
            says "$T/out" "6 tasks, 0 failed, 2 slots on 1 host: wall " &&
            says "$T/out" "- tasks computed for" &&
            ends_with 0 drover advise --json "$id" &&
            grep -E '^\{"drover":1,"batch":'"$id"',"name":"naps","state":"finished","submitted":6,"gone":0,"summary":\{"tasks":6,.*"advice":\[\{"rule":"waiting","gain_s":[0-9.]+,"text":"tasks computed' "$T/out"
    }
    wait_until advised
    drover worker list --json | grep -E '"cores":[1-9]'
    id=$(drover submit --function drover:sleep ::: 0 60)
    ends_with 0 drover wait "$id" --any
    ends_with 0 drover advise "$id"
    says "$T/out" "so far: 1 of 2 tasks have ended"
    says "$T/out" "nothing is wrong with it"
    ends_with 0 drover cancel "$id"
}

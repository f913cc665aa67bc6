#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016,SC2030,SC2031 # braces and $ are for the task; each case is a subshell
# drover race and fallback: one success is enough.
load lib

# stubborn NAME: a line that leaves a grandchild in a session of its own, which does not mind TERM;
# its process and its own are in NAME.pid and NAME.own.
stubborn() {
    echo "setsid sh -c 'trap : TERM; echo \$\$ >$1.new; mv $1.new $1.pid; while :; do sleep 0.1; done' &
        echo \$\$ >$1.own; echo from $1; echo from $1 >&2; sleep 100"
}

exec_default() {
    exec env --default-signal=INT "$@"
}

@test "the first success wins, and the others are gone, on every worker" {
    start_broker
    use_broker
    start_worker --name fast --slots 1
    start_worker --name slow --slots 2
    all_there() { [ "$(drover worker list | grep -c ready)" = 2 ]; }
    wait_until all_there
    ends_with 0 drover race --grace 300ms "$(stubborn a)" "$(stubborn b)" \
        'until [ -s a.pid ] && [ -s b.pid ]; do sleep 0.02; done; echo winner; echo note >&2'
    dead "$(cat a.pid)"
    dead "$(cat b.pid)"
    dead "$(cat a.own)"
    dead "$(cat b.own)"
    same "$(cat "$T/out")" winner
    same "$(head -n 1 "$T/err")" note
    same "$(wc -l <"$T/err")" 2
    grep -qE '^drover race: task 3 \(.*\) on (fast|slow) won after [0-9.]+ s; 2 others were cancelled, gone [0-9.]+ s later$' "$T/err"
    # 5 s is what they have without --grace
    same "$(awk '/won after/ { print ($(NF - 2) > 0.2 && $(NF - 2) < 5) }' "$T/err")" 1 "time"
}

@test "who failed before does not count, and a template races its values" {
    ends_with 0 drover race 'test {} = b && echo {}' ::: a b
    same "$(cat "$T/out")" b
    ends_with 0 drover race -j 1 --json 'exit 3' 'echo x' # one after the other
    same "$(wc -l <"$T/out")" 2
    says "$T/out" '"stdout":"x\n"'
    says "$T/out" '"tasks":2,"winner":2,'
    says "$T/out" '"failed":1,"others":0,"rest":"cancelled","gone_after_s":0.0'
    [ ! -s "$T/err" ]
}

@test "where nobody wins, all that was said is shown" {
    ends_with 1 drover race 'sleep 0.2; echo out; echo a >&2; exit 3' 'echo b >&2; exit 4'
    [ ! -s "$T/out" ]
    same "$(cat "$T/err")" "$(printf '%s\n' \
        a 'drover race: task 1 (sleep 0.2; echo out; echo a >&2; exit 3): exit status 3' \
        b 'drover race: task 2 (echo b >&2; exit 4): exit status 4' \
        'drover race: none of 2 succeeded')"
    ends_with 124 drover race --timeout 0.1 'sleep 60' 'sleep 61'
    ends_with 124 drover race --deadline 0.3 'sleep 60' 'exit 1'
    says "$T/err" 'none of 2 succeeded before the deadline'
    refused 2 "which command lines" drover race
    refused 2 "no order to keep" drover race --order-by {} echo ::: 1
    refused 3 "the input is empty" drover race echo :::: /dev/null
}

@test "--keep-rest leaves the others with a broker, or waits for them" {
    start_broker
    use_broker
    start_worker
    ends_with 0 drover race --keep-rest 'until [ -e go ]; do sleep 0.02; done; echo late' 'echo first'
    same "$(cat "$T/out")" first
    says "$T/err" '1 other runs on as batch 1'
    touch go
    ends_with 0 drover wait 1
    ends_with 0 drover results 1.1
    same "$(cat "$T/out")" late
    start_job race drover race --local --keep-rest \
        'until [ -e go2 ]; do sleep 0.02; done; touch ended; echo late' 'echo first'
    wait_until says "$T/log/race" first
    alive "$JOB_PID"
    touch go2
    wait "$JOB_PID"
    same "$(printed race)" first
    says "$T/log/race" '1 other ended '
    [ -e ended ]
}

@test "Ctrl-C cancels all of them" {
    local status=0
    start_job race exec_default drover race --grace 100ms "$(stubborn a)" "$(stubborn b)"
    wait_until test -s a.pid
    wait_until test -s b.pid
    kill -INT "$JOB_PID"
    wait "$JOB_PID" || status=$?
    same "$status" 130
    dead "$(cat a.pid)"
    dead "$(cat b.pid)"
    same "$(cat "$T/log/race")" 'drover race: interrupted: 0 of 2 tasks had ended'
}

@test "fallback goes on only when one failed or is late, and is gone" {
    ends_with 0 drover fallback 'echo one' 'touch not; echo two'
    same "$(cat "$T/out")" one
    [ ! -e not ]
    fell_back() { # another time if one that should have ended was late as well
        rm -f a.* fourth
        ends_with 0 drover fallback --timeout 1 --grace 0.2 "$(stubborn a)" \
            'if kill -0 $(cat a.pid) 2>/dev/null; then touch both; fi; echo why >&2; exit 3' \
            'echo three; echo note >&2' 'touch fourth' &&
            same "$(cat "$T/out")" three &&
            dead "$(cat a.pid)" &&
            [ ! -e fourth ] &&
            same "$(head -n 1 "$T/err")" note &&
            grep -q '^drover fallback: task 1 .*: time limit of 1.000 s$' "$T/err" &&
            grep -q '^drover fallback: task 2 .*: exit status 3$' "$T/err" &&
            grep -qE '^drover fallback: task 3 .* succeeded after [0-9.]+ s; 2 had failed$' "$T/err" &&
            same "$(wc -l <"$T/err")" 4
    }
    wait_until fell_back
    [ ! -e both ]
    refused 2 "one runs at a time" drover fallback -j 2 true
}

@test "where no fallback succeeds, the status says so" {
    # at another try if the first was late as well
    failed() { ends_with 1 drover fallback --timeout 1 'echo a >&2; exit 3' 'sleep 60' && says "$T/err" a; }
    wait_until failed
    ends_with 124 drover fallback --timeout 0.1 'sleep 60' 'sleep 61'
    same "$(tail -n 1 "$T/err")" 'drover fallback: none of 2 succeeded'
    ends_with 124 drover fallback --deadline 0.3 'sleep 60' 'echo never'
    [ ! -s "$T/out" ]
    ends_with 1 drover fallback --json 'exit 3' 'exit 4'
    same "$(wc -l <"$T/out")" 3
    says "$T/out" '"winner":null'
}

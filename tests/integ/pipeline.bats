#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016 # braces and $ are for the task
# drover foreach --then: items that flow through several stages.
load lib

@test "a thousand items keep their order through two stages" {
    seq 1000 | ends_with 0 drover foreach -k --function drover:echo --then --function drover:echo
    same "$(cat "$T/out")" "$(seq 1000 | tr -d '\n')"
    seq 50 | ends_with 0 drover foreach -k echo {} --then cat --then 'echo "$(cat) and {1} as {#}"'
    same_files "$T/out" <(for i in $(seq 50); do echo "$i and $i as $i"; done)
}

@test "without -k, in any order, each once" {
    seq 200 | ends_with 0 drover foreach -j 4 echo --then cat
    sort -n "$T/out" | same_files - <(seq 200)
}

@test "the next stage is a command with the output as stdin, or in place of {}" {
    ends_with 0 drover foreach -k 'printf "%s\n\n" {}' --then 'wc -c' --then echo '[{}]' ::: a bcd
    same "$(paste -sd, "$T/out")" "[3],[5]"
    ends_with 0 drover foreach -k echo "d/{}.c" --then echo {} {/} {.} {1} ::: 'x y'
    same "$(cat "$T/out")" "d/x y.c x y.c d/x y x y"
}

@test "a later stage begins before the first has ended" {
    ends_with 0 timeout 30 drover foreach -k -j 2 \
        'test {} = a || until test -e seen; do sleep 0.02; done; echo {}' \
        --then 'touch seen; cat' ::: a b
    same "$(paste -sd' ' "$T/out")" "a b"
}

# Items of which the first stage always has more, until the second has had its turn.
feed() {
    local n=0 ahead
    until grep -qs b log || [ "$n" -ge 600 ]; do
        ahead=$(($(grep -cs . log || true) + 12))
        while [ "$n" -lt "$ahead" ]; do echo $((++n)); done
        sleep 0.02 # until tasks have ended
    done
}

@test "a slow first stage on all slots does not starve the second" {
    feed | ends_with 0 drover foreach -j 1 'sleep 0.05; echo a{} >>log; echo {}' \
        --then -j 1 'read x; echo b$x >>log'
    [ "$(grep -c a log)" -lt 600 ]
    same "$(grep -c b log)" "$(grep -c a log)"
}

# Each task of the first stage ends when the next one has begun, or half a second later: where no slot is
# kept for the second, two are never free.
@test "a stage whose tasks take all slots is not starved by the one before" {
    cat >chain.sh <<'END'
touch on-$1
n=0
until [ -e on-$(($1 + 1)) ] || grep -qs b log || [ $((n += 1)) -gt 25 ]; do sleep 0.02; done
echo a$1 >>log
echo $1
END
    feed | ends_with 0 drover foreach -j 2 sh chain.sh --then --cpus 2 'read x; echo b$x >>log'
    [ "$(grep -c a log)" -lt 600 ]
    same "$(grep -c b log)" "$(grep -c a log)"
}

# In each stage: how many run, of those that are counted by a directory.
@test "each stage keeps to its own limit" {
    mkdir one two
    cat >count.sh <<'END'
touch $1/$2; ls $1 | wc -l >>$1.most; sleep 0.02; rm $1/$2; echo $2
END
    seq 24 | ends_with 0 drover foreach -j 3 sh count.sh one --then -j 2 'sh count.sh two {}'
    [ "$(sort -n one.most | tail -n 1)" -le 3 ]
    [ "$(sort -n two.most | tail -n 1)" -le 2 ]
    same "$(cat one.most two.most | wc -l)" 48
}

@test "a stage that fails ends its item, and is named" {
    ends_with 2 drover foreach -k 'echo {}; echo e{} >&2; test {} != b' \
        --then 'cat; echo f{1} >&2; test {1} != c' --then 'touch last-{1}; cat' ::: a b c d
    same "$(paste -sd' ' "$T/out")" "a d"
    same_files "$T/err" - <<'END'
ea
fa
eb
drover foreach: task 2 (b) in stage 1: exit status 1
ec
fc
drover foreach: task 3 (c) in stage 2: exit status 1
ed
fd
END
    [ -e last-a ] && [ ! -e last-b ] && [ ! -e last-c ]
}

@test "a command that is not found fails in its stage" {
    ends_with 1 drover foreach echo --then ./nowhere ::: a
    says "$T/err" "task 1 (a) in stage 2: "
    ends_with 1 drover foreach "printf 'a\0b' #" --then echo {} ::: a
    says "$T/err" "task 1 (a) in stage 2: the command line holds a NUL byte"
}

@test "bytes arrive as they are, none as well" {
    head -c 300000 /dev/urandom >bytes
    ends_with 0 drover foreach cat {} --then cat --then --function drover:echo ::: bytes
    same_files "$T/out" bytes
    ends_with 0 drover foreach true {} --then 'wc -c' ::: a
    same "$(cat "$T/out")" 0
}

@test "an output that no task can be given is said, with its size and the limit" {
    ends_with 1 drover foreach 'head -c 8400000 /dev/zero #' --then 'wc -c' ::: a
    says "$T/err" "in stage 2: the output of the stage before has 8400000 bytes, and what a task is given may have 8388544"
    ends_with 0 drover foreach 'head -c 8388000 /dev/zero #' --then 'wc -c' ::: a
    same "$(cat "$T/out")" 8388000
}

@test "items of one key keep their order in each stage" {
    local i
    for i in $(seq 30); do echo "$i,$((i % 3))"; done >items
    ends_with 0 drover foreach -j 4 -C , --order-by '{2}' 'echo {1}' \
        --then -j 4 'read x; echo $x >>log-{2}' :::: items
    for i in 0 1 2; do
        same_files "log-$i" <(seq 30 | awk -v k="$i" '$1 % 3 == k')
    done
}

@test "--json names the stage, and tells of those before it" {
    need jq
    ends_with 1 drover foreach -k --json 'echo {}; echo e >&2' --then 'cat; exit {1}' ::: 0 3
    same "$(jq -c '[.task, .stage, .status, .stdout, .before[0].stage, .before[0].stderr]' "$T/out" | paste -sd' ')" \
        '[1,2,0,"0\n",1,"e\n"] [2,2,3,"3\n",1,"e\n"]'
}

@test "--dry-run shows the stages, --tag the values, the summary counts items" {
    ends_with 0 drover foreach --dry-run echo {} --then wc -c --then echo {#} {1} {} ::: 'a b'
    same "$(paste -sd, "$T/out")" "echo 'a b',--then wc -c,--then echo 1 'a b' '{}'"
    ends_with 0 drover foreach -k --tag --summary echo --then cat ::: a b
    same "$(paste -sd, "$T/out")" $'a\ta,b\tb'
    says "$T/err" "drover: 2 tasks, 0 failed, "
}

@test "retries and time limits are those of a stage" {
    ends_with 1 drover foreach --json echo --then --retries 2 --timeout 0.1 'sleep 10' ::: a
    says "$T/out" '"attempt":2'
    ends_with 1 drover foreach echo --then --timeout 0.1 'sleep 10' ::: a
    says "$T/err" "task 1 (a) in stage 2: "
}

# The shell ignores INT in what it starts in the background.
interruptible() {
    exec env --default-signal=INT,TERM,HUP "$@"
}

@test "Ctrl-C ends what runs in all stages" {
    start_job foreach interruptible drover foreach -j 2 \
        'echo {}; test {} = 1 || { touch on-1; exec sleep 100; }' --then 'touch on-2; sleep 100' ::: 1 2
    wait_until test -e on-1
    wait_until test -e on-2
    kill -INT "$JOB_PID"
    wait_until dead "$JOB_PID"
    local status=0
    wait "$JOB_PID" || status=$?
    same "$status" 255
    says "$T/log/foreach" "interrupted: 0 of 2 tasks had ended"
}

@test "cancelling one stage from elsewhere ends the pipeline" {
    start_broker
    start_worker --slots 3
    use_broker
    local id stage
    for stage in 0 1; do
        rm -f on-*
        start_job foreach drover foreach -j 2 \
            'echo {}; test {} = 1 || { echo $$ >on-1; exec sleep 100; }' \
            --then 'echo $$ >on-2; exec sleep 100' ::: 1 2
        wait_until test -s on-1
        wait_until test -s on-2
        id=$(drover list --json | jq -s "[.[] | select(.state == \"open\" or .running > 0)][$stage].batch")
        ends_with 0 drover cancel --reason enough "$id"
        says "$T/err" "batch $((id - stage)): 1 task ended, gone after"
        says "$T/err" "batch $((id - stage + 1)) (a stage of pipeline $((id - stage))): 1 task ended, gone after"
        wait_until dead "$JOB_PID"
        says "$T/log/foreach" "the batch was cancelled: enough"
        dead "$(cat on-1)"
        dead "$(cat on-2)"
    done
}

@test "what is no pipeline is refused" {
    refused 255 "--then: there is no command" drover foreach echo --then ::: a
    refused 255 "--then: -k is for the whole pipeline" drover foreach echo --then -k cat ::: a
    refused 255 "--then is of 'drover foreach'" drover invoke echo --then cat ::: a
    refused 2 "--then is of 'drover foreach'" drover submit echo --then cat ::: a
}

@test "items go on when the broker is killed and comes back" {
    start_broker --listen "ipc://$T/broker" --state "$T/state" --ping-every 200ms
    use_broker
    start_worker
    local worker=$WORKER_PID
    start_job foreach drover foreach -k 'echo {} >>one; sleep 0.05; echo {}' \
        --then 'read x; echo $x >>two; echo $x' ::: 1 2 3 4 5 6 7 8
    local job=$JOB_PID
    wait_until test -s two
    end "$BROKER_PID" KILL >/dev/null || true
    start_broker --listen "ipc://$T/broker" --state "$T/state" --ping-every 200ms
    wait_until dead "$job"
    wait "$job"
    grep -v '^drover' "$T/log/foreach" | same_files - <(seq 8)
    sort one | same_files - <(seq 8)
    sort two | same_files - <(seq 8)
    end "$worker" TERM
}

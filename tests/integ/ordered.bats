#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016 # braces and $ are for the task
# --order-by: tasks of one key run one after another, in order, with real processes and dying
# workers.
load lib

# Value 1 is the task's number, value 2 its key. A lock that another task of the key has is noted;
# the system lets go of it with the last process of the task.
task='exec 9>>key.{2}; flock -n 9 || echo {1} >>overlaps; echo {1} >&9; sleep 0.0{1}'

# keys_of N K: the keys of N tasks, over K keys.
keys_of() {
    local i
    for ((i = 0; i < $1; i++)); do echo "k$((i % $2))"; done
}

# in_order N: each of N tasks ran, those of a key never two at once, none before one of its key that
# came earlier. (One that ran again is there twice.)
in_order() {
    local key
    [ ! -e overlaps ]
    for key in key.*; do
        sort -n -c "$key"
    done
    same "$(sort -u key.* | wc -l)" "$1"
}

@test "--order-by: tasks of one key run one after another, others beside them" {
    # shellcheck disable=SC2046 # they are words
    ends_with 0 drover foreach -j 4 --order-by '{2}' "$task" ::: $(seq 24) :::+ $(keys_of 24 3)
    in_order 24
    ends_with 1 drover foreach -j 4 --order-by '{/.}' 'echo {} >>seen; test {} != a/x.1' \
        ::: a/x.1 b/x.2 a/x.3
    same "$(paste -sd' ' seen)" "a/x.1 b/x.2 a/x.3" # which failed lets the next one on
    ends_with 0 drover foreach --order-by '{b}' --header : -C , 'echo {a} >>named' <<<$'a,b\n1,x\n2,x\n3,x'
    same "$(paste -sd' ' named)" "1 2 3"
}

@test "--order-by and what it needs" {
    refused 255 "the slot of a task is not known" drover foreach --order-by '{%}' true ::: 1
    refused 255 "'' is no key" drover foreach --order-by '' true ::: 1
    refused 255 "--order-by" drover foreach --order-by
}

@test "--order-by keeps the order through retries and workers that die" {
    local id kill
    start_broker --lost-after 1s --suspect-after 0.5s --ping-every 0.2s
    use_broker
    start_worker --name one --slots 3
    start_worker --name two --slots 3
    # shellcheck disable=SC2046 # they are words
    id=$(drover submit --retries 2 --order-by '{2}' "$task; [ {1} != 7 ]" \
        ::: $(seq 40) :::+ $(keys_of 40 5))
    for kill in 1 2 3; do
        wait_until begun $((kill * 9))
        wait_until agent_killed
    done
    ends_with 1 drover wait "$id"
    in_order 40
}

# What a stage is given in its own order of the key: value 1 again. In the second stage each fifth
# task fails once.
@test "--order-by holds in each stage of a pipeline, through retries and workers that die" {
    local kill second='exec 9>>two.{2}; flock -n 9 || echo {1} >>overlaps; read x; echo $x >&9
        [ $(({1} % 5)) != 0 ] || [ -e again.{1} ] || { : >again.{1}; exit 1; }'
    start_broker --lost-after 1s --suspect-after 0.5s --ping-every 0.2s
    use_broker
    start_worker --name one --slots 3
    start_worker --name two --slots 3
    # shellcheck disable=SC2046 # they are words
    start_job foreach drover foreach --order-by '{2}' "$task; echo {1}; [ {1} != 7 ]" \
        --then --retries 2 --retry-delay 0.01 "$second" ::: $(seq 30) :::+ $(keys_of 30 5)
    local job=$JOB_PID status=0
    for kill in 1 2; do
        wait_until begun $((kill * 8))
        wait_until agent_killed
    done
    wait_until dead "$job"
    wait "$job" || status=$?
    same "$status" 1
    in_order 30
    for key in two.*; do
        sort -n -c "$key"
    done
    same "$(sort -u two.* | wc -l)" 29
    same "$(echo again.* | wc -w)" 6
}

# The launcher makes another one.
agent_killed() {
    local agent
    agent=$(pgrep -o -P "$WORKER_PID") && kill -KILL "$agent"
}

# begun N: so many have.
begun() {
    [ "$(cat key.* 2>/dev/null | wc -l)" -ge "$1" ]
}

#!/usr/bin/env bats
# shellcheck disable=SC1083,SC2016 # braces and $ are for the task
# --after: batches that run, or are skipped, by how others ended.
load lib

# held FILE: a batch of one task that ends with the status in FILE, as soon as there is one.
held() {
    drover submit "until [ -s $1 ]; do sleep 0.02; done; exit \$(cat $1)" ::: x
}

@test "--after: a batch runs when another one has ended well, is skipped when it has not" {
    local good bad then clean
    local broker
    broker=(start_broker --listen "ipc://$T/broker" --state "$T/state" --ping-every 200ms)
    "${broker[@]}"
    use_broker
    start_worker --name one --slots 4
    good=$(held good)
    bad=$(held bad)
    then=$(drover submit --after "$good" 'echo {} >>ran' ::: a b)
    start_job never drover foreach --after "$good,$bad:ok" 'echo never >>ran' ::: 1 2
    NEVER=$JOB_PID
    listed() { [ "$(drover list --json | wc -l)" -eq 4 ]; }
    wait_until listed # before the broker is killed
    clean=$(drover submit --after "$bad:fail" --after "$good:any" 'echo clean >>ran' ::: x)
    ends_with 0 drover info "$clean"
    says "$T/out" "$bad:fail,$good:any"
    ends_with 0 drover list
    says "$T/out" "after $good:ok"
    [ ! -e ran ]
    echo 0 >good
    ends_with 0 drover wait "$then"
    same "$(sort ran | paste -sd' ')" "a b"
    end "$BROKER_PID" KILL || true
    "${broker[@]}"
    echo 1 >bad
    ends_with 0 drover wait "$clean"
    same "$(tail -n 1 ran)" "clean x"
    wait "$NEVER" || same "$?" 2
    says "$T/log/never" "task 1 (1): not run: batch $bad did not succeed"
    drover forget "$bad" "$good"
    ends_with 0 drover run --after last echo ran
    same "$(cat "$T/out")" ran
    ends_with 125 drover run --after @nobody true
    says "$T/err" "no batch matches @nobody"
    drover submit --name late-one 'sleep 0.2; echo late >late' ::: 1
    ends_with 125 drover run --after @late-one.1 true
    says "$T/err" "whole batches only"
    drover run --after "last:any,@late-one:ok" cat late >"$T/out"
    same "$(cat "$T/out")" "late 1"
    ends_with 125 drover run --after "$clean:fail" true
    says "$T/err" "not run: batch $clean succeeded"
    ends_with 0 drover run --after "$clean" echo ran
}

@test "--after what is not there, or no batch, is refused in words" {
    start_broker
    use_broker
    ends_with 125 drover submit --after 7 true ::: 1
    says "$T/err" "there is no batch 7 to run after"
    ends_with 255 drover foreach --after 7 true ::: 1
    says "$T/err" "there is no batch 7 to run after"
    refused 255 "'well' is none of ok, any, fail" drover foreach --after 7:well true ::: 1
    ends_with 255 drover foreach --after last true ::: 1
    says "$T/err" "no batch matches last: there is none"
    refused 2 "--id with --after last or @name" drover submit --id k --after last true ::: 1
    refused 255 "'last.7' is not a whole number" drover foreach --after last.7 true ::: 1
    refused 255 "'x' is not a whole number" drover foreach --after 1,x true ::: 1
    refused 125 "'x' is not a whole number" drover run --after x true
}

#!/bin/sh
# background: a processor-heavy function runs elsewhere while the script goes on.
#
#     DROVER_MODULES=. ./background.sh [NUMBER]     (with work.so in that directory)
set -eu
drover run --function work:primes "${1:-3000000}" &
task=$!
ticks=0
while kill -0 $task 2>/dev/null; do
    ticks=$((ticks + 1)) # here a script would do something else
    sleep 0.05
done
wait $task
echo "meanwhile the script woke $ticks times"

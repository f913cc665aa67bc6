#!/bin/sh
# customers: a loop, and the same loop in parallel. Ten customers, one second a purchase: one after
# another, then on two slots, then as what they are: tasks that only wait, and hold no slot.
set -eu
purchase="sleep ${SECOND:-1}; echo customer {} has paid"

loop() {
    began=$(date +%s.%N)
    drover foreach "$@" "$purchase" ::: 1 2 3 4 5 6 7 8 9 10 >/dev/null
    echo "$(date +%s.%N) $began" | awk '{ printf "%5.2f s\n", $1 - $2 }'
}

echo "one after another  $(loop -j1)"
echo "on 2 slots         $(loop -j2)"
echo "holding no slot    $(loop -j0 --cpus 0)"

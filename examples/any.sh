#!/bin/sh
# any: leave three tasks with a broker and go on when the first has ended: the others are left
# running, or, with the word "cancel" behind the script's name, are cancelled.
set -eu
s() { awk "BEGIN { print $1 * ${SECOND:-1} }"; }

# a broker and a worker of our own; where there is one already, only what is below is needed
dir=$(mktemp -d)
export DROVER_BROKER="ipc://$dir/broker"
drover broker start --listen "$DROVER_BROKER" 2>"$dir/log" &
broker=$!
drover worker start --slots 3 2>>"$dir/log" &
worker=$!
trap 'kill $worker; wait $worker; kill $broker; wait $broker; rm -r "$dir"' EXIT

until drover ping >/dev/null 2>&1; do sleep 0.05; done
id=$(drover submit 'sleep {}; echo task {#} is done' ::: "$(s 2)" "$(s 3)" "$(s 1)")
echo "first: task $(drover wait "$id" --any)"
if [ "${1:-}" = cancel ]; then
    drover cancel "$id" --reason "another was first"
    drover list
else
    drover results "$id" --follow
fi

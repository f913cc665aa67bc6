#!/bin/sh
# users: fetch, then process, for a hundred users. Fetching waits for 100 ms and holds no slot, so
# that all of it happens at once; processing is 50 ms of work and takes a slot, of which there is one
# for each core. No user waits for the others between the two.
#
#     DROVER_MODULES=. ./users.sh     (with work.so in that directory)
set -eu
seq 100 | drover foreach --summary --cpus 0 "sleep $(awk "BEGIN { print 0.1 * ${SECOND:-1} }"); echo user {}" \
    --then --function work:process

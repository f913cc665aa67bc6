#!/bin/sh
# all: start three tasks, await all of them, and print their results in the order of the tasks.
set -eu
s() { awk "BEGIN { print $1 * ${SECOND:-1} }"; }
drover invoke -k --summary "sleep $(s 2); echo task 1 is done" "sleep $(s 3); echo task 2 is done" \
    "sleep $(s 1); echo task 3 is done"

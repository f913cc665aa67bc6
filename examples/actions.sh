#!/bin/sh
# actions: three different things at the same time, each printed as it ends.
set -eu
s() { awk "BEGIN { print $1 * ${SECOND:-1} }"; }
drover invoke --summary "sleep $(s 1.0); echo the mail is sent" \
    "sleep $(s 0.5); echo the cache is warm" "sleep $(s 2.0); echo the report is written"

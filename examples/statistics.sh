#!/bin/sh
# statistics: lines, words and bytes of several files: counted in parallel, added up here.
#
#     DROVER_MODULES=. ./statistics.sh FILE...     (with text.so in that directory)
set -eu
drover foreach -k --function text:count ::: "$@" |
    awk '{ print; for (i = 1; i <= 3; i++) sum[i] += $i }
         END { print sum[1], sum[2], sum[3], "in", NR, "files" }'

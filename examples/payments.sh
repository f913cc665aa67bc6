#!/bin/sh
# payments: strict order within an account, accounts in parallel. Four accounts with five payments
# each, 0.2 s a payment, on four slots: the second value is the key, and tasks of one key run one
# after another, in the order of the input.
set -eu
drover foreach -j4 --summary --order-by '{2}' \
    "sleep $(awk "BEGIN { print 0.2 * ${SECOND:-1} }"); echo {2}: payment {1}" ::: 1 2 3 4 5 ::: ann bob cleo dan

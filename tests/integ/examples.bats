#!/usr/bin/env bats
# The examples, in C and in shell: each says what its page says (doc/EXAMPLES.md), with short seconds.
load lib

sources=${top_srcdir:-$BATS_TEST_DIRNAME/../..}
examples=$sources/examples

setup() {
    drover_setup
    need cc
    mkdir "$T/modules"
    export DROVER_MODULES=$T/modules SECOND=0.04
    PATH=$DROVER_BINDIR:$PATH
}

# with_module NAME: the example of that name, as users build it.
with_module() {
    cc -O2 -Wall -Wextra -Werror -shared -fPIC -I"$sources/worker" -o "$T/modules/$1.so" "$examples/$1.c"
}

# run_c NAME [ARGUMENT]..., run_sh likewise: its output in $T/out.
run_c() {
    local name=$1
    shift
    ends_with 0 "$DROVER_BINDIR/examples/$name" "$@"
}

run_sh() {
    local name=$1
    shift
    ends_with 0 "$examples/$name.sh" "$@"
}

sorted() {
    LC_ALL=C sort "$T/out" | paste -sd,
}

@test "customers: one after another, on two slots, and holding none" {
    run_c customers
    same "$(cut -c1-17 "$T/out" | sed 's/ *$//' | paste -sd,)" "one after another,on 2 slots,holding no slot"
    run_sh customers
    same "$(cut -c1-17 "$T/out" | sed 's/ *$//' | paste -sd,)" "one after another,on 2 slots,holding no slot"
}

@test "actions: three different things" {
    run_c actions
    same "$(sed -n 's/^[0-9. s]*the/the/p' "$T/out" | LC_ALL=C sort | paste -sd,)" \
        "the cache is warm,the mail is sent,the report is written"
    says "$T/out" "all three in"
    run_sh actions
    same "$(sorted)" "the cache is warm,the mail is sent,the report is written"
    says "$T/err" "3 tasks, 0 failed, 3 slots"
}

@test "all: results in the order of the tasks" {
    run_c all
    same "$(sed '$d' "$T/out" | paste -sd,)" "task 1 is done,task 2 is done,task 3 is done"
    run_sh all
    same "$(paste -sd, "$T/out")" "task 1 is done,task 2 is done,task 3 is done"
}

@test "any: the others are left running, or cancelled" {
    run_c any
    same "$(grep -c 'is done' "$T/out")" 3
    says "$T/out" "was first"
    run_sh any
    same "$(grep -c 'is done' "$T/out")" 3
    says "$T/out" "first: task 1."
    export SECOND=5
    run_c any cancel
    same "$(grep -c 'cancelled another was first' "$T/out")" 2
    says "$T/out" "task 3: done"
    says "$T/out" "nothing runs any more"
}

@test "any.sh cancels, and shows it" {
    export SECOND=3 # the other two are cancelled before the next would have ended
    run_sh any cancel
    same "$(awk 'NR == 3 { print $(NF - 5) }' "$T/out")" 2 "cancelled tasks"
}

@test "background: a function of a module, while the caller goes on" {
    ends_with 1 "$DROVER_BINDIR/examples/background" 30000
    says "$T/err" "no worker there has the function 'work:primes'"
    with_module work
    run_c background 30000
    says "$T/out" "3245 primes below 30000"
    says "$T/out" "the caller woke"
    run_sh background 30000
    says "$T/out" "3245 primes below 30000"
    says "$T/out" "the script woke"
}

@test "users: fetch without a slot, then process on one" {
    with_module work
    run_c users
    says "$T/out" "100 of 100 users"
    run_sh users
    same "$(LC_ALL=C sort -u "$T/out" | wc -l)" 100
}

@test "statistics: map and reduce" {
    with_module text
    printf 'a b\nc\n' >one
    printf 'd\n' >two
    run_c statistics one two
    same "$(sorted)" "1 1 2 two,2 3 6 one,3 4 8 in 2 files"
    run_sh statistics one two
    same "$(sorted)" "1 1 2 two,2 3 6 one,3 4 8 in 2 files"
}

@test "payments: strict order within an account" {
    local name
    for name in run_c run_sh; do
        $name payments
        same "$(grep -c payment "$T/out")" "$([ $name = run_c ] && echo 21 || echo 20)"
        for account in ann bob cleo dan; do
            same "$(grep "^$account:" "$T/out" | tr -dc '0-9\n' | paste -sd,)" 1,2,3,4,5 "$account"
        done
    done
}

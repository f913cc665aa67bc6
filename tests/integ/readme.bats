#!/usr/bin/env bats
# What README.md shows, pasted into a script, with short seconds.
load lib

readme=${top_srcdir:-$BATS_TEST_DIRNAME/../..}/README.md

# block TEXT: the first block of commands behind the line that begins so.
block() {
    awk -v text="$1" 'index ($0, text) == 1 { found = 1 }
        found && /^```/ { if (inside++) exit; next }
        inside' "$readme"
}

@test "the broker dies: the batch goes on with the next one" {
    block '- **The broker dies**' >block
    sed -n 's/^\$ //p' block | sed 's/sleep 2;/sleep 0.5;/' >script
    grep -q 'kill -9' script
    echo 'kill $(jobs -p); wait' >>script
    timeout 60 bash script >"$T/out" 2>"$T/log/script" 3>&-
    same "$(cat "$T/out")" "$(grep -v '^\$ ' block)"
}

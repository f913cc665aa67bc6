# T25: the state is damaged: cut, flipped, exchanged, of yesterday
# shellcheck shell=bash
# Sizes: CASES (of each kind of damage; from 10000 on also every cut of the last 64 KiB of each file).
# tests/unit/test_state_damage: damage is found and named, or nothing is missing. A state that went
# back as a whole is found by who comes back with more than it knows.

campaign_T25() {
    size CASES 10 10000
    unit_test test_state_damage "$CASES"
}

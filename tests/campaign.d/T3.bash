# T3: the power fails: unsynced sectors are there or not, writes are torn, files are as they were
# shellcheck shell=bash
# Sizes: CUTS. tests/unit/test_state_power over a disk that remembers what was not synced: after each
# the state opens; in durability full nothing acknowledged is missing, in fast it is one that was.

campaign_T3() {
    size CUTS 51 1000
    unit_test test_state_power "$CUTS"
}

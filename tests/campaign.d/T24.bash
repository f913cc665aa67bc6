# T24: each allocation fails, of SQLite and of drover's own, and each operation of the disk
# shellcheck shell=bash
# Sizes: EACH (1: every single allocation and operation of the disk, 0: some).

campaign_T24() {
    size EACH '' 1
    unit_test test_state_errors "$EACH"
    unit_test test_memory_out "$EACH"
}

# T27: versions: golden bytes of every message, states of other formats, peers of other versions
# shellcheck shell=bash
# No sizes. There is one version of the protocol and one format so far: what others might write, and
# what must be refused in words, are samples in tests/vectors and in the unit tests.

campaign_T27() {
    local test
    for test in test_vectors test_wire test_statedb test_sched_session; do
        unit_test "$test" ''
    done
}

/* keycount: how many ordering keys a batch has, and how many tasks the one with the most: what its
 * order leaves to run at one time. Keys are told apart by a hash; beyond a number that no order
 * comes near to being a limit at, they are not counted any more.
 */
#ifndef DROVER_CLI_KEYCOUNT_H
#define DROVER_CLI_KEYCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keycount_key;

/* To be zeroed first. */
struct keycount {
    struct keycount_key *keys; /* uthash */
    uint64_t count;            /* keys; 0: none, or too many to be counted */
    uint64_t most;             /* tasks of the one that has the most */
    bool full;
};

void keycount_add (struct keycount *k, const char *key, size_t len);
void keycount_fini (struct keycount *k);

#endif
